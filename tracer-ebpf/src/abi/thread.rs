//! What the programs know of a thread: its open frames, the interpreter's state and the record under way.
//! Kept in task storage, so that it goes when the thread goes. Per thread, not per CPU: a program that is
//! preempted must not find another hit's bytes in its scratch.
//!
//! In two parts, because neither may be larger than what the kernel's allocator serves programs, 8 kB: [`Thread`] is
//! all that a plan without operations needs, [`Scratch`] is there for threads that run operations.

use super::plan::{REGISTER_PARTS, REGISTERS_MAX, SLOTS};
use super::record::{Header, RECORD_BYTES_MAX};

/// Open frames of one thread, over all its stacks. Deeper calls are counted as lost.
pub const FRAMES_MAX: usize = 64;

/// Stacks of one thread that are told apart: its own, a signal stack, coroutines. The oldest makes room.
pub const STACKS_MAX: usize = 4;

/// Elements of [`Thread::registers`].
pub const REGISTERS: usize = REGISTER_PARTS as usize + 1;

/// Bytes behind the header of a record without chunks: register values, or a thread's name.
pub const SHORT_RECORD_BYTES: usize = (REGISTERS_MAX + 1) * 8;

/// The state of one thread, about 3.7 kB.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Thread {
    /// Whether the thread's name was sent.
    pub known: u32,
    /// Index of the stack that the last hit was on.
    pub stack: u32,
    /// Frames ever taken from `frames`; those given back are chained at `free`.
    pub frames_used: u32,
    /// First free frame + 1, 0 if none.
    pub free: u32,
    pub stacks: [Stack; STACKS_MAX],
    pub frames: [Frame; FRAMES_MAX],
    /// The registers at the hit, by DWARF number; behind them what the frame kept.
    pub registers: [u64; REGISTERS],
    /// Bytes of the record so far.
    pub cursor: u64,
    pub header: Header,
    pub record: [u8; SHORT_RECORD_BYTES],
}

/// The interpreter's state, and the record with chunks that it writes: about 7.8 kB.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Scratch {
    pub accumulator: u64,
    /// Operation to run next, counted from the plan's first.
    pub counter: u64,
    /// Bytes of the record so far.
    pub cursor: u64,
    /// First slot of the running call.
    pub base: u64,
    /// Pointers that lead to what the running call looks at.
    pub depth: u64,
    pub slots: [u64; SLOTS],
    pub header: Header,
    pub record: [u8; RECORD_BYTES_MAX],
}

/// A stack: the mapping that it lies in, and its innermost open frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Stack {
    /// Lowest address and end; both 0 for an unused element.
    pub low: u64,
    pub high: u64,
    /// Innermost frame + 1, 0 if none.
    pub top: u32,
    pub _reserved: u32,
}

/// The call counts only if the exit's filter says so: its entry is held back. Its `call_id` and `depth` are those that
/// a call inside of it has as its parent's number and its own depth.
pub const FRAME_HELD: u16 = 1 << 8;
/// The first of the bits for the condition's parts that were true at the entry.
pub const FRAME_PARTS_SHIFT: u32 = 9;

/// A call under way.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    /// The stack pointer at the function's first instruction, where the return address is.
    pub stack_pointer: u64,
    pub time_ns: u64,
    pub call_id: u64,
    pub cookie: u64,
    /// The register that the plan told to keep.
    pub result_pointer: u64,
    /// The enclosing frame + 1 of the same stack (or the next free frame), 0 if none.
    pub below: u32,
    pub depth: u16,
    /// The plan's flags, and `FRAME_*` bits.
    pub flags: u16,
}

const _: () = assert!(size_of::<Frame>() == 48);
const _: () = assert!(size_of::<Thread>() <= 7900 && size_of::<Scratch>() <= 7900);
