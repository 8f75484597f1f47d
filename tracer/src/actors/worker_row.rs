//! What one line about a thread says: how it spent a window, what it polled, and the polls that kept it too long.
//! Plain data for reports, made from two moments and what lies between.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::execution::Executing;
use super::polls::{Extent, Poll, ThreadWindow, Window};
use super::worker::{Metrics, Role, ThreadSight};

/// The threads at one moment.
#[derive(Clone, Debug, Default)]
pub struct Threads {
    pub threads: Vec<ThreadSight>,
    /// By thread.
    pub metrics: HashMap<u32, Metrics>,
}

/// One thread in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerRow {
    pub tid: u32,
    pub thread: String,
    pub role: ThreadRole,
    /// Number of its runtime among the process's, from 1 on.
    pub runtime: Option<usize>,
    /// Shares of the window: on a CPU, ready and without one.
    pub cpu: f64,
    pub waiting: f64,
    /// Within polls; `None` for threads of which nobody knows.
    pub in_polls: Option<f64>,
    /// Asleep outside of polls, and within: by a system call that blocks.
    pub parked: Option<f64>,
    pub asleep_in_polls: Option<f64>,
    /// `None` where no probe counted.
    pub polls: Option<u64>,
    pub polls_per_second: Option<f64>,
    pub longest: Option<PollRow>,
    pub parks: Option<u64>,
    pub steals: Option<u64>,
}

/// What a thread is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ThreadRole {
    /// Of a multi-thread runtime, by its index there.
    Worker(Option<u64>),
    /// Runs a current-thread runtime or a `LocalSet`.
    CurrentThread,
    /// Runs a task of `spawn_blocking`.
    Blocking,
    Other,
}

impl ThreadRole {
    /// `worker 0`, `current-thread`, `blocking`, `thread`.
    pub fn text(self) -> String {
        match self {
            Self::Worker(Some(index)) => format!("worker {index}"),
            Self::Worker(None) => "worker".to_owned(),
            Self::CurrentThread => "current-thread".to_owned(),
            Self::Blocking => "blocking".to_owned(),
            Self::Other => "thread".to_owned(),
        }
    }
}

/// One poll.
#[derive(Clone, Debug, PartialEq)]
pub struct PollRow {
    pub tid: u32,
    pub role: ThreadRole,
    pub began_ns: u64,
    pub duration_ns: u64,
    pub extent: Extent,
    /// `None`: the task was gone before anybody could ask.
    pub task: Option<u64>,
    /// As people call it.
    pub name: Option<String>,
    /// What it executed most, where stacks were sampled.
    pub executing: Option<Executing>,
    /// File and line of the `.await` at which the task waited when it was looked at afterwards.
    pub awaits: Option<(String, u32)>,
}

/// How a window was watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    pub length: Duration,
    /// How long of it probes saw polls.
    pub probed: Duration,
}

/// One row for each thread that is there at the end, by role and number.
pub fn rows(
    window: &Window,
    before: &Threads,
    after: &Threads,
    watched: Watched,
    mut told: impl FnMut(&Poll, ThreadRole) -> PollRow,
) -> Vec<WorkerRow> {
    let earlier: HashMap<u32, &ThreadSight> = before.threads.iter().map(|thread| (thread.thread.tid, thread)).collect();
    let runtimes: BTreeSet<u64> =
        after.threads.iter().filter_map(|thread| thread.sight.and_then(|sight| sight.runtime)).collect();
    let nothing = ThreadWindow::default();
    let seconds = watched.length.as_secs_f64().max(1e-9);
    let is_probed = watched.probed.as_secs_f64() >= 0.99 * seconds;
    let row = |thread: &ThreadSight| {
        let state = &thread.thread;
        let start = earlier.get(&state.tid).map(|thread| &thread.thread);
        let share = |now: u64, before: u64| (now.saturating_sub(before) as f64 / 1e9 / seconds).min(1.0);
        let seen = window.threads.get(&state.tid).unwrap_or(&nothing);
        let role = role(thread);
        let sampled = |count: u64| (seen.samples > 0).then(|| count as f64 / seen.samples as f64);
        let polls = (watched.probed > Duration::ZERO && role != ThreadRole::Other).then_some(seen.polls);
        let in_polls = match is_probed && seen.polls > 0 {
            true => Some((seen.in_polls_ns as f64 / 1e9 / seconds).min(1.0)),
            false => sampled(seen.in_task),
        };
        let metric = |of: fn(&Metrics) -> Option<u64>| {
            let (before, now) = (before.metrics.get(&state.tid)?, after.metrics.get(&state.tid)?);
            Some(of(now)?.saturating_sub(of(before)?))
        };
        WorkerRow {
            tid: state.tid,
            thread: state.comm.clone(),
            role,
            runtime: thread
                .sight
                .and_then(|sight| sight.runtime)
                .and_then(|runtime| runtimes.iter().position(|known| *known == runtime))
                .map(|index| index + 1),
            cpu: share(state.cpu_ns, start.map_or(0, |start| start.cpu_ns)),
            waiting: share(state.waiting_ns, start.map_or(0, |start| start.waiting_ns)),
            in_polls,
            parked: sampled(seen.parked),
            asleep_in_polls: sampled(seen.asleep_in_task),
            polls,
            polls_per_second: polls.map(|polls| polls as f64 / watched.probed.as_secs_f64()),
            longest: seen.longest.as_ref().map(|poll| told(poll, role)),
            parks: metric(|metrics| metrics.parks),
            steals: metric(|metrics| metrics.steals),
        }
    };
    let mut rows: Vec<WorkerRow> = after.threads.iter().map(row).collect();
    rows.sort_by_key(|row| (row.role, row.runtime, row.tid));
    rows
}

/// What a thread is there for now.
pub fn role(thread: &ThreadSight) -> ThreadRole {
    match thread.sight.map(|sight| (sight.role, sight.task)) {
        Some((Role::Worker(index), _)) => ThreadRole::Worker(index),
        Some((Role::CurrentThread, _)) => ThreadRole::CurrentThread,
        Some((Role::Other, Some(_))) => ThreadRole::Blocking,
        Some((Role::Other, None)) | None => ThreadRole::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::polls::{Polls, TaskRef};
    use super::super::worker::Sight;
    use super::*;
    use crate::target::thread::ThreadState;

    const MS: u64 = 1_000_000;

    fn thread(tid: u32, cpu_ns: u64, sight: Option<Sight>) -> ThreadSight {
        let state = ThreadState { tid, comm: "tokio".to_owned(), state: 'S', system_call: None, cpu_ns, waiting_ns: 0 };
        ThreadSight { thread: state, sight }
    }

    fn told(poll: &Poll, role: ThreadRole) -> PollRow {
        PollRow {
            tid: poll.tid,
            role,
            began_ns: poll.began_ns,
            duration_ns: poll.duration_ns,
            extent: poll.extent,
            task: None,
            name: None,
            executing: None,
            awaits: None,
        }
    }

    #[test]
    fn rows_tell_shares_of_the_window() {
        let sight =
            |index| Some(Sight { role: Role::Worker(Some(index)), task: None, runtime: Some(0x1000 + index % 2) });
        let metrics = |parks| HashMap::from([(1, Metrics { parks: Some(parks), ..Metrics::default() })]);
        let before = Threads { threads: vec![thread(1, 0, sight(0)), thread(2, 0, sight(1))], metrics: metrics(5) };
        let after =
            Threads { threads: vec![thread(2, 0, sight(1)), thread(1, 500 * MS, sight(0))], metrics: metrics(9) };
        let mut polls = Polls::new(10 * MS, 0);
        polls.began(1, 1, 0, "a".into(), 0x100);
        polls.ended(1, 600 * MS);
        polls.sampled(2, 10 * MS, None, true, true);
        let window = polls.close(1000 * MS);
        let second = Duration::from_secs(1);
        let rows = rows(&window, &before, &after, Watched { length: second, probed: second }, told);
        let [busy, idle] = rows.as_slice() else { panic!("{rows:#?}") };
        assert_eq!((busy.tid, busy.cpu, busy.in_polls, busy.polls), (1, 0.5, Some(0.6), Some(1)));
        assert_eq!((busy.parks, busy.steals, busy.runtime), (Some(4), None, Some(1)));
        assert_eq!((idle.tid, idle.parked, idle.in_polls, idle.polls), (2, Some(1.0), Some(0.0), Some(0)));
        assert_eq!((idle.runtime, idle.longest.is_none()), (Some(2), true));
        assert_eq!(busy.longest.as_ref().map(|poll| poll.duration_ns), Some(600 * MS));
        assert_eq!(window.long[0].task, TaskRef::Address(0x100));
    }
}
