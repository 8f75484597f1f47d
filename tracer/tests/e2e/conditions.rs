//! Conditions: exactly the calls for which they hold, with the arguments that they had at entry, decided in the kernel.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::session::{Outcome, Session, tracer};
use crate::harness::target::Target;
use crate::harness::{build, turn};

const LIFTED: [&str; 4] = ["-n", "0", "--max-overhead", "100"];
const CALLS: u32 = 1000;

/// What a session shows of `CALLS` calls.
fn traced(program: PathBuf, probes: &[&str]) -> Outcome {
    let mut target = Target::start(program);
    let session = Session::trace(&target.p(), &[probes, &LIFTED].concat());
    target.ask(&CALLS.to_string());
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    outcome
}

fn numbers(outcome: &Outcome) -> Vec<u32> {
    let number = |call: &Value| call["args"]["number"].as_u64().unwrap() as u32;
    outcome.calls("serve").iter().map(number).collect()
}

type Expected = fn(u32) -> bool;

fn check(program: PathBuf, conditions: &[(&str, Expected)]) {
    let _turn = turn();
    for (condition, expected) in conditions {
        let outcome = traced(program.clone(), &[&format!("serve if {condition}")]);
        let expected: Vec<u32> = (0..CALLS).filter(|number| expected(*number)).collect();
        assert_eq!(numbers(&outcome), expected, "{condition}");
        assert_eq!(outcome.returns("serve").len(), expected.len(), "{condition}");
        assert_eq!(outcome.of_kind("stopped")[0]["undecided"], Value::Null, "{condition}");
    }
}

const RUST: [(&str, Expected); 19] = [
    ("number == 777", |n| n == 777),
    ("number < 5 || number >= 990", |n| !(5..990).contains(&n)),
    ("tree.moisture > 80", |n| n % 4 != 0 && n % 101 > 80),
    ("tree.moisture is None && number != 4", |n| n % 4 == 0 && n != 4),
    ("tree.name == \"tree 77 of the wood\"", |n| n == 77),
    ("tree.name.starts_with(\"tree 99\")", |n| n == 99 || n >= 990),
    ("tree.inner.depth <= -490", |n| n <= 10),
    ("tree.inner.price > 399.0 || tree.inner.price == -100", |n| n > 998 || n == 0),
    ("tree.wide < -1180591620717411303423", |n| n == 0),
    ("text ends_with \"99\" && !(text contains \"5\")", |n| n % 100 == 99 && n != 599),
    ("text.len() == 9", |n| n < 10),
    ("message is Load && items[2] == 8", |n| n % 3 == 1 && n % 5 > 2 && n % 7 == 6),
    ("message.Save.id > 900", |n| n % 3 == 0 && n > 900),
    ("items.len() > 3 && number < 100", |n| n % 5 > 3 && n < 100),
    ("args.0 == 3 && thread == \"worker\"", |n| n == 3),
    ("tid == 1 || thread starts_with \"main\"", |_| false),
    ("result is Err", |n| n % 3 == 0 && n % 50 == 7),
    ("result.Ok == 10 || result is Err && number > 500 || number == 6", |n| {
        n == 1 || n == 10 && n % 3 != 1 || n % 3 == 0 && n % 50 == 7 && n > 500 || n == 6
    }),
    ("result.Err contains \"907\" || number == 6 && duration > 0ns", |n| n == 907 && n % 3 == 0 || n == 6),
];

#[test]
fn values_of_an_optimised_rust_program() {
    check(build::rust("conditions"), &RUST);
}

#[test]
fn values_of_an_unoptimised_rust_program() {
    check(build::rust_dev("conditions"), &RUST);
}

const C: [(&str, Expected); 9] = [
    ("order.name == \"odd\" && order.id < 20", |n| n % 2 == 1 && n < 20),
    ("order.name == null && number < 50", |n| n % 10 == 0 && n < 50),
    ("order.price >= 399", |n| n >= 998),
    ("order.colour is BLUE && number < 10", |n| n % 3 == 2 && n < 10),
    ("order.colour == GREEN && order.inner != null && order.inner.flag == 5", |n| {
        n % 3 == 1 && n % 8 == 5 && n % 100 != 0
    }),
    ("order.inner == null", |n| n % 100 == 0),
    ("order.rate < 0 && order.tag == \"t91\"", |n| n == 91),
    ("order.tag.len() == 2", |n| n < 10),
    ("result < 0", |n| n % 7 == 3),
];

#[test]
fn values_of_a_c_program() {
    check(build::c("conditions"), &C);
}

#[test]
fn what_cannot_be_read_is_no_match_and_is_counted() {
    let _turn = turn();
    let outcome = traced(build::c("conditions"), &["serve if order.inner.flag == 5 && number >= 0"]);
    let expected: Vec<u32> = (0..CALLS).filter(|n| n % 8 == 5 && n % 100 != 0).collect();
    assert_eq!(numbers(&outcome), expected);
    // Every hundredth call has no inner order: nobody knows its flag.
    assert_eq!(outcome.of_kind("stopped")[0]["undecided"], 10);
}

#[test]
fn one_call_in_a_hundred_thousand() {
    let _turn = turn();
    let mut target = Target::start(build::rust("conditions"));
    let session = Session::trace(&target.p(), &[&["serve if number == 77777"][..], &LIFTED].concat());
    target.ask("100000");
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    assert_eq!(numbers(&outcome), [77_777]);
    assert_eq!(outcome.ended("serve", "returned"), 1);
}

#[test]
fn a_limit_counts_the_calls_that_are_shown() {
    let _turn = turn();
    let mut target = Target::start(build::rust("conditions"));
    let session = Session::trace(&target.p(), &["serve if result is Err", "-n", "5", "--max-overhead", "100"]);
    target.ask("3000");
    let outcome = session.outcome();
    let stopped = outcome.ended_well("limit");
    assert_eq!((&stopped["calls"], &stopped["returns"]), (&5.into(), &5.into()));
    assert_eq!(numbers(&outcome), [57, 207, 357, 507, 657]);
}

#[test]
fn durations_choose_the_slow_calls() {
    let _turn = turn();
    let outcome = traced(build::rust("conditions"), &["serve if duration > 2ms"]);
    let found: BTreeSet<u32> = numbers(&outcome).into_iter().collect();
    assert!([499, 999].iter().all(|slow| found.contains(slow)), "{found:?}");
    assert!(outcome.returns("serve").iter().all(|end| end["duration_ns"].as_u64().unwrap() > 2_000_000));
}

#[test]
fn calls_inside_of_one_that_is_held_back_belong_to_what_is_around_it() {
    let _turn = turn();
    let mut target = Target::start(build::rust("panics"));
    let probes = ["panics::outer", "panics::middle if result > 0", "panics::inner"];
    let session = Session::trace(&target.p(), &[&probes[..], &LIFTED].concat());
    assert_eq!(target.ask("21"), "caught 18 sum 38 dropped 21");
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    // Unwound calls have no result.
    assert_eq!((outcome.calls("middle").len(), outcome.ended("middle", "returned")), (3, 3));
    assert_eq!((outcome.calls("inner").len(), outcome.ended("inner", "unwound")), (21, 18));
    let outer: BTreeSet<u64> = outcome.calls("outer").iter().map(|call| call["id"].as_u64().unwrap()).collect();
    for call in [outcome.calls("inner"), outcome.calls("middle")].concat() {
        assert!(outer.contains(&call["parent"].as_u64().unwrap()), "{call}");
        assert_eq!(call["depth"], 1, "{call}");
    }
}

#[test]
fn a_duration_holds_for_calls_that_unwind() {
    let _turn = turn();
    let mut target = Target::start(build::rust("panics"));
    let session = Session::trace(&target.p(), &[&["panics::inner if duration > 0ns"][..], &LIFTED].concat());
    // The last one returns, and shows that those before it are gone.
    target.ask("21");
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    assert_eq!((outcome.ended("inner", "unwound"), outcome.ended("inner", "returned")), (18, 3));
}

#[test]
fn hits_that_do_not_count_cost_and_end_the_session() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    target.ask("spin 1 0");
    let outcome = Session::trace(&target.p(), &["hit if number == 4294967295", "--for", "10s"]).outcome();
    target.number("stop");
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert_eq!(outcome.calls("hit").len(), 0);
}

#[test]
fn fields_choose_what_is_captured() {
    let _turn = turn();
    let probe = "serve if number < 3 -> number, tree.name, tree.inner.depth, items.len()";
    let outcome = traced(build::rust("conditions"), &[probe]);
    let arguments: Vec<String> = outcome.calls("serve").iter().map(|call| call["args"].to_string()).collect();
    let expected = |n: i32| {
        let depth = n - 500;
        format!(r#"{{"number":{n},"tree.name":"tree {n} of the wood","tree.inner.depth":{depth},"items.len()":{n}}}"#)
    };
    assert_eq!(arguments, [0, 1, 2].map(expected));
    assert!(outcome.returns("serve").iter().all(|end| end["outcome"] == "returned" && end.get("value").is_none()));
    let outcome = traced(build::c("conditions"), &["serve if number == 77 -> order.tag, order.inner.deep, result"]);
    assert_eq!(outcome.calls("serve")[0]["args"].to_string(), r#"{"order.tag":"t77","order.inner.deep":-423}"#);
    assert_eq!(outcome.returns("serve")[0]["value"], 154);
}

#[test]
fn mistakes_point_at_the_word_before_anything_is_attached() {
    let target = Target::start(build::rust("conditions"));
    for (probe, mark, words) in [
        ("serve if numbr == 3", "         ^^^^^", "there is no argument \"numbr\": there is number"),
        ("serve if tree.inner.dept == 3", "                    ^^^^", "has no field \"dept\""),
        ("serve if number == \"a\"", "                   ^^^", "u32 is not compared with a text"),
        ("serve if message is Sav", "                    ^^^", "has no variant \"Sav\""),
        ("serve if number == 4294967296", "                   ^^^^^^^^^^", "it can be 0 to 4294967295"),
        ("serve if number >", "                 ^", "is missing"),
    ] {
        let outcome = tracer(&["trace", "-p", &target.p(), probe]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        let errors = outcome.errors.join("\n");
        assert!(errors.contains(words), "{errors}");
        assert!(errors.lines().any(|line| line == format!("  {mark}")), "{errors}");
    }
}
