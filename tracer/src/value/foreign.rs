//! Bytes → values that C and C++ have: pointers to objects and to text, optionals and variants, wide text, bits,
//! complex numbers.

use super::decode::{Decoder, Depth, number, zero_extended};
use super::extended::extended;
use super::layout::{Shape, TypeId};
use super::limits::OBJECT_POINTERS_MAX;
use super::name;
use super::place::Missing;
use super::source::Source;
use super::string::up_to_nul;
use super::value::{Omitted, Payload, Value};
use super::view::{Alternative, Bits, Choice, Stretch, USER_ADDRESSES};

impl Decoder<'_> {
    /// `1.5 + 2.0i`.
    pub(super) fn complex(&self, ty: TypeId, source: Source<'_>) -> Result<Value, Missing> {
        let bytes = source.read(self.memory, self.types.get(ty).size_bytes.min(32))?;
        let (real, imaginary) = bytes.split_at(bytes.len() / 2);
        let part = |bytes: &[u8]| match bytes.len() {
            4 => Some(format!("{:?}", f32::from_bits(zero_extended(bytes) as u32))),
            8 => Some(format!("{:?}", f64::from_bits(zero_extended(bytes) as u64))),
            16 => extended(bytes),
            _ => None,
        };
        let (Some(real), Some(imaginary)) = (part(real), part(imaginary)) else { return self.raw(ty, source) };
        Ok(Value::Plain(match imaginary.strip_prefix('-') {
            Some(positive) => format!("{real} - {positive}i"),
            None => format!("{real} + {imaginary}i"),
        }))
    }

    /// What is behind a pointer too many is not looked for.
    pub(super) fn object(&self, source: Source<'_>, target: TypeId, depth: Depth) -> Result<Value, Missing> {
        let address = source.word(self.memory)?;
        if address == 0 || depth.pointers >= OBJECT_POINTERS_MAX || self.check_pointers(depth).is_err() {
            return Ok(Value::Address(address));
        }
        Ok(match self.value(target, Source::Memory(address), depth.pointed_to()) {
            Value::Unreadable(Missing::NotCaptured) => Value::Address(address),
            target => Value::Pointer { address, target: Box::new(target) },
        })
    }

    /// `&Point::y`, by the offset; `&Point::area`, by the address (Itanium C++ ABI, 2.3: a virtual function's is odd,
    /// one more than its place in the table).
    pub(super) fn member_pointer(
        &self,
        ty: TypeId,
        source: Source<'_>,
        class: TypeId,
        is_function: bool,
    ) -> Result<Value, Missing> {
        let word = source.word(self.memory)?;
        let class = self.types.get(class);
        let of_class = |member: &str| format!("&{}::{member}", name::of_struct(&class.name));
        let null = if is_function { 0 } else { u64::MAX };
        let found = match &class.shape {
            _ if word == null => Some("nullptr".to_owned()),
            _ if is_function && word & 1 == 1 => Some(of_class(&format!("virtual#{}", word / 8))),
            _ if is_function => self.types.function_at(word).map(|path| format!("&{path}")),
            Shape::Struct { fields, .. } => {
                let there = fields.iter().filter(|field| field.offset == word && field.bits.is_none());
                let mut sized = there.filter(|field| self.types.get(field.ty).size_bytes > 0);
                sized.next().map(|field| of_class(&field.name))
            }
            _ => None,
        };
        found.map(Value::Plain).map_or_else(|| self.raw(ty, source), Ok)
    }

    /// A base class whose place its object's table tells.
    pub(super) fn virtual_base(
        &self,
        source: Source<'_>,
        target: TypeId,
        slot: u64,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let Source::Memory(here) = source else { return Err(Missing::UnsupportedLocation) };
        let table = source.word(self.memory)?;
        let distance = Source::Memory(table.wrapping_sub(slot)).word(self.memory)?;
        Ok(self.value(target, Source::Memory(here.wrapping_add(distance)), depth))
    }

    pub(super) fn choice(
        &self,
        ty: TypeId,
        source: Source<'_>,
        choice: &Choice,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let tag = zero_extended(&source.at(choice.tag_offset).read(self.memory, choice.tag_bytes.min(8))?) as u64;
        let is_meant = |one: &&Alternative| (one.low..=one.high).contains(&tag);
        let Some(chosen) = choice.alternatives.iter().find(is_meant) else { return self.raw(ty, source) };
        let payload = match chosen.content {
            Some(part) => Payload::Tuple(vec![self.value(part.ty, source.at(part.offset), depth)]),
            None => Payload::Unit,
        };
        Ok(Value::Variant { name: chosen.name.clone(), payload })
    }

    /// UTF-16 or UTF-32. A character that a limit cut in two is left out.
    pub(super) fn wide_text(
        &self,
        ty: TypeId,
        source: Source<'_>,
        stretch: Stretch,
        unit_bytes: u64,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let Some((length, start)) = self.stretch(source, stretch, unit_bytes)? else { return self.raw(ty, source) };
        let mut bytes = Vec::new();
        if length > 0 {
            self.check_pointers(depth)?;
            let limit = self.limits.string_bytes_max / unit_bytes * unit_bytes;
            bytes = self.memory.read_prefix(start, (length * unit_bytes).min(limit))?;
        }
        let mut omitted = Omitted::count((length * unit_bytes).saturating_sub(bytes.len() as u64));
        let units = bytes.chunks_exact(unit_bytes as usize).map(|unit| zero_extended(unit) as u32);
        let text: Option<String> = match unit_bytes {
            2 => {
                let mut units: Vec<u16> = units.map(|unit| unit as u16).collect();
                if let Omitted::Count(count) = omitted
                    && units.pop_if(|last| (0xd800..0xdc00).contains(last)).is_some()
                {
                    omitted = Omitted::Count(count + unit_bytes);
                }
                String::from_utf16(&units).ok()
            }
            _ => units.map(char::from_u32).collect(),
        };
        text.map_or_else(|| self.raw(ty, source), |text| Ok(Value::Text { text, omitted }))
    }

    pub(super) fn bits(&self, ty: TypeId, source: Source<'_>, bits: Bits, depth: Depth) -> Result<Value, Missing> {
        let iterator = |(word, bit): (u64, u64)| {
            let number = zero_extended(&source.at(bit).read(self.memory, 4)?) as u64;
            Ok::<_, Missing>((source.at(word).word(self.memory)?, number))
        };
        let ((start, first), (end, last)) = (iterator(bits.start)?, iterator(bits.end)?);
        let whole = end.checked_sub(start).and_then(|bytes| bytes.checked_mul(8));
        let length = whole.and_then(|whole| (whole + last).checked_sub(first));
        let Some(length) = length.filter(|_| first < 64 && last < 64) else { return self.raw(ty, source) };
        let mut shown = length.min(self.limits.items_max);
        let mut bytes = Vec::new();
        if shown > 0 {
            self.check_pointers(depth)?;
            bytes = self.memory.read_prefix(start, (first + shown).div_ceil(8))?;
            shown = shown.min(bytes.len() as u64 * 8 - first.min(bytes.len() as u64 * 8));
        }
        let is_set = |at: u64| bytes.get(at as usize / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        let items = (first..first + shown).map(|at| Value::Bool(is_set(at))).collect();
        Ok(Value::Sequence { items, omitted: Omitted::count(length - shown) })
    }

    pub(super) fn c_string(&self, source: Source<'_>, depth: Depth) -> Result<Value, Missing> {
        let pointer = source.word(self.memory)?;
        if pointer == 0 {
            return Ok(Value::Address(0));
        }
        self.check_pointers(depth)?;
        let bytes = self.memory.read_prefix(pointer, self.limits.string_bytes_max)?;
        Ok(up_to_nul(bytes, Omitted::Unknown))
    }

    /// What looks like text and is where an address can be: nothing says that it is, so the address is shown too.
    pub(super) fn word(&self, word: u64, signed: bool, depth: Depth) -> Value {
        let read = || {
            self.check_pointers(depth).ok()?;
            USER_ADDRESSES.contains(&word).then_some(())?;
            let bytes = self.memory.read_prefix(word, self.limits.string_bytes_max).ok()?;
            let is_text =
                |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_control() && !c.is_whitespace());
            match up_to_nul(bytes, Omitted::Unknown) {
                Value::Text { text, omitted } if is_text(&text) => {
                    Some(Value::AddressOfText { address: word, text, omitted })
                }
                _ => None,
            }
        };
        read().unwrap_or_else(|| number(u128::from(word), 64, signed))
    }
}
