//! The table and the JSON of constructed samples.

use super::*;
use crate::events::clock::Clock;

fn sample(name: &str, length: u64) -> QueueSample {
    QueueSample {
        time_ns: 42,
        pid: 41,
        id: 1,
        name: name.to_owned(),
        length,
        capacity: Some(64),
        peak: length + 3,
        change: Some(0),
        sent: Some(25),
        received: Some(22),
        wait_max_ns: Some(120_700_000),
        is_closed: false,
        source: QueueSource::Usdt,
        insight: None,
    }
}

fn window() -> QueueWindow {
    let unbounded = QueueSample {
        capacity: None,
        change: None,
        sent: Some(0),
        received: Some(0),
        wait_max_ns: None,
        ..sample("Log\x1b[2J", 1_200)
    };
    let mut samples = vec![
        QueueSample { change: Some(-2), wait_max_ns: Some(900), ..sample("AuditLog", 0) },
        QueueSample { change: Some(3), sent: Some(250_000), id: 2, ..sample("TreeRegistration", 62) },
        QueueSample { is_closed: true, id: 3, ..sample("Store", 1) },
        unbounded,
        QueueSample { capacity: None, id: 5, ..sample("Events", 300) },
    ];
    QueueOrder::Length.sort(&mut samples);
    QueueWindow { samples, window: Duration::from_secs(2) }
}

#[test]
fn the_table_labels_level_and_change() {
    insta::assert_snapshot!(window().text(None, Palette::OFF), @r"
    5 mailboxes · window 2.0 s · LEVEL: queued at its end · CHANGE: since its start
    MAILBOX           ID  LEVEL  CAPACITY   PEAK  CHANGE     IN/s  OUT/s  LONGEST WAIT  FILL
    Log\u{1b}[2J       1  1,200         ∞  1,203     new        0      0             –  ▒▒▒▒▒▒▒▒▒▒
    Events             5    300         ∞    303       0     12.5   11.0      120.7 ms  ▒▒
    TreeRegistration   2     62        64     65      +3  125,000   11.0      120.7 ms  █████████░
    Store (closed)     3      1        64      4       0     12.5   11.0      120.7 ms  █░░░░░░░░░
    AuditLog           1      0        64      3      -2     12.5   11.0        900 ns  ░░░░░░░░░░
    ");
}

#[test]
fn top_says_what_it_hides() {
    insta::assert_snapshot!(window().text(Some(2), Palette::OFF), @r"
    5 mailboxes · window 2.0 s · LEVEL: queued at its end · CHANGE: since its start
    MAILBOX       ID  LEVEL  CAPACITY   PEAK  CHANGE  IN/s  OUT/s  LONGEST WAIT  FILL
    Log\u{1b}[2J   1  1,200         ∞  1,203     new     0      0             –  ▒▒▒▒▒▒▒▒▒▒
    Events         5    300         ∞    303       0  12.5   11.0      120.7 ms  ▒▒
    … 3 more (--top N)
    ");
}

#[test]
fn a_nearly_full_mailbox_is_painted() {
    let text = window().text(None, Palette::ON);
    let line = text.lines().find(|line| line.contains("TreeRegistration")).unwrap();
    // Colour 1 of the terminal's own palette.
    assert!(line.contains("\x1b[38;5;1m62\x1b[39m"), "{line:?}");
}

#[test]
fn each_order_puts_its_largest_first() {
    let first = |order: QueueOrder| {
        let mut samples = window().samples;
        order.sort(&mut samples);
        samples[0].name.clone()
    };
    assert_eq!(first(QueueOrder::Length), "Log\x1b[2J");
    assert_eq!(first(QueueOrder::Change), "TreeRegistration");
    assert_eq!(first(QueueOrder::Rate), "TreeRegistration");
    // Three wait equally long; the longest queue of them comes first.
    assert_eq!(first(QueueOrder::Wait), "Events");
}

#[test]
fn bars_are_full_only_when_the_mailbox_is() {
    let bar = |length| bar(&QueueSample { capacity: Some(100), ..sample("x", length) }, 0);
    assert_eq!(
        [bar(0), bar(1), bar(55), bar(99), bar(100), bar(101)],
        ["░░░░░░░░░░", "█░░░░░░░░░", "█████░░░░░", "█████████░", "██████████", "██████████"]
    );
    let unbounded = QueueSample { capacity: None, ..sample("x", 5) };
    assert_eq!(super::bar(&unbounded, 10), "▒▒▒▒▒");
    assert_eq!(super::bar(&QueueSample { length: 0, ..unbounded }, 0), "");
}

#[test]
fn json_has_the_contracts_keys_in_its_order() {
    let line = sample("TreeRegistration", 11).json(Duration::from_secs(2), &mut Moment::new(Clock::default()));
    insta::assert_snapshot!(line, @r#"{"kind":"queue","time":"1970-01-01T00:00:00.000000042Z","pid":41,"name":"TreeRegistration","id":1,"length":11,"capacity":64,"sent":25,"received":22,"delta":0,"source":"usdt","peak":14,"wait_max_ns":120700000,"window_ns":2000000000,"closed":false}"#);
    let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
    let keys: Vec<&str> = parsed.as_object().unwrap().keys().map(String::as_str).take(10).collect();
    assert_eq!(keys, ["kind", "time", "pid", "name", "id", "length", "capacity", "sent", "received", "delta"]);
}

fn channel(insight: Insight) -> QueueSample {
    QueueSample {
        id: 0x7f00,
        wait_max_ns: None,
        sent: None,
        source: QueueSource::Memory,
        insight: Some(insight),
        ..sample("Store", 2)
    }
}

#[test]
fn what_memory_tells_has_columns_and_keys_of_its_own() {
    let samples = vec![
        channel(Insight { kind: "flume", numbers: vec![("senders", 2), ("waiting", 1)], ..Insight::default() }),
        QueueSample {
            capacity: None,
            ..channel(Insight { kind: "tokio mutex", is_lock: true, condition: Some("locked"), ..Insight::default() })
        },
        channel(Insight {
            kind: "tokio mpsc",
            waited_ns: Some(900_000_000),
            messages: Some(vec![(Value::Unsigned(5), false), (Value::Unsigned(6), true)]),
            is_torn: true,
            ..Insight::default()
        }),
        channel(Insight { kind: "tokio watch", numbers: vec![("version", 3)], is_gone: true, ..Insight::default() }),
    ];
    let window = QueueWindow { samples, window: Duration::from_secs(2) };
    insta::assert_snapshot!(window.text(None, Palette::OFF), @r"
    4 mailboxes · window 2.0 s · LEVEL: queued at its end · CHANGE: since its start
    MAILBOX           ID  LEVEL  CAPACITY  PEAK  CHANGE  IN/s  OUT/s  LONGEST WAIT  FILL        KIND         STATE
    Store         0x7f00      2        64     5       0     –   11.0             –  █░░░░░░░░░  flume        2 senders, 1 waiting
    Store         0x7f00      2         –     5       0     –   11.0             –  ▒▒▒▒▒▒▒▒▒▒  tokio mutex  locked
    Store         0x7f00      2        64     5       0     –   11.0    ≥ 900.0 ms  █░░░░░░░░░  tokio mpsc   (changing)
    Store (gone)  0x7f00      2        64     5    gone     –   11.0             –  █░░░░░░░░░  tokio watch  version 3

    Store (0x7f00): the first 2 of 2
       1  5
       2  6  (changing)
    ");
    let mut moment = Moment::new(Clock::default());
    let json: Json = serde_json::from_str(&window.samples[2].json(window.window, &mut moment)).unwrap();
    assert_eq!(
        (&json["channel"], &json["waited_ns"], &json["sent"]),
        (&"tokio mpsc".into(), &900_000_000.into(), &Json::Null)
    );
    assert_eq!(json["messages"][1], json!({"value": 6, "torn": true}));
}
