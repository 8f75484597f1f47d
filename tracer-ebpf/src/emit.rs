//! Sends records: the bytes that a thread has gathered, with their exact size, and what to count when that fails.
//! Nothing is ever reserved in the ring buffer, so a slow reader or a stopped thread holds up nobody.

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::helpers::generated::{bpf_get_current_comm, bpf_ringbuf_output, bpf_ringbuf_query};
use tracer_ebpf::abi::control::{Control, Tripped};
use tracer_ebpf::abi::record::{Header, Kind, RECORD_BYTES_MAX, THREAD_NAME_BYTES};
use tracer_ebpf::abi::thread::{SHORT_RECORD_BYTES, Scratch, Thread};

use crate::budget;
use crate::maps::RECORDS;

const BPF_RB_NO_WAKEUP: u64 = 1;
const BPF_RB_FORCE_WAKEUP: u64 = 2;
const BPF_RB_AVAIL_DATA: u64 = 0;

fn ring() -> *mut c_void {
    ptr::from_ref(&RECORDS).cast_mut().cast()
}

/// Sends what [`capture`](crate::interpret::capture) gathered: the scratch's record, or the thread's own if there is
/// no scratch.
#[inline(always)]
pub fn captured(control: &Control, thread: *mut Thread, scratch: *mut Scratch) {
    if scratch.is_null() {
        return record(control, thread);
    }
    // SAFETY: checked for null above; `record` follows `header` without padding.
    let (header, body) = unsafe { (&raw mut (*scratch).header, ptr::read_volatile(&(*scratch).cursor)) };
    let body = if body > RECORD_BYTES_MAX as u64 { 0 } else { body };
    send(control, header, body);
}

/// Sends the thread's header and the `cursor` bytes behind it.
#[inline(always)]
pub fn record(control: &Control, thread: *mut Thread) {
    // SAFETY: `thread` is this thread's own state, checked for null by the caller; as in `captured`.
    let (header, body) = unsafe { (&raw mut (*thread).header, ptr::read_volatile(&(*thread).cursor)) };
    let body = if body > SHORT_RECORD_BYTES as u64 { 0 } else { body };
    send(control, header, body);
}

/// The reader is woken only when much waits: it looks by itself every few milliseconds, and a wake-up for each record
/// would cost more than the record.
#[inline(always)]
pub fn send(control: &Control, header: *mut Header, body: u64) {
    // SAFETY: the callers compared `body` with what follows the header.
    let failed = unsafe {
        // Asked for every sixteenth call only: the answer costs as much as a register.
        let asks = (*header).call_id & 15 == 0;
        let full = asks && bpf_ringbuf_query(ring(), BPF_RB_AVAIL_DATA) >= control.wakeup_bytes;
        let flags = if full { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP };
        bpf_ringbuf_output(ring(), header.cast(), size_of::<Header>() as u64 + body, flags)
    };
    if failed != 0 {
        budget::add(&control.lost_records, 1);
    }
}

/// Sends the scratch's header and the `cursor` bytes behind it as a part of what another record completes and wakes
/// the reader for. Returns whether there was room.
#[inline(always)]
pub fn part(control: &Control, scratch: *mut Scratch) -> bool {
    // SAFETY: as in `record`.
    let failed = unsafe {
        let mut body = ptr::read_volatile(&(*scratch).cursor);
        if body > RECORD_BYTES_MAX as u64 {
            body = 0;
        }
        let size = size_of::<Header>() as u64 + body;
        bpf_ringbuf_output(ring(), (&raw mut (*scratch).header).cast(), size, BPF_RB_NO_WAKEUP)
    };
    if failed != 0 {
        budget::add(&control.lost_records, 1);
    }
    failed == 0
}

/// Sends bytes without waking the reader.
#[inline(always)]
pub fn bytes(data: *mut c_void, size: usize) {
    // SAFETY: the caller's own bytes. What finds the buffer full is not counted.
    unsafe { bpf_ringbuf_output(ring(), data, size as u64, BPF_RB_NO_WAKEUP) };
}

/// Tells user space that a limit was reached, at once.
#[inline(always)]
pub fn limit(control: &Control, reason: Tripped, time_ns: u64) {
    let mut header = Header {
        kind: Kind::Limit as u8,
        outcome: reason as u8,
        register_count: 0,
        flags: 0,
        depth: 0,
        cookie: 0,
        time_ns,
        pid_tgid: 0,
        call_id: 0,
        context: 0,
    };
    // SAFETY: the header lives on the stack and has the size that is said.
    let failed = unsafe {
        bpf_ringbuf_output(ring(), (&raw mut header).cast(), size_of::<Header>() as u64, BPF_RB_FORCE_WAKEUP)
    };
    if failed != 0 {
        budget::add(&control.lost_records, 1);
    }
}

/// Tells the thread's name, the first time that the thread is seen.
#[inline(always)]
pub fn introduce(control: &Control, thread: *mut Thread, cookie: u64, pid_tgid: u64, time_ns: u64) {
    // SAFETY: as in `record`.
    unsafe {
        if (*thread).known == 0 {
            (*thread).known = 1;
            name(control, thread, cookie, pid_tgid, time_ns);
        }
    }
}

#[inline(never)]
fn name(control: &Control, thread: *mut Thread, cookie: u64, pid_tgid: u64, time_ns: u64) {
    if thread.is_null() {
        return;
    }
    // SAFETY: as in `record`; the name's 16 bytes fit the record.
    unsafe {
        header(thread, Kind::Thread, cookie, time_ns, pid_tgid);
        if bpf_get_current_comm((&raw mut (*thread).record).cast(), THREAD_NAME_BYTES as u32) != 0 {
            return;
        }
        (*thread).cursor = THREAD_NAME_BYTES as u64;
    }
    record(control, thread);
}

/// Starts a record. Outcome, depth, call and context are 0 until set.
#[inline(always)]
pub fn header(thread: *mut Thread, kind: Kind, cookie: u64, time_ns: u64, pid_tgid: u64) {
    // SAFETY: as in `record`.
    unsafe {
        let header = &raw mut (*thread).header;
        (*header).kind = kind as u8;
        (*header).outcome = 0;
        (*header).register_count = 0;
        (*header).flags = 0;
        (*header).depth = 0;
        (*header).cookie = cookie;
        (*header).time_ns = time_ns;
        (*header).pid_tgid = pid_tgid;
        (*header).call_id = 0;
        (*header).context = 0;
        (*thread).cursor = 0;
    }
}
