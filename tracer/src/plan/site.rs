//! Whether a uprobe may be put on an instruction, and what the kernel will do with that instruction on each hit.
//! Judges bytes alone: knows no files, no functions and no running kernel.
//!
//! The rules are those of Linux 6.x (`arch/x86/kernel/uprobes.c`, 64-bit tasks), made stricter where that kernel
//! accepts an instruction and then executes it wrongly. (Linux 6.18 was asked about each instruction in the tests: it
//! takes all that are accepted here and refuses 11 of the 22 whole ones that are refused.)

use iced_x86::{Code, Decoder, DecoderError, DecoderOptions, Instruction};
use thiserror::Error;

use super::opcode::{Map, Opcode};
use crate::target::address::LinkAddress;

/// An instruction that can carry a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The instruction's length in bytes, 1 to 15.
    pub length: usize,
    pub class: SiteClass,
}

/// What the kernel does with the original instruction on each hit: it decides the cost (FACTS.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SiteClass {
    /// The kernel does the instruction's work itself: `nop`, `push`, `jmp`, `call rel32`, `jcc`.
    Emulated,
    /// A copy of the instruction is single-stepped, at 10 to 30 times the cost.
    SingleStepped,
    /// A 5-byte nop, which kernels from 6.18 on patch into a call after the first hit. A child forked afterwards
    /// crashes there: not to be used in a target that may fork.
    Optimised,
}

/// Where in its function the instruction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The function's first instruction, where nothing lives in the red zone yet.
    FunctionStart,
    /// Anywhere else, a USDT probe's nop included.
    Inside,
}

/// Why no probe may stand at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no probe can stand at {address}: {reason}")]
pub struct Refusal {
    pub address: LinkAddress,
    #[source]
    pub reason: RefusalReason,
}

/// The rule that a refused instruction breaks, in words for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RefusalReason {
    #[error("the code ends inside the instruction")]
    Truncated,
    #[error("the bytes there are not an instruction")]
    Undecodable,
    #[error("a breakpoint instruction stands there already, put by a debugger or another tracer")]
    Breakpoint,
    #[error("the kernel refuses instructions with a lock prefix")]
    LockPrefix,
    #[error("the kernel refuses instructions with a segment or notrack prefix")]
    SegmentPrefix,
    #[error("the kernel refuses branches with an operand-size prefix")]
    ShortBranch,
    #[error("the kernel cannot execute this instruction out of line (system call, interrupt, port or privileged)")]
    System,
    #[error("the instruction only raises an exception")]
    Trap,
    #[error("far branches cannot be executed out of line")]
    FarBranch,
    #[error("a transaction cannot begin under a probe")]
    Transaction,
    #[error("pushf would save the kernel's single-step flag into the target")]
    PushFlags,
    #[error("loading ss holds off the single-step trap")]
    StackSegment,
    #[error("the kernel takes this AVX or APX instruction for another one")]
    VectorPrefix,
    #[error("the kernel takes this xchg for a nop and would skip it")]
    ExchangeAsNop,
    #[error("the kernel turns this 5-byte nop into a call that overwrites data below the stack pointer")]
    RedZone,
}

/// Judges the instruction at the start of `bytes`, which lie at `address`. Give at least 15 bytes unless the code
/// ends earlier.
///
/// # Errors
/// A [`Refusal`] when the kernel would refuse the site, or accept it and harm the target.
pub fn inspect(bytes: &[u8], address: LinkAddress, position: Position) -> Result<Site, Refusal> {
    let mut decoder = Decoder::with_ip(64, bytes, address.0, DecoderOptions::NONE);
    let instruction = decoder.decode();
    let reason = match decoder.last_error() {
        DecoderError::None => match judge(bytes, &instruction, position) {
            Ok(class) => return Ok(Site { length: instruction.len(), class }),
            Err(reason) => reason,
        },
        DecoderError::NoMoreBytes => RefusalReason::Truncated,
        _ => RefusalReason::Undecodable,
    };
    Err(Refusal { address, reason })
}

fn judge(bytes: &[u8], instruction: &Instruction, position: Position) -> Result<SiteClass, RefusalReason> {
    let encoded = bytes.get(..instruction.len()).ok_or(RefusalReason::Truncated)?;
    let opcode = Opcode::parse(encoded).ok_or(RefusalReason::Undecodable)?;
    match opcode.bad_prefix {
        Some(0xf0) => return Err(RefusalReason::LockPrefix),
        Some(_) => return Err(RefusalReason::SegmentPrefix),
        None => {}
    }
    if let Some(reason) = refused_by_code(instruction.code()) {
        return Err(reason);
    }
    match opcode.map {
        Map::One => judge_one_byte(&opcode, encoded, position),
        Map::Two => judge_two_byte(&opcode, encoded, position),
        Map::Three => Ok(SiteClass::SingleStepped),
        Map::Vex => judge_vex(&opcode),
        Map::Newer => Err(RefusalReason::VectorPrefix),
    }
}

fn refused_by_code(code: Code) -> Option<RefusalReason> {
    match code {
        Code::Int3 => Some(RefusalReason::Breakpoint),
        Code::Ud0 | Code::Ud0_r16_rm16 | Code::Ud0_r32_rm32 | Code::Ud0_r64_rm64 => Some(RefusalReason::Trap),
        Code::Ud1_r16_rm16 | Code::Ud1_r32_rm32 | Code::Ud1_r64_rm64 | Code::Ud2 => Some(RefusalReason::Trap),
        Code::Xbegin_rel16 | Code::Xbegin_rel32 => Some(RefusalReason::Transaction),
        Code::Pushfw | Code::Pushfd | Code::Pushfq => Some(RefusalReason::PushFlags),
        _ => None,
    }
}

fn judge_one_byte(opcode: &Opcode, encoded: &[u8], position: Position) -> Result<SiteClass, RefusalReason> {
    match opcode.byte {
        0x90 if opcode.rex & 1 != 0 => Err(RefusalReason::ExchangeAsNop),
        0x90 if encoded.len() == 5 => nop_of_five(position),
        0x90 => Ok(SiteClass::Emulated),
        0x50..=0x57 if opcode.rex == 0 && encoded.len() == 1 => Ok(SiteClass::Emulated),
        0x50..=0x57 if opcode.rex == 0x41 && encoded.len() == 2 => Ok(SiteClass::Emulated),
        0xe8 | 0xe9 | 0xeb | 0x70..=0x7f if opcode.operand_size_prefix => Err(RefusalReason::ShortBranch),
        0xe8 | 0xe9 | 0xeb | 0x70..=0x7f => Ok(SiteClass::Emulated),
        0x8e if opcode.register_field() == Some(2) => Err(RefusalReason::StackSegment),
        0xca | 0xcb => Err(RefusalReason::FarBranch),
        0xff if matches!(opcode.register_field(), Some(3 | 5)) => Err(RefusalReason::FarBranch),
        byte if refused_one_byte(byte) => Err(RefusalReason::System),
        _ => Ok(SiteClass::SingleStepped),
    }
}

/// The zeros of the kernel's `good_insns_64`, and `int n`.
fn refused_one_byte(byte: u8) -> bool {
    matches!(byte, 0x06 | 0x07 | 0x0e | 0x16 | 0x17 | 0x1e | 0x1f | 0x27 | 0x2f | 0x37 | 0x3f)
        || matches!(byte, 0x60..=0x62 | 0x6c..=0x6f | 0x82 | 0x9a | 0xcc..=0xcf | 0xd4..=0xd6)
        || matches!(byte, 0xe4..=0xe7 | 0xea | 0xec..=0xef | 0xf1 | 0xf4 | 0xfa | 0xfb)
}

/// The kernel never consults its table of two-byte opcodes in 64-bit mode, as `0f` itself counts as good; what that
/// table was meant to refuse is refused here.
fn judge_two_byte(opcode: &Opcode, encoded: &[u8], position: Position) -> Result<SiteClass, RefusalReason> {
    match opcode.byte {
        0x80..=0x8f if opcode.operand_size_prefix => Err(RefusalReason::ShortBranch),
        0x80..=0x8f => Ok(SiteClass::Emulated),
        0x1f if encoded.len() == 5 && opcode.register_field() == Some(0) => nop_of_five(position),
        0x1f if is_recommended_nop(encoded) => Ok(SiteClass::Emulated),
        0x00 | 0x01 | 0x05..=0x09 | 0x30 | 0x34 | 0x35 | 0x37 => Err(RefusalReason::System),
        0x78 | 0x79 => Err(RefusalReason::System),
        _ => Ok(SiteClass::SingleStepped),
    }
}

fn nop_of_five(position: Position) -> Result<SiteClass, RefusalReason> {
    match position {
        Position::FunctionStart => Ok(SiteClass::Optimised),
        Position::Inside => Err(RefusalReason::RedZone),
    }
}

/// The long nops that every 6.x kernel emulates (`x86_nops`); other spellings are single-stepped by older ones.
fn is_recommended_nop(encoded: &[u8]) -> bool {
    let nopl = encoded.strip_prefix(&[0x66]).unwrap_or(encoded);
    let shape: &[u8] = match encoded.len() {
        3 => &[0x0f, 0x1f, 0x00],
        4 => &[0x0f, 0x1f, 0x40],
        6 => &[0x0f, 0x1f, 0x44],
        7 => &[0x0f, 0x1f, 0x80],
        8 => &[0x0f, 0x1f, 0x84],
        _ => return false,
    };
    let prefixed = nopl.len() != encoded.len();
    prefixed == (encoded.len() == 6)
        && nopl.strip_prefix(shape).is_some_and(|operand| operand.iter().all(|&byte| byte == 0))
}

/// The kernel judges, emulates and fixes up a VEX instruction by its opcode byte alone, so `vzeroupper` (`77`) is
/// emulated as `ja`, and `vpor` (`eb`) as `jmp`. Only bytes without such a meaning are safe.
fn judge_vex(opcode: &Opcode) -> Result<SiteClass, RefusalReason> {
    let mistaken = matches!(opcode.byte, 0x70..=0x7f | 0x8e | 0x90 | 0x9c | 0x9d | 0xc2 | 0xc3 | 0xca | 0xcb)
        || matches!(opcode.byte, 0xe8..=0xeb | 0xff);
    if mistaken || refused_one_byte(opcode.byte) {
        return Err(RefusalReason::VectorPrefix);
    }
    Ok(SiteClass::SingleStepped)
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
