//! A second interpreter of capture plans, for tests: what the BPF side does to a thread's memory, done to a fake one.
//! Written from the ABI's description (`tracer_ebpf::abi`), sizes and chunk states included.

use tracer_ebpf::abi::filter::{Match, SEARCHED_BYTES_MAX, Text};
use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, FIND_BYTES, Op, OpCode, SLOTS, STEPS_MAX};
use tracer_ebpf::abi::record::{ChunkHeader, RECORD_FULL_AT};

use super::capture_plan::CapturePlan;
use crate::value::image::{Chunk, Image, Memory};
use crate::value::place::{Missing, Register};

const PAGE_BYTES: u64 = 4096;

/// The picture that a record of this plan brings.
pub(crate) fn interpret(plan: &CapturePlan, target: &dyn Memory) -> Image {
    let mut registers = Vec::new();
    for number in &plan.head.registers[..usize::from(plan.head.register_count)] {
        registers.push((Register(*number), target.register(Register(*number)).unwrap_or(0)));
    }
    let record_bytes = registers.len() * 8;
    let image = Image { registers, chunks: Vec::new() };
    run(plan, target, image, record_bytes, &[]).image
}

/// What the operations of a filter leave in the accumulator.
pub(crate) fn decide(plan: &CapturePlan, target: &dyn Memory, texts: &[Text]) -> u64 {
    run(plan, target, Image::default(), 0, texts).accumulator
}

fn run<'t>(
    plan: &CapturePlan,
    target: &'t dyn Memory,
    image: Image,
    record_bytes: usize,
    texts: &'t [Text],
) -> Interpreter<'t> {
    let (counter, calls) = (0, vec![Call { base: 0, depth: 0, back: usize::MAX }]);
    let mut state =
        Interpreter { target, texts, image, record_bytes, accumulator: 0, slots: [0; SLOTS], counter, calls };
    for _ in 0..STEPS_MAX {
        let Some(op) = plan.ops.get(state.counter) else { break };
        state.counter += 1;
        state.step(op);
    }
    state
}

struct Interpreter<'t> {
    target: &'t dyn Memory,
    texts: &'t [Text],
    image: Image,
    record_bytes: usize,
    accumulator: u64,
    slots: [u64; SLOTS],
    counter: usize,
    calls: Vec<Call>,
}

struct Call {
    base: usize,
    depth: u64,
    /// Where to go on when it returns.
    back: usize,
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
        } else if is(OpCode::AddSlot) {
            self.accumulator = acc.wrapping_add(self.slot(op.register).wrapping_mul(op.a));
        } else if is(OpCode::Least) {
            self.accumulator = acc.min(op.a);
        } else if is(OpCode::LeastSlot) {
            self.accumulator = acc.min(self.slot(op.register));
        } else if is(OpCode::LoadMemory) {
            let address = acc.wrapping_add(op.a);
            match self.target.read(address, op.immediate.into()) {
                Ok(bytes) => self.accumulator = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
                Err(_) => {
                    self.append(address, op.immediate.into(), vec![], Some(Missing::NotResident));
                    self.counter = op.target.into();
                }
            }
        } else if is(OpCode::Save) {
            self.slots[self.index(op.register)] = acc;
        } else if is(OpCode::Restore) {
            self.accumulator = self.slot(op.register);
        } else if is(OpCode::Copy) {
            self.chunk(op, acc.wrapping_add(op.a), op.b, op.b);
        } else if is(OpCode::CopySlice) {
            let asked = self.slot(op.register).saturating_mul(op.immediate.into());
            self.chunk(op, acc, asked, op.b);
        } else if is(OpCode::CopyString) {
            self.string(op, acc);
        } else if is(OpCode::FindClear) {
            self.find_clear(op, acc);
        } else if is(OpCode::MatchText) {
            self.match_text(op, acc);
        } else if is(OpCode::StringLength) {
            let bytes = self.target.read_prefix(acc, SEARCHED_BYTES_MAX as u64).unwrap_or_default();
            match bytes.iter().position(|byte| *byte == 0) {
                Some(length) => self.accumulator = length as u64,
                None => self.fault(op, acc),
            }
        } else if is(OpCode::Repeat) {
            let (item, left) = (self.index(op.register), self.index(op.register + 1));
            self.slots[item] = self.slots[item].wrapping_add(op.a);
            self.slots[left] = self.slots[left].wrapping_sub(1);
            self.accumulator = self.slots[item];
            self.jump_if(op, self.slots[left] != 0);
        } else if is(OpCode::Call) {
            self.call(op);
        } else if is(OpCode::Return) {
            self.counter = match self.calls.len() {
                1 => usize::MAX,
                _ => self.calls.pop().map_or(usize::MAX, |call| call.back),
            };
        } else {
            let in_range = (op.a..=op.b).contains(&acc);
            let jumps = is(OpCode::JumpUnless) && !in_range
                || is(OpCode::JumpIf) && in_range
                || is(OpCode::Jump)
                || is(OpCode::JumpUnlessBelow) && acc >= self.slot(op.register)
                || is(OpCode::JumpIfDeep) && self.depth() + u64::from(op.immediate) >= op.b;
            self.jump_if(op, jumps);
        }
    }

    fn fault(&mut self, op: &Op, address: u64) {
        self.append(address, 0, vec![], Some(Missing::NotResident));
        self.counter = op.target.into();
    }

    fn match_text(&mut self, op: &Op, address: u64) {
        let text = &self.texts[op.immediate as usize];
        let wanted = &text.bytes[..text.size_bytes as usize];
        let length = self.slot(op.register);
        let is = |how: Match| op.a == how as u64;
        let size = wanted.len() as u64;
        if length < size || is(Match::Equals) && length != size {
            self.accumulator = 0;
            return;
        }
        let (from, read) = match () {
            () if is(Match::EndsWith) => (length - size, size),
            () if is(Match::Contains) => (0, length.min(SEARCHED_BYTES_MAX as u64)),
            () => (0, size),
        };
        let Ok(bytes) = self.target.read(address.wrapping_add(from), read) else { return self.fault(op, address) };
        let found = wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted);
        if !found && is(Match::Contains) && length > read {
            return self.fault(op, address);
        }
        self.accumulator = found.into();
    }

    fn jump_if(&mut self, op: &Op, condition: bool) {
        if condition {
            self.counter = op.target.into();
        }
    }

    fn depth(&self) -> u64 {
        self.calls.last().unwrap().depth
    }

    fn index(&self, register: u8) -> usize {
        (self.calls.last().unwrap().base + usize::from(register)) % SLOTS
    }

    fn slot(&self, register: u8) -> u64 {
        self.slots[self.index(register)]
    }

    fn call(&mut self, op: &Op) {
        let base = self.calls.last().unwrap().base + usize::from(op.register) + 1;
        let depth = self.depth() + u64::from(op.immediate);
        if depth < op.b && (base as u64).saturating_add(op.a) <= SLOTS as u64 {
            self.calls.push(Call { base, depth, back: self.counter });
            self.counter = op.target.into();
        }
    }

    fn find_clear(&mut self, op: &Op, from: u64) {
        if self.is_full(from) {
            return;
        }
        let end = self.slot(op.register);
        let size = end.saturating_sub(from).min(FIND_BYTES as u64);
        let Ok(bytes) = self.target.read(from, size) else {
            self.append(from, size, vec![], Some(Missing::NotResident));
            self.accumulator = end;
            self.counter = op.target.into();
            return;
        };
        let found = bytes.iter().position(|byte| byte & 0x80 == 0);
        self.accumulator = from.wrapping_add(found.map_or(size, |at| at as u64));
        self.jump_if(op, found.is_none());
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
            self.counter = usize::MAX;
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
        self.counter = op.target.into();
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
                self.counter = op.target.into();
            }
        }
    }
}
