//! Appends operations to a capture plan: addresses into the accumulator, slots, skips to the end of a block.
//! Knows the operations, not the types that they are for.

use tracer_ebpf::abi::plan::{OPS_MAX, Op, OpCode, SLOTS};

use crate::value::place::{MemoryPlace, Place, Register};

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

/// The state to return to when a block is given up.
pub(super) struct Mark {
    ops: usize,
    skips: usize,
    slots: usize,
}

pub(super) struct Assembler {
    ops: Vec<Op>,
    /// Operations that may be used so far: the share of the value that is being compiled.
    pub(super) ops_max: usize,
    /// Operations of the open blocks that skip to the end of theirs.
    skips: Vec<usize>,
    slots: usize,
    pub(super) is_complete: bool,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self { ops: Vec::new(), ops_max: OPS_MAX, skips: Vec::new(), slots: 0, is_complete: true }
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.ops.len() < self.ops_max && self.slots < SLOTS
    }

    /// Writes the operations into the plan's array; returns how many there are.
    pub(super) fn write(&self, ops: &mut [Op; OPS_MAX]) -> u8 {
        for (slot, op) in ops.iter_mut().zip(&self.ops) {
            *slot = *op;
        }
        self.ops.len().min(OPS_MAX) as u8
    }

    pub(super) fn open(&self) -> Mark {
        Mark { ops: self.ops.len(), skips: self.skips.len(), slots: self.slots }
    }

    /// Ends a block: its failing operations skip to here. A block that stopped is taken back.
    pub(super) fn close(&mut self, mark: Mark, result: Result<(), Stop>) {
        if let Err(stop) = result {
            self.ops.truncate(mark.ops);
            self.is_complete &= stop != Stop::Full;
        }
        let end = self.ops.len();
        for index in self.skips.drain(mark.skips..) {
            if let Some(op) = self.ops.get_mut(index) {
                op.skip = (end - index - 1) as u8;
            }
        }
        self.slots = mark.slots;
    }

    pub(super) fn emit(&mut self, code: OpCode, fill: impl FnOnce(&mut Op)) -> Result<(), Stop> {
        if self.ops.len() >= self.ops_max.min(OPS_MAX) {
            return Err(Stop::Full);
        }
        let mut op = Op { code: code as u8, ..Op::default() };
        fill(&mut op);
        self.ops.push(op);
        Ok(())
    }

    /// A comparison that skips to the end of the block.
    pub(super) fn guard(&mut self, code: OpCode, low: u64, high: u64) -> Result<(), Stop> {
        self.emit(code, |op| (op.a, op.b) = (low, high))?;
        self.skips.push(self.ops.len() - 1);
        Ok(())
    }

    pub(super) fn add(&mut self, value: u64) -> Result<(), Stop> {
        if value == 0 { Ok(()) } else { self.emit(OpCode::Add, |op| op.a = value) }
    }

    /// Saves the accumulator in a slot that is free until the block ends.
    pub(super) fn save(&mut self) -> Result<u8, Stop> {
        if self.slots >= SLOTS {
            return Err(Stop::Full);
        }
        let slot = self.slots as u8;
        self.emit(OpCode::Save, |op| op.register = slot)?;
        self.slots += 1;
        Ok(slot)
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
                self.emit(OpCode::Restore, |op| op.register = slot)?;
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
        self.emit(OpCode::LoadMemory, |op| (op.a, op.size_bytes) = (displacement, size_bytes as u8))?;
        self.skips.push(self.ops.len() - 1);
        Ok(())
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
        Self { slots, ..Self::new() }
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
            Place::Register(_) | Place::Missing(_) => return Err(Stop::Unreachable),
        }
        self.emit(OpCode::Extend, |op| (op.size_bytes, op.immediate) = (size_bytes, u32::from(signed)))?;
        self.emit(OpCode::Save, |op| op.register = slot)
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
