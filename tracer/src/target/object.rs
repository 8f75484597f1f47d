//! One ELF file: its segments, sections and build id, and the way between file offsets and link addresses.
//! It knows neither the process that maps it nor what its debug information says.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use object::elf;
use object::read::elf::{ElfFile64, ElfSection64, FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, Object as _, ObjectSection as _};

use super::TargetError;
use super::address::{FileOffset, LinkAddress, LinkRange};
use super::files::{FileId, Files, MappedFile};

/// More than any section of a real program decompresses to (Chromium's `.debug_info` is about 3 GB); a larger claim
/// is a damaged header, and believing it would cost the machine its memory.
const SECTION_BYTES_MAX: u64 = 8 << 30;

pub(crate) type Elf<'data> = ElfFile64<'data, LittleEndian, &'data [u8]>;

/// One loadable stretch of an object (`PT_LOAD`): `file_size` bytes at `offset` appear at `address`, followed by
/// zeroes up to `memory_size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub address: LinkAddress,
    pub offset: FileOffset,
    pub file_size: u64,
    pub memory_size: u64,
    pub executable: bool,
    pub writable: bool,
}

impl Segment {
    fn file_offset(&self, address: LinkAddress) -> Option<FileOffset> {
        let distance = address.0.checked_sub(self.address.0)?;
        (distance < self.file_size).then(|| self.offset.0.checked_add(distance))?.map(FileOffset)
    }

    fn link_address(&self, offset: FileOffset) -> Option<LinkAddress> {
        let distance = offset.0.checked_sub(self.offset.0)?;
        (distance < self.file_size).then(|| self.address.0.checked_add(distance))?.map(LinkAddress)
    }
}

/// One ELF file of the target, mapped for reading. Cheap to borrow from: all data lives as long as `Files`.
pub struct Object<'data> {
    path: PathBuf,
    attach_path: PathBuf,
    id: FileId,
    data: &'data [u8],
    elf: Elf<'data>,
    segments: Vec<Segment>,
}

impl<'data> Object<'data> {
    /// Opens the ELF file at `path`.
    ///
    /// # Errors
    /// It cannot be opened or mapped, is empty, no ELF file, for another machine, damaged or cut off.
    pub fn open(path: &Path, files: &'data Files) -> Result<Self, TargetError> {
        Self::from_file(path, files.open(path)?)
    }

    /// An already mapped file; `path` is how the user knows it.
    pub fn from_file(path: &Path, file: &'data MappedFile) -> Result<Self, TargetError> {
        let attach_path = PathBuf::from(format!("/proc/self/fd/{}", file.descriptor()));
        let elf = parse(path, file.bytes())?;
        let segments = loadable(&elf);
        check_whole(path, &segments, file.bytes().len() as u64)?;
        Ok(Self { path: path.to_owned(), attach_path, id: file.id(), data: file.bytes(), elf, segments })
    }

    /// A separate debug file: sections and symbols of an object, without its code. It has no segments, because those
    /// that its headers still list are not in it.
    pub(super) fn from_debug_file(path: &Path, file: &'data MappedFile) -> Result<Self, TargetError> {
        let elf = parse(path, file.bytes())?;
        let (attach_path, segments) = (PathBuf::new(), Vec::new());
        Ok(Self { path: path.to_owned(), attach_path, id: file.id(), data: file.bytes(), elf, segments })
    }

    /// The path as the target and the user know it. Only to be shown: another file may stand there by now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last component of the path, as in `libc.so.6`.
    pub fn name(&self) -> Cow<'_, str> {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy()
    }

    /// The path to give to the kernel when attaching: it names the very file that was analysed, through this
    /// process's open descriptor, whatever happened to its name. Valid while `Files` lives.
    pub fn attach_path(&self) -> &Path {
        &self.attach_path
    }

    pub fn id(&self) -> FileId {
        self.id
    }

    /// The whole file.
    pub fn data(&self) -> &'data [u8] {
        self.data
    }

    pub(crate) fn elf(&self) -> &Elf<'data> {
        &self.elf
    }

    /// The linker's build id, if it wrote one.
    pub fn build_id(&self) -> Option<&'data [u8]> {
        self.elf.build_id().ok().flatten()
    }

    /// Size and alignment of the object's thread-local block, if it has one.
    pub fn thread_local_block(&self) -> Option<(u64, u64)> {
        let headers = self.elf.elf_program_headers().iter();
        let header = headers.into_iter().find(|header| header.p_type(LittleEndian) == elf::PT_TLS)?;
        Some((header.p_memsz(LittleEndian), header.p_align(LittleEndian).max(1)))
    }

    /// Whether the loader chooses its place: a shared library or a position-independent executable.
    pub fn is_pie(&self) -> bool {
        self.elf.elf_header().e_type(LittleEndian) == elf::ET_DYN
    }

    /// All `PT_LOAD` segments, in the order of the file.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Where in the file the instruction at `address` is; `None` outside of executable segments.
    pub fn file_offset(&self, address: LinkAddress) -> Option<FileOffset> {
        self.segments.iter().filter(|segment| segment.executable).find_map(|segment| segment.file_offset(address))
    }

    /// Where in the file the byte at `address` is, code or data; `None` for zeroed memory that the file does not hold.
    pub fn data_file_offset(&self, address: LinkAddress) -> Option<FileOffset> {
        self.segments.iter().find_map(|segment| segment.file_offset(address))
    }

    /// Where in the file the variable at `address` is; `None` outside of writable segments.
    pub fn writable_file_offset(&self, address: LinkAddress) -> Option<FileOffset> {
        self.segments.iter().filter(|segment| segment.writable).find_map(|segment| segment.file_offset(address))
    }

    /// The link address of the instruction at file position `offset`; `None` outside of executable segments.
    pub fn link_address(&self, offset: FileOffset) -> Option<LinkAddress> {
        self.segments.iter().filter(|segment| segment.executable).find_map(|segment| segment.link_address(offset))
    }

    /// Whether `address` lies in an executable segment.
    pub fn is_code(&self, address: LinkAddress) -> bool {
        self.file_offset(address).is_some()
    }

    /// Where the executable segment that holds `address` ends.
    pub fn code_end(&self, address: LinkAddress) -> Option<LinkAddress> {
        let segment =
            self.segments.iter().find(|segment| segment.executable && segment.file_offset(address).is_some())?;
        segment.address.0.checked_add(segment.file_size).map(LinkAddress)
    }

    /// The `size_bytes` bytes that the file holds for `address`, or `None` if it does not hold them all.
    pub fn bytes_at(&self, address: LinkAddress, size_bytes: u64) -> Option<&'data [u8]> {
        let bytes = self.bytes_from(address)?;
        bytes.get(..usize::try_from(size_bytes).ok()?)
    }

    /// The bytes of `range`, or `None` if the file does not hold them all.
    pub fn bytes_in(&self, range: LinkRange) -> Option<&'data [u8]> {
        self.bytes_at(range.start, range.size())
    }

    /// What the file holds from `address` to the end of its segment.
    pub fn bytes_from(&self, address: LinkAddress) -> Option<&'data [u8]> {
        let segment = self.segments.iter().find(|segment| segment.file_offset(address).is_some())?;
        let start = usize::try_from(segment.file_offset(address)?.0).ok()?;
        let end = usize::try_from(segment.offset.0.checked_add(segment.file_size)?).ok()?;
        self.data.get(start..end.min(self.data.len()))
    }

    /// Whether the object has a section of that name with contents in this file.
    pub fn has_section(&self, name: &str) -> bool {
        self.elf.section_by_name(name).is_some_and(|section| section.size() > 0 && section.file_range().is_some())
    }

    /// Where the section is laid out, if it is loaded.
    pub fn section_range(&self, name: &str) -> Option<LinkRange> {
        let section = self.elf.section_by_name(name)?;
        let end = section.address().checked_add(section.size())?;
        (section.address() != 0).then_some(LinkRange { start: LinkAddress(section.address()), end: LinkAddress(end) })
    }

    /// `.eh_frame_hdr` by the program header that the loader finds it by, which no `strip` removes.
    pub fn eh_frame_header(&self) -> Option<(&'data [u8], LinkAddress)> {
        let headers = self.elf.elf_program_headers().iter();
        let header = headers.into_iter().find(|header| header.p_type(LittleEndian) == elf::PT_GNU_EH_FRAME)?;
        let address = LinkAddress(header.p_vaddr(LittleEndian));
        Some((self.bytes_at(address, header.p_filesz(LittleEndian))?, address))
    }

    /// The contents of a section, decompressed; empty if there is no such section.
    ///
    /// # Errors
    /// The section lies outside of the file, does not decompress, or claims an absurd size.
    pub fn section_data(&self, name: &str) -> Result<Cow<'data, [u8]>, TargetError> {
        sections_data(&self.elf, &self.path, name).next().unwrap_or(Ok(Cow::Borrowed(&[])))
    }

    /// Whether the full symbol table is there, which `strip` removes.
    pub fn has_symbol_table(&self) -> bool {
        !self.elf.elf_symbol_table().is_empty()
    }

    /// Whether there is a dynamic symbol table: what a library exports and an executable imports.
    pub fn has_dynamic_symbols(&self) -> bool {
        !self.elf.elf_dynamic_symbol_table().is_empty()
    }

    /// Whether this very file holds DWARF for its functions.
    pub fn has_debug_info(&self) -> bool {
        self.has_section(".debug_info") || self.has_section(".zdebug_info")
    }
}

/// The contents of the sections of that name, decompressed: more than one only in a file that is not linked.
pub(super) fn sections_data<'data>(
    elf: &Elf<'data>,
    path: &Path,
    name: &str,
) -> impl Iterator<Item = Result<Cow<'data, [u8]>, TargetError>> {
    let failed = move |source| TargetError::Section { path: path.to_owned(), section: name.to_owned(), source };
    let data = move |section: ElfSection64<'data, '_, LittleEndian, &'data [u8]>| {
        let compressed = section.compressed_data().map_err(failed)?;
        if compressed.uncompressed_size > SECTION_BYTES_MAX {
            return Err(TargetError::SectionTooLarge {
                path: path.to_owned(),
                section: name.to_owned(),
                claimed_bytes: compressed.uncompressed_size,
                limit_bytes: SECTION_BYTES_MAX,
            });
        }
        compressed.decompress().map_err(failed)
    };
    // Before ELF knew compressed sections, their names said so.
    let is_wanted = move |found: &str| {
        found == name || found.strip_prefix(".z").is_some_and(|found| name.strip_prefix('.') == Some(found))
    };
    elf.sections().filter(move |section| section.name().is_ok_and(is_wanted)).map(data)
}

/// Reads the headers of an ELF file for this machine.
pub(super) fn parse<'data>(path: &Path, data: &'data [u8]) -> Result<Elf<'data>, TargetError> {
    check_identity(path, data)?;
    let elf = Elf::parse(data).map_err(|source| TargetError::DamagedElf { path: path.to_owned(), source })?;
    check_machine_number(path, elf.elf_header().e_machine(LittleEndian).0)?;
    Ok(elf)
}

fn check_whole(path: &Path, segments: &[Segment], present_bytes: u64) -> Result<(), TargetError> {
    let needed_bytes = segments.iter().map(|segment| segment.offset.0.saturating_add(segment.file_size)).max();
    match needed_bytes {
        Some(needed_bytes) if needed_bytes > present_bytes => {
            Err(TargetError::Truncated { path: path.to_owned(), needed_bytes, present_bytes })
        }
        _ => Ok(()),
    }
}

/// Checks that the program at `file` (shown as `path`) is for this machine, without reading more than its header.
pub(super) fn check_machine(path: &Path, file: &Path) -> Result<(), TargetError> {
    let mut header = [0; 20];
    let opened = |source| TargetError::Open { path: path.to_owned(), source };
    let read = File::open(file).and_then(|mut file| file.read(&mut header)).map_err(opened)?;
    let header = header.get(..read).unwrap_or_default();
    check_identity(path, header)?;
    match header.get(18..20) {
        Some(&[low, high]) => check_machine_number(path, u16::from_le_bytes([low, high])),
        _ => Err(TargetError::NotElf { path: path.to_owned() }),
    }
}

fn check_machine_number(path: &Path, machine: u16) -> Result<(), TargetError> {
    if machine == elf::EM_X86_64.0 {
        return Ok(());
    }
    Err(TargetError::OtherMachine { path: path.to_owned(), found: machine_name(machine) })
}

/// The first bytes of the file (System V ABI, "ELF Identification"): magic, class, byte order.
fn check_identity(path: &Path, data: &[u8]) -> Result<(), TargetError> {
    if !data.starts_with(b"\x7fELF") {
        return Err(TargetError::NotElf { path: path.to_owned() });
    }
    let found = match (data.get(4), data.get(5)) {
        (Some(1), _) => "a 32-bit machine",
        (_, Some(2)) => "a big-endian machine",
        _ => return Ok(()),
    };
    Err(TargetError::OtherMachine { path: path.to_owned(), found: found.to_owned() })
}

fn machine_name(machine: u16) -> String {
    match machine {
        183 => "64-bit ARM".to_owned(),
        243 => "RISC-V".to_owned(),
        247 => "BPF".to_owned(),
        21 => "64-bit PowerPC".to_owned(),
        22 => "IBM Z".to_owned(),
        other => format!("machine {other}"),
    }
}

fn loadable(elf: &Elf<'_>) -> Vec<Segment> {
    let headers = elf.elf_program_headers().iter();
    headers
        .filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD)
        .map(|header| {
            let flags = header.p_flags(LittleEndian);
            Segment {
                address: LinkAddress(header.p_vaddr(LittleEndian)),
                offset: FileOffset(header.p_offset(LittleEndian)),
                file_size: header.p_filesz(LittleEndian),
                memory_size: header.p_memsz(LittleEndian),
                executable: flags.contains(elf::PF_X),
                writable: flags.contains(elf::PF_W),
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
