//! The actor system read from outside: what `tracer actors` says of tokio programs, against what they are known to do.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::{Outcome, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{build, turn};

fn shapes(mode: &str, runtime: &str) -> Target {
    let mut target = Target::spawn(Command::new(build::shapes()).args([mode, runtime]).stderr(Stdio::null()));
    target.lines.find("the shape", |line| line == "ready");
    target
}

fn actors(target: &Target, arguments: &[&str]) -> Outcome {
    let outcome = tracer(&[&["actors", "--json", "-p", &target.p()], arguments].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    outcome
}

fn of_name(actors: &[Value], name: &str) -> Vec<Value> {
    actors.iter().filter(|actor| actor["name"] == name).cloned().collect()
}

/// Each kind of task in each kind of wait is there, as often as it was spawned, at the line that it awaits in.
#[test]
fn each_task_is_told_with_what_it_waits_for() {
    let _turn = turn();
    let source = include_str!("../../../target-app/examples/shapes.rs");
    let line_of = |text: &str| source.lines().position(|line| line.contains(text)).unwrap() + 1;
    for runtime in ["multi", "current"] {
        let target = shapes("variety", runtime);
        let lines = actors(&target, &[]).of_kind("actor");
        let only = |name: &str| match of_name(&lines, &format!("shapes::{name}")).as_slice() {
            [only] => only.clone(),
            others => panic!("{name}: {others:#?}"),
        };
        for (name, awaits) in [
            ("stuffed", "nothing"),
            ("holds_across_await", "timer"),
            ("wants", "lock"),
            ("writes", "lock"),
            ("selects", "mailbox"),
            ("joins", "notify"),
            ("accepts", "socket"),
            ("serves", "socket"),
            ("subscribed", "broadcast"),
            ("watches", "watch"),
        ] {
            assert_eq!(only(name)["awaits"], awaits, "{name}");
            assert_eq!(only(name)["state"], "waiting", "{name}");
        }
        assert_eq!(of_name(&lines, "shapes::caller").len(), 8);
        assert_eq!(of_name(&lines, "shapes::permitted").len(), 2);
        // One of them spawned as a boxed trait object.
        assert_eq!(of_name(&lines, "shapes::sleeps").len(), 2, "{lines:#?}");
        let waits = only("selects")["waits"].as_array().unwrap().iter().map(|wait| wait["awaits"].clone()).collect();
        assert_eq!(Value::Array(waits), serde_json::json!(["mailbox", "notify", "timer"]));
        let place = format!("shapes.rs:{}", line_of("tokio::time::sleep(Duration::from_secs(3600)).await;"));
        assert!(only("holds_across_await")["location"].as_str().unwrap().ends_with(&place));
        let stuffed = only("stuffed");
        assert_eq!(stuffed["mailbox"]["length"], 100, "{stuffed}");
        assert_eq!((&stuffed["mailbox"]["sent"], &stuffed["mailbox"]["capacity"]), (&100.into(), &Value::Null));
        let worker = only("worker");
        assert_eq!(worker["mailbox"]["capacity"], 4, "{worker}");
        assert!(worker["mailbox"]["length"].as_u64() <= Some(4), "{worker}");
        let blocking: Vec<&Value> = lines.iter().filter(|actor| actor["type"] == "blocking-task").collect();
        assert_eq!(blocking.len(), 1, "{blocking:#?}");
        assert_eq!(blocking[0]["state"], "running");
        assert!(blocking[0]["tid"].is_u64(), "{blocking:#?}");
    }
}

#[test]
fn local_sets_and_several_runtimes_are_seen() {
    let _turn = turn();
    for (runtime, sleepers) in [("local", 3), ("two", 2), ("current", 1)] {
        let target = shapes("idle", runtime);
        let lines = actors(&target, &[]).of_kind("actor");
        assert_eq!(of_name(&lines, "shapes::sleeps").len(), sleepers, "{runtime}: {lines:#?}");
    }
}

#[test]
fn a_task_that_burns_its_worker_is_told_with_that_worker() {
    let _turn = turn();
    let target = shapes("blocked-worker", "multi");
    let lines = actors(&target, &["--window", "500ms", "--sort", "busy"]).of_kind("actor");
    assert_eq!(lines[0]["name"], "shapes::burns", "{lines:#?}");
    assert_eq!((&lines[0]["state"], &lines[0]["busy"]), (&"running".into(), &1.0.into()));
    assert!(lines[0]["worker"].is_u64(), "{lines:#?}");
}

#[test]
fn ten_thousand_tasks_and_a_million_messages() {
    let _turn = turn();
    let target = shapes("many", "multi");
    let lines = actors(&target, &["--filter", "sleeps"]).of_kind("actor");
    assert_eq!(lines.len(), 10_000);
    drop(target);
    let target = shapes("million", "multi");
    let lines = actors(&target, &["--filter", "stuffed"]).of_kind("actor");
    assert_eq!(lines[0]["mailbox"]["length"], 1_000_000, "{lines:#?}");
}

#[test]
fn a_stopped_target_is_read_as_it_stands() {
    let _turn = turn();
    let target = shapes("variety", "multi");
    signal(target.pid(), libc::SIGSTOP);
    let first = actors(&target, &["--filter", "shapes::"]).of_kind("actor");
    let second = actors(&target, &["--filter", "shapes::"]).of_kind("actor");
    signal(target.pid(), libc::SIGCONT);
    let without_time = |lines: Vec<Value>| -> Vec<Value> {
        lines
            .iter()
            .map(|line| serde_json::json!([line["task"], line["state"], line["mailbox"], line["torn"]]))
            .collect()
    };
    assert!(first.iter().all(|line| line["torn"] == false), "{first:#?}");
    assert_eq!(without_time(first), without_time(second));
}

#[test]
fn programs_without_tokio_or_without_symbols_say_so() {
    let _turn = turn();
    let target = Target::start(build::c("hammer"));
    let lines = actors(&target, &[]).of_kind("actor");
    assert!(!lines.is_empty() && lines.iter().all(|line| line["type"] == "thread"), "{lines:#?}");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tracer-stripped-shapes");
    std::fs::copy(build::shapes(), &program).unwrap();
    assert!(Command::new("strip").arg(&program).status().unwrap().success());
    let mut target = Target::spawn(Command::new(&program).args(["idle"]));
    target.lines.find("the shape", |line| line == "ready");
    tracer(&["actors", "-p", &target.p()]).refused(1, &["tokio", "stripped"]);
    tracer(&["actors", "-p", "4194304"]).refused(1, &["4194304"]);
}

#[test]
fn a_card_tells_holders_peers_and_variables() {
    let _turn = turn();
    let target = shapes("variety", "multi");
    let card = |actor: &str| {
        let outcome = tracer(&["info", "--json", "-p", &target.p(), actor]);
        let [card] = outcome.of_kind("info").try_into().unwrap_or_else(|_| panic!("{outcome:#?}"));
        card
    };
    let wants = card("shapes::wants");
    assert!(wants["waits"]["lock_held_by"].as_str().unwrap().contains("holds_across_await"), "{wants}");
    let accepts = card("accepts");
    assert!(accepts["waits"]["awaits"].as_str().unwrap().contains("tcp listening on 127.0.0.1:"), "{accepts}");
    let serves = card("serves");
    assert!(serves["waits"]["awaits"].as_str().unwrap().contains(" with 127.0.0.1:"), "{serves}");
    let stuffed = card("stuffed");
    assert_eq!(stuffed["state"]["count"], 100, "{stuffed}");
    assert_eq!(stuffed["mailbox"]["length"], 100, "{stuffed}");
    let windowed = tracer(&["info", "--json", "-p", &target.p(), "stuffed", "--window", "200ms"]).of_kind("info");
    let stuffed = &windowed[0]["mailbox"];
    assert_eq!((&stuffed["delta"], &stuffed["sent_in_window"]), (&0.into(), &0.into()), "{windowed:#?}");
    tracer(&["info", "-p", &target.p(), "no_such_task"]).refused(1, &["no_such_task", "tracer actors"]);
    tracer(&["info", "-p", &target.p(), "caller"]).refused(1, &["8 tasks"]);
}

/// The mailboxes in memory are those that the registry app tells of.
#[test]
fn mailboxes_agree_with_the_registry_apps_own_counts() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&[]));
    command.args(["register-random-trees", "8", "100", "--stats-every", "50ms"]).stderr(Stdio::null());
    let mut target = Target::spawn(&mut command);
    target
        .lines
        .find("a full mailbox", |line| line.starts_with("mailbox TreeRegistration") && number(line, "length") >= 3);
    let lines = actors(&target, &["--window", "1s"]).of_kind("actor");
    // What the app says right after: its totals bound those that were read.
    let mut own = std::collections::BTreeMap::new();
    while own.len() < 3 {
        let line = target.lines.next().unwrap();
        if let Some(name) = line.strip_prefix("mailbox ").and_then(|rest| rest.split(' ').next()) {
            own.insert(name.to_owned(), line);
        }
    }
    signal(target.pid(), libc::SIGTERM);
    for (actor, name) in [
        ("target_app::registration::run", "TreeRegistration"),
        ("target_app::audit_log::run", "AuditLog"),
        ("target_app::store::run", "Store"),
    ] {
        let [line] = of_name(&lines, actor).try_into().unwrap();
        let mailbox = &line["mailbox"];
        assert_eq!(mailbox["capacity"], if name == "AuditLog" { 32 } else { 64 });
        let sent = mailbox["sent"].as_u64().unwrap();
        assert_eq!(sent - mailbox["received"].as_u64().unwrap(), mailbox["length"].as_u64().unwrap());
        // A window of half a second before this line, in which some ten messages pass.
        assert!(number(&own[name], "sent").abs_diff(sent) <= 40, "{line} against {}", own[name]);
    }
    let [audit_log] = of_name(&lines, "target_app::audit_log::run").try_into().unwrap();
    assert!(audit_log["busy"].as_f64() > Some(0.5), "{audit_log}");
    let [registration] = of_name(&lines, "target_app::registration::run").try_into().unwrap();
    assert_eq!(registration["mailbox"]["name"], "TreeRegistration");
    assert!(registration["mailbox"]["length"].as_u64() >= Some(2), "{registration}");
}

/// `key=number` in a line of the app's statistics.
fn number(line: &str, key: &str) -> u64 {
    let prefix = format!("{key}=");
    line.split(' ').find_map(|word| word.strip_prefix(&prefix)).unwrap().parse().unwrap()
}
