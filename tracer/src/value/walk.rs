//! A way through a value: from where it is over fields, pointers, elements and variants to a part of it.
//! Found once from types (see `plan::expression::resolve`), gone through for each record or live process.

use std::sync::Arc;

use super::decode::{decode_part, zero_extended};
use super::image::Memory;
use super::layout::{Enum, Shape, Tag, TypeId, Types};
use super::limits::Limits;
use super::lookup::{self, Key};
use super::place::{Location, Missing};
use super::source::Source;
use super::string::text_at;
use super::value::Value;
use super::view::{Extent, Part as ItemPart, Stretch};

/// A part of a value: the way to it, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub steps: Vec<Step>,
    pub part: Part,
}

impl Way {
    /// To the whole value.
    pub fn whole(ty: TypeId) -> Self {
        Self { steps: Vec::new(), part: Part::Value { ty, bits: None } }
    }
}

/// One step of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes further on, in the same object.
    Offset(u64),
    /// To where the pointer word here leads, and so many bytes further.
    Follow(u64),
    /// To an element of the sequence whose pointer and length words are here; the way ends if it is shorter.
    Element { stretch: Stretch, stride: u64, index: u64 },
    /// The way goes on only if the enum here has this variant, a number into [`Enum::variants`].
    Variant { ty: TypeId, variant: usize },
    /// To a part of an item of the collection of that type here; the way ends if there is no such item.
    Item { ty: TypeId, which: Which, part: ItemPart },
}

/// Which item of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Counted from 0, in the collection's order.
    Number(u64),
    /// The one with this key.
    Key(Arc<Key>),
}

/// Where a way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To a value, or to some of its bits: the first from the least significant one, and how many.
    Value { ty: TypeId, bits: Option<(u32, u32)> },
    /// To a length.
    Length(Length),
    /// To so many bytes, at most 16, that are shown as one number.
    Bytes(u64),
    /// To the bytes of a text.
    Text(TextPlace),
}

/// Where a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextPlace {
    Stretch(Stretch),
    /// A pointer to bytes that end with a NUL.
    CString,
    /// In place, up to a NUL or that many bytes.
    CharArray(u64),
    /// In place, that many bytes.
    Bytes(u64),
    ThreadName,
}

/// What tells how long something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It is always the same.
    Fixed(u64),
    /// The length word of a stretch.
    Word(Stretch),
    /// A length word of less than 8 bytes.
    Short { offset: u64, size_bytes: u64 },
    /// The NUL behind a pointer.
    CString,
    /// The NUL in an array of that size, or its end.
    CharArray(u64),
}

/// What is at the end of the way from a value at `location`; `None` if it ends at a variant that is not active or an
/// element that is not there.
pub fn read(types: &Types, way: &Way, location: &Location, memory: &dyn Memory, limits: &Limits) -> Option<Value> {
    let found = Source::root(location, memory).and_then(|source| follow(types, &way.steps, source, memory));
    let source = match found {
        Ok(source) => source?,
        Err(missing) => return Some(Value::Unreadable(missing)),
    };
    Some(match way.part {
        Part::Value { ty, bits } => decode_part(types, ty, bits, source, memory, limits),
        Part::Length(length) => match measure(length, source, memory, limits) {
            Ok(length) => Value::Unsigned(length.into()),
            Err(missing) => Value::Unreadable(missing),
        },
        Part::Bytes(size_bytes) => match source.read(memory, size_bytes.min(16)) {
            Ok(bytes) => Value::Unsigned(zero_extended(&bytes)),
            Err(missing) => Value::Unreadable(missing),
        },
        Part::Text(text) => text_at(text, source, memory, limits).unwrap_or_else(Value::Unreadable),
    })
}

/// The length that `length` tells of what is at `source`.
pub(crate) fn measure(
    length: Length,
    source: Source<'_>,
    memory: &dyn Memory,
    limits: &Limits,
) -> Result<u64, Missing> {
    let up_to_nul = |bytes: Vec<u8>| {
        let nul = bytes.iter().position(|byte| *byte == 0);
        nul.map(|nul| nul as u64).ok_or(bytes.len() as u64)
    };
    match length {
        Length::Fixed(length) => Ok(length),
        Length::Word(stretch) => {
            let second = source.at(stretch.length_offset).word(memory)?;
            let Extent::End { item_bytes } = stretch.extent else {
                return Ok(second.saturating_sub(stretch.terminator_bytes));
            };
            let bytes = second.wrapping_sub(source.at(stretch.pointer_offset).word(memory)?);
            // What ends before it starts has no length, and no object is larger.
            let length = bytes.checked_div(item_bytes).filter(|_| bytes <= i64::MAX as u64);
            length.ok_or(Missing::NotThere)
        }
        Length::Short { offset, size_bytes } => {
            Ok(zero_extended(&source.at(offset).read(memory, size_bytes.min(8))?) as u64)
        }
        Length::CString => {
            let pointer = source.word(memory)?;
            up_to_nul(memory.read_prefix(pointer, limits.string_bytes_max)?).map_err(|_| Missing::NotCaptured)
        }
        Length::CharArray(size) => Ok(up_to_nul(source.read(memory, size)?).unwrap_or_else(|whole| whole)),
    }
}

/// Goes the way from `source`; `None` if it ends at a variant that is not active or an element that is not there.
pub(crate) fn follow<'l>(
    types: &Types,
    steps: &[Step],
    source: Source<'l>,
    memory: &dyn Memory,
) -> Result<Option<Source<'l>>, Missing> {
    let mut here = source;
    for step in steps {
        here = match step {
            Step::Offset(bytes) => here.at(*bytes),
            Step::Follow(bytes) => Source::Memory(here.word(memory)?.wrapping_add(*bytes)),
            Step::Element { stretch, stride, index } => {
                let start = here.at(stretch.pointer_offset).word(memory)?;
                let length = stretch.length(start, here.at(stretch.length_offset).word(memory)?);
                if length.is_none_or(|length| *index >= length) {
                    return Ok(None);
                }
                let start = start.wrapping_add(stretch.data_offset);
                Source::Memory(start.wrapping_add(stride.wrapping_mul(*index)))
            }
            Step::Variant { ty, variant } => match active(types, *ty, here, memory)? == Some(*variant) {
                true => here,
                false => return Ok(None),
            },
            Step::Item { ty, which, part } => match lookup::find(types, *ty, which, here, memory)? {
                Some(item) => Source::Memory(item.wrapping_add(part.offset)),
                None => return Ok(None),
            },
        };
    }
    Ok(Some(here))
}

/// The number of the enum's active variant; `None` if its tag selects none.
pub(crate) fn active(
    types: &Types,
    ty: TypeId,
    source: Source<'_>,
    memory: &dyn Memory,
) -> Result<Option<usize>, Missing> {
    let Shape::Enum(layout) = &types.get(ty).shape else { return Ok(None) };
    let tag = match layout.tag {
        Some(Tag { offset, size_bytes, .. }) => zero_extended(&source.at(offset).read(memory, size_bytes.min(16))?),
        None => 0,
    };
    Ok(number_of(layout, tag))
}

fn number_of(layout: &Enum, tag: u128) -> Option<usize> {
    let active = layout.active(tag)?;
    layout.variants.iter().position(|variant| std::ptr::eq(variant, active))
}
