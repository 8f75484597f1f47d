//! Where the stack pointer stands as it did at function entry, read from `.eh_frame`.
//! Pure: takes the section's bytes and address, and knows no files and no instructions.

use std::collections::HashMap;

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, CommonInformationEntry, EhFrame, EhFrameOffset, EndianSlice, LittleEndian,
    UnwindContext, UnwindSection, X86_64,
};

use crate::target::address::{LinkAddress, LinkRange};
use crate::value::place::Register;

type Bytes<'d> = EndianSlice<'d, LittleEndian>;

/// How deep the stack is at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The canonical frame address is `rsp + 8`: the return address is on top, as at the function's entry.
    Entry,
    /// Below: something was pushed, or the frame is addressed in another way.
    Below,
    /// No unwind information covers the instruction.
    Unknown,
}

/// Where the frame is at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRow {
    /// The canonical frame address: what a register holds, plus bytes.
    pub cfa: (Register, i64),
    /// Whether most of the code around has the same rule: the prologue is over, the epilogue has not begun.
    pub is_usual: bool,
}

/// An index of an object's unwind information.
pub struct UnwindRows<'d> {
    section: EhFrame<Bytes<'d>>,
    bases: BaseAddresses,
    /// Sorted by start; not overlapping in a sane file.
    frames: Vec<Frame>,
}

struct Frame {
    range: LinkRange,
    offset: usize,
}

/// Memory that evaluating unwind rows reuses; one for each thread.
#[derive(Default)]
pub struct UnwindScratch {
    context: UnwindContext<usize>,
    /// The frame whose rows `at_entry` holds.
    evaluated: Option<LinkRange>,
    at_entry: Vec<LinkRange>,
}

impl<'d> UnwindRows<'d> {
    /// Indexes `.eh_frame`, whose bytes lie at `address`. Entries after a damaged one are left out: what they
    /// describe is then [`Depth::Unknown`].
    pub fn new(eh_frame: &'d [u8], address: LinkAddress) -> Self {
        let mut section = EhFrame::new(eh_frame, LittleEndian);
        section.set_address_size(8);
        let bases = BaseAddresses::default().set_eh_frame(address.0);
        let mut frames = index(&section, &bases);
        frames.sort_unstable_by_key(|frame| frame.range);
        UnwindRows { section, bases, frames }
    }

    /// How many functions or parts of functions the section describes.
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// The depth at the instruction at `pc`. Cheap for rising addresses within one function.
    pub fn depth(&self, pc: LinkAddress, scratch: &mut UnwindScratch) -> Depth {
        let covered = scratch.evaluated.is_some_and(|range| range.contains(pc));
        if !covered && !self.evaluate(pc, scratch) {
            return Depth::Unknown;
        }
        let after = scratch.at_entry.partition_point(|range| range.start <= pc);
        match after.checked_sub(1).and_then(|at| scratch.at_entry.get(at)) {
            Some(range) if range.contains(pc) => Depth::Entry,
            _ => Depth::Below,
        }
    }

    /// The frame at the instruction at `pc`; `None` if nothing describes it, or not as a register and an offset.
    pub fn frame(&self, pc: LinkAddress, scratch: &mut UnwindScratch) -> Option<FrameRow> {
        let after = self.frames.partition_point(|frame| frame.range.start <= pc);
        let frame = self.frames.get(after.checked_sub(1)?).filter(|frame| frame.range.contains(pc))?;
        let entry = self.section.fde_from_offset(&self.bases, EhFrameOffset(frame.offset), EhFrame::cie_from_offset);
        let entry = entry.ok()?;
        let mut rows = entry.rows(&self.section, &self.bases, &mut scratch.context).ok()?;
        let mut there = None;
        let mut sizes: HashMap<(Register, i64), u64> = HashMap::new();
        while let Ok(Some(row)) = rows.next_row() {
            let CfaRule::RegisterAndOffset { register: gimli::Register(number @ 0..=15), offset } = *row.cfa() else {
                continue;
            };
            let cfa = (Register(number as u8), offset);
            let (start, end) = (row.start_address(), row.end_address());
            *sizes.entry(cfa).or_default() += end.saturating_sub(start);
            if (start..end).contains(&pc.0) {
                there = Some(cfa);
            }
        }
        let cfa = there?;
        let most = sizes.values().max().copied();
        Some(FrameRow { cfa, is_usual: sizes.get(&cfa).copied() == most })
    }

    /// Fills `scratch` with the rows of the frame around `pc`; false if there is none that can be read.
    fn evaluate(&self, pc: LinkAddress, scratch: &mut UnwindScratch) -> bool {
        scratch.evaluated = None;
        scratch.at_entry.clear();
        let after = self.frames.partition_point(|frame| frame.range.start <= pc);
        let Some(frame) = after.checked_sub(1).and_then(|at| self.frames.get(at)) else { return false };
        if !frame.range.contains(pc) || self.rows(frame, scratch).is_err() {
            return false;
        }
        scratch.evaluated = Some(frame.range);
        true
    }

    fn rows(&self, frame: &Frame, scratch: &mut UnwindScratch) -> gimli::Result<()> {
        let entry = self.section.fde_from_offset(&self.bases, EhFrameOffset(frame.offset), EhFrame::cie_from_offset)?;
        let mut rows = entry.rows(&self.section, &self.bases, &mut scratch.context)?;
        while let Some(row) = rows.next_row()? {
            let at_entry = matches!(row.cfa(), CfaRule::RegisterAndOffset { register: X86_64::RSP, offset: 8 });
            if at_entry {
                let (start, end) = (LinkAddress(row.start_address()), LinkAddress(row.end_address()));
                scratch.at_entry.push(LinkRange { start, end });
            }
        }
        Ok(())
    }
}

fn index<'d>(section: &EhFrame<Bytes<'d>>, bases: &BaseAddresses) -> Vec<Frame> {
    let mut frames = Vec::new();
    // Runs of entries share their common part: parse it once.
    let mut last: Option<(EhFrameOffset, CommonInformationEntry<Bytes<'d>>)> = None;
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let parsed = partial.parse(|section, bases, offset| match &last {
            Some((known, common)) if *known == offset => Ok(common.clone()),
            _ => {
                let common = section.cie_from_offset(bases, offset)?;
                last = Some((offset, common.clone()));
                Ok(common)
            }
        });
        // A function that the linker dropped keeps an entry at address 0.
        if let Ok(fde) = parsed
            && fde.initial_address() != 0
            && fde.len() != 0
        {
            let range = LinkRange { start: LinkAddress(fde.initial_address()), end: LinkAddress(fde.end_address()) };
            frames.push(Frame { range, offset: fde.offset() });
        }
    }
    frames
}
