//! `tracer messages`: what it shows of each message is what the programs themselves say of it.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::{Outcome, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{build, turn};

fn messages(target: &Target, actor: &str, count: &str) -> Outcome {
    let outcome = tracer(&["messages", "--json", "-p", &target.p(), actor, "-n", count, "--for", "30s"]);
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    outcome
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

fn assert_consecutive(messages: &[Value]) {
    for pair in messages.windows(2) {
        assert_eq!(number(&pair[1]["number"]), number(&pair[0]["number"]) + 1, "{messages:#?}");
    }
}

/// AuditLog replies how many entries it has: the number of the message, counted from 1.
#[test]
fn the_registry_apps_messages_are_those_of_its_log() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&[]));
    command.args(["serve", "--listen", "127.0.0.1:0", "--load", "1,300"]).stderr(Stdio::piped());
    let (mut target, log) = Target::spawn_with_log(&mut command);
    target.lines.find("the address", |line| line.starts_with("listening on "));
    let outcome = messages(&target, "AuditLog", "4");
    assert!(target.is_alive());
    signal(target.pid(), libc::SIGTERM);
    assert_eq!(target.wait().code(), Some(0));
    let log = log.all();

    let messages = outcome.of_kind("message");
    assert_eq!(messages.len(), 4, "{outcome:#?}");
    assert_consecutive(&messages);
    for message in &messages {
        let uuid = message["message"]["message"]["request"].as_str().unwrap_or_else(|| panic!("{message}"));
        assert!(log.iter().any(|line| line.contains(uuid)), "{uuid} is not in the app's log");
        assert_eq!(message["replies"], serde_json::json!([number(&message["number"]) + 1]), "{message}");
        assert_eq!(message["sender"]["task"], "target_app::registration::run", "{message}");
        // The proof of work takes 80 ms on an idle machine.
        assert!(number(&message["took_ns"]) > 20_000_000 && number(&message["waited_ns"]) < 1_000_000_000, "{message}");
    }
    let states = outcome.of_kind("state");
    assert!(!states.is_empty(), "{outcome:#?}");
    for state in states {
        let entries = &state["changes"]["audit_log.entries"];
        let handled = number(&state["last_message"]) + 1 - number(&state["first_message"]);
        assert_eq!(number(&entries["after"]) - number(&entries["before"]), handled, "{state}");
        assert_eq!(number(&entries["after"]), number(&state["last_message"]) + 1, "{state}");
    }
    assert_eq!(outcome.of_kind("stopped")[0]["reason"], "limit");
}

/// Eight callers, a worker that takes 20 ms for each job and replies with the sum of the jobs' numbers.
#[test]
fn senders_waiting_and_service_times_of_a_busy_worker() {
    let _turn = turn();
    let mut target = Target::spawn(Command::new(build::shapes()).args(["variety", "multi"]).stderr(Stdio::null()));
    target.lines.find("the shape", |line| line == "ready");
    let outcome = messages(&target, "shapes::worker", "20");
    let messages = outcome.of_kind("message");
    assert_eq!(messages.len(), 20, "{outcome:#?}");
    assert_consecutive(&messages);
    for message in &messages {
        let number_of_job = number(&message["message"]["number"]);
        assert_eq!(message["message"]["_text"], format!("job {number_of_job}"), "{message}");
        assert!(number(&message["took_ns"]) >= 20_000_000, "{message}");
    }
    for pair in messages.windows(2) {
        let sum = |message: &Value| number(&message["replies"][0]);
        assert_eq!(sum(&pair[1]) - sum(&pair[0]), number(&pair[1]["message"]["number"]), "{pair:#?}");
    }
    // The optimiser may put the function that sends into the callers; then that is said.
    for message in &messages {
        match &message["sender"] {
            Value::Null => {
                assert!(message["sender_unknown"].is_string() && message["waited_ns"].is_null(), "{message}")
            }
            // Its sender waits behind three others in a mailbox of four.
            sender => {
                assert_eq!(sender["task"], "shapes::caller", "{message}");
                assert!(number(&message["waited_ns"]) >= 40_000_000, "{message}");
            }
        }
    }
}

#[test]
fn an_actor_without_a_mailbox_is_refused() {
    let _turn = turn();
    let mut target = Target::spawn(Command::new(build::shapes()).args(["idle", "multi"]).stderr(Stdio::null()));
    target.lines.find("the shape", |line| line == "ready");
    tracer(&["messages", "-p", &target.p(), "sleeps"]).refused(1, &["receives from no channel"]);
    tracer(&["messages", "-p", &target.p(), "nobody"]).refused(1, &["no task of"]);
}
