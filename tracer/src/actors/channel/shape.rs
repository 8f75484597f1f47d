//! Queues found by what they look like in memory, whoever holds them: threads, and futures that are no task's. Their
//! shared state begins at a multiple of 128 bytes, and its counters, marks and blocks must fit each other.

use super::{ChannelPlace, Flavor, Level, Library, ring, tokio_mpsc};
use crate::actors::graph::{Graph, Part};
use crate::actors::reader::Reader;
use crate::value::layout::TypeId;

/// What crossbeam, the standard library and tokio align their positions to, so that the two ends do not share a cache
/// line (x86-64; `CachePadded`).
pub const ALIGN_BYTES: u64 = 128;
/// Places that look right at first; a program has fewer queues.
const CANDIDATES_MAX: usize = 200_000;
/// Ends of one queue; what looks like more is none.
const ENDS_MAX: u64 = 1 << 20;

/// The structs that queues are found by.
const COUNTERS: [&str; 2] = ["crossbeam_channel::counter::Counter", "std::sync::mpmc::counter::Counter"];
const CHANNEL: &str = "tokio::sync::mpsc::chan::Chan";

/// A program's kinds of queues, and where one may be.
#[derive(Default)]
pub struct Shapes {
    shapes: Vec<Shape>,
    candidates: Vec<(u64, usize)>,
}

/// Queues of one kind, of all message types with which it is laid out alike.
struct Shape {
    places: Vec<ChannelPlace>,
    /// From the struct that is aligned to the one that the ends point to.
    key: u64,
    words: Vec<(u64, Word)>,
    bytes: u64,
}

/// What a word of it must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Ends of a channel: few, and of one side there may be none.
    Ends,
    Pointer,
    PointerOrNull,
    PowerOfTwo,
}

impl Shapes {
    /// The kinds of queues of a program.
    pub fn of(graph: &Graph<'_>) -> Self {
        let paths = [&COUNTERS[..], &[CHANNEL]].concat();
        let structs = graph.with_reader(|reader| reader.structs(&paths));
        let mut shapes: Vec<Shape> = Vec::new();
        for ty in structs {
            let Some(shape) = Shape::of(graph, ty) else { continue };
            let is_alike = |known: &&mut Shape| known.words == shape.words && known.key == shape.key;
            match shapes.iter_mut().find(is_alike) {
                Some(known) => known.places.extend(shape.places),
                None => shapes.push(shape),
            }
        }
        Self { shapes, candidates: Vec::new() }
    }

    /// Notes what looks like a queue in a stretch of memory.
    pub fn look_at(&mut self, address: u64, bytes: &[u8]) {
        let mut offset = address.next_multiple_of(ALIGN_BYTES) - address;
        while let Some(rest) = bytes.get(offset as usize..).filter(|rest| !rest.is_empty()) {
            for (index, shape) in self.shapes.iter().enumerate() {
                if self.candidates.len() < CANDIDATES_MAX && shape.fits(rest) {
                    self.candidates.push((address + offset, index));
                }
            }
            offset += ALIGN_BYTES;
        }
    }

    /// The queues among what was noted, by the address that their ends name them by. `stacks` have leftovers of those
    /// that were built there and moved.
    pub fn found(&self, graph: &Graph<'_>, reader: &Reader<'_>, stacks: &[(u64, u64)]) -> Vec<(u64, ChannelPlace)> {
        let is_on_stack = |address: u64| stacks.iter().any(|(start, end)| (*start..*end).contains(&address));
        let mut found = Vec::new();
        for (address, index) in self.candidates.iter().filter(|(address, _)| !is_on_stack(*address)) {
            let Some(shape) = self.shapes.get(*index) else { continue };
            let at = |place: &ChannelPlace| ChannelPlace { address: address + place.address, ..place.clone() };
            let is_whole = |place: &ChannelPlace| {
                place.level_once(graph, reader).is_some_and(|level| is_used(&level))
                    && place.holds_together(graph, reader)
            };
            let mut places = shape.places.iter().map(at).filter(is_whole);
            let Some(mut place) = places.next() else { continue };
            for other in places {
                let name = |place: &ChannelPlace| place.message.map(|message| graph.get(message).name.clone());
                // What several are laid out like is none of them for sure.
                if name(&place) != name(&other) {
                    place.message = None;
                }
                place.flavor = place.flavor.or(other.flavor);
            }
            found.push((address.wrapping_add(shape.key), place));
        }
        found
    }
}

impl Flavor {
    /// One of two kinds that are laid out alike.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Array(one), Self::Array(another)) if one != another => Self::Array(Library::CrossbeamOrStd),
            (Self::List(one), Self::List(another)) if one != another => Self::List(Library::CrossbeamOrStd),
            _ => self,
        }
    }
}

/// Somebody has an end, and something went through it: what was never used is zeroes, which memory is full of.
fn is_used(level: &Level) -> bool {
    let ends = level.senders.unwrap_or(0) + level.receivers.unwrap_or(0);
    let is_ring = level.capacity.is_some_and(|capacity| capacity > 0);
    ends > 0 && (is_ring || level.sent.is_some_and(|sent| sent > 0))
}

impl Shape {
    fn of(graph: &Graph<'_>, ty: TypeId) -> Option<Self> {
        let number = |outer: u64, ty: TypeId, name: &str| {
            let part = graph.number_named(ty, name)?;
            (graph.get(part.ty).size_bytes == 8).then_some(outer + part.offset)
        };
        let pointer = |outer: u64, ty: TypeId, name: &str| Some(outer + graph.pointer_named(ty, name)?.0.offset);
        let bytes = graph.get(ty).size_bytes;
        if graph.is(ty, CHANNEL) {
            let place = tokio_mpsc::place(graph, 0, ty);
            let words = vec![
                (number(0, ty, "tx_count")?, Word::Ends),
                (pointer(0, ty, "block_tail")?, Word::Pointer),
                (
                    pointer(0, graph.named(ty, "rx_fields")?.ty, "head")? + graph.named(ty, "rx_fields")?.offset,
                    Word::Pointer,
                ),
            ];
            // The counters of the `Arc` come before it, padded to its alignment.
            return Some(Self { places: vec![place], key: 0u64.wrapping_sub(ALIGN_BYTES), words, bytes });
        }
        let place = ring::counted(graph, 0, ty)?;
        let direct = |name: &str| {
            let field = graph.field(ty, name)?;
            let part = graph.number(field.ty)?;
            (graph.get(part.ty).size_bytes == 8).then_some(field.offset + part.offset)
        };
        let mut words = vec![(direct("senders")?, Word::Ends), (direct("receivers")?, Word::Ends)];
        let channel = graph.field(ty, "chan")?;
        match place.flavor {
            Flavor::Array(_) => {
                words.push((number(channel.offset, channel.ty, "mark_bit")?, Word::PowerOfTwo));
                words.push((number(channel.offset, channel.ty, "one_lap")?, Word::PowerOfTwo));
                words.push((
                    pointer(channel.offset, channel.ty, "buffer").or_else(|| slice(graph, channel))?,
                    Word::Pointer,
                ));
            }
            Flavor::List(_) => {
                for end in ["head", "tail"] {
                    let part = graph.named(channel.ty, end)?;
                    words.push((pointer(channel.offset + part.offset, part.ty, "block")?, Word::PointerOrNull));
                }
            }
            _ => return None,
        }
        Some(Self { places: vec![place], key: 0, words, bytes })
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        let word = |offset: u64| {
            let at = usize::try_from(offset).ok()?;
            Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
        };
        let is_pointer = |word: u64| (0x1000..0x8000_0000_0000).contains(&word) && word.is_multiple_of(8);
        (bytes.len() as u64) >= self.bytes
            && self.words.iter().all(|(offset, wanted)| {
                word(*offset).is_some_and(|word| match wanted {
                    Word::Ends => word < ENDS_MAX,
                    Word::Pointer => is_pointer(word),
                    Word::PointerOrNull => word == 0 || is_pointer(word),
                    Word::PowerOfTwo => word.is_power_of_two(),
                })
            })
    }
}

/// Where the pointer of a boxed slice of slots is.
fn slice(graph: &Graph<'_>, channel: Part) -> Option<u64> {
    use crate::value::layout::Shape as Layout;
    let buffer = graph.named(channel.ty, "buffer")?;
    let slice = graph.first(buffer.ty, &|_, ty| matches!(ty.shape, Layout::Slice { .. }))?;
    let Layout::Slice { pointer_offset, .. } = graph.get(slice.ty).shape else { return None };
    Some(channel.offset + buffer.offset + slice.offset + pointer_offset)
}
