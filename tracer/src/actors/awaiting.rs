//! From a suspended future to what it waits for: down the chain of awaits, through wrappers and trait objects, to
//! timers, channels, locks, sockets and tasks. Reads one look at the memory; judges nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use super::channel::{self, ChannelPlace};
use super::graph::{Graph, Part};
use super::holdings::Held;
use super::name;
use super::reader::Reader;
use crate::value::layout::{Enum, Field, Shape, TypeId, UNRESUMED, Variant};
use crate::value::name::base;

/// Values looked at for one task.
const VALUES_MAX: u32 = 600;
/// Values within values; real chains of awaits have some dozens.
const DEPTH_MAX: u32 = 96;
/// Pointers followed where no future is known to be behind them.
const POINTERS_MAX: u32 = 3;
/// Things that one task waits for at once: `select!` takes 64 branches.
const WAITS_MAX: usize = 64;

/// One level of a chain of awaits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The `async fn` or block.
    pub function: String,
    pub state: FrameState,
    /// The file and line of the `.await`.
    pub location: Option<(String, u32)>,
    /// Its future's type and place, for a look at its variables.
    pub ty: TypeId,
    pub address: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameState {
    /// Not polled yet.
    Unresumed,
    Suspended,
    /// Returned or panicked.
    Ended,
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A moment, by CLOCK_MONOTONIC.
    Timer {
        deadline_ns: u64,
    },
    /// Gives up at that moment what it waits for beside this.
    Timeout {
        deadline_ns: u64,
    },
    /// A message in a channel.
    Message {
        channel: u64,
    },
    /// Room in a channel that is full, by what counts it: a semaphore, or the channel itself.
    Room {
        semaphore: u64,
    },
    /// A `Mutex` or `RwLock`, by its semaphore.
    Lock {
        semaphore: u64,
        is_shared: bool,
    },
    Permit {
        semaphore: u64,
    },
    /// The value of a oneshot channel.
    /// `reply` is the type of that value.
    Reply {
        oneshot: u64,
        reply: String,
    },
    Notified {
        notify: u64,
    },
    /// A change of a watch channel.
    Change {
        notify: u64,
    },
    Broadcast {
        channel: u64,
    },
    /// The end of the task whose memory is there.
    Task {
        header: u64,
    },
    /// The end of any task of a set.
    AnyTask,
    /// A file descriptor to be readable or writable, if it is known which.
    Socket {
        descriptor: Option<u32>,
    },
    /// `std::future::pending`.
    Never,
    /// A future that is not known here, by its type.
    Other {
        type_name: String,
    },
}

/// One thing that is waited for, with the chain of awaits that leads to it, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    pub wait: Wait,
    pub frames: Vec<Frame>,
}

/// Reads the futures of one program.
pub struct Futures<'a, 'i> {
    pub graph: &'a Graph<'i>,
    pub reader: &'a Reader<'a>,
    /// The channels that were met, by the address of what their ends share.
    pub channels: RefCell<BTreeMap<u64, ChannelPlace>>,
    /// Names that stand beside an end of a channel.
    pub names: RefCell<BTreeMap<u64, String>>,
    /// Locks and channels that are no queues, if they are wanted.
    pub points: Option<RefCell<BTreeMap<u64, ChannelPlace>>>,
}

#[derive(Default)]
struct Search {
    frames: Vec<Frame>,
    found: Vec<Awaited>,
    seen: HashSet<(u64, TypeId)>,
    values: u32,
}

impl Search {
    fn end(&mut self, wait: Wait) {
        if self.found.len() < WAITS_MAX && !self.found.iter().any(|awaited| awaited.wait == wait) {
            self.found.push(Awaited { wait, frames: self.frames.clone() });
        }
    }

    fn is_inside(&self, path: &str) -> bool {
        self.frames.iter().rev().take(4).any(|frame| frame.function.starts_with(path))
    }
}

/// The variant of an enum that memory holds.
pub fn active<'t>(reader: &Reader<'_>, layout: &'t Enum, address: u64) -> Option<&'t Variant> {
    let tag = match layout.tag {
        Some(tag) if tag.size_bytes <= 8 => u128::from(reader.number(address + tag.offset, tag.size_bytes)?),
        Some(tag) => {
            let low = reader.word(address + tag.offset)?;
            u128::from(reader.word(address + tag.offset + 8)?) << 64 | u128::from(low)
        }
        None => 0,
    };
    layout.active(tag)
}

impl<'a, 'i> Futures<'a, 'i> {
    pub fn new(graph: &'a Graph<'i>, reader: &'a Reader<'a>) -> Self {
        Self { graph, reader, channels: RefCell::default(), names: RefCell::default(), points: None }
    }

    /// What the future at `address` waits for. A future that was not polled yet, or whose end is not known, has one
    /// entry of its frames and an unknown wait.
    pub fn awaited(&self, ty: TypeId, address: u64) -> Vec<Awaited> {
        let mut search = Search::default();
        self.value(ty, address, &mut search, 0, 0);
        search.found
    }

    /// The function that a future belongs to, where its own type says nothing: behind a box or a wrapper.
    pub fn function_behind(&self, ty: TypeId, address: u64) -> Option<String> {
        self.awaited(ty, address).first()?.frames.first().map(|frame| frame.function.clone())
    }

    /// Looks for ends of chains in one value; whether there was one.
    fn value(&self, ty: TypeId, address: u64, search: &mut Search, depth: u32, pointers: u32) -> bool {
        search.values += 1;
        let is_spent = search.values > VALUES_MAX || depth > DEPTH_MAX || !search.seen.insert((address, ty));
        let known = self.graph.get(ty);
        if is_spent || known.size_bytes == 0 && !matches!(known.shape, Shape::Struct { .. }) {
            return false;
        }
        let before = search.found.len();
        if self.known_end(ty, base(&known.name), address, search, depth) {
            return true;
        }
        match &known.shape {
            Shape::Enum(states) if states.is_coroutine() => {
                self.coroutine(ty, states, address, search, depth, pointers);
                return true;
            }
            Shape::Enum(layout) => {
                let variant = active(self.reader, layout, address);
                self.fields(variant.map_or(&[], |variant| &variant.fields), address, search, depth, pointers);
            }
            Shape::Struct { fields, .. } if fields.len() == 2 && is_wide(fields) => {
                self.trait_object(ty, address, search, depth, pointers);
            }
            Shape::Struct { fields, .. } if !is_closed(&known.name) => {
                self.fields(fields, address, search, depth, pointers);
            }
            Shape::Union { fields } => {
                let value: Vec<Field> = fields.iter().filter(|field| field.name == "value").cloned().collect();
                self.fields(&value, address, search, depth, pointers);
            }
            Shape::Pointer { .. } if pointers < POINTERS_MAX => {
                if let (Some(target), Some(pointer)) = (self.graph.follow(ty), self.reader.pointer(address)) {
                    self.value(target, pointer, search, depth + 1, pointers + 1);
                }
            }
            _ => {}
        }
        search.found.len() > before
    }

    fn fields(&self, fields: &[Field], address: u64, search: &mut Search, depth: u32, pointers: u32) {
        for field in fields {
            self.value(field.ty, address.wrapping_add(field.offset), search, depth + 1, pointers);
        }
    }

    fn coroutine(
        &self,
        ty: TypeId,
        states: &Enum,
        address: u64,
        search: &mut Search,
        depth: u32,
        pointers: u32,
    ) -> Option<()> {
        let variant = active(self.reader, states, address)?;
        let state = match variant.name.as_str() {
            UNRESUMED => FrameState::Unresumed,
            "Returned" | "Panicked" => FrameState::Ended,
            _ => FrameState::Suspended,
        };
        let function = name::function_of(&self.graph.get(ty).name);
        let location = variant.source.clone().filter(|_| state == FrameState::Suspended);
        search.frames.push(Frame { function, state, location, ty, address });
        let awaited = variant.fields.iter().find(|field| field.name == "__awaitee");
        let found = awaited.filter(|_| state == FrameState::Suspended).is_some_and(|awaited| {
            self.value(awaited.ty, address + awaited.offset, search, depth + 1, pointers.saturating_sub(1))
        });
        if !found {
            let type_name = match awaited {
                Some(awaited) if state == FrameState::Suspended => self.graph.get(awaited.ty).name.clone(),
                _ => String::new(),
            };
            // A closure that is polled says less than the function that it is in.
            let is_closure = base(&type_name) == "core::future::poll_fn::PollFn";
            let type_name = if is_closure {
                search.frames.last().map_or(type_name, |frame| frame.function.clone())
            } else {
                type_name
            };
            search.end(Wait::Other { type_name });
        }
        search.frames.pop();
        Some(())
    }

    /// A boxed future: the table of functions tells its type.
    fn trait_object(&self, ty: TypeId, address: u64, search: &mut Search, depth: u32, pointers: u32) -> Option<()> {
        let data = self.graph.field(ty, "pointer")?;
        let vtable = self.graph.field(ty, "vtable")?;
        let target = self.graph.dynamic(self.reader.word(address + vtable.offset)?)?;
        let pointer = self.reader.word(address + data.offset)?;
        self.value(target, pointer, search, depth + 1, pointers);
        Some(())
    }

    /// Library types that end a chain; whether this is one.
    fn known_end(&self, ty: TypeId, path: &str, address: u64, search: &mut Search, depth: u32) -> bool {
        let graph = self.graph;
        let at = |part: Option<Part>| part.and_then(|part| self.reader.pointer(address + part.offset));
        let wait = match path {
            "tokio::time::sleep::Sleep" => self.deadline(ty, address).map(|deadline_ns| Wait::Timer { deadline_ns }),
            "tokio::time::timeout::Timeout" => {
                let value = graph.field(ty, "value").map(|value| {
                    self.value(value.ty, address + value.offset, search, depth + 1, 0);
                });
                let delay = graph.field(ty, "delay");
                let deadline = delay.and_then(|delay| self.deadline(delay.ty, address + delay.offset));
                value.and(deadline).map(|deadline_ns| Wait::Timeout { deadline_ns })
            }
            "tokio::sync::batch_semaphore::Acquire" => {
                at(graph.named(ty, "semaphore")).map(|semaphore| self.acquired(semaphore, search))
            }
            "tokio::sync::oneshot::Receiver" => at(graph.pointer_named(ty, "inner").map(|(part, _)| part))
                .map(|oneshot| Wait::Reply { oneshot, reply: arguments(&graph.get(ty).name).to_owned() }),
            "tokio::sync::notify::Notified" | "tokio::sync::notify::OwnedNotified" => {
                let notify = at(graph.pointer_named(ty, "notify").map(|(part, _)| part));
                notify.map(|notify| match search.is_inside("tokio::sync::watch::") {
                    true => Wait::Change { notify },
                    false => Wait::Notified { notify },
                })
            }
            "tokio::sync::broadcast::Recv" | "tokio::sync::broadcast::Receiver" => {
                self.broadcast(ty, address).map(|channel| Wait::Broadcast { channel })
            }
            "tokio::runtime::task::join::JoinHandle" => {
                at(graph.pointer(ty).map(|(part, _)| part)).map(|header| Wait::Task { header })
            }
            "tokio::task::join_set::JoinSet" => Some(Wait::AnyTask),
            "tokio::io::poll_evented::PollEvented" => Some(Wait::Socket { descriptor: self.descriptor(ty, address) }),
            "tokio::runtime::io::scheduled_io::Readiness" => {
                Some(Wait::Socket { descriptor: self.descriptor_of_frames(&search.frames) })
            }
            "core::future::pending::Pending" => Some(Wait::Never),
            "async_channel::Send" | "flume::async::SendFut" => {
                let held = self.holdings(ty, address).into_iter();
                let mut rooms = held.filter_map(|held| match held {
                    Held::Sender { channel } => Some(Wait::Room { semaphore: channel }),
                    _ => None,
                });
                rooms.next()
            }
            _ => {
                let end = self.place(ty, path, address).filter(|(_, is_receiver)| *is_receiver);
                end.map(|(channel, _)| Wait::Message { channel })
            }
        };
        match wait {
            Some(wait) => {
                search.end(wait);
                true
            }
            None => false,
        }
    }

    /// The channel whose end is at `address`, noted, and whether that is the receiving one.
    pub fn place(&self, ty: TypeId, path: &str, address: u64) -> Option<(u64, bool)> {
        let channel::End { key, is_receiver, place } = channel::end(self.graph, self.reader, ty, path, address)?;
        self.channels.borrow_mut().entry(key).or_insert(place);
        Some((key, is_receiver))
    }

    /// Notes the lock or the channel that is no queue at `address`, if these are wanted; whether it is a channel.
    pub fn note_point(&self, ty: TypeId, path: &str, address: u64) -> bool {
        let Some(points) = &self.points else { return false };
        let Some((key, place)) = channel::point(self.graph, self.reader, ty, path, address) else { return false };
        let is_channel = place.flavor.holds_messages();
        let mut points = points.borrow_mut();
        let known = points.entry(key).or_insert(place);
        if channel::is_reader(path) && !known.readers.contains(&(address, ty)) {
            known.readers.push((address, ty));
        }
        is_channel
    }

    /// Whose semaphore that is, by the functions around.
    fn acquired(&self, semaphore: u64, search: &Search) -> Wait {
        let is_in = |path: &str| search.is_inside(path);
        if is_in("tokio::sync::mpsc::") {
            Wait::Room { semaphore }
        } else if is_in("tokio::sync::mutex::") {
            Wait::Lock { semaphore, is_shared: false }
        } else if is_in("tokio::sync::rwlock::") {
            let is_shared = search.frames.iter().rev().take(4).any(|frame| frame.function.contains("::read"));
            Wait::Lock { semaphore, is_shared }
        } else {
            Wait::Permit { semaphore }
        }
    }

    fn deadline(&self, ty: TypeId, address: u64) -> Option<u64> {
        let deadline = self.graph.named(ty, "deadline")?;
        let at = address + deadline.offset;
        let seconds = self.graph.number_named(deadline.ty, "tv_sec")?;
        let nanoseconds = self.graph.number_named(deadline.ty, "tv_nsec")?;
        let seconds = self.reader.word(at + seconds.offset)?;
        seconds.checked_mul(1_000_000_000)?.checked_add(self.reader.number(at + nanoseconds.offset, 4)?)
    }

    fn broadcast(&self, ty: TypeId, address: u64) -> Option<u64> {
        let (shared, _) = self.graph.pointer_named(ty, "shared").or_else(|| {
            let (pointer, receiver) = self.graph.pointer_named(ty, "receiver")?;
            let at = self.reader.pointer(address + pointer.offset)?;
            let (shared, target) = self.graph.pointer_named(receiver, "shared")?;
            Some((Part { offset: at.wrapping_sub(address).wrapping_add(shared.offset), ty: shared.ty }, target))
        })?;
        self.reader.pointer(address.wrapping_add(shared.offset))
    }

    /// The file descriptor in a tokio socket.
    fn descriptor(&self, ty: TypeId, address: u64) -> Option<u32> {
        let io = self.graph.field(ty, "io")?;
        let fd = self.graph.first(io.ty, &|_, ty| ty.size_bytes == 4 && matches!(ty.shape, Shape::Integer { .. }))?;
        let number = self.reader.number(address + io.offset + fd.offset, 4)?;
        u32::try_from(number).ok().filter(|descriptor| i32::try_from(*descriptor).is_ok())
    }

    /// The socket that the functions around were called on: what their `self` leads to.
    fn descriptor_of_frames(&self, frames: &[Frame]) -> Option<u32> {
        frames.iter().rev().find_map(|frame| {
            let ty = self.graph.get(frame.ty);
            let Shape::Enum(states) = &ty.shape else { return None };
            let variant = active(self.reader, states, frame.address)?;
            let own = variant.fields.iter().filter(|field| field.name == "self");
            own.into_iter().find_map(|field| self.socket(field.ty, frame.address + field.offset, 0))
        })
    }

    fn socket(&self, ty: TypeId, address: u64, pointers: u32) -> Option<u32> {
        if let Some(part) = self.graph.typed(ty, "tokio::io::poll_evented::PollEvented") {
            return self.descriptor(part.ty, address + part.offset);
        }
        let (pointer, target) = self.graph.pointer(ty).filter(|_| pointers < POINTERS_MAX)?;
        self.socket(target, self.reader.pointer(address + pointer.offset)?, pointers + 1)
    }
}

/// The generic arguments of a type, with their brackets.
pub(super) fn arguments(name: &str) -> &str {
    name.find('<').and_then(|at| name.get(at..)).unwrap_or_default()
}

/// `&dyn T`, `Box<dyn T>`: a pointer and a table of functions.
pub(super) fn is_wide(fields: &[Field]) -> bool {
    ["pointer", "vtable"].iter().all(|name| fields.iter().any(|field| field.name == *name))
}

/// A future inside of a span of a log.
pub(super) const INSTRUMENTED: &str = "tracing::instrument::Instrumented";

/// Types whose inside is no part of a chain of awaits: shared state, the runtime's own, clocks and logs.
pub(super) fn is_closed(name: &str) -> bool {
    const CLOSED: [&str; 12] = [
        "alloc::sync::Arc<",
        "alloc::rc::Rc<",
        "alloc::vec::Vec<",
        "alloc::string::",
        "std::",
        "core::task::",
        "core::ptr::non_null::NonNull<",
        "tokio::runtime::scheduler::",
        "tokio::runtime::handle::",
        "tracing::",
        "tracing_core::",
        "bytes::",
    ];
    CLOSED.iter().any(|closed| name.starts_with(closed)) && base(name) != INSTRUMENTED
}
