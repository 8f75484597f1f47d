//! The units of `.debug_info`: where each lies, which addresses it covers, and its parsed header when it is needed.
//! Knows nothing of what is in a unit.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use gimli::{
    Abbreviations, DebugInfoOffset, DebugTypes, Dwarf, DwarfSections, EndianSlice, LittleEndian, RangeIter,
    Reader as _, Section as _, Unit, UnitHeader, UnitOffset, UnitRef, UnitSectionOffset, UnitType,
};
use rayon::prelude::*;

use super::scan::{self, Scan};
use super::split::SplitHome;
use super::split_view::SplitView;
use super::{DebugInfo, DebugInfoError, DieId, Language};
use crate::target::address::{LinkAddress, LinkRange};

pub(super) type Slice<'a> = EndianSlice<'a, LittleEndian>;
pub(super) type Die<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;
pub(super) type Attribute<'a> = gimli::AttributeValue<Slice<'a>>;

/// A unit's place in the object, and what was read of it.
pub(super) struct UnitEntry {
    start: u64,
    end: u64,
    section: Section,
    abbreviations: OnceLock<Option<Arc<Abbreviations>>>,
    /// For a skeleton: where the rest is.
    pub(super) home: OnceLock<Result<SplitHome, DebugInfoError>>,
    scan: OnceLock<Arc<Scan>>,
}

/// Which section a unit is in.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Section {
    Info,
    /// `.debug_types`, of DWARF 4.
    Types,
}

/// An entry: number of its unit and offset in that unit. Units are those of the object, then the type units of split
/// files as they are met. A skeleton's number stands for the unit that it refers to, if that was found.
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
    let mut units = Vec::new();
    let mut headers = dwarf.units();
    let info = list_section(&mut units, Section::Info, || headers.next());
    let mut headers = dwarf.type_units();
    let types = list_section(&mut units, Section::Types, || headers.next());
    (units, info.or(types))
}

fn list_section<'d>(
    units: &mut Vec<UnitEntry>,
    section: Section,
    mut header: impl FnMut() -> gimli::Result<Option<UnitHeader<Slice<'d>>>>,
) -> Option<DebugInfoError> {
    let mut next = 0;
    loop {
        match header() {
            Ok(Some(header)) => {
                let (UnitSectionOffset(start), length) = (header.offset(), header.length_including_self());
                next = start as u64 + length as u64;
                units.push(UnitEntry {
                    start: start as u64,
                    end: next,
                    section,
                    abbreviations: OnceLock::new(),
                    home: OnceLock::new(),
                    scan: OnceLock::new(),
                });
            }
            Ok(None) => return None,
            Err(source) => return Some(DebugInfoError::Header { offset: next, source }),
        }
    }
}

/// The unit at an offset of a section.
pub(super) fn header_at<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    section: Section,
    offset: usize,
) -> gimli::Result<UnitHeader<Slice<'a>>> {
    match section {
        Section::Info => dwarf.unit_header(DebugInfoOffset(offset)),
        Section::Types => {
            let mut bytes = *dwarf.debug_types.reader();
            bytes.skip(offset)?;
            DebugTypes::from(bytes).units().next()?.ok_or(gimli::Error::MissingUnitDie)
        }
    }
}

/// The signature of the type that a type unit defines, and the type's offset in the unit.
pub(super) fn defined_type(header: &UnitHeader<Slice<'_>>) -> Option<(u64, usize)> {
    match header.type_() {
        UnitType::Type { type_signature, type_offset } | UnitType::SplitType { type_signature, type_offset } => {
            Some((type_signature.0, type_offset.0))
        }
        _ => None,
    }
}

fn borrow<'a>(sections: &'a DwarfSections<Cow<'_, [u8]>>) -> Dwarf<Slice<'a>> {
    sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian))
}

/// One piece of work on the debug information: the sections as gimli reads them, and the units parsed so far.
pub(super) struct View<'a> {
    pub(super) info: &'a DebugInfo<'a>,
    /// The object's own sections.
    pub(super) dwarf: Dwarf<Slice<'a>>,
    /// The object's own units, skeletons among them.
    units: Vec<OnceLock<Option<Unit<Slice<'a>>>>>,
    pub(super) split: SplitView<'a>,
}

impl<'a> View<'a> {
    pub(super) fn new(info: &'a DebugInfo<'_>) -> Self {
        let units = info.units.iter().map(|_| OnceLock::new()).collect();
        Self { info, dwarf: borrow(&info.sections), units, split: SplitView::new(info.units.len()) }
    }

    /// The sections that a unit is in.
    pub(super) fn dwarf(&self, unit: usize) -> &Dwarf<Slice<'a>> {
        self.split_unit(unit).map_or(&self.dwarf, |split| &split.dwarf)
    }

    pub(super) fn header(&self, unit: usize) -> Option<UnitHeader<Slice<'a>>> {
        match self.split_unit(unit) {
            Some(split) => Some(split.unit.header),
            None => self.own_header(unit),
        }
    }

    pub(super) fn abbreviations(&self, unit: usize) -> Option<Arc<Abbreviations>> {
        match self.split_unit(unit) {
            Some(split) => Some(Arc::clone(&split.unit.abbreviations)),
            None => self.own_abbreviations(unit),
        }
    }

    fn own_header(&self, unit: usize) -> Option<UnitHeader<Slice<'a>>> {
        let entry = self.info.units.get(unit)?;
        header_at(&self.dwarf, entry.section, entry.start as usize).ok()
    }

    fn own_abbreviations(&self, unit: usize) -> Option<Arc<Abbreviations>> {
        let entry = self.info.units.get(unit)?;
        entry
            .abbreviations
            .get_or_init(|| {
                let header = self.own_header(unit)?;
                self.dwarf.abbreviations(&header).map_err(|source| self.damaged(unit, source)).ok()
            })
            .clone()
    }

    /// The unit with its root entry read; a unit that cannot be read is reported once and is `None`.
    pub(super) fn unit(&self, unit: usize) -> Option<&Unit<Slice<'a>>> {
        match self.split_unit(unit) {
            Some(split) => Some(&split.unit),
            None => self.own_unit(unit),
        }
    }

    /// The unit that the object itself has: the skeleton, where there is one.
    pub(super) fn own_unit(&self, unit: usize) -> Option<&Unit<Slice<'a>>> {
        self.units
            .get(unit)?
            .get_or_init(|| {
                let (header, abbreviations) = (self.own_header(unit)?, self.own_abbreviations(unit)?);
                Unit::new_with_abbreviations(&self.dwarf, header, abbreviations)
                    .map_err(|source| self.damaged(unit, source))
                    .ok()
            })
            .as_ref()
    }

    /// The unit whose line table names the files of `unit`, and the sections that it is in: a skeleton keeps that of
    /// the unit that it refers to.
    pub(super) fn lines(&self, unit: usize) -> Option<UnitRef<'_, Slice<'a>>> {
        match self.own_unit(unit) {
            Some(own) => Some(UnitRef::new(&self.dwarf, own)),
            None => self.split_unit(unit).map(|split| UnitRef::new(&split.dwarf, &split.unit)),
        }
    }

    /// The functions and scopes of a unit, read once and kept by the debug information.
    pub(super) fn scan(&self, unit: usize) -> Arc<Scan> {
        let kept = match self.info.units.get(unit) {
            Some(entry) => Some(&entry.scan),
            None => self.info.split.types.get(unit - self.info.units.len()).map(|ty| &ty.scan),
        };
        kept.map_or_else(Arc::default, |kept| kept.get_or_init(|| Arc::new(scan::scan(self, unit))).clone())
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

    /// The entry of the object at an offset of `.debug_info`.
    fn position(&self, offset: u64) -> Option<Position> {
        let units = &self.info.units;
        let units = units.get(..units.partition_point(|entry| entry.section == Section::Info))?;
        let unit = units.partition_point(|entry| entry.start <= offset).checked_sub(1)?;
        let entry = units.get(unit)?;
        (offset < entry.end).then(|| Position { unit, offset: (offset - entry.start) as usize })
    }

    /// The entry that a unit knows by an offset of its `.debug_info`. In a split file that is one of the same unit.
    pub(super) fn position_from(&self, unit: usize, offset: u64) -> Option<Position> {
        let Some(split) = self.split_unit(unit) else { return self.position(offset) };
        let offset = usize::try_from(offset).ok()?.checked_sub(split.unit.header.debug_info_offset()?.0)?;
        (offset < split.unit.header.length_including_self()).then_some(Position { unit, offset })
    }

    /// The entry of an id; `None` if it is of other debug information.
    pub(super) fn at(&self, id: DieId) -> Option<Position> {
        let at = Position { unit: id.unit as usize, offset: usize::try_from(id.offset).ok()? };
        self.header(at.unit)?;
        Some(at)
    }

    pub(super) fn id(&self, at: Position) -> DieId {
        // A file has no 2^32 units: each takes more than one byte.
        DieId { unit: at.unit as u32, offset: at.offset as u64 }
    }

    /// Follows a reference attribute of an entry in `unit`.
    pub(super) fn reference(&self, unit: usize, value: Attribute<'_>) -> Option<Position> {
        match value {
            Attribute::UnitRef(offset) => Some(Position { unit, offset: offset.0 }),
            Attribute::DebugInfoRef(offset) => self.position_from(unit, offset.0 as u64),
            Attribute::DebugTypesRef(signature) => {
                let of_split = self.split_type(unit, signature.0);
                of_split.or_else(|| self.type_units().get(&signature.0).copied())
            }
            _ => None,
        }
    }

    /// The object's own type units: signature → entry of the type.
    fn type_units(&self) -> &'a HashMap<u64, Position> {
        self.info.type_units.get_or_init(|| {
            let of_unit = |unit: usize| {
                let (signature, offset) = defined_type(&self.own_header(unit)?)?;
                Some((signature, Position { unit, offset }))
            };
            (0..self.info.units.len()).filter_map(of_unit).collect()
        })
    }

    /// A declaration names the type unit that defines it.
    pub(super) fn definition(&self, at: Position, die: &Die<'a>) -> Option<Position> {
        self.reference(at.unit, die.attr_value(gimli::DW_AT_signature)?)
    }

    /// The section of a unit's location lists.
    pub(super) fn locations(&self, unit: usize) -> Slice<'a> {
        let is_version_5 = self.unit(unit).is_some_and(|unit| unit.encoding().version >= 5);
        let slice = |bytes: &'a Cow<'_, [u8]>| EndianSlice::new(bytes, LittleEndian);
        let own = || self.info.location_lists.each_ref().map(slice);
        let [version_4, version_5] = self.split_unit(unit).map_or_else(own, |split| split.locations);
        if is_version_5 { version_5 } else { version_4 }
    }

    pub(super) fn string(&self, unit: usize, value: Attribute<'a>) -> Option<Cow<'a, str>> {
        let bytes = match value {
            Attribute::DebugStrRef(offset) => self.dwarf(unit).string(offset).ok()?,
            Attribute::String(bytes) => bytes,
            value => self.dwarf(unit).attr_string(self.unit(unit)?, value).ok()?,
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
        let own = self.info.units.get(unit).filter(|_| !self.is_split(unit));
        self.info.report(match own {
            Some(entry) => DebugInfoError::Unit { offset: entry.start, source },
            None => DebugInfoError::SplitUnit { path: self.split_path(unit), source },
        });
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
        if let Some(unit) = self.own_unit(unit)
            && let Ok(root) = unit.entry(unit.header.root_offset())
            && let Ok(mut ranges) = die_ranges(&self.dwarf, unit, &root)
        {
            while let Ok(Some(range)) = ranges.next() {
                found.push(link_range(range.begin, range.end));
            }
        }
        found
    }
}

/// The code of an entry. gimli (0.34) adds a size to its start without looking: where that leaves the addresses, there
/// is no range.
pub(super) fn die_ranges<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    die: &Die<'a>,
) -> gimli::Result<RangeIter<Slice<'a>>> {
    if let Some(Attribute::Udata(size)) = die.attr_value(gimli::DW_AT_high_pc)
        && let Some(low) = die.attr_value(gimli::DW_AT_low_pc)
        && let Some(low) = dwarf.attr_address(unit, low)?
    {
        low.checked_add(size).ok_or(gimli::Error::AddressOverflow)?;
    }
    dwarf.die_ranges(unit, die)
}

pub(super) fn link_range(start: u64, end: u64) -> LinkRange {
    LinkRange { start: LinkAddress(start), end: LinkAddress(end) }
}
