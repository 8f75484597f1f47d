//! The registry app: what the tracer shows of it agrees with what the app itself logs.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::{Session, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{build, eventually, turn};

#[test]
fn a_trace_shows_the_way_of_each_tree_with_the_uuids_of_the_log() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&[]));
    command.args(["serve", "--listen", "127.0.0.1:0", "--load", "4,100"]).stderr(Stdio::piped());
    let (mut target, log) = Target::spawn_with_log(&mut command);
    target.lines.find("the address", |line| line.starts_with("listening on "));
    let outcome = Session::trace(&target.p(), &["audit_log::*", "-n", "10"]).outcome();
    assert!(target.is_alive(), "the app serves on");
    signal(target.pid(), libc::SIGTERM);
    assert_eq!(target.wait().code(), Some(0));
    let log = log.all();
    let stopped = outcome.ended_well("limit");
    assert_eq!((&stopped["calls"], &stopped["returns"]), (&10.into(), &10.into()));

    let calls = outcome.of_kind("call");
    let by_id: BTreeMap<u64, &Value> = calls.iter().map(|call| (call["id"].as_u64().unwrap(), call)).collect();
    let parent =
        |call: &Value| by_id.get(&call["parent"].as_u64().unwrap()).map_or(Value::Null, |call| (*call).clone());
    let wasters = outcome.calls("waste_electricity_and_pollute");
    assert!(wasters.len() >= 2, "{calls:#?}");
    for waste in wasters {
        let store = parent(&waste);
        assert_eq!(store["function"], "target_app::audit_log::store_to_the_blockchain");
        let handler = parent(&store);
        assert_eq!(handler["function"], "target_app::audit_log::AuditLog::handle_call");
        let uuid = waste["args"]["uuid"].as_str().unwrap();
        assert_eq!(store["args"]["uuid"], uuid);
        assert!(handler["args"].to_string().contains(uuid), "{handler}");
        let logged = format!("Registering tree {uuid}");
        assert!(log.iter().any(|line| line.contains(&logged)), "{uuid} is not in the app's log");
        // About 80 ms of one core.
        let end = outcome.of_kind("return").into_iter().find(|end| end["id"] == waste["id"]).unwrap();
        assert!(end["duration_ns"].as_u64().unwrap() > 20_000_000, "{end}");
        assert_eq!(end["value"], Value::Null);
    }
}

#[test]
fn queues_agree_with_the_apps_own_lengths() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&[]));
    command.args(["register-random-trees", "8", "100", "--stats-every", "50ms"]).stderr(Stdio::null());
    let mut target = Target::spawn(&mut command);
    // Once the load has filled it, the mailbox of TreeRegistration is never empty.
    target
        .lines
        .find("a full mailbox", |line| line.starts_with("mailbox TreeRegistration") && stat(line, "length") >= 3);
    let arguments = ["--json", "-p", &target.p(), "--interval", "500ms", "--for", "3s"];
    let outcome = tracer(&[&["queues"][..], &arguments].concat());
    signal(target.pid(), libc::SIGTERM);
    assert_eq!(target.wait().code(), Some(0));
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");

    let mut own: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    while let Some(line) = target.lines.next() {
        if let Some(name) = line.strip_prefix("mailbox ").and_then(|rest| rest.split(' ').next()) {
            let time = line.rsplit_once("time=").unwrap().1.trim_end_matches('Z').to_owned();
            own.entry(name.to_owned()).or_default().push((time, stat(&line, "length")));
        }
    }
    let samples = outcome.of_kind("queue");
    assert!(samples.len() >= 12, "{samples:#?}");
    for sample in &samples {
        let name = sample["name"].as_str().unwrap();
        let length = sample["length"].as_u64().unwrap();
        // RFC 3339 compares as text. The app tells its length each 50 ms: the two before and after bound it.
        let time = sample["time"].as_str().unwrap();
        let stats = &own[name];
        let next = stats.partition_point(|(at, _)| at.as_str() < time);
        let near: Vec<u64> =
            stats[next.saturating_sub(6)..(next + 6).min(stats.len())].iter().map(|stat| stat.1).collect();
        let (low, high) = (*near.iter().min().unwrap(), *near.iter().max().unwrap());
        assert!((low.saturating_sub(1)..=high + 1).contains(&length), "{sample} against {near:?}");
        assert_eq!(sample["capacity"], if name == "AuditLog" { 32 } else { 64 });
        assert_eq!(sample["source"], "usdt");
    }
    // The longest comes first in every window.
    for window in samples.chunks(3) {
        assert_eq!(window[0]["name"], "TreeRegistration", "{window:#?}");
        assert!(window[0]["length"].as_u64() >= Some(2), "{window:#?}");
        let audit_log = window.iter().find(|sample| sample["name"] == "AuditLog").unwrap();
        assert!(audit_log["length"].as_u64() <= Some(1), "{audit_log}");
    }
}

#[test]
fn both_sources_of_queues_agree() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&[]));
    let mut target = Target::spawn(command.args(["register-random-trees", "8", "100"]).stderr(Stdio::null()));
    eventually("the app is under load", || target.is_alive());
    let queues = |source: &str| {
        let outcome = tracer(&["queues", "--json", "--interval", "1s", "--source", source, "-p", &target.p()]);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        let samples = outcome.of_kind("queue");
        let by_name = samples.into_iter().map(|sample| (sample["name"].as_str().unwrap().to_owned(), sample));
        by_name.collect::<BTreeMap<String, Value>>()
    };
    let (usdt, memory) = (queues("usdt"), queues("memory"));
    signal(target.pid(), libc::SIGTERM);
    assert_eq!(usdt.keys().collect::<Vec<_>>(), memory.keys().collect::<Vec<_>>());
    for (name, sample) in &memory {
        assert_eq!(sample["source"], "memory");
        assert_eq!(sample["capacity"], usdt[name]["capacity"], "{name}");
        // Eight callers: the levels of two moments differ by no more.
        let length = |sample: &Value| sample["length"].as_u64().unwrap();
        assert!(length(sample).abs_diff(length(&usdt[name])) <= 8, "{sample} against {}", usdt[name]);
    }
    eventually("the app ends", || !target.is_alive());
}

/// `key=number` in a line of the app's statistics.
fn stat(line: &str, key: &str) -> u64 {
    let prefix = format!("{key}=");
    line.split(' ').find_map(|word| word.strip_prefix(&prefix)).unwrap().parse().unwrap()
}

#[test]
fn a_frozen_app_is_traced_once_it_goes_on() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&[]));
    let mut target = Target::spawn(command.args(["register-random-trees", "1", "10"]).stderr(Stdio::null()));
    signal(target.pid(), libc::SIGSTOP);
    let session = Session::trace(&target.p(), &["store_to_the_blockchain", "-n", "1"]);
    signal(target.pid(), libc::SIGCONT);
    session.outcome().ended_well("limit");
    signal(target.pid(), libc::SIGTERM);
    eventually("the app ends", || !target.is_alive());
}
