//! A function's ways out: each `ret`, each jump to another function, or the trampoline of a uretprobe.

use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use tracer_ebpf::abi::cookie::Cookie;
use tracer_ebpf::abi::plan::{ALWAYS, PLAN_TAIL_JUMP, REGISTER_DURATION, REGISTER_PARTS, REGISTER_THREAD_ID};
use tracer_ebpf::abi::record::{Outcome, RECORD_HELD_SHIFT};
use tracer_ebpf::abi::thread::{FRAME_HELD, FRAME_PARTS_SHIFT, Frame, Thread};

use super::{Hit, now_ns};
use crate::condition::{self, Moment, Verdict};
use crate::{emit, frames, interpret, maps, registers};

/// At a `ret` or a tail jump, where the stack pointer is that of the entry.
#[uprobe]
pub fn exit(context: ProbeContext) -> u32 {
    if let Some(hit) = Hit::of(&context) {
        leave(&hit, 0);
    }
    0
}

/// At a uretprobe, where the return address has been popped.
#[uprobe]
pub fn uretprobe(context: ProbeContext) -> u32 {
    if let Some(hit) = Hit::of(&context) {
        leave(&hit, 8);
    }
    0
}

/// Whether a conditional jump is about to be taken: Intel's condition codes, of which odd ones negate the one before.
#[inline(always)]
fn is_taken(condition: u8, flags: u64) -> bool {
    let carry = flags & 1 != 0;
    let parity = flags & (1 << 2) != 0;
    let zero = flags & (1 << 6) != 0;
    let sign = flags & (1 << 7) != 0;
    let overflow = flags & (1 << 11) != 0;
    let holds = match condition >> 1 {
        0 => overflow,
        1 => carry,
        2 => zero,
        3 => carry || zero,
        4 => sign,
        5 => parity,
        6 => sign != overflow,
        7 => zero || sign != overflow,
        _ => true,
    };
    holds != (condition < 16 && condition & 1 != 0)
}

#[inline(always)]
fn leave(hit: &Hit, popped_bytes: u64) {
    // SAFETY: the context is the program's own.
    if hit.plan.condition != ALWAYS && !is_taken(hit.plan.condition, unsafe { (*hit.context).eflags }) {
        return;
    }
    let thread = maps::THREADS.existing();
    if thread.is_null() {
        return;
    }
    // SAFETY: the context is the program's own.
    let stack_pointer = unsafe { (*hit.context).rsp }.wrapping_sub(popped_bytes);
    let time_ns = now_ns();
    let stack = frames::current_stack(hit.control, thread, stack_pointer);
    frames::close_stale(hit.control, thread, stack, stack_pointer, time_ns, hit.pid_tgid);
    let at = frames::Hit { stack_pointer, time_ns, pid_tgid: hit.pid_tgid };
    // SAFETY: `thread` was checked for null; a frame that `top` names exists.
    unsafe {
        if (*stack).top == 0 {
            return;
        }
        let frame = frames::frame(thread, (*stack).top);
        if (*frame).stack_pointer != stack_pointer {
            return;
        }
        if Cookie((*frame).cookie).function() != hit.cookie.function() {
            // Another function returns in its place: it left by a jump that no probe saw.
            return frames::close_replaced(hit.control, thread, stack, &at);
        }
        let held = (*frame).flags & FRAME_HELD != 0;
        let held_number = if held { ((*stack).top as u8) << RECORD_HELD_SHIFT } else { 0 };
        registers::set_result_pointer(thread, (*frame).result_pointer);
        if held {
            registers::save(hit.context, thread);
            if !counts(hit, thread, frame, time_ns) || frames::release(hit.control, frame, time_ns).is_none() {
                return frames::pop(hit.control, thread, stack);
            }
        }
        let tail_called = hit.plan.flags & PLAN_TAIL_JUMP != 0;
        let outcome = if tail_called { Outcome::TailCalled } else { Outcome::Returned };
        frames::closing_record(thread, frame, outcome, &at);
        (*thread).header.cookie = hit.cookie.0;
        (*thread).header.flags = held_number;
        frames::pop(hit.control, thread, stack);
    }
    registers::save(hit.context, thread);
    let scratch = interpret::capture(hit.control, thread, hit.plan);
    emit::captured(hit.control, thread, scratch);
}

/// Whether a held call counts, by the filter of this exit. The thread's registers are those of the hit.
#[inline(always)]
fn counts(hit: &Hit, thread: *mut Thread, frame: *const Frame, time_ns: u64) -> bool {
    let Some(filter) = condition::filter(hit.plan.filter) else { return true };
    // SAFETY: the caller's frame.
    let moment = unsafe {
        Moment {
            thread_id: hit.pid_tgid & 0xffff_ffff,
            duration_ns: time_ns - (*frame).time_ns,
            parts: u64::from((*frame).flags >> FRAME_PARTS_SHIFT),
            result_pointer: (*frame).result_pointer,
        }
    };
    let verdict = condition::terms(filter, &condition::values(hit.context, &moment));
    if verdict == Verdict::No {
        return false;
    }
    registers::set(thread, REGISTER_THREAD_ID, moment.thread_id);
    registers::set(thread, REGISTER_DURATION, moment.duration_ns);
    registers::set(thread, REGISTER_PARTS, moment.parts);
    condition::counts(hit.control, thread, filter, verdict)
}
