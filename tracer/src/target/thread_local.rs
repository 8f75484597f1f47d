//! Where an object's thread-local storage is in a thread (ELF Handling For Thread-Local Storage, x86-64: variant II).
//! Reads the object's file and the process's memory; where a thread's pointer is, others know.

use object::elf;
use object::read::elf::ProgramHeader as _;
use object::{LittleEndian, Object as _, ObjectSymbol as _, ObjectSymbolTable as _, RelocationFlags, RelocationTarget};

use super::address::{LinkAddress, LoadBias};
use super::image::Image;
use super::object::Object;
use crate::value::image::Memory;
use crate::value::place::Missing;

/// How the block of an object is found from a thread's pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadStorage {
    /// So many bytes below the pointer in each thread: the executable, and libraries that were there at its start.
    Static { below: u64 },
    /// Through the thread's vector of blocks (dtv), at this module's place.
    Module { number: u64, is_musl: bool },
}

/// Words of an element of the vector: glibc keeps what to free beside each block (`dtv_t`), musl only the block.
const GLIBC_ELEMENT_WORDS: u64 = 2;
/// glibc's `TLS_DTV_UNALLOCATED`.
const UNALLOCATED: u64 = u64::MAX;
/// More modules than any process has; a damaged number must not lead far.
const MODULES_MAX: u64 = 1 << 20;

impl ThreadStorage {
    /// `None` for an object without thread-local storage, or of which nothing in memory tells where it is.
    pub fn of(image: &Image<'_>, memory: &dyn Memory, is_musl: bool) -> Option<Self> {
        let segment = segment(&image.object)?;
        if image.is_executable {
            return Some(Self::Static { below: segment.below() });
        }
        by_relocation(&image.object, image.bias, memory, is_musl)
    }

    /// The start of the block in the thread with that pointer; `None` if the thread has not used it yet.
    ///
    /// # Errors
    /// The vector cannot be read.
    pub fn block(self, pointer: u64, memory: &dyn Memory) -> Result<Option<u64>, Missing> {
        let (number, is_musl) = match self {
            Self::Static { below } => return Ok(Some(pointer.wrapping_sub(below))),
            Self::Module { number, is_musl } => (number, is_musl),
        };
        let vector = word(memory, pointer.wrapping_add(8))?;
        // glibc counts the elements in front of the vector, musl in its first word.
        let (count_at, words) = if is_musl { (vector, 1) } else { (vector.wrapping_sub(16), GLIBC_ELEMENT_WORDS) };
        if number > word(memory, count_at)? {
            return Ok(None);
        }
        let block = word(memory, vector.wrapping_add(number * words * 8))?;
        Ok(Some(block).filter(|block| *block != 0 && *block != UNALLOCATED))
    }
}

/// Where in the object's block a variable is, by what DWARF says; `None` if that is outside of it. GCC 12 writes into
/// split DWARF the variable's address in the block's initial image, not its distance from the start.
pub fn offset_in_block(object: &Object<'_>, said: u64) -> Option<u64> {
    let segment = segment(object)?;
    let in_block = |offset: &u64| *offset < segment.memory_size;
    Some(said).filter(in_block).or_else(|| said.checked_sub(segment.address).filter(in_block))
}

struct TlsSegment {
    address: u64,
    memory_size: u64,
    align: u64,
}

impl TlsSegment {
    /// The executable's block ends at the thread pointer, but for its alignment.
    fn below(&self) -> u64 {
        let misaligned = self.address.wrapping_neg().wrapping_sub(self.memory_size) & (self.align.max(1) - 1);
        self.memory_size.wrapping_add(misaligned)
    }
}

fn segment(object: &Object<'_>) -> Option<TlsSegment> {
    let mut headers = object.elf().elf_program_headers().iter();
    let header = headers.find(|header| header.p_type(LittleEndian) == elf::PT_TLS)?;
    let align = header.p_align(LittleEndian);
    (align == 0 || align.is_power_of_two()).then(|| TlsSegment {
        address: header.p_vaddr(LittleEndian),
        memory_size: header.p_memsz(LittleEndian),
        align,
    })
}

/// A library's own code finds its storage by words that the loader filled in: its module's number, or a variable's
/// distance from the thread pointer.
fn by_relocation(object: &Object<'_>, bias: LoadBias, memory: &dyn Memory, is_musl: bool) -> Option<ThreadStorage> {
    let symbols = object.elf().dynamic_symbol_table()?;
    for (offset, relocation) in object.elf().dynamic_relocations()? {
        let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
        if r_type != elf::R_X86_64_DTPMOD64 && r_type != elf::R_X86_64_TPOFF64 {
            continue;
        }
        // A symbol that another object defines lies in that one's block.
        let value = match relocation.target() {
            RelocationTarget::Symbol(index) => match symbols.symbol_by_index(index) {
                Ok(symbol) if !symbol.is_undefined() => symbol.address(),
                _ => continue,
            },
            _ => 0,
        };
        let Ok(filled_in) = word(memory, bias.runtime(LinkAddress(offset)).0) else { continue };
        if r_type == elf::R_X86_64_DTPMOD64 && (1..MODULES_MAX).contains(&filled_in) {
            return Some(ThreadStorage::Module { number: filled_in, is_musl });
        }
        if r_type == elf::R_X86_64_TPOFF64 {
            let in_block = value.wrapping_add(relocation.addend() as u64);
            return Some(ThreadStorage::Static { below: in_block.wrapping_sub(filled_in) });
        }
    }
    None
}

fn word(memory: &dyn Memory, address: u64) -> Result<u64, Missing> {
    let bytes = memory.read(address, 8)?;
    Ok(bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::image::{Chunk, Image as Picture};

    #[test]
    fn the_executables_block_ends_at_the_pointer_but_for_alignment() {
        for (address, memory_size, align, below) in
            [(0x1000, 0x20, 8, 0x20), (0x1000, 0x21, 16, 0x30), (0x1004, 0x20, 16, 0x2c), (0, 7, 1, 7), (0, 7, 0, 7)]
        {
            assert_eq!(TlsSegment { address, memory_size, align }.below(), below, "{address:#x} {memory_size:#x}");
        }
    }

    #[test]
    fn a_librarys_block_is_found_through_the_vector() {
        let words = |address, words: &[u64]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            Chunk { address, asked_bytes: bytes.len() as u64, bytes, missing: None }
        };
        // Two elements; the vector starts behind their number: generation, module 1, module 2.
        let vector = [2, 0, 7, 0, 0x5000, 0, UNALLOCATED, 0];
        let memory =
            Picture { registers: vec![], chunks: vec![words(0x1000, &[0x1000, 0x2010]), words(0x2000, &vector)] };
        let block = |number| ThreadStorage::Module { number, is_musl: false }.block(0x1000, &memory);
        assert_eq!(block(1), Ok(Some(0x5000)));
        assert_eq!(block(2), Ok(None));
        assert_eq!(block(3), Ok(None));
        let memory =
            Picture { registers: vec![], chunks: vec![words(0x1000, &[0, 0x2000]), words(0x2000, &[1, 0x6000])] };
        let block = |number| ThreadStorage::Module { number, is_musl: true }.block(0x1000, &memory);
        assert_eq!((block(1), block(2)), (Ok(Some(0x6000)), Ok(None)));
    }
}
