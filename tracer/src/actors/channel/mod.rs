//! Channels and locks in the target's memory: how many messages are in one, how many went in and out since it was
//! made, who is at its ends, who waits at it. Layouts by field name; says nothing of tasks.

mod flume;
mod lock;
mod ring;
pub mod shape;
mod tokio_mpsc;
mod tokio_topic;

use super::graph::{Graph, Part};
use super::reader::Reader;
use crate::value::layout::{Shape, TypeId};
use crate::value::name::base;

/// Looks until two of them agree; the target goes on meanwhile.
const ATTEMPTS_MAX: u32 = 4;
/// Ends of one channel; what looks like more is no channel.
const ENDS_MAX: u64 = 1 << 24;

/// The types that are one end of a queue.
pub static ENDS: [&str; 10] = [
    "tokio::sync::mpsc::chan::Rx",
    "tokio::sync::mpsc::chan::Tx",
    "async_channel::Receiver",
    "async_channel::Sender",
    "flume::Receiver",
    "flume::Sender",
    "crossbeam_channel::counter::Receiver",
    "crossbeam_channel::counter::Sender",
    "std::sync::mpmc::counter::Receiver",
    "std::sync::mpmc::counter::Sender",
];

/// Whose channel or lock, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    TokioBounded,
    TokioUnbounded,
    Oneshot,
    Broadcast,
    Watch,
    Semaphore,
    Mutex,
    RwLock,
    Notify,
    Array(Library),
    List(Library),
    /// A channel without places: a sender waits until a receiver takes.
    Rendezvous(Library),
    /// One place.
    Single,
    Flume,
    FlumeUnbounded,
}

/// Libraries that share the layout of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    Crossbeam,
    Std,
    AsyncChannel,
    /// One of the first two, which lay out their queues alike: only the type of an end would tell.
    CrossbeamOrStd,
}

impl Flavor {
    pub fn text(self) -> &'static str {
        match self {
            Self::TokioBounded => "tokio mpsc",
            Self::TokioUnbounded => "tokio mpsc, unbounded",
            Self::Oneshot => "tokio oneshot",
            Self::Broadcast => "tokio broadcast",
            Self::Watch => "tokio watch",
            Self::Semaphore => "tokio semaphore",
            Self::Mutex => "tokio mutex",
            Self::RwLock => "tokio rwlock",
            Self::Notify => "tokio notify",
            Self::Array(Library::Crossbeam) => "crossbeam",
            Self::List(Library::Crossbeam) => "crossbeam, unbounded",
            Self::Rendezvous(Library::Crossbeam) => "crossbeam, rendezvous",
            Self::Array(Library::Std) => "std mpsc",
            Self::List(Library::Std) => "std mpsc, unbounded",
            Self::Rendezvous(Library::Std) => "std mpsc, rendezvous",
            Self::Array(Library::CrossbeamOrStd) => "crossbeam or std mpsc",
            Self::List(Library::CrossbeamOrStd) => "crossbeam or std mpsc, unbounded",
            Self::Rendezvous(Library::CrossbeamOrStd) => "crossbeam or std mpsc, rendezvous",
            Self::Array(Library::AsyncChannel) | Self::Single => "async-channel",
            Self::List(Library::AsyncChannel) => "async-channel, unbounded",
            Self::Rendezvous(Library::AsyncChannel) => "async-channel, rendezvous",
            Self::Flume => "flume",
            Self::FlumeUnbounded => "flume, unbounded",
        }
    }

    /// Whether its length is a number of messages, and not of those who wait.
    pub fn holds_messages(self) -> bool {
        !matches!(self, Self::Semaphore | Self::Mutex | Self::RwLock | Self::Notify)
    }

    /// Whether tasks work through its messages one by one: a mailbox.
    pub fn is_queue(self) -> bool {
        self.holds_messages() && !matches!(self, Self::Oneshot | Self::Broadcast | Self::Watch)
    }
}

/// Where a channel's shared state is, and how it is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlace {
    pub flavor: Flavor,
    pub address: u64,
    pub ty: TypeId,
    /// The counters of its ends, where these are not part of its state: crossbeam's.
    pub counter: Option<Part>,
    pub message: Option<TypeId>,
    /// Of a broadcast or watch channel the receivers that were found, each of which reads at its own pace.
    pub readers: Vec<(u64, TypeId)>,
}

/// One end of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What both ends share, by address.
    pub key: u64,
    pub is_receiver: bool,
    pub place: ChannelPlace,
}

/// A channel or lock at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Messages in it; of a lock those who wait for it.
    pub length: u64,
    /// `None`: unbounded, or a lock.
    pub capacity: Option<u64>,
    /// Totals since it was made, where it keeps them.
    pub sent: Option<u64>,
    pub received: Option<u64>,
    pub senders: Option<u64>,
    pub receivers: Option<u64>,
    /// Tasks or threads that wait at it, where it keeps them.
    pub waiting: Option<u64>,
    pub condition: Condition,
    /// No message can come any more, or nobody will take one.
    pub is_closed: bool,
    /// It changed whenever it was looked at: the numbers are of moments close to each other.
    pub is_torn: bool,
}

/// What is to be said of it beside numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    #[default]
    None,
    Free,
    /// By a guard, or by a writer's.
    Locked,
    /// By so many readers.
    Read(u64),
    Permits(u64),
    /// Oneshot: no value yet; there; never, or nobody wants it.
    Pending,
    Sent,
    Closed,
    /// Watch: how often its value was replaced.
    Version(u64),
    /// Broadcast: messages that the slowest receiver that was found has not read, and those of them that it has lost.
    Behind {
        unread: u64,
        lost: u64,
    },
    /// A notification is kept for the next who waits.
    Notified,
}

/// One channel's state, with its fields by name.
struct State<'a, 'i> {
    graph: &'a Graph<'i>,
    reader: &'a Reader<'a>,
    address: u64,
    ty: TypeId,
}

impl<'a, 'i> State<'a, 'i> {
    fn number_at(&self, part: Part) -> Option<u64> {
        self.reader.number(self.address.checked_add(part.offset)?, self.graph.get(part.ty).size_bytes)
    }

    /// The first number under a field of that name.
    fn number(&self, name: &str) -> Option<u64> {
        self.number_at(self.graph.number_named(self.ty, name)?)
    }

    /// The first number in it.
    fn number_at_start(&self) -> Option<u64> {
        self.number_at(self.graph.number(self.ty)?)
    }

    /// A part that has that name, as a state of its own.
    fn part(&self, name: &str) -> Option<Self> {
        self.graph.named(self.ty, name).map(|part| self.at(part))
    }

    fn typed(&self, path: &str) -> Option<Self> {
        self.graph.typed(self.ty, path).map(|part| self.at(part))
    }

    fn at(&self, part: Part) -> Self {
        Self { address: self.address.wrapping_add(part.offset), ty: part.ty, ..*self }
    }

    /// What the first pointer under a field of that name leads to; no state for a null one.
    fn behind(&self, name: &str) -> Option<Self> {
        let (pointer, ty) = self.graph.pointer_named(self.ty, name)?;
        let address = self.reader.pointer(self.address.checked_add(pointer.offset)?)?;
        Some(Self { address, ty, ..*self })
    }

    /// The first slice: where its items start, how many there are, and their type.
    fn slice(&self) -> Option<(u64, u64, TypeId)> {
        let part = self.graph.first(self.ty, &|_, ty| matches!(ty.shape, Shape::Slice { .. }))?;
        let Shape::Slice { pointer_offset, length_offset, .. } = self.graph.get(part.ty).shape else { return None };
        let at = self.address.checked_add(part.offset)?;
        let element = self.graph.element(part.ty)?;
        Some((self.reader.pointer(at + pointer_offset)?, self.reader.word(at + length_offset)?, element))
    }
}

/// The channel whose end the value at `address` is; `None` if it is none.
pub fn end(graph: &Graph<'_>, reader: &Reader<'_>, ty: TypeId, path: &str, address: u64) -> Option<End> {
    if !ENDS.contains(&path) {
        return None;
    }
    let is_receiver = path.ends_with("Receiver") || path.ends_with("Rx");
    if path.contains("::counter::") {
        let (pointer, counter) = graph.pointer(ty)?;
        let key = reader.pointer(address + pointer.offset)?;
        let place = ring::counted(graph, key, counter)?;
        place.level_once(graph, reader)?;
        return Some(End { key, is_receiver, place });
    }
    let field = match path {
        "async_channel::Sender" | "async_channel::Receiver" => graph.field(ty, "channel")?,
        "flume::Sender" | "flume::Receiver" => graph.field(ty, "shared")?,
        _ => Part { offset: 0, ty },
    };
    let (pointer, shared) = graph.shared(field.ty)?;
    let key = reader.pointer(address + field.offset + pointer.offset)?;
    let at = key.checked_add(shared.offset)?;
    let place = match path.split("::").next()? {
        "tokio" => tokio_mpsc::place(graph, at, shared.ty),
        "flume" => flume::place(graph, reader, at, shared.ty)?,
        _ => ring::concurrent_queue(graph, reader, at, shared.ty)?,
    };
    // What was moved out of keeps its bytes, and what they lead to may be gone.
    place.level_once(graph, reader)?;
    Some(End { key, is_receiver, place })
}

/// A lock, or a channel that is no queue, whose end or self the value at `address` is: the key that those who wait or
/// hold name it by, and where it is.
pub fn point(
    graph: &Graph<'_>,
    reader: &Reader<'_>,
    ty: TypeId,
    path: &str,
    address: u64,
) -> Option<(u64, ChannelPlace)> {
    if !path.starts_with("tokio::sync::") {
        return None;
    }
    let (key, place) =
        lock::place(graph, ty, path, address).or_else(|| tokio_topic::place(graph, reader, ty, path, address))?;
    place.level_once(graph, reader)?;
    Some((key, place))
}

/// Whether a type is a receiver that reads at its own pace.
pub fn is_reader(path: &str) -> bool {
    ["tokio::sync::broadcast::Receiver", "tokio::sync::watch::Receiver"].contains(&path)
}

/// How full channels are. Counters must be of one moment: all are read twice, and those that changed between again.
pub fn levels(graph: &Graph<'_>, reader: &Reader<'_>, places: &[(u64, &ChannelPlace)]) -> Vec<(u64, Option<Level>)> {
    let (first, second) = (reader.again(), reader.again());
    let stretches = || places.iter().map(|(_, place)| (place.address, graph.get(place.ty).size_bytes));
    first.prefetch(stretches());
    let before: Vec<Option<Level>> = places.iter().map(|(_, place)| place.level_once(graph, &first)).collect();
    second.prefetch(stretches());
    let level = |((key, place), before): (&(u64, &ChannelPlace), Option<Level>)| {
        let now = place.level_once(graph, &second);
        (*key, if now == before { now } else { place.level(graph, reader) })
    };
    places.iter().zip(before).map(level).collect()
}

impl Level {
    /// Whether somebody has an end of it: what is left of a channel has none.
    pub fn is_held(&self) -> bool {
        self.senders.unwrap_or(0) + self.receivers.unwrap_or(0) > 0
    }
}

impl ChannelPlace {
    pub(super) fn of(flavor: Flavor, address: u64, ty: TypeId, message: Option<TypeId>) -> Self {
        Self { flavor, address, ty, counter: None, message, readers: Vec::new() }
    }

    fn state<'a, 'i>(&self, graph: &'a Graph<'i>, reader: &'a Reader<'a>) -> State<'a, 'i> {
        State { graph, reader, address: self.address, ty: self.ty }
    }

    /// The level when two looks agree, past the pages that `reader` keeps.
    pub fn level(&self, graph: &Graph<'_>, reader: &Reader<'_>) -> Option<Level> {
        let mut level = self.level_once(graph, &reader.again())?;
        for _ in 0..ATTEMPTS_MAX {
            let next = self.level_once(graph, &reader.again())?;
            if next == level {
                return Some(level);
            }
            level = next;
        }
        Some(Level { is_torn: true, ..level })
    }

    /// `None` if no such channel can be there.
    pub fn level_once(&self, graph: &Graph<'_>, reader: &Reader<'_>) -> Option<Level> {
        let state = self.state(graph, reader);
        let level = match self.flavor {
            Flavor::TokioBounded | Flavor::TokioUnbounded => tokio_mpsc::level(&state),
            Flavor::Oneshot => tokio_topic::oneshot(&state),
            Flavor::Broadcast => tokio_topic::broadcast(&state, &self.readers),
            Flavor::Watch => tokio_topic::watch(&state, &self.readers),
            Flavor::Semaphore => lock::semaphore(&state),
            Flavor::Mutex => lock::mutex(&state),
            Flavor::RwLock => lock::rwlock(&state),
            Flavor::Notify => lock::notify(&state),
            Flavor::Array(_) => ring::array(&state, self.counter),
            Flavor::List(_) => ring::list(&state, self.counter),
            Flavor::Rendezvous(_) => ring::rendezvous(&state, self.counter),
            Flavor::Single => ring::single(&state, self.counter),
            Flavor::Flume | Flavor::FlumeUnbounded => flume::level(&state),
        }?;
        let is_possible = |ends: Option<u64>| ends.is_none_or(|ends| ends < ENDS_MAX);
        (is_possible(level.senders) && is_possible(level.receivers)).then_some(level)
    }

    /// Whether what its positions lead to is what belongs there: its blocks, the stamps of its slots.
    fn holds_together(&self, graph: &Graph<'_>, reader: &Reader<'_>) -> bool {
        let state = self.state(graph, reader);
        let holds = match self.flavor {
            Flavor::TokioBounded | Flavor::TokioUnbounded => tokio_mpsc::holds_together(&state),
            Flavor::Array(_) => ring::array_holds_together(&state),
            Flavor::List(_) => ring::list_holds_together(&state),
            _ => None,
        };
        holds.unwrap_or(false)
    }

    /// What senders to a bounded channel wait at, by its address.
    pub fn room(&self, graph: &Graph<'_>, key: u64) -> Option<u64> {
        match self.flavor {
            Flavor::TokioBounded => {
                let part = graph.typed(self.ty, "tokio::sync::batch_semaphore::Semaphore")?;
                Some(self.address + part.offset)
            }
            Flavor::Array(_) | Flavor::Single | Flavor::Rendezvous(_) | Flavor::Flume => Some(key),
            _ => None,
        }
    }

    /// The addresses of the first `count` messages in it, oldest first; fewer where one is being written or taken.
    pub fn messages(&self, graph: &Graph<'_>, reader: &Reader<'_>, count: u64) -> Vec<u64> {
        let state = self.state(graph, reader);
        let found = match self.flavor {
            Flavor::TokioBounded | Flavor::TokioUnbounded => tokio_mpsc::messages(&state, count),
            Flavor::Array(_) => ring::array_messages(&state, count),
            Flavor::List(_) => ring::list_messages(&state, count),
            Flavor::Single => ring::single_message(&state).map(|at| vec![at]),
            Flavor::Flume | Flavor::FlumeUnbounded => flume::messages(&state, count),
            Flavor::Broadcast => tokio_topic::broadcast_messages(&state, count),
            _ => None,
        };
        found.unwrap_or_default()
    }
}

/// The message in a slot: `UnsafeCell<MaybeUninit<T>>` is a cell, a union, a `ManuallyDrop`, and what that wraps.
fn unwrapped(graph: &Graph<'_>, slot: Part) -> Part {
    let mut message = slot;
    for _ in 0..8 {
        let is_wrapper = matches!(
            base(&graph.get(message.ty).name),
            "tokio::loom::std::unsafe_cell::UnsafeCell"
                | "core::cell::UnsafeCell"
                | "core::mem::maybe_uninit::MaybeUninit"
                | "core::mem::manually_drop::ManuallyDrop"
                | "core::mem::maybe_dangling::MaybeDangling"
        );
        if !is_wrapper {
            break;
        }
        let Some(inner) = ["value", "__0"].iter().find_map(|name| graph.field(message.ty, name)) else { break };
        message = Part { offset: message.offset + inner.offset, ty: inner.ty };
    }
    message
}
