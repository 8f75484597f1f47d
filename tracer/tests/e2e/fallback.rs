//! Kernels without uprobe_multi: perf events show the same, tested by asking for them.

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, turn};

#[test]
fn perf_events_trace_the_same() {
    let _turn = turn();
    let mut target = Target::start(build::rust("panics"));
    let mut seen = Vec::new();
    for attach in ["multi", "perf-event"] {
        let functions = ["panics::outer", "panics::middle", "panics::inner"];
        let options = ["-n", "0", "--attach", attach, "--max-overhead", "100"];
        let session = Session::trace(&target.p(), &[&functions[..], &options].concat());
        target.ask("101");
        let outcome = session.interrupt();
        outcome.ended_well("interrupted");
        let mut lines = outcome.json();
        lines.pop();
        for line in &mut lines {
            // What differs from run to run.
            for key in ["time", "duration_ns"] {
                line.as_object_mut().unwrap().shift_remove(key);
            }
        }
        seen.push(lines);
    }
    assert_eq!(seen[0].len(), 6 * 101);
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn perf_events_keep_the_limit() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    target.ask("spin 2 0");
    let outcome = Session::trace(&target.p(), &["hit", "-n", "100", "--attach", "perf-event"]).outcome();
    let stopped = outcome.stopped();
    assert!(stopped["calls"] == 100 && stopped["returns"] == 100, "{stopped}");
    target.number("stop");
    assert_eq!(target.end().code(), Some(0));
}
