//! `tracer queues`: what each mailbox held and moved in one window, as a table or as JSON Lines.
//! Must not know where the samples come from.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

pub use crate::events::mailbox::{Insight, QueueSample, QueueSource};

use super::color::{Paint, Palette, printable};
use super::moment::Moment;
use super::table::{Cell, Column, draw};
use super::units;
use crate::value::Value;
use crate::value::json::to_json;
use crate::value::text::Style;

/// Cells of the bar.
const BAR_CELLS: u64 = 10;

/// `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum QueueOrder {
    #[default]
    Length,
    /// The fastest growing first.
    Change,
    /// Messages in and out.
    Rate,
    Wait,
}

impl QueueOrder {
    /// Sorts, the largest first; equal ones by length, then by name and id.
    pub fn sort(self, samples: &mut [QueueSample]) {
        samples.sort_by_cached_key(|sample| {
            let key = match self {
                Self::Length => i128::from(sample.length),
                Self::Change => sample.change.map_or(i128::MIN, i128::from),
                Self::Rate => i128::from(sample.sent.unwrap_or(0)) + i128::from(sample.received.unwrap_or(0)),
                Self::Wait => sample.waited_ns().map_or(-1, i128::from),
            };
            (Reverse(key), Reverse(sample.length), sample.name.clone(), sample.id)
        });
    }
}

/// One window of all mailboxes.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueWindow {
    /// Sorted.
    pub samples: Vec<QueueSample>,
    pub window: Duration,
}

impl QueueWindow {
    /// The table of the first `top` mailboxes (all if `None`), with line feeds.
    pub fn text(&self, top: Option<usize>, palette: Palette) -> String {
        let shown = top.and_then(|top| self.samples.get(..top)).unwrap_or(&self.samples);
        let seconds = self.window.as_secs_f64();
        let longest_unbounded =
            shown.iter().filter(|sample| sample.capacity.is_none()).map(|sample| sample.length).max();
        let rows: Vec<Vec<Cell>> =
            shown.iter().map(|sample| row(sample, seconds, longest_unbounded.unwrap_or(0))).collect();
        let mut out = String::new();
        let window_ns = u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX);
        let mailboxes = match self.samples.len() {
            1 => "1 mailbox".to_owned(),
            count => format!("{} mailboxes", units::count(count as u64)),
        };
        let heading = format!(
            "{mailboxes} · window {} · LEVEL: queued at its end · CHANGE: since its start",
            units::duration(window_ns)
        );
        palette.paint(&mut out, Paint::Dim, &heading);
        out.push('\n');
        let has_insight = shown.iter().any(|sample| sample.insight.is_some());
        let columns = if has_insight { &COLUMNS[..] } else { COLUMNS.get(..COLUMNS.len() - 2).unwrap_or(&COLUMNS) };
        draw(&mut out, palette, columns, &rows);
        let hidden = self.samples.len() - shown.len();
        if hidden > 0 {
            palette.paint(&mut out, Paint::Dim, &format!("… {} more (--top N)", units::count(hidden as u64)));
            out.push('\n');
        }
        for sample in shown {
            messages(&mut out, sample, palette);
        }
        out
    }
}

/// The first messages of a mailbox, one a line.
fn messages(out: &mut String, sample: &QueueSample, palette: Palette) {
    let Some(insight) = &sample.insight else { return };
    let Some(messages) = &insight.messages else { return };
    if messages.is_empty() {
        return;
    }
    out.push('\n');
    let (count, all) = (units::count(messages.len() as u64), units::count(sample.length));
    palette.paint(out, Paint::Strong, &printable(&sample.name));
    palette.paint(out, Paint::Dim, &format!(" ({:#x}): the first {count} of {all}", sample.id));
    out.push('\n');
    for (number, (value, is_torn)) in (1..).zip(messages) {
        let torn = if *is_torn { "  (changing)" } else { "" };
        let _ = writeln!(out, "{number:4}  {}{torn}", value.text(Style::default()));
    }
}

const COLUMNS: [Column; 12] = [
    Column { title: "MAILBOX", is_number: false },
    Column { title: "ID", is_number: true },
    Column { title: "LEVEL", is_number: true },
    Column { title: "CAPACITY", is_number: true },
    Column { title: "PEAK", is_number: true },
    Column { title: "CHANGE", is_number: true },
    Column { title: "IN/s", is_number: true },
    Column { title: "OUT/s", is_number: true },
    Column { title: "LONGEST WAIT", is_number: true },
    Column { title: "FILL", is_number: false },
    Column { title: "KIND", is_number: false },
    Column { title: "STATE", is_number: false },
];

fn row(sample: &QueueSample, seconds: f64, longest_unbounded: u64) -> Vec<Cell> {
    let fill = fill_paint(sample);
    let dash = || Cell::painted("–", Paint::Dim);
    let per_second = |count: Option<u64>| match count {
        Some(count) => Cell::plain(units::rate(count as f64 / seconds)),
        None => dash(),
    };
    let insight = sample.insight.as_ref();
    let is_gone = insight.is_some_and(|insight| insight.is_gone);
    let name = printable(&sample.name);
    let name = match (is_gone, sample.is_closed) {
        (true, _) => format!("{name} (gone)"),
        (_, true) => format!("{name} (closed)"),
        _ => name.into_owned(),
    };
    let change = match sample.change {
        _ if is_gone => Cell::painted("gone", Paint::Dim),
        Some(change) if change > 0 => Cell::painted(units::change(change), Paint::Warning),
        Some(change) => Cell::plain(units::change(change)),
        None => Cell::painted("new", Paint::Dim),
    };
    let wait = match (sample.wait_max_ns, sample.waited_ns()) {
        (Some(wait_ns), _) => Cell::painted(units::duration(wait_ns), units::duration_paint(wait_ns)),
        (None, Some(wait_ns)) => {
            Cell::painted(format!("≥ {}", units::duration(wait_ns)), units::duration_paint(wait_ns))
        }
        (None, None) => dash(),
    };
    let capacity = match sample.capacity {
        Some(capacity) => Cell::plain(units::count(capacity)),
        None if insight.is_some_and(|insight| insight.is_lock) => dash(),
        None => Cell::plain("∞"),
    };
    // An address is read in hexadecimal.
    let id = if insight.is_some() { format!("{:#x}", sample.id) } else { sample.id.to_string() };
    let mut cells = vec![
        Cell::painted(name, Paint::Strong),
        Cell::painted(id, Paint::Dim),
        Cell::painted(units::count(sample.length), fill),
        capacity,
        Cell::plain(units::count(sample.peak)),
        change,
        per_second(sample.sent),
        per_second(sample.received),
        wait,
        Cell::painted(bar(sample, longest_unbounded), fill),
    ];
    if let Some(insight) = insight {
        cells.push(Cell::plain(insight.kind));
        cells.push(Cell::painted(state(insight), Paint::Dim));
    }
    cells
}

/// `locked, 2 waiting`; `version 3, 1 sender, 2 receivers`.
fn state(insight: &Insight) -> String {
    let number = |(name, number): &(&'static str, u64)| match *name {
        "senders" => units::counted(*number, "sender"),
        "receivers" => units::counted(*number, "receiver"),
        "readers" => units::counted(*number, "reader"),
        "permits" => format!("{} free", units::counted(*number, "permit")),
        "version" => format!("version {}", units::count(*number)),
        name => format!("{} {name}", units::count(*number)),
    };
    let condition = insight.condition.map(str::to_owned);
    let changing = insight.is_torn.then(|| "(changing)".to_owned());
    let parts: Vec<String> = condition.into_iter().chain(insight.numbers.iter().map(number)).chain(changing).collect();
    parts.join(", ")
}

/// A bounded mailbox warns when it is half full, and is bad from nine tenths on.
fn fill_paint(sample: &QueueSample) -> Paint {
    let is_single = sample.capacity.is_some_and(|capacity| capacity <= 1);
    match sample.capacity {
        _ if is_single => Paint::Plain,
        Some(capacity) if sample.length.saturating_mul(10) >= capacity.saturating_mul(9) => Paint::Bad,
        Some(capacity) if sample.length.saturating_mul(2) >= capacity => Paint::Warning,
        _ => Paint::Plain,
    }
}

/// How full: `███████░░░` of its capacity; `▒▒▒` of the longest one if there is no capacity. What holds anything
/// shows at least one cell, and only what is full shows all.
fn bar(sample: &QueueSample, longest_unbounded: u64) -> String {
    let (whole, mark, rest) = match sample.capacity {
        Some(capacity) => (capacity, "█", "░"),
        None => (longest_unbounded, "▒", ""),
    };
    let filled = match u128::from(sample.length) * u128::from(BAR_CELLS) / u128::from(whole.max(1)) {
        0 => usize::from(sample.length > 0),
        cells => cells.min(u128::from(BAR_CELLS)) as usize,
    };
    mark.repeat(filled) + &rest.repeat(BAR_CELLS as usize - filled)
}

impl QueueSample {
    /// The longest that a message was seen waiting, or did wait.
    fn waited_ns(&self) -> Option<u64> {
        self.wait_max_ns.or_else(|| self.insight.as_ref()?.waited_ns)
    }

    /// One JSON line, without line feed. `sent`, `received`, `delta`, `peak` and `wait_max_ns` are of the window,
    /// whose length is `window_ns`; a capacity of `null` is unbounded.
    pub fn json(&self, window: Duration, moment: &mut Moment) -> String {
        let mut line = String::from(r#"{"kind":"queue","time":""#);
        moment.rfc3339(&mut line, self.time_ns);
        let mut rest = json!({
            "pid": self.pid,
            "name": self.name,
            "id": self.id,
            "length": self.length,
            "capacity": self.capacity,
            "sent": self.sent,
            "received": self.received,
            "delta": self.change,
            "source": match self.source { QueueSource::Usdt => "usdt", QueueSource::Memory => "memory" },
            "peak": self.peak,
            "wait_max_ns": self.wait_max_ns,
            "window_ns": u64::try_from(window.as_nanos()).unwrap_or(u64::MAX),
            "closed": self.is_closed,
        });
        if let (Some(insight), Json::Object(object)) = (&self.insight, &mut rest) {
            object.extend(insight.json());
        }
        let _ = write!(line, "\",{}", rest.to_string().trim_start_matches('{'));
        line
    }
}

impl Insight {
    fn json(&self) -> Map<String, Json> {
        let mut object = Map::new();
        let mut put = |key: &str, value: Json| object.insert(key.to_owned(), value);
        put("channel", json!(self.kind));
        put("message_type", json!(self.message_type));
        put("sent_total", json!(self.sent_total));
        put("received_total", json!(self.received_total));
        put("waited_ns", json!(self.waited_ns));
        put("condition", json!(self.condition));
        for (name, number) in &self.numbers {
            put(name, json!(number));
        }
        put("gone", json!(self.is_gone));
        put("torn", json!(self.is_torn));
        if let Some(messages) = &self.messages {
            let message = |(value, is_torn): &(Value, bool)| json!({ "value": to_json(value), "torn": is_torn });
            put("messages", Json::Array(messages.iter().map(message).collect()));
        }
        object
    }
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;
