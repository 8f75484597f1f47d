//! tokio's channels that are no queues: oneshot, broadcast and watch.

use super::{ChannelPlace, Condition, Flavor, Level, State, unwrapped};
use crate::actors::awaiting::active;
use crate::actors::graph::{Graph, Part};
use crate::actors::reader::Reader;
use crate::value::layout::{Shape, TypeId};

/// Bits of a oneshot channel's state (`VALUE_SENT`, `CLOSED`).
const VALUE_SENT: u64 = 2;
const CLOSED: u64 = 4;
const ONESHOT_STATES: u64 = 16;
/// A watch channel's state: closed in the low bit, the version above.
const VERSION_SHIFT: u32 = 1;
/// Places of a broadcast channel; what looks like more is none.
const CAPACITY_MAX: u64 = 1 << 40;

/// The channel that the value at `address` is an end of, with the address of what its ends share.
pub(super) fn place(
    graph: &Graph<'_>,
    reader: &Reader<'_>,
    ty: TypeId,
    path: &str,
    address: u64,
) -> Option<(u64, ChannelPlace)> {
    let (flavor, field) = match path {
        "tokio::sync::oneshot::Sender" | "tokio::sync::oneshot::Receiver" => (Flavor::Oneshot, "inner"),
        "tokio::sync::broadcast::Sender" | "tokio::sync::broadcast::Receiver" => (Flavor::Broadcast, "shared"),
        "tokio::sync::watch::Sender" | "tokio::sync::watch::Receiver" => (Flavor::Watch, "shared"),
        _ => return None,
    };
    let field = graph.field(ty, field)?;
    let (pointer, shared) = graph.shared(field.ty)?;
    let key = reader.pointer(address + field.offset + pointer.offset)?;
    let place = ChannelPlace::of(flavor, key + shared.offset, shared.ty, graph.parameter(ty, "T"));
    Some((key, place))
}

pub(super) fn oneshot(state: &State<'_, '_>) -> Option<Level> {
    let word = state.number("state")?;
    let (is_sent, is_closed) = (word & VALUE_SENT != 0, word & CLOSED != 0);
    let condition = match (is_sent, is_closed) {
        (true, _) => Condition::Sent,
        (false, true) => Condition::Closed,
        (false, false) => Condition::Pending,
    };
    let level = Level { length: u64::from(is_sent), capacity: Some(1), condition, is_closed, ..Level::default() };
    (word < ONESHOT_STATES).then_some(level)
}

/// Where the slowest of the readers stands that still read this channel.
fn slowest(state: &State<'_, '_>, readers: &[(u64, TypeId)], field: &str) -> Option<u64> {
    let position = |(address, ty): &(u64, TypeId)| {
        let receiver = State { address: *address, ty: *ty, ..*state };
        let shared = receiver.part("shared")?;
        let (pointer, value) = state.graph.shared(shared.ty)?;
        let key = state.reader.pointer(shared.address + pointer.offset)?;
        receiver.number(field).filter(|_| key + value.offset == state.address)
    };
    readers.iter().filter_map(position).min()
}

pub(super) fn watch(state: &State<'_, '_>, readers: &[(u64, TypeId)]) -> Option<Level> {
    // The lock around its value has a state of its own.
    let word = state.at(state.graph.field(state.ty, "state")?).number_at_start()?;
    let version = word >> VERSION_SHIFT;
    let seen = slowest(state, readers, "version").map(|seen| seen >> VERSION_SHIFT);
    Some(Level {
        length: u64::from(seen.is_some_and(|seen| seen < version)),
        capacity: Some(1),
        sent: Some(version),
        senders: state.number("ref_count_tx"),
        receivers: state.number("ref_count_rx"),
        condition: Condition::Version(version),
        is_closed: word & 1 != 0,
        ..Level::default()
    })
}

/// The places of a broadcast channel.
struct Topic {
    slots: u64,
    stride: u64,
    slot: Part,
    capacity: u64,
    /// Messages sent so far.
    position: u64,
}

impl Topic {
    fn of(state: &State<'_, '_>) -> Option<Self> {
        let (slots, capacity, element) = state.part("buffer")?.slice()?;
        let slot = state.graph.typed(element, "tokio::sync::broadcast::Slot")?;
        let is_topic = capacity.is_power_of_two() && capacity < CAPACITY_MAX && state.number("mask")? == capacity - 1;
        let topic = Self {
            slots,
            stride: state.graph.get(element).size_bytes,
            slot,
            capacity,
            position: state.part("tail")?.number("pos")?,
        };
        is_topic.then_some(topic)
    }

    fn slot<'a, 'i>(&self, state: &State<'a, 'i>, position: u64) -> State<'a, 'i> {
        let index = position & (self.capacity - 1);
        State { address: self.slots + index * self.stride + self.slot.offset, ty: self.slot.ty, ..*state }
    }

    /// The first position that a receiver has not read: what was read by all is before what was not.
    fn first_unread(&self, state: &State<'_, '_>) -> Option<u64> {
        // Places that were never written say position 0 minus the capacity, as a wrapped number.
        let (mut low, mut high) = (self.position.saturating_sub(self.capacity), self.position);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_read = self.slot(state, middle).number("rem")? == 0;
            if is_read {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}

pub(super) fn broadcast(state: &State<'_, '_>, readers: &[(u64, TypeId)]) -> Option<Level> {
    let topic = Topic::of(state)?;
    let behind = |position: u64| {
        let unread = topic.position.saturating_sub(position);
        Condition::Behind { unread, lost: unread.saturating_sub(topic.capacity) }
    };
    let tail = state.part("tail")?;
    Some(Level {
        length: topic.position - topic.first_unread(state)?,
        capacity: Some(topic.capacity),
        sent: Some(topic.position),
        senders: state.number("num_tx"),
        receivers: tail.number("rx_cnt"),
        condition: slowest(state, readers, "next").map_or(Condition::None, behind),
        is_closed: tail.number("closed")? != 0,
        ..Level::default()
    })
}

pub(super) fn broadcast_messages(state: &State<'_, '_>, count: u64) -> Option<Vec<u64>> {
    let topic = Topic::of(state)?;
    let first = topic.first_unread(state)?;
    let mut found = Vec::new();
    for position in first..topic.position.min(first.saturating_add(count)) {
        let slot = topic.slot(state, position);
        if slot.number("pos")? != position {
            continue;
        }
        let value = unwrapped(state.graph, state.graph.field(slot.ty, "val")?);
        let option = state.graph.get(value.ty);
        let Shape::Enum(layout) = &option.shape else { return None };
        let at = slot.address + value.offset;
        let variant = active(state.reader, layout, at)?;
        found.extend(variant.fields.first().map(|field| at + field.offset));
    }
    Some(found)
}
