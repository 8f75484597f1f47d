//! `tracer workers` on programs that are known to block their workers: which task, for how long, in which function.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::{Outcome, tracer};
use crate::harness::target::Target;
use crate::harness::{build, turn};

fn workers(mode: &str, runtime: &str, arguments: &[&str]) -> (Target, Outcome) {
    let mut target = Target::spawn(Command::new(build::shapes()).args([mode, runtime]).stderr(Stdio::null()));
    target.lines.find("the shape", |line| line == "ready");
    let outcome = tracer(&[&["workers", "--json", "--max-overhead", "100", "-p", &target.p()], arguments].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    (target, outcome)
}

fn of_role(outcome: &Outcome, role: &str) -> Vec<Value> {
    outcome.of_kind("worker").into_iter().filter(|worker| worker["role"] == role).collect()
}

fn milliseconds(poll: &Value) -> u64 {
    poll["duration_ns"].as_u64().unwrap() / 1_000_000
}

/// It computes for 81 ms and waits for 100 ms, again and again, on either kind of runtime.
#[test]
fn a_task_that_blocks_its_worker_is_told_with_its_function() {
    let _turn = turn();
    for (runtime, role) in [("multi", "worker"), ("current", "current-thread")] {
        let (mut target, outcome) = workers("blocks", runtime, &[]);
        assert!(target.is_alive());
        let long = outcome.of_kind("long-poll");
        let exact: Vec<&Value> = long.iter().filter(|poll| poll["extent"] == "exact").collect();
        assert!((2..=12).contains(&exact.len()), "{runtime}: {outcome:#?}");
        for poll in exact {
            assert_eq!((&poll["name"], &poll["role"]), (&"shapes::blocks_now_and_then".into(), &role.into()), "{poll}");
            assert!(milliseconds(poll) >= 81, "{poll}");
            assert!(poll["task"].is_u64(), "{poll}");
        }
        let function = |poll: &&Value| poll["function"] == "shapes::spins";
        assert!(long.iter().filter(function).count() * 2 > long.len(), "{runtime}: {long:#?}");
        let threads = of_role(&outcome, role);
        let busy: f64 = threads.iter().filter_map(|thread| thread["in_polls"].as_f64()).sum();
        assert!((0.2..0.9).contains(&busy), "{runtime}: {threads:#?}");
        let polls: u64 = threads.iter().filter_map(|thread| thread["polls"].as_u64()).sum();
        assert!((2..=24).contains(&polls), "{runtime}: {threads:#?}");
        assert!(threads.iter().all(|thread| thread["parks"].is_u64()), "{threads:#?}");
    }
}

/// Off CPU within a poll is not parked, and a poll from before the tracer came is told as one that goes on.
#[test]
fn sleeping_in_a_poll_and_never_ending_polls_are_told_apart() {
    let _turn = turn();
    let (_target, outcome) = workers("sleeps", "multi", &[]);
    let blocked: f64 = of_role(&outcome, "worker").iter().filter_map(|worker| worker["blocked"].as_f64()).sum();
    assert!(blocked > 0.2, "{outcome:#?}");

    let (_target, outcome) = workers("blocked-worker", "multi", &["--window", "1s"]);
    let long = outcome.of_kind("long-poll");
    let [poll] = long.as_slice() else { panic!("{outcome:#?}") };
    assert_eq!((&poll["name"], &poll["extent"]), (&"shapes::burns".into(), &"at-least".into()), "{poll}");
    assert!(milliseconds(poll) >= 800, "{poll}");
    assert_eq!(poll["function"], "shapes::burns", "{poll}");
}

/// Without a probe: what samples can say, and nothing more exact than that.
#[test]
fn samples_alone_find_who_keeps_a_worker() {
    let _turn = turn();
    let (_target, outcome) = workers("blocks", "multi", &["--source", "memory"]);
    let workers = of_role(&outcome, "worker");
    assert!(workers.iter().all(|worker| worker["source"] == "memory" && worker["polls"].is_null()), "{workers:#?}");
    let busy: f64 = workers.iter().filter_map(|worker| worker["in_polls"].as_f64()).sum();
    assert!((0.2..0.9).contains(&busy), "{workers:#?}");
    let long = outcome.of_kind("long-poll");
    assert!(!long.is_empty() && long.iter().all(|poll| poll["extent"] == "samples"), "{outcome:#?}");
    assert!(long.iter().all(|poll| poll["name"] == "shapes::blocks_now_and_then"), "{long:#?}");
}

#[test]
fn a_program_without_tokio_has_no_workers() {
    let _turn = turn();
    let target = Target::start(build::c("hammer"));
    tracer(&["workers", "-p", &target.p()]).refused(1, &["no tokio"]);
}
