//! One object's unwind information: from an address to the rules that lead to the caller's registers.
//! `.eh_frame` first, which every program has that can throw or panic, then `.debug_frame`.

use std::cell::OnceCell;

use gimli::{
    BaseAddresses, CieOrFde, DebugFrame, EhFrame, EhFrameHdr, EndianSlice, FrameDescriptionEntry, LittleEndian,
    ParsedEhFrameHdr, UnwindContext, UnwindSection,
};

use crate::target::address::{LinkAddress, LinkRange};
use crate::target::files::Files;
use crate::target::image::Image;

pub(super) type Bytes<'d> = EndianSlice<'d, LittleEndian>;

/// Unwind information, found by address.
pub(super) struct Table<'data> {
    bases: BaseAddresses,
    eh_frame: Option<EhFrame<Bytes<'data>>>,
    /// The linker's sorted index of `.eh_frame`.
    header: Option<ParsedEhFrameHdr<Bytes<'data>>>,
    /// Our own, for an object without that one.
    eh_frame_index: OnceCell<Vec<(LinkRange, usize)>>,
    debug_frame: Option<DebugFrame<Bytes<'data>>>,
    debug_frame_index: OnceCell<Vec<(LinkRange, usize)>>,
}

/// Takes the rules at an address, with the section that their expressions lie in.
pub(super) trait Follow {
    type Output;

    fn follow<'d, S: UnwindSection<Bytes<'d>>>(
        &mut self,
        section: &S,
        entry: &FrameDescriptionEntry<Bytes<'d>>,
        row: &gimli::UnwindTableRow<usize>,
    ) -> Self::Output;
}

impl<'data> Table<'data> {
    pub(super) fn of(image: &Image<'data>, files: &'data Files) -> Self {
        let mut bases = BaseAddresses::default();
        let mut header = None;
        let loaded = |name: &str| {
            let range = image.object.section_range(name)?;
            Some((image.object.bytes_in(range)?, range.start))
        };
        let mut eh_frame = loaded(".eh_frame");
        if let Some((bytes, address)) = loaded(".eh_frame_hdr").or_else(|| image.object.eh_frame_header()) {
            bases = bases.set_eh_frame_hdr(address.0);
            header = EhFrameHdr::new(bytes, LittleEndian).parse(&bases, 8).ok();
            if eh_frame.is_none() {
                let start = header.as_ref().and_then(|header| header.eh_frame_ptr().direct().ok()).map(LinkAddress);
                eh_frame = start.and_then(|start| Some((image.object.bytes_from(start)?, start)));
            }
        }
        let eh_frame = eh_frame.map(|(bytes, address)| {
            bases = bases.clone().set_eh_frame(address.0);
            let mut section = EhFrame::new(bytes, LittleEndian);
            section.set_address_size(8);
            section
        });
        if let Some(text) = image.object.section_range(".text") {
            bases = bases.set_text(text.start.0);
        }
        let debug_frame = image.unloaded_section(".debug_frame", files).map(|bytes| {
            let mut section = DebugFrame::new(bytes, LittleEndian);
            section.set_address_size(8);
            section
        });
        Self {
            bases,
            eh_frame,
            header,
            eh_frame_index: OnceCell::new(),
            debug_frame,
            debug_frame_index: OnceCell::new(),
        }
    }

    /// Follows the rules at `pc`; `None` if no unwind information covers it.
    pub(super) fn at<F: Follow>(
        &self,
        pc: LinkAddress,
        context: &mut UnwindContext<usize>,
        follow: &mut F,
    ) -> Option<F::Output> {
        if let Some(section) = &self.eh_frame
            && let Some(entry) = self.eh_frame_entry(section, pc)
        {
            return self.follow(section, &entry, pc, context, follow);
        }
        let section = self.debug_frame.as_ref()?;
        let index = self.debug_frame_index.get_or_init(|| index(section, &self.bases));
        let offset = find(index, pc)?;
        let entry = section.fde_from_offset(&self.bases, offset.into(), DebugFrame::cie_from_offset).ok()?;
        self.follow(section, &entry, pc, context, follow)
    }

    fn follow<S: UnwindSection<Bytes<'data>>, F: Follow>(
        &self,
        section: &S,
        entry: &FrameDescriptionEntry<Bytes<'data>>,
        pc: LinkAddress,
        context: &mut UnwindContext<usize>,
        follow: &mut F,
    ) -> Option<F::Output> {
        let row = entry.unwind_info_for_address(section, &self.bases, context, pc.0).ok()?;
        Some(follow.follow(section, entry, row))
    }

    fn eh_frame_entry(
        &self,
        section: &EhFrame<Bytes<'data>>,
        pc: LinkAddress,
    ) -> Option<FrameDescriptionEntry<Bytes<'data>>> {
        if let Some(table) = self.header.as_ref().and_then(ParsedEhFrameHdr::table) {
            let entry = table.fde_for_address(section, &self.bases, pc.0, EhFrame::cie_from_offset).ok();
            return entry.filter(|entry| entry.contains(pc.0));
        }
        let index = self.eh_frame_index.get_or_init(|| index(section, &self.bases));
        let offset = find(index, pc)?;
        section.fde_from_offset(&self.bases, offset.into(), EhFrame::cie_from_offset).ok()
    }
}

fn find(index: &[(LinkRange, usize)], pc: LinkAddress) -> Option<usize> {
    let after = index.partition_point(|(range, _)| range.start <= pc);
    let (range, offset) = index.get(after.checked_sub(1)?)?;
    range.contains(pc).then_some(*offset)
}

/// The entries of a section by address, up to the first damaged one.
fn index<'d, S: UnwindSection<Bytes<'d>>>(section: &S, bases: &BaseAddresses) -> Vec<(LinkRange, usize)> {
    let mut found = Vec::new();
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        // A function that the linker dropped keeps an entry at address 0.
        if let Ok(entry) = partial.parse(S::cie_from_offset)
            && entry.initial_address() > 1
            && entry.len() != 0
        {
            let range =
                LinkRange { start: LinkAddress(entry.initial_address()), end: LinkAddress(entry.end_address()) };
            found.push((range, entry.offset()));
        }
    }
    found.sort_unstable();
    found
}
