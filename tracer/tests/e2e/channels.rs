//! Channels and locks of several libraries read from outside, against the states that a program has put them in.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::session::{Session, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{build, turn};

fn channels(profile: &str, mode: &str) -> Target {
    Target::command(Command::new(build::channels(profile)).arg(mode).stderr(Stdio::null()))
}

fn queues(target: &Target, arguments: &[&str]) -> Vec<Value> {
    let common = ["queues", "--json", "--interval", "200ms", "--source", "memory", "-p", &target.p()];
    let outcome = tracer(&[&common, arguments].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let lines = outcome.of_kind("queue");
    assert!(lines.iter().all(|line| line["torn"] == false), "{lines:#?}");
    lines
}

/// The only one of that kind that these keys are true of.
#[track_caller]
fn only(lines: &[Value], channel: &str, length: u64) -> Value {
    let fits = |line: &&Value| line["channel"] == channel && line["length"] == length;
    match lines.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [only] => (*only).clone(),
        others => panic!("{channel} of {length}: {others:#?} of {lines:#?}"),
    }
}

#[track_caller]
fn has(line: &Value, expected: Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&line[key], value, "{key} of {line:#?}");
    }
}

#[test]
fn tokios_channels_and_locks_are_told_as_they_stand() {
    let _turn = turn();
    for profile in ["release", "fat"] {
        let target = channels(profile, "tokio");
        let lines = queues(&target, &["--all"]);
        let is = |channel, length, expected| has(&only(&lines, channel, length), expected);
        is("tokio mpsc", 7, json!({"capacity": 16, "sent_total": 10, "received_total": 3, "senders": 1, "delta": 0}));
        is("tokio mpsc, unbounded", 100, json!({"capacity": null, "sent_total": 100, "received_total": 0}));
        // Its receiver is in the future that blocks on the runtime, which is no task.
        is("tokio mpsc", 39, json!({"capacity": 300, "sent_total": 40, "message_type": "(u32, u32)"}));
        is("tokio broadcast", 5, json!({"capacity": 8, "sent_total": 5, "receivers": 2, "unread": 5, "lost": 0}));
        is("tokio broadcast", 4, json!({"capacity": 4, "sent_total": 12, "receivers": 1, "unread": 12, "lost": 8}));
        is("tokio watch", 1, json!({"version": 3, "receivers": 2, "senders": 1}));
        is("tokio oneshot", 1, json!({"condition": "sent"}));
        is("tokio oneshot", 0, json!({"condition": "pending"}));
        // Who waits for four has taken the two that were left.
        is("tokio semaphore", 1, json!({"permits": 0, "waiting": 1}));
        is("tokio mutex", 2, json!({"condition": "locked", "waiting": 2, "message_type": "u64"}));
        is("tokio rwlock", 1, json!({"condition": "locked", "waiting": 1}));
        is("tokio notify", 2, json!({"waiting": 2}));
        let without_locks = queues(&target, &[]);
        assert_eq!(without_locks.len(), 5, "{without_locks:#?}");
    }
}

#[test]
fn channels_of_other_libraries_are_told_with_their_first_messages() {
    let _turn = turn();
    for profile in ["release", "fat"] {
        let target = channels(profile, "libraries");
        let lines = queues(&target, &["--messages", "2"]);
        let is = |channel, length, expected| has(&only(&lines, channel, length), expected);
        let message =
            |number: u64| json!({"value": {"number": number, "text": format!("message {number}")}, "torn": false});
        let two = |first: u64| json!([message(first), message(first + 1)]);
        let ends = json!({"senders": 1, "receivers": 1});
        is("async-channel, unbounded", 69, json!({"sent_total": 70, "received_total": 1, "messages": two(1)}));
        is("async-channel", 4, json!({"capacity": 10, "sent_total": 6, "received_total": 2, "messages": two(2)}));
        is("async-channel", 1, json!({"capacity": 1, "messages": [message(1)]}));
        is("async-channel", 0, json!({"capacity": 4, "sent_total": 0, "messages": []}));
        is("flume, unbounded", 39, json!({"capacity": null, "sent_total": null, "messages": two(1)}));
        is("flume", 3, json!({"capacity": 5, "messages": two(0)}));
        is("flume", 0, json!({"capacity": 0, "waiting": 2, "senders": 2}));
        is("crossbeam", 8, json!({"capacity": 20, "sent_total": 9, "received_total": 1, "messages": two(1)}));
        is("std mpsc, unbounded", 32, json!({"capacity": null, "sent_total": 33, "messages": two(1)}));
        is(
            "std mpsc",
            2,
            json!({"capacity": 3, "messages": [{"value": 1, "torn": false}, {"value": 2, "torn": false}]}),
        );
        has(&only(&lines, "async-channel", 4), ends);
        let waits = |name: &str| -> Vec<Value> {
            let outcome = tracer(&["actors", "--json", "-p", &target.p(), "--filter", name]);
            outcome.of_kind("actor").into_iter().map(|actor| actor["awaits"].clone()).collect()
        };
        assert_eq!(waits("async_waits"), ["mailbox"]);
        assert_eq!(waits("flume_full"), ["room", "room"]);
    }
}

#[test]
fn a_million_queued_messages_are_no_trouble() {
    let _turn = turn();
    let mut target = Target::spawn(Command::new(build::channels("release")).arg("million").stderr(Stdio::null()));
    for _ in 0..3 {
        target.lines.find("filled", |line| line == "filled");
    }
    target.lines.find("ready", |line| line == "ready");
    let lines = queues(&target, &["--messages", "3"]);
    for channel in ["async-channel, unbounded", "flume, unbounded", "tokio mpsc, unbounded"] {
        let line = only(&lines, channel, 1_000_000);
        let numbers: Vec<Value> =
            line["messages"].as_array().unwrap().iter().map(|message| message["value"]["number"].clone()).collect();
        assert_eq!(numbers, [0, 1, 2], "{line}");
    }
}

/// Windows follow each other until Ctrl-C, and the last line says why it ended.
#[test]
fn sampling_goes_on_until_it_is_interrupted() {
    let _turn = turn();
    let target = channels("release", "tokio");
    let arguments = ["queues", "--json", "--source", "memory", "--interval", "100ms", "--for", "0", "-p", &target.p()];
    let mut session = Session::start(&arguments);
    for _ in 0..12 {
        session.find_line("queue");
    }
    let outcome = session.interrupt();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let [stopped] = outcome.of_kind("stopped").try_into().unwrap();
    has(&stopped, json!({"reason": "interrupted", "lost": 0}));
    let hundred: Vec<Value> = outcome.of_kind("queue").into_iter().filter(|line| line["length"] == 100).collect();
    assert!(hundred.len() > 1, "{outcome:#?}");
    let waited = |line: &Value| line["waited_ns"].as_u64().unwrap();
    assert!(waited(hundred.last().unwrap()) > waited(&hundred[0]), "{hundred:#?}");
}

#[test]
fn sampling_ends_with_its_target() {
    let _turn = turn();
    let target = channels("release", "tokio");
    let arguments = ["queues", "--json", "--source", "memory", "--interval", "100ms", "--for", "0", "-p", &target.p()];
    let mut session = Session::start(&arguments);
    session.find_line("queue");
    signal(target.pid(), libc::SIGKILL);
    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    has(&outcome.of_kind("stopped")[0], json!({"reason": "target-exited"}));
}

/// Queues between threads have no future that leads to them: they are known by what they look like.
#[test]
fn queues_between_threads_are_found() {
    let _turn = turn();
    for profile in ["release", "fat"] {
        let target = channels(profile, "threads");
        let lines = queues(&target, &["--messages", "1"]);
        let is = |channel, length, expected| has(&only(&lines, channel, length), expected);
        // Two libraries lay out their lists alike, and nothing that was found holds one's end by its type.
        is(
            "crossbeam or std mpsc, unbounded",
            47,
            json!({"sent_total": 50, "received_total": 3, "senders": 1, "receivers": 1}),
        );
        is("std mpsc", 8, json!({"capacity": 8, "senders": 2}));
        is("crossbeam", 0, json!({"capacity": 16, "sent_total": 0, "senders": 1, "receivers": 1}));
        is("crossbeam or std mpsc, unbounded", 100, json!({"sent_total": 200, "received_total": 100}));
        assert_eq!(lines.len(), 4, "{lines:#?}");
        let first = &only(&lines, "crossbeam or std mpsc, unbounded", 100)["messages"][0]["value"];
        assert_eq!(*first, json!({"number": 100, "text": "message 100"}));
    }
}

/// Positions that never stand still are read as they are at one moment, or marked.
#[test]
fn queues_of_a_target_under_full_load_are_possible() {
    let _turn = turn();
    let target = channels("release", "threads-busy");
    let arguments = ["queues", "--json", "--source", "memory", "--interval", "100ms", "--for", "1s", "-p", &target.p()];
    let outcome = tracer(&arguments);
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let lines = outcome.of_kind("queue");
    assert!(lines.len() >= 5, "{outcome:#?}");
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    for line in &lines {
        assert!(
            number(line, "length") <= 1000 && number(line, "received_total") <= number(line, "sent_total"),
            "{line}"
        );
    }
    assert!(lines.windows(2).all(|pair| number(&pair[0], "sent_total") < number(&pair[1], "sent_total")), "{lines:#?}");
}

/// The tasks of the newer tokio are told, those of the older are counted as unknown.
#[test]
fn two_versions_of_tokio_do_not_disturb_each_other() {
    let _turn = turn();
    let target = channels("release", "two-versions");
    let outcome = tracer(&["actors", "--json", "-p", &target.p(), "--filter", "two_versions"]);
    let actors = outcome.of_kind("actor");
    assert_eq!(actors.len(), 3, "{outcome:#?}");
    assert!(actors.iter().all(|actor| actor["name"] == "channels::two_versions::on_new"), "{actors:#?}");
    assert!(outcome.errors.iter().any(|line| line.contains("kinds of tasks are not known")), "{outcome:#?}");
}
