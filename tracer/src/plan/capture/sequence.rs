//! Items one behind the other: text, arrays, slices and vectors. Each item's pointers are followed by a loop.

use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, OpCode};

use super::super::assembler::{Address, Stop};
use super::place::Base;
use super::{Compiler, Depth, Step};
use crate::value::layout::TypeId;
use crate::value::view::{Bits, Extent, Inline, Items, Part, Stretch};

impl Compiler<'_> {
    pub(super) fn text(&mut self, base: Base<'_>, stretch: Stretch) -> Step {
        let length = self.stretch(base, stretch)?;
        let (limit_bytes, chunk_bytes) = (self.limits.string_bytes_max, CHUNK_BYTES_MAX as u64);
        if limit_bytes <= chunk_bytes {
            return self.slice(length, 1, limit_bytes);
        }
        let cursor = self.assembler.reserve(2)?;
        self.assembler.save_to(cursor)?;
        self.assembler.emit(OpCode::LoadConstant, |op| op.a = limit_bytes.div_ceil(chunk_bytes))?;
        self.assembler.save_to(cursor + 1)?;
        let start = self.assembler.here();
        self.assembler.restore(cursor)?;
        self.slice(length, 1, chunk_bytes)?;
        self.assembler.restore(length)?;
        self.assembler.guard(OpCode::JumpIf, 0, chunk_bytes)?;
        self.assembler.add(chunk_bytes.wrapping_neg())?;
        self.assembler.save_to(length)?;
        self.assembler.jump(OpCode::Repeat, start, |op| (op.register, op.a) = (cursor, chunk_bytes))
    }

    pub(super) fn wide_text(&mut self, base: Base<'_>, stretch: Stretch, unit_bytes: u64) -> Step {
        let length = self.stretch(base, stretch)?;
        self.slice(length, unit_bytes as u32, self.limits.string_bytes_max.min(CHUNK_BYTES_MAX as u64))
    }

    /// Whole words, as many as there may be bits that are shown.
    pub(super) fn bits(&mut self, base: Base<'_>, bits: Bits) -> Step {
        self.load_word(base.at(bits.start.0))?;
        let start = self.assembler.save()?;
        self.load_word(base.at(bits.end.0))?;
        self.add_slot(start, 1_u64.wrapping_neg())?;
        let length = self.assembler.save()?;
        self.block(|compiler| {
            compiler.load_bits(base.at(bits.end.1), 4)?;
            compiler.assembler.guard(OpCode::JumpIf, 0, 0)?;
            compiler.assembler.restore(length)?;
            compiler.assembler.add(8)?;
            compiler.assembler.save_to(length)
        })?;
        self.assembler.restore(start)?;
        let bytes_max = (64 + self.limits.items_max).div_ceil(8);
        self.slice(length, 1, bytes_max.min(CHUNK_BYTES_MAX as u64))
    }

    /// Slot of the length, in items, or in bytes where an end is given; the accumulator is left at the start of the
    /// content.
    fn stretch(&mut self, base: Base<'_>, stretch: Stretch) -> Result<u8, Stop> {
        if let Extent::End { .. } = stretch.extent {
            self.load_word(base.at(stretch.pointer_offset))?;
            let start = self.assembler.save()?;
            self.load_word(base.at(stretch.length_offset))?;
            self.add_slot(start, 1_u64.wrapping_neg())?;
            let length = self.assembler.save()?;
            self.assembler.restore(start)?;
            return Ok(length);
        }
        self.load_word(base.at(stretch.length_offset))?;
        let length = self.assembler.save()?;
        self.load_word(base.at(stretch.pointer_offset))?;
        self.assembler.add(stretch.data_offset)?;
        Ok(length)
    }

    /// Copies as many items as the slot says, from the accumulator on.
    pub(super) fn slice(&mut self, length: u8, item_bytes: u32, limit_bytes: u64) -> Step {
        self.assembler.leaving(OpCode::CopySlice, |op| {
            (op.register, op.immediate, op.b) = (length, item_bytes, limit_bytes);
        })
    }

    pub(super) fn sequence(&mut self, base: Base<'_>, stretch: Stretch, items: Items, depth: Depth) -> Step {
        let length = self.stretch(base, stretch)?;
        match stretch.extent {
            Extent::Count => self.items(length, items, depth),
            Extent::End { .. } => self.items_within(length, items, depth),
        }
    }

    /// The items whose number the slot says, from the accumulator on.
    pub(super) fn items(&mut self, length: u8, items: Items, depth: Depth) -> Step {
        if items.stride == 0 {
            return Ok(());
        }
        let Ok(item_bytes) = u32::try_from(items.stride) else { return Err(Stop::Unreachable) };
        let items_max = self.limits.items_max;
        let bytes_max = items_max.saturating_mul(items.stride);
        let leads_further = items.parts().any(|part| self.leads_further(part.ty));
        let at_once = bytes_max <= CHUNK_BYTES_MAX as u64;
        if at_once && !leads_further {
            return self.slice(length, item_bytes, bytes_max);
        }
        let cursor = self.assembler.reserve(2)?;
        self.assembler.save_to(cursor)?;
        if at_once {
            self.slice(length, item_bytes, bytes_max)?;
        }
        self.assembler.restore(length)?;
        self.assembler.emit(OpCode::Least, |op| op.a = items_max)?;
        self.repeat(cursor, items.stride, |compiler| {
            if !at_once {
                compiler.copy(Address::Slot(cursor, 0), items.stride)?;
            }
            compiler.parts(items.parts(), Address::Slot(cursor, 0), depth)
        })
    }

    /// The items in as many bytes as the slot says, from the accumulator on.
    fn items_within(&mut self, length: u8, items: Items, depth: Depth) -> Step {
        let items_max = self.limits.items_max;
        let bytes_max = items_max.saturating_mul(items.stride);
        let leads_further = items.parts().any(|part| self.leads_further(part.ty));
        let at_once = bytes_max <= CHUNK_BYTES_MAX as u64;
        if at_once && !leads_further {
            return self.slice(length, 1, bytes_max);
        }
        let cursor = self.assembler.reserve(2)?;
        self.assembler.save_to(cursor)?;
        if at_once {
            self.slice(length, 1, bytes_max)?;
        }
        self.assembler.restore(cursor)?;
        self.add_slot(length, 1)?;
        self.assembler.save_to(length)?;
        self.assembler.emit(OpCode::LoadConstant, |op| op.a = items_max)?;
        self.assembler.save_to(cursor + 1)?;
        let start = self.assembler.here();
        self.assembler.restore(cursor)?;
        self.assembler.leaving(OpCode::JumpUnlessBelow, |op| op.register = length)?;
        self.block(|compiler| {
            if !at_once {
                compiler.copy(Address::Slot(cursor, 0), items.stride)?;
            }
            compiler.parts(items.parts(), Address::Slot(cursor, 0), depth)
        })?;
        self.assembler.jump(OpCode::Repeat, start, |op| (op.register, op.a) = (cursor, items.stride))
    }

    /// With a number in the accumulator: `body` so many times, the slot `cursor` each time `stride` bytes further.
    /// The slot behind it counts.
    pub(super) fn repeat(&mut self, cursor: u8, stride: u64, body: impl FnOnce(&mut Self) -> Step) -> Step {
        self.assembler.save_to(cursor + 1)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        let start = self.assembler.here();
        self.block(body)?;
        if self.assembler.here() == start {
            return Err(Stop::Unreachable);
        }
        self.assembler.jump(OpCode::Repeat, start, |op| (op.register, op.a) = (cursor, stride))
    }

    /// Follows the pointers of an item's parts.
    pub(super) fn parts(&mut self, parts: impl Iterator<Item = Part>, item: Address, depth: Depth) -> Step {
        for part in parts {
            self.enter(part.ty, item.at(part.offset), depth)?;
        }
        Ok(())
    }

    /// Items in place, as many as a word says, if it says no more than there is room for.
    pub(super) fn inline(&mut self, base: Base<'_>, inline: Inline, items: Items, depth: Depth) -> Step {
        if !items.parts().any(|part| self.leads_further(part.ty)) {
            return Ok(());
        }
        let Base::Memory(address) = base else { return Err(Stop::Unreachable) };
        let cursor = self.assembler.reserve(2)?;
        let displacement = self.assembler.load_base(address.at(inline.offset))?;
        self.assembler.add(displacement)?;
        self.assembler.save_to(cursor)?;
        self.assembler.load_memory(address.at(inline.length_offset), inline.length_bytes)?;
        self.assembler.guard(OpCode::JumpUnless, 1, inline.capacity)?;
        self.assembler.emit(OpCode::Least, |op| op.a = self.limits.items_max)?;
        self.repeat(cursor, items.stride, |compiler| compiler.parts(items.parts(), Address::Slot(cursor, 0), depth))
    }

    /// Items in place. Those in registers are taken one by one.
    pub(super) fn array(&mut self, base: Base<'_>, element: TypeId, count: u64, depth: Depth) -> Step {
        let stride = self.types.get(element).size_bytes;
        let count = count.min(self.limits.items_max);
        let Base::Memory(address) = base else {
            for i in 0..count {
                self.chase(element, base.at(stride.saturating_mul(i)), depth)?;
            }
            return Ok(());
        };
        let cursor = self.assembler.reserve(2)?;
        let displacement = self.assembler.load_base(address)?;
        self.assembler.add(displacement)?;
        self.assembler.save_to(cursor)?;
        self.assembler.emit(OpCode::LoadConstant, |op| op.a = count)?;
        self.repeat(cursor, stride, |compiler| compiler.enter(element, Address::Slot(cursor, 0), depth))
    }
}
