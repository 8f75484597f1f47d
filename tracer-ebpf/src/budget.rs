//! Limits, enforced where the hits are: calls, rate and time. A tripped limit wakes user space, which detaches.

use core::arch::asm;

use tracer_ebpf::abi::control::{Control, Tripped};

use crate::emit;

const SECOND_NS: u64 = 1_000_000_000;

/// Adds to a counter that other CPUs add to and user space reads; returns what it was before.
// core's atomics have no read-modify-write on this target; the instruction needs Linux 5.12.
#[inline(always)]
pub fn add(counter: &u64, amount: u64) -> u64 {
    let mut value = amount;
    // SAFETY: the counter is an aligned word of a map value, which lives as long as the program runs; all writers
    // are atomic.
    unsafe {
        asm!(
            "{value} = atomic_fetch_add((u64 *)({counter} + 0), {value})",
            counter = in(reg) counter,
            value = inout(reg) value,
        );
    }
    value
}

/// Stores `new` and returns what was there before.
#[inline(always)]
fn swap(word: &u64, new: u64) -> u64 {
    let mut value = new;
    // SAFETY: as in `add`.
    unsafe {
        asm!(
            "{value} = xchg_64({word} + 0, {value})",
            word = in(reg) word,
            value = inout(reg) value,
        );
    }
    value
}

/// The number of this call, counted from 1, or `None` if a limit forbids it.
#[inline(always)]
pub fn admit(control: &Control, time_ns: u64) -> Option<u64> {
    if tripped(control) {
        return None;
    }
    if control.deadline_ns != 0 && time_ns > control.deadline_ns {
        return trip(control, Tripped::Deadline, time_ns);
    }
    if control.rate_max != 0 && over_rate(control, time_ns) {
        return trip(control, Tripped::Rate, time_ns);
    }
    let call = add(&control.calls, 1) + 1;
    if control.calls_max != 0 && call >= control.calls_max {
        if call > control.calls_max {
            add(&control.calls, 1u64.wrapping_neg());
            return None;
        }
        trip(control, Tripped::Calls, time_ns);
    }
    Some(call)
}

/// Whether calls are no longer admitted.
#[inline(always)]
pub fn tripped(control: &Control) -> bool {
    // SAFETY: the field is written by user space and by `trip` while programs run.
    unsafe { core::ptr::read_volatile(&control.tripped) != 0 }
}

#[inline(never)]
fn over_rate(control: &Control, time_ns: u64) -> bool {
    // SAFETY: a plain read of an aligned word; a stale value costs at most one second's precision.
    let started = unsafe { core::ptr::read_volatile(&control.rate_start_ns) };
    if time_ns.wrapping_sub(started) >= SECOND_NS {
        swap(&control.rate_start_ns, time_ns);
        swap(&control.rate_calls, 1);
        return false;
    }
    add(&control.rate_calls, 1) >= control.rate_max
}

#[inline(never)]
fn trip(control: &Control, reason: Tripped, time_ns: u64) -> Option<u64> {
    if swap(&control.tripped, reason as u64) == 0 {
        emit::limit(control, reason, time_ns);
    }
    None
}
