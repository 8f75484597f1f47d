//! What one line about an actor says: tasks and threads from one look, or from two with the window between.
//! Plain data for reports.

use std::collections::{BTreeMap, HashMap};

use super::awaiting::Wait;
use super::channel::Level;
use super::look::{Actor, Channel, Look, State, location};
use super::worker::{Role, ThreadSight};

/// One actor: a task, or a thread that runs none.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub kind: Kind,
    /// The task's or the thread's number.
    pub id: u64,
    pub state: &'static str,
    /// The thread that runs it: its number, and the worker's index.
    pub runs_on: Option<(u32, Option<u64>)>,
    pub waits: Vec<WaitRow>,
    /// File and line of its `.await`.
    pub location: Option<(String, u32)>,
    pub mailbox: Option<MailboxRow>,
    /// Share of the window's samples in which it ran.
    pub busy: Option<f64>,
    pub size_bytes: Option<u64>,
    pub is_torn: bool,
    /// It is not there any more at the window's end, or was not at its start.
    pub life: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Task,
    BlockingTask,
    Thread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Whole,
    Born,
    Gone,
}

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitRow {
    /// One word: `mailbox`, `reply`, `timer`, `socket`, …
    pub word: &'static str,
    /// What exactly: how long, which descriptor, which channel.
    pub detail: Option<String>,
    pub location: Option<(String, u32)>,
}

/// The mailbox of an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRow {
    pub name: Option<String>,
    pub level: Level,
    /// At the window's start.
    pub before: Option<Level>,
}

impl MailboxRow {
    pub fn change(&self) -> Option<i64> {
        self.before.map(|before| self.level.length.cast_signed().wrapping_sub(before.length.cast_signed()))
    }

    /// Messages in and out within the window.
    pub fn traffic(&self) -> Option<(u64, u64)> {
        let before = self.before?;
        let since = |count: fn(&Level) -> Option<u64>| Some(count(&self.level)?.saturating_sub(count(&before)?));
        Some((since(|level| level.sent)?, since(|level| level.received)?))
    }
}

/// What a window knows beside its two looks.
#[derive(Clone, Debug, Default)]
pub struct Window {
    pub start: Option<Look>,
    /// By task id: share of samples in which it ran.
    pub busy: HashMap<u64, f64>,
}

/// All rows: tasks, then threads that run none.
pub fn rows(look: &Look, window: &Window, threads: &[ThreadSight], now_ns: u64) -> Vec<Row> {
    let before: HashMap<u64, &Actor> = match &window.start {
        Some(start) => start.actors.iter().map(|actor| (actor.task.id, actor)).collect(),
        None => HashMap::new(),
    };
    let earlier = window.start.as_ref().map(|start| &start.channels);
    let mut rows: Vec<Row> = look
        .actors
        .iter()
        .map(|actor| {
            let is_born = window.start.is_some() && !before.contains_key(&actor.task.id);
            let life = if is_born { Life::Born } else { Life::Whole };
            task_row(actor, &look.channels, earlier, window, threads, life, now_ns)
        })
        .collect();
    let now: HashMap<u64, &Actor> = look.actors.iter().map(|actor| (actor.task.id, actor)).collect();
    let mut gone: Vec<&Actor> = before.into_values().filter(|actor| !now.contains_key(&actor.task.id)).collect();
    gone.sort_by_key(|actor| actor.task.id);
    let nothing = BTreeMap::new();
    rows.extend(gone.into_iter().map(|actor| task_row(actor, &nothing, None, window, &[], Life::Gone, now_ns)));
    rows.extend(threads.iter().filter(|thread| !thread.is_worker()).map(|thread| thread_row(thread, &now)));
    rows
}

fn task_row(
    actor: &Actor,
    channels: &BTreeMap<u64, Channel>,
    earlier: Option<&BTreeMap<u64, Channel>>,
    window: &Window,
    threads: &[ThreadSight],
    life: Life,
    now_ns: u64,
) -> Row {
    let runner = threads
        .iter()
        .filter(|_| actor.state == State::Running)
        .find_map(|thread| thread.sight.filter(|sight| sight.task == Some(actor.task.id)).map(|sight| (thread, sight)));
    let mailbox = actor.mailbox.and_then(|key| {
        let channel = channels.get(&key)?;
        let before = earlier.and_then(|earlier| earlier.get(&key)?.level);
        Some(MailboxRow { name: channel.name.clone(), level: channel.level?, before })
    });
    let is_waiting = matches!(actor.state, State::Waiting | State::Scheduled);
    Row {
        name: actor.name.clone(),
        kind: if actor.is_blocking { Kind::BlockingTask } else { Kind::Task },
        id: actor.task.id,
        state: match (life, actor.state, actor.is_unpolled()) {
            (Life::Gone, ..) => "gone",
            (_, State::Scheduled, true) => "not yet polled",
            (_, State::Scheduled, _) if actor.task.is_cancelled() => "cancelled",
            (_, state, _) => state.text(),
        },
        runs_on: runner.map(|(thread, sight)| {
            let index = if let Role::Worker(index) = sight.role { index } else { None };
            (thread.thread.tid, index)
        }),
        waits: match is_waiting && life != Life::Gone {
            true => actor
                .awaited
                .iter()
                .map(|awaited| wait_row(&awaited.wait, location(&awaited.frames), channels, now_ns))
                .collect(),
            false => Vec::new(),
        },
        location: actor.location().map(|(file, line)| (file.to_owned(), line)),
        mailbox,
        busy: window.busy.get(&actor.task.id).copied(),
        size_bytes: Some(actor.size_bytes),
        is_torn: actor.is_torn,
        life,
    }
}

/// A wait in words.
pub fn wait_row(wait: &Wait, location: Option<(&str, u32)>, channels: &BTreeMap<u64, Channel>, now_ns: u64) -> WaitRow {
    let named = |found: Option<&Channel>| found.and_then(|channel| channel.name.clone());
    let room = |semaphore: u64| channels.values().find(|channel| channel.room == Some(semaphore));
    let until = |deadline_ns: u64| Some(remaining(deadline_ns, now_ns));
    let (word, detail) = match wait {
        Wait::Timer { deadline_ns } => ("timer", until(*deadline_ns)),
        Wait::Timeout { deadline_ns } => ("timeout", until(*deadline_ns)),
        Wait::Message { channel } => ("mailbox", named(channels.get(channel))),
        Wait::Room { semaphore } => ("room", named(room(*semaphore))),
        Wait::Lock { is_shared: true, .. } => ("lock", Some("shared".to_owned())),
        Wait::Lock { .. } => ("lock", None),
        Wait::Permit { .. } => ("permit", None),
        Wait::Reply { .. } => ("reply", None),
        Wait::Notified { .. } => ("notify", None),
        Wait::Change { .. } => ("watch", None),
        Wait::Broadcast { .. } => ("broadcast", None),
        Wait::Task { .. } => ("task", None),
        Wait::AnyTask => ("task", Some("any of a set".to_owned())),
        Wait::Socket { descriptor } => ("socket", descriptor.map(|descriptor| format!("fd {descriptor}"))),
        Wait::Never => ("nothing", Some("pending for ever".to_owned())),
        Wait::Other { type_name } if type_name.is_empty() => ("unknown", None),
        Wait::Other { type_name } => ("future", Some(without_crates(type_name))),
    };
    WaitRow { word, detail, location: location.map(|(file, line)| (file.to_owned(), line)) }
}

/// The last two segments of a path, without generic arguments.
fn without_crates(path: &str) -> String {
    let path = crate::value::name::base(path);
    let start = path.rmatch_indices("::").nth(1).map_or(0, |(at, _)| at + 2);
    path.get(start..).unwrap_or(path).to_owned()
}

/// How long until a moment, in words: tenths of a second are exact enough.
pub fn remaining(deadline_ns: u64, now_ns: u64) -> String {
    let left_ms = deadline_ns.saturating_sub(now_ns) / 1_000_000;
    match left_ms {
        0 => "due".to_owned(),
        left if left < 1_000 => format!("{left} ms"),
        left if left < 3_600_000 => format!("{}.{} s", left / 1_000, left % 1_000 / 100),
        left if left < 30 * 24 * 3_600_000 => format!("{} h", left / 3_600_000),
        _ => "never".to_owned(),
    }
}

fn thread_row(thread: &ThreadSight, tasks: &HashMap<u64, &Actor>) -> Row {
    let of_task = thread.sight.and_then(|sight| sight.task).and_then(|id| tasks.get(&id));
    let (state, wait) = match (thread.thread.state, thread.thread.system_call) {
        ('R', _) => ("running", None),
        ('T' | 't', _) => ("stopped", None),
        (_, Some(call)) => ("waiting", Some(system_call(call))),
        (_, None) => ("waiting", None),
    };
    let detail = of_task.filter(|actor| actor.is_blocking).map(|actor| format!("for {}", actor.name));
    Row {
        name: thread.thread.comm.clone(),
        kind: Kind::Thread,
        id: u64::from(thread.thread.tid),
        state,
        runs_on: None,
        waits: match (wait, detail) {
            (None, None) => Vec::new(),
            (wait, detail) => vec![WaitRow { word: wait.unwrap_or("blocking task"), detail, location: None }],
        },
        location: None,
        mailbox: None,
        busy: None,
        size_bytes: None,
        is_torn: false,
        life: Life::Whole,
    }
}

/// The system calls that threads wait in (arch/x86/entry/syscalls/syscall_64.tbl).
fn system_call(number: u64) -> &'static str {
    match number {
        0 => "read",
        1 => "write",
        7 | 271 => "poll",
        20 => "writev",
        23 | 270 => "select",
        34 => "pause",
        35 | 230 => "sleep",
        42 => "connect",
        43 | 288 => "accept",
        45 | 47 => "receive",
        46 | 44 => "send",
        61 | 247 => "wait for a child",
        72 => "file lock",
        128 => "signal",
        202 => "futex",
        232 | 281 | 441 => "epoll",
        _ => "system call",
    }
}
