//! Tables and lines of rows made by hand.

use std::time::Duration;

use super::*;
use crate::actors::channel::Level;
use crate::events::clock::Clock;

fn row(name: &str, id: u64) -> Row {
    Row {
        name: name.to_owned(),
        kind: Kind::Task,
        id,
        state: "waiting",
        runs_on: None,
        waits: vec![WaitRow { word: "reply", detail: None, location: None }],
        location: Some(("/src/app/src/audit_log.rs".to_owned(), 42)),
        mailbox: None,
        busy: None,
        size_bytes: Some(512),
        is_torn: false,
        life: Life::Whole,
    }
}

fn mailbox(length: u64, before: Option<u64>) -> MailboxRow {
    let level = |length| Level {
        length,
        capacity: Some(64),
        sent: Some(100 + length),
        received: Some(100),
        senders: Some(2),
        ..Level::default()
    };
    MailboxRow { name: Some("Trees".to_owned()), level: level(length), before: before.map(level) }
}

#[test]
fn the_longest_mailbox_comes_first_and_what_is_hidden_is_counted() {
    let mut rows = vec![row("a", 1), row("b", 2), Row { mailbox: Some(mailbox(11, None)), ..row("c", 3) }];
    ActorOrder::Mailbox.sort(&mut rows);
    let summary = ActorsSummary { scanned_bytes: 1_500, has_runtime: true, ..ActorsSummary::default() };
    let text = text(&rows, Some(2), &summary, Palette::OFF);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "3 tasks · 0 threads outside the runtime's workers · 1.5 kB scanned once");
    let words: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(words, ["c", "3", "waiting", "reply", "audit_log.rs:42", "Trees", "11/64", "111", "100", "512", "B"]);
    assert_eq!(lines[4], "… 1 more (--top N, 0 for all)");
}

#[test]
fn a_window_shows_change_and_rates() {
    let rows = [Row { mailbox: Some(mailbox(11, Some(7))), busy: Some(0.25), ..row("c", 3) }];
    let summary = ActorsSummary { window: Some(Duration::from_secs(2)), has_runtime: true, ..ActorsSummary::default() };
    let text = text(&rows, None, &summary, Palette::OFF);
    assert!(text.contains("CHANGE") && text.contains("+4") && text.contains("2.0"), "{text}");
    let mut moment = Moment::new(Clock { realtime_offset_ns: 0 });
    let line = json(&rows[0], 7, 0, summary.window, &mut moment);
    let line: Json = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["kind"], &line["task"], &line["awaits"]), (&json!("actor"), &json!(3), &json!("reply")));
    assert_eq!((&line["mailbox"]["delta"], &line["mailbox"]["sent_in_window"]), (&json!(4), &json!(4)));
    assert_eq!(line["location"], "/src/app/src/audit_log.rs:42");
}

#[test]
fn names_are_cut_in_front_and_sizes_have_units() {
    assert_eq!(shortened("short"), "short");
    assert_eq!(shortened(&"x".repeat(60)).chars().count(), NAME_CHARACTERS);
    assert_eq!([512, 1_536, 12_345, 2_500_000].map(bytes), ["512 B", "1.5 kB", "12 kB", "2.5 MB"]);
}
