//! Records: the bytes that a hit sends through the ring buffer.
//!
//! ```text
//! Header │ register values, 8 bytes each │ chunk │ chunk │ …
//!                                          └ ChunkHeader │ bytes, padded to 8
//! ```

use super::plan::CHUNK_BYTES_MAX;

/// Bytes of a record's registers and chunks after which no further chunk starts. Bounds what one hit can cost.
pub const RECORD_FULL_AT: usize = 6144;

/// Bytes of registers and chunks that the largest record can have: the last chunk, and the header of the one that
/// found the record full.
pub const RECORD_BYTES_MAX: usize = RECORD_FULL_AT + 2 * size_of::<ChunkHeader>() + CHUNK_BYTES_MAX;

/// Entry and event: a picture of the stack was sent before this record, with the same call number.
pub const RECORD_STACK: u8 = 1;
/// The first of the bits with the number of the frame if the entry is held back until its exit, which has the same;
/// 0 otherwise. The next held entry in the same frame of the same thread tells that the one before does not count.
pub const RECORD_HELD_SHIFT: u32 = 1;
/// In the call number of a held entry, which gets its own from the exit: the rest is its time.
pub const CALL_HELD: u64 = 1 << 63;

/// Starts every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// A [`Kind`].
    pub kind: u8,
    /// An [`Outcome`], in exit records.
    pub outcome: u8,
    /// Number of register values that follow.
    pub register_count: u8,
    /// `RECORD_*` bits.
    pub flags: u8,
    /// Frames of the same stack below this call: 0 at a root.
    pub depth: u32,
    /// The attach cookie; in exit records of unwound calls that of the entry.
    pub cookie: u64,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// Process id in the high word, thread id in the low one, as the target's pid namespace or the initial one has them.
    pub pid_tgid: u64,
    /// Number of the call, counted from 1 over the whole session.
    pub call_id: u64,
    /// Entry and event: the number of the enclosing call, 0 at a root. Exit: the time of the entry. Stack: see there.
    pub context: u64,
}

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A call began.
    Entry = 1,
    /// A call ended.
    Exit = 2,
    /// A USDT probe fired, or a function whose returns are not asked for was entered.
    Event = 3,
    /// A thread was seen for the first time, at the cookie's probe; 16 bytes of its name follow.
    Thread = 4,
    /// A limit was reached; `outcome` is the [`Tripped`](super::control::Tripped) reason.
    Limit = 5,
    /// A part of the stack at a hit, see [`stack`](super::stack). `depth` counts the parts of one picture from 0,
    /// `outcome` is 1 in the last one, `context` is the end of the mapping that the stack lies in. The first part
    /// starts with all registers, by DWARF number; one chunk follows.
    Stack = 6,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// By a `ret`.
    Returned = 1,
    /// An exception, panic or longjmp went past its frame.
    Unwound = 2,
    /// By a jump to another function.
    TailCalled = 3,
    /// It is gone, and not every way out was probed.
    Unknown = 4,
}

/// Precedes each stretch of memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Where the bytes come from, an address of the running process.
    pub address: u64,
    /// Bytes that there were to copy, saturated.
    pub asked_bytes: u32,
    /// Bytes that follow, before padding.
    pub copied_bytes: u16,
    /// A [`ChunkStatus`].
    pub status: u16,
}

/// Whether a chunk is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ChunkStatus {
    /// All that was asked for.
    Whole = 0,
    /// The plan's limit cut it.
    Cut = 1,
    /// The page is not resident or not mapped.
    Fault = 2,
    /// The record was full: the plan ended here.
    Full = 3,
    /// No mapping has the address. This reason and those below are told where missing pages are faulted in.
    Unmapped = 4,
    /// The page is not resident, and userfaultfd serves its mapping.
    Userfaultfd = 5,
    /// The page is not resident, and its mapping is of a file in a FUSE file system.
    Fuse = 6,
    /// The page is not resident, and belongs to a device or a file that no local block device holds.
    Foreign = 7,
}

/// Bytes of a thread's name in a [`Kind::Thread`] record (`TASK_COMM_LEN`).
pub const THREAD_NAME_BYTES: usize = 16;

const _: () = assert!(size_of::<Header>() == 48);
const _: () = assert!(size_of::<ChunkHeader>() == 16);
const _: () = assert!(RECORD_FULL_AT.is_multiple_of(8) && CHUNK_BYTES_MAX.is_power_of_two());
