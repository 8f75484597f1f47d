//! Hands out registers and stack slots in the order of x86-64 System V, which Rust's own convention shares.

use super::{Part, Passed};
use crate::value::place::{Location, MemoryPlace, Missing, Piece, Place, Register};

pub(super) const INTEGER_ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];
const FLOAT_ARGUMENTS: usize = 8;
const INTEGER_RESULTS: [Register; 2] = [Register::RAX, Register::RDX];
const FLOAT_RESULTS: usize = 2;

/// The stack pointer of the first instruction is at the return address; the arguments follow it.
const RETURN_ADDRESS_BYTES: i64 = 8;

pub(super) struct Assigner {
    integers: usize,
    floats: usize,
    stack_bytes: u64,
    /// A parameter could not be placed, so the places of those behind it are not known either.
    is_lost: bool,
}

impl Assigner {
    /// A result that goes through memory takes the first register for its address.
    pub(super) fn new(result: Passed) -> Self {
        let integers = usize::from(result == Passed::Indirect);
        Self { integers, floats: 0, stack_bytes: 0, is_lost: result == Passed::Unknown }
    }

    /// The place of the next parameter, `None` if the rules do not tell.
    pub(super) fn assign(&mut self, size_bytes: u64, passed: &Passed) -> Option<Location> {
        self.is_lost |= size_bytes > u64::from(u32::MAX);
        if self.is_lost {
            return None;
        }
        let location = match passed {
            Passed::Nothing => Some(Location::default()),
            Passed::Parts(parts) => self.parts(size_bytes, parts),
            Passed::Together(parts) => Some(self.together(size_bytes, parts)),
            Passed::Indirect => Some(self.indirect(size_bytes)),
            Passed::Stack { align_bytes } => Some(self.stack(size_bytes, *align_bytes)),
            Passed::Unknown => None,
        };
        self.is_lost = location.is_none();
        location
    }

    fn parts(&mut self, size_bytes: u64, parts: &[Part]) -> Option<Location> {
        let mut pieces = Pieces::default();
        for part in parts {
            let fits = self.integers + 2 <= INTEGER_ARGUMENTS.len();
            match (part.size_bytes, part.is_float) {
                (16, false) if fits => {
                    pieces.put(part.offset, 8, self.integer());
                    pieces.put(part.offset + 8, 8, self.integer());
                }
                (..=8, false) => pieces.put(part.offset, part.size_bytes, self.integer()),
                (..=8, true) => pieces.put(part.offset, part.size_bytes, self.float()),
                // Whether a 128-bit integer is split when registers run out differs between LLVM versions.
                _ => return None,
            }
        }
        Some(pieces.finish(size_bytes))
    }

    fn together(&mut self, size_bytes: u64, parts: &[Part]) -> Location {
        let floats = parts.iter().filter(|part| part.is_float).count();
        let integers = parts.len() - floats;
        if self.integers + integers > INTEGER_ARGUMENTS.len() || self.floats + floats > FLOAT_ARGUMENTS {
            return self.stack(size_bytes, if size_bytes > 8 && parts.len() == 1 { 16 } else { 8 });
        }
        let mut pieces = Pieces::default();
        for part in parts {
            let place = if part.is_float { self.float() } else { self.integer() };
            pieces.put(part.offset, part.size_bytes, place);
        }
        pieces.finish(size_bytes)
    }

    fn indirect(&mut self, size_bytes: u64) -> Location {
        let place = match self.integer() {
            Place::Register(register) => MemoryPlace::at(register, 0),
            Place::Memory(place) => MemoryPlace { indirect: Some(0), ..place },
            other => return Location::whole(size_bytes, other),
        };
        Location::whole(size_bytes, Place::Memory(place))
    }

    fn stack(&mut self, size_bytes: u64, align_bytes: u64) -> Location {
        self.stack_bytes = self.stack_bytes.next_multiple_of(align_bytes.max(8));
        let place = MemoryPlace::at(Register::RSP, RETURN_ADDRESS_BYTES + self.stack_bytes as i64);
        self.stack_bytes = self.stack_bytes.saturating_add(size_bytes.max(1)).next_multiple_of(8);
        Location::whole(size_bytes, Place::Memory(place))
    }

    fn stack_word(&mut self) -> Place {
        let place = MemoryPlace::at(Register::RSP, RETURN_ADDRESS_BYTES + self.stack_bytes as i64);
        self.stack_bytes += 8;
        Place::Memory(place)
    }

    fn integer(&mut self) -> Place {
        match INTEGER_ARGUMENTS.get(self.integers) {
            Some(register) => {
                self.integers += 1;
                Place::Register(*register)
            }
            None => self.stack_word(),
        }
    }

    fn float(&mut self) -> Place {
        if self.floats == FLOAT_ARGUMENTS {
            return self.stack_word();
        }
        self.floats += 1;
        Place::Missing(Missing::VectorRegister)
    }
}

/// The place of a result that comes back in registers; `None` if there are not enough of them.
pub(super) fn returned(size_bytes: u64, parts: &[Part]) -> Option<Location> {
    let mut pieces = Pieces::default();
    let mut integers = INTEGER_RESULTS.iter();
    let mut floats = 0..FLOAT_RESULTS;
    for part in parts {
        if part.is_float {
            floats.next()?;
            pieces.put(part.offset, part.size_bytes, Place::Missing(Missing::VectorRegister));
            continue;
        }
        for start in (0..part.size_bytes).step_by(8) {
            let size = (part.size_bytes - start).min(8);
            pieces.put(part.offset + start, size, Place::Register(*integers.next()?));
        }
    }
    Some(pieces.finish(size_bytes))
}

/// Pieces by offset, with the padding between them.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Piece>,
    end: u64,
}

impl Pieces {
    fn put(&mut self, offset: u64, size_bytes: u64, place: Place) {
        self.pad(offset);
        self.pieces.push(Piece { size_bytes, place });
        self.end = offset + size_bytes;
    }

    fn pad(&mut self, to: u64) {
        if to > self.end {
            self.pieces.push(Piece { size_bytes: to - self.end, place: Place::Missing(Missing::OptimizedOut) });
            self.end = to;
        }
    }

    fn finish(mut self, size_bytes: u64) -> Location {
        self.pad(size_bytes);
        Location { pieces: self.pieces }
    }
}
