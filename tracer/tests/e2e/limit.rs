//! LIMIT: exactly the promised number of calls, each with its return; rate and time; no limit only when asked.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::session::{Session, tracer};
use crate::harness::target::Target;
use crate::harness::{build, turn};

#[test]
fn ten_calls_bring_their_ten_returns() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    let session = Session::trace(&target.p(), &["hit"]);
    assert_eq!(target.number("run 1 5000"), 5000);
    let outcome = session.outcome();
    outcome.ended_well("limit");
    assert_eq!((outcome.calls("hit").len(), outcome.ended("hit", "returned")), (10, 10));
}

#[test]
fn eight_threads_share_one_limit() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    target.ask("spin 8 0");
    let limits = ["-n", "1000", "--max-overhead", "100"];
    let outcome = Session::trace(&target.p(), &[&["hit"][..], &limits].concat()).outcome();
    assert!(target.number("stop") > 1000);
    assert_eq!(target.end().code(), Some(0));
    outcome.ended_well("limit");
    assert_eq!((outcome.calls("hit").len(), outcome.ended("hit", "returned")), (1000, 1000));
    let number = |line: &Value, key: &str| line[key].as_i64().unwrap();
    let calls = outcome.calls("hit");
    let numbers: HashMap<i64, i64> =
        calls.iter().map(|call| (number(call, "id"), number(&call["args"], "number"))).collect();
    for end in outcome.returns("hit") {
        assert_eq!(number(&end, "value"), 2 * numbers[&number(&end, "id")], "{end}");
    }
}

#[test]
fn a_rate_that_is_exceeded_ends_the_session() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    let session = Session::trace(&target.p(), &["hit", "-n", "0", "--rate", "100/s"]);
    target.ask("run 1 1000");
    let outcome = session.outcome();
    let stopped = outcome.ended_well("limit");
    assert_eq!(stopped["calls"], 100, "{stopped}");
}

#[test]
fn time_ends_the_session() {
    let _turn = turn();
    let target = Target::start(build::c("hammer"));
    let began = Instant::now();
    let outcome = Session::trace(&target.p(), &["hit", "--for", "700ms"]).outcome();
    assert!(began.elapsed() >= Duration::from_millis(700));
    assert_eq!(outcome.ended_well("time")["calls"], 0);
}

#[test]
fn without_limits_only_an_interrupt_ends_the_session() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    let session = Session::trace(&target.p(), &["hit", "-n", "0", "--for", "0", "--max-overhead", "100"]);
    assert_eq!(target.number("run 1 2000"), 2000);
    let outcome = session.interrupt();
    assert_eq!(outcome.ended_well("interrupted")["calls"], 2000);
}

#[test]
fn the_limits_in_force_are_said() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    let pid = target.p();
    let said = |arguments: &[&str]| {
        let mut session = Session::start(&[&["trace", "-p", &pid, "hit"], arguments].concat());
        session.armed();
        session.interrupt().errors.pop().unwrap()
    };
    assert!(said(&[]).contains("until 10 calls or 15s"));
    assert!(said(&["-n", "0", "--for", "0"]).contains("without limit"));
    target.ask("spin 1 1000000");
    let text = tracer(&["trace", "-p", &pid, "hit", "-n", "3"]).output.pop().unwrap();
    assert!(text.contains("limit of 3 calls reached · 3 calls, 3 returns, 0 lost"), "{text}");
}
