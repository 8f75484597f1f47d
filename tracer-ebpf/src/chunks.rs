//! Reads the target's memory, for the interpreter: into its accumulator, or as chunks at the end of the record.

use core::ptr;

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, FIND_BYTES, Op};
use tracer_ebpf::abi::record::{ChunkHeader, ChunkStatus, RECORD_FULL_AT};
use tracer_ebpf::abi::thread::Scratch;

use crate::interpret::{end, jump_if};
use crate::maps::RECORD_LIMIT;
use crate::memory::{self, WHOLE};

const PAGE_BYTES: u64 = 4096;

#[inline(never)]
pub fn load_memory(scratch: *mut Scratch, op: &Op, acc: u64) {
    if scratch.is_null() {
        return;
    }
    let mut value = 0u64;
    let address = acc.wrapping_add(op.a);
    let size = match op.immediate {
        1 => 1,
        2 => 2,
        4 => 4,
        _ => 8,
    };
    // SAFETY: at most eight bytes into eight.
    let why = unsafe { memory::read((&raw mut value).cast(), size, address) };
    if why != WHOLE {
        finish(scratch, address, u64::from(size), 0, why);
        return jump_if(scratch, op, true);
    }
    // SAFETY: checked for null above.
    unsafe { ptr::write_volatile(&mut (*scratch).accumulator, value) };
}

/// A chunk without bytes: that nothing could be read there, and why, a [`ChunkStatus`].
#[inline(never)]
pub fn fault(scratch: *mut Scratch, address: u64, asked: u64, why: u32) {
    if scratch.is_null() {
        return;
    }
    finish(scratch, address, asked, 0, why);
}

/// Where the next chunk's bytes go, or `None` if the record is full, which ends the plan.
#[inline(always)]
fn room(scratch: *mut Scratch) -> Option<*mut u8> {
    // SAFETY: as in `load_memory`; the cursor is compared with the size before it is added.
    unsafe {
        let cursor = ptr::read_volatile(&(*scratch).cursor);
        if cursor > RECORD_FULL_AT as u64 || left(cursor) == 0 {
            return None;
        }
        Some((&raw mut (*scratch).record).cast::<u8>().add(cursor as usize + size_of::<ChunkHeader>()))
    }
}

/// Bytes that the user's limit leaves to a record that has `cursor` bytes.
#[inline(always)]
fn left(cursor: u64) -> u64 {
    u64::from(RECORD_LIMIT.load()).saturating_sub(cursor)
}

/// The same of the record under way.
#[inline(always)]
fn left_of(scratch: *mut Scratch) -> u64 {
    // SAFETY: as in `room`.
    left(unsafe { ptr::read_volatile(&(*scratch).cursor) })
}

#[inline(never)]
fn full(scratch: *mut Scratch, address: u64) {
    if scratch.is_null() {
        return;
    }
    finish(scratch, address, 0, 0, ChunkStatus::Full as u32);
    end(scratch);
}

/// Writes the chunk's header and moves the cursor behind its `copied` bytes, which are in place already.
/// `status` is a [`ChunkStatus`].
#[inline(never)]
fn finish(scratch: *mut Scratch, address: u64, asked: u64, copied: u64, status: u32) {
    if scratch.is_null() {
        return;
    }
    // SAFETY: as in `room`: the header of the chunk that finds the record full still fits.
    unsafe {
        let cursor = ptr::read_volatile(&(*scratch).cursor);
        if cursor > (RECORD_FULL_AT + size_of::<ChunkHeader>() + CHUNK_BYTES_MAX) as u64 {
            return;
        }
        let header = (&raw mut (*scratch).record).cast::<u8>().add(cursor as usize).cast::<ChunkHeader>();
        (*header).address = address;
        (*header).asked_bytes = if asked > u64::from(u32::MAX) { u32::MAX } else { asked as u32 };
        (*header).copied_bytes = copied as u16;
        (*header).status = status as u16;
        let end = cursor + size_of::<ChunkHeader>() as u64 + ((copied + 7) & !7);
        ptr::write_volatile(&mut (*scratch).cursor, end);
    }
}

/// A chunk of `asked` bytes, at most `limit`.
#[inline(never)]
pub fn chunk(scratch: *mut Scratch, op: &Op, address: u64, asked: u64, limit: u64) {
    if scratch.is_null() {
        return;
    }
    let Some(bytes) = room(scratch) else { return full(scratch, address) };
    let limit = limit.min(left_of(scratch));
    let mut size = if asked < limit { asked } else { limit };
    if size > CHUNK_BYTES_MAX as u64 {
        size = CHUNK_BYTES_MAX as u64;
    }
    let status = if size < asked { ChunkStatus::Cut } else { ChunkStatus::Whole };
    let why = if size == 0 { WHOLE } else { read(bytes, size, address) };
    if why == WHOLE {
        return finish(scratch, address, asked, size, status as u32);
    }
    // What lies on the first page may be there even if the next page is not.
    let on_page = PAGE_BYTES - (address & (PAGE_BYTES - 1));
    let copied = if on_page < size && is_resident(bytes, on_page, address) { on_page } else { 0 };
    finish(scratch, address, asked, copied, why);
    jump_if(scratch, op, true);
}

#[inline(always)]
fn read(bytes: *mut u8, size: u64, address: u64) -> u32 {
    if size > CHUNK_BYTES_MAX as u64 {
        return ChunkStatus::Fault as u32;
    }
    // SAFETY: `room` left space for the largest chunk.
    unsafe { memory::read(bytes.cast(), size as u32, address) }
}

/// Reads without faulting anything in.
#[inline(always)]
fn is_resident(bytes: *mut u8, size: u64, address: u64) -> bool {
    // SAFETY: as in `read`.
    size <= CHUNK_BYTES_MAX as u64
        && unsafe { bpf_probe_read_user(bytes.cast(), size as u32, address as *const _) == 0 }
}

#[inline(never)]
pub fn string(scratch: *mut Scratch, op: &Op, address: u64) {
    if scratch.is_null() {
        return;
    }
    let Some(bytes) = room(scratch) else { return full(scratch, address) };
    let mut size = op.b.min(left_of(scratch));
    if size > CHUNK_BYTES_MAX as u64 {
        size = CHUNK_BYTES_MAX as u64;
    }
    // SAFETY: as in `read`.
    let copied = unsafe { memory::read_text(bytes.cast(), size as u32, address) };
    if copied <= 0 || copied as u64 > size {
        let why = if copied < 0 { copied.wrapping_neg() as u32 } else { ChunkStatus::Fault as u32 };
        finish(scratch, address, 0, 0, why);
        return jump_if(scratch, op, true);
    }
    if copied as u64 == size && !ends_at(address.wrapping_add(size - 1)) {
        return finish(scratch, address, u64::from(u32::MAX), size - 1, ChunkStatus::Cut as u32);
    }
    finish(scratch, address, copied as u64, copied as u64, WHOLE);
}

/// Whether the string's NUL is at `address`: a cut string is terminated by the kernel and looks the same.
#[inline(always)]
fn ends_at(address: u64) -> bool {
    let mut last = 1u8;
    // SAFETY: one byte into one.
    unsafe { bpf_probe_read_user((&raw mut last).cast(), 1, address as *const _) == 0 && last == 0 }
}

/// The top bits of eight bytes, and their bottom bits.
const TOP_BITS: u64 = 0x8080_8080_8080_8080;
const BOTTOM_BITS: u64 = 0x0101_0101_0101_0101;

/// Index of the lowest byte whose top bit is set: the bits below it cover the bottom bits of the bytes up to there,
/// which the multiplication counts. (BPF has no instruction that counts zeroes.)
#[inline(always)]
fn first_byte(top_bits: u64) -> u64 {
    let lowest = top_bits & top_bits.wrapping_neg();
    ((lowest.wrapping_sub(1) & BOTTOM_BITS).wrapping_mul(BOTTOM_BITS) >> 56).wrapping_sub(1)
}

/// The bytes are read to where the next chunk will be written.
#[inline(never)]
pub fn find_clear(scratch: *mut Scratch, op: &Op, from: u64, end_address: u64) {
    if scratch.is_null() {
        return;
    }
    let Some(bytes) = room(scratch) else { return full(scratch, from) };
    let mut size = if from < end_address { end_address - from } else { 0 };
    if size > FIND_BYTES as u64 {
        size = FIND_BYTES as u64;
    }
    let mut found = size;
    let why = if size == 0 { WHOLE } else { read(bytes, size, from) };
    if why != WHOLE {
        finish(scratch, from, size, 0, why);
        found = end_address.wrapping_sub(from);
        size = found;
    } else {
        for word in 0..FIND_BYTES / 8 {
            // SAFETY: `room` left more than that, aligned; what is behind `size` are old bytes of this record.
            let clear = !unsafe { bytes.cast::<u64>().add(word).read() } & TOP_BITS;
            if clear != 0 {
                found = word as u64 * 8 + first_byte(clear);
                break;
            }
        }
        if found > size {
            found = size;
        }
    }
    // SAFETY: as in `load_memory`.
    unsafe { ptr::write_volatile(&mut (*scratch).accumulator, from.wrapping_add(found)) };
    jump_if(scratch, op, found == size);
}
