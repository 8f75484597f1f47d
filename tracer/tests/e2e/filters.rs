//! Conditions that the kernel cannot decide alone, fields that are parts of values, several probes on one function.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::{Outcome, Session, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{build, turn};

const LIFTED: [&str; 4] = ["-n", "0", "--max-overhead", "100"];
const CALLS: u32 = 400;

fn traced(program: PathBuf, arguments: &[&str]) -> Outcome {
    let mut target = Target::start(program);
    let session = Session::trace(&target.p(), arguments);
    target.ask(&CALLS.to_string());
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    outcome
}

fn numbers(outcome: &Outcome, function: &str, name: &str) -> Vec<u32> {
    outcome.calls(function).iter().map(|call| call["args"][name].as_u64().unwrap() as u32).collect()
}

type Expected = fn(u32) -> bool;

const CONDITIONS: [(&str, Expected); 22] = [
    // In the kernel.
    ("request.timeout >= 3990us", |n| n == 399),
    ("request.timeout <= 10us || request.timeout == 3ms", |n| n <= 1 || n == 300),
    ("request.bytes == b\"\\xff\\x41z\"", |n| n % 256 == 0x41),
    ("request.kind == \"even\" && request.number < 10", |n| n % 2 == 0 && n < 10),
    ("request.kind starts_with \"odd 39\"", |n| n == 39 || n >= 390 && n % 2 == 1),
    ("request.nested is Outer && request.nested.0.depth > 390", |n| n % 3 == 0 && n > 390),
    ("request.nested is Outer && request.nested.0.ratio < 1.0", |n| n == 0 || n == 3),
    ("request.is_last && !request.queue.is_empty()", |n| n % 100 == 99),
    ("thread == \"worker-*\" && request.queue.is_empty() && request.number > 380", |n| n % 5 == 0 && n > 380),
    ("result is Ok && result.0.code == 206 && request.number < 50", |n| n % 7 == 6 && n % 10 != 3 && n < 50),
    // Afterwards.
    ("request.headers[\"h3\"] == 7", |n| n % 6 > 3 && n % 5 == 4),
    ("request.marks[12] == 'c'", |n| n % 8 > 4 && n % 26 == 2),
    ("request.queue[2] > 390 && request.number != 397", |n| n % 5 > 2 && n > 388 && n != 397),
    ("request.number > request.limit", |n| n > 500 - n / 2),
    ("request.text == request.twin && request.number < 20", |n| n % 4 == 0 && n < 20),
    ("result is Err && result.0 contains \"9\" || request.headers[\"h0\"] == 9", |n| {
        n % 10 == 3 && n.to_string().contains('9')
    }),
    ("result is Ok && result.0.size > request.limit", |n| n % 10 != 3 && n > 500 - n / 2),
    ("result is Ok && result.0.text.len() == request.number && request.number > 290", |n| {
        n > 290 && n < 300 && n % 10 != 3
    }),
    ("duration < request.timeout && request.number == 399", |n| n == 399),
    ("!(request.number < request.limit) && request.is_last", |n| n == 399),
    ("request.headers.len() > request.queue.len() && request.number < 20", |n| n % 6 > n % 5 && n < 20),
    ("request.text == \"TEXT123\"", |n| n == 123),
];

#[test]
fn what_the_kernel_cannot_decide_is_decided_afterwards() {
    let _turn = turn();
    for (program, step) in [(build::rust("filters"), 1), (build::rust_dev("filters"), 4)] {
        for (condition, expected) in CONDITIONS.into_iter().step_by(step) {
            let condition = condition.replace("TEXT", &"x".repeat(200));
            let outcome = traced(
                program.clone(),
                &[&[&*format!("serve if {condition} -> request.number")], &LIFTED[..]].concat(),
            );
            let expected: Vec<u32> = (0..CALLS).filter(|number| expected(*number)).collect();
            assert_eq!(numbers(&outcome, "serve", "request.number"), expected, "{condition}");
            assert_eq!(outcome.returns("serve").len(), expected.len(), "{condition}");
            assert_eq!(outcome.of_kind("stopped")[0]["undecided"], Value::Null, "{condition}");
        }
    }
}

#[test]
fn a_limit_counts_what_is_left_afterwards() {
    let _turn = turn();
    let mut target = Target::start(build::rust("filters"));
    let probe = "serve if request.number > 100 && request.text == request.twin";
    let session = Session::trace(&target.p(), &[probe, "-n", "5", "--max-overhead", "100"]);
    target.ask(&CALLS.to_string());
    let outcome = session.outcome();
    let stopped = outcome.ended_well("limit");
    assert_eq!((&stopped["calls"], &stopped["returns"]), (&5.into(), &5.into()));
    let number = |call: &Value| call["args"]["request"]["number"].as_u64().unwrap();
    assert_eq!(outcome.calls("serve").iter().map(number).collect::<Vec<_>>(), [104, 108, 112, 116, 120]);
    // The kernel's part has left out the first hundred.
    assert!(stopped["judged"].as_u64().unwrap() <= u64::from(CALLS) - 101, "{stopped}");
}

#[test]
fn calls_inside_of_one_that_is_left_out_belong_to_what_is_around_it() {
    let _turn = turn();
    let probes = ["around -> request.number", "serve if request.text == request.twin", "inner"];
    let outcome = traced(build::rust("filters"), &[&probes[..], &LIFTED].concat());
    assert_eq!(outcome.calls("around").len(), CALLS as usize);
    assert_eq!(outcome.calls("serve").len(), CALLS as usize / 4);
    let id = |call: &Value| call["id"].as_u64().unwrap();
    let around: Vec<u64> = outcome.calls("around").iter().map(id).collect();
    let serve: Vec<u64> = outcome.calls("serve").iter().map(id).collect();
    for call in outcome.calls("inner") {
        let (number, parent) = (call["args"]["number"].as_u64().unwrap(), call["parent"].as_u64().unwrap());
        let (around_it, depth) = if number % 4 == 0 { (&serve, 2) } else { (&around, 1) };
        assert!(around_it.contains(&parent), "{call}");
        assert_eq!(call["depth"], depth, "{call}");
    }
    assert_eq!(outcome.returns("inner").len(), CALLS as usize);
}

#[test]
fn two_probes_on_one_function_are_one_that_either_opens() {
    let _turn = turn();
    let probes = ["serve if request.number == 7 -> request.number", "filters::serve if result is Err -> request.limit"];
    let outcome = traced(build::rust("filters"), &[&probes[..], &LIFTED].concat());
    let expected: Vec<u32> = (0..CALLS).filter(|n| *n == 7 || n % 10 == 3).collect();
    assert_eq!(numbers(&outcome, "serve", "request.number"), expected);
    assert!(outcome.calls("serve").iter().all(|call| call["args"]["request.limit"].is_u64()));
    let errors = outcome.errors.join("\n");
    assert!(errors.contains("filters::serve: 2 probes mean it: a call counts if it does for one of them"), "{errors}");
}

#[test]
fn fields_are_parts_of_values() {
    let _turn = turn();
    let fields = "request.queue[1], request.headers[\"h1\"], request.marks[3], request.nested.Outer.0.depth, \
                  request.bytes[1], request.text.len(), result.Ok.0.code, result.Err";
    let probe = format!("serve if request.number == 33 || request.number == 34 || request.number == 40 -> {fields}");
    for program in [build::rust("filters"), build::rust_dev("filters")] {
        let outcome = traced(program, &[&[&*probe][..], &LIFTED].concat());
        let arguments: Vec<String> = outcome.calls("serve").iter().map(|call| call["args"].to_string()).collect();
        let gone = r#"{"$unreadable":"not there"}"#;
        let expected = [
            format!(
                r#"{{"request.queue[1]":34,"request.headers[\"h1\"]":4,"request.marks[3]":{gone},"request.nested.Outer.0.depth":33,"request.bytes[1]":33,"request.text.len()":202}}"#
            ),
            format!(
                r#"{{"request.queue[1]":35,"request.headers[\"h1\"]":5,"request.marks[3]":"i","request.nested.Outer.0.depth":{gone},"request.bytes[1]":34,"request.text.len()":202}}"#
            ),
            format!(
                r#"{{"request.queue[1]":{gone},"request.headers[\"h1\"]":1,"request.marks[3]":{gone},"request.nested.Outer.0.depth":{gone},"request.bytes[1]":40,"request.text.len()":202}}"#
            ),
        ];
        assert_eq!(arguments, expected);
        let values: Vec<String> = outcome.returns("serve").iter().map(|end| end["values"].to_string()).collect();
        let [ok, error] = ["result.Ok.0.code", "result.Err"];
        assert_eq!(values[0], format!(r#"{{"{ok}":{gone},"{error}":"no 33"}}"#));
        assert_eq!(values[1], format!(r#"{{"{ok}":206,"{error}":{gone}}}"#));
    }
}

#[test]
fn fields_of_an_async_fn_and_a_stack() {
    let _turn = turn();
    let probe = "filters::later if number == 21 && request.is_last == false -> number, request.limit, stack";
    let outcome = traced(build::rust("filters"), &[&[probe][..], &LIFTED].concat());
    let calls = outcome.calls("later");
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call["args"].to_string(), r#"{"number":21,"request.limit":490}"#);
    assert!(call["backtrace"].as_array().unwrap().iter().any(|frame| frame.to_string().contains("main")), "{call}");
    // Nobody else brings a stack.
    let probes = ["inner if number == 5 -> number, stack", "serve if request.number == 5 -> request.number"];
    let outcome = traced(build::rust("filters"), &[&probes[..], &LIFTED].concat());
    assert!(outcome.calls("inner")[0]["backtrace"].is_array());
    assert_eq!(outcome.calls("serve")[0].get("backtrace"), None);
}

#[test]
fn a_plan_tells_where_each_part_is_decided() {
    let target = Target::start(build::rust("filters"));
    let probe = "serve if request.number > 5 && request.text == request.twin && request.headers[\"a\"] == 1 -> result.Ok.0.code";
    let outcome = tracer(&["trace", "-p", &target.p(), "--dry-run", probe]);
    let text = outcome.output.join("\n");
    for line in [
        "    result.Ok.0.code: u16  behind *result-pointer",
        "    if request.number > 5  decided in the kernel",
        "    if request.text == request.twin  decided on the record: it compares two values of the target",
        "    if request.headers[\"a\"] == 1  decided on the record: it is found by its key",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn lines_inlined_copies_and_usdt_probes_have_conditions_and_fields() {
    let _turn = turn();
    let probe = "step if number > limit && number != 380 -> number, limit";
    let outcome = traced(build::rust("filters"), &[&[probe, "--inlined", "only"][..], &LIFTED].concat());
    let expected: Vec<u32> = (0..CALLS).filter(|n| *n > 500 - n / 2 && *n != 380).collect();
    assert_eq!(numbers(&outcome, "step", "number"), expected);

    let source = include_str!("../fixtures/filters.rs");
    let line = source.lines().position(|line| line.contains("match number % 10 {")).unwrap() + 1;
    let probe = format!("filters.rs:{line} if number > request.limit && request.is_last -> number, request.limit");
    let outcome = traced(build::rust_dev("filters"), &[&[&*probe][..], &LIFTED].concat());
    let hits: Vec<String> = outcome.of_kind("line").iter().map(|hit| hit["locals"].to_string()).collect();
    assert_eq!(hits, [r#"{"number":399,"request.limit":301}"#]);
    let probe = format!("filters.rs:{line} if number == 3 -> locals");
    let outcome = traced(build::rust_dev("filters"), &[&[&*probe][..], &LIFTED].concat());
    let hits = outcome.of_kind("line");
    assert_eq!((hits.len(), &hits[0]["locals"]["request"]["limit"]), (1, &499.into()));

    let mut command = Command::new(build::registry(&[]));
    let mut target = Target::spawn(command.args(["register-random-trees", "2", "10"]).stderr(Stdio::null()));
    let probe = "usdt:mailbox:send if arg1 == \"TreeRegistration\" -> arg1";
    let outcome = Session::trace(&target.p(), &["-n", "3", "--for", "1m", probe]).outcome();
    let events = outcome.of_kind("usdt");
    assert_eq!(events.len(), 3, "{outcome:#?}");
    for event in events {
        assert!(event["args"].to_string().contains("TreeRegistration"), "{event}");
    }
    let probe = "audit_log::* if uuid != \"00000000-0000-0000-0000-000000000000\" && duration > 1us -> uuid";
    let outcome = Session::trace(&target.p(), &["-n", "3", "--for", "1m", probe]).outcome();
    assert!(target.is_alive());
    signal(target.pid(), libc::SIGTERM);
    assert_eq!(target.wait().code(), Some(0));
    let calls = outcome.of_kind("call");
    assert_eq!(calls.len(), 3, "{outcome:#?}");
    assert!(calls.iter().all(|call| call["args"]["uuid"].as_str().is_some_and(|uuid| uuid.len() == 36)), "{calls:#?}");
}
