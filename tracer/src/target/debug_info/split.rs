//! Split DWARF: finds the `.dwo` file, or the `.dwp` package, that has the rest of a skeleton unit, and what is in it.
//! Reads no entries but the roots of units.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::{Deref, Range};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use gimli::{
    Abbreviations, Dwarf, DwarfPackage, DwarfPackageSections, DwarfSections, DwoId, EndianSlice, IndexSectionId,
    LittleEndian, Reader as _, Section as _, SectionId, UnitHeader, UnitType,
};
use memmap2::Mmap;

use super::scan::Scan;
use super::unit::{Section, Slice, UnitEntry, defined_type};
use super::{DebugInfo, DebugInfoError};
use crate::target::growing::Growing;

/// A section of a split file by its name (`.debug_info.dwo`), decompressed; empty if there is none.
pub type SplitSections = Box<dyn Fn(&str) -> SectionBytes>;

/// Where the split files of an object may be. Paths come in the order in which they are to be tried.
pub trait SplitFiles: Send + Sync {
    /// Packages (`.dwp`).
    fn packages(&self) -> Vec<PathBuf>;

    /// Files that the compiler called `name` when it ran in `directory` (`DW_AT_dwo_name`, `DW_AT_comp_dir`).
    fn candidates(&self, directory: &Path, name: &Path) -> Vec<PathBuf>;

    /// Opens one; `None` if there is no such file, or nothing like it.
    fn open(&self, path: &Path) -> Option<SplitSections>;
}

/// The bytes of one section.
#[derive(Default)]
pub enum SectionBytes {
    #[default]
    Empty,
    Mapped(Arc<Mmap>, Range<usize>),
    Owned(Vec<u8>),
}

impl Deref for SectionBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Mapped(map, range) => map.get(range.clone()).unwrap_or_default(),
            Self::Owned(bytes) => bytes,
        }
    }
}

/// The split files of one object, each opened when a unit in it is first asked for.
#[derive(Default)]
pub(super) struct Split {
    places: Option<Box<dyn SplitFiles>>,
    package: OnceLock<Option<Arc<Package>>>,
    files: Mutex<HashMap<PathBuf, FileSlot>>,
    by_signature: Mutex<HashMap<u64, usize>>,
    pub(super) types: Growing<SplitType>,
    /// Units share their tables of abbreviations: each by the address where it is in memory.
    abbreviations: Mutex<HashMap<u64, Arc<Abbreviations>>>,
}

/// Filled when the file is first asked for; `None` if it cannot be read.
type FileSlot = Arc<OnceLock<Option<Arc<SplitFile>>>>;

/// A type unit in a split file.
pub(super) struct SplitType {
    pub(super) signature: u64,
    /// The skeleton unit whose split file has it.
    pub(super) skeleton: usize,
    pub(super) scan: OnceLock<Arc<Scan>>,
}

/// The file that has the rest of a skeleton unit.
pub struct SplitHome {
    pub(super) id: DwoId,
    pub(super) file: SplitKind,
}

pub(super) enum SplitKind {
    /// A file, and where in its `.debug_info.dwo` the unit is.
    File(Arc<SplitFile>, usize),
    Package(Arc<Package>),
}

/// One `.dwo` file.
pub(super) struct SplitFile {
    path: PathBuf,
    sections: DwarfSections<SectionBytes>,
    /// `.debug_loc.dwo` and `.debug_loclists.dwo` again.
    locations: [SectionBytes; 2],
    /// Compilation units: id and offset in `.debug_info.dwo`.
    units: Vec<(u64, usize)>,
    /// Type units by signature.
    pub(super) types: HashMap<u64, (usize, Section)>,
}

/// A `.dwp` package.
pub(super) struct Package {
    path: PathBuf,
    sections: DwarfPackageSections<SectionBytes>,
}

impl DebugInfo<'_> {
    /// Says where the rest is, if the object was built with split DWARF.
    #[must_use]
    pub fn with_split_files(mut self, places: impl SplitFiles + 'static) -> Self {
        self.split.places = Some(Box::new(places));
        self
    }

    /// The file that has the unit of a skeleton with that id, for other readers of DWARF.
    pub fn split_home(&self, id: DwoId, directory: &[u8], name: &[u8]) -> Option<SplitHome> {
        self.split.home(id, directory, name).ok()
    }
}

impl DebugInfo<'_> {
    /// What is missing for the skeleton units that were looked at so far.
    pub fn split_lack(&self) -> Option<SplitLack> {
        let problem = |unit: &'_ UnitEntry| unit.home.get()?.as_ref().err().cloned();
        let mut problems = self.units.iter().filter_map(problem);
        let example = problems.next()?;
        let units = 1 + problems.count();
        Some(SplitLack { units, example })
    }
}

/// Split files that are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitLack {
    /// The units that miss theirs.
    pub units: usize,
    /// Why one of them does.
    pub example: DebugInfoError,
}

impl std::fmt::Display for SplitLack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.units {
            0 | 1 => write!(formatter, "{}", self.example),
            units => write!(formatter, "{} (and {} more)", self.example, units - 1),
        }
    }
}

impl SplitLack {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self.example {
            DebugInfoError::SplitOfAnotherBuild { .. } => {
                "use the .dwo files or the .dwp file of the build that runs, or build with `split-debuginfo = \"off\"`"
            }
            _ => {
                "put the .dwo files or PROGRAM.dwp beside the program, or build with `split-debuginfo = \"off\"` \
                 (C: without -gsplit-dwarf)"
            }
        }
    }
}

impl SplitHome {
    /// The sections of the unit, which is the first one in them; `parent` are those of the object.
    pub fn dwarf<'a>(&'a self, parent: &Dwarf<Slice<'a>>) -> Option<Dwarf<Slice<'a>>> {
        match &self.file {
            SplitKind::Package(package) => package.borrow()?.find_cu(self.id, parent).ok()?,
            SplitKind::File(file, offset) => {
                let mut dwarf = file.borrow();
                dwarf.debug_info = slice(dwarf.debug_info.reader().slice().get(*offset..)?).into();
                dwarf.make_dwo(parent);
                Some(dwarf)
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        match &self.file {
            SplitKind::Package(package) => &package.path,
            SplitKind::File(file, _) => &file.path,
        }
    }
}

fn slice(bytes: &[u8]) -> Slice<'_> {
    EndianSlice::new(bytes, LittleEndian)
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

impl Split {
    fn package(&self) -> Option<&Arc<Package>> {
        let open = || {
            let places = self.places.as_ref()?;
            let open = |path: PathBuf| Package::read(&places.open(&path)?, path).map(Arc::new);
            places.packages().into_iter().find_map(open)
        };
        self.package.get_or_init(open).as_ref()
    }

    fn file(&self, path: &Path) -> Option<Arc<SplitFile>> {
        let slot = self.files.lock().ok()?.entry(path.to_owned()).or_default().clone();
        let open = || SplitFile::read(&self.places.as_ref()?.open(path)?, path).map(Arc::new);
        slot.get_or_init(open).clone()
    }

    /// Where the unit of that id is.
    pub(super) fn home(&self, id: DwoId, directory: &[u8], name: &[u8]) -> Result<SplitHome, DebugInfoError> {
        let (directory, name) = (path(directory), path(name));
        let package = self.package();
        if let Some(package) = package
            && package.borrow().is_some_and(|package| package.cu_index.find(id.0).is_some())
        {
            return Ok(SplitHome { id, file: SplitKind::Package(Arc::clone(package)) });
        }
        // Of the files that stand where this one should, the last.
        let mut other = package.map(|package| package.path.clone());
        for path in self.places.iter().flat_map(|places| places.candidates(directory, name)) {
            let Some(file) = self.file(&path) else { continue };
            match file.units.iter().find(|(found, _)| *found == id.0) {
                Some(&(_, offset)) => return Ok(SplitHome { id, file: SplitKind::File(file, offset) }),
                None => other = Some(path),
            }
        }
        Err(match other {
            Some(path) => DebugInfoError::SplitOfAnotherBuild { path },
            None => DebugInfoError::SplitMissing { path: directory.join(name) },
        })
    }

    /// The number of the type unit with this signature, among all that were met; a new one is in the file of
    /// `skeleton`, if it `exists` there.
    pub(super) fn type_number(&self, signature: u64, skeleton: usize, exists: impl FnOnce() -> bool) -> Option<usize> {
        let mut known = self.by_signature.lock().ok()?;
        if let Some(number) = known.get(&signature) {
            return Some(*number);
        }
        let new = exists().then(|| self.types.push(SplitType { signature, skeleton, scan: OnceLock::new() }))?;
        known.insert(signature, new);
        Some(new)
    }

    /// The table of a unit's abbreviations.
    pub(super) fn abbreviations(
        &self,
        dwarf: &Dwarf<Slice<'_>>,
        header: &UnitHeader<Slice<'_>>,
    ) -> gimli::Result<Arc<Abbreviations>> {
        let at = dwarf.debug_abbrev.reader().offset_id().0.wrapping_add(header.debug_abbrev_offset().0 as u64);
        if let Some(known) = self.abbreviations.lock().ok().and_then(|known| known.get(&at).cloned()) {
            return Ok(known);
        }
        let read = dwarf.abbreviations(header)?;
        if let Ok(mut known) = self.abbreviations.lock() {
            known.insert(at, Arc::clone(&read));
        }
        Ok(read)
    }
}

impl SplitFile {
    /// Lists the units; a damaged header ends the list.
    fn read(section: &SplitSections, path: &Path) -> Option<Self> {
        let bytes = |id: SectionId| id.dwo_name().map(section).unwrap_or_default();
        let sections = DwarfSections::load(|id| Ok::<_, gimli::Error>(bytes(id))).ok()?;
        let locations = [bytes(SectionId::DebugLoc), bytes(SectionId::DebugLocLists)];
        let (units, types) = (Vec::new(), HashMap::new());
        let mut file = Self { path: path.to_owned(), sections, locations, units, types };
        let (mut units, mut types) = (Vec::new(), HashMap::new());
        let dwarf = file.borrow();
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let Some(offset) = header.debug_info_offset() else { continue };
            match (defined_type(&header), header.type_()) {
                (Some((signature, _)), _) => drop(types.insert(signature, (offset.0, Section::Info))),
                (None, UnitType::SplitCompilation(id)) => units.push((id.0, offset.0)),
                (None, _) => units.extend(id(&dwarf, &header).map(|id| (id, offset.0))),
            }
        }
        let mut headers = dwarf.type_units();
        while let Ok(Some(header)) = headers.next() {
            if let (Some(offset), Some((signature, _))) = (header.debug_types_offset(), defined_type(&header)) {
                types.insert(signature, (offset.0, Section::Types));
            }
        }
        let is_empty = units.is_empty() && types.is_empty();
        (file.units, file.types) = (units, types);
        (!is_empty).then_some(file)
    }

    pub(super) fn borrow(&self) -> Dwarf<Slice<'_>> {
        self.sections.borrow(|bytes| slice(bytes))
    }

    pub(super) fn locations(&self) -> [Slice<'_>; 2] {
        self.locations.each_ref().map(|bytes| slice(bytes))
    }
}

/// The id that DWARF 4's extension keeps among a unit's attributes.
fn id(dwarf: &Dwarf<Slice<'_>>, header: &UnitHeader<Slice<'_>>) -> Option<u64> {
    let abbreviations = dwarf.abbreviations(header).ok()?;
    let root = header.entry(&abbreviations, header.root_offset()).ok()?;
    match root.attr_value(gimli::DW_AT_GNU_dwo_id)? {
        gimli::AttributeValue::DwoId(DwoId(id)) => Some(id),
        other => other.udata_value(),
    }
}

impl Package {
    fn read(section: &SplitSections, path: PathBuf) -> Option<Self> {
        let bytes = |id: SectionId| id.dwo_name().map(section).unwrap_or_default();
        let sections = DwarfPackageSections::load(|id| Ok::<_, gimli::Error>(bytes(id))).ok()?;
        let package = Self { path, sections };
        package.borrow().is_some().then_some(package)
    }

    pub(super) fn borrow(&self) -> Option<DwarfPackage<Slice<'_>>> {
        self.sections.borrow(|bytes| slice(bytes), slice(&[])).ok()
    }
}

/// `.debug_loc.dwo` and `.debug_loclists.dwo` of one row of a package's index.
pub(super) fn locations<'a>(
    package: &DwarfPackage<Slice<'a>>,
    row: gimli::UnitIndexSectionIterator<'_, Slice<'a>>,
) -> gimli::Result<[Slice<'a>; 2]> {
    let mut found = [slice(&[]); 2];
    for part in row {
        match part.section {
            IndexSectionId::DebugLoc => {
                found[0] = *package.debug_loc.dwp_range(part.offset, part.size)?.reader();
            }
            IndexSectionId::DebugLocLists => {
                found[1] = *package.debug_loclists.dwp_range(part.offset, part.size)?.reader();
            }
            _ => {}
        }
    }
    Ok(found)
}
