//! Values on pages that are not resident: told by default, read with `--fault-in` where nobody can keep the target
//! waiting.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::session::{Outcome, Session};
use crate::harness::target::Target;
use crate::harness::{build, eventually, turn};

/// One call for each command, and what its arguments were.
#[track_caller]
fn looks(target: &mut Target, probe: &str, options: &[&str], commands: &[&str]) -> Outcome {
    let calls = commands.len().to_string();
    let mut session = Session::trace(&target.p(), &[&["-n", &calls, "--max-overhead", "100", probe], options].concat());
    for command in commands {
        assert_eq!(target.ask(command), "looked", "{command}");
    }
    session.find_line("stopped");
    session.outcome()
}

fn arguments(outcome: &Outcome, name: &str) -> Vec<Value> {
    outcome.calls("look").iter().map(|call| call["args"][name].clone()).collect()
}

fn unreadable(reason: &str) -> Value {
    json!({ "$unreadable": reason })
}

#[test]
fn missing_pages_are_read_only_when_asked_for() {
    let _turn = turn();
    let mut target = Target::start(build::c("pages"));
    let commands = ["untouched", "dropped", "file", "memory", "border"];
    let outcome = looks(&mut target, "look -> text, result", &[], &commands);
    assert_eq!(arguments(&outcome, "text"), vec![unreadable("not resident"); 5], "{outcome:#?}");

    let outcome = looks(&mut target, "look -> text, page.number, result", &["--fault-in"], &commands);
    assert_eq!(arguments(&outcome, "text"), ["", "", "seven", "seven", "across the border"], "{outcome:#?}");
    assert_eq!(arguments(&outcome, "page.number")[..4], [json!(0), json!(0), json!(7), json!(7)], "{outcome:#?}");
    let results: Vec<Value> = outcome.returns("look").iter().map(|end| end["value"].clone()).collect();
    assert_eq!(results, arguments(&outcome, "text"), "{outcome:#?}");
    outcome.ended_well("limit");
}

#[test]
fn conditions_look_at_missing_pages_too() {
    let _turn = turn();
    let mut target = Target::start(build::c("pages"));
    let probe = "look if page.number == 7 && text contains \"even\"";
    let mut session = Session::trace(&target.p(), &["-n", "1", probe, "--fault-in"]);
    for command in ["untouched", "memory"] {
        assert_eq!(target.ask(command), "looked");
    }
    session.find_line("stopped");
    let outcome = session.outcome();
    assert_eq!(outcome.ended_well("limit")["undecided"].as_u64().unwrap_or(0), 0, "{outcome:#?}");
    assert_eq!(arguments(&outcome, "text"), ["seven"]);
}

#[test]
fn a_page_that_another_program_must_bring_is_never_waited_for() {
    let _turn = turn();
    let mut target = Target::start(build::c("pages"));
    let mut commands = vec!["userfaultfd", "unmapped", "beyond", "userfaultfd"];
    let mut reasons = vec![
        unreadable("not resident, served by userfaultfd"),
        unreadable("not mapped"),
        unreadable("not resident"),
        unreadable("not resident, served by userfaultfd"),
    ];
    // A kernel without FUSE has none to wait for.
    if Path::new("/dev/fuse").exists() {
        commands.push("fuse");
        reasons.push(unreadable("not resident, served by FUSE"));
    }
    let before = target.number("turns");
    let outcome = looks(&mut target, "look -> text, result", &["--fault-in"], &commands);
    assert_eq!(arguments(&outcome, "text"), reasons, "{outcome:#?}");
    assert!(outcome.returns("look").iter().all(|end| reasons.contains(&end["value"])), "{outcome:#?}");
    outcome.ended_well("limit");
    eventually("the other thread goes on", || target.number("turns") > before + 10);
    assert!(target.end().success());
}

#[test]
fn the_wait_for_missing_pages_is_counted_as_the_probes_own() {
    let _turn = turn();
    let mut target = Target::start(build::c("pages"));
    let commands = ["file"; 20];
    let plain = looks(&mut target, "look -> text", &[], &commands).stopped()["overhead"].as_f64();
    let faulting = looks(&mut target, "look -> text", &["--fault-in"], &commands).stopped()["overhead"].as_f64();
    assert!(faulting > plain, "{faulting:?} {plain:?}");
}

#[test]
fn the_way_without_multi_links_refuses() {
    let _turn = turn();
    let target = Target::start(build::c("pages"));
    let arguments = ["trace", "-p", &target.p(), "look", "--fault-in", "--attach", "perf-event"];
    crate::harness::session::tracer(&arguments).refused(2, &["--fault-in", "uprobe_multi links"]);
}
