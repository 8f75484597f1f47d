//! The overhead guard: a target that suffers too much is left alone, and what it suffered is said.

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, memory, turn};

#[test]
fn too_much_overhead_ends_the_session() {
    let _turn = turn();
    let program = build::c("hammer");
    let mut target = Target::start(&program);
    let before = memory::code(target.pid(), &program);
    // A call each 10 µs: 100,000 per second.
    target.ask("spin 1 10000");
    let limits = ["-n", "0", "--for", "0", "--max-overhead", "5"];
    let outcome = Session::trace(&target.p(), &[&["hit"][..], &limits].concat()).outcome();
    let stopped = outcome.stopped();
    assert_eq!(outcome.code, Some(4), "{stopped}");
    assert_eq!(stopped["reason"], "overload", "{stopped}");
    let overhead = stopped["overhead"].as_f64().unwrap();
    // How much depends on how little the target does besides: no upper bound would hold on every machine.
    assert!(overhead > 0.05 && overhead.is_finite(), "{stopped}");
    assert_eq!(memory::code(target.pid(), &program), before);
    assert!(target.number("stop") > 0);
    assert_eq!(target.end().code(), Some(0));
}

#[test]
fn a_guard_that_is_off_lets_it_go_on() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    target.ask("spin 1 10000");
    let limits = ["-n", "0", "--for", "1s", "--max-overhead", "100"];
    let outcome = Session::trace(&target.p(), &[&["hit"][..], &limits].concat()).outcome();
    assert_eq!(outcome.stopped()["reason"], "time");
    target.number("stop");
}
