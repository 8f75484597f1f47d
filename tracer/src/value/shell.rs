//! Bytes → cells, locks, ranges, vectors in place, and values that are told by a few numbers.

use super::decode::{Decoder, Depth, number, zero_extended};
use super::layout::{StructStyle, TypeId};
use super::place::Missing;
use super::source::Source;
use super::string::text_or_bytes;
use super::told;
use super::value::{Omitted, Payload, Value};
use super::view::{Hidden, Inline, Items, Number, Part, Range, Shell, Told};

impl Decoder<'_> {
    pub(super) fn shell(&self, source: Source<'_>, shell: Shell, depth: Depth) -> Result<Value, Missing> {
        let hidden = match shell.hidden {
            Some(hidden) => self.hidden(source, hidden)?,
            None => None,
        };
        let value = |(index, (name, part)): (usize, &(&'static str, Part))| {
            let value = match hidden {
                Some(reason) if index == 0 => Value::Unreadable(reason),
                _ => self.value(part.ty, source.at(part.offset), depth),
            };
            ((*name).to_owned(), value)
        };
        let fields: Vec<_> = shell.parts.iter().enumerate().map(value).collect();
        let name = shell.name;
        Ok(match shell.style {
            StructStyle::Named if shell.is_open => Value::Open { name, fields },
            StructStyle::Named => Value::Struct { name, fields },
            StructStyle::Tuple => Value::Tuple(fields.into_iter().map(|(_, value)| value).collect()),
            StructStyle::TupleStruct => {
                Value::TupleStruct { name, fields: fields.into_iter().map(|(_, value)| value).collect() }
            }
        })
    }

    /// Why the content is not shown, if it is not.
    fn hidden(&self, source: Source<'_>, hidden: Hidden) -> Result<Option<Missing>, Missing> {
        let word = zero_extended(&source.at(hidden.offset).read(self.memory, hidden.size_bytes)?);
        // A borrow is counted in a signed word: the range is over the bits.
        let state = word as u64 & hidden.mask;
        Ok((hidden.low..=hidden.high).contains(&state).then_some(hidden.reason))
    }

    /// `OnceCell(5)`, `OnceCell(<uninit>)`.
    pub(super) fn once(&self, source: Source<'_>, name: String, ty: TypeId, depth: Depth) -> Value {
        let content = match self.value(ty, source, depth) {
            Value::Variant { payload: Payload::Unit, .. } => Value::Unreadable(Missing::Uninitialised),
            Value::Variant { payload: Payload::Tuple(mut fields), .. } if fields.len() == 1 => fields.remove(0),
            other => other,
        };
        Value::TupleStruct { name, fields: vec![content] }
    }

    pub(super) fn range(&self, source: Source<'_>, range: Range, depth: Depth) -> Result<Value, Missing> {
        let part = |part: Option<Part>| part.map(|part| Box::new(self.value(part.ty, source.at(part.offset), depth)));
        let is_exhausted = match range.exhausted_offset {
            Some(offset) => source.at(offset).read(self.memory, 1)? == [1],
            None => false,
        };
        let (start, end) = (part(range.start), part(range.end));
        Ok(Value::Range { start, end, is_inclusive: range.is_inclusive, is_exhausted })
    }

    pub(super) fn told(&self, ty: TypeId, source: Source<'_>, told: &Told) -> Result<Value, Missing> {
        let read = |number: &Number| self.number_at(source, *number);
        let numbers = told.numbers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        told::told(told.meaning, &numbers).map(Value::Plain).map_or_else(|| self.raw(ty, source), Ok)
    }

    fn number_at(&self, source: Source<'_>, at: Number) -> Result<i128, Missing> {
        let bits = zero_extended(&source.at(at.offset).read(self.memory, at.size_bytes)?);
        Ok(match number(bits, 8 * at.size_bytes as u32, at.signed) {
            Value::Signed(value) => value,
            _ => bits as i128,
        })
    }

    /// How many items are in place; `None` if more than there is room for.
    fn inline_length(&self, source: Source<'_>, inline: Inline) -> Result<Option<u64>, Missing> {
        let bytes = source.at(inline.length_offset).read(self.memory, inline.length_bytes.min(8))?;
        let length = zero_extended(&bytes) as u64;
        Ok((length <= inline.capacity).then_some(length))
    }

    pub(super) fn inline(
        &self,
        ty: TypeId,
        source: Source<'_>,
        inline: Inline,
        items: Items,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let Some(length) = self.inline_length(source, inline)? else { return self.raw(ty, source) };
        let mut found = self.found(items.shown);
        for i in 0..length.min(self.limits.items_max) {
            found.push(self, source.at(inline.offset.saturating_add(i * items.stride)), depth);
        }
        Ok(found.finish(length))
    }

    /// Whether a vector's items are in place.
    pub(super) fn is_inline(&self, source: Source<'_>, inline: Inline) -> Result<bool, Missing> {
        Ok(self.inline_length(source, inline)?.is_some())
    }

    pub(super) fn inline_text(&self, ty: TypeId, source: Source<'_>, inline: Inline) -> Result<Value, Missing> {
        let Some(length) = self.inline_length(source, inline)? else { return self.raw(ty, source) };
        let shown = length.min(self.limits.string_bytes_max);
        let bytes = source.at(inline.offset).read(self.memory, shown)?;
        Ok(text_or_bytes(bytes, Omitted::count(length - shown)))
    }
}
