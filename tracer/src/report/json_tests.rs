//! JSON Lines of constructed and recorded events, held against the contract's keys.

use super::super::replay::{self, CLOCK};
use super::*;
use crate::events::samples;
use crate::report::summary::StopReason;

fn show(events: &[Event]) -> String {
    let mut report = JsonReport::new(Output::new(Vec::new()), CLOCK);
    for event in events {
        report.event(event).unwrap();
    }
    report.flush().unwrap();
    String::from_utf8(report.into_inner()).unwrap()
}

fn keys(line: &str) -> Vec<String> {
    let parsed: Json = serde_json::from_str(line).unwrap();
    parsed.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_corpus_becomes_json_lines() {
    let (_, events) = replay::corpus();
    let text = show(&events);
    for line in text.lines() {
        assert_eq!(keys(line)[0], "kind");
    }
    insta::assert_snapshot!(text, @r#"
    {"kind":"call","id":1,"parent":null,"time":"2026-01-01T10:15:02.001000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":0,"function":"app::audit_log::handle","args":{"uuid":"hello"}}
    {"kind":"call","id":2,"parent":1,"time":"2026-01-01T10:15:02.002000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":1,"function":"app::audit_log::store","args":{"attempt":7}}
    {"kind":"usdt","id":3,"parent":2,"time":"2026-01-01T10:15:02.003000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":2,"probe":"mailbox:send","args":{"arg0":11}}
    {"kind":"return","id":2,"function":"app::audit_log::store","duration_ns":82000000,"outcome":"returned","value":null}
    {"kind":"return","id":1,"function":"app::audit_log::handle","duration_ns":84000000,"outcome":"returned","value":42}
    {"kind":"call","id":4,"parent":null,"time":"2026-01-01T10:15:02.090000000Z","pid":41,"tid":43,"thread":"��\u001b[2JAAAAAAAAAA","depth":0,"function":"app::audit_log::handle","args":{"uuid":{"$unreadable":"not resident"}}}
    {"kind":"return","id":4,"function":"app::audit_log::handle","duration_ns":1000000,"outcome":"unwound"}
    {"kind":"call","id":5,"parent":null,"time":"2026-01-01T10:15:02.092000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":0,"function":"app::audit_log::handle","args":{"uuid":{"$truncated":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","omitted":4744}}}
    {"kind":"return","id":5,"function":"app::audit_log::handle","duration_ns":1000000,"outcome":"tail-called"}
    {"kind":"call","id":6,"parent":null,"time":"2026-01-01T10:15:02.094000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":0,"function":"app::audit_log::handle","args":{"uuid":{"$unreadable":"record full"}}}
    {"kind":"return","id":6,"function":"app::audit_log::handle","duration_ns":null,"outcome":"unknown"}
    {"kind":"return","id":7,"function":"app::audit_log::handle","duration_ns":null,"outcome":"returned","value":1,"call_lost":true}
    {"kind":"call","id":8,"parent":null,"time":"2026-01-01T10:15:02.097000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":0,"function":"app::audit_log::store","args":{"attempt":3}}
    {"kind":"return","id":8,"function":"app::audit_log::store","duration_ns":null,"outcome":"unknown"}
    "#);
}

// The keys and their order are those of DESIGN.md, section 5.
#[test]
fn calls_and_returns_have_the_contracts_keys() {
    let text = show(&[Event::Call(samples::call(1, 0)), Event::Return(samples::returned(1))]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(keys(lines[0]), ["kind", "id", "parent", "time", "pid", "tid", "thread", "depth", "function", "args"]);
    assert_eq!(keys(lines[1]), ["kind", "id", "function", "duration_ns", "outcome", "value"]);
}

#[test]
fn an_unwound_return_has_no_value() {
    let end = Return { ending: Ending::Unwound, value: Returned::Absent, ..samples::returned(1) };
    let text = show(&[Event::Return(end)]);
    assert_eq!(keys(&text), ["kind", "id", "function", "duration_ns", "outcome"]);
}

#[test]
fn names_are_escaped_where_json_asks_for_it() {
    let thread = Thread { pid: 1, tid: 2, name: "a\"\\\n\u{1b}é".into() };
    let text = show(&[Event::Call(Call { thread, ..samples::call(1, 0) })]);
    let parsed: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["thread"], "a\"\\\n\u{1b}é");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn polls_losses_and_lost_calls_say_so() {
    let new = Losses { malformed: 2, too_deep: 1, ..Losses::default() };
    let lost = Return { call_seen: false, value: Returned::Untyped, ..samples::returned(9) };
    let events = [Event::Call(samples::poll()), Event::Lost { time_ns: 1, new }, Event::Return(lost)];
    insta::assert_snapshot!(show(&events), @r#"
    {"kind":"call","id":1,"parent":null,"time":"2026-01-01T10:15:02.001000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":0,"function":"app::audit_log::run","args":{"attempt":1},"poll":true}
    {"kind":"lost","time":"2026-01-01T10:15:02.000000001Z","lost":3,"lost_by":{"calls too deep":1,"malformed records":2}}
    {"kind":"return","id":9,"function":"app::audit_log::store","duration_ns":81200000,"outcome":"returned","value":{"$unreadable":"no debug information"},"call_lost":true}
    "#);
}

#[test]
fn a_line_has_file_line_and_locals() {
    insta::assert_snapshot!(show(&[Event::Line(samples::line())]), @r#"{"kind":"line","id":1,"parent":null,"time":"2026-01-01T10:15:02.001000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":0,"function":"app::audit_log::store","file":"src/audit_log.rs","line":42,"locals":{"attempt":1},"inlined":true}"#);
}

#[test]
fn an_inlined_call_is_marked() {
    insta::assert_snapshot!(show(&[Event::Call(samples::inlined())]), @r#"{"kind":"call","id":1,"parent":null,"time":"2026-01-01T10:15:02.001000000Z","pid":41,"tid":42,"thread":"tokio-rt-worker","depth":0,"function":"app::audit_log::store","args":{"attempt":1},"inlined":true}"#);
}

#[test]
fn untold_arguments_are_null() {
    let untyped = Call { arguments: vec![], untold: Some(Untold::Untyped), ..samples::call(1, 0) };
    let at = Untold::Resumed(Some(("src/main.rs".to_owned(), 7)));
    let resumed = Call { arguments: vec![], untold: Some(at), ..samples::poll() };
    let text = show(&[Event::Call(untyped), Event::Call(resumed)]);
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["args"], lines[0].get("resumed_at")), (&Json::Null, None));
    assert_eq!((&lines[1]["args"], &lines[1]["resumed_at"]), (&Json::Null, &Json::from("src/main.rs:7")));
}

#[test]
fn the_last_line_is_stopped() {
    let mut report = JsonReport::new(Output::new(Vec::new()), CLOCK);
    report.event(&Event::Call(samples::call(1, 0))).unwrap();
    let losses = Losses::default();
    report
        .stopped(&Summary {
            reason: StopReason::TargetExited,
            calls: 1,
            returns: 0,
            undecided: 0,
            judged: None,
            losses,
            overhead: None,
        })
        .unwrap();
    let text = String::from_utf8(report.into_inner()).unwrap();
    let last = text.lines().last().unwrap();
    assert_eq!(last, r#"{"kind":"stopped","reason":"target-exited","calls":1,"returns":0,"lost":0,"overhead":null}"#);
}
