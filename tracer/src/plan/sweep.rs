//! Decodes a function's code from end to end and keeps what may end a call. Trusts nothing that does not fit
//! together: a sweep that lost its step would put probes inside instructions.

use iced_x86::{ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use thiserror::Error;

use super::exits::Part;
use crate::target::address::LinkAddress;

/// Why a function's code gives no exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SweepError {
    #[error("the function has no code at {0}: give it a range with bytes")]
    Missing(LinkAddress),
    #[error("the code at {0} cannot be decoded: its function can be probed at its entry only")]
    Undecodable(LinkAddress),
    #[error("a jump leads into the instruction at {0}, so data may be mixed into the code: probe the entry only")]
    Misaligned(LinkAddress),
}

/// An instruction that may end the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) address: LinkAddress,
    pub(super) kind: JumpKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JumpKind {
    Return,
    /// To an address outside all parts, or through a fixed slot such as the GOT's.
    Out,
    /// The same, if a condition holds; `None` for `loop` and `jrcxz`.
    OutIf(Option<u8>),
    /// Through a register or a computed slot. Jumps through a compiler's table of offsets are not listed.
    Indirect,
}

/// The result of the last run, and memory for the next.
#[derive(Default)]
pub(super) struct Sweep {
    pub(super) jumps: Vec<Jump>,
    pub(super) contains_call: bool,
    /// Parts whose last instruction goes on into what follows: hand-written code, or a size that is wrong.
    pub(super) fall_throughs: usize,
    /// Targets of direct jumps within the function.
    targets: Vec<LinkAddress>,
    /// One bit for each byte of all parts, set where an instruction starts.
    starts: Vec<u64>,
}

impl Sweep {
    pub(super) fn run(&mut self, parts: &[Part<'_>]) -> Result<(), SweepError> {
        self.jumps.clear();
        self.targets.clear();
        self.starts.clear();
        self.contains_call = false;
        self.fall_throughs = 0;
        let bytes: usize = parts.iter().map(|part| part.code.len()).sum();
        self.starts.resize(bytes / 64 + 1, 0);
        let mut first_bit = 0;
        for part in parts {
            if part.code.is_empty() || part.code.len() as u64 != part.range.size() {
                return Err(SweepError::Missing(part.range.start));
            }
            self.part(part, parts, first_bit)?;
            first_bit += part.code.len();
        }
        match self.targets.iter().find(|&&target| !self.is_start(parts, target)) {
            Some(&target) => Err(SweepError::Misaligned(target)),
            None => Ok(()),
        }
    }

    /// Whether a direct jump within the function leads to `address`.
    pub(super) fn is_jumped_to(&self, address: LinkAddress) -> bool {
        self.targets.contains(&address)
    }

    fn part(&mut self, part: &Part<'_>, parts: &[Part<'_>], first_bit: usize) -> Result<(), SweepError> {
        let mut decoder = Decoder::with_ip(64, part.code, part.range.start.0, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        let mut table = TableJump::default();
        let mut last = FlowControl::Return;
        while decoder.can_decode() {
            let position = decoder.position();
            decoder.decode_out(&mut instruction);
            if instruction.is_invalid() {
                if part.code.get(position..).is_some_and(is_padding) {
                    break;
                }
                return Err(SweepError::Undecodable(LinkAddress(instruction.ip())));
            }
            let bit = first_bit + position;
            if let Some(word) = self.starts.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
            last = instruction.flow_control();
            match last {
                FlowControl::Next => table.follow(&instruction),
                flow => self.branch(flow, &instruction, parts, &mut table),
            }
        }
        if matches!(last, FlowControl::Next | FlowControl::ConditionalBranch) {
            self.fall_throughs += 1;
        }
        Ok(())
    }

    fn branch(&mut self, flow: FlowControl, instruction: &Instruction, parts: &[Part<'_>], table: &mut TableJump) {
        let kind = match flow {
            FlowControl::Return => Some(JumpKind::Return),
            FlowControl::UnconditionalBranch => self.leaves(instruction, parts).then_some(JumpKind::Out),
            FlowControl::ConditionalBranch => {
                self.leaves(instruction, parts).then(|| JumpKind::OutIf(condition(instruction)))
            }
            FlowControl::IndirectBranch => indirect(instruction, table),
            FlowControl::Call | FlowControl::IndirectCall => {
                self.contains_call |= instruction.mnemonic() == Mnemonic::Call;
                None
            }
            _ => None,
        };
        *table = TableJump::default();
        if let Some(kind) = kind {
            self.jumps.push(Jump { address: LinkAddress(instruction.ip()), kind });
        }
    }

    /// Whether a direct jump leads out of the function; notes its target if it does not.
    fn leaves(&mut self, instruction: &Instruction, parts: &[Part<'_>]) -> bool {
        let target = LinkAddress(instruction.near_branch_target());
        let inside = parts.iter().any(|part| part.range.contains(target));
        if inside {
            self.targets.push(target);
        }
        !inside
    }

    fn is_start(&self, parts: &[Part<'_>], address: LinkAddress) -> bool {
        let mut first_bit = 0;
        for part in parts {
            if part.range.contains(address) {
                let offset = (address.0 - part.range.start.0) as usize;
                // Older C libraries jump over a `lock` prefix, right into the instruction that it belongs to.
                let locked = offset
                    .checked_sub(1)
                    .is_some_and(|before| part.code.get(before) == Some(&0xf0) && self.bit(first_bit + before));
                return locked || self.bit(first_bit + offset);
            }
            first_bit += part.code.len();
        }
        false
    }

    fn bit(&self, at: usize) -> bool {
        self.starts.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }
}

fn is_padding(rest: &[u8]) -> bool {
    [0x00, 0x90, 0xcc].iter().any(|filler| rest.iter().all(|byte| byte == filler))
}

/// The condition of a `jcc` as the processor encodes it.
fn condition(instruction: &Instruction) -> Option<u8> {
    Some(match instruction.condition_code() {
        ConditionCode::o => 0,
        ConditionCode::no => 1,
        ConditionCode::b => 2,
        ConditionCode::ae => 3,
        ConditionCode::e => 4,
        ConditionCode::ne => 5,
        ConditionCode::be => 6,
        ConditionCode::a => 7,
        ConditionCode::s => 8,
        ConditionCode::ns => 9,
        ConditionCode::p => 10,
        ConditionCode::np => 11,
        ConditionCode::l => 12,
        ConditionCode::ge => 13,
        ConditionCode::le => 14,
        ConditionCode::g => 15,
        ConditionCode::None => return None,
    })
}

/// What an indirect jump can be; `None` for one through a jump table.
fn indirect(instruction: &Instruction, table: &TableJump) -> Option<JumpKind> {
    // Compilers write `notrack` (a ds prefix) on the jumps of their own tables, never on a tail call.
    let notrack = instruction.segment_prefix() == Register::DS;
    match instruction.op0_kind() {
        _ if notrack => None,
        OpKind::Register if table.target == Some(instruction.op0_register()) => None,
        OpKind::Memory if instruction.is_ip_rel_memory_operand() => Some(JumpKind::Out),
        _ => Some(JumpKind::Indirect),
    }
}

/// Recognises `movslq (base,index,4),r; add base,r; jmp *r`: a table of offsets, as compilers emit for a `switch` or
/// `match`.
#[derive(Default)]
struct TableJump {
    /// Holds an offset loaded from a table.
    offset: Option<Register>,
    /// Holds the sum of an offset and the table's address.
    target: Option<Register>,
}

impl TableJump {
    fn follow(&mut self, instruction: &Instruction) {
        let mnemonic = instruction.mnemonic();
        if mnemonic == Mnemonic::Movsxd && instruction.memory_index_scale() == 4 {
            self.offset = Some(instruction.op0_register());
            self.target = None;
        } else if self.offset.is_none() && self.target.is_none() || instruction.op0_kind() != OpKind::Register {
        } else if mnemonic == Mnemonic::Add
            && instruction.op1_kind() == OpKind::Register
            && (self.offset == Some(instruction.op0_register()) || self.offset == Some(instruction.op1_register()))
        {
            self.target = Some(instruction.op0_register());
            self.offset = None;
        } else {
            let written = Some(instruction.op0_register());
            self.offset = self.offset.filter(|&register| Some(register) != written);
            self.target = self.target.filter(|&register| Some(register) != written);
        }
    }
}
