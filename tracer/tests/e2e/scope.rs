//! SCOPE: only the target produces events, and only the target has probes in its code.

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, memory, turn};

#[test]
fn another_process_of_the_same_program_is_left_alone() {
    let _turn = turn();
    let program = build::c("hammer");
    let mut target = Target::start(&program);
    let mut other = Target::start(&program);
    let untouched = memory::code(other.pid(), &program);
    let session = Session::trace(&target.p(), &["hit", "-n", "0"]);
    assert_eq!(memory::code(other.pid(), &program), untouched);
    assert_ne!(memory::code(target.pid(), &program), untouched);
    assert_eq!(other.number("run 2 500"), 1000);
    assert_eq!(target.number("run 1 7"), 7);
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    assert_eq!(outcome.calls("hit").len(), 7);
    assert!(outcome.calls("hit").iter().all(|call| call["pid"] == target.pid()));
}
