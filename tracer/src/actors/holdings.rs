//! What a future holds on to: ends of channels, guards of locks, handles of tasks, in its live variables and in what
//! these own. Reads one look at the memory; judges nothing.

use std::collections::{BTreeSet, HashSet};

use super::awaiting::{Frame, Futures, active, arguments, is_closed, is_wide};
use super::channel;
use super::graph::{Graph, Part};
use crate::value::layout::{Field, Shape, TypeId};
use crate::value::name::base;
use crate::value::place::{Location, MemoryPlace, Place};
use crate::value::{Limits, Omitted, Value, decode};

/// Values looked at for one future or message.
const VALUES_MAX: u32 = 1500;
const DEPTH_MAX: u32 = 64;
const POINTERS_MAX: u32 = 4;
const HOLDINGS_MAX: usize = 256;

/// One thing that is held, by the address of what is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Held {
    /// `is_shared`: it is in an `Arc`, so others may hold it as well.
    Receiver {
        channel: u64,
        is_shared: bool,
    },
    Sender {
        channel: u64,
    },
    /// The sending half of a oneshot channel: somebody waits for what it will say.
    ReplyTo {
        oneshot: u64,
    },
    /// The guard of a `Mutex` or `RwLock`, by the lock's semaphore.
    Lock {
        semaphore: u64,
        is_shared: bool,
    },
    Permit {
        semaphore: u64,
    },
    Task {
        header: u64,
    },
}

struct Search {
    found: Vec<Held>,
    seen: HashSet<(u64, TypeId)>,
    values: u32,
    /// `Arc`s around what is looked at.
    shared: u32,
}

impl Search {
    fn hold(&mut self, held: Held) {
        if self.found.len() < HOLDINGS_MAX && !self.found.contains(&held) {
            self.found.push(held);
        }
    }
}

impl Futures<'_, '_> {
    /// What the value at `address` holds, in the order of its fields.
    pub fn holdings(&self, ty: TypeId, address: u64) -> Vec<Held> {
        let mut search = Search { found: Vec::new(), seen: HashSet::new(), values: 0, shared: 0 };
        self.hold_value(ty, address, &mut search, 0, 0);
        search.found
    }

    /// The channels whose messages carry the sending half of such a reply, among those that the innermost function of a
    /// chain of awaits has at hand: where its request went.
    pub fn asked(&self, frames: &[Frame], reply: &str) -> Vec<u64> {
        let of_frame = |frame: &Frame| -> Vec<u64> {
            let ty = self.graph.get(frame.ty);
            let Shape::Enum(states) = &ty.shape else { return Vec::new() };
            let Some(variant) = active(self.reader, states, frame.address) else { return Vec::new() };
            let own = variant.fields.iter().filter(|field| field.name != "__awaitee");
            let held = own.flat_map(|field| self.holdings(field.ty, frame.address + field.offset));
            let asked: BTreeSet<u64> = held
                .filter_map(|held| match held {
                    Held::Sender { channel } => Some(channel),
                    _ => None,
                })
                .filter(|channel| self.carries_reply(*channel, reply))
                .collect();
            asked.into_iter().collect()
        };
        frames.iter().rev().map(of_frame).find(|asked| !asked.is_empty()).unwrap_or_default()
    }

    fn carries_reply(&self, channel: u64, reply: &str) -> bool {
        let message = self.channels.borrow().get(&channel).and_then(|place| place.message);
        message.is_some_and(|message| {
            let is_such = |name: &str| base(name) == "tokio::sync::oneshot::Sender" && arguments(name) == reply;
            self.graph.mentions(message, &is_such)
        })
    }

    fn hold_value(&self, ty: TypeId, address: u64, search: &mut Search, depth: u32, pointers: u32) {
        search.values += 1;
        let known = self.graph.get(ty);
        if search.values > VALUES_MAX || depth > DEPTH_MAX || known.size_bytes == 0 {
            return;
        }
        if matches!(known.shape, Shape::Integer { .. } | Shape::Bool | Shape::Float | Shape::Char)
            || !search.seen.insert((address, ty))
        {
            return;
        }
        if self.note_point(ty, base(&known.name), address) && !is_oneshot_sender(&known.name) {
            return;
        }
        if self.held_itself(ty, base(&known.name), address, search, depth, pointers) {
            return;
        }
        match &known.shape {
            Shape::Enum(layout) => {
                if let Some(variant) = active(self.reader, layout, address) {
                    self.hold_fields(&variant.fields, address, search, depth, pointers);
                }
            }
            Shape::Struct { .. } if known.name.starts_with("alloc::sync::Arc<") && pointers < POINTERS_MAX => {
                if let Some((pointer, value)) = self.graph.shared(ty)
                    && !is_closed_inside(&self.graph.get(value.ty).name)
                    && let Some(at) = self.reader.pointer(address + pointer.offset)
                {
                    search.shared += 1;
                    self.hold_value(value.ty, at + value.offset, search, depth + 1, pointers + 1);
                    search.shared -= 1;
                }
            }
            Shape::Struct { fields, .. } if fields.len() == 2 && is_wide(fields) => {
                self.hold_trait_object(ty, address, search, depth, pointers);
            }
            Shape::Struct { fields, .. } if !is_sealed(&known.name) => {
                self.note_name(fields, address);
                self.hold_fields(fields, address, search, depth, pointers);
            }
            Shape::Union { fields } => {
                let value: Vec<Field> = fields.iter().filter(|field| field.name == "value").cloned().collect();
                self.hold_fields(&value, address, search, depth, pointers);
            }
            Shape::Pointer { .. } if pointers < POINTERS_MAX => {
                if let Some(pointer) = self.reader.pointer(address)
                    && let Some(target) = self.graph.follow(ty)
                    && !is_closed_inside(&self.graph.get(target).name)
                {
                    self.hold_value(target, pointer, search, depth + 1, pointers + 1);
                }
            }
            _ => {}
        }
    }

    fn hold_fields(&self, fields: &[Field], address: u64, search: &mut Search, depth: u32, pointers: u32) {
        for field in fields {
            self.hold_value(field.ty, address.wrapping_add(field.offset), search, depth + 1, pointers);
        }
    }

    fn hold_trait_object(
        &self,
        ty: TypeId,
        address: u64,
        search: &mut Search,
        depth: u32,
        pointers: u32,
    ) -> Option<()> {
        let (data, vtable) = (self.graph.field(ty, "pointer")?, self.graph.field(ty, "vtable")?);
        let target = self.graph.dynamic(self.reader.word(address + vtable.offset)?)?;
        let pointer = self.reader.pointer(address + data.offset)?;
        if pointers < POINTERS_MAX {
            self.hold_value(target, pointer, search, depth + 1, pointers + 1);
        }
        Some(())
    }

    /// Library types that are held as such; whether this is one.
    fn held_itself(
        &self,
        ty: TypeId,
        path: &str,
        address: u64,
        search: &mut Search,
        depth: u32,
        pointers: u32,
    ) -> bool {
        if let Some((channel, is_receiver)) = self.place(ty, path, address) {
            search.hold(if is_receiver {
                Held::Receiver { channel, is_shared: search.shared > 0 }
            } else {
                Held::Sender { channel }
            });
            return true;
        }
        let pointer = |part: Option<Part>| part.and_then(|part| self.reader.pointer(address + part.offset));
        let field = |name: &str| pointer(self.graph.pointer_named(ty, name).map(|(part, _)| part));
        match path {
            "tokio::sync::oneshot::Sender" => {
                if let Some(oneshot) = field("inner") {
                    search.hold(Held::ReplyTo { oneshot });
                }
            }
            "tokio::sync::mutex::MutexGuard" | "tokio::sync::mutex::OwnedMutexGuard" => {
                if let Some((semaphore, content)) = lock(self.graph, ty).and_then(|lock| lock.at(self, address)) {
                    search.hold(Held::Lock { semaphore, is_shared: false });
                    self.hold_value(content.ty, content.offset, search, depth + 1, pointers);
                }
            }
            "tokio::sync::rwlock::read_guard::RwLockReadGuard"
            | "tokio::sync::rwlock::write_guard::RwLockWriteGuard" => {
                if let Some(semaphore) = field("s") {
                    search.hold(Held::Lock { semaphore, is_shared: path.contains("read_guard") });
                }
            }
            "tokio::sync::rwlock::owned_read_guard::OwnedRwLockReadGuard"
            | "tokio::sync::rwlock::owned_write_guard::OwnedRwLockWriteGuard" => {
                if let Some((semaphore, _)) = lock(self.graph, ty).and_then(|lock| lock.at(self, address)) {
                    search.hold(Held::Lock { semaphore, is_shared: path.contains("read_guard") });
                }
            }
            "tokio::sync::semaphore::SemaphorePermit" => {
                if let Some(semaphore) = field("sem") {
                    search.hold(Held::Permit { semaphore });
                }
            }
            "tokio::sync::semaphore::OwnedSemaphorePermit" => {
                let shared = self.graph.field(ty, "sem").and_then(|sem| {
                    let (part, value) = self.graph.shared(sem.ty)?;
                    Some(self.reader.pointer(address + sem.offset + part.offset)? + value.offset)
                });
                if let Some(semaphore) = shared {
                    search.hold(Held::Permit { semaphore });
                }
            }
            "tokio::runtime::task::join::JoinHandle" => {
                if let Some(header) = pointer(self.graph.pointer(ty).map(|(part, _)| part)) {
                    search.hold(Held::Task { header });
                }
            }
            _ => return false,
        }
        true
    }

    /// A field called `name`, beside an end of a channel or in what is shared beside it, is the channel's name.
    fn note_name(&self, fields: &[Field], address: u64) -> Option<()> {
        let end = |field: &&Field| self.graph.any_typed(field.ty, &channel::ENDS);
        let (at, part) = fields.iter().find_map(|field| Some((field.offset, end(&field)?)))?;
        let path = base(&self.graph.get(part.ty).name).to_owned();
        let (channel, _) = self.place(part.ty, &path, address + at + part.offset)?;
        if self.names.borrow().contains_key(&channel) {
            return None;
        }
        let name = fields.iter().find_map(|field| {
            if field.name == "name" {
                return self.text(field.ty, address + field.offset);
            }
            let (pointer, value) = self
                .graph
                .shared(field.ty)
                .filter(|_| self.graph.get(field.ty).name.starts_with("alloc::sync::Arc<"))?;
            let name = self.graph.field(value.ty, "name")?;
            self.text(
                name.ty,
                self.reader.pointer(address + field.offset + pointer.offset)? + value.offset + name.offset,
            )
        })?;
        self.names.borrow_mut().insert(channel, name);
        Some(())
    }

    fn text(&self, ty: TypeId, address: u64) -> Option<String> {
        match self.decoded(ty, address, &Limits::default())? {
            Value::Text { text, omitted: Omitted::Nothing } if !text.is_empty() && text.len() < 200 => Some(text),
            _ => None,
        }
    }

    /// The value at `address`, as `{:?}` would print it.
    pub fn decoded(&self, ty: TypeId, address: u64, limits: &Limits) -> Option<Value> {
        let place = MemoryPlace { base: None, index: None, displacement: address.cast_signed(), indirect: None };
        self.graph.for_values(ty, |types, id| {
            let location = Location::whole(types.get(id).size_bytes, Place::Memory(place));
            decode(types, id, &location, self.reader, limits)
        })
    }
}

/// How a guard leads to its lock: through a reference or an `Arc`.
struct Lock {
    pointer: Part,
    /// From where the pointer leads.
    semaphore: Part,
    content: Part,
}

impl Lock {
    /// The semaphore's address and the content, whose offset is its address.
    fn at(&self, futures: &Futures<'_, '_>, guard: u64) -> Option<(u64, Part)> {
        let lock = futures.reader.pointer(guard + self.pointer.offset)?;
        Some((lock + self.semaphore.offset, Part { offset: lock + self.content.offset, ty: self.content.ty }))
    }
}

fn lock(graph: &Graph<'_>, guard: TypeId) -> Option<Lock> {
    let field = graph.named(guard, "lock")?;
    let (pointer, target) = graph.pointer(field.ty)?;
    let lock = graph.field(target, "data").unwrap_or(Part { offset: 0, ty: target });
    let (semaphore, content) = (graph.field(lock.ty, "s")?, graph.field(lock.ty, "c")?);
    let within = |part: Part| Part { offset: lock.offset + part.offset, ty: part.ty };
    Some(Lock {
        pointer: Part { offset: field.offset + pointer.offset, ty: pointer.ty },
        semaphore: within(semaphore),
        content: within(content),
    })
}

/// The end of a oneshot channel that is held as such.
fn is_oneshot_sender(name: &str) -> bool {
    base(name) == "tokio::sync::oneshot::Sender"
}

/// Types whose inside is nobody's own: those that no chain of awaits goes through, but for what of the standard library
/// holds values.
fn is_sealed(name: &str) -> bool {
    const OPEN: [&str; 7] = [
        "std::sync::mpsc::",
        "std::sync::mpmc::",
        "std::sync::once_lock::",
        "std::sync::lazy_lock::",
        "std::sync::poison::",
        "std::sync::mutex::",
        "std::sync::rwlock::",
    ];
    is_closed(name) && !OPEN.iter().any(|open| name.starts_with(open))
}

/// What no future's own things are in.
fn is_closed_inside(name: &str) -> bool {
    is_sealed(name)
        || ["tokio::runtime::", "mio::", "hyper_util::client::", "rustls::"]
            .iter()
            .any(|closed| name.starts_with(closed))
}
