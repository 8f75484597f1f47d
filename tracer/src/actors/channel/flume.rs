//! flume's channels: a queue behind a lock, with those who wait to send and to receive.

use super::{ChannelPlace, Flavor, Level, State};
use crate::actors::awaiting::active;
use crate::actors::graph::{Graph, Part};
use crate::actors::reader::Reader;
use crate::value::layout::{Shape, TypeId};

/// Places of a queue; what looks like more is none.
const CAPACITY_MAX: u64 = 1 << 40;

/// The channel at `address`, a `flume::Shared`.
pub(super) fn place(graph: &Graph<'_>, reader: &Reader<'_>, address: u64, ty: TypeId) -> Option<ChannelPlace> {
    let channel = State { graph, reader, address, ty }.typed("flume::Chan")?;
    let queue = graph.field(channel.ty, "queue")?;
    let flavor = if bound(&channel)?.0.is_some() { Flavor::Flume } else { Flavor::FlumeUnbounded };
    Some(ChannelPlace::of(flavor, address, ty, graph.parameter(queue.ty, "T")))
}

/// A `VecDeque`.
struct Deque {
    items: u64,
    capacity: u64,
    head: u64,
    length: u64,
}

impl Deque {
    /// `None` where the numbers do not fit each other.
    fn of(state: &State<'_, '_>) -> Option<Self> {
        let buffer = state.part("buf")?;
        let field = |name: &str| {
            let part = state.graph.field(state.ty, name)?;
            let number = state.graph.number(part.ty)?;
            state.number_at(Part { offset: part.offset + number.offset, ty: number.ty })
        };
        let (pointer, _) = buffer.graph.pointer(buffer.ty)?;
        let items = buffer.reader.word(buffer.address + pointer.offset)?;
        let deque = Self { items, capacity: buffer.number("cap")?, head: field("head")?, length: field("len")? };
        let is_deque = deque.capacity < CAPACITY_MAX
            && deque.length <= deque.capacity
            && (deque.head < deque.capacity || deque.head == 0);
        is_deque.then_some(deque)
    }
}

pub(super) fn level(state: &State<'_, '_>) -> Option<Level> {
    let channel = state.typed("flume::Chan")?;
    let queue = Deque::of(&channel.part("queue")?)?;
    let receiving = Deque::of(&channel.part("waiting")?)?.length;
    let (capacity, sending) = bound(&channel)?;
    Some(Level {
        length: queue.length,
        capacity,
        senders: state.number("sender_count"),
        receivers: state.number("receiver_count"),
        waiting: Some(sending + receiving),
        is_closed: state.number("disconnected")? != 0,
        ..Level::default()
    })
}

/// The capacity, and how many wait to send; neither if it is unbounded.
fn bound(channel: &State<'_, '_>) -> Option<(Option<u64>, u64)> {
    let option = channel.graph.field(channel.ty, "sending")?;
    let ty = channel.graph.get(option.ty);
    let Shape::Enum(layout) = &ty.shape else { return None };
    let at = channel.address + option.offset;
    let variant = active(channel.reader, layout, at)?;
    let Some(pair) = variant.fields.first() else { return Some((None, 0)) };
    let (capacity, hooks) = (channel.graph.field(pair.ty, "__0")?, channel.graph.field(pair.ty, "__1")?);
    let pair = State { address: at + pair.offset, ty: pair.ty, ..*channel };
    Some((Some(pair.number_at(capacity)?), Deque::of(&pair.at(hooks))?.length))
}

pub(super) fn messages(state: &State<'_, '_>, count: u64) -> Option<Vec<u64>> {
    let queue = state.typed("flume::Chan")?.part("queue")?;
    let stride = state.graph.get(state.graph.parameter(queue.ty, "T")?).size_bytes;
    let deque = Deque::of(&queue)?;
    let place = |index: u64| deque.items + (deque.head + index) % deque.capacity * stride;
    Some((0..deque.length.min(count)).map(place).collect())
}
