//! Compiles what a probe must copy: from types and locations to the operations that the BPF side interprets.
//! Copies exactly what [`decode`](crate::value::decode) will ask for, because both follow the same views.
//!
//! First the roots of all values, then what their pointers lead to, each value with its share of the operations.
//! What does not fit is left out as a whole, and decodes as `not captured`.

use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, OPS_MAX, OpCode, Plan, REGISTERS_MAX};

use super::assembler::{Address, Assembler, Stop};
use crate::value::layout::{Enum, TypeId, Types, Variant};
use crate::value::place::{Location, MemoryPlace, Piece, Place, Register};
use crate::value::view::{Stretch, USER_ADDRESSES, View, view};
use crate::value::{Limits, NESTING_MAX, PARTS_MAX};

/// A compiled plan. Flags and the kept register are the caller's to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub plan: Plan,
    /// Whether everything that the limits allow found room in the plan.
    pub is_complete: bool,
}

/// The plan that copies these values, in this order of importance.
pub fn compile(types: &Types, values: &[(TypeId, Location)], limits: &Limits) -> Capture {
    let mut compiler = Compiler { types, limits, assembler: Assembler::new(), registers: Vec::new(), parts: 0 };
    for (ty, location) in values {
        compiler.root(*ty, location);
    }
    for (done, (ty, location)) in values.iter().enumerate() {
        let used = compiler.assembler.len();
        let share = (OPS_MAX - used) / (values.len() - done);
        compiler.assembler.ops_max = used + share;
        compiler.parts = 0;
        let base = Base::Pieces { location, offset: 0 };
        compiler.attempt(|compiler| compiler.chase_root(*ty, location, base));
    }
    compiler.finish()
}

struct Compiler<'t> {
    types: &'t Types,
    limits: &'t Limits,
    assembler: Assembler,
    registers: Vec<u8>,
    /// Values looked at, see [`PARTS_MAX`].
    parts: u32,
}

/// Where a value is, at the time when the plan runs.
#[derive(Clone, Copy)]
enum Base<'l> {
    Pieces { location: &'l Location, offset: u64 },
    Memory(Address),
}

impl Base<'_> {
    fn at(self, bytes: u64) -> Self {
        match self {
            Self::Pieces { location, offset } => Self::Pieces { location, offset: offset.saturating_add(bytes) },
            Self::Memory(address) => Self::Memory(address.at(bytes)),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Depth {
    pointers: u32,
    nesting: u32,
}

impl Depth {
    fn nested(self) -> Self {
        Self { nesting: self.nesting + 1, ..self }
    }

    fn pointed_to(self) -> Self {
        Self { pointers: self.pointers + 1, nesting: self.nesting + 1 }
    }
}

type Step = Result<(), Stop>;

impl Compiler<'_> {
    fn finish(self) -> Capture {
        let mut plan = Plan::EMPTY;
        for (slot, register) in plan.registers.iter_mut().zip(&self.registers) {
            *slot = *register;
        }
        plan.register_count = self.registers.len().min(REGISTERS_MAX) as u8;
        let is_complete = self.assembler.is_complete && self.registers.len() <= REGISTERS_MAX;
        plan.op_count = self.assembler.write(&mut plan.ops);
        Capture { plan, is_complete }
    }

    /// Runs `emit`; if it stops, its operations are taken back. Failures inside skip to the end.
    fn attempt(&mut self, emit: impl FnOnce(&mut Self) -> Step) {
        let mark = self.assembler.open();
        let result = emit(self);
        self.assembler.close(mark, result);
    }

    fn carry(&mut self, register: Register) {
        if register.is_readable() && !self.registers.contains(&register.0) {
            self.registers.push(register.0);
        }
    }

    /// The registers and the memory that hold the value itself.
    fn root(&mut self, ty: TypeId, location: &Location) {
        let size_bytes = self.types.get(ty).size_bytes;
        let is_whole = location.pieces.len() == 1;
        for piece in &location.pieces {
            match &piece.place {
                Place::Register(register) => self.carry(*register),
                Place::Memory(place) if is_whole && self.is_coroutine(ty) => self.coroutine(ty, place),
                Place::Memory(place) => {
                    place.base.into_iter().chain(place.index.map(|(index, _)| index)).for_each(|r| self.carry(r));
                    let size_bytes = if is_whole { size_bytes } else { piece.size_bytes };
                    self.attempt(|compiler| {
                        let address = compiler.assembler.place(place, true)?;
                        compiler.copy(address, size_bytes)
                    });
                }
                Place::Constant(_) | Place::Missing(_) => {}
            }
        }
    }

    fn is_coroutine(&self, ty: TypeId) -> bool {
        matches!(view(self.types, ty), View::Enum { layout, .. } if layout.is_coroutine())
    }

    /// Of a coroutine only the state and, before its first poll, the arguments: futures can be larger than a record,
    /// and what is in them later has no names that a user would know.
    fn coroutine(&mut self, ty: TypeId, place: &MemoryPlace) {
        let types = self.types;
        let View::Enum { layout, .. } = view(types, ty) else { return };
        place.base.into_iter().chain(place.index.map(|(index, _)| index)).for_each(|register| self.carry(register));
        let Some(tag) = layout.tag else { return };
        self.attempt(|compiler| {
            let address = compiler.assembler.place(place, true)?;
            compiler.copy(address.at(tag.offset), tag.size_bytes)
        });
        let Some(arguments) = layout.variants.iter().find(|variant| layout.is_shown(variant)) else { return };
        self.attempt(|compiler| {
            let address = compiler.assembler.place(place, false)?;
            compiler.assembler.load_memory(address.at(tag.offset), tag.size_bytes)?;
            compiler.select(layout, arguments, tag.size_bytes, 0)?;
            for field in &arguments.fields {
                let address = compiler.assembler.place(place, false)?;
                compiler.copy(address.at(field.offset), types.get(field.ty).size_bytes)?;
            }
            Ok(())
        });
    }

    fn copy(&mut self, address: Address, size_bytes: u64) -> Step {
        let size_bytes = size_bytes.min(self.limits.value_bytes_max);
        if size_bytes == 0 {
            return Ok(());
        }
        let displacement = self.assembler.load_base(address)?;
        for start in (0..size_bytes).step_by(CHUNK_BYTES_MAX) {
            let size = (size_bytes - start).min(CHUNK_BYTES_MAX as u64);
            self.assembler.emit(OpCode::Copy, |op| (op.a, op.b) = (displacement.wrapping_add(start), size))?;
        }
        Ok(())
    }

    /// As the decoder does, a value that is in memory as a whole is taken from there whatever its piece's size.
    fn chase_root(&mut self, ty: TypeId, location: &Location, pieces: Base<'_>) -> Step {
        if !self.leads_further(ty, 0) {
            return Ok(());
        }
        let base = match location.pieces.as_slice() {
            [Piece { place: Place::Memory(place), .. }] => Base::Memory(self.assembler.place(place, false)?),
            _ => pieces,
        };
        self.chase(ty, base, Depth::default())
    }

    /// Whether a value of this type has pointers that are followed.
    fn leads_further(&self, ty: TypeId, nesting: u32) -> bool {
        let inner = |ty: TypeId| self.leads_further(ty, nesting + 1);
        if nesting > NESTING_MAX {
            return false;
        }
        match view(self.types, ty) {
            View::Text(_) | View::Sequence { .. } | View::Pointee { .. } => true,
            View::CString | View::Word { .. } => true,
            View::Transparent { ty, .. } => inner(ty),
            View::Fields { fields, .. } => fields.iter().any(|field| inner(field.ty)),
            View::Enum { layout, .. } => {
                let mut shown = layout.variants.iter().filter(|variant| layout.is_shown(variant));
                shown.any(|variant| variant.fields.iter().any(|field| inner(field.ty)))
            }
            View::Array { element, count } => count > 0 && inner(element),
            _ => false,
        }
    }

    /// Follows the pointers of the value at `base`.
    fn chase(&mut self, ty: TypeId, base: Base<'_>, depth: Depth) -> Step {
        self.parts += 1;
        if self.parts > PARTS_MAX || depth.nesting > NESTING_MAX {
            return Ok(());
        }
        let may_follow = depth.pointers < self.limits.pointers_max;
        match view(self.types, ty) {
            View::Text(stretch) if may_follow => {
                let limit = self.limits.string_bytes_max;
                self.attempt(|compiler| compiler.stretch(base, stretch, 1, limit).map(drop));
            }
            View::Sequence { stretch, element } if may_follow => {
                self.attempt(|compiler| compiler.sequence(base, stretch, element, depth.pointed_to()));
            }
            View::Pointee { pointer_offset, target_offset, target } if may_follow => {
                self.attempt(|compiler| {
                    compiler.load_word(base.at(pointer_offset))?;
                    compiler.pointee(target, target_offset, depth.pointed_to())
                });
            }
            View::CString if may_follow => self.attempt(|compiler| compiler.c_string(base)),
            View::Word { .. } if may_follow => self.attempt(|compiler| compiler.word(base)),
            View::Transparent { offset, ty } => self.chase(ty, base.at(offset), depth.nested())?,
            View::Fields { fields, .. } => {
                for field in fields.iter().filter(|field| field.bits.is_none()) {
                    self.chase(field.ty, base.at(field.offset), depth.nested())?;
                }
            }
            View::Enum { layout, .. } => {
                for variant in layout.variants.iter().filter(|variant| layout.is_shown(variant)) {
                    self.attempt(|compiler| compiler.variant(layout, variant, base, depth.nested()));
                }
            }
            View::Array { element, count } if self.leads_further(element, 0) => {
                let stride = self.types.get(element).size_bytes;
                for i in 0..count.min(self.limits.items_max) {
                    self.chase(element, base.at(stride.saturating_mul(i)), depth.nested())?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// With the pointer in the accumulator: copies the target, then follows its pointers.
    fn pointee(&mut self, target: TypeId, target_offset: u64, depth: Depth) -> Step {
        let size_bytes = self.types.get(target).size_bytes;
        if !self.leads_further(target, 0) {
            return self.copy(Address::Accumulator(target_offset), size_bytes);
        }
        let slot = self.assembler.save()?;
        let address = Address::Slot(slot, target_offset);
        self.copy(Address::Accumulator(target_offset), size_bytes)?;
        self.chase(target, Base::Memory(address), depth)
    }

    /// Copies the content of a stretch. Returns the slot of its length; the accumulator is left at its start.
    fn stretch(&mut self, base: Base<'_>, stretch: Stretch, item_bytes: u32, limit_bytes: u64) -> Result<u8, Stop> {
        self.load_word(base.at(stretch.length_offset))?;
        let length = self.assembler.save()?;
        self.load_word(base.at(stretch.pointer_offset))?;
        self.assembler.add(stretch.data_offset)?;
        self.assembler.emit(OpCode::CopySlice, |op| {
            (op.register, op.immediate, op.b) = (length, item_bytes, limit_bytes);
        })?;
        Ok(length)
    }

    fn sequence(&mut self, base: Base<'_>, stretch: Stretch, element: TypeId, depth: Depth) -> Step {
        let stride = self.types.get(element).size_bytes;
        if stride == 0 {
            return Ok(());
        }
        let Ok(item_bytes) = u32::try_from(stride) else { return Err(Stop::Unreachable) };
        let limit_bytes = self.limits.items_max.saturating_mul(stride).min(self.limits.value_bytes_max);
        let length = self.stretch(base, stretch, item_bytes, limit_bytes)?;
        if !self.leads_further(element, 0) {
            return Ok(());
        }
        self.attempt(|compiler| {
            let start = compiler.assembler.save()?;
            for i in 0..limit_bytes / stride {
                compiler.attempt(|compiler| {
                    compiler.assembler.load_base(Address::Slot(length, 0))?;
                    compiler.assembler.guard(OpCode::SkipIf, 0, i)?;
                    compiler.chase(element, Base::Memory(Address::Slot(start, i * stride)), depth)
                });
                if !compiler.assembler.has_room() {
                    break;
                }
            }
            Ok(())
        });
        Ok(())
    }

    fn c_string(&mut self, base: Base<'_>) -> Step {
        self.load_word(base)?;
        self.assembler.guard(OpCode::SkipIf, 0, 0)?;
        self.string()
    }

    /// The text that a word leads to, if it can be an address.
    fn word(&mut self, base: Base<'_>) -> Step {
        self.load_word(base)?;
        self.assembler.guard(OpCode::SkipUnless, *USER_ADDRESSES.start(), *USER_ADDRESSES.end())?;
        self.string()
    }

    /// With the pointer in the accumulator.
    fn string(&mut self) -> Step {
        // One more for the NUL: a string as long as the limit is not cut.
        let limit_bytes = self.limits.string_bytes_max.saturating_add(1).min(CHUNK_BYTES_MAX as u64);
        self.assembler.emit(OpCode::CopyString, |op| op.b = limit_bytes)
    }

    /// What the variant's pointers lead to, if the tag says that it is active.
    fn variant(&mut self, layout: &Enum, variant: &Variant, base: Base<'_>, depth: Depth) -> Step {
        if !variant.fields.iter().any(|field| self.leads_further(field.ty, 0)) {
            return Ok(());
        }
        if let Some(tag) = layout.tag {
            let shift = self.load_bits(base.at(tag.offset), tag.size_bytes)?;
            self.select(layout, variant, tag.size_bytes, shift)?;
        }
        let guarded = self.assembler.len();
        for field in variant.fields.iter().filter(|field| field.bits.is_none()) {
            self.chase(field.ty, base.at(field.offset), depth)?;
        }
        if self.assembler.len() == guarded { Err(Stop::Unreachable) } else { Ok(()) }
    }

    /// Skips unless the accumulator, a tag shifted left by `shift` bits, selects the variant, as
    /// [`Enum::active`] has it.
    fn select(&mut self, layout: &Enum, variant: &Variant, tag_bytes: u64, shift: u32) -> Step {
        let scaled = |(low, high): (u128, u128)| {
            let tag_max = u64::MAX >> (64 - 8 * tag_bytes.clamp(1, 8) as u32);
            let (low, high) = (u64::try_from(low).ok()?, u64::try_from(high).unwrap_or(u64::MAX).min(tag_max));
            (low <= high).then(|| (low << shift, high << shift | ((1_u64 << shift) - 1)))
        };
        let earlier = layout.variants.iter().take_while(|other| !std::ptr::eq(*other, variant));
        let is_default = variant.discriminants.is_empty();
        let others: Vec<_> = if is_default { layout.variants.iter().collect() } else { earlier.collect() };
        for (low, high) in others.iter().flat_map(|other| &other.discriminants).filter_map(|range| scaled(*range)) {
            self.assembler.guard(OpCode::SkipIf, low, high)?;
        }
        if is_default {
            return Ok(());
        }
        let ranges: Vec<_> = variant.discriminants.iter().filter_map(|range| scaled(*range)).collect();
        let Some(((last_low, last_high), alternatives)) = ranges.split_last() else { return Err(Stop::Unreachable) };
        for (i, (low, high)) in alternatives.iter().enumerate() {
            let to_body = (alternatives.len() - i) as u8;
            self.assembler.emit(OpCode::SkipIf, |op| (op.a, op.b, op.skip) = (*low, *high, to_body))?;
        }
        self.assembler.guard(OpCode::SkipUnless, *last_low, *last_high)
    }

    /// `acc = ` the 8 bytes at `base`.
    fn load_word(&mut self, base: Base<'_>) -> Step {
        match self.load_bits(base, 8)? {
            0 => Ok(()),
            _ => Err(Stop::Unreachable),
        }
    }

    /// Loads the `size_bytes` at `base`; the result is how far left they are shifted, in bits.
    fn load_bits(&mut self, base: Base<'_>, size_bytes: u64) -> Result<u32, Stop> {
        let (location, offset) = match base {
            Base::Memory(address) => return self.assembler.load_memory(address, size_bytes).map(|()| 0),
            Base::Pieces { location, offset } => (location, offset),
        };
        let (piece, offset) = piece_at(location, offset, size_bytes).ok_or(Stop::Unreachable)?;
        match &piece.place {
            Place::Register(register) if register.is_readable() => {
                self.assembler.load_register_part(*register, offset, size_bytes)
            }
            Place::Memory(place) => {
                let address = self.assembler.place(place, false)?.at(offset);
                self.assembler.load_memory(address, size_bytes).map(|()| 0)
            }
            Place::Constant(value) if offset < 8 && size_bytes <= 8 => {
                let kept = u64::MAX >> (64 - 8 * size_bytes.max(1));
                self.assembler.emit(OpCode::LoadConstant, |op| op.a = value >> (8 * offset) & kept)?;
                Ok(0)
            }
            _ => Err(Stop::Unreachable),
        }
    }
}

/// The piece that holds all `size_bytes` at `offset` of the value, and where in the piece they are.
fn piece_at(location: &Location, offset: u64, size_bytes: u64) -> Option<(&Piece, u64)> {
    let mut start = 0_u64;
    for piece in &location.pieces {
        let end = start.saturating_add(piece.size_bytes);
        if offset >= start && offset.checked_add(size_bytes)? <= end {
            return Some((piece, offset - start));
        }
        start = end;
    }
    None
}
