//! Appends operations to a capture plan: addresses into the accumulator, slots, jumps to the end of a block, loops.
//! Knows the operations, not the types that they are for.

use std::sync::Arc;

use tracer_ebpf::abi::plan::{OPS_MAX, Op, OpCode};

use crate::value::place::{MemoryPlace, Place, Register};
use crate::value::term::{Operator, Term};

/// Why a block is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// No operation or slot is left for it.
    Full,
    /// What it needs is not there: a vector register, a part that was optimised out.
    Unreachable,
}

/// An address at the time when the plan runs: something known, plus a displacement in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Address {
    Register(u8, u64),
    Constant(u64),
    Slot(u8, u64),
    Accumulator(u64),
}

impl Address {
    pub(super) fn at(self, bytes: u64) -> Self {
        match self {
            Self::Register(register, displacement) => Self::Register(register, displacement.wrapping_add(bytes)),
            Self::Constant(address) => Self::Constant(address.wrapping_add(bytes)),
            Self::Slot(slot, displacement) => Self::Slot(slot, displacement.wrapping_add(bytes)),
            Self::Accumulator(displacement) => Self::Accumulator(displacement.wrapping_add(bytes)),
        }
    }
}

/// Slots that one call may use, so that some are left for the calls that it makes.
const CALL_SLOTS_MAX: usize = 24;

/// The state to return to when a block is given up.
pub(super) struct Mark {
    ops: usize,
    exits: usize,
    slots: usize,
}

pub(super) struct Assembler {
    ops: Vec<Op>,
    /// Operations that may be used so far: the share of the value that is being compiled.
    pub(super) ops_max: usize,
    /// Operations of the open blocks that jump to the end of theirs.
    exits: Vec<usize>,
    slots: usize,
    /// The most slots in use since [`begin_call`](Self::begin_call).
    pub(super) slots_max: usize,
    pub(super) is_complete: bool,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self { ops: Vec::new(), ops_max: OPS_MAX, exits: Vec::new(), slots: 0, slots_max: 0, is_complete: true }
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    pub(super) fn finish(self) -> Arc<[Op]> {
        self.ops.into()
    }

    /// The operation that comes next, as a target to jump to.
    pub(super) fn here(&self) -> u16 {
        self.ops.len() as u16
    }

    /// An operation that was emitted before.
    pub(super) fn op_mut(&mut self, index: usize) -> Option<&mut Op> {
        self.ops.get_mut(index)
    }

    /// What follows runs with slots of its own.
    pub(super) fn begin_call(&mut self) {
        (self.slots, self.slots_max) = (0, 0);
    }

    /// The first slot that is free.
    pub(super) fn slots(&self) -> u8 {
        self.slots as u8
    }

    pub(super) fn open(&self) -> Mark {
        Mark { ops: self.ops.len(), exits: self.exits.len(), slots: self.slots }
    }

    /// Ends a block: its failing operations go on here. A block that stopped is taken back.
    pub(super) fn close(&mut self, mark: Mark, result: Result<(), Stop>) {
        if let Err(stop) = result {
            self.ops.truncate(mark.ops);
            self.is_complete &= stop != Stop::Full;
        }
        let end = self.here();
        for index in self.exits.drain(mark.exits..) {
            if let Some(op) = self.ops.get_mut(index) {
                op.target = end;
            }
        }
        self.slots = mark.slots;
    }

    /// An operation; if it fails, the next one follows all the same.
    pub(super) fn emit(&mut self, code: OpCode, fill: impl FnOnce(&mut Op)) -> Result<(), Stop> {
        if self.ops.len() >= self.ops_max.min(OPS_MAX) {
            return Err(Stop::Full);
        }
        let mut op = Op { code: code as u8, target: self.here() + 1, ..Op::default() };
        fill(&mut op);
        self.ops.push(op);
        Ok(())
    }

    /// An operation that jumps to the end of the block when it fails or says so.
    pub(super) fn leaving(&mut self, code: OpCode, fill: impl FnOnce(&mut Op)) -> Result<(), Stop> {
        self.emit(code, fill)?;
        self.exits.push(self.ops.len() - 1);
        Ok(())
    }

    /// A comparison that jumps to the end of the block.
    pub(super) fn guard(&mut self, code: OpCode, low: u64, high: u64) -> Result<(), Stop> {
        self.leaving(code, |op| (op.a, op.b) = (low, high))
    }

    /// Jumps to an operation that was emitted before.
    pub(super) fn jump(&mut self, code: OpCode, target: u16, fill: impl FnOnce(&mut Op)) -> Result<(), Stop> {
        self.emit(code, |op| {
            op.target = target;
            fill(op);
        })
    }

    /// An operation whose target comes later; see [`land`](Self::land).
    pub(super) fn ahead(&mut self, code: OpCode, fill: impl FnOnce(&mut Op)) -> Result<usize, Stop> {
        self.emit(code, fill)?;
        Ok(self.ops.len() - 1)
    }

    /// The target of an operation from [`ahead`](Self::ahead) is here.
    pub(super) fn land(&mut self, index: usize) {
        let here = self.here();
        if let Some(op) = self.ops.get_mut(index) {
            op.target = here;
        }
    }

    pub(super) fn add(&mut self, value: u64) -> Result<(), Stop> {
        if value == 0 { Ok(()) } else { self.emit(OpCode::Add, |op| op.a = value) }
    }

    /// Saves the accumulator in a slot that is free until the block ends.
    pub(super) fn save(&mut self) -> Result<u8, Stop> {
        let slot = self.reserve(1)?;
        self.save_to(slot)?;
        Ok(slot)
    }

    /// Slots that are free until the block ends; the first of them.
    pub(super) fn reserve(&mut self, count: usize) -> Result<u8, Stop> {
        if self.slots + count > CALL_SLOTS_MAX {
            return Err(Stop::Full);
        }
        let slot = self.slots as u8;
        self.slots += count;
        self.slots_max = self.slots_max.max(self.slots);
        Ok(slot)
    }

    pub(super) fn save_to(&mut self, slot: u8) -> Result<(), Stop> {
        self.emit(OpCode::Save, |op| op.register = slot)
    }

    pub(super) fn restore(&mut self, slot: u8) -> Result<(), Stop> {
        self.emit(OpCode::Restore, |op| op.register = slot)
    }

    /// `acc = ` what the address starts from; returns the displacement that is still to be added.
    pub(super) fn load_base(&mut self, address: Address) -> Result<u64, Stop> {
        match address {
            Address::Register(register, displacement) => {
                self.emit(OpCode::LoadRegister, |op| op.register = register)?;
                Ok(displacement)
            }
            Address::Constant(address) => {
                self.emit(OpCode::LoadConstant, |op| op.a = address)?;
                Ok(0)
            }
            Address::Slot(slot, displacement) => {
                self.restore(slot)?;
                Ok(displacement)
            }
            Address::Accumulator(displacement) => Ok(displacement),
        }
    }

    /// `acc = ` the 1, 2, 4 or 8 bytes at the address, zero-extended. On a fault the block ends.
    pub(super) fn load_memory(&mut self, address: Address, size_bytes: u64) -> Result<(), Stop> {
        if !matches!(size_bytes, 1 | 2 | 4 | 8) {
            return Err(Stop::Unreachable);
        }
        let displacement = self.load_base(address)?;
        self.leaving(OpCode::LoadMemory, |op| (op.a, op.immediate) = (displacement, size_bytes as u32))
    }

    /// Loads bytes of a register so that they are the topmost ones of the accumulator, unless they are the whole
    /// register: there is no shift to the right. Returns by how many bits they are shifted left.
    pub(super) fn load_register_part(&mut self, register: Register, offset: u64, size_bytes: u64) -> Result<u32, Stop> {
        let end = offset.checked_add(size_bytes).filter(|end| size_bytes > 0 && *end <= 8).ok_or(Stop::Unreachable)?;
        if end == 8 {
            self.emit(OpCode::LoadRegister, |op| op.register = register.0)?;
        } else {
            self.emit(OpCode::LoadConstant, |_| {})?;
            self.emit(OpCode::AddScaled, |op| (op.register, op.a) = (register.0, 1 << (64 - 8 * end)))?;
        }
        Ok(64 - 8 * size_bytes as u32)
    }

    /// An assembler that leaves the first slots to the plan's results.
    pub(super) fn with_results(slots: usize) -> Self {
        Self { slots, slots_max: slots, ..Self::new() }
    }

    /// Leaves the value at a place in the slot, extended from its size; on a fault the slot stays as it was.
    pub(super) fn load_to_slot(&mut self, place: &Place, size_bytes: u8, signed: bool, slot: u8) -> Result<(), Stop> {
        let mark = self.open();
        let result = self.load_value(place, size_bytes, signed, slot);
        self.close(mark, result);
        result
    }

    fn load_value(&mut self, place: &Place, size_bytes: u8, signed: bool, slot: u8) -> Result<(), Stop> {
        match place {
            Place::Register(register) if register.is_readable() => {
                self.emit(OpCode::LoadRegister, |op| op.register = register.0)?;
            }
            Place::Constant(value) => self.emit(OpCode::LoadConstant, |op| op.a = *value)?,
            Place::Memory(memory) => {
                let address = self.place(memory, false)?;
                self.load_memory(address, u64::from(size_bytes))?;
            }
            Place::Register(_) | Place::Address(_) | Place::Value(_) | Place::Missing(_) => {
                return Err(Stop::Unreachable);
            }
        }
        self.emit(OpCode::Extend, |op| (op.immediate, op.a) = (size_bytes.into(), signed.into()))?;
        self.save_to(slot)
    }

    /// The term as an address. With `copy_loads` the pointers that it follows are copied on the way, for the decoder
    /// to find.
    pub(super) fn term(&mut self, term: &Term, copy_loads: bool) -> Result<Address, Stop> {
        match (term, term.displaced()) {
            (_, (None, number)) => Ok(Address::Constant(number as u64)),
            (_, (Some(inner), number)) if number != 0 => Ok(self.term(inner, copy_loads)?.at(number as u64)),
            (Term::Register(register), _) if register.is_readable() => Ok(Address::Register(register.0, 0)),
            (Term::Load { address, size_bytes }, _) => {
                let address = self.term(address, copy_loads)?;
                let displacement = self.load_base(address)?;
                if copy_loads {
                    let size_bytes = u64::from(*size_bytes);
                    self.emit(OpCode::Copy, |op| (op.a, op.b) = (displacement, size_bytes))?;
                }
                self.load_memory(Address::Accumulator(displacement), u64::from(*size_bytes))?;
                Ok(Address::Slot(self.save()?, 0))
            }
            (Term::Operation(Operator::Plus, left, right), _) => {
                let (register, factor) = right.scaled_register().ok_or(Stop::Unreachable)?;
                let left = self.term(left, copy_loads)?;
                let displacement = self.load_base(left)?;
                self.emit(OpCode::AddScaled, |op| (op.register, op.a) = (register.0, factor))?;
                Ok(Address::Slot(self.save()?, displacement))
            }
            (term, _) => {
                let (register, factor) = term.scaled_register().ok_or(Stop::Unreachable)?;
                self.emit(OpCode::LoadConstant, |_| {})?;
                self.emit(OpCode::AddScaled, |op| (op.register, op.a) = (register.0, factor))?;
                Ok(Address::Slot(self.save()?, 0))
            }
        }
    }

    /// The address that a place means. What is not a register and a displacement is worked out into a slot; with
    /// `copy_pointer` the pointer of an indirect place is copied on the way, for the decoder to find.
    pub(super) fn place(&mut self, place: &MemoryPlace, copy_pointer: bool) -> Result<Address, Stop> {
        let displacement = place.displacement as u64;
        let is_readable = |register: &Register| register.is_readable();
        if !place.base.iter().chain(place.index.as_ref().map(|(index, _)| index)).all(is_readable) {
            return Err(Stop::Unreachable);
        }
        let start = match place.base {
            Some(base) => Address::Register(base.0, displacement),
            None => Address::Constant(displacement),
        };
        if place.index.is_none() && place.indirect.is_none() {
            return Ok(start);
        }
        let mut displacement = self.load_base(start)?;
        if let Some((index, scale)) = place.index {
            self.emit(OpCode::AddScaled, |op| (op.register, op.a) = (index.0, u64::from(scale)))?;
        }
        if let Some(further) = place.indirect {
            if copy_pointer {
                self.emit(OpCode::Copy, |op| (op.a, op.b) = (displacement, 8))?;
            }
            self.load_memory(Address::Accumulator(displacement), 8)?;
            displacement = further as u64;
        }
        let slot = self.save()?;
        Ok(Address::Slot(slot, displacement))
    }
}
