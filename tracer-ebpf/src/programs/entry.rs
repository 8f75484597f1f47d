//! A function's first instruction, and USDT probes: admits the call, opens its frame, captures the arguments.

use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use aya_log_ebpf::debug;
use tracer_ebpf::abi::filter::{FILTER_HOLDS, Filter};
use tracer_ebpf::abi::plan::{KEEP_NOTHING, PLAN_FRAME, REGISTER_THREAD_ID};
use tracer_ebpf::abi::record::{CALL_HELD, Kind, RECORD_HELD_SHIFT, RECORD_STACK};
use tracer_ebpf::abi::thread::{FRAME_HELD, FRAME_PARTS_SHIFT, Frame, Stack, Thread};

use super::{Arrival, Hit, now_ns};
use crate::condition::{self, Moment, Verdict};
use crate::registers::zero;
use crate::{brief, budget, emit, frames, interpret, maps, registers, stack};

#[uprobe]
pub fn entry(context: ProbeContext) -> u32 {
    if let Some(arrival) = Arrival::of(&context) {
        enter(&context, arrival);
    }
    0
}

#[inline(always)]
fn enter(context: &ProbeContext, arrival: Arrival) {
    let control = arrival.control;
    if budget::tripped(control) {
        return;
    }
    let filter = condition::filter(arrival.plan.filter);
    // Before anything else is touched: a condition that is false must cost next to nothing.
    if filter.is_some_and(|filter| condition::fails_at_once(filter, arrival.context)) {
        return;
    }
    let Some(hit) = &arrival.identify() else { return };
    let thread_id = hit.pid_tgid & 0xffff_ffff;
    let mut verdict = Verdict::Yes;
    if let Some(filter) = filter {
        let moment = Moment { thread_id, duration_ns: zero(), parts: zero(), result_pointer: zero() };
        verdict = condition::terms(filter, &condition::values(hit.context, &moment));
        if verdict == Verdict::No {
            return;
        }
    }
    let time_ns = now_ns();
    let is_decided = verdict == Verdict::Yes && filter.is_none_or(|filter| filter.plan == 0);
    if is_decided && brief::event(hit, time_ns) {
        return;
    }
    let thread = maps::THREADS.current();
    if thread.is_null() {
        budget::add(&control.lost_threads, 1);
        debug!(context, "no memory for the state of thread {}", hit.pid_tgid as u32);
        return;
    }
    registers::save(hit.context, thread);
    if let Some(filter) = filter {
        registers::set(thread, REGISTER_THREAD_ID, thread_id);
        if !condition::counts(control, thread, filter, verdict) {
            return;
        }
    }
    emit::introduce(control, thread, hit.cookie.0, hit.pid_tgid, time_ns);
    brief::remember(hit, time_ns);
    // SAFETY: the context is the program's own.
    let stack_pointer = unsafe { (*hit.context).rsp };
    let stack = frames::current_stack(control, thread, stack_pointer);
    frames::close_stale(control, thread, stack, stack_pointer, time_ns, hit.pid_tgid);
    if hit.plan.flags & PLAN_FRAME == 0 {
        event(hit, thread, stack, time_ns);
    } else {
        match filter.filter(|filter| filter.flags & FILTER_HOLDS != 0) {
            Some(filter) => held(hit, filter, thread, stack, time_ns),
            None => call(context, hit, thread, stack, stack_pointer, time_ns),
        }
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
        // What is held back may never be shown: calls inside belong to what is around it.
        let shown = u32::from((*frame).flags & FRAME_HELD == 0);
        ((*frame).call_id, u32::from((*frame).depth) + shown)
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
    fill(hit, thread, frame, depth, time_ns);
    // SAFETY: `thread` was checked for null, `push` returns one of its frames.
    unsafe {
        (*frame).call_id = call_id;
        if has_stack {
            (*thread).header.flags = RECORD_STACK;
        }
        (*thread).header.call_id = call_id;
        (*thread).header.context = parent;
    }
    let scratch = interpret::capture(hit.control, thread, hit.plan);
    emit::captured(hit.control, thread, scratch);
}

/// A new frame, and the start of its entry's record.
#[inline(always)]
fn fill(hit: &Hit, thread: *mut Thread, frame: *mut Frame, depth: u32, time_ns: u64) {
    // SAFETY: as in `call`.
    unsafe {
        (*frame).stack_pointer = (*hit.context).rsp;
        (*frame).time_ns = time_ns;
        (*frame).cookie = hit.cookie.0;
        (*frame).depth = depth as u16;
        (*frame).flags = u16::from(hit.plan.flags);
        (*frame).result_pointer =
            if hit.plan.kept_register == KEEP_NOTHING { 0 } else { registers::read(thread, hit.plan.kept_register) };
        emit::header(thread, Kind::Entry, hit.cookie.0, time_ns, hit.pid_tgid);
        (*thread).header.depth = depth;
    }
}

/// A call that only its end decides on: its record goes out marked as held, and no limit knows of it yet.
#[inline(always)]
fn held(hit: &Hit, filter: &Filter, thread: *mut Thread, stack: *mut Stack, time_ns: u64) {
    let control = hit.control;
    // SAFETY: the context is the program's own.
    let stack_pointer = unsafe { (*hit.context).rsp };
    let at = frames::Hit { stack_pointer, time_ns, pid_tgid: hit.pid_tgid };
    frames::close_replaced(control, thread, stack, &at);
    if frames::exhausted(control, thread) {
        return;
    }
    let parts = condition::parts(control, thread, filter);
    let (parent, depth) = enclosing(thread, stack);
    let frame = frames::push(thread, stack);
    let has_stack = stack::send(hit, thread, stack, time_ns, time_ns | CALL_HELD);
    fill(hit, thread, frame, depth, time_ns);
    // SAFETY: as in `call`.
    unsafe {
        (*frame).call_id = parent;
        (*frame).flags |= FRAME_HELD | parts << FRAME_PARTS_SHIFT;
        (*thread).header.call_id = time_ns | CALL_HELD;
        (*thread).header.context = parent;
        (*thread).header.flags = ((*stack).top as u8) << RECORD_HELD_SHIFT;
        if has_stack {
            (*thread).header.flags |= RECORD_STACK;
        }
    }
    let scratch = interpret::capture(control, thread, hit.plan);
    emit::captured(control, thread, scratch);
}
