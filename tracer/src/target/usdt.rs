//! The USDT probes that an object declares in `.note.stapsdt` (layout: SystemTap wiki, UserSpaceProbeImplementation).
//! It does not know how they are attached.

use object::LittleEndian;
use object::elf;
use object::read::elf::NoteIterator;

use super::TargetError;
use super::address::{FileOffset, LinkAddress};
use super::object::Object;
use super::operand::{self, Operand};
use super::symbol;

/// `NT_STAPSDT`, version 3 of the format, the only one that is written since 2010.
const NOTE_TYPE: u32 = 3;
const NOTE_OWNER: &[u8] = b"stapsdt";

/// A counter that the target tests to know whether somebody listens. The kernel counts it up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Semaphore {
    pub address: LinkAddress,
    /// As `ref_ctr_offset` wants it. `None` if it is not in a writable segment of the file: the probe cannot be
    /// switched on then.
    pub offset: Option<FileOffset>,
}

/// One site of a USDT probe. A probe that was inlined into several places has several sites of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsdtProbe {
    pub provider: String,
    pub name: String,
    pub address: LinkAddress,
    pub semaphore: Option<Semaphore>,
    pub arguments: Vec<Operand>,
}

/// All probe sites of the object, in the order of its notes; none if it has no notes. `debug_file` may know symbols
/// that operands speak of and that were stripped from the object.
///
/// # Errors
/// The notes are damaged.
pub fn probes<'data>(
    object: &Object<'data>,
    debug_file: Option<&Object<'data>>,
) -> Result<Vec<UsdtProbe>, TargetError> {
    let data = object.section_data(".note.stapsdt")?;
    let base = object.section_range(".stapsdt.base").map(|range| range.start);
    let resolve = |name: &str| symbol::address_of(object, debug_file, name);
    let damaged = |source| TargetError::DamagedNotes { path: object.path().to_owned(), source };
    let mut notes = NoteIterator::<elf::FileHeader64<LittleEndian>>::new(LittleEndian, 4, &data).map_err(damaged)?;
    let mut probes = Vec::new();
    while let Some(note) = notes.next().map_err(damaged)? {
        if note.name() != NOTE_OWNER || note.n_type(LittleEndian).0 != NOTE_TYPE {
            continue;
        }
        let raw = RawProbe::parse(note.desc())
            .ok_or_else(|| TargetError::DamagedProbe { path: object.path().to_owned(), number: probes.len() + 1 })?;
        probes.push(raw.adjusted(base).resolved(object, &resolve));
    }
    Ok(probes)
}

/// A note's description: three addresses and three texts, each ended by a zero byte.
#[derive(Debug, PartialEq, Eq)]
struct RawProbe<'data> {
    address: u64,
    /// Where `.stapsdt.base` was when the note was linked.
    base: u64,
    /// 0 without a semaphore.
    semaphore: u64,
    provider: &'data str,
    name: &'data str,
    arguments: &'data str,
}

impl<'data> RawProbe<'data> {
    fn parse(bytes: &'data [u8]) -> Option<Self> {
        let (address, rest) = bytes.split_first_chunk()?;
        let (base, rest) = rest.split_first_chunk()?;
        let (semaphore, rest) = rest.split_first_chunk()?;
        let mut texts = rest.split(|&byte| byte == 0);
        let mut text = || std::str::from_utf8(texts.next()?).ok();
        let probe = Self {
            address: u64::from_le_bytes(*address),
            base: u64::from_le_bytes(*base),
            semaphore: u64::from_le_bytes(*semaphore),
            provider: text()?,
            name: text()?,
            arguments: text()?,
        };
        // The third zero byte is there when something (possibly nothing) follows it.
        texts.next().is_some().then_some(probe)
    }

    /// Follows the object if it was moved after it was linked (prelink): the notes still hold the old addresses.
    fn adjusted(self, base: Option<LinkAddress>) -> Self {
        let moved = base.map_or(0, |base| base.0.wrapping_sub(self.base));
        let semaphore = if self.semaphore == 0 { 0 } else { self.semaphore.wrapping_add(moved) };
        Self { address: self.address.wrapping_add(moved), semaphore, ..self }
    }

    fn resolved(&self, object: &Object<'_>, resolve: operand::Resolve<'_>) -> UsdtProbe {
        let semaphore = LinkAddress(self.semaphore);
        UsdtProbe {
            provider: self.provider.to_owned(),
            name: self.name.to_owned(),
            address: LinkAddress(self.address),
            semaphore: (self.semaphore != 0)
                .then(|| Semaphore { address: semaphore, offset: object.writable_file_offset(semaphore) }),
            arguments: operand::parse_all(self.arguments, resolve),
        }
    }
}

#[cfg(test)]
#[path = "usdt_tests.rs"]
mod tests;
