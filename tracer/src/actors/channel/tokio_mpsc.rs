//! tokio's mpsc channels: blocks of messages in a list, positions that only grow.

use super::{ChannelPlace, ENDS_MAX, Flavor, Level, State, unwrapped};
use crate::actors::graph::{Graph, Part};
use crate::value::layout::{Shape, TypeId};

/// Blocks walked to the first message that is asked for.
const BLOCKS_MAX: u64 = 4096;

/// The channel at `address`, a `tokio::sync::mpsc::chan::Chan`.
pub(super) fn place(graph: &Graph<'_>, address: u64, ty: TypeId) -> ChannelPlace {
    let flavor = match graph.first(ty, &|name, _| name == "bound") {
        Some(_) => Flavor::TokioBounded,
        None => Flavor::TokioUnbounded,
    };
    let message = graph.pointer_named(ty, "block_tail").and_then(|(_, block)| slots(graph, block));
    ChannelPlace::of(flavor, address, ty, message.map(|slots| slots.message))
}

/// The messages of a block.
struct Slots {
    offset: u64,
    stride: u64,
    count: u64,
    message: TypeId,
}

fn slots(graph: &Graph<'_>, block: TypeId) -> Option<Slots> {
    let values = graph.field(block, "values")?;
    let array = graph.first(values.ty, &|_, ty| matches!(ty.shape, Shape::Array { .. }))?;
    let Shape::Array { element, count } = graph.get(array.ty).shape else { return None };
    let message = unwrapped(graph, Part { offset: 0, ty: element });
    let offset = values.offset + array.offset + message.offset;
    Some(Slots { offset, stride: graph.get(element).size_bytes, count, message: message.ty })
}

pub(super) fn level(state: &State<'_, '_>) -> Option<Level> {
    let (received, tail) = (state.number("index")?, state.number("tail_position")?);
    let senders = state.number("tx_count")?;
    // The last sender leaves a mark behind its messages, which counts as a position.
    let sent = tail.saturating_sub(u64::from(senders == 0));
    let is_closed = senders == 0 || state.number("rx_closed")? != 0;
    let length = sent.wrapping_sub(received);
    Some(Level {
        // A receiver that has read the mark, or a look at two moments.
        length: if length > u64::MAX / 2 { 0 } else { length },
        capacity: state.number("bound"),
        sent: Some(sent),
        received: Some(received.min(sent)),
        senders: Some(senders),
        is_closed,
        ..Level::default()
    })
}

pub(super) fn messages(state: &State<'_, '_>, count: u64) -> Option<Vec<u64>> {
    let mut block = state.part("rx_fields")?.behind("head")?;
    let slots = slots(state.graph, block.ty)?;
    let level = level(state)?;
    let first = level.received?;
    let mut found = Vec::new();
    let mut index = first;
    let mut blocks = 0;
    while index < first + level.length.min(count) && blocks < BLOCKS_MAX {
        let start = block.number("start_index")?;
        if index >= start.wrapping_add(slots.count) {
            block = block.behind("next")?;
            blocks += 1;
            continue;
        }
        let slot = index.checked_sub(start)?;
        // A sender that has its place and has not written yet.
        if block.number("ready_slots")? & (1 << slot) != 0 {
            found.push(block.address + slots.offset + slot * slots.stride);
        }
        index += 1;
    }
    Some(found)
}

/// Whether both ends' blocks are those of their positions, and the counters of the `Arc` around it can be such.
pub(super) fn holds_together(state: &State<'_, '_>) -> Option<bool> {
    let receiver = state.part("rx_fields")?;
    let (head, tail) = (receiver.behind("head")?, state.behind("block_tail")?);
    let count = slots(state.graph, head.ty)?.count;
    let (first, last) = (head.number("start_index")?, tail.number("start_index")?);
    let (index, position) = (receiver.number("index")?, state.number("tail_position")?);
    // The receiver goes on to the next block when it takes the next message, a sender some time after its own.
    let is_head = first % count == 0 && (first..=first + count).contains(&index);
    let is_tail = last % count == 0 && (last..last + count * BLOCKS_MAX).contains(&position);
    let counters = state.address.checked_sub(super::shape::ALIGN_BYTES)?;
    let (strong, weak) = (state.reader.word(counters)?, state.reader.word(counters + 8)?);
    let is_shared =
        (1..ENDS_MAX).contains(&strong) && (1..ENDS_MAX).contains(&weak) && strong >= state.number("tx_count")?;
    let level = level(state)?;
    let is_level = level.capacity.is_none_or(|capacity| capacity > 0 && level.length <= capacity);
    Some(is_head && is_tail && first <= last && index <= position && is_shared && is_level)
}
