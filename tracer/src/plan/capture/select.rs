//! The variants of an enum: what the active one's pointers lead to.

use tracer_ebpf::abi::plan::OpCode;

use super::super::assembler::Stop;
use super::place::Base;
use super::{Compiler, Depth, Step};
use crate::value::layout::{Enum, Field, TypeId, Variant};
use crate::value::view::{Alternative, Choice};

impl Compiler<'_> {
    /// What the variant's pointers lead to, if the tag says that it is active.
    pub(super) fn variant(
        &mut self,
        owner: TypeId,
        layout: &Enum,
        variant: &Variant,
        base: Base<'_>,
        depth: Depth,
    ) -> Step {
        let is_followed = |field: &&Field| field.bits.is_none() && !self.masks(owner, field);
        let fields: Vec<&Field> = variant.fields.iter().filter(is_followed).collect();
        if !fields.iter().any(|field| self.leads_further(field.ty)) {
            return Ok(());
        }
        if let Some(tag) = layout.tag {
            let shift = self.load_bits(base.at(tag.offset), tag.size_bytes)?;
            self.select(layout, variant, tag.size_bytes, shift)?;
        }
        let guarded = self.assembler.len();
        for field in fields {
            self.chase(field.ty, base.at(field.offset), depth)?;
        }
        if self.assembler.len() == guarded { Err(Stop::Unreachable) } else { Ok(()) }
    }

    /// What an alternative's pointers lead to, if the number says that it is there.
    pub(super) fn alternative(
        &mut self,
        choice: &Choice,
        alternative: &Alternative,
        base: Base<'_>,
        depth: Depth,
    ) -> Step {
        let Some(content) = alternative.content.filter(|content| self.leads_further(content.ty)) else { return Ok(()) };
        let shift = self.load_bits(base.at(choice.tag_offset), choice.tag_bytes)?;
        let tag_max = u64::MAX >> (64 - 8 * choice.tag_bytes.clamp(1, 8) as u32);
        let (low, high) = (alternative.low, alternative.high.min(tag_max));
        self.assembler.guard(OpCode::JumpUnless, low << shift, high << shift | ((1_u64 << shift) - 1))?;
        let guarded = self.assembler.len();
        self.chase(content.ty, base.at(content.offset), depth)?;
        if self.assembler.len() == guarded { Err(Stop::Unreachable) } else { Ok(()) }
    }

    /// Leaves the block unless the accumulator, a tag shifted left by `shift` bits, selects the variant, as
    /// [`Enum::active`] has it.
    pub(super) fn select(&mut self, layout: &Enum, variant: &Variant, tag_bytes: u64, shift: u32) -> Step {
        let scaled = |(low, high): (u128, u128)| {
            let tag_max = u64::MAX >> (64 - 8 * tag_bytes.clamp(1, 8) as u32);
            let (low, high) = (u64::try_from(low).ok()?, u64::try_from(high).unwrap_or(u64::MAX).min(tag_max));
            (low <= high).then(|| (low << shift, high << shift | ((1_u64 << shift) - 1)))
        };
        let earlier = layout.variants.iter().take_while(|other| !std::ptr::eq(*other, variant));
        let is_default = variant.discriminants.is_empty();
        let others: Vec<_> = if is_default { layout.variants.iter().collect() } else { earlier.collect() };
        for (low, high) in others.iter().flat_map(|other| &other.discriminants).filter_map(|range| scaled(*range)) {
            self.assembler.guard(OpCode::JumpIf, low, high)?;
        }
        if is_default {
            return Ok(());
        }
        let ranges: Vec<_> = variant.discriminants.iter().filter_map(|range| scaled(*range)).collect();
        let Some(((last_low, last_high), alternatives)) = ranges.split_last() else { return Err(Stop::Unreachable) };
        for (i, (low, high)) in alternatives.iter().enumerate() {
            let body = self.assembler.here() + (alternatives.len() - i) as u16 + 1;
            self.assembler.jump(OpCode::JumpIf, body, |op| (op.a, op.b) = (*low, *high))?;
        }
        self.assembler.guard(OpCode::JumpUnless, *last_low, *last_high)
    }
}
