//! SAFE and TRUTH where the stack pointer does unusual things: signal stacks, coroutines, deep recursion, tail calls.

use std::collections::BTreeMap;

use crate::harness::session::{Outcome, Session};
use crate::harness::target::Target;
use crate::harness::{build, turn};

fn traced(program: &str, functions: &[&str], command: &str, expected: &str) -> Outcome {
    let _turn = turn();
    let mut target = Target::start(build::c(program));
    let unlimited = ["-n", "0", "--max-overhead", "100"];
    let session = Session::trace(&target.p(), &[functions, &unlimited].concat());
    assert_eq!(target.ask(command), expected);
    let outcome = session.interrupt();
    assert_eq!(target.end().code(), Some(0));
    outcome
}

#[test]
fn signal_handlers_on_their_own_stack_are_traced() {
    let outcome = traced("stacks", &["interrupted", "in_handler"], "signal 100", "sum 5050 handled 3000");
    outcome.ended_well("interrupted");
    for function in ["interrupted", "in_handler"] {
        assert_eq!(outcome.ended(function, "returned"), 100, "{function}");
    }
    // The handler runs in the middle of the call that it interrupts.
    let first: Vec<_> =
        outcome.json().into_iter().take(4).map(|line| (line["kind"].clone(), line["id"].clone())).collect();
    let expected = [("call", 1), ("call", 2), ("return", 2), ("return", 1)];
    assert_eq!(first, expected.map(|(kind, id)| (kind.into(), id.into())));
}

#[test]
fn coroutines_keep_their_calls_apart() {
    let outcome = traced("stacks", &["outer_step", "inner_step"], "coroutines", "coroutines 4406");
    outcome.ended_well("interrupted");
    for (function, offset) in [("inner_step", 100), ("outer_step", 1100)] {
        let numbers: BTreeMap<u64, i64> = outcome
            .calls(function)
            .iter()
            .map(|call| (call["id"].as_u64().unwrap(), call["args"]["number"].as_i64().unwrap()))
            .collect();
        assert_eq!(numbers.len(), 4, "{function}");
        let ends = outcome.returns(function);
        assert_eq!(ends.len(), 4, "{function}");
        for end in ends {
            assert_eq!(end["outcome"], "returned", "{end}");
            assert_eq!(end["value"], numbers[&end["id"].as_u64().unwrap()] + offset, "{end}");
        }
    }
}

#[test]
fn calls_deeper_than_the_frames_are_counted_as_lost() {
    let outcome = traced("stacks", &["deep"], "deep 200", "deep 200");
    let stopped = outcome.stopped();
    assert_eq!(outcome.code, Some(3), "{stopped}");
    assert_eq!(stopped["lost_by"]["calls too deep"], 200 - 64, "{stopped}");
    assert_eq!(outcome.calls("deep").len(), 64);
    assert_eq!(outcome.ended("deep", "returned"), 64);
}

#[test]
fn tail_calls_show_as_such() {
    let functions = ["direct", "conditional", "indirect", "destination"];
    // direct: 2i+1, conditional: i+1 or -i, indirect: 3i+1
    let outcome = traced("tail", &functions, "100", "sum 25050");
    let expected: i64 = (0..100).map(|i| 2 * i + 1 + if i % 2 == 1 { i + 1 } else { -i } + 3 * i + 1).sum();
    assert_eq!(expected, 25_050, "the expectation above");
    outcome.ended_well("interrupted");
    assert_eq!(outcome.ended("direct", "tail-called"), 100);
    assert_eq!(outcome.ended("indirect", "tail-called"), 100);
    assert_eq!(outcome.ended("conditional", "tail-called"), 50);
    assert_eq!(outcome.ended("conditional", "returned"), 50);
    assert_eq!(outcome.ended("destination", "returned"), 250);
    for end in outcome.of_kind("return") {
        let duration_ns = end["duration_ns"].as_u64().unwrap();
        assert!((1..1_000_000_000).contains(&duration_ns), "{end}");
    }
}
