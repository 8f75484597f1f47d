//! The lock-free queues of crossbeam-channel, of the standard library's mpsc channels, which are made from them, and
//! of async-channel (concurrent-queue): a ring of slots with stamps, or a list of blocks.

use super::{ChannelPlace, Flavor, Level, Library, State, unwrapped};
use crate::actors::awaiting::active;
use crate::actors::graph::{Graph, Part};
use crate::actors::reader::Reader;
use crate::value::layout::{Shape, TypeId};
use crate::value::name::base;

/// Blocks walked to the last message that is asked for.
const BLOCKS_MAX: u64 = 4096;
/// Places of a ring; what looks like more is none.
const CAPACITY_MAX: u64 = 1 << 40;
/// An index's low bit is a mark of its own (`MARK_BIT`, `SHIFT`).
const SHIFT: u32 = 1;
/// A slot's state (`WRITE`, `READ`).
const WRITTEN: u64 = 1;
const READ: u64 = 2;
/// All bits of a slot's state (`DESTROY` is 4).
const STATES_MOST: u64 = 7;
/// Slots of a ring whose stamps are looked at, to tell whether it is one.
const SLOTS_CHECKED: u64 = 64;
/// Messages through one list; what looks like more is none.
const POSITION_MAX: u64 = 1 << 56;
/// A queue of one place (`LOCKED`, `PUSHED`, `CLOSED`).
const PUSHED: u64 = 2;
const CLOSED: u64 = 4;

/// The channel inside of a `Counter` at `address`, which both ends point to.
pub(super) fn counted(graph: &Graph<'_>, address: u64, counter: TypeId) -> Option<ChannelPlace> {
    let channel = graph.field(counter, "chan")?;
    let name = graph.get(channel.ty).name.clone();
    let path = base(&name);
    let library = if path.starts_with("std::") { Library::Std } else { Library::Crossbeam };
    let flavor = match path.rsplit("::").nth(1)? {
        "array" => Flavor::Array(library),
        "list" => Flavor::List(library),
        "zero" => Flavor::Rendezvous(library),
        _ => return None,
    };
    let message = message(graph, flavor, channel.ty);
    let counter = Part { offset: 0u64.wrapping_sub(channel.offset), ty: counter };
    let address = address.checked_add(channel.offset)?;
    Some(ChannelPlace { counter: Some(counter), ..ChannelPlace::of(flavor, address, channel.ty, message) })
}

/// The queue in an `async_channel::Channel` at `address`.
pub(super) fn concurrent_queue(
    graph: &Graph<'_>,
    reader: &Reader<'_>,
    address: u64,
    channel: TypeId,
) -> Option<ChannelPlace> {
    let queue = graph.field(channel, "queue")?;
    let kinds = graph.first(queue.ty, &|_, ty| matches!(ty.shape, Shape::Enum(_)))?;
    let ty = graph.get(kinds.ty);
    let Shape::Enum(layout) = &ty.shape else { return None };
    let offset = queue.offset + kinds.offset;
    let variant = active(reader, layout, address.checked_add(offset)?)?;
    let flavor = match variant.name.as_str() {
        "Single" => Flavor::Single,
        "Bounded" => Flavor::Array(Library::AsyncChannel),
        "Unbounded" => Flavor::List(Library::AsyncChannel),
        _ => return None,
    };
    let field = variant.fields.first()?;
    let mut at = Part { offset: offset + field.offset, ty: field.ty };
    let mut place = address.checked_add(at.offset)?;
    // Before 2.0 the kinds were in boxes.
    if let Shape::Pointer { .. } = graph.get(at.ty).shape {
        place = reader.pointer(place)?;
        at = Part { offset: 0, ty: graph.follow(at.ty)? };
    }
    let counter = Part { offset: address.wrapping_sub(place), ty: channel };
    let message = message(graph, flavor, at.ty);
    Some(ChannelPlace { counter: Some(counter), ..ChannelPlace::of(flavor, place, at.ty, message) })
}

fn message(graph: &Graph<'_>, flavor: Flavor, channel: TypeId) -> Option<TypeId> {
    let slot = match flavor {
        Flavor::Array(_) => ring_slot(graph, channel)?,
        Flavor::List(_) => block(graph, graph.pointer_named(channel, "block")?.1)?.slot,
        Flavor::Single => return single_slot(graph, channel).map(|slot| slot.ty),
        _ => return None,
    };
    slot_message(graph, slot).map(|message| message.ty)
}

/// How many hold each end.
fn ends(state: &State<'_, '_>, counter: Option<Part>) -> (Option<u64>, Option<u64>) {
    let Some(counter) = counter.map(|counter| state.at(counter)) else { return (None, None) };
    let number = |names: [&str; 2]| {
        let part = names.iter().find_map(|name| state.graph.field(counter.ty, name))?;
        let number = state.graph.number(part.ty)?;
        counter.number_at(Part { offset: part.offset + number.offset, ty: number.ty })
    };
    (number(["senders", "sender_count"]), number(["receivers", "receiver_count"]))
}

fn with_ends(level: Level, state: &State<'_, '_>, counter: Option<Part>) -> Level {
    let (senders, receivers) = ends(state, counter);
    let is_left = senders == Some(0) || receivers == Some(0);
    Level { senders, receivers, is_closed: level.is_closed || is_left, ..level }
}

/// Where a ring's slots are, and the positions in it.
struct Ring {
    slots: u64,
    stride: u64,
    slot: TypeId,
    capacity: u64,
    head: u64,
    tail: u64,
    one_lap: u64,
    mark_bit: u64,
}

/// The type of a ring's slots: of a boxed slice, or before 0.5.9 behind a pointer.
fn ring_slot(graph: &Graph<'_>, ring: TypeId) -> Option<TypeId> {
    let buffer = graph.named(ring, "buffer")?;
    match graph.first(buffer.ty, &|_, ty| matches!(ty.shape, Shape::Slice { .. })) {
        Some(slice) => graph.element(slice.ty),
        None => graph.pointer(buffer.ty).map(|(_, slot)| slot),
    }
}

fn slot_message(graph: &Graph<'_>, slot: TypeId) -> Option<Part> {
    let part = ["msg", "value"].iter().find_map(|name| graph.field(slot, name))?;
    Some(unwrapped(graph, part))
}

impl Ring {
    /// `None` where the numbers do not fit each other as those of a ring do.
    fn of(state: &State<'_, '_>) -> Option<Self> {
        let slot = ring_slot(state.graph, state.ty)?;
        let buffer = state.part("buffer")?;
        let (slots, length) = match buffer.slice() {
            Some((slots, length, _)) => (slots, Some(length)),
            None => (state.behind("buffer")?.address, None),
        };
        let capacity = state.number("cap").or(length)?;
        let (one_lap, mark_bit) = (state.number("one_lap")?, state.number("mark_bit")?);
        let ring = Self {
            slots,
            stride: state.graph.get(slot).size_bytes,
            slot,
            capacity,
            head: state.number("head")?,
            tail: state.number("tail")?,
            one_lap,
            mark_bit,
        };
        let is_ring = (1..CAPACITY_MAX).contains(&capacity)
            && length.is_none_or(|length| length == capacity)
            && mark_bit == (capacity + 1).next_power_of_two()
            && one_lap == mark_bit * 2
            && ring.head & (mark_bit - 1) < capacity
            && ring.tail & (mark_bit - 1) < capacity;
        is_ring.then_some(ring)
    }

    /// Messages that have passed a position.
    fn count(&self, position: u64) -> u64 {
        (position / self.one_lap).wrapping_mul(self.capacity).wrapping_add(position & (self.mark_bit - 1))
    }
}

pub(super) fn array(state: &State<'_, '_>, counter: Option<Part>) -> Option<Level> {
    let ring = Ring::of(state)?;
    let (sent, received) = (ring.count(ring.tail), ring.count(ring.head));
    let length = sent.wrapping_sub(received);
    // A look at two moments can show the head ahead of the tail.
    let length = if length > u64::MAX / 2 { 0 } else { length.min(ring.capacity) };
    let level = Level {
        length,
        capacity: Some(ring.capacity),
        sent: Some(sent),
        received: Some(received),
        is_closed: ring.tail & ring.mark_bit != 0,
        ..Level::default()
    };
    Some(with_ends(level, state, counter))
}

pub(super) fn array_messages(state: &State<'_, '_>, count: u64) -> Option<Vec<u64>> {
    let ring = Ring::of(state)?;
    let message = slot_message(state.graph, ring.slot)?;
    let stamp = state.graph.number_named(ring.slot, "stamp")?;
    let (first, last) = (ring.count(ring.head), ring.count(ring.tail));
    let mut found = Vec::new();
    for index in first..last.min(first.saturating_add(count.min(ring.capacity))) {
        let place = index % ring.capacity;
        let at = ring.slots + place * ring.stride;
        // Written, and not taken yet.
        let expected = index / ring.capacity * ring.one_lap + place + 1;
        if state.reader.word(at + stamp.offset)? == expected {
            found.push(at + message.offset);
        }
    }
    Some(found)
}

/// Whether the stamps of its first slots are such that belong there.
pub(super) fn array_holds_together(state: &State<'_, '_>) -> Option<bool> {
    let ring = Ring::of(state)?;
    let stamp = state.graph.number_named(ring.slot, "stamp")?;
    let is_stamp = |place: u64| {
        let found = state.reader.word(ring.slots + place * ring.stride + stamp.offset)? & (ring.mark_bit - 1);
        // The place of a slot that is free, one more of one that is written.
        Some(found == place || found == place + 1)
    };
    Some((0..ring.capacity.min(SLOTS_CHECKED)).all(|place| is_stamp(place).unwrap_or(false)))
}

/// A block of a list.
struct Block {
    offset: u64,
    slot: TypeId,
    stride: u64,
    count: u64,
}

fn block(graph: &Graph<'_>, block: TypeId) -> Option<Block> {
    let slots = graph.field(block, "slots")?;
    let array = graph.first(slots.ty, &|_, ty| matches!(ty.shape, Shape::Array { .. }))?;
    let Shape::Array { element, count } = graph.get(array.ty).shape else { return None };
    let stride = graph.get(element).size_bytes;
    Some(Block { offset: slots.offset + array.offset, slot: element, stride, count })
}

/// Messages before a position: each lap has one place more than messages, for the step to the next block.
fn listed(position: u64, lap: u64) -> u64 {
    let place = position >> SHIFT;
    let place = if place % lap == lap - 1 { place + 1 } else { place };
    place - place / lap
}

pub(super) fn list(state: &State<'_, '_>, counter: Option<Part>) -> Option<Level> {
    let (head, tail) = (state.part("head")?, state.part("tail")?);
    let lap = block(state.graph, state.graph.pointer_named(head.ty, "block")?.1)?.count + 1;
    let (head_index, tail_index) = (head.number("index")?, tail.number("index")?);
    let (sent, received) = (listed(tail_index, lap), listed(head_index, lap));
    let length = sent.wrapping_sub(received);
    let level = Level {
        length: if length > u64::MAX / 2 { 0 } else { length },
        sent: Some(sent),
        received: Some(received),
        is_closed: tail_index & 1 != 0,
        ..Level::default()
    };
    // Both ends point to blocks, or nothing was sent yet.
    let is_list = sent == 0 || tail.behind("block").is_some();
    is_list.then(|| with_ends(level, state, counter))
}

/// Whether the slots of both ends' blocks have states that slots have.
pub(super) fn list_holds_together(state: &State<'_, '_>) -> Option<bool> {
    let (head, tail) = (state.part("head")?, state.part("tail")?);
    let (first, last) = (head.number("index")? >> SHIFT, tail.number("index")? >> SHIFT);
    let is_block = |end: &State<'_, '_>| {
        let at = end.behind("block")?;
        let layout = block(state.graph, at.ty)?;
        let slot_state = state.graph.number_named(layout.slot, "state")?;
        let found =
            |index: u64| state.reader.word(at.address + layout.offset + index * layout.stride + slot_state.offset);
        Some((0..layout.count).all(|index| found(index).is_some_and(|found| found <= STATES_MOST)))
    };
    Some(first <= last && last < POSITION_MAX && is_block(&head)? && is_block(&tail)?)
}

pub(super) fn list_messages(state: &State<'_, '_>, count: u64) -> Option<Vec<u64>> {
    let (head, tail) = (state.part("head")?, state.part("tail")?);
    let (mut place, end) = (head.number("index")? >> SHIFT, tail.number("index")? >> SHIFT);
    let mut at = head.behind("block")?;
    let layout = block(state.graph, at.ty)?;
    let message = slot_message(state.graph, layout.slot)?;
    let slot_state = state.graph.number_named(layout.slot, "state")?;
    let mut found = Vec::new();
    let mut blocks = 0;
    while place < end && (found.len() as u64) < count && blocks < BLOCKS_MAX {
        let index = place % (layout.count + 1);
        place += 1;
        if index == layout.count {
            at = at.behind("next")?;
            blocks += 1;
            continue;
        }
        let slot = at.address + layout.offset + index * layout.stride;
        if state.reader.word(slot + slot_state.offset)? & (WRITTEN | READ) == WRITTEN {
            found.push(slot + message.offset);
        }
    }
    Some(found)
}

/// A channel without places: who waits is all that is in it.
pub(super) fn rendezvous(state: &State<'_, '_>, counter: Option<Part>) -> Option<Level> {
    let waiters = |name: &str| {
        let selectors = state.part(name)?.part("selectors")?;
        let length = state.graph.number(state.graph.field(selectors.ty, "len")?.ty)?;
        let field = state.graph.field(selectors.ty, "len")?;
        selectors.number_at(Part { offset: field.offset + length.offset, ty: length.ty })
    };
    let (senders, receivers) = (waiters("senders")?, waiters("receivers")?);
    let level = Level {
        length: senders,
        capacity: Some(0),
        waiting: Some(senders + receivers),
        is_closed: state.number("is_disconnected")? != 0,
        ..Level::default()
    };
    Some(with_ends(level, state, counter))
}

pub(super) fn single(state: &State<'_, '_>, counter: Option<Part>) -> Option<Level> {
    let word = state.number("state")?;
    let level = Level {
        length: u64::from(word & PUSHED != 0),
        capacity: Some(1),
        is_closed: word & CLOSED != 0,
        ..Level::default()
    };
    Some(with_ends(level, state, counter)).filter(|_| word < 2 * CLOSED)
}

fn single_slot(graph: &Graph<'_>, ty: TypeId) -> Option<Part> {
    graph.field(ty, "slot").map(|slot| unwrapped(graph, slot))
}

pub(super) fn single_message(state: &State<'_, '_>) -> Option<u64> {
    let is_full = state.number("state")? & PUSHED != 0;
    let slot = single_slot(state.graph, state.ty).filter(|_| is_full)?;
    Some(state.address + slot.offset)
}
