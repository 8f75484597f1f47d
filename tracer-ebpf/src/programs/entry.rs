//! A function's first instruction, and USDT probes: admits the call, opens its frame, captures the arguments.

use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use aya_log_ebpf::debug;
use tracer_ebpf::abi::plan::{KEEP_NOTHING, PLAN_FRAME};
use tracer_ebpf::abi::record::{Kind, RECORD_STACK};
use tracer_ebpf::abi::thread::{Stack, Thread};

use super::{Hit, now_ns};
use crate::{brief, budget, emit, frames, interpret, maps, registers, stack};

#[uprobe]
pub fn entry(context: ProbeContext) -> u32 {
    if let Some(hit) = Hit::of(&context) {
        enter(&context, &hit);
    }
    0
}

#[inline(always)]
fn enter(context: &ProbeContext, hit: &Hit) {
    let control = hit.control;
    if budget::tripped(control) {
        return;
    }
    let time_ns = now_ns();
    if brief::event(hit.context, control, hit.plan, hit.cookie.0, hit.pid_tgid, time_ns) {
        return;
    }
    let thread = maps::THREADS.current();
    if thread.is_null() {
        budget::add(&control.lost_threads, 1);
        debug!(context, "no memory for the state of thread {}", hit.pid_tgid as u32);
        return;
    }
    emit::introduce(control, thread, hit.cookie.0, hit.pid_tgid, time_ns);
    brief::remember(hit.pid_tgid, time_ns);
    // SAFETY: the context is the program's own.
    let stack_pointer = unsafe { (*hit.context).rsp };
    registers::save(hit.context, thread);
    let stack = frames::current_stack(control, thread, stack_pointer);
    frames::close_stale(control, thread, stack, stack_pointer, time_ns, hit.pid_tgid);
    if hit.plan.flags & PLAN_FRAME == 0 {
        event(hit, thread, stack, time_ns);
    } else {
        call(context, hit, thread, stack, stack_pointer, time_ns);
    }
}

/// Number and depth of the call that encloses a new one on this stack; 0 and 0 at a root.
#[inline(always)]
fn enclosing(thread: *mut Thread, stack: *mut Stack) -> (u64, u32) {
    // SAFETY: both pointers come from `frames`.
    unsafe {
        if (*stack).top == 0 {
            return (0, 0);
        }
        let frame = frames::frame(thread, (*stack).top);
        ((*frame).call_id, u32::from((*frame).depth) + 1)
    }
}

#[inline(always)]
fn event(hit: &Hit, thread: *mut Thread, stack: *mut Stack, time_ns: u64) {
    let Some(call_id) = budget::admit(hit.control, time_ns) else { return };
    let (parent, depth) = enclosing(thread, stack);
    let has_stack = stack::send(hit, thread, stack, time_ns, call_id);
    emit::header(thread, Kind::Event, hit.cookie.0, time_ns, hit.pid_tgid);
    // SAFETY: `thread` was checked for null.
    unsafe {
        if has_stack {
            (*thread).header.flags = RECORD_STACK;
        }
        (*thread).header.call_id = call_id;
        (*thread).header.context = parent;
        (*thread).header.depth = depth;
    }
    let scratch = interpret::capture(hit.control, thread, hit.plan);
    emit::captured(hit.control, thread, scratch);
}

#[inline(always)]
fn call(context: &ProbeContext, hit: &Hit, thread: *mut Thread, stack: *mut Stack, stack_pointer: u64, time_ns: u64) {
    let control = hit.control;
    let at = frames::Hit { stack_pointer, time_ns, pid_tgid: hit.pid_tgid };
    frames::close_replaced(control, thread, stack, &at);
    if frames::exhausted(control, thread) {
        debug!(context, "thread {} is deeper than its frames", hit.pid_tgid as u32);
        return;
    }
    let Some(call_id) = budget::admit(control, time_ns) else { return };
    budget::add(&control.frames_opened, 1);
    let (parent, depth) = enclosing(thread, stack);
    let frame = frames::push(thread, stack);
    let has_stack = stack::send(hit, thread, stack, time_ns, call_id);
    // SAFETY: `thread` was checked for null, `push` returns one of its frames.
    unsafe {
        (*frame).stack_pointer = stack_pointer;
        (*frame).time_ns = time_ns;
        (*frame).call_id = call_id;
        (*frame).cookie = hit.cookie.0;
        (*frame).depth = depth as u16;
        (*frame).flags = u16::from(hit.plan.flags);
        (*frame).result_pointer =
            if hit.plan.kept_register == KEEP_NOTHING { 0 } else { registers::read(thread, hit.plan.kept_register) };
        emit::header(thread, Kind::Entry, hit.cookie.0, time_ns, hit.pid_tgid);
        if has_stack {
            (*thread).header.flags = RECORD_STACK;
        }
        (*thread).header.call_id = call_id;
        (*thread).header.context = parent;
        (*thread).header.depth = depth;
    }
    let scratch = interpret::capture(hit.control, thread, hit.plan);
    emit::captured(hit.control, thread, scratch);
}
