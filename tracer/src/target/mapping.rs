//! The files that a process has mapped as code: which they are, how to open exactly the file that is mapped, and
//! where each was loaded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::TargetError;
use super::address::{LoadBias, RuntimeAddress};
use super::files::{FileId, Files};
use super::object::{Object, Segment};
use super::process::Process;
use super::procfs::Mapping;

const PAGE_BYTES: u64 = 4096;

/// A file with code in a process's address space. Opened only when somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedObject {
    /// As the target sees it.
    pub path: PathBuf,
    /// The file of that path was deleted or replaced since.
    pub deleted: bool,
    pub is_executable: bool,
    pub file: FileId,
    /// All mappings of the file, by address.
    pub mappings: Vec<Mapping>,
}

/// A stretch of an object's code in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub start: RuntimeAddress,
    pub end: RuntimeAddress,
    pub bias: LoadBias,
}

/// Groups mappings by file; the process's executable comes first.
pub(super) fn objects(process: &Process, mappings: Vec<Mapping>) -> Vec<MappedObject> {
    let executable = fs::metadata(process.directory().join("exe")).map(|metadata| FileId::of(&metadata)).ok();
    let mut by_file: BTreeMap<FileId, MappedObject> = BTreeMap::new();
    for mapping in mappings {
        let (Some(file), Some(path)) = (mapping.file, mapping.path.clone()) else { continue };
        let object = by_file.entry(file).or_insert_with(|| MappedObject {
            is_executable: Some(file) == executable || path == process.exe(),
            path,
            deleted: mapping.deleted,
            file,
            mappings: Vec::new(),
        });
        object.mappings.push(mapping);
    }
    let mut objects: Vec<MappedObject> = by_file.into_values().filter(MappedObject::has_code).collect();
    objects.sort_by_key(|object| (!object.is_executable, object.mappings.first().map(|mapping| mapping.start)));
    objects
}

impl MappedObject {
    fn has_code(&self) -> bool {
        self.mappings.iter().any(|mapping| mapping.executable)
    }

    /// The last component of the path, as in `libc.so.6`.
    pub fn name(&self) -> std::borrow::Cow<'_, str> {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy()
    }

    /// Opens the very file that is mapped, whatever stands at its path now.
    ///
    /// # Errors
    /// It cannot be reached any more (deleted or replaced, and this user may not go through `/proc/PID/map_files`),
    /// the process exited, or the file is no sound ELF file for this machine.
    pub fn open<'data>(&self, process: &Process, files: &'data Files) -> Result<Object<'data>, TargetError> {
        for path in self.ways(process) {
            let Ok(file) = File::open(&path) else { continue };
            if self.is_exactly(&file, process) {
                return process.checked(Object::from_file(&self.path, files.map(file, &self.path)?)?);
            }
        }
        process.checked(())?;
        Err(TargetError::Replaced { path: self.path.clone(), pid: process.pid() })
    }

    /// The object's code in the process, each stretch with what was added to its link addresses.
    pub fn code(&self, object: &Object<'_>) -> Vec<Code> {
        let code = self.mappings.iter().filter(|mapping| mapping.executable);
        code.filter_map(|mapping| {
            Some(Code { start: mapping.start, end: mapping.end, bias: bias(mapping, object.segments())? })
        })
        .collect()
    }

    /// Where the object's link addresses are in the process: one bias for each time that it is loaded.
    pub fn biases(&self, object: &Object<'_>) -> Vec<LoadBias> {
        let code = self.mappings.iter().filter(|mapping| mapping.executable);
        let mut biases = Vec::new();
        for bias in code.filter_map(|mapping| bias(mapping, object.segments())) {
            if !biases.contains(&bias) {
                biases.push(bias);
            }
        }
        biases
    }

    /// Where the object's link addresses are in the process, the first time that it is loaded.
    pub fn bias(&self, object: &Object<'_>) -> Option<LoadBias> {
        self.biases(object).first().copied()
    }

    /// The paths that may lead to the file, best first.
    fn ways(&self, process: &Process) -> Vec<PathBuf> {
        let mut ways = Vec::new();
        if self.is_executable {
            ways.push(process.directory().join("exe"));
        }
        if !self.deleted {
            let relative = self.path.strip_prefix("/").unwrap_or(&self.path);
            ways.push(process.root().join(relative));
            ways.push(self.path.clone());
        }
        ways.extend(self.map_file(process));
        ways
    }

    /// The kernel's own link to the mapped file; following it needs `CAP_SYS_ADMIN` or `CAP_CHECKPOINT_RESTORE`.
    fn map_file(&self, process: &Process) -> Option<PathBuf> {
        let mapping = self.mappings.first()?;
        Some(process.directory().join(format!("map_files/{:x}-{:x}", mapping.start.0, mapping.end.0)))
    }

    fn is_exactly(&self, file: &File, process: &Process) -> bool {
        let Ok(opened) = file.metadata().map(|metadata| FileId::of(&metadata)) else { return false };
        let identity = |path: &Path| fs::metadata(path).map(|metadata| FileId::of(&metadata)).ok();
        if let Some(mapped) = self.map_file(process).and_then(|path| identity(&path)) {
            return mapped == opened;
        }
        if self.is_executable && identity(&process.directory().join("exe")) == Some(opened) {
            return true;
        }
        // btrfs and overlayfs have no block device (major 0) and show another device number in maps than in stat(2).
        let is_virtual = libc::major(self.file.device) == 0 && !self.deleted;
        self.file == opened || (is_virtual && self.file.inode == opened.inode)
    }
}

/// The bias that explains why a code segment is mapped there. Both ends are rounded to pages, so their difference
/// is exact.
fn bias(mapping: &Mapping, segments: &[Segment]) -> Option<LoadBias> {
    let segment = segments.iter().filter(|segment| segment.executable).find(|segment| {
        let first_page = segment.offset.0 & !(PAGE_BYTES - 1);
        let end = segment.offset.0.saturating_add(segment.file_size);
        (first_page..end).contains(&mapping.offset.0)
    })?;
    let address = segment.address.0.wrapping_add(mapping.offset.0).wrapping_sub(segment.offset.0);
    Some(LoadBias(mapping.start.0.wrapping_sub(address)))
}
