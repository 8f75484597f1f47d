//! The capture plan: what a probe copies when it fires, as a small program.
//! User space compiles it (tracer's `plan::capture`), the BPF side interprets it (`interpret.rs`).
//!
//! The interpreter has a program counter, one accumulator, a stack of slots, and appends chunks to the record.
//! It may jump backwards and call itself; what a hit can cost is bounded by [`STEPS_MAX`] and by the record's size.
//! Whatever a plan does, it only decides which memory is copied: each chunk names the address that it comes from.

/// Operations of one plan.
pub const OPS_MAX: usize = 512;

/// Operations that one hit runs, some 45 ns each. What would have been copied by later ones is missing from the record.
pub const STEPS_MAX: usize = 1024;

/// Registers that a record can carry: the 16 general ones and the instruction pointer, DWARF numbers 0–16.
pub const REGISTERS_MAX: usize = 17;

/// Slots of the interpreter, over all calls under way. A power of two: the index is masked.
pub const SLOTS: usize = 64;

/// Bytes that [`OpCode::FindClear`] looks at in one step.
pub const FIND_BYTES: usize = 64;

/// Bytes that one chunk can carry. More takes several operations.
pub const CHUNK_BYTES_MAX: usize = 1024;

/// DWARF register number of a pseudo register: the result pointer (sret) that the entry kept.
pub const REGISTER_RESULT_POINTER: u8 = 33;
/// Of another one: the thread's id.
pub const REGISTER_THREAD_ID: u8 = 34;
/// At exit: nanoseconds since the entry.
pub const REGISTER_DURATION: u8 = 35;
/// At exit: a bit for each part of the condition that was true at the entry (see [`filter`](super::filter)).
pub const REGISTER_PARTS: u8 = 36;

/// [`Plan::kept_register`] when the entry keeps no result pointer.
pub const KEEP_NOTHING: u8 = 0xff;

/// [`Plan::condition`] of an unconditional exit.
pub const ALWAYS: u8 = 0xff;

/// The plan opens a frame at entry (or closes it at exit). Without it the hit is a plain event.
pub const PLAN_FRAME: u8 = 1;
/// The function can leave by an indirect jump at entry depth, so a frame found left behind was tail-called.
pub const PLAN_MAY_TAIL_CALL: u8 = 2;
/// Not every exit of the function is probed, so a frame found left behind may have returned.
pub const PLAN_EXITS_INCOMPLETE: u8 = 4;
/// At exit: the site is a jump to another function, which will return in this one's place.
pub const PLAN_TAIL_JUMP: u8 = 8;
/// At entry: the record is preceded by a picture of the stack (see [`stack`](super::stack)).
pub const PLAN_STACK: u8 = 64;

/// What one kind of probe does when it fires.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// `PLAN_*` bits.
    pub flags: u8,
    /// Number of registers in use.
    pub register_count: u8,
    /// DWARF number of the register that the entry keeps for the exit as result pointer, or [`KEEP_NOTHING`].
    pub kept_register: u8,
    /// At exit: the site is a conditional jump, and only a call for which this condition (the low half of the
    /// instruction's opcode byte, Intel's `tttn`) holds leaves; [`ALWAYS`] otherwise.
    pub condition: u8,
    /// Which mailbox counter this probe feeds (see [`mailbox`](super::mailbox)); 0 for plans that emit records.
    pub mailbox_event: u32,
    /// The plan's operations among those of all plans: set by the loader.
    pub first_op: u32,
    /// Number of operations, at most [`OPS_MAX`].
    pub op_count: u32,
    /// Index + 1 of the filter that says which hits count; 0: all do.
    pub filter: u32,
    pub _reserved: u32,
    /// DWARF numbers of the registers that the record starts with.
    pub registers: [u8; 24],
}

/// One operation. Which fields it reads is said at its [`OpCode`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Op {
    /// An [`OpCode`].
    pub code: u8,
    /// DWARF register number, or slot of the running call.
    pub register: u8,
    /// The operation of this plan to go on with when the operation fails or says so.
    pub target: u16,
    pub immediate: u32,
    pub a: u64,
    pub b: u64,
}

/// The operations. `acc` is the accumulator; arithmetic wraps. Without a jump the next operation follows; behind the
/// last one the plan ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// Nothing.
    None = 0,
    /// `acc = register`.
    LoadRegister = 1,
    /// `acc = a`.
    LoadConstant = 2,
    /// `acc += a`.
    Add = 3,
    /// `acc += register * a`.
    AddScaled = 4,
    /// `acc = memory[acc + a]`, `immediate` bytes wide (1, 2, 4 or 8), zero-extended. On a fault: a chunk without
    /// bytes that names the address, then to `target`.
    LoadMemory = 5,
    /// Keeps the low `immediate` bytes of `acc`; sign-extends them if `a` is 1.
    Extend = 6,
    /// `slot[register] = acc`.
    Save = 7,
    /// `acc = slot[register]`.
    Restore = 8,
    /// Chunk: `b` bytes at `acc + a`. On a fault: to `target`.
    Copy = 9,
    /// Chunk: at `acc`, `slot[register]` elements of `immediate` bytes each, at most `b` bytes. On a fault: to `target`.
    CopySlice = 10,
    /// Chunk: the bytes at `acc` up to a NUL, which is included, at most `b` bytes. On a fault: to `target`.
    CopyString = 11,
    /// To `target` unless `a <= acc <= b`, unsigned.
    JumpUnless = 12,
    /// To `target` if `a <= acc <= b`, unsigned.
    JumpIf = 13,
    /// To `target`.
    Jump = 14,
    /// `acc += slot[register] * a`.
    AddSlot = 15,
    /// `acc = min(acc, a)`, unsigned.
    Least = 16,
    /// `acc = min(acc, slot[register])`, unsigned.
    LeastSlot = 17,
    /// To `target` unless `acc < slot[register]`, unsigned.
    JumpUnlessBelow = 18,
    /// The end of a loop over items: `slot[register] += a`, `slot[register + 1] -= 1`; to `target` unless that is 0,
    /// with `acc = slot[register]`.
    Repeat = 19,
    /// Runs the operations at `target` until they [`Return`](Self::Return), with slots of their own behind this call's
    /// first `register` ones, `immediate` pointers deeper. Nothing if that is `b` pointers deep or deeper, or if fewer
    /// than `a` slots are left.
    Call = 20,
    /// Back to behind the [`Call`](Self::Call); without one the plan ends. `acc` is kept.
    Return = 21,
    /// To `target` if `immediate` pointers deeper is `b` pointers deep or deeper. The plan itself starts at 0.
    JumpIfDeep = 22,
    /// `acc = ` the first address from `acc` on, below `slot[register]`, of a byte whose top bit is clear, if one of
    /// the next [`FIND_BYTES`] is. Otherwise `acc = ` the address behind what was looked at, then to `target`; on a
    /// fault also a chunk without bytes, and `acc = slot[register]`.
    FindClear = 23,
    /// `acc = 1` if the text at `acc`, `slot[register]` bytes long, compares with text number `immediate` as the
    /// [`Match`](super::filter::Match) `a` says, else 0. With `b` 1 it is the thread's name that is compared. On a fault,
    /// and if a search ends early: a chunk without bytes, then to `target`.
    MatchText = 32,
    /// `acc = ` the bytes at `acc` in front of a NUL. On a fault, and if there are
    /// [`SEARCHED_BYTES_MAX`](super::filter::SEARCHED_BYTES_MAX) or more: a chunk without bytes, then to `target`.
    StringLength = 33,
}

const _: () = assert!(size_of::<Op>() == 24);
const _: () = assert!(size_of::<Plan>() == 48);

impl Plan {
    /// A plan that captures nothing.
    pub const EMPTY: Self = Self {
        flags: 0,
        register_count: 0,
        kept_register: KEEP_NOTHING,
        condition: ALWAYS,
        mailbox_event: 0,
        first_op: 0,
        op_count: 0,
        filter: 0,
        _reserved: 0,
        registers: [0; 24],
    };
}
