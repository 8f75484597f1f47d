//! A second interpreter of capture plans, for tests: what the BPF side does to a thread's memory, done to a fake one.
//! Written from the ABI's description (`tracer_ebpf::abi`), sizes and chunk states included.

use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, Op, OpCode, Plan, SLOTS};
use tracer_ebpf::abi::record::{ChunkHeader, RECORD_FULL_AT};

use crate::value::image::{Chunk, Image, Memory};
use crate::value::place::{Missing, Register};

const PAGE_BYTES: u64 = 4096;

/// The picture that a record of this plan brings.
pub(crate) fn interpret(plan: &Plan, target: &dyn Memory) -> Image {
    let mut registers = Vec::new();
    for number in &plan.registers[..usize::from(plan.register_count)] {
        registers.push((Register(*number), target.register(Register(*number)).unwrap_or(0)));
    }
    let record_bytes = registers.len() * 8;
    let image = Image { registers, chunks: Vec::new() };
    let mut state = Interpreter { target, image, record_bytes, accumulator: 0, slots: [0; SLOTS], skip: 0 };
    for op in &plan.ops[..usize::from(plan.op_count)] {
        if state.skip > 0 {
            state.skip -= 1;
        } else {
            state.step(op);
        }
    }
    state.image
}

struct Interpreter<'t> {
    target: &'t dyn Memory,
    image: Image,
    record_bytes: usize,
    accumulator: u64,
    slots: [u64; SLOTS],
    skip: u32,
}

impl Interpreter<'_> {
    fn step(&mut self, op: &Op) {
        let acc = self.accumulator;
        let is = |code: OpCode| op.code == code as u8;
        if is(OpCode::LoadRegister) {
            self.accumulator = self.register(op.register);
        } else if is(OpCode::LoadConstant) {
            self.accumulator = op.a;
        } else if is(OpCode::Add) {
            self.accumulator = acc.wrapping_add(op.a);
        } else if is(OpCode::AddScaled) {
            self.accumulator = acc.wrapping_add(self.register(op.register).wrapping_mul(op.a));
        } else if is(OpCode::LoadMemory) {
            let address = acc.wrapping_add(op.a);
            match self.target.read(address, u64::from(op.size_bytes)) {
                Ok(bytes) => self.accumulator = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
                Err(_) => {
                    self.append(address, u64::from(op.size_bytes), vec![], Some(Missing::NotResident));
                    self.skip = op.skip.into();
                }
            }
        } else if is(OpCode::Save) {
            self.slots[usize::from(op.register)] = acc;
        } else if is(OpCode::Restore) {
            self.accumulator = self.slots[usize::from(op.register)];
        } else if is(OpCode::Copy) {
            self.chunk(op, acc.wrapping_add(op.a), op.b, op.b);
        } else if is(OpCode::CopySlice) {
            let asked = self.slots[usize::from(op.register)].saturating_mul(op.immediate.into());
            self.chunk(op, acc, asked, op.b);
        } else if is(OpCode::CopyString) {
            self.string(op, acc);
        } else if is(OpCode::SkipUnless) && !(op.a..=op.b).contains(&acc)
            || is(OpCode::SkipIf) && (op.a..=op.b).contains(&acc)
        {
            self.skip = op.skip.into();
        }
    }

    fn register(&self, number: u8) -> u64 {
        self.target.register(Register(number)).unwrap_or(0)
    }

    fn append(&mut self, address: u64, asked_bytes: u64, bytes: Vec<u8>, missing: Option<Missing>) {
        self.record_bytes += size_of::<ChunkHeader>() + bytes.len().next_multiple_of(8);
        self.image.chunks.push(Chunk { address, asked_bytes: asked_bytes.min(u32::MAX.into()), bytes, missing });
    }

    fn is_full(&mut self, address: u64) -> bool {
        let is_full = self.record_bytes > RECORD_FULL_AT;
        if is_full {
            self.append(address, 0, vec![], Some(Missing::RecordFull));
            self.skip = u32::MAX;
        }
        is_full
    }

    fn chunk(&mut self, op: &Op, address: u64, asked: u64, limit: u64) {
        if self.is_full(address) {
            return;
        }
        let size = asked.min(limit).min(CHUNK_BYTES_MAX as u64);
        if let Ok(bytes) = self.target.read(address, size) {
            return self.append(address, asked, bytes, None);
        }
        let on_page = PAGE_BYTES - address % PAGE_BYTES;
        let bytes = if on_page < size { self.target.read(address, on_page).unwrap_or_default() } else { vec![] };
        self.append(address, asked, bytes, Some(Missing::NotResident));
        self.skip = op.skip.into();
    }

    fn string(&mut self, op: &Op, address: u64) {
        if self.is_full(address) {
            return;
        }
        let size = op.b.min(CHUNK_BYTES_MAX as u64);
        let bytes = self.target.read_prefix(address, size).unwrap_or_default();
        match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => self.append(address, end as u64 + 1, bytes[..=end].to_vec(), None),
            None if bytes.len() as u64 == size => {
                self.append(address, u32::MAX.into(), bytes[..bytes.len() - 1].to_vec(), None);
            }
            None => {
                self.append(address, 0, vec![], Some(Missing::NotResident));
                self.skip = op.skip.into();
            }
        }
    }
}
