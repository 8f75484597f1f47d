//! What `tracer why` says of programs whose trouble is known: it names it, and nothing else.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::tracer;
use crate::harness::target::{Target, signal};
use crate::harness::{build, turn};

/// The findings on a shape, and the edges.
fn why(mode: &str) -> (Vec<Value>, Vec<Value>) {
    let mut target = Target::spawn(Command::new(build::shapes()).args([mode, "multi"]).stderr(Stdio::null()));
    target.lines.find("the shape", |line| line == "ready");
    let outcome = tracer(&["why", "--json", "--window", "1s", "-p", &target.p()]);
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(outcome.of_kind("verdict").len(), 1, "{outcome:#?}");
    (outcome.of_kind("finding"), outcome.of_kind("edge"))
}

fn only(mode: &str, finding: &str, words: &[&str]) -> Value {
    let (findings, _) = why(mode);
    let [only] = findings.as_slice() else { panic!("{mode}: {findings:#?}") };
    assert_eq!(only["finding"], finding, "{only}");
    for word in words {
        assert!(only["text"].as_str().unwrap().contains(word), "{word}: {only}");
    }
    only.clone()
}

#[test]
fn deadlocks_of_locks_and_of_calls_are_named() {
    let _turn = turn();
    for (mode, word) in [("deadlock", "a lock that"), ("call-each-other", "reply")] {
        let finding = only(mode, "deadlock", &[word]);
        assert_eq!(finding["tasks"].as_array().unwrap().len(), 2, "{finding}");
    }
}

#[test]
fn a_lock_held_across_an_await_is_told_with_those_who_want_it() {
    let _turn = turn();
    let finding = only("lock-across-await", "lock-across-await", &["holds_across_await", "timer", "shapes.rs:"]);
    assert_eq!(finding["waiters"], 5, "{finding}");
}

#[test]
fn a_blocked_worker_and_a_growing_mailbox_are_told() {
    let _turn = turn();
    only("blocked-worker", "blocked-worker", &["burns", "one poll", "100 % of it in burns (shapes.rs:"]);
    only("grows", "growing-mailbox", &["unbounded", "messages now"]);
}

#[test]
fn when_nothing_is_wrong_it_says_so() {
    let _turn = turn();
    for mode in ["idle", "many"] {
        let (findings, edges) = why(mode);
        assert!(findings.is_empty() && edges.is_empty(), "{mode}: {findings:#?} {edges:#?}");
    }
    let target = Target::start(build::c("hammer"));
    tracer(&["why", "-p", &target.p()]).refused(1, &["no tokio"]);
}

/// The full mailbox is TreeRegistration's, the time is spent in AuditLog, whose own mailbox is empty.
#[test]
fn the_registry_apps_bottleneck_is_found_behind_its_full_mailbox() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&[]));
    command.args(["register-random-trees", "8", "100", "--stats-every", "50ms"]).stderr(Stdio::null());
    let mut target = Target::spawn(&mut command);
    target.lines.find("a full mailbox", |line| {
        line.starts_with("mailbox TreeRegistration") && !line.contains("length=0") && !line.contains("length=1")
    });
    let outcome = tracer(&["why", "--json", "-p", &target.p()]);
    signal(target.pid(), libc::SIGTERM);
    let findings = outcome.of_kind("finding");
    let [finding] = findings.as_slice() else { panic!("{outcome:#?}") };
    assert_eq!(finding["finding"], "bottleneck");
    let text = finding["text"].as_str().unwrap();
    let told = [
        "TreeRegistration: mailbox ",
        "/64, its oldest message waits ",
        "for AuditLog's reply (registration.rs:",
        "AuditLog runs ",
        "in waste_electricity_and_pollute (audit_log.rs:",
    ];
    for words in told {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(finding["advice"].as_str().unwrap().contains("Shorten AuditLog's time per message"), "{finding}");
    assert!(finding["waiters"].as_u64() >= Some(3), "{finding}");
}
