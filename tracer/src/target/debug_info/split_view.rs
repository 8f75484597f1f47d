//! The units of split files as one piece of work sees them: parsed when they are first asked for, with what they share
//! with their skeletons.

use std::path::PathBuf;
use std::sync::OnceLock;

use gimli::{Dwarf, DwarfPackage, Unit, UnitHeader, UnitIndexSectionIterator};

use super::DebugInfoError;
use super::split::{Package, SplitFile, SplitHome, SplitKind, locations};
use super::unit::{Position, Section, Slice, View, defined_type, header_at};
use crate::target::growing::Growing;

/// A unit in a split file, ready to be read.
pub(super) struct SplitUnit<'a> {
    pub(super) dwarf: Dwarf<Slice<'a>>,
    pub(super) unit: Unit<Slice<'a>>,
    /// `.debug_loc.dwo` and `.debug_loclists.dwo`, as the unit's offsets count in them.
    pub(super) locations: [Slice<'a>; 2],
}

/// What is parsed of split files.
pub(super) struct SplitView<'a> {
    package: OnceLock<Option<DwarfPackage<Slice<'a>>>>,
    /// By the number of the skeleton.
    units: Vec<OnceLock<Option<Box<SplitUnit<'a>>>>>,
    /// Type units, in the order in which the debug information met them.
    types: Growing<Option<Box<SplitUnit<'a>>>>,
}

impl SplitView<'_> {
    pub(super) fn new(units: usize) -> Self {
        let units = std::iter::repeat_with(OnceLock::new).take(units).collect();
        Self { package: OnceLock::new(), units, types: Growing::default() }
    }
}

impl<'a> View<'a> {
    /// The unit of a split file that has this number; `None` for one that the object has itself, and for a skeleton
    /// whose file was not found.
    pub(super) fn split_unit(&self, unit: usize) -> Option<&SplitUnit<'a>> {
        let slot = match self.split.units.get(unit) {
            Some(slot) => {
                self.own_unit(unit)?.dwo_id?;
                slot
            }
            None => {
                let index = unit - self.split.units.len();
                self.info.split.types.get(index)?;
                self.split.types.slot(index)
            }
        };
        slot.get_or_init(|| self.load(unit).map(Box::new)).as_deref()
    }

    /// Whether a unit was found in a split file; looks for none.
    pub(super) fn is_split(&self, unit: usize) -> bool {
        self.split.units.get(unit).is_none_or(|slot| slot.get().is_some_and(Option::is_some))
    }

    /// The file that the unit of a split file is in.
    pub(super) fn split_path(&self, unit: usize) -> PathBuf {
        self.home(unit).map(|home| home.path().to_owned()).unwrap_or_default()
    }

    /// The entry of a type that a unit of a split file names by its signature.
    pub(super) fn split_type(&self, unit: usize, signature: u64) -> Option<Position> {
        self.split_unit(unit)?;
        let skeleton = self.skeleton(unit)?;
        let exists = || match &self.home(skeleton).map(|home| &home.file) {
            Some(SplitKind::File(file, _)) => file.types.contains_key(&signature),
            Some(SplitKind::Package(package)) => {
                self.package(package).is_ok_and(|p| p.tu_index.find(signature).is_some())
            }
            None => false,
        };
        let unit = self.split.units.len() + self.info.split.type_number(signature, skeleton, exists)?;
        let (_, offset) = defined_type(&self.split_unit(unit)?.unit.header)?;
        Some(Position { unit, offset })
    }

    /// The skeleton itself; for a type unit of a split file the one that it was met by.
    fn skeleton(&self, unit: usize) -> Option<usize> {
        match unit.checked_sub(self.split.units.len()) {
            Some(ty) => Some(self.info.split.types.get(ty)?.skeleton),
            None => Some(unit),
        }
    }

    fn home(&self, unit: usize) -> Option<&'a SplitHome> {
        let skeleton = self.skeleton(unit)?;
        let info = self.info;
        info.units.get(skeleton)?.home.get_or_init(|| self.find_home(skeleton)).as_ref().ok()
    }

    fn find_home(&self, skeleton: usize) -> Result<SplitHome, DebugInfoError> {
        let name = || {
            let own = self.own_unit(skeleton)?;
            let root = own.entry(own.header.root_offset()).ok()?;
            let name = root.attr_value(gimli::DW_AT_dwo_name).or_else(|| root.attr_value(gimli::DW_AT_GNU_dwo_name))?;
            let name = self.dwarf.attr_string(own, name).ok()?;
            Some((own.dwo_id?, own.comp_dir.map(|directory| directory.slice()).unwrap_or_default(), name.slice()))
        };
        let (id, directory, name) = name().ok_or(DebugInfoError::SplitMissing { path: PathBuf::new() })?;
        self.info.split.home(id, directory, name).inspect_err(|problem| self.info.report(problem.clone()))
    }

    fn package(&self, package: &'a Package) -> gimli::Result<&DwarfPackage<Slice<'a>>> {
        self.split.package.get_or_init(|| package.borrow()).as_ref().ok_or(gimli::Error::MissingUnitDie)
    }

    fn load(&self, unit: usize) -> Option<SplitUnit<'a>> {
        let home = self.home(unit)?;
        let loaded = match unit.checked_sub(self.split.units.len()) {
            Some(ty) => self.load_type(self.info.split.types.get(ty)?.signature, home),
            None => self.load_unit(self.own_unit(unit)?, home),
        };
        let failed = |source| self.info.report(DebugInfoError::SplitUnit { path: home.path().to_owned(), source });
        loaded.map_err(failed).ok()
    }

    fn load_unit(&self, own: &Unit<Slice<'a>>, home: &'a SplitHome) -> gimli::Result<SplitUnit<'a>> {
        let mut split = match &home.file {
            SplitKind::File(file, offset) => self.of_file(file, Section::Info, *offset)?,
            SplitKind::Package(package) => {
                let package = self.package(package)?;
                let row = package.cu_index.find(home.id.0).ok_or(gimli::Error::MissingUnitDie)?;
                self.of_package(package, || package.cu_index.sections(row), |dwarf| dwarf.units().next())?
            }
        };
        split.unit.copy_relocated_attributes(own);
        Ok(split)
    }

    fn load_type(&self, signature: u64, home: &'a SplitHome) -> gimli::Result<SplitUnit<'a>> {
        match &home.file {
            SplitKind::File(file, _) => {
                let &(offset, section) = file.types.get(&signature).ok_or(gimli::Error::MissingUnitDie)?;
                self.of_file(file, section, offset)
            }
            SplitKind::Package(package) => {
                let package = self.package(package)?;
                let row = package.tu_index.find(signature).ok_or(gimli::Error::MissingUnitDie)?;
                self.of_package(package, || package.tu_index.sections(row), |dwarf| type_unit(dwarf, signature))
            }
        }
    }

    fn of_file(&self, file: &'a SplitFile, section: Section, offset: usize) -> gimli::Result<SplitUnit<'a>> {
        let mut dwarf = file.borrow();
        dwarf.make_dwo(&self.dwarf);
        let header = header_at(&dwarf, section, offset)?;
        self.parsed(dwarf, header, file.locations())
    }

    fn of_package<'p>(
        &self,
        package: &DwarfPackage<Slice<'a>>,
        row: impl Fn() -> gimli::Result<UnitIndexSectionIterator<'p, Slice<'a>>>,
        header: impl Fn(&Dwarf<Slice<'a>>) -> gimli::Result<Option<UnitHeader<Slice<'a>>>>,
    ) -> gimli::Result<SplitUnit<'a>>
    where
        'a: 'p,
    {
        let dwarf = package.sections(row()?, &self.dwarf)?;
        let header = header(&dwarf)?.ok_or(gimli::Error::MissingUnitDie)?;
        self.parsed(dwarf, header, locations(package, row()?)?)
    }

    fn parsed(
        &self,
        dwarf: Dwarf<Slice<'a>>,
        header: UnitHeader<Slice<'a>>,
        locations: [Slice<'a>; 2],
    ) -> gimli::Result<SplitUnit<'a>> {
        let abbreviations = self.info.split.abbreviations(&dwarf, &header)?;
        let unit = Unit::new_with_abbreviations(&dwarf, header, abbreviations)?;
        Ok(SplitUnit { dwarf, unit, locations })
    }
}

/// The type unit with that signature, in the part of a package that the index gives for it.
fn type_unit<'a>(dwarf: &Dwarf<Slice<'a>>, signature: u64) -> gimli::Result<Option<UnitHeader<Slice<'a>>>> {
    let is_wanted = |header: &UnitHeader<Slice<'a>>| defined_type(header).is_some_and(|(found, _)| found == signature);
    let mut types = dwarf.type_units();
    while let Some(header) = types.next()? {
        if is_wanted(&header) {
            return Ok(Some(header));
        }
    }
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        if is_wanted(&header) {
            return Ok(Some(header));
        }
    }
    Ok(None)
}
