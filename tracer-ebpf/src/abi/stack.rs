//! The picture of a stack that `--backtrace` asks for: registers, and the bytes from the stack pointer up. User space
//! unwinds it. It is sent in parts, each a record of its own, because the thread's scratch holds one page.

use super::plan::REGISTERS_MAX;
use super::record::{ChunkHeader, RECORD_BYTES_MAX};

/// Bytes of a part. Parts end at page boundaries, so that a page that is not resident costs only itself.
pub const PART_BYTES_MAX: usize = 4096;

/// Bytes of the first part, which shares its record with the registers.
pub const FIRST_PART_BYTES_MAX: usize = 3968;

/// Bytes of a picture at most, so that a hit's cost is bounded; how many are wanted is said at load.
pub const STACK_BYTES_MAX: u32 = 64 << 10;

/// Parts of the largest picture: one for each page, and one more for each end that is not at a page's boundary.
pub const PARTS_MAX: u32 = STACK_BYTES_MAX / PART_BYTES_MAX as u32 + 2;

/// What a part is charged for, in operations of a capture plan: a page is copied twice, some 0.9 µs with cold caches
/// (measured on a virtual machine, Linux 6.18: 16 pages 15.5 µs).
pub const PART_STEPS: u64 = 20;

const _: () = assert!(PART_BYTES_MAX + size_of::<ChunkHeader>() <= RECORD_BYTES_MAX);
const _: () = assert!(FIRST_PART_BYTES_MAX + REGISTERS_MAX * 8 + size_of::<ChunkHeader>() <= RECORD_BYTES_MAX);
const _: () = assert!(FIRST_PART_BYTES_MAX.is_multiple_of(8) && PART_BYTES_MAX.is_power_of_two());
