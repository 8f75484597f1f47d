//! One look at the whole actor system: every task with its state, what it waits for and what it holds, every channel
//! with its level. Two looks make a window. Reads memory; knows no kernel interface and prints nothing.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash as _, Hasher as _};

use super::awaiting::{Awaited, Frame, FrameState, Futures, INSTRUMENTED, Wait};
use super::channel::{self, ChannelPlace, Flavor, Level};
use super::graph::Graph;
use super::holdings::Held;
use super::name::is_library_file;
use super::program::Program;
use super::reader::Reader;
use super::task::{self, Found, Stage, Task};
use crate::value::image::Memory;
use crate::value::name;

/// Messages of one channel that are looked through for who waits for their replies.
const MESSAGES_READ_MAX: u64 = 256;

/// The loop of a worker, which tokio spawns as a blocking task: no actor.
pub const WORKER_LOOP: &str = "tokio::runtime::scheduler::multi_thread::worker";

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// On a worker, inside its poll function.
    Running,
    /// Woken, waits for a worker.
    Scheduled,
    Waiting,
    /// Ended; its result is there until somebody takes it.
    Finished,
}

impl State {
    pub fn text(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Scheduled => "scheduled",
            Self::Waiting => "waiting",
            Self::Finished => "finished",
        }
    }
}

/// One task at one moment.
#[derive(Clone, Debug)]
pub struct Actor {
    pub task: Task,
    /// The function of its future.
    pub name: String,
    pub is_blocking: bool,
    pub state: State,
    /// What it waits for; of a running task, what it waited for last.
    pub awaited: Vec<Awaited>,
    pub held: Vec<Held>,
    /// The channels that its requests may have gone to, whose replies it waits for.
    pub asked: Vec<u64>,
    /// The channel that it receives from.
    pub mailbox: Option<u64>,
    /// Of its memory: another one tells that it went on.
    pub fingerprint: u64,
    pub size_bytes: u64,
    /// It changed while it was looked at: what is told of its insides may be of two moments.
    pub is_torn: bool,
}

impl Actor {
    /// Where in its own source file it awaits: the innermost such frame.
    pub fn location(&self) -> Option<(&str, u32)> {
        location(&self.awaited.first()?.frames)
    }

    pub fn is_unpolled(&self) -> bool {
        let first = self.awaited.first().and_then(|awaited| awaited.frames.first());
        first.is_some_and(|frame| frame.state == FrameState::Unresumed)
    }
}

/// The innermost frame in the file of the outermost one that is not a library's; of a chain of library functions the
/// outermost.
pub fn location(frames: &[Frame]) -> Option<(&str, u32)> {
    let placed = || frames.iter().filter_map(|frame| frame.location.as_ref());
    let own = placed().find(|(file, _)| !is_library_file(file)).or_else(|| placed().next())?;
    placed().rfind(|(file, _)| *file == own.0).map(|(file, line)| (file.as_str(), *line))
}

/// One channel at one moment.
#[derive(Clone, Debug)]
pub struct Channel {
    pub key: u64,
    pub flavor: Flavor,
    pub place: ChannelPlace,
    pub message_type: Option<String>,
    /// A name that the program gives it.
    pub name: Option<String>,
    /// `None`: it went away while it was looked at.
    pub level: Option<Level>,
    /// The semaphore that senders wait at.
    pub room: Option<u64>,
    /// Oneshot channels whose replies the queued messages will give.
    pub replies: Vec<u64>,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub actors: Vec<Actor>,
    pub channels: BTreeMap<u64, Channel>,
    /// Locks and channels that are no queues, if they are wanted.
    pub points: BTreeMap<u64, Channel>,
    pub found: Found,
    pub bytes_read: u64,
}

/// A program that is looked at again and again: the memory is scanned once, later looks go on from what is known.
pub struct System<'a, 'i> {
    pub program: &'a Program<'i>,
    pub memory: &'a dyn Memory,
    /// Looks tell of locks too, and of channels that are no queues.
    pub wants_points: bool,
    /// Queues that were found by what they look like.
    pub queues: Vec<(u64, ChannelPlace)>,
    candidates: Vec<u64>,
    stacks: Vec<(u64, u64)>,
}

impl<'a, 'i> System<'a, 'i> {
    /// `hits` are the places of words that name a table of tasks' functions, as a scan found them; `stacks` the
    /// mappings of threads' stacks.
    pub fn new(program: &'a Program<'i>, memory: &'a dyn Memory, hits: &[u64], stacks: Vec<(u64, u64)>) -> Self {
        let candidates = hits.iter().filter_map(|hit| hit.checked_sub(program.vtable_offset)).collect();
        Self { program, memory, wants_points: false, queues: Vec::new(), candidates, stacks }
    }

    pub fn look(&mut self) -> Look {
        let reader = Reader::new(self.memory);
        let found = task::find(self.program, &reader, &self.candidates, &self.stacks);
        self.candidates = found.tasks.iter().map(|task| task.address).collect();
        reader.prefetch(self.stretches(&found.tasks));
        let mut futures = Futures::new(&self.program.graph, &reader);
        futures.points = self.wants_points.then(RefCell::default);
        let mut actors: Vec<Actor> = found.tasks.iter().filter_map(|task| self.actor(&futures, task)).collect();
        self.mark_torn(&reader, &mut actors);
        for (key, place) in &self.queues {
            let is_there = place.level_once(&self.program.graph, &reader).is_some_and(|level| level.is_held());
            if is_there {
                futures.channels.borrow_mut().entry(*key).or_insert_with(|| place.clone());
            }
        }
        let channels = self.channels(&futures);
        let points = self.points(&futures);
        let bytes_read = reader.bytes();
        Look { actors, channels, points, found, bytes_read }
    }

    /// The ids of the tasks of an earlier look that run now: reads only their state words.
    pub fn running(&self, look: &Look) -> Vec<u64> {
        let reader = Reader::new(self.memory);
        reader.prefetch(look.actors.iter().map(|actor| (actor.task.address, task::HEADER_BYTES)));
        let is_running = |actor: &&Actor| task::is_running_now(self.program, &reader, &actor.task);
        look.actors.iter().filter(is_running).map(|actor| actor.task.id).collect()
    }

    /// The levels now of channels of an earlier look.
    pub fn levels<'c>(&self, channels: impl Iterator<Item = &'c Channel>) -> Vec<(u64, Level)> {
        let reader = Reader::new(self.memory);
        let places: Vec<(u64, &ChannelPlace)> = channels.map(|channel| (channel.key, &channel.place)).collect();
        let levels = channel::levels(&self.program.graph, &reader, &places);
        levels.into_iter().filter_map(|(key, level)| Some((key, level?))).collect()
    }

    /// The memory of tasks.
    fn stretches<'t>(&'t self, tasks: &'t [Task]) -> impl Iterator<Item = (u64, u64)> + 't {
        let size_bytes = |task: &Task| self.program.kinds.get(task.kind).map_or(0, |kind| kind.size_bytes);
        tasks.iter().map(move |task| (task.address, size_bytes(task)))
    }

    /// The task whose memory is at that address now.
    pub fn actor_at(&self, address: u64) -> Option<Actor> {
        let reader = Reader::new(self.memory);
        let task = task::read_task(self.program, &reader, address)?;
        self.actor(&Futures::new(&self.program.graph, &reader), &task)
    }

    fn actor(&self, futures: &Futures<'_, 'i>, task: &Task) -> Option<Actor> {
        let kind = self.program.kinds.get(task.kind)?;
        if kind.is_blocking && kind.name.starts_with(WORKER_LOOP) {
            return None;
        }
        let state = match task {
            task if task.is_running() => State::Running,
            task if task.is_complete() => State::Finished,
            task if task.is_notified() => State::Scheduled,
            _ => State::Waiting,
        };
        let mut actor = Actor {
            task: *task,
            name: kind.name.clone(),
            is_blocking: kind.is_blocking,
            state,
            awaited: Vec::new(),
            held: Vec::new(),
            asked: Vec::new(),
            mailbox: None,
            fingerprint: 0,
            size_bytes: kind.size_bytes,
            is_torn: false,
        };
        let graph = &self.program.graph;
        let is_whole = task::stage(graph, futures.reader, kind, task.address) == Some(Stage::Running);
        if let Some(future) = task::future_address(graph, futures.reader, kind, task.address).filter(|_| is_whole)
            && !kind.is_blocking
        {
            actor.awaited = futures.awaited(kind.future, future);
            actor.held = futures.holdings(kind.future, future);
            actor.asked = actor
                .awaited
                .iter()
                .find_map(|awaited| match &awaited.wait {
                    Wait::Reply { reply, .. } => Some(futures.asked(&awaited.frames, reply)),
                    _ => None,
                })
                .unwrap_or_default();
            let outermost = actor.awaited.first().and_then(|awaited| awaited.frames.first());
            if let Some(frame) = outermost.filter(|_| !kind.name.contains("::{") && is_wrapper(&kind.name)) {
                actor.name = frame.function.clone();
            }
        }
        let awaited = actor.awaited.iter().find_map(|awaited| match awaited.wait {
            Wait::Message { channel } => Some(channel),
            _ => None,
        });
        let held = || {
            actor.held.iter().find_map(|held| match held {
                Held::Receiver { channel, is_shared: false } => Some(*channel),
                _ => None,
            })
        };
        actor.mailbox = awaited.or_else(held);
        Some(actor)
    }

    /// Reads every task's memory once more: what changed meanwhile was looked at in two states.
    fn mark_torn(&self, reader: &Reader<'_>, actors: &mut [Actor]) {
        let again = reader.again();
        again.prefetch(actors.iter().map(|actor| (actor.task.address, actor.size_bytes)));
        for actor in actors {
            let (at, size_bytes) = (actor.task.address, actor.size_bytes);
            let bytes = again.read(at, size_bytes);
            actor.is_torn = reader.read(at, size_bytes) != bytes;
            actor.fingerprint = fingerprint(&bytes.unwrap_or_default());
        }
    }

    fn channels(&self, futures: &Futures<'_, 'i>) -> BTreeMap<u64, Channel> {
        let graph = &self.program.graph;
        let mut channels = BTreeMap::new();
        loop {
            let places = futures.channels.borrow();
            let next: Vec<_> = places
                .iter()
                .filter(|(key, _)| !channels.contains_key(*key))
                .map(|(key, place)| (*key, place.clone()))
                .collect();
            drop(places);
            if next.is_empty() {
                break;
            }
            for (key, place) in next {
                // Messages can hold ends of further channels, which then are known too.
                let replies = self.replies(futures, &place);
                channels.insert(key, Channel { replies, ..Channel::of(graph, key, place) });
            }
        }
        fill_levels(graph, futures.reader, &mut channels);
        for (key, name) in futures.names.borrow().iter() {
            if let Some(channel) = channels.get_mut(key) {
                channel.name = Some(name.clone());
            }
        }
        channels
    }

    fn points(&self, futures: &Futures<'_, 'i>) -> BTreeMap<u64, Channel> {
        let graph = &self.program.graph;
        let Some(points) = &futures.points else { return BTreeMap::new() };
        let of = |(key, place): (&u64, &ChannelPlace)| (*key, Channel::of(graph, *key, place.clone()));
        let mut found: BTreeMap<u64, Channel> = points.borrow().iter().map(of).collect();
        fill_levels(graph, futures.reader, &mut found);
        found
    }

    fn replies(&self, futures: &Futures<'_, 'i>, place: &ChannelPlace) -> Vec<u64> {
        let Some(message) = place.message else { return Vec::new() };
        let fresh = futures.reader.again();
        let messages = place.messages(futures.graph, &fresh, MESSAGES_READ_MAX);
        let held = messages.into_iter().flat_map(|at| futures.holdings(message, at));
        let replies = held.filter_map(|held| match held {
            Held::ReplyTo { oneshot } => Some(oneshot),
            _ => None,
        });
        replies.collect()
    }
}

impl Channel {
    /// Without its level.
    fn of(graph: &Graph<'_>, key: u64, place: ChannelPlace) -> Self {
        Self {
            key,
            flavor: place.flavor,
            message_type: place.message.map(|message| graph.get(message).name.clone()),
            name: None,
            level: None,
            room: place.room(graph, key),
            replies: Vec::new(),
            place,
        }
    }
}

fn fill_levels(graph: &Graph<'_>, reader: &Reader<'_>, channels: &mut BTreeMap<u64, Channel>) {
    let places: Vec<(u64, &ChannelPlace)> = channels.iter().map(|(key, channel)| (*key, &channel.place)).collect();
    for (key, level) in channel::levels(graph, reader, &places) {
        if let Some(channel) = channels.get_mut(&key) {
            channel.level = level;
        }
    }
}

/// Whether a task's own type says nothing of what it does.
fn is_wrapper(name: &str) -> bool {
    ["core::pin::Pin", "alloc::boxed::Box", INSTRUMENTED].contains(&name)
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// What people call an actor: its mailbox's name, or its function, with the task's number where there are several.
pub fn label(actor: &Actor, look: &Look) -> String {
    if let Some(name) = actor.mailbox.and_then(|key| look.channels.get(&key)?.name.clone()) {
        return name;
    }
    let start = actor.name.rmatch_indices("::").nth(1).map_or(0, |(at, _)| at + 2);
    let short = actor.name.get(start..).unwrap_or(&actor.name);
    let is_only = look.actors.iter().filter(|other| other.name == actor.name).take(2).count() == 1;
    if is_only { short.to_owned() } else { format!("{short} #{}", actor.task.id) }
}

/// What people call a channel: its name, or who receives from it, or what it carries.
pub fn channel_label(channel: &Channel, look: &Look) -> String {
    let owner = || look.actors.iter().find(|actor| actor.mailbox == Some(channel.key)).map(|owner| label(owner, look));
    let message = || channel.message_type.as_ref().map(|message| name::without_modules(message));
    let kind = || match (channel.flavor.holds_messages(), message()) {
        (true, Some(message)) => message,
        (false, Some(content)) => format!("{} of {content}", channel.flavor.text()),
        (_, None) => channel.flavor.text().to_owned(),
    };
    channel.name.clone().or_else(owner).unwrap_or_else(kind)
}

impl Look {
    /// Queues, other channels and locks.
    pub fn all_channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values().chain(self.points.values())
    }

    /// The tasks by the address of their memory.
    pub fn by_address(&self) -> HashMap<u64, usize> {
        self.actors.iter().enumerate().map(|(index, actor)| (actor.task.address, index)).collect()
    }
}
