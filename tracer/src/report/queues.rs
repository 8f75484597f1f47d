//! `tracer queues`: what each mailbox held and moved in one window, as a table or as JSON Lines.
//! Must not know where the samples come from.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

pub use crate::events::mailbox::{QueueSample, QueueSource};

use super::color::{Paint, Palette, printable};
use super::moment::Moment;
use super::table::{Cell, Column, draw};
use super::units;

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
                Self::Rate => i128::from(sample.sent) + i128::from(sample.received),
                Self::Wait => sample.wait_max_ns.map_or(-1, i128::from),
            };
            (Reverse(key), Reverse(sample.length), sample.name.clone(), sample.id)
        });
    }
}

/// One window of all mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        draw(&mut out, palette, &COLUMNS, &rows);
        let hidden = self.samples.len() - shown.len();
        if hidden > 0 {
            palette.paint(&mut out, Paint::Dim, &format!("… {} more (--top N)", units::count(hidden as u64)));
            out.push('\n');
        }
        out
    }
}

const COLUMNS: [Column; 10] = [
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
];

fn row(sample: &QueueSample, seconds: f64, longest_unbounded: u64) -> Vec<Cell> {
    let fill = fill_paint(sample);
    let per_second = |count: u64| Cell::plain(units::rate(count as f64 / seconds));
    let name = printable(&sample.name);
    let name = if sample.is_closed { format!("{name} (closed)") } else { name.into_owned() };
    let change = match sample.change {
        Some(change) if change > 0 => Cell::painted(units::change(change), Paint::Warning),
        Some(change) => Cell::plain(units::change(change)),
        None => Cell::painted("new", Paint::Dim),
    };
    let wait = match sample.wait_max_ns {
        Some(wait_ns) => Cell::painted(units::duration(wait_ns), units::duration_paint(wait_ns)),
        None => Cell::painted("–", Paint::Dim),
    };
    vec![
        Cell::painted(name, Paint::Strong),
        Cell::painted(sample.id.to_string(), Paint::Dim),
        Cell::painted(units::count(sample.length), fill),
        Cell::plain(sample.capacity.map_or("∞".to_owned(), units::count)),
        Cell::plain(units::count(sample.peak)),
        change,
        per_second(sample.sent),
        per_second(sample.received),
        wait,
        Cell::painted(bar(sample, longest_unbounded), fill),
    ]
}

/// A bounded mailbox warns when it is half full, and is bad from nine tenths on.
fn fill_paint(sample: &QueueSample) -> Paint {
    match sample.capacity {
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
    /// One JSON line, without line feed. `sent`, `received`, `delta`, `peak` and `wait_max_ns` are of the window,
    /// whose length is `window_ns`; a capacity of `null` is unbounded.
    pub fn json(&self, window: Duration, moment: &mut Moment) -> String {
        let mut line = String::from(r#"{"kind":"queue","time":""#);
        moment.rfc3339(&mut line, self.time_ns);
        let rest = json!({
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
        })
        .to_string();
        let _ = write!(line, "\",{}", rest.trim_start_matches('{'));
        line
    }
}

#[cfg(test)]
#[path = "queues_tests.rs"]
mod tests;
