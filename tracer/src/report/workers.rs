//! `tracer workers`: one line per thread and one per long poll, as tables or as JSON Lines. Must not know how they were
//! watched.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::color::{Paint, Palette, printable};
use super::moment::Moment;
use super::table::{Cell, Column, draw};
use super::units;
use crate::actors::name::file_name;
use crate::actors::polls::Extent;
use crate::actors::worker_row::{PollRow, ThreadRole, Watched, WorkerRow};

/// Share of a window in which somebody slept in polls from which on it is a warning.
const BLOCKED_MIN: f64 = 0.01;

/// `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerOrder {
    Busy,
    Cpu,
    Longest,
    Polls,
    Role,
}

impl WorkerOrder {
    /// Sorts; equal ones, and all by role, as they come.
    pub fn sort(self, rows: &mut [WorkerRow]) {
        let share = |share: Option<f64>| share.map_or(-1, |share| (share * 1e6) as i64);
        rows.sort_by_key(|row| {
            Reverse(match self {
                Self::Busy => share(row.in_polls).max(share(Some(row.cpu))),
                Self::Cpu => share(Some(row.cpu)),
                Self::Longest => row.longest.as_ref().map_or(-1, |poll| poll.duration_ns.cast_signed()),
                Self::Polls => row.polls.map_or(-1, u64::cast_signed),
                Self::Role => 0,
            })
        });
    }
}

/// One window.
#[derive(Clone, Debug)]
pub struct WorkersWindow {
    pub pid: u32,
    /// Its end, CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub watched: Watched,
    pub rows: Vec<WorkerRow>,
    pub long: Vec<PollRow>,
    /// Long polls beyond those that were kept.
    pub long_beyond: u64,
    /// What counts as long.
    pub long_after: Duration,
}

impl WorkersWindow {
    fn is_probed(&self) -> bool {
        self.watched.probed.as_secs_f64() >= 0.99 * self.watched.length.as_secs_f64()
    }
}

/// A heading, the first `top` threads (all if `None`), and the `top` longest of the long polls, with line feeds.
pub fn text(window: &WorkersWindow, top: Option<usize>, palette: Palette) -> String {
    let mut out = String::new();
    palette.paint(&mut out, Paint::Dim, &heading(window));
    out.push('\n');
    let top = top.unwrap_or(usize::MAX);
    let cells: Vec<Vec<Cell>> = window.rows.iter().take(top).map(|row| line(row, has_runtimes(window))).collect();
    draw(&mut out, palette, &columns(), &cells);
    let mut more = |hidden: usize| {
        if hidden > 0 {
            palette.paint(
                &mut out,
                Paint::Dim,
                &format!("… {} more (--top N, 0 for all)\n", units::count(hidden as u64)),
            );
        }
    };
    more(window.rows.len().saturating_sub(top));
    let mut long: Vec<&PollRow> = window.long.iter().collect();
    long.sort_by_key(|poll| Reverse(poll.duration_ns));
    for poll in long.iter().take(top) {
        out.push_str(&printable(&notice(poll)));
        out.push('\n');
    }
    let hidden = long.len().saturating_sub(top) as u64 + window.long_beyond;
    if hidden > 0 {
        let long_after = nanoseconds(window.long_after);
        let rest = format!("… {} more of {} and longer\n", units::counted(hidden, "poll"), units::duration(long_after));
        palette.paint(&mut out, Paint::Dim, &rest);
    }
    out
}

fn heading(window: &WorkersWindow) -> String {
    let is_worker = |row: &&WorkerRow| matches!(row.role, ThreadRole::Worker(_) | ThreadRole::CurrentThread);
    let workers = window.rows.iter().filter(is_worker).count() as u64;
    let others = window.rows.len() as u64 - workers;
    let how = match (window.is_probed(), window.watched.probed.is_zero()) {
        (true, _) => "polls counted by probes".to_owned(),
        (false, true) => "sampled".to_owned(),
        (false, false) => {
            format!("polls counted by probes for the first {}", units::duration(nanoseconds(window.watched.probed)))
        }
    };
    let runs = if workers == 1 { "runs" } else { "run" };
    format!(
        "{} that {runs} tasks · {} · window {} · {how}",
        units::counted(workers, "thread"),
        units::counted(others, "other"),
        units::duration(nanoseconds(window.watched.length)),
    )
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn has_runtimes(window: &WorkersWindow) -> bool {
    window.rows.iter().any(|row| row.runtime.is_some_and(|runtime| runtime > 1))
}

fn columns() -> Vec<Column> {
    let texts = ["ROLE", "THREAD"];
    let numbers = ["IN POLLS", "CPU", "NO CPU", "PARKED", "BLOCKED", "POLLS/s", "PARKS", "STEALS", "LONGEST"];
    let columns = texts.iter().map(|title| Column { title, is_number: false });
    let columns = columns.chain(numbers.iter().map(|title| Column { title, is_number: true }));
    columns.chain([Column { title: "OF", is_number: false }]).collect()
}

fn line(row: &WorkerRow, has_runtimes: bool) -> Vec<Cell> {
    let dash = || Cell::painted("–", Paint::Dim);
    let share = |share: Option<f64>| share.map_or_else(dash, |share| Cell::plain(units::percent(share)));
    let runtime =
        row.runtime.filter(|_| has_runtimes).map_or(String::new(), |runtime| format!(" of runtime {runtime}"));
    vec![
        Cell::painted(format!("{}{runtime}", row.role.text()), Paint::Strong),
        Cell::painted(printable(&format!("{} {}", row.thread, row.tid)).into_owned(), Paint::Dim),
        share(row.in_polls),
        share(Some(row.cpu)),
        share(Some(row.waiting)),
        share(row.parked),
        match row.asleep_in_polls {
            Some(asleep) if asleep >= BLOCKED_MIN => Cell::painted(units::percent(asleep), Paint::Warning),
            asleep => share(asleep),
        },
        row.polls_per_second.map_or_else(dash, |rate| Cell::plain(units::rate(rate))),
        row.parks.map_or_else(dash, |parks| Cell::plain(units::count(parks))),
        row.steals.map_or_else(dash, |steals| Cell::plain(units::count(steals))),
        match &row.longest {
            Some(poll) => Cell::painted(lasted(poll), units::duration_paint(poll.duration_ns)),
            None => dash(),
        },
        row.longest.as_ref().map_or_else(dash, |poll| Cell::plain(printable(&who(poll)).into_owned())),
    ]
}

/// `81.2 ms`, `> 2.0 s`, `≈ 200.0 ms`.
fn lasted(poll: &PollRow) -> String {
    let duration = units::duration(poll.duration_ns);
    match poll.extent {
        Extent::Exact => duration,
        Extent::AtLeast => format!("> {duration}"),
        Extent::Samples => format!("≈ {duration}"),
    }
}

/// `AuditLog #9`.
fn who(poll: &PollRow) -> String {
    let number = poll.task.map(|task| format!("#{task}"));
    match (&poll.name, number) {
        (Some(name), Some(number)) if !name.ends_with(&number) => format!("{name} {number}"),
        (Some(name), _) => name.clone(),
        (None, Some(number)) => format!("task {number}"),
        (None, None) => "a task".to_owned(),
    }
}

/// `AuditLog #9 blocked worker 0 for 81.2 ms, 98 % of it in burn (audit_log.rs:61); now awaits at audit_log.rs:26`.
fn notice(poll: &PollRow) -> String {
    let (who, role) = (who(poll), poll.role.text());
    let duration = units::duration(poll.duration_ns);
    let mut text = match (poll.role, poll.extent) {
        (ThreadRole::Blocking | ThreadRole::Other, _) => format!("{who} ran on thread {} for {duration}", poll.tid),
        (_, Extent::Exact) => format!("{who} blocked {role} for {duration}"),
        (_, Extent::AtLeast) => format!("{who} blocks {role}, for longer than {duration} so far"),
        (_, Extent::Samples) => format!("{who} kept {role} for about {duration}, in one poll or in several"),
    };
    if let Some(executing) = &poll.executing {
        let _ = write!(text, ", {:.0} % of it in {}", executing.share * 100.0, executing.text());
    }
    if let Some((file, line)) = &poll.awaits {
        let _ = write!(text, "; then it awaited at {}:{line}", file_name(file));
    }
    text
}

/// One line per thread, then one per long poll.
pub fn json(window: &WorkersWindow, top: Option<usize>, moment: &mut Moment) -> Vec<String> {
    let mut time = |time_ns: u64| {
        let mut text = String::new();
        moment.rfc3339(&mut text, time_ns);
        text
    };
    let top = top.unwrap_or(usize::MAX);
    let ended = time(window.time_ns);
    let source = if window.is_probed() { "probes" } else { "memory" };
    let mut lines: Vec<String> = Vec::new();
    for row in window.rows.iter().take(top) {
        let longest = row.longest.as_ref().map(|poll| poll_json(poll, time(poll.began_ns)));
        let line = json!({
            "kind": "worker",
            "time": ended,
            "pid": window.pid,
            "tid": row.tid,
            "thread": row.thread,
            "role": role_word(row.role),
            "index": index(row.role),
            "runtime": row.runtime,
            "window_ns": nanoseconds(window.watched.length),
            "source": source,
            "in_polls": row.in_polls,
            "cpu": row.cpu,
            "waiting_for_cpu": row.waiting,
            "parked": row.parked,
            "blocked": row.asleep_in_polls,
            "polls": row.polls,
            "polls_per_second": row.polls_per_second,
            "parks": row.parks,
            "steals": row.steals,
            "longest_poll": longest,
        });
        lines.push(line.to_string());
    }
    for poll in window.long.iter().take(top) {
        let mut line = json!({
            "kind": "long-poll",
            "pid": window.pid,
            "tid": poll.tid,
            "role": role_word(poll.role),
            "index": index(poll.role),
        });
        if let (Some(line), Json::Object(poll)) = (line.as_object_mut(), poll_json(poll, time(poll.began_ns))) {
            line.extend(poll);
        }
        lines.push(line.to_string());
    }
    lines
}

fn poll_json(poll: &PollRow, began: String) -> Json {
    let place = |place: &Option<(String, u32)>| place.as_ref().map(|(file, line)| format!("{file}:{line}"));
    let executing = poll.executing.as_ref();
    json!({
        "began": began,
        "duration_ns": poll.duration_ns,
        "extent": match poll.extent {
            Extent::Exact => "exact",
            Extent::AtLeast => "at-least",
            Extent::Samples => "samples",
        },
        "task": poll.task,
        "name": poll.name,
        "function": executing.map(|executing| executing.function.as_str()),
        "function_share": executing.map(|executing| executing.share),
        "location": executing.and_then(|executing| place(&executing.source)),
        "awaited_after": place(&poll.awaits),
    })
}

fn role_word(role: ThreadRole) -> &'static str {
    match role {
        ThreadRole::Worker(_) => "worker",
        ThreadRole::CurrentThread => "current-thread",
        ThreadRole::Blocking => "blocking",
        ThreadRole::Other => "other",
    }
}

fn index(role: ThreadRole) -> Option<u64> {
    match role {
        ThreadRole::Worker(index) => index,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::execution::Executing;
    use crate::events::clock::Clock;

    fn poll() -> PollRow {
        PollRow {
            tid: 11,
            role: ThreadRole::Worker(Some(0)),
            began_ns: 1_000_000,
            duration_ns: 81_200_000,
            extent: Extent::Exact,
            task: Some(9),
            name: Some("AuditLog".to_owned()),
            executing: Some(Executing {
                function: "app::audit_log::burn".to_owned(),
                source: Some(("src/audit_log.rs".to_owned(), 61)),
                share: 0.98,
                samples: 8,
            }),
            awaits: Some(("src/audit_log.rs".to_owned(), 26)),
        }
    }

    fn window() -> WorkersWindow {
        let second = Duration::from_secs(1);
        let row = WorkerRow {
            tid: 11,
            thread: "tokio-rt-worker".to_owned(),
            role: ThreadRole::Worker(Some(0)),
            runtime: Some(1),
            cpu: 0.81,
            waiting: 0.0,
            in_polls: Some(0.82),
            parked: Some(0.18),
            asleep_in_polls: Some(0.0),
            polls: Some(25),
            polls_per_second: Some(25.0),
            longest: Some(poll()),
            parks: Some(12),
            steals: None,
        };
        let other = WorkerRow {
            tid: 12,
            thread: "main".to_owned(),
            role: ThreadRole::Other,
            runtime: None,
            cpu: 0.0,
            in_polls: None,
            parked: None,
            asleep_in_polls: None,
            polls: None,
            polls_per_second: None,
            longest: None,
            parks: None,
            ..row.clone()
        };
        WorkersWindow {
            pid: 10,
            time_ns: 2_000_000_000,
            watched: Watched { length: second, probed: second },
            rows: vec![row, other],
            long: vec![poll()],
            long_beyond: 0,
            long_after: Duration::from_millis(10),
        }
    }

    #[test]
    fn a_table_and_a_notice() {
        let text = text(&window(), None, Palette::OFF);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines[0], "1 thread that runs tasks · 1 other · window 1.0 s · polls counted by probes");
        assert!(lines[1].starts_with("ROLE") && lines[1].ends_with("OF"), "{text}");
        assert!(lines[2].starts_with("worker 0") && lines[2].ends_with("81.2 ms  AuditLog #9"), "{text}");
        assert!(lines[3].starts_with("thread") && lines[3].ends_with('–'), "{text}");
        assert_eq!(
            lines[4],
            "AuditLog #9 blocked worker 0 for 81.2 ms, 98 % of it in burn (audit_log.rs:61); then it awaited at \
             audit_log.rs:26"
        );
    }

    #[test]
    fn what_is_not_exact_says_so() {
        let at_least = PollRow { extent: Extent::AtLeast, executing: None, awaits: None, ..poll() };
        assert_eq!(notice(&at_least), "AuditLog #9 blocks worker 0, for longer than 81.2 ms so far");
        let samples = PollRow { extent: Extent::Samples, name: None, ..at_least };
        assert_eq!(notice(&samples), "task #9 kept worker 0 for about 81.2 ms, in one poll or in several");
        assert_eq!(lasted(&samples), "≈ 81.2 ms");
    }

    #[test]
    fn lines_for_tools() {
        let mut moment = Moment::new(Clock { realtime_offset_ns: 0 });
        let lines = json(&window(), None, &mut moment);
        let lines: Vec<Json> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0]["kind"], "worker");
        assert_eq!(lines[0]["longest_poll"]["task"], 9);
        assert_eq!((&lines[1]["role"], &lines[1]["polls"]), (&json!("other"), &Json::Null));
        assert_eq!((&lines[2]["kind"], &lines[2]["duration_ns"]), (&json!("long-poll"), &json!(81_200_000)));
        assert_eq!(lines[2]["location"], "src/audit_log.rs:61");
        assert_eq!(lines[2]["began"], "1970-01-01T00:00:00.001000000Z");
    }
}
