//! Where the bytes of one value come from: the pieces of a location, or an address.

use super::image::Memory;
use super::place::{Location, MemoryPlace, Missing, Place};

/// A position in a value: in the pieces of its location, or in memory.
#[derive(Clone, Copy)]
pub(crate) enum Source<'l> {
    Pieces { location: &'l Location, offset: u64 },
    Memory(u64),
}

impl<'l> Source<'l> {
    /// The start of the value. One that is in memory as a whole is read there by need, whatever its size.
    pub(crate) fn root(location: &'l Location, memory: &dyn Memory) -> Result<Self, Missing> {
        match location.pieces.as_slice() {
            [piece] => match &piece.place {
                Place::Memory(place) => Ok(Self::Memory(address(place, memory)?)),
                Place::Address(term) => Ok(Self::Memory(term.evaluate(memory)?)),
                _ => Ok(Self::Pieces { location, offset: 0 }),
            },
            _ => Ok(Self::Pieces { location, offset: 0 }),
        }
    }

    /// The position `bytes` further on.
    pub(crate) fn at(self, bytes: u64) -> Self {
        match self {
            Self::Pieces { location, offset } => Self::Pieces { location, offset: offset.saturating_add(bytes) },
            Self::Memory(address) => Self::Memory(address.wrapping_add(bytes)),
        }
    }

    pub(crate) fn read(self, memory: &dyn Memory, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        match self {
            _ if size_bytes == 0 => Ok(Vec::new()),
            Self::Memory(address) => memory.read(address, size_bytes),
            Self::Pieces { location, offset } => read_pieces(location, memory, offset, size_bytes),
        }
    }

    /// 8 bytes, little endian.
    pub(crate) fn word(self, memory: &dyn Memory) -> Result<u64, Missing> {
        let bytes = self.read(memory, 8)?;
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| Missing::NotCaptured)
    }
}

fn read_pieces(location: &Location, memory: &dyn Memory, offset: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
    let end = offset.saturating_add(size_bytes);
    let mut bytes = Vec::new();
    let mut piece_start = 0_u64;
    for piece in &location.pieces {
        let piece_end = piece_start.saturating_add(piece.size_bytes);
        let (from, to) = (offset.max(piece_start), end.min(piece_end));
        if from < to {
            bytes.extend(read_piece(&piece.place, memory, from - piece_start, to - from)?);
        }
        piece_start = piece_end;
    }
    // Where the location ends early, the compiler dropped the rest.
    if bytes.len() as u64 == size_bytes { Ok(bytes) } else { Err(Missing::OptimizedOut) }
}

fn read_piece(place: &Place, memory: &dyn Memory, offset: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
    let end = offset.saturating_add(size_bytes);
    match place {
        Place::Register(register) if !register.is_readable() => Err(Missing::VectorRegister),
        Place::Register(_) if end > 8 => Err(Missing::UnsupportedLocation),
        Place::Register(register) => Ok(slice_of(memory.register(*register)?, offset, end)),
        Place::Value(_) if end > 8 => Err(Missing::UnsupportedLocation),
        Place::Value(term) => Ok(slice_of(term.evaluate(memory)?, offset, end)),
        Place::Address(term) => memory.read(term.evaluate(memory)?.wrapping_add(offset), size_bytes),
        Place::Constant(value) => {
            let value = u128::from(*value).to_le_bytes();
            Ok((offset..end).map(|i| value.get(i as usize).copied().unwrap_or(0)).collect())
        }
        Place::Memory(place) => memory.read(address(place, memory)?.wrapping_add(offset), size_bytes),
        Place::Missing(missing) => Err(*missing),
    }
}

fn slice_of(register: u64, offset: u64, end: u64) -> Vec<u8> {
    register.to_le_bytes().get(offset as usize..end as usize).unwrap_or_default().to_vec()
}

/// The runtime address that the place means.
pub(crate) fn address(place: &MemoryPlace, memory: &dyn Memory) -> Result<u64, Missing> {
    let mut address = place.displacement as u64;
    if let Some(base) = place.base {
        address = address.wrapping_add(memory.register(base)?);
    }
    if let Some((index, scale)) = place.index {
        address = address.wrapping_add(memory.register(index)?.wrapping_mul(u64::from(scale)));
    }
    match place.indirect {
        None => Ok(address),
        Some(further) => {
            let pointer = Source::Memory(address).word(memory)?;
            Ok(pointer.wrapping_add(further as u64))
        }
    }
}
