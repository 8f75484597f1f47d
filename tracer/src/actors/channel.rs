//! Channels in the target's memory: how many messages are in one, how many went in and out since it was made, who is
//! at its ends. Layouts by field name; says nothing of tasks.

use super::graph::{Graph, Part};
use super::reader::Reader;
use crate::value::layout::TypeId;
use crate::value::name::base;

/// Looks until two of them agree; the target goes on meanwhile.
const ATTEMPTS_MAX: u32 = 4;
/// Messages in a block of tokio's mpsc channel (`BLOCK_CAP` on 64-bit machines).
const BLOCK_MESSAGES: u64 = 32;
/// Blocks walked to the first message that is asked for.
const BLOCKS_MAX: u64 = 4096;

/// Which library's channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    TokioBounded,
    TokioUnbounded,
}

impl Flavor {
    pub fn text(self) -> &'static str {
        match self {
            Self::TokioBounded => "tokio mpsc",
            Self::TokioUnbounded => "tokio mpsc, unbounded",
        }
    }
}

/// Where a channel's shared state is, and how it is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPlace {
    pub flavor: Flavor,
    pub address: u64,
    pub ty: TypeId,
    pub message: Option<TypeId>,
}

/// One end of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What both ends share, by address.
    pub key: u64,
    pub is_receiver: bool,
    pub place: ChannelPlace,
}

/// A channel at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub length: u64,
    /// `None`: unbounded.
    pub capacity: Option<u64>,
    /// Totals since it was made.
    pub sent: u64,
    pub received: u64,
    pub senders: u64,
    /// No message can come any more, or nobody will take one.
    pub is_closed: bool,
    /// It changed whenever it was looked at: the numbers are of moments close to each other.
    pub is_torn: bool,
}

/// The channel whose end the value at `address` is; `None` if it is none.
pub fn end(graph: &Graph<'_>, reader: &Reader<'_>, ty: TypeId, path: &str, address: u64) -> Option<End> {
    let is_receiver = match path {
        "tokio::sync::mpsc::chan::Rx" => true,
        "tokio::sync::mpsc::chan::Tx" => false,
        _ => return None,
    };
    let (pointer, shared) = graph.shared(ty)?;
    let key = reader.pointer(address + pointer.offset)?;
    let flavor = match graph.first(shared.ty, &|name, _| name == "bound") {
        Some(_) => Flavor::TokioBounded,
        None => Flavor::TokioUnbounded,
    };
    let place =
        ChannelPlace { flavor, address: key + shared.offset, ty: shared.ty, message: message(graph, shared.ty) };
    Some(End { key, is_receiver, place })
}

/// The type of a channel's messages: what a block's slots hold.
fn message(graph: &Graph<'_>, channel: TypeId) -> Option<TypeId> {
    let (_, block) = graph.pointer_named(channel, "block_tail")?;
    slots(graph, block).map(|(_, message)| message)
}

/// The array of a block's slots, and the type of a message in one.
fn slots(graph: &Graph<'_>, block: TypeId) -> Option<(Part, TypeId)> {
    use crate::value::layout::Shape;
    let array = graph.first(graph.field(block, "values")?.ty, &|_, ty| matches!(ty.shape, Shape::Array { .. }))?;
    let values = graph.field(block, "values")?;
    let Shape::Array { element, .. } = graph.get(array.ty).shape else { return None };
    let mut message = element;
    // `UnsafeCell<MaybeUninit<T>>`: a cell, a union, a `ManuallyDrop`, and what that wraps.
    for _ in 0..8 {
        let is_wrapper = matches!(
            base(&graph.get(message).name),
            "tokio::loom::std::unsafe_cell::UnsafeCell"
                | "core::cell::UnsafeCell"
                | "core::mem::maybe_uninit::MaybeUninit"
                | "core::mem::manually_drop::ManuallyDrop"
                | "core::mem::maybe_dangling::MaybeDangling"
        );
        if !is_wrapper {
            break;
        }
        let inner = ["value", "__0"].iter().find_map(|name| graph.field(message, name))?;
        message = inner.ty;
    }
    Some((Part { offset: values.offset + array.offset, ty: element }, message))
}

impl ChannelPlace {
    /// How full the channel is. Reads past the pages that `reader` keeps, since counters must be of one moment.
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

    fn level_once(&self, graph: &Graph<'_>, reader: &Reader<'_>) -> Option<Level> {
        let number = |name: &str| {
            let part = graph.number_named(self.ty, name)?;
            reader.number(self.address + part.offset, graph.get(part.ty).size_bytes)
        };
        let (received, tail) = (number("index")?, number("tail_position")?);
        let senders = number("tx_count")?;
        // The last sender leaves a mark behind its messages, which counts as a position.
        let sent = tail.saturating_sub(u64::from(senders == 0));
        let is_closed = senders == 0 || number("rx_closed")? != 0;
        let capacity = if self.flavor == Flavor::TokioBounded { Some(number("bound")?) } else { None };
        let length = sent.wrapping_sub(received);
        // A receiver that has read the mark, or a look at two moments.
        let length = if length > u64::MAX / 2 { 0 } else { length };
        Some(Level { length, capacity, sent, received: received.min(sent), senders, is_closed, is_torn: false })
    }

    /// The semaphore that counts room in a bounded channel, by its address.
    pub fn room(&self, graph: &Graph<'_>) -> Option<u64> {
        let part = graph.typed(self.ty, "tokio::sync::batch_semaphore::Semaphore")?;
        (self.flavor == Flavor::TokioBounded).then_some(self.address + part.offset)
    }

    /// The addresses of the first `count` messages in it, oldest first; fewer where one is being written.
    pub fn messages(&self, graph: &Graph<'_>, reader: &Reader<'_>, count: u64) -> Vec<u64> {
        self.try_messages(graph, reader, count).unwrap_or_default()
    }

    fn try_messages(&self, graph: &Graph<'_>, reader: &Reader<'_>, count: u64) -> Option<Vec<u64>> {
        let (head, block) = graph.pointer_named(graph.named(self.ty, "rx_fields")?.ty, "head")?;
        let fields = graph.named(self.ty, "rx_fields")?;
        let (slots, _) = slots(graph, block)?;
        let stride = graph.get(slots.ty).size_bytes;
        let in_block = |name: &str| graph.number_named(block, name);
        let (start, ready) = (in_block("start_index")?, in_block("ready_slots")?);
        let (next, _) = graph.pointer_named(block, "next")?;
        let level = self.level_once(graph, reader)?;
        let mut at = reader.pointer(self.address + fields.offset + head.offset)?;
        let mut found = Vec::new();
        let mut index = level.received;
        let mut blocks = 0;
        while index < level.received + level.length.min(count) && blocks < BLOCKS_MAX {
            let first = reader.word(at + start.offset)?;
            if index >= first.wrapping_add(BLOCK_MESSAGES) {
                at = reader.pointer(at + next.offset)?;
                blocks += 1;
                continue;
            }
            let slot = index.checked_sub(first)?;
            // A sender that has its place and has not written yet.
            if reader.word(at + ready.offset)? & (1 << slot) != 0 {
                found.push(at + slots.offset + slot * stride);
            }
            index += 1;
        }
        Some(found)
    }
}
