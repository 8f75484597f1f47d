//! Bytes → value: reads a value of a known layout through [`Memory`], following its pointers.
//! What the bytes do not allow is shown as bytes; what cannot be read says why. Nothing is guessed.

use std::cell::Cell;

use super::collect::Found;
use super::extended::extended;
use super::flags::flags;
use super::image::Memory;
use super::layout::{Enum, Field, Shape, StructStyle, Tag, Type, TypeId, Types, Variant};
use super::limits::{Limits, NESTING_MAX, PARTS_MAX, RAW_BYTES_MAX, SEQUENCE_BYTES_MAX};
use super::lookup::Search;
use super::name;
use super::place::{Location, Missing};
use super::source::Source;
use super::string::{text_or_bytes, up_to_nul};
use super::styled::styled;
use super::value::{Omitted, Payload, Value};
use super::view::{Dynamic, Items, Shown, Stretch, TABLE_ALIGN_OFFSET, View, view};

/// The value of type `ty` at `location`, as far as `memory` has it and `limits` allow.
pub fn decode(types: &Types, ty: TypeId, location: &Location, memory: &dyn Memory, limits: &Limits) -> Value {
    match Source::root(location, memory) {
        Ok(source) => Decoder::new(types, memory, limits).value(ty, source, Depth::default()),
        Err(missing) => Value::Unreadable(missing),
    }
}

/// The same of what is at `source`, or of some of its bits.
pub(super) fn decode_part(
    types: &Types,
    ty: TypeId,
    bits: Option<(u32, u32)>,
    source: Source<'_>,
    memory: &dyn Memory,
    limits: &Limits,
) -> Value {
    let field = Field { name: String::new(), offset: 0, ty, bits };
    Decoder::new(types, memory, limits).part(&field, source, Depth::default())
}

pub(super) struct Decoder<'a> {
    pub(super) types: &'a Types,
    pub(super) memory: &'a dyn Memory,
    pub(super) limits: &'a Limits,
    /// Values decoded so far, see [`PARTS_MAX`].
    parts: Cell<u32>,
    /// What the outermost collection is gone through for, until that begins.
    pub(super) search: Cell<Option<&'a Search<'a>>>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Depth {
    pub(super) pointers: u32,
    nesting: u32,
}

impl Depth {
    fn nested(self) -> Self {
        Self { nesting: self.nesting + 1, ..self }
    }

    pub(super) fn pointed_to(self) -> Self {
        Self { pointers: self.pointers + 1, nesting: self.nesting + 1 }
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn new(types: &'a Types, memory: &'a dyn Memory, limits: &'a Limits) -> Self {
        Self { types, memory, limits, parts: Cell::new(0), search: Cell::new(None) }
    }

    /// Room for the items of a collection.
    pub(super) fn found(&self, shown: Shown) -> Found<'a> {
        Found::new(shown, self.search.take())
    }
}

impl Decoder<'_> {
    pub(super) fn value(&self, ty: TypeId, source: Source<'_>, depth: Depth) -> Value {
        self.parts.set(self.parts.get() + 1);
        if self.parts.get() > PARTS_MAX || depth.nesting > NESTING_MAX {
            return Value::Unreadable(Missing::NotCaptured);
        }
        self.viewed(ty, source, depth).unwrap_or_else(Value::Unreadable)
    }

    pub(super) fn viewed(&self, ty: TypeId, source: Source<'_>, depth: Depth) -> Result<Value, Missing> {
        let size_bytes = self.types.get(ty).size_bytes;
        let inner = depth.nested();
        Ok(match view(self.types, ty) {
            View::Unit => Value::Unit,
            View::Integer { signed } => self.integer(ty, source, signed)?,
            View::Float => self.float(ty, source)?,
            View::Complex => self.complex(ty, source)?,
            View::Bool | View::Char => self.restricted(ty, source)?,
            View::Uuid => match source.read(self.memory, size_bytes)?.try_into() {
                Ok(bytes) => Value::Uuid(bytes),
                Err(_) => self.raw(ty, source)?,
            },
            View::Text(stretch) => self.text(ty, source, stretch, depth)?,
            View::WideText { stretch, unit_bytes } => self.wide_text(ty, source, stretch, unit_bytes, depth)?,
            View::Bits(bits) => self.bits(ty, source, bits, depth)?,
            View::Sequence { stretch, items } => self.sequence(ty, source, stretch, items, depth)?,
            View::Ring { ring, items } => self.ring(ty, source, ring, items, depth)?,
            View::Blocks { blocks, items } => self.blocks(ty, source, blocks, items, depth)?,
            View::Table { table, items } => self.table(ty, source, table, items, depth)?,
            View::Tree(tree) => self.tree(ty, source, &tree, depth)?,
            View::Binary(tree) => self.binary_tree(ty, source, &tree, depth)?,
            View::List(list) => self.list(ty, source, list, depth)?,
            View::Choice(choice) => self.choice(ty, source, &choice, inner)?,
            View::Measured { offset, ty, unit } => match self.value(ty, source.at(offset), inner) {
                Value::Unreadable(missing) => return Err(missing),
                number => Value::Plain(format!("{number}{unit}")),
            },
            View::Pointee { pointer_offset, target_offset, target } => {
                let pointer = source.at(pointer_offset).word(self.memory)?;
                if self.check_pointers(depth).is_err() {
                    return Ok(Value::Address(pointer));
                }
                self.value(target, Source::Memory(pointer.wrapping_add(target_offset)), depth.pointed_to())
            }
            View::Dynamic(dynamic) => self.dynamic(ty, source, dynamic, depth)?,
            View::VirtualBase { target, slot } => self.virtual_base(source, target, slot, inner)?,
            View::MemberPointer { class, is_function } => self.member_pointer(ty, source, class, is_function)?,
            View::Object { target } => self.object(source, target, depth)?,
            View::Function => {
                let address = source.word(self.memory)?;
                let path = self.types.function_at(address);
                path.map_or(Value::Address(address), |path| Value::Plain(path.to_owned()))
            }
            View::CString => self.c_string(source, depth)?,
            View::CharArray { count } => {
                let shown = count.min(self.limits.string_bytes_max);
                up_to_nul(source.read(self.memory, shown)?, Omitted::count(count - shown))
            }
            View::Address => Value::Address(source.word(self.memory)?),
            View::Word { signed } => self.word(source.word(self.memory)?, signed, depth),
            View::Transparent { offset, ty } => self.value(ty, source.at(offset), inner),
            View::Fields { fields, style } => self.fields(ty, source, fields, style, inner)?,
            View::ByteString(stretch) => match self.text(ty, source, stretch, depth)? {
                Value::Text { text, omitted } => Value::Bytes { bytes: text.into_bytes(), omitted },
                other => other,
            },
            View::Inline { inline, items } => self.inline(ty, source, inline, items, inner)?,
            View::InlineText(inline) => self.inline_text(ty, source, inline)?,
            View::Small { inline, items, .. } if self.is_inline(source, inline)? => {
                self.inline(ty, source, inline, items, inner)?
            }
            View::Small { stretch, items, .. } => self.sequence(ty, source, stretch, items, depth)?,
            View::Shell(shell) => self.shell(source, shell, inner)?,
            View::Once { name, offset, ty } => self.once(source.at(offset), name, ty, inner),
            View::Range(range) => self.range(source, range, inner)?,
            View::Told(told) => self.told(ty, source, &told)?,
            View::Plain(text) => Value::Plain(text),
            View::Enum { layout, style } => styled(self.enumeration_with_data(ty, source, layout, inner)?, style),
            View::Enumeration { signed, enumerators, style } => {
                styled(self.enumeration(ty, source, signed, enumerators)?, style)
            }
            View::Array { element, count } => {
                let stride = self.types.get(element).size_bytes;
                let shown = count.min(self.limits.items_max);
                let items: Vec<_> =
                    (0..shown).map(|i| self.value(element, source.at(stride.saturating_mul(i)), inner)).collect();
                match Value::common_reason(&items) {
                    Some(reason) => Value::Unreadable(reason),
                    None => Value::Sequence { items, omitted: Omitted::count(count - shown) },
                }
            }
            View::Raw => self.raw(ty, source)?,
        })
    }

    pub(super) fn check_pointers(&self, depth: Depth) -> Result<(), Missing> {
        if depth.pointers < self.limits.pointers_max { Ok(()) } else { Err(Missing::TooDeep) }
    }

    fn dynamic(&self, ty: TypeId, source: Source<'_>, dynamic: Dynamic<'_>, depth: Depth) -> Result<Value, Missing> {
        let pointer = source.at(dynamic.pointer_offset).word(self.memory)?;
        let table = source.at(dynamic.table_offset).word(self.memory)?;
        let Some(target) = self.types.behind_table(dynamic.of_trait, table) else { return self.raw(ty, source) };
        if self.check_pointers(depth).is_err() {
            return Ok(Value::Address(pointer));
        }
        let counters = match dynamic.counters_bytes {
            0 => 0,
            bytes => {
                let align = Source::Memory(table.wrapping_add(TABLE_ALIGN_OFFSET)).word(self.memory)?;
                bytes.checked_next_multiple_of(align).ok_or(Missing::UnsupportedLocation)?
            }
        };
        Ok(self.value(target, Source::Memory(pointer.wrapping_add(counters)), depth.pointed_to()))
    }

    pub(super) fn raw(&self, ty: TypeId, source: Source<'_>) -> Result<Value, Missing> {
        if self.types.holds_masked(ty) {
            return Err(Missing::Redacted);
        }
        let ty = self.types.get(ty);
        let shown = ty.size_bytes.min(RAW_BYTES_MAX);
        let bytes = source.read(self.memory, shown)?;
        Ok(Value::Raw { type_name: ty.name.clone(), bytes, omitted: Omitted::count(ty.size_bytes - shown) })
    }

    fn integer(&self, ty: TypeId, source: Source<'_>, signed: bool) -> Result<Value, Missing> {
        let size_bytes = self.types.get(ty).size_bytes;
        if size_bytes == 0 || size_bytes > 16 {
            return self.raw(ty, source);
        }
        let bits = zero_extended(&source.read(self.memory, size_bytes)?);
        Ok(number(bits, 8 * size_bytes as u32, signed))
    }

    fn float(&self, ty: TypeId, source: Source<'_>) -> Result<Value, Missing> {
        let bytes = source.read(self.memory, self.types.get(ty).size_bytes.min(16))?;
        Ok(match (<[u8; 4]>::try_from(bytes.as_slice()), <[u8; 8]>::try_from(bytes.as_slice())) {
            (Ok(bytes), _) => Value::Float32(f32::from_le_bytes(bytes)),
            (_, Ok(bytes)) => Value::Float64(f64::from_le_bytes(bytes)),
            _ if bytes.len() == 16 && self.types.get(ty).name == "long double" => match extended(&bytes) {
                Some(text) => Value::Plain(text),
                None => self.raw(ty, source)?,
            },
            _ => self.raw(ty, source)?,
        })
    }

    /// A `bool` or a `char`: not every pattern of bits is one.
    fn restricted(&self, ty: TypeId, source: Source<'_>) -> Result<Value, Missing> {
        let is_bool = matches!(view(self.types, ty), View::Bool);
        let bits = zero_extended(&source.read(self.memory, self.types.get(ty).size_bytes.min(16))?);
        match (is_bool, bits) {
            (true, 0) => Ok(Value::Bool(false)),
            (true, 1) => Ok(Value::Bool(true)),
            (true, _) => self.raw(ty, source),
            (false, _) => match u32::try_from(bits).ok().and_then(char::from_u32) {
                Some(character) => Ok(Value::Char(character)),
                None => self.raw(ty, source),
            },
        }
    }

    /// Length and start of a stretch; `None` if no object can be that long.
    pub(super) fn stretch(
        &self,
        source: Source<'_>,
        stretch: Stretch,
        item_bytes: u64,
    ) -> Result<Option<(u64, u64)>, Missing> {
        let pointer = source.at(stretch.pointer_offset).word(self.memory)?;
        let second = source.at(stretch.length_offset).word(self.memory)?;
        let Some(length) = stretch.length(pointer, second) else { return Ok(None) };
        let is_possible = length.checked_mul(item_bytes.max(1)).is_some_and(|bytes| bytes <= i64::MAX as u64);
        Ok(is_possible.then_some((length, pointer.wrapping_add(stretch.data_offset))))
    }

    fn text(&self, ty: TypeId, source: Source<'_>, stretch: Stretch, depth: Depth) -> Result<Value, Missing> {
        let Some((length, start)) = self.stretch(source, stretch, 1)? else { return self.raw(ty, source) };
        if length == 0 {
            return Ok(Value::Text { text: String::new(), omitted: Omitted::Nothing });
        }
        self.check_pointers(depth)?;
        let bytes = self.memory.read_prefix(start, length.min(self.limits.string_bytes_max))?;
        let omitted = Omitted::count(length.saturating_sub(bytes.len() as u64));
        Ok(text_or_bytes(bytes, omitted))
    }

    fn sequence(
        &self,
        ty: TypeId,
        source: Source<'_>,
        stretch: Stretch,
        items: Items,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let Some((length, start)) = self.stretch(source, stretch, items.stride)? else { return self.raw(ty, source) };
        let mut shown = length.min(self.limits.items_max);
        if shown * items.stride > 0 {
            self.check_pointers(depth)?;
            let bytes = self.memory.read_prefix(start, (shown * items.stride).min(SEQUENCE_BYTES_MAX))?;
            shown = bytes.len() as u64 / items.stride;
        }
        let mut found = self.found(items.shown);
        for i in 0..shown {
            found.push(self, Source::Memory(start.wrapping_add(i * items.stride)), depth.pointed_to());
        }
        Ok(found.finish(length))
    }

    fn field(&self, owner: TypeId, field: &Field, source: Source<'_>, depth: Depth) -> Value {
        if self.types.masks_field(self.types.get(owner), field) {
            return Value::Unreadable(Missing::Redacted);
        }
        self.part(field, source, depth)
    }

    /// Whether the value of that key is masked.
    pub(super) fn masks_entry(&self, key: &Value) -> bool {
        let redaction = &self.types.redaction;
        match key {
            Value::Text { text, omitted: Omitted::Nothing } => redaction.masks(text),
            Value::Text { text, .. } => redaction.may_mask(text),
            // The key cannot tell: what it belongs to stays unsaid.
            Value::Unreadable(_) => !redaction.is_empty(),
            _ => false,
        }
    }

    /// A field whose name was looked at.
    fn part(&self, field: &Field, source: Source<'_>, depth: Depth) -> Value {
        let Some((first_bit, bit_count)) = field.bits else {
            return self.value(field.ty, source.at(field.offset), depth);
        };
        let size_bytes = u64::from(first_bit.saturating_add(bit_count)).div_ceil(8).min(16);
        let bits = match source.at(field.offset).read(self.memory, size_bytes) {
            Ok(bytes) => zero_extended(&bytes),
            Err(missing) => return Value::Unreadable(missing),
        };
        let mask = 1_u128.checked_shl(bit_count).map_or(u128::MAX, |end| end - 1);
        let bits = bits.checked_shr(first_bit).unwrap_or(0) & mask;
        match view(self.types, field.ty) {
            View::Bool if bits <= 1 => Value::Bool(bits == 1),
            View::Enumeration { signed, enumerators, .. } => {
                let number = number(bits, bit_count, signed);
                enumerator(&number, enumerators, self.types.is_open(field.ty)).unwrap_or(number)
            }
            View::Integer { signed } => number(bits, bit_count, signed),
            _ => number(bits, bit_count, false),
        }
    }

    fn fields(
        &self,
        ty: TypeId,
        source: Source<'_>,
        fields: &[Field],
        style: StructStyle,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let Type { name, shape, .. } = self.types.get(ty);
        let is_union = matches!(shape, Shape::Union { .. });
        // What is masked would show through the members that share its bytes.
        if is_union && self.types.holds_masked(ty) {
            return Err(Missing::Redacted);
        }
        // Markers and allocators: nobody looks for them in a library's type.
        let is_hidden = |field: &Field| name::is_library(name) && self.types.get(field.ty).size_bytes == 0;
        let fields: Vec<_> = fields.iter().filter(|field| !is_hidden(field)).collect();
        let values: Vec<_> = fields.iter().map(|field| self.field(ty, field, source, depth)).collect();
        if let Some(reason) = Value::common_reason(&values) {
            return Err(reason);
        }
        let name = match name::kind_of_anonymous(name) {
            Some(kind) => kind.to_owned(),
            None if is_union => format!("union {name}"),
            None => name.clone(),
        };
        Ok(match style {
            StructStyle::Tuple => Value::Tuple(values),
            StructStyle::TupleStruct => Value::TupleStruct { name, fields: values },
            StructStyle::Named => Value::Struct { name, fields: named(fields, values) },
        })
    }

    fn enumeration(
        &self,
        ty: TypeId,
        source: Source<'_>,
        signed: bool,
        enumerators: &[(String, i128)],
    ) -> Result<Value, Missing> {
        let size_bytes = self.types.get(ty).size_bytes.min(16);
        let bits = zero_extended(&source.read(self.memory, size_bytes)?);
        let number = number(bits, 8 * size_bytes as u32, signed);
        let is_open = self.types.is_open(ty);
        match enumerator(&number, enumerators, is_open) {
            Some(named) => Ok(named),
            None if !is_open => self.raw(ty, source),
            None => Ok(number),
        }
    }

    fn enumeration_with_data(
        &self,
        ty: TypeId,
        source: Source<'_>,
        layout: &Enum,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let tag = match layout.tag {
            Some(Tag { offset, size_bytes, .. }) => {
                zero_extended(&source.at(offset).read(self.memory, size_bytes.min(16))?)
            }
            None => 0,
        };
        let Some(variant) = layout.active(tag) else { return self.raw(ty, source) };
        let values: Vec<_> = variant.fields.iter().map(|field| self.field(ty, field, source, depth)).collect();
        Ok(Value::Variant { name: variant.name.clone(), payload: payload(variant, values) })
    }
}

/// The name that an enumeration has for the number, or, if it is open, those of the flags in it.
fn enumerator(number: &Value, enumerators: &[(String, i128)], is_open: bool) -> Option<Value> {
    let number = match number {
        Value::Signed(number) => *number,
        Value::Unsigned(number) => i128::try_from(*number).ok()?,
        _ => return None,
    };
    let name = match enumerators.iter().find(|(_, candidate)| *candidate == number) {
        Some((name, _)) => name.clone(),
        None if is_open => flags(number, enumerators)?,
        None => return None,
    };
    Some(Value::Variant { name, payload: Payload::Unit })
}

fn payload(variant: &Variant, values: Vec<Value>) -> Payload {
    match variant.style {
        _ if values.is_empty() => Payload::Unit,
        StructStyle::Named => Payload::Struct(named(&variant.fields, values)),
        StructStyle::Tuple | StructStyle::TupleStruct => Payload::Tuple(values),
    }
}

fn named<'f>(fields: impl IntoIterator<Item = &'f Field>, values: Vec<Value>) -> Vec<(String, Value)> {
    fields.into_iter().map(|field| field.name.clone()).zip(values).collect()
}

pub(super) fn zero_extended(bytes: &[u8]) -> u128 {
    bytes.iter().take(16).rev().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// The low `bit_count` bits as a number.
pub(super) fn number(bits: u128, bit_count: u32, signed: bool) -> Value {
    let unused = 128_u32.saturating_sub(bit_count).min(127);
    if signed { Value::Signed((bits << unused) as i128 >> unused) } else { Value::Unsigned(bits) }
}
