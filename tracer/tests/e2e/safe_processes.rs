//! SAFE: fork, vfork, threads, exec and exit of the target are what they were, and only the target is traced.

use crate::harness::session::{Outcome, Session};
use crate::harness::target::Target;
use crate::harness::{build, turn};

fn traced(command: &str, expected: &str) -> Outcome {
    let _turn = turn();
    let mut target = Target::start(build::c("processes"));
    let session = Session::trace(&target.p(), &["step", "forker", "-n", "0"]);
    assert_eq!(target.ask(command), expected);
    let outcome = session.interrupt();
    assert_eq!(target.end().code(), Some(0));
    outcome
}

#[test]
fn a_fork_inside_a_traced_call_harms_neither_process() {
    // The child makes 100 calls of its own and returns through a frame that was entered in the parent.
    let outcome = traced("fork", "fork 102");
    outcome.ended_well("interrupted");
    assert_eq!((outcome.calls("forker").len(), outcome.calls("step").len()), (1, 1));
}

#[test]
fn vfork_and_exec_of_a_child_work() {
    let outcome = traced("vfork", "vfork 42");
    outcome.ended_well("interrupted");
    assert_eq!(outcome.calls("step").len(), 0, "the child is not the target");
}

#[test]
fn threads_that_start_during_the_session_are_traced() {
    let outcome = traced("thread", "thread 6");
    outcome.ended_well("interrupted");
    let calls = outcome.calls("step");
    assert_eq!(calls.len(), 1);
    assert_ne!(calls[0]["tid"], calls[0]["pid"]);
}

#[test]
fn a_target_that_execs_becomes_the_other_program() {
    let _turn = turn();
    let mut target = Target::start(build::c("processes"));
    let session = Session::trace(&target.p(), &["step", "-n", "0"]);
    target.send("exec");
    assert_eq!(target.wait().code(), Some(23));
    let outcome = session.outcome();
    outcome.ended_well("target-exited");
    assert_eq!(outcome.calls("step")[0]["args"]["number"], 1);
}

#[test]
fn a_target_that_exits_ends_the_session() {
    let _turn = turn();
    let mut target = Target::start(build::c("processes"));
    let session = Session::trace(&target.p(), &["step", "-n", "0"]);
    target.send("exit");
    assert_eq!(target.wait().code(), Some(3));
    let outcome = session.outcome();
    outcome.ended_well("target-exited");
    assert_eq!(outcome.returns("step")[0]["value"], 3);
}
