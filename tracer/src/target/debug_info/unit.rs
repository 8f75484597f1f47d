//! The units of `.debug_info`: where each lies, which addresses it covers, and its parsed header when it is needed.
//! Knows nothing of what is in a unit.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use gimli::{
    Abbreviations, DebugInfoOffset, Dwarf, DwarfSections, EndianSlice, LittleEndian, Unit, UnitHeader, UnitOffset,
};
use rayon::prelude::*;

use super::scan::{self, Scan};
use super::{DebugInfo, DebugInfoError, DieId, Language};
use crate::target::address::{LinkAddress, LinkRange};

pub(super) type Slice<'a> = EndianSlice<'a, LittleEndian>;
pub(super) type Die<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;
pub(super) type Attribute<'a> = gimli::AttributeValue<Slice<'a>>;

/// A unit's place in the file, and what was read of it.
pub(super) struct UnitEntry {
    pub(super) start: u64,
    end: u64,
    /// The signature of the type that a type unit (DWARF 5) defines, and the type's offset in the unit.
    type_signature: Option<(u64, usize)>,
    abbreviations: OnceLock<Option<Arc<Abbreviations>>>,
    scan: OnceLock<Arc<Scan>>,
}

/// An entry: index of its unit and offset in that unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Position {
    pub(super) unit: usize,
    pub(super) offset: usize,
}

/// Address ranges of units.
pub(super) struct UnitRanges(Vec<(LinkRange, usize)>);

impl UnitRanges {
    fn units_at(&self, address: LinkAddress) -> Vec<usize> {
        self.0.iter().filter(|(range, _)| range.contains(address)).map(|(_, unit)| *unit).collect()
    }
}

/// Lists the units; stops at a header that cannot be read, since nothing says where the next one is.
pub(super) fn list(sections: &DwarfSections<Cow<'_, [u8]>>) -> (Vec<UnitEntry>, Option<DebugInfoError>) {
    let dwarf = borrow(sections);
    let mut headers = dwarf.units();
    let mut units = Vec::new();
    let mut next = 0;
    loop {
        match headers.next() {
            Ok(Some(header)) => {
                let Some(start) = header.debug_info_offset() else { continue };
                next = start.0 as u64 + header.length_including_self() as u64;
                units.push(UnitEntry {
                    start: start.0 as u64,
                    end: next,
                    type_signature: match header.type_() {
                        gimli::UnitType::Type { type_signature, type_offset } => {
                            Some((type_signature.0, type_offset.0))
                        }
                        _ => None,
                    },
                    abbreviations: OnceLock::new(),
                    scan: OnceLock::new(),
                });
            }
            Ok(None) => return (units, None),
            Err(source) => return (units, Some(DebugInfoError::Header { offset: next, source })),
        }
    }
}

fn borrow<'a>(sections: &'a DwarfSections<Cow<'_, [u8]>>) -> Dwarf<Slice<'a>> {
    sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian))
}

/// One piece of work on the debug information: the sections as gimli reads them, and the units parsed so far.
pub(super) struct View<'a> {
    pub(super) info: &'a DebugInfo<'a>,
    pub(super) dwarf: Dwarf<Slice<'a>>,
    units: Vec<OnceLock<Option<Unit<Slice<'a>>>>>,
}

impl<'a> View<'a> {
    pub(super) fn new(info: &'a DebugInfo<'_>) -> Self {
        Self { info, dwarf: borrow(&info.sections), units: info.units.iter().map(|_| OnceLock::new()).collect() }
    }

    pub(super) fn header(&self, unit: usize) -> Option<UnitHeader<Slice<'a>>> {
        let entry = self.info.units.get(unit)?;
        self.dwarf.unit_header(DebugInfoOffset(entry.start as usize)).ok()
    }

    pub(super) fn abbreviations(&self, unit: usize) -> Option<Arc<Abbreviations>> {
        let entry = self.info.units.get(unit)?;
        entry
            .abbreviations
            .get_or_init(|| {
                let header = self.header(unit)?;
                self.dwarf.abbreviations(&header).map_err(|source| self.damaged(unit, source)).ok()
            })
            .clone()
    }

    /// The unit with its root entry read; a unit that cannot be read is reported once and is `None`.
    pub(super) fn unit(&self, unit: usize) -> Option<&Unit<Slice<'a>>> {
        self.units
            .get(unit)?
            .get_or_init(|| {
                let (header, abbreviations) = (self.header(unit)?, self.abbreviations(unit)?);
                Unit::new_with_abbreviations(&self.dwarf, header, abbreviations)
                    .map_err(|source| self.damaged(unit, source))
                    .ok()
            })
            .as_ref()
    }

    /// The functions and scopes of a unit, read once and kept by the debug information.
    pub(super) fn scan(&self, unit: usize) -> Arc<Scan> {
        match self.info.units.get(unit) {
            Some(entry) => entry.scan.get_or_init(|| Arc::new(scan::scan(self, unit))).clone(),
            None => Arc::default(),
        }
    }

    /// Scans all units, the largest first so that no thread is left with it at the end.
    pub(super) fn scan_all(&self) {
        let mut order: Vec<usize> = (0..self.info.units.len()).collect();
        order.sort_by_key(|&unit| {
            let entry = &self.info.units[unit];
            std::cmp::Reverse(entry.end - entry.start)
        });
        order.par_iter().with_max_len(1).for_each(|&unit| {
            self.scan(unit);
        });
    }

    pub(super) fn entry(&self, at: Position) -> Option<Die<'a>> {
        let (header, abbreviations) = (self.header(at.unit)?, self.abbreviations(at.unit)?);
        header.entry(&abbreviations, UnitOffset(at.offset)).map_err(|source| self.damaged(at.unit, source)).ok()
    }

    /// The direct children of an entry; of a damaged one those before the damage.
    pub(super) fn children(&self, at: Position) -> Vec<Die<'a>> {
        /// More members than any type has; a lying file is cut here.
        const CHILDREN_MAX: usize = 1 << 16;
        let mut found = Vec::new();
        let Some(unit) = self.unit(at.unit) else { return found };
        let Ok(mut entries) = unit.entries_raw(Some(UnitOffset(at.offset))) else { return found };
        let mut die = Die::null();
        if !matches!(entries.read_entry(&mut die), Ok(true)) || !die.has_children() {
            return found;
        }
        while !entries.is_empty() && entries.next_depth() > 0 && found.len() < CHILDREN_MAX {
            let depth = entries.next_depth();
            match entries.read_entry(&mut die) {
                Ok(true) if depth == 1 => found.push(die.clone()),
                Ok(_) => {}
                Err(source) => {
                    self.damaged(at.unit, source);
                    break;
                }
            }
        }
        found
    }

    /// The unit that holds an offset of `.debug_info`.
    pub(super) fn position(&self, offset: u64) -> Option<Position> {
        let units = &self.info.units;
        let unit = units.partition_point(|entry| entry.start <= offset).checked_sub(1)?;
        let entry = units.get(unit)?;
        (offset < entry.end).then(|| Position { unit, offset: (offset - entry.start) as usize })
    }

    pub(super) fn id(&self, at: Position) -> DieId {
        let start = self.info.units.get(at.unit).map_or(0, |entry| entry.start);
        DieId { file: 0, offset: start + at.offset as u64 }
    }

    /// Follows a reference attribute of an entry in `unit`.
    pub(super) fn reference(&self, unit: usize, value: Attribute<'_>) -> Option<Position> {
        match value {
            Attribute::UnitRef(offset) => Some(Position { unit, offset: offset.0 }),
            Attribute::DebugInfoRef(offset) => self.position(offset.0 as u64),
            Attribute::DebugTypesRef(signature) => {
                let of_signature = |entry: &UnitEntry| entry.type_signature.filter(|(value, _)| *value == signature.0);
                let unit = self.info.units.iter().position(|entry| of_signature(entry).is_some())?;
                let (_, offset) = of_signature(self.info.units.get(unit)?)?;
                Some(Position { unit, offset })
            }
            _ => None,
        }
    }

    /// A declaration names the type unit that defines it.
    pub(super) fn definition(&self, at: Position, die: &Die<'a>) -> Option<Position> {
        self.reference(at.unit, die.attr_value(gimli::DW_AT_signature)?)
    }

    /// The section of location lists.
    pub(super) fn locations(&self, is_version_5: bool) -> Slice<'a> {
        let [version_4, version_5] = &self.info.location_lists;
        EndianSlice::new(if is_version_5 { version_5 } else { version_4 }, LittleEndian)
    }

    pub(super) fn string(&self, unit: usize, value: Attribute<'a>) -> Option<Cow<'a, str>> {
        let bytes = match value {
            Attribute::DebugStrRef(offset) => self.dwarf.string(offset).ok()?,
            Attribute::String(bytes) => bytes,
            value => self.dwarf.attr_string(self.unit(unit)?, value).ok()?,
        };
        Some(bytes.to_string_lossy())
    }

    pub(super) fn name(&self, unit: usize, die: &Die<'a>) -> Option<Cow<'a, str>> {
        self.string(unit, die.attr_value(gimli::DW_AT_name)?)
    }

    pub(super) fn language(&self, unit: usize) -> Language {
        self.scan(unit).language
    }

    /// The compiler that wrote the unit, as it calls itself.
    pub(super) fn producer(&self, unit: usize) -> Option<Cow<'a, str>> {
        let root = self.entry(Position { unit, offset: self.header(unit)?.root_offset().0 })?;
        self.string(unit, root.attr_value(gimli::DW_AT_producer)?)
    }

    pub(super) fn damaged(&self, unit: usize, source: gimli::Error) {
        let offset = self.info.units.get(unit).map_or(0, |entry| entry.start);
        self.info.report(DebugInfoError::Unit { offset, source });
    }

    /// The units that may hold code at `address`: by `.debug_aranges`, or, where that knows none, by the root entries
    /// of the units that it does not list.
    pub(super) fn units_at(&self, address: LinkAddress) -> Vec<usize> {
        let listed = self.info.listed_ranges.get_or_init(|| self.read_listed_ranges());
        let found = listed.units_at(address);
        match found.is_empty() {
            true => self.info.root_ranges.get_or_init(|| self.read_root_ranges(listed)).units_at(address),
            false => found,
        }
    }

    fn read_listed_ranges(&self) -> UnitRanges {
        let mut ranges = Vec::new();
        let mut headers = self.dwarf.debug_aranges.headers();
        while let Ok(Some(header)) = headers.next() {
            let Some(at) = self.position(header.debug_info_offset().0 as u64) else { continue };
            let mut entries = header.entries();
            while let Ok(Some(entry)) = entries.next() {
                let range = entry.range();
                ranges.push((link_range(range.begin, range.end), at.unit));
            }
        }
        UnitRanges(ranges)
    }

    fn read_root_ranges(&self, listed: &UnitRanges) -> UnitRanges {
        let mut is_listed = vec![false; self.info.units.len()];
        for (_, unit) in &listed.0 {
            if let Some(listed) = is_listed.get_mut(*unit) {
                *listed = true;
            }
        }
        let missing = (0..is_listed.len()).into_par_iter().filter(|unit| is_listed.get(*unit) == Some(&false));
        let of_unit = |unit: usize| self.root_ranges(unit).into_iter().map(move |range| (range, unit));
        UnitRanges(missing.flat_map_iter(of_unit).collect())
    }

    fn root_ranges(&self, unit: usize) -> Vec<LinkRange> {
        let mut found = Vec::new();
        if let Some(unit) = self.unit(unit)
            && let Ok(mut ranges) = self.dwarf.unit_ranges(unit)
        {
            while let Ok(Some(range)) = ranges.next() {
                found.push(link_range(range.begin, range.end));
            }
        }
        found
    }
}

pub(super) fn link_range(start: u64, end: u64) -> LinkRange {
    LinkRange { start: LinkAddress(start), end: LinkAddress(end) }
}
