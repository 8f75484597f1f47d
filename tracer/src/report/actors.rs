//! `tracer actors`: one line per actor, as a table or as JSON Lines. Must not know where the rows come from.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::color::{Paint, Palette, printable};
use super::moment::Moment;
use super::table::{Cell, Column, draw};
use super::units;
use crate::actors::channel::Level;
use crate::actors::name::file_name;
use crate::actors::row::{Kind, Life, MailboxRow, Row, WaitRow};

/// Characters of a name; the front goes first, because its end tells actors apart.
const NAME_CHARACTERS: usize = 48;

/// `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ActorOrder {
    /// The longest mailbox first, then what runs.
    #[default]
    Mailbox,
    Change,
    Rate,
    Busy,
    Memory,
    Name,
    Id,
}

impl ActorOrder {
    /// Sorts; equal ones by kind, state, name and number.
    pub fn sort(self, rows: &mut [Row]) {
        rows.sort_by_cached_key(|row| {
            let mailbox = row.mailbox.as_ref();
            let key = match self {
                Self::Mailbox => mailbox.map_or(-1, |mailbox| i128::from(mailbox.level.length)),
                Self::Change => mailbox.and_then(MailboxRow::change).map_or(i128::MIN, i128::from),
                Self::Rate => mailbox
                    .and_then(MailboxRow::traffic)
                    .map_or(-1, |(sent, received)| i128::from(sent) + i128::from(received)),
                Self::Busy => row.busy.map_or(-1, |busy| (busy * 1e6) as i128),
                Self::Memory => row.size_bytes.map_or(-1, i128::from),
                Self::Name => 0,
                Self::Id => -i128::from(row.id),
            };
            let is_running = row.state == "running";
            (
                Reverse(key),
                row.kind == Kind::Thread,
                Reverse(is_running && self != Self::Name),
                row.name.clone(),
                row.id,
            )
        });
    }
}

/// What the heading says of the whole.
#[derive(Clone, Debug, Default)]
pub struct ActorsSummary {
    pub scanned_bytes: u64,
    pub is_cut: bool,
    pub has_runtime: bool,
    pub window: Option<Duration>,
}

/// The table of the first `top` rows (all if `None`), with line feeds.
pub fn text(rows: &[Row], top: Option<usize>, summary: &ActorsSummary, palette: Palette) -> String {
    let shown = top.and_then(|top| rows.get(..top)).unwrap_or(rows);
    let mut out = String::new();
    palette.paint(&mut out, Paint::Dim, &heading(rows, summary));
    out.push('\n');
    let columns = columns(summary.window.is_some());
    let seconds = summary.window.map(|window| window.as_secs_f64());
    let cells: Vec<Vec<Cell>> = shown.iter().map(|row| line(row, seconds)).collect();
    draw(&mut out, palette, &columns, &cells);
    let hidden = rows.len() - shown.len();
    if hidden > 0 {
        palette.paint(&mut out, Paint::Dim, &format!("… {} more (--top N, 0 for all)", units::count(hidden as u64)));
        out.push('\n');
    }
    out
}

fn heading(rows: &[Row], summary: &ActorsSummary) -> String {
    let tasks = rows.iter().filter(|row| row.kind != Kind::Thread && row.life != Life::Gone).count() as u64;
    let threads = rows.iter().filter(|row| row.kind == Kind::Thread).count() as u64;
    let mut parts = Vec::new();
    if summary.has_runtime {
        parts.push(units::counted(tasks, "task"));
        parts.push(format!("{} outside the runtime's workers", units::counted(threads, "thread")));
    } else {
        parts.push(format!("{}, no tokio runtime", units::counted(threads, "thread")));
    }
    if let Some(window) = summary.window {
        parts.push(format!("window {}", units::duration(u64::try_from(window.as_nanos()).unwrap_or(u64::MAX))));
    }
    if summary.has_runtime {
        parts.push(format!("{} scanned once", bytes(summary.scanned_bytes)));
    }
    if summary.is_cut {
        parts.push("the scan was cut by its limit: there may be more".to_owned());
    }
    parts.join(" · ")
}

fn columns(has_window: bool) -> Vec<Column> {
    let mut columns = vec![
        Column { title: "ACTOR", is_number: false },
        Column { title: "TASK", is_number: true },
        Column { title: "STATE", is_number: false },
        Column { title: "AWAITS", is_number: false },
        Column { title: "WHERE", is_number: false },
        Column { title: "MAILBOX", is_number: true },
    ];
    let moved: &[&str] = if has_window { &["CHANGE", "IN/s", "OUT/s", "BUSY"] } else { &["IN", "OUT"] };
    columns.extend(moved.iter().map(|title| Column { title, is_number: true }));
    columns.push(Column { title: "MEMORY", is_number: true });
    columns
}

fn line(row: &Row, seconds: Option<f64>) -> Vec<Cell> {
    let dash = || Cell::painted("–", Paint::Dim);
    let number = match row.kind {
        Kind::Thread => format!("thread {}", row.id),
        _ => row.id.to_string(),
    };
    let place = |location: &Option<(String, u32)>| match location {
        Some((file, line)) => Cell::plain(format!("{}:{line}", file_name(file))),
        None => dash(),
    };
    let mut cells = vec![
        Cell::painted(printable(&shortened(&row.name)).into_owned(), Paint::Strong),
        Cell::painted(number, Paint::Dim),
        Cell::painted(state(row), state_paint(row)),
        match row.waits.is_empty() {
            true => dash(),
            false => Cell::plain(printable(&waits(&row.waits)).into_owned()),
        },
        place(&row.location),
        match &row.mailbox {
            Some(mailbox) => Cell::painted(fill(mailbox), fill_paint(mailbox)),
            None => dash(),
        },
    ];
    let mailbox = row.mailbox.as_ref();
    match seconds {
        Some(seconds) => {
            let per_second = |count: u64| Cell::plain(units::rate(count as f64 / seconds));
            let traffic = mailbox.and_then(MailboxRow::traffic);
            cells.push(match mailbox.and_then(MailboxRow::change) {
                Some(change) if change > 0 => Cell::painted(units::change(change), Paint::Warning),
                Some(change) => Cell::plain(units::change(change)),
                None => dash(),
            });
            cells.push(traffic.map_or_else(dash, |(sent, _)| per_second(sent)));
            cells.push(traffic.map_or_else(dash, |(_, received)| per_second(received)));
            cells.push(row.busy.map_or_else(dash, |busy| Cell::plain(units::percent(busy))));
        }
        None => {
            let total = |count: fn(&Level) -> Option<u64>| {
                let count = mailbox.and_then(|mailbox| count(&mailbox.level));
                count.map_or_else(dash, |count| Cell::plain(units::count(count)))
            };
            cells.push(total(|level| level.sent));
            cells.push(total(|level| level.received));
        }
    }
    cells.push(row.size_bytes.map_or_else(dash, |size| Cell::plain(bytes(size))));
    cells
}

fn state(row: &Row) -> String {
    let mut text = row.state.to_owned();
    match row.runs_on {
        Some((_, Some(index))) => {
            let _ = write!(text, " on worker {index}");
        }
        Some((tid, None)) => {
            let _ = write!(text, " on thread {tid}");
        }
        None => {}
    }
    if row.life == Life::Born {
        text.push_str(" (new)");
    }
    if row.is_torn {
        text.push_str(" (changing)");
    }
    text
}

fn state_paint(row: &Row) -> Paint {
    match row.state {
        "running" => Paint::Good,
        "scheduled" | "not yet polled" => Paint::Warning,
        "finished" | "gone" => Paint::Dim,
        _ => Paint::Plain,
    }
}

/// `reply, timeout 3.2 s`.
pub fn waits(waits: &[WaitRow]) -> String {
    const SHOWN_MAX: usize = 4;
    let text = |wait: &WaitRow| match &wait.detail {
        Some(detail) => format!("{} {detail}", wait.word),
        None => wait.word.to_owned(),
    };
    let mut shown: Vec<String> = waits.iter().take(SHOWN_MAX).map(text).collect();
    if waits.len() > SHOWN_MAX {
        shown.push(format!("{} more", waits.len() - SHOWN_MAX));
    }
    shown.join(", ")
}

fn fill(mailbox: &MailboxRow) -> String {
    let capacity = mailbox.level.capacity.map_or("∞".to_owned(), units::count);
    let level = format!("{}/{capacity}", units::count(mailbox.level.length));
    mailbox.name.as_ref().map_or(level.clone(), |name| format!("{} {level}", printable(name)))
}

fn fill_paint(mailbox: &MailboxRow) -> Paint {
    match mailbox.level.capacity {
        Some(capacity) if mailbox.level.length.saturating_mul(10) >= capacity.saturating_mul(9) => Paint::Bad,
        Some(capacity) if mailbox.level.length.saturating_mul(2) >= capacity => Paint::Warning,
        _ => Paint::Plain,
    }
}

/// `…registration::run`.
fn shortened(name: &str) -> String {
    let characters = name.chars().count();
    match characters > NAME_CHARACTERS {
        true => format!("…{}", name.chars().skip(characters - NAME_CHARACTERS + 1).collect::<String>()),
        false => name.to_owned(),
    }
}

/// `512 B`, `1.5 kB`, `12 MB`.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..10_000 => format!("{:.1} kB", count as f64 / 1e3),
        10_000..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..10_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{} MB", count / 1_000_000),
    }
}

/// One JSON line, without line feed.
pub fn json(row: &Row, pid: u32, time_ns: u64, window: Option<Duration>, moment: &mut Moment) -> String {
    let mut line = String::from(r#"{"kind":"actor","time":""#);
    moment.rfc3339(&mut line, time_ns);
    let place = |location: &Option<(String, u32)>| location.as_ref().map(|(file, line)| format!("{file}:{line}"));
    let (number, kind) = match row.kind {
        Kind::Task => ("task", "task"),
        Kind::BlockingTask => ("task", "blocking-task"),
        Kind::Thread => ("tid", "thread"),
    };
    let mut object = Map::new();
    let mut put = |key: &str, value: Json| {
        object.insert(key.to_owned(), value);
    };
    put("pid", json!(pid));
    put(number, json!(row.id));
    put("name", json!(row.name));
    put("type", json!(kind));
    put("state", json!(row.state));
    if let Some((tid, worker)) = row.runs_on {
        put("tid", json!(tid));
        put("worker", json!(worker));
    }
    put("awaits", json!(row.waits.first().map(|wait| wait.word)));
    put("location", json!(place(&row.location)));
    let waits: Vec<Json> = row
        .waits
        .iter()
        .map(|wait| json!({ "awaits": wait.word, "detail": wait.detail, "location": place(&wait.location) }))
        .collect();
    put("waits", Json::Array(waits));
    put("mailbox", row.mailbox.as_ref().map_or(Json::Null, mailbox));
    put("busy", json!(row.busy));
    put("memory", json!(row.size_bytes));
    put("torn", json!(row.is_torn));
    put("born", json!(row.life == Life::Born));
    put("window_ns", json!(window.map(|window| u64::try_from(window.as_nanos()).unwrap_or(u64::MAX))));
    let _ = write!(line, "\",{}", Json::Object(object).to_string().trim_start_matches('{'));
    line
}

fn mailbox(mailbox: &MailboxRow) -> Json {
    let traffic = mailbox.traffic();
    json!({
        "name": mailbox.name,
        "length": mailbox.level.length,
        "capacity": mailbox.level.capacity,
        "sent": mailbox.level.sent,
        "received": mailbox.level.received,
        "senders": mailbox.level.senders,
        "closed": mailbox.level.is_closed,
        "torn": mailbox.level.is_torn,
        "delta": mailbox.change(),
        "sent_in_window": traffic.map(|(sent, _)| sent),
        "received_in_window": traffic.map(|(_, received)| received),
    })
}

#[cfg(test)]
#[path = "actors_tests.rs"]
mod tests;
