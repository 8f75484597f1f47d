//! Sends a picture of the stack at a hit: all registers, and the bytes from the stack pointer to the end of the stack's
//! mapping or of what was asked for, page by page. Follows no pointer and knows no frame: user space unwinds.

use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::plan::{PLAN_STACK, REGISTERS_MAX};
use tracer_ebpf::abi::record::{ChunkHeader, Header, Kind};
use tracer_ebpf::abi::stack::{FIRST_PART_BYTES_MAX, PART_BYTES_MAX, PART_STEPS, PARTS_MAX};
use tracer_ebpf::abi::thread::{Scratch, Stack, Thread};

use crate::maps::STACK_BYTES;
use crate::memory::WHOLE;
use crate::programs::Hit;
use crate::{budget, emit, maps, memory, registers};

/// DWARF number of rsp.
const RSP: u8 = 7;

const PAGE_BYTES: u64 = 4096;

/// Sends the stack if the plan asks for it; says whether it did. To be called between admission and the capture, which
/// puts its chunks in the same scratch.
#[inline(always)]
pub fn send(hit: &Hit, thread: *const Thread, stack: *const Stack, time_ns: u64, call_id: u64) -> bool {
    if STACK_BYTES.load() == 0 || hit.plan.flags & PLAN_STACK == 0 {
        return false;
    }
    let scratch = maps::SCRATCH.current();
    if scratch.is_null() {
        budget::add(&hit.control.lost_threads, 1);
        return false;
    }
    // SAFETY: the scratch was checked for null, the other pointers come from `frames` and the caller, who checked them.
    unsafe {
        (*scratch).header = Header {
            kind: Kind::Stack as u8,
            outcome: 0,
            register_count: REGISTERS_MAX as u8,
            flags: 0,
            depth: 0,
            cookie: hit.cookie.0,
            time_ns,
            pid_tgid: hit.pid_tgid,
            call_id,
            context: (*stack).high,
        };
        stack_parts(hit.control, thread, scratch);
    }
    true
}

/// Sends all parts. The header is filled in but for what differs from part to part.
// A global function, which the verifier looks at once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn stack_parts(control: *const Control, thread: *const Thread, scratch: *mut Scratch) -> i32 {
    if control.is_null() || thread.is_null() || scratch.is_null() {
        return 0;
    }
    // SAFETY: checked for null.
    let (control, stack_end) = unsafe { (&*control, (*scratch).header.context) };
    let mut address = registers::read(thread, RSP);
    let wanted = address.wrapping_add(u64::from(STACK_BYTES.load()));
    let end = if wanted < stack_end { wanted } else { stack_end };
    with_registers(thread, scratch);
    for number in 0..PARTS_MAX {
        let room = if number == 0 { FIRST_PART_BYTES_MAX } else { PART_BYTES_MAX } as u64;
        let on_page = PAGE_BYTES - (address & (PAGE_BYTES - 1));
        let left = end.saturating_sub(address);
        let mut size = if on_page < room { on_page } else { room };
        if left < size {
            size = left;
        }
        let is_there = stack_part(scratch, address, size) == 0;
        let is_last = !is_there || size == left;
        // SAFETY: checked for null.
        unsafe {
            (*scratch).header.depth = number;
            (*scratch).header.outcome = u8::from(is_last);
        }
        budget::add(&control.steps, PART_STEPS);
        if !emit::part(control, scratch) || is_last {
            break;
        }
        // SAFETY: as above.
        unsafe {
            (*scratch).header.register_count = 0;
            (*scratch).cursor = 0;
        }
        address = address.wrapping_add(size);
    }
    0
}

/// Puts all registers, in the order of their numbers, at the start of the record.
#[inline(always)]
fn with_registers(thread: *const Thread, scratch: *mut Scratch) {
    // SAFETY: both were checked for null; a constant number of words below both arrays' sizes.
    unsafe {
        let from = (&raw const (*thread).registers).cast::<u64>();
        let to = (&raw mut (*scratch).record).cast::<u64>();
        for index in 0..REGISTERS_MAX {
            to.add(index).write(from.add(index).read());
        }
        (*scratch).cursor = (REGISTERS_MAX * 8) as u64;
    }
}

/// Appends one chunk; 0 if its bytes are there.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn stack_part(scratch: *mut Scratch, address: u64, size: u64) -> i32 {
    if scratch.is_null() {
        return 1;
    }
    // SAFETY: checked for null; the cursor is one of two values, and both leave room for the largest part after them.
    unsafe {
        let is_first = (*scratch).cursor != 0;
        let (start, room) = if is_first { (REGISTERS_MAX * 8, FIRST_PART_BYTES_MAX) } else { (0, PART_BYTES_MAX) };
        if size > room as u64 {
            return 1;
        }
        let header = (&raw mut (*scratch).record).cast::<u8>().add(start).cast::<ChunkHeader>();
        let bytes = header.add(1).cast();
        let status = if size == 0 { WHOLE } else { memory::read(bytes, size as u32, address) };
        let is_there = status == WHOLE;
        let copied = if is_there { size } else { 0 };
        (*header).address = address;
        (*header).asked_bytes = size as u32;
        (*header).copied_bytes = copied as u16;
        (*header).status = status as u16;
        (*scratch).cursor = (start + size_of::<ChunkHeader>()) as u64 + ((copied + 7) & !7);
        i32::from(!is_there)
    }
}
