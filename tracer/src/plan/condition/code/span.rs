//! Items between two addresses: their number, and one of them. Nothing divides: what is compared is bytes.

use tracer_ebpf::abi::plan::OpCode;

use super::super::ranges::Ranges;
use super::{Code, Here, Label};
use crate::plan::expression::error::Mistake;
use crate::value::view::{Extent, Stretch};

impl Code<'_> {
    /// Where element `index` is, if its last byte is in front of the end.
    pub(super) fn element_before_end(
        &mut self,
        here: Here<'_>,
        stretch: &Stretch,
        stride: u64,
        index: u64,
        fails: Label,
    ) -> Result<Here<'static>, Mistake> {
        self.word(here.at(stretch.length_offset), fails)?;
        let end = self.save()?;
        self.word(here.at(stretch.pointer_offset), fails)?;
        let start = self.save()?;
        let last = stride.wrapping_mul(index.saturating_add(1)).wrapping_sub(1);
        self.emit(OpCode::Add, |op| op.a = last);
        self.jump(OpCode::JumpUnlessBelow, fails, |op| op.register = end);
        Ok(Here::Slot(start, stride.wrapping_mul(index)))
    }

    /// Whether the number of items is an accepted one.
    pub(super) fn distance(
        &mut self,
        here: Here<'_>,
        stretch: &Stretch,
        accepted: &Ranges,
        [holds, fails, next]: [Label; 3],
    ) -> Result<(), Mistake> {
        let Extent::End { item_bytes } = stretch.extent else { return Err(Mistake::NotInKernel("it has no end")) };
        self.word(here.at(stretch.pointer_offset), fails)?;
        let start = self.save()?;
        self.word(here.at(stretch.length_offset), fails)?;
        self.emit(OpCode::AddSlot, |op| (op.register, op.a) = (start, 1_u64.wrapping_neg()));
        // What ends before it starts has no length, and no object is larger.
        self.jump(OpCode::JumpUnless, fails, |op| op.b = i64::MAX as u64);
        let bytes = accepted.ranges.iter().map(|(low, high)| {
            let last = high.saturating_mul(item_bytes).saturating_add(item_bytes.saturating_sub(1));
            (low.saturating_mul(item_bytes), last)
        });
        self.accept(&Ranges::new(64, bytes.collect::<Vec<_>>()), 0, holds, fails, next);
        Ok(())
    }
}
