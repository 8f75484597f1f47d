//! One linear pass over a unit: its functions, its inlined copies, and which scope each function and type is in.
//! Resolves no names and no locations: that is done for the few entries that somebody asks for.

use gimli::constants as dw;
use gimli::{Abbreviation, EntriesRaw};

use super::Language;
use super::unit::{Attribute, Slice, View};

/// What one unit holds. Offsets are relative to the unit.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) language: Language,
    /// Namespaces, types and functions in order of their offsets.
    pub(super) scopes: Vec<Scope>,
    pub(super) functions: Vec<FunctionEntry>,
    /// Where functions that are in one part start, rising, with their index.
    starts: Vec<(u64, u32)>,
    /// Indices of the others that have code.
    in_parts: Vec<u32>,
    pub(super) inlined: Vec<InlinedEntry>,
    pub(super) parameters: usize,
    pub(super) has_lines: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) offset: u32,
    /// Index of the enclosing scope.
    pub(super) parent: Option<u32>,
}

/// A `DW_TAG_subprogram`.
#[derive(Clone, Copy, Default)]
pub(super) struct FunctionEntry {
    pub(super) offset: u32,
    code: Code,
    pub(super) is_abstract: bool,
    /// The entry that this one completes: `DW_AT_abstract_origin` or `DW_AT_specification`.
    pub(super) origin: Option<Reference>,
    pub(super) name: Text,
    pub(super) linkage_name: Text,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Code {
    #[default]
    None,
    /// Has code; where it starts, if it is in one part.
    Some { low: Option<u64> },
    /// The linker dropped it.
    Dead,
}

/// A string attribute as it is kept: its place, or read the entry again.
#[derive(Clone, Copy, Default)]
pub(super) enum Text {
    #[default]
    None,
    DebugStr(u32),
    /// An index into the unit's part of `.debug_str_offsets`.
    Indexed(u32),
    InEntry,
}

/// A `DW_TAG_inlined_subroutine`.
#[derive(Clone, Copy)]
pub(super) struct InlinedEntry {
    pub(super) offset: u32,
    pub(super) origin: Reference,
}

/// A reference to another entry: in the same unit or anywhere in `.debug_info`.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Reference {
    Unit(u32),
    Info(u64),
}

impl FunctionEntry {
    pub(super) fn has_code(&self) -> bool {
        matches!(self.code, Code::Some { .. })
    }

    fn low(&self) -> Option<u64> {
        match self.code {
            Code::Some { low } => low,
            Code::None | Code::Dead => None,
        }
    }
}

impl Scan {
    pub(super) fn function(&self, offset: usize) -> Option<&FunctionEntry> {
        let offset = u32::try_from(offset).ok()?;
        let index = self.functions.binary_search_by_key(&offset, |function| function.offset).ok()?;
        self.functions.get(index)
    }

    /// The functions that may hold `address`: those that start closest below it, then those in several parts.
    pub(super) fn near(&self, address: u64) -> impl Iterator<Item = &FunctionEntry> {
        let below = self.starts.get(..self.starts.partition_point(|(start, _)| *start <= address)).unwrap_or_default();
        let closest = below.last().map(|(start, _)| *start);
        let starting = below.iter().rev().take_while(move |(start, _)| Some(*start) == closest);
        let in_parts = self.in_parts.iter().rev();
        let indices = starting.map(|(_, index)| index).chain(in_parts);
        indices.filter_map(|index| self.functions.get(*index as usize))
    }

    fn index_starts(&mut self) {
        for (index, function) in (0..).zip(&self.functions) {
            match function.low() {
                Some(low) => self.starts.push((low, index)),
                None if function.has_code() => self.in_parts.push(index),
                None => {}
            }
        }
        self.starts.sort_unstable();
    }

    /// The offset of the scope around an entry that is a scope itself.
    pub(super) fn enclosing(&self, offset: usize) -> Option<usize> {
        let offset = u32::try_from(offset).ok()?;
        let index = self.scopes.binary_search_by_key(&offset, |scope| scope.offset).ok()?;
        let parent = self.scopes.get(index)?.parent?;
        Some(self.scopes.get(parent as usize)?.offset as usize)
    }
}

/// Reads a unit; what comes before a damaged entry is kept, and the damage is reported.
pub(super) fn scan(view: &View<'_>, unit: usize) -> Scan {
    let mut scan = Scan::default();
    let (Some(header), Some(abbreviations)) = (view.header(unit), view.abbreviations(unit)) else { return scan };
    // Unit-relative offsets are kept in 32 bits; no compiler writes a unit of 4 GiB.
    if u32::try_from(header.length_including_self()).is_err() {
        view.damaged(unit, gimli::Error::UnsupportedOffset);
        return scan;
    }
    let result = header
        .entries_raw(&abbreviations, None)
        .and_then(|entries| Pass { view, unit, scan: &mut scan, entries, enclosing: Vec::new(), dead: None }.run());
    if let Err(source) = result {
        view.damaged(unit, source);
    }
    scan.index_starts();
    scan
}

struct Pass<'s, 'abbrev, 'a> {
    view: &'s View<'a>,
    unit: usize,
    scan: &'s mut Scan,
    entries: EntriesRaw<'abbrev, Slice<'a>>,
    /// Depth and index of the scopes that the current entry is in.
    enclosing: Vec<(isize, u32)>,
    /// Depth of the dropped function that the current entry is in.
    dead: Option<isize>,
}

impl<'abbrev> Pass<'_, 'abbrev, '_> {
    fn run(&mut self) -> gimli::Result<()> {
        while !self.entries.is_empty() {
            let (offset, depth) = (self.entries.next_offset().0 as u32, self.entries.next_depth());
            let Some(abbreviation) = self.entries.read_abbreviation()? else { continue };
            while self.enclosing.last().is_some_and(|(scope_depth, _)| *scope_depth >= depth) {
                self.enclosing.pop();
            }
            if self.dead.is_some_and(|dead| dead >= depth) {
                self.dead = None;
            }
            match abbreviation.tag() {
                dw::DW_TAG_subprogram => self.function(abbreviation, offset, depth)?,
                dw::DW_TAG_inlined_subroutine => self.inlined(abbreviation, offset)?,
                dw::DW_TAG_compile_unit | dw::DW_TAG_partial_unit | dw::DW_TAG_skeleton_unit | dw::DW_TAG_type_unit => {
                    self.root(abbreviation)?
                }
                tag => {
                    if tag == dw::DW_TAG_formal_parameter {
                        self.scan.parameters += 1;
                    } else if is_scope(tag) {
                        self.enter(offset, depth);
                    }
                    self.entries.skip_attributes(abbreviation.attributes())?;
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, offset: u32, depth: isize) {
        let index = self.scan.scopes.len() as u32;
        self.scan.scopes.push(Scope { offset, parent: self.enclosing.last().map(|(_, index)| *index) });
        self.enclosing.push((depth, index));
    }

    fn root(&mut self, abbreviation: &'abbrev Abbreviation) -> gimli::Result<()> {
        for spec in abbreviation.attributes() {
            let attribute = self.entries.read_attribute(*spec)?;
            match (attribute.name(), attribute.value()) {
                (dw::DW_AT_language, Attribute::Language(language)) => self.scan.language = language.into(),
                (dw::DW_AT_stmt_list, _) => self.scan.has_lines = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn function(&mut self, abbreviation: &'abbrev Abbreviation, offset: u32, depth: isize) -> gimli::Result<()> {
        self.enter(offset, depth);
        let mut function = FunctionEntry { offset, ..FunctionEntry::default() };
        for spec in abbreviation.attributes() {
            let attribute = self.entries.read_attribute_inline(*spec)?;
            match attribute.name() {
                dw::DW_AT_low_pc => function.code = self.code_at(attribute.raw_value()),
                dw::DW_AT_ranges => function.code = Code::Some { low: None },
                dw::DW_AT_inline => {
                    function.is_abstract = matches!(
                        attribute.value(),
                        Attribute::Inline(dw::DW_INL_inlined | dw::DW_INL_declared_inlined)
                    );
                }
                dw::DW_AT_abstract_origin | dw::DW_AT_specification => {
                    function.origin = reference(attribute.raw_value())
                }
                dw::DW_AT_name => function.name = text(attribute.raw_value()),
                dw::DW_AT_linkage_name | dw::DW_AT_MIPS_linkage_name => {
                    function.linkage_name = text(attribute.raw_value())
                }
                _ => {}
            }
        }
        if function.code == Code::Dead && self.dead.is_none() {
            self.dead = Some(depth);
        }
        self.scan.functions.push(function);
        Ok(())
    }

    /// Linkers write 0 or 1 as the address of code that they dropped (lld -1 or -2).
    fn code_at(&self, low: Attribute<'_>) -> Code {
        let low = match low {
            Attribute::Addr(low) => Some(low),
            Attribute::DebugAddrIndex(index) => {
                self.view.unit(self.unit).and_then(|unit| self.view.dwarf(self.unit).address(unit, index).ok())
            }
            _ => None,
        };
        match low {
            Some(0 | 1 | 0xffff_ffff_ffff_fffe..) => Code::Dead,
            low => Code::Some { low },
        }
    }

    fn inlined(&mut self, abbreviation: &'abbrev Abbreviation, offset: u32) -> gimli::Result<()> {
        let attributes = abbreviation.attributes();
        let origin = attributes.iter().position(|spec| spec.name() == dw::DW_AT_abstract_origin);
        let (Some(origin), None) = (origin, self.dead) else { return self.entries.skip_attributes(attributes) };
        let (before, rest) = attributes.split_at(origin);
        self.entries.skip_attributes(before)?;
        if let Some((spec, after)) = rest.split_first() {
            let attribute = self.entries.read_attribute_inline(*spec)?;
            if let Some(origin) = reference(attribute.raw_value()) {
                self.scan.inlined.push(InlinedEntry { offset, origin });
            }
            self.entries.skip_attributes(after)?;
        }
        Ok(())
    }
}

pub(super) fn is_scope(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_namespace
            | dw::DW_TAG_module
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_interface_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_typedef
    )
}

fn reference(value: Attribute<'_>) -> Option<Reference> {
    match value {
        Attribute::UnitRef(offset) => Some(Reference::Unit(u32::try_from(offset.0).ok()?)),
        Attribute::DebugInfoRef(offset) => Some(Reference::Info(offset.0 as u64)),
        _ => None,
    }
}

fn text(value: Attribute<'_>) -> Text {
    match value {
        Attribute::DebugStrRef(offset) => u32::try_from(offset.0).map_or(Text::InEntry, Text::DebugStr),
        Attribute::DebugStrOffsetsIndex(index) => u32::try_from(index.0).map_or(Text::InEntry, Text::Indexed),
        _ => Text::InEntry,
    }
}
