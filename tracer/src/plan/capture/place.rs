//! Where a value is when the plan runs, and how its words come into the accumulator.

use tracer_ebpf::abi::plan::OpCode;

use super::super::assembler::{Address, Stop};
use super::{Compiler, Step};
use crate::value::place::{Location, Piece, Place};

/// Where a value is, at the time when the plan runs.
#[derive(Clone, Copy)]
pub(super) enum Base<'l> {
    Pieces { location: &'l Location, offset: u64 },
    Memory(Address),
}

impl Base<'_> {
    pub(super) fn at(self, bytes: u64) -> Self {
        match self {
            Self::Pieces { location, offset } => Self::Pieces { location, offset: offset.saturating_add(bytes) },
            Self::Memory(address) => Self::Memory(address.at(bytes)),
        }
    }
}

impl Compiler<'_> {
    /// `acc = ` the 8 bytes at `base`.
    pub(super) fn load_word(&mut self, base: Base<'_>) -> Step {
        match self.load_bits(base, 8)? {
            0 => Ok(()),
            _ => Err(Stop::Unreachable),
        }
    }

    /// Loads the `size_bytes` at `base`; the result is how far left they are shifted, in bits.
    pub(super) fn load_bits(&mut self, base: Base<'_>, size_bytes: u64) -> Result<u32, Stop> {
        let (location, offset) = match base {
            Base::Memory(address) => return self.assembler.load_memory(address, size_bytes).map(|()| 0),
            Base::Pieces { location, offset } => (location, offset),
        };
        let (piece, offset) = piece_at(location, offset, size_bytes).ok_or(Stop::Unreachable)?;
        match &piece.place {
            Place::Register(register) if register.is_readable() => {
                self.assembler.load_register_part(*register, offset, size_bytes)
            }
            Place::Memory(place) => {
                let address = self.assembler.place(place, false)?.at(offset);
                self.assembler.load_memory(address, size_bytes).map(|()| 0)
            }
            Place::Address(term) => {
                let address = self.assembler.term(term, false)?.at(offset);
                self.assembler.load_memory(address, size_bytes).map(|()| 0)
            }
            // A word that is worked out: all of it, as no part of the accumulator can be taken.
            Place::Value(term) if offset == 0 && size_bytes == 8 && term.is_addressable() => {
                let address = self.assembler.term(term, false)?;
                let displacement = self.assembler.load_base(address)?;
                self.assembler.add(displacement).map(|()| 0)
            }
            // The decoder can work it out; no operation can, so what it leads to is not captured.
            Place::Value(_) => Err(Stop::Full),
            Place::Constant(value) if offset < 8 && size_bytes <= 8 => {
                let kept = u64::MAX >> (64 - 8 * size_bytes.max(1));
                self.assembler.emit(OpCode::LoadConstant, |op| op.a = value >> (8 * offset) & kept)?;
                Ok(0)
            }
            _ => Err(Stop::Unreachable),
        }
    }
}

/// The piece that holds all `size_bytes` at `offset` of the value, and where in the piece they are.
fn piece_at(location: &Location, offset: u64, size_bytes: u64) -> Option<(&Piece, u64)> {
    let mut start = 0_u64;
    for piece in &location.pieces {
        let end = start.saturating_add(piece.size_bytes);
        if offset >= start && offset.checked_add(size_bytes)? <= end {
            return Some((piece, offset - start));
        }
        start = end;
    }
    None
}
