//! Interprets a capture plan: registers first, then operation by operation.
//!
//! What the loop carries (accumulator, cursor, skip) lives in memory, so that the verifier forgets its ranges
//! between steps; kept in registers it follows every combination and gives up after a million instructions
//! (Linux 6.18).

use core::ptr;

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, OPS_MAX, Op, OpCode, Plan, REGISTERS_MAX, SLOTS};
use tracer_ebpf::abi::record::{ChunkHeader, ChunkStatus, RECORD_FULL_AT};
use tracer_ebpf::abi::thread::Thread;

use crate::{budget, registers};

const PAGE_BYTES: u64 = 4096;

/// Fills the thread's record behind its header as the plan says.
// A global function, like `run` and `step`: the verifier looks at it once. Inlined, the rest of the program is looked
// at again for each turn at which a loop can end (226,000 instructions and 2 s instead of 5,000 and a few ms).
#[unsafe(no_mangle)]
pub extern "C" fn capture(control: *const Control, thread: *mut Thread, plan: *const Plan) -> i32 {
    if control.is_null() || thread.is_null() || plan.is_null() {
        return 0;
    }
    // SAFETY: checked for null above; the loop's index is below the arrays' sizes.
    unsafe {
        let count = (*plan).register_count;
        (*thread).header.register_count = count;
        for (index, register) in (*plan).registers.iter().take(REGISTERS_MAX).enumerate() {
            if index >= usize::from(count) {
                break;
            }
            let value = registers::read(thread, *register);
            (&raw mut (*thread).record).cast::<u64>().add(index).write(value);
        }
        (*thread).cursor = u64::from(count) * 8;
        if (*plan).op_count != 0 {
            run(control, thread, plan);
        }
    }
    0
}

/// Runs the plan's operations.
#[unsafe(no_mangle)]
pub extern "C" fn run(control: *const Control, thread: *mut Thread, plan: *const Plan) -> i32 {
    if control.is_null() || thread.is_null() || plan.is_null() {
        return 0;
    }
    // SAFETY: checked for null above.
    let (control, plan) = unsafe { (&*control, &*plan) };
    budget::add(&control.steps, u64::from(plan.op_count));
    // SAFETY: as in `capture`.
    unsafe { ptr::write_volatile(&mut (*thread).skip, 0) };
    for (index, op) in plan.ops.iter().enumerate().take(OPS_MAX) {
        if index >= usize::from(plan.op_count) {
            break;
        }
        // SAFETY: as in `capture`.
        unsafe {
            let skip = ptr::read_volatile(&(*thread).skip);
            if skip != 0 {
                ptr::write_volatile(&mut (*thread).skip, skip - 1);
                continue;
            }
        }
        step(thread, op);
    }
    0
}

/// Runs one operation.
#[unsafe(no_mangle)]
pub extern "C" fn step(thread: *mut Thread, op: *const Op) -> i32 {
    if thread.is_null() || op.is_null() {
        return 0;
    }
    // SAFETY: checked for null above.
    interpret(thread, unsafe { &*op });
    0
}

#[inline(always)]
fn interpret(thread: *mut Thread, op: &Op) {
    // SAFETY: as in `capture`.
    let acc = unsafe { ptr::read_volatile(&(*thread).accumulator) };
    let new = match op.code {
        code if code == OpCode::LoadRegister as u8 => registers::read(thread, op.register),
        code if code == OpCode::LoadConstant as u8 => op.a,
        code if code == OpCode::Add as u8 => acc.wrapping_add(op.a),
        code if code == OpCode::AddScaled as u8 => {
            acc.wrapping_add(registers::read(thread, op.register).wrapping_mul(op.a))
        }
        code if code == OpCode::Extend as u8 => extend(acc, op.size_bytes, op.immediate == 1),
        code if code == OpCode::Save as u8 => {
            slot(thread, op.register, |slot| unsafe { slot.write(acc) });
            return;
        }
        code if code == OpCode::Restore as u8 => {
            let mut value = 0;
            slot(thread, op.register, |slot| value = unsafe { slot.read() });
            value
        }
        code if code == OpCode::LoadMemory as u8 => return load_memory(thread, op, acc),
        code if code == OpCode::Copy as u8 => {
            return chunk(thread, op, acc.wrapping_add(op.a), op.b, op.b);
        }
        code if code == OpCode::CopySlice as u8 => {
            let mut length = 0;
            slot(thread, op.register, |slot| length = unsafe { slot.read() });
            return chunk(thread, op, acc, product(length, op.immediate), op.b);
        }
        code if code == OpCode::CopyString as u8 => return string(thread, op, acc),
        code if code == OpCode::SkipUnless as u8 => {
            return skip_if(thread, op, acc < op.a || acc > op.b);
        }
        code if code == OpCode::SkipIf as u8 => {
            return skip_if(thread, op, acc >= op.a && acc <= op.b);
        }
        _ => return,
    };
    // SAFETY: as in `capture`.
    unsafe { ptr::write_volatile(&mut (*thread).accumulator, new) };
}

#[inline(always)]
fn slot(thread: *mut Thread, number: u8, mut access: impl FnMut(*mut u64)) {
    // SAFETY: the mask keeps the index inside the array.
    access(unsafe { (&raw mut (*thread).slots).cast::<u64>().add(usize::from(number) & (SLOTS - 1)) });
}

/// Saturating, without the 128-bit multiplication that BPF lacks.
#[inline(always)]
fn product(length: u64, element_bytes: u32) -> u64 {
    if length > u64::from(u32::MAX) { u64::MAX } else { length.wrapping_mul(u64::from(element_bytes)) }
}

#[inline(always)]
fn skip_if(thread: *mut Thread, op: &Op, condition: bool) {
    if condition {
        // SAFETY: as in `capture`.
        unsafe { ptr::write_volatile(&mut (*thread).skip, u64::from(op.skip)) };
    }
}

#[inline(always)]
fn extend(value: u64, size_bytes: u8, signed: bool) -> u64 {
    match (size_bytes, signed) {
        (1, false) => value & 0xff,
        (2, false) => value & 0xffff,
        (4, false) => value & 0xffff_ffff,
        (1, true) => value as i8 as i64 as u64,
        (2, true) => value as i16 as i64 as u64,
        (4, true) => value as i32 as i64 as u64,
        _ => value,
    }
}

#[inline(never)]
fn load_memory(thread: *mut Thread, op: &Op, acc: u64) {
    if thread.is_null() {
        return;
    }
    let mut value = 0u64;
    let address = acc.wrapping_add(op.a);
    let size = match op.size_bytes {
        1 => 1,
        2 => 2,
        4 => 4,
        _ => 8,
    };
    // SAFETY: at most eight bytes into eight.
    let failed = unsafe { bpf_probe_read_user((&raw mut value).cast(), size, address as *const _) };
    if failed != 0 {
        finish(thread, address, u64::from(size), 0, ChunkStatus::Fault);
        return skip_if(thread, op, true);
    }
    // SAFETY: as in `capture`.
    unsafe { ptr::write_volatile(&mut (*thread).accumulator, value) };
}

/// Where the next chunk's bytes go, or `None` if the record is full, which ends the plan.
#[inline(always)]
fn room(thread: *mut Thread) -> Option<*mut u8> {
    // SAFETY: as in `capture`; the cursor is compared with the size before it is added.
    unsafe {
        let cursor = ptr::read_volatile(&(*thread).cursor);
        if cursor > RECORD_FULL_AT as u64 {
            return None;
        }
        Some((&raw mut (*thread).record).cast::<u8>().add(cursor as usize + size_of::<ChunkHeader>()))
    }
}

#[inline(never)]
fn full(thread: *mut Thread, address: u64) {
    if thread.is_null() {
        return;
    }
    finish(thread, address, 0, 0, ChunkStatus::Full);
    // SAFETY: as in `capture`.
    unsafe { ptr::write_volatile(&mut (*thread).skip, OPS_MAX as u64) };
}

/// Writes the chunk's header and moves the cursor behind its `copied` bytes, which are in place already.
#[inline(never)]
fn finish(thread: *mut Thread, address: u64, asked: u64, copied: u64, status: ChunkStatus) {
    if thread.is_null() {
        return;
    }
    // SAFETY: as in `room`: the header of the chunk that finds the record full still fits.
    unsafe {
        let cursor = ptr::read_volatile(&(*thread).cursor);
        if cursor > (RECORD_FULL_AT + size_of::<ChunkHeader>() + CHUNK_BYTES_MAX) as u64 {
            return;
        }
        let header = (&raw mut (*thread).record).cast::<u8>().add(cursor as usize).cast::<ChunkHeader>();
        (*header).address = address;
        (*header).asked_bytes = if asked > u64::from(u32::MAX) { u32::MAX } else { asked as u32 };
        (*header).copied_bytes = copied as u16;
        (*header).status = status as u16;
        let end = cursor + size_of::<ChunkHeader>() as u64 + ((copied + 7) & !7);
        ptr::write_volatile(&mut (*thread).cursor, end);
    }
}

/// A chunk of `asked` bytes, at most `limit`.
#[inline(never)]
fn chunk(thread: *mut Thread, op: &Op, address: u64, asked: u64, limit: u64) {
    if thread.is_null() {
        return;
    }
    let Some(bytes) = room(thread) else { return full(thread, address) };
    let mut size = if asked < limit { asked } else { limit };
    if size > CHUNK_BYTES_MAX as u64 {
        size = CHUNK_BYTES_MAX as u64;
    }
    let status = if size < asked { ChunkStatus::Cut } else { ChunkStatus::Whole };
    if size == 0 || read(bytes, size, address) {
        return finish(thread, address, asked, size, status);
    }
    // What lies on the first page may be there even if the next page is not.
    let on_page = PAGE_BYTES - (address & (PAGE_BYTES - 1));
    let copied = if on_page < size && read(bytes, on_page, address) { on_page } else { 0 };
    finish(thread, address, asked, copied, ChunkStatus::Fault);
    skip_if(thread, op, true);
}

#[inline(always)]
fn read(bytes: *mut u8, size: u64, address: u64) -> bool {
    if size > CHUNK_BYTES_MAX as u64 {
        return false;
    }
    // SAFETY: `room` left space for the largest chunk.
    unsafe { bpf_probe_read_user(bytes.cast(), size as u32, address as *const _) == 0 }
}

#[inline(never)]
fn string(thread: *mut Thread, op: &Op, address: u64) {
    if thread.is_null() {
        return;
    }
    let Some(bytes) = room(thread) else { return full(thread, address) };
    let mut size = op.b;
    if size > CHUNK_BYTES_MAX as u64 {
        size = CHUNK_BYTES_MAX as u64;
    }
    // SAFETY: as in `read`.
    let copied = unsafe { bpf_probe_read_user_str(bytes.cast(), size as u32, address as *const _) };
    if copied <= 0 || copied as u64 > size {
        finish(thread, address, 0, 0, ChunkStatus::Fault);
        return skip_if(thread, op, true);
    }
    if copied as u64 == size && !ends_at(address.wrapping_add(size - 1)) {
        return finish(thread, address, u64::from(u32::MAX), size - 1, ChunkStatus::Cut);
    }
    finish(thread, address, copied as u64, copied as u64, ChunkStatus::Whole);
}

/// Whether the string's NUL is at `address`: a cut string is terminated by the kernel and looks the same.
#[inline(always)]
fn ends_at(address: u64) -> bool {
    let mut last = 1u8;
    // SAFETY: one byte into one.
    unsafe { bpf_probe_read_user((&raw mut last).cast(), 1, address as *const _) == 0 && last == 0 }
}
