//! Owns the files that are being analysed: open descriptors and their memory maps, alive as long as everything
//! that borrows from them. It does not look inside.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use memmap2::Mmap;
use typed_arena::Arena;

use super::TargetError;
use super::debug_info::SplitHome;

/// A file's identity within the machine: file system and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    /// The identity of the file that `metadata` describes.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// One open, memory-mapped file.
pub struct MappedFile {
    file: File,
    map: Mmap,
    id: FileId,
}

impl MappedFile {
    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    pub fn id(&self) -> FileId {
        self.id
    }

    /// The descriptor, open for as long as the file is analysed: `/proc/self/fd/N` names exactly this file, even
    /// when its path is deleted or replaced, and even when the target is gone.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// The owner of all mapped files of one session.
#[derive(Default)]
pub struct Files {
    arena: Arena<MappedFile>,
    /// Sections that were decompressed and are borrowed from like the files themselves.
    sections: Arena<Vec<u8>>,
    split: Arena<SplitHome>,
}

impl Files {
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens and maps the file at `path`, read-only.
    ///
    /// # Errors
    /// It cannot be opened, is no regular file, is empty, or cannot be mapped.
    pub fn open(&self, path: &Path) -> Result<&MappedFile, TargetError> {
        self.map(open(path)?, path)
    }

    /// Keeps bytes that were made from a file for as long as the file is kept.
    pub fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        self.sections.alloc(bytes)
    }

    /// Keeps split debug files for as long as the file that refers to them.
    pub fn keep_split(&self, home: SplitHome) -> &SplitHome {
        self.split.alloc(home)
    }

    /// Maps an already open file; `path` only names it in errors.
    pub fn map(&self, file: File, path: &Path) -> Result<&MappedFile, TargetError> {
        let (map, id) = map(&file, path)?;
        Ok(self.arena.alloc(MappedFile { file, map, id }))
    }
}

/// The bytes of the file at `path`, mapped, without its descriptor: for files of which there may be thousands.
///
/// # Errors
/// As [`Files::open`].
pub(super) fn contents(path: &Path) -> Result<Mmap, TargetError> {
    Ok(map(&open(path)?, path)?.0)
}

/// The target chooses what stands at some of these paths: a pipe there must not hold us up.
fn open(path: &Path) -> Result<File, TargetError> {
    let opened = |source| TargetError::Open { path: path.to_owned(), source };
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map_err(opened)
}

fn map(file: &File, path: &Path) -> Result<(Mmap, FileId), TargetError> {
    let path = || path.to_owned();
    let metadata = file.metadata().map_err(|source| TargetError::Open { path: path(), source })?;
    if !metadata.is_file() {
        return Err(TargetError::NotElf { path: path() });
    }
    if metadata.len() == 0 {
        return Err(TargetError::EmptyFile { path: path() });
    }
    // SAFETY: the map is private and read-only. Programs and libraries in use are replaced by renaming, not
    // rewritten; a file that somebody truncates meanwhile ends the tracer with SIGBUS and leaves the target alone.
    let map = unsafe { Mmap::map(file) }.map_err(|source| TargetError::Map { path: path(), source })?;
    Ok((map, FileId::of(&metadata)))
}
