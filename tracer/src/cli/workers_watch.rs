//! Watches the threads of a tokio program for `tracer workers`: samples what each is at, takes in the polls that probes
//! see, and reports window by window.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::actor_system::Opened;
use super::exit::{DONE, Failure};
use super::interrupt::Interrupt;
use super::say::say;
use super::session::{self, Sink};
use super::stacks::Stacks;
use super::workers::Arguments;
use crate::actors::execution::{Located, executed};
use crate::actors::look::{Actor, Look, State, WORKER_LOOP, label};
use crate::actors::name::function_of;
use crate::actors::polls::{Poll, Polls, TaskRef};
use crate::actors::task::Task;
use crate::actors::worker_row::{self, PollRow, ThreadRole, Threads, Watched, rows};
use crate::events::description::Descriptions;
use crate::events::event::{Ending, Event};
use crate::events::loss::Losses;
use crate::events::stream::Stream;
use crate::kernel::session::{Session, monotonic_ns};
use crate::report::moment::Moment;
use crate::report::output::Output;
use crate::report::workers::{self, WorkersWindow};
use crate::target::files::Files;
use crate::target::process::Process;
use crate::target::thread::is_asleep;
use crate::value::{Limits, Value};

/// Between two samples of what threads are at.
const SAMPLE_EVERY_NS: u64 = 20_000_000;
/// A rest of a window that is shorter than this share of it is not worth a table.
const REST_MIN: f64 = 0.05;
/// Lines without `--top`.
const TOP: usize = 20;

/// One process, watched window by window.
pub(super) struct Watcher<'w, 'a, 'i> {
    arguments: &'w Arguments,
    opened: &'w mut Opened<'a, 'i>,
    stacks: Option<Stacks<'w>>,
    polls: Polls,
    look: Look,
    /// Ids of the tasks that are workers' own loops.
    loops: HashSet<u64>,
    before: Threads,
    began_ns: u64,
    window_began_ns: u64,
    windows: u64,
    /// Since when probes are attached, within this window.
    probed_since_ns: Option<u64>,
    probed_ns: u64,
    last_sample_ns: u64,
    /// When the session had handed out all that it saw; nobody knows what went on since.
    settled_ns: Option<u64>,
    /// What was read of tasks when their long polls ended, by thread and beginning.
    seen: HashMap<(u32, u64), Seen>,
    output: Output<std::io::Stdout>,
    moment: Moment,
}

/// A task as it was right after its poll.
#[derive(Clone, Default)]
struct Seen {
    task: Option<u64>,
    name: Option<String>,
    awaits: Option<(String, u32)>,
}

impl<'w, 'a, 'i> Watcher<'w, 'a, 'i> {
    pub(super) fn new(
        arguments: &'w Arguments,
        opened: &'w mut Opened<'a, 'i>,
        process: &'w Process,
        files: &'w Files,
    ) -> Result<Self, Failure> {
        let look = opened.look();
        let before = threads(opened)?;
        let workers: Vec<u32> = sampled(&before).collect();
        let stacks = Stacks::start(process, files, &workers, arguments.window);
        let stacks = stacks.inspect_err(|error| say(format_args!("functions are not told: {error}"))).ok();
        let loops = loops(opened, &look);
        Ok(Self {
            arguments,
            opened,
            stacks,
            loops,
            polls: Polls::default(),
            look,
            before,
            began_ns: 0,
            window_began_ns: 0,
            windows: 0,
            probed_since_ns: None,
            probed_ns: 0,
            last_sample_ns: 0,
            settled_ns: None,
            seen: HashMap::new(),
            output: Output::new(std::io::stdout()),
            moment: Moment::new(session::clock()),
        })
    }

    /// Watching begins now, and not when what it takes was got ready.
    fn begin(&mut self) -> Result<(), Failure> {
        self.before = threads(self.opened)?;
        self.began_ns = monotonic_ns();
        self.window_began_ns = self.began_ns;
        let long_ns = u64::try_from(self.arguments.long.as_nanos()).unwrap_or(u64::MAX);
        self.polls = Polls::new(long_ns, self.began_ns);
        Ok(())
    }

    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(monotonic_ns().saturating_sub(self.began_ns))
    }

    /// Watches without probes, from the beginning.
    pub(super) async fn sample_all(mut self, interrupt: &mut Interrupt) -> Result<u8, Failure> {
        self.begin()?;
        self.sample_for(self.arguments.total(), interrupt).await?;
        self.finish()
    }

    /// Watches without probes; `None`: until it is interrupted, or the target exits.
    pub(super) async fn sample_for(
        &mut self,
        length: Option<Duration>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let process = self.opened.process;
        // SAFETY: the process owns its descriptor and outlives this function.
        let exit =
            unsafe { AsyncFd::register_with_interest(process.descriptor(), Interest::READABLE) }.map_err(|error| {
                Failure::new(format!("cannot wait for the target's end: {}", std::io::Error::from(error)))
            })?;
        let until = length.map(|length| tokio::time::Instant::now() + length);
        self.polls.forget_open();
        loop {
            let left = until.map(|until| until.saturating_duration_since(tokio::time::Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            let pause = Duration::from_nanos(SAMPLE_EVERY_NS).min(left.unwrap_or(Duration::MAX));
            tokio::select! {
                () = interrupt.wait() => return Ok(()),
                _ = exit.readable() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            self.sample();
            self.report_if_due()?;
        }
    }

    /// Looks at each thread that runs tasks, unless it did a moment ago.
    fn sample(&mut self) {
        let now_ns = monotonic_ns();
        if now_ns.saturating_sub(self.last_sample_ns) < SAMPLE_EVERY_NS {
            return;
        }
        let with_probes = self.probed_since_ns.is_some();
        self.last_sample_ns = now_ns;
        for tid in sampled(&self.before) {
            let Some(sight) = self.opened.sight(tid) else { continue };
            let is_asleep = is_asleep(self.opened.process, tid);
            let task = sight.task.filter(|task| !self.loops.contains(task));
            self.polls.sampled(tid, now_ns, task, is_asleep, with_probes);
        }
        if let Some(stacks) = &mut self.stacks {
            stacks.collect();
        }
    }

    /// Where one table after the other was asked for: the next one, when its window is over.
    fn report_if_due(&mut self) -> Result<(), Failure> {
        let window_ns = u64::try_from(self.arguments.window.as_nanos()).unwrap_or(u64::MAX);
        if self.arguments.has_one_window() || monotonic_ns() < self.window_began_ns.saturating_add(window_ns) {
            return Ok(());
        }
        self.report()
    }

    /// The last window.
    pub(super) fn finish(mut self) -> Result<u8, Failure> {
        let rest = monotonic_ns().saturating_sub(self.window_began_ns) as f64 / 1e9;
        if self.windows == 0 || rest > REST_MIN * self.arguments.window.as_secs_f64() {
            self.report()?;
        }
        Ok(DONE)
    }

    fn report(&mut self) -> Result<(), Failure> {
        let now_ns = monotonic_ns();
        self.probed_until(now_ns);
        let after = threads(self.opened)?;
        let window = self.polls.close(self.settled_ns.take().unwrap_or(now_ns));
        let located = self.located();
        let length = Duration::from_nanos(now_ns.saturating_sub(self.window_began_ns));
        let watched = Watched { length, probed: Duration::from_nanos(self.probed_ns) };
        let told = |poll: &Poll, role| self.told(poll, role, &located);
        let mut rows = rows(&window, &self.before, &after, watched, told);
        self.arguments.order().sort(&mut rows);
        let roles: HashMap<u32, ThreadRole> = rows.iter().map(|row| (row.tid, row.role)).collect();
        let role = |tid: u32| roles.get(&tid).copied().unwrap_or(ThreadRole::Other);
        let long = window.long.iter().map(|poll| self.told(poll, role(poll.tid), &located)).collect();
        let shown = WorkersWindow {
            pid: self.opened.process.pid(),
            time_ns: now_ns,
            watched,
            rows,
            long,
            long_beyond: window.long_beyond,
            long_after: self.arguments.long,
        };
        self.print(&shown)?;
        self.windows += 1;
        self.seen.clear();
        self.look = self.opened.look();
        self.loops = loops(self.opened, &self.look);
        self.before = after;
        self.window_began_ns = now_ns;
        self.probed_ns = 0;
        Ok(())
    }

    fn print(&mut self, window: &WorkersWindow) -> Result<(), Failure> {
        let is_json = self.arguments.output.json;
        let top = match self.arguments.top {
            Some(0) => None,
            None if is_json => None,
            top => Some(top.unwrap_or(TOP)),
        };
        if is_json {
            for line in workers::json(window, top, &mut self.moment) {
                self.output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))?;
            }
        } else {
            let text = workers::text(window, top, self.arguments.output.palette());
            self.output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()))?;
        }
        Ok(self.output.flush()?)
    }

    /// What the stacks of this window show.
    fn located(&mut self) -> Vec<Located> {
        let mut located = Vec::new();
        if let (Some(stacks), Some(system)) = (&mut self.stacks, &self.opened.system) {
            stacks.unwind(|tid, time_ns, stack| located.extend(Located::of(system.program, tid, time_ns, &stack)));
        }
        located
    }

    fn told(&self, poll: &Poll, role: ThreadRole, located: &[Located]) -> PollRow {
        let seen = match (self.seen.get(&(poll.tid, poll.began_ns)), poll.task) {
            (Some(seen), _) => seen.clone(),
            (None, TaskRef::Address(address)) => self.task_at(address, poll.name.as_deref()),
            (None, TaskRef::Id(id)) => {
                let actor = self.look.actors.iter().find(|actor| actor.task.id == id);
                self.seen(Some(id), actor, None)
            }
        };
        PollRow {
            tid: poll.tid,
            role,
            began_ns: poll.began_ns,
            duration_ns: poll.duration_ns,
            extent: poll.extent,
            task: seen.task,
            name: seen.name.or_else(|| poll.name.as_deref().map(str::to_owned)),
            executing: executed(located, poll.tid, poll.began_ns, poll.began_ns + poll.duration_ns),
            awaits: seen.awaits,
        }
    }

    /// The task at an address. Another one may have taken the place of the one that was polled there, so its number is
    /// told only if the window's first look had it there too.
    fn task_at(&self, address: u64, name: Option<&str>) -> Seen {
        let now = self.opened.system.as_ref().and_then(|system| system.actor_at(address));
        let known = self.look.actors.iter().find(|actor| actor.task.address == address);
        let is_same = |actor: &&Actor| {
            let is_there = now.as_ref().is_some_and(|now| now.task.id == actor.task.id);
            let kind = self.opened.system.as_ref().and_then(|system| system.program.kinds.get(actor.task.kind));
            is_there && kind.is_some_and(|kind| name.is_none_or(|name| kind.name == name))
        };
        match known.filter(is_same) {
            Some(actor) => self.seen(Some(actor.task.id), Some(actor), now.as_ref()),
            None => Seen::default(),
        }
    }

    fn seen(&self, task: Option<u64>, known: Option<&Actor>, now: Option<&Actor>) -> Seen {
        let waiting = now.filter(|actor| actor.state == State::Waiting);
        let awaits = waiting.and_then(Actor::location).map(|(file, line)| (file.to_owned(), line));
        Seen { task, name: known.map(|actor| label(actor, &self.look)), awaits }
    }

    fn probed_until(&mut self, now_ns: u64) {
        if let Some(since_ns) = &mut self.probed_since_ns {
            self.probed_ns += now_ns.saturating_sub((*since_ns).max(self.window_began_ns));
            *since_ns = now_ns;
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Call(call) => {
                let Some((name, is_worker)) = polled(&call.function.name) else { return };
                let address = call.arguments.iter().find_map(|argument| address(&argument.value));
                if let Some(address) = address.filter(|_| !is_worker) {
                    self.polls.began(call.id, call.thread.tid, call.time_ns, name, address);
                }
            }
            Event::Return(end) if end.ending != Ending::Open => {
                if let Some(poll) = self.polls.ended(end.id, end.time_ns).cloned()
                    && let TaskRef::Address(address) = poll.task
                {
                    let seen = self.task_at(address, poll.name.as_deref());
                    self.seen.insert((poll.tid, poll.began_ns), seen);
                }
            }
            _ => {}
        }
    }
}

/// A worker's loop is a task of its own: a thread that is in it and in no other is in none.
fn loops(opened: &Opened<'_, '_>, look: &Look) -> HashSet<u64> {
    let Some(system) = &opened.system else { return HashSet::new() };
    let is_loop = |task: &&Task| {
        let kind = system.program.kinds.get(task.kind);
        kind.is_some_and(|kind| kind.is_blocking && kind.name.starts_with(WORKER_LOOP))
    };
    look.found.tasks.iter().filter(is_loop).map(|task| task.id).collect()
}

/// The threads now, with what tokio counts of them.
fn threads(opened: &Opened<'_, '_>) -> Result<Threads, Failure> {
    Ok(Threads { threads: opened.threads()?, metrics: opened.metrics() })
}

/// The threads that run tasks, blocking ones included.
fn sampled(threads: &Threads) -> impl Iterator<Item = u32> {
    let runs = threads.threads.iter().filter(|thread| worker_row::role(thread) != ThreadRole::Other);
    runs.map(|thread| thread.thread.tid)
}

/// The function of the future that a function polls, by its first generic argument; and whether that is a worker's own
/// loop, which tokio spawns as a blocking task.
fn polled(function: &str) -> Option<(Arc<str>, bool)> {
    let (_, arguments) = function.split_once("::poll<")?;
    let mut depth = 0_usize;
    let end = arguments.char_indices().find(|(_, character)| {
        match character {
            '<' | '(' | '[' | '{' => depth += 1,
            '>' | ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | '>' if depth == 0 => return true,
            _ => {}
        }
        false
    });
    let future = arguments.get(..end.map_or(arguments.len(), |(at, _)| at))?;
    let blocking = future.strip_prefix("tokio::runtime::blocking::task::BlockingTask<");
    let name = function_of(blocking.and_then(|inner| inner.strip_suffix('>')).unwrap_or(future));
    let is_worker = name.starts_with(WORKER_LOOP);
    Some((name.into(), is_worker))
}

/// The address in a pointer, or in a struct around it.
fn address(value: &Value) -> Option<u64> {
    match value {
        Value::Address(address) => Some(*address),
        Value::Struct { fields, .. } => fields.iter().find_map(|(_, value)| address(value)),
        Value::TupleStruct { fields, .. } => fields.iter().find_map(address),
        _ => None,
    }
}

/// Turns the records of a session into polls.
pub(super) struct PollSink<'w, 'a, 'i> {
    watcher: Watcher<'w, 'a, 'i>,
    stream: Stream,
}

impl<'w, 'a, 'i> PollSink<'w, 'a, 'i> {
    /// The session is armed.
    pub(super) fn new(mut watcher: Watcher<'w, 'a, 'i>, descriptions: Descriptions) -> Result<Self, Failure> {
        watcher.begin()?;
        watcher.probed_since_ns = Some(watcher.began_ns);
        Ok(Self { watcher, stream: Stream::new(Arc::new(descriptions), Limits::default()) })
    }

    /// After the session: no further poll is seen.
    pub(super) fn finish(self, kernel: &Losses) -> Result<(Watcher<'w, 'a, 'i>, Losses), Failure> {
        let Self { mut watcher, mut stream } = self;
        let now_ns = monotonic_ns();
        stream.finish(now_ns, |event| -> Result<(), Failure> {
            watcher.event(event);
            Ok(())
        })?;
        watcher.probed_until(watcher.settled_ns.unwrap_or(now_ns));
        watcher.probed_since_ns = None;
        Ok((watcher, stream.losses(kernel)))
    }
}

impl Sink for PollSink<'_, '_, '_> {
    fn record(&mut self, bytes: &[u8]) {
        self.stream.push(bytes);
    }

    fn settle(&mut self, _: &Session, now_ns: u64, idle: bool) -> Result<(), Failure> {
        self.stream.drain(now_ns, |event| -> Result<(), Failure> {
            self.watcher.event(event);
            Ok(())
        })?;
        if idle {
            self.watcher.settled_ns = Some(now_ns);
            self.watcher.sample();
            self.watcher.report_if_due()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polled_future_is_the_first_generic_argument() {
        let of = |function: &str| polled(function).map(|(name, is_worker)| (name.to_string(), is_worker));
        let harness = "tokio::runtime::task::harness::Harness<T,S>::poll<app::a::run::{async_fn_env#0}<u8, fn() -> u8>, \
                       alloc::sync::Arc<tokio::Handle, alloc::Global>>";
        assert_eq!(of(harness), Some(("app::a::run".to_owned(), false)));
        let blocking =
            "tokio::runtime::task::raw::poll<tokio::runtime::blocking::task::BlockingTask<app::f::{closure_env#0}>, S>";
        assert_eq!(of(blocking), Some(("app::f::{closure#0}".to_owned(), false)));
        let worker = "tokio::runtime::task::raw::poll<tokio::runtime::blocking::task::BlockingTask<\
                      tokio::runtime::scheduler::multi_thread::worker::{impl#0}::launch::{closure_env#0}>, S>";
        assert_eq!(of(worker).map(|(_, is_worker)| is_worker), Some(true));
        assert_eq!(of("tokio::runtime::task::raw::poll"), None);
    }
}
