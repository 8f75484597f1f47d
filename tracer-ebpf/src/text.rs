//! Compares the target's text with that of a condition, for the interpreter.

use core::ptr;

use aya_ebpf::helpers::generated::bpf_get_current_comm;
use tracer_ebpf::abi::filter::{Match, SEARCHED_BYTES_MAX, TEXT_BYTES_MAX, Text};
use tracer_ebpf::abi::plan::Op;
use tracer_ebpf::abi::record::{ChunkStatus, RECORD_FULL_AT, THREAD_NAME_BYTES};
use tracer_ebpf::abi::thread::Scratch;

use crate::chunks;
use crate::interpret::jump_if;
use crate::maps::TEXTS;
use crate::memory::{self, WHOLE};

/// Positions that are verified as one.
const STRETCH: u32 = 32;

/// Where the target's text is copied to: behind what a record's chunks can take before the last one.
#[inline(always)]
fn buffer(scratch: *mut Scratch) -> *mut u8 {
    // SAFETY: `scratch` was checked for null by the caller; the record is larger by a chunk's bytes and more.
    unsafe { (&raw mut (*scratch).record).cast::<u8>().add(RECORD_FULL_AT) }
}

#[inline(never)]
pub fn match_text(scratch: *mut Scratch, op: &Op, address: u64, length: u64) {
    if scratch.is_null() {
        return;
    }
    let Some(text) = TEXTS.get(op.immediate) else { return };
    let wanted = text.size_bytes;
    let mut length = length;
    if op.b != 0 {
        length = thread_name(scratch);
    }
    let is = |how: Match| op.a == how as u64;
    let fits = if is(Match::Equals) { length == wanted } else { length >= wanted };
    let mut found = false;
    if fits {
        let from = if is(Match::EndsWith) { length - wanted } else { 0 };
        let size = if is(Match::Contains) { length } else { wanted };
        let size = if size > SEARCHED_BYTES_MAX as u64 { SEARCHED_BYTES_MAX as u64 } else { size };
        let why = if op.b == 0 { read(scratch, address.wrapping_add(from), size) } else { WHOLE };
        if why != WHOLE {
            chunks::fault(scratch, address, length, why);
            return jump_if(scratch, op, true);
        }
        found = if is(Match::Contains) {
            search(scratch, text, size)
        } else {
            // The name of a thread is in the buffer as a whole.
            same(scratch, text, if op.b == 0 { 0 } else { from as u32 }) != 0
        };
        if !found && is(Match::Contains) && length > size {
            chunks::fault(scratch, address.wrapping_add(size), length - size, ChunkStatus::Fault as u32);
            return jump_if(scratch, op, true);
        }
    }
    // SAFETY: checked for null above.
    unsafe { ptr::write_volatile(&mut (*scratch).accumulator, u64::from(found)) };
}

#[inline(always)]
fn read(scratch: *mut Scratch, address: u64, size: u64) -> u32 {
    if size == 0 {
        return WHOLE;
    }
    if size > SEARCHED_BYTES_MAX as u64 {
        return ChunkStatus::Fault as u32;
    }
    // SAFETY: the buffer has room for as much.
    unsafe { memory::read(buffer(scratch).cast(), size as u32, address) }
}

/// Copies the thread's name to the buffer; returns its length.
#[inline(always)]
fn thread_name(scratch: *mut Scratch) -> u64 {
    let name = buffer(scratch);
    // SAFETY: as in `read`.
    unsafe {
        if bpf_get_current_comm(name.cast(), THREAD_NAME_BYTES as u32) != 0 {
            return 0;
        }
        for index in 0..THREAD_NAME_BYTES {
            if name.add(index).read_volatile() == 0 {
                return index as u64;
            }
        }
    }
    THREAD_NAME_BYTES as u64
}

/// Whether the text is in the first `size` bytes of the buffer.
#[inline(always)]
fn search(scratch: *mut Scratch, text: &Text, size: u64) -> bool {
    for stretch in 0..SEARCHED_BYTES_MAX as u32 / STRETCH {
        let from = stretch * STRETCH;
        if u64::from(from) + text.size_bytes > size {
            return false;
        }
        if search_stretch(scratch, text, from, size) != 0 {
            return true;
        }
    }
    false
}

// Global functions, which the verifier looks at once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn search_stretch(scratch: *mut Scratch, text: *const Text, from: u32, size: u64) -> u32 {
    if scratch.is_null() || text.is_null() {
        return 0;
    }
    for position in 0..STRETCH {
        let at = from.wrapping_add(position);
        // SAFETY: checked for null above.
        if u64::from(at) + unsafe { (*text).size_bytes } > size {
            return 0;
        }
        if same(scratch, text, at) != 0 {
            return 1;
        }
    }
    0
}

/// Whether the text stands at byte `at` of the buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn same(scratch: *mut Scratch, text: *const Text, at: u32) -> u32 {
    if scratch.is_null() || text.is_null() {
        return 0;
    }
    // SAFETY: checked for null above.
    let size = unsafe { (*text).size_bytes };
    for index in 0..TEXT_BYTES_MAX {
        if index as u64 >= size {
            return 1;
        }
        let place = (at as usize).wrapping_add(index) & (SEARCHED_BYTES_MAX - 1);
        // SAFETY: the mask keeps the place inside the buffer, the loop's end the index inside the text.
        let differs = unsafe {
            buffer(scratch).add(place).read_volatile()
                != (&raw const (*text).bytes).cast::<u8>().add(index).read_volatile()
        };
        if differs {
            return 0;
        }
    }
    1
}

/// `acc = ` the length of the text at `address`, up to its NUL.
#[inline(never)]
pub fn string_length(scratch: *mut Scratch, op: &Op, address: u64) {
    if scratch.is_null() {
        return;
    }
    // SAFETY: as in `read`.
    let copied = unsafe { memory::read_text(buffer(scratch).cast(), SEARCHED_BYTES_MAX as u32, address) };
    // One that fills the buffer may go on.
    if copied <= 0 || copied >= SEARCHED_BYTES_MAX as i64 {
        let why = if copied < 0 { copied.wrapping_neg() as u32 } else { ChunkStatus::Fault as u32 };
        chunks::fault(scratch, address, 0, why);
        return jump_if(scratch, op, true);
    }
    // SAFETY: as above.
    unsafe { ptr::write_volatile(&mut (*scratch).accumulator, copied as u64 - 1) };
}
