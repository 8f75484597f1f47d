//! The capture plan: what a probe copies when it fires, as a small straight-line program with forward skips.
//! User space compiles it (tracer's `plan::capture`), the BPF side interprets it (`interpret.rs`).
//!
//! The interpreter has one accumulator, eight slots, and appends chunks to the record. It never loops
//! backwards, so a plan of n operations takes at most n steps.

/// Operations in a plan. Bounds the verifier's work and the time that one hit can take (about 45 ns each).
pub const OPS_MAX: usize = 64;

/// Registers that a record can carry: the 16 general ones and the instruction pointer, DWARF numbers 0–16.
pub const REGISTERS_MAX: usize = 17;

/// Slots of the interpreter. A power of two: the index is masked.
pub const SLOTS: usize = 8;

/// Bytes that one chunk can carry. More takes several operations.
pub const CHUNK_BYTES_MAX: usize = 1024;

/// DWARF register number of a pseudo register: the result pointer (sret) that the entry kept.
pub const REGISTER_RESULT_POINTER: u8 = 33;

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

/// What one kind of probe does when it fires.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// `PLAN_*` bits.
    pub flags: u8,
    /// Number of operations in use.
    pub op_count: u8,
    /// Number of registers in use.
    pub register_count: u8,
    /// DWARF number of the register that the entry keeps for the exit as result pointer, or [`KEEP_NOTHING`].
    pub kept_register: u8,
    /// Which mailbox counter this probe feeds (see [`mailbox`](super::mailbox)); 0 for plans that emit records.
    pub mailbox_event: u32,
    /// DWARF numbers of the registers that the record starts with.
    pub registers: [u8; 23],
    /// At exit: the site is a conditional jump, and only a call for which this condition (the low half of the
    /// instruction's opcode byte, Intel's `tttn`) holds leaves; [`ALWAYS`] otherwise.
    pub condition: u8,
    pub ops: [Op; OPS_MAX],
}

/// One operation. Which fields it reads is said at its [`OpCode`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Op {
    /// An [`OpCode`].
    pub code: u8,
    /// DWARF register number, or slot.
    pub register: u8,
    /// Size of a memory access, 1, 2, 4 or 8 bytes.
    pub size_bytes: u8,
    /// Operations to skip when the operation fails or says so.
    pub skip: u8,
    pub immediate: u32,
    pub a: u64,
    pub b: u64,
}

/// The operations. `acc` is the accumulator; arithmetic wraps.
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
    /// `acc = memory[acc + a]`, `size_bytes` wide, zero-extended. On a fault: a chunk without bytes that names the
    /// address, then `skip`.
    LoadMemory = 5,
    /// Keeps the low `size_bytes` of `acc`; sign-extends them if `immediate` is 1.
    Extend = 6,
    /// `slot[register] = acc`.
    Save = 7,
    /// `acc = slot[register]`.
    Restore = 8,
    /// Chunk: `b` bytes at `acc + a`. On a fault: `skip`.
    Copy = 9,
    /// Chunk: at `acc`, `slot[register]` elements of `immediate` bytes each, at most `b` bytes.
    CopySlice = 10,
    /// Chunk: the bytes at `acc` up to a NUL, which is included, at most `b` bytes.
    CopyString = 11,
    /// `skip` unless `a <= acc <= b`, unsigned.
    SkipUnless = 12,
    /// `skip` if `a <= acc <= b`, unsigned.
    SkipIf = 13,
}

const _: () = assert!(size_of::<Op>() == 24);
const _: () = assert!(size_of::<Plan>() == 32 + OPS_MAX * 24);

impl Plan {
    /// A plan that captures nothing.
    pub const EMPTY: Self = Self {
        flags: 0,
        op_count: 0,
        register_count: 0,
        kept_register: KEEP_NOTHING,
        mailbox_event: 0,
        registers: [0; 23],
        condition: ALWAYS,
        ops: [Op { code: 0, register: 0, size_bytes: 0, skip: 0, immediate: 0, a: 0, b: 0 }; OPS_MAX],
    };
}
