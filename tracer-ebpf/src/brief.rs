//! The short way for a hit that needs little: some registers, on a thread without a call under way whose name was
//! sent. The record is built on the program's stack, and the thread's state is not looked up.

use core::{array, ptr};

use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cpu::LastThread;
use tracer_ebpf::abi::plan::{ALWAYS, KEEP_NOTHING, Plan};
use tracer_ebpf::abi::record::{Header, Kind};

use crate::programs::Hit;
use crate::registers::zero;
use crate::{budget, emit};

/// Registers that a record of this kind can carry.
const REGISTERS_MAX: usize = 6;

/// DWARF numbers below this are the general registers.
const GENERAL: u8 = 16;

/// How long a thread counts as known on a CPU without another look at its state: thread ids are used again, but not
/// that soon.
const KNOWN_NS: u64 = 100_000_000;

#[repr(C)]
struct Record {
    header: Header,
    registers: [u64; REGISTERS_MAX],
}

/// Whether nothing is asked for but registers.
#[inline(always)]
fn suffices(plan: &Plan) -> bool {
    plan.flags == 0
        && plan.op_count == 0
        && plan.register_count as usize <= REGISTERS_MAX
        && plan.kept_register == KEEP_NOTHING
        && plan.condition == ALWAYS
}

/// Whether no frame of the session is open, this thread's included.
#[inline(always)]
fn without_frames(control: &Control) -> bool {
    // The closed ones first: with an open frame of this thread, they are then fewer than the opened ones, whatever other
    // threads do in between.
    // SAFETY: plain reads of aligned words.
    unsafe {
        let closed = ptr::read_volatile(&control.frames_closed);
        closed == ptr::read_volatile(&control.frames_opened)
    }
}

/// Sends the hit's record if the short way will do; whether it did.
#[inline(always)]
pub fn event(hit: &Hit, time_ns: u64) -> bool {
    let (plan, control, context) = (hit.plan, hit.control, hit.context);
    if !suffices(plan) || !without_frames(control) {
        return false;
    }
    // SAFETY: the element of this CPU; another hit's program that comes between leaves another thread or time there.
    let last = unsafe { (&raw const (*hit.cpu).last_thread).read_volatile() };
    if last.pid_tgid != hit.pid_tgid || time_ns.wrapping_sub(last.time_ns) > KNOWN_NS {
        return false;
    }
    let mut record = Record {
        header: Header {
            kind: Kind::Event as u8,
            outcome: 0,
            register_count: plan.register_count,
            flags: 0,
            depth: 0,
            cookie: hit.cookie.0,
            time_ns,
            pid_tgid: hit.pid_tgid,
            call_id: zero(),
            context: zero(),
        },
        registers: array::from_fn(|_| zero()),
    };
    // SAFETY: the context is the program's own.
    let values = unsafe {
        [
            (*context).rax,
            (*context).rdx,
            (*context).rcx,
            (*context).rbx,
            (*context).rsi,
            (*context).rdi,
            (*context).rbp,
            (*context).rsp,
            (*context).r8,
            (*context).r9,
            (*context).r10,
            (*context).r11,
            (*context).r12,
            (*context).r13,
            (*context).r14,
            (*context).r15,
        ]
    };
    for (value, number) in record.registers.iter_mut().zip(plan.registers.iter().take(plan.register_count as usize)) {
        if *number >= GENERAL {
            return false;
        }
        // SAFETY: the mask keeps the index inside the array.
        *value = unsafe { values.as_ptr().add(usize::from(*number & (GENERAL - 1))).read_volatile() };
    }
    if let Some(call_id) = budget::admit(control, time_ns) {
        record.header.call_id = call_id;
        emit::send(control, (&raw mut record).cast::<Header>(), u64::from(plan.register_count) * 8);
    }
    true
}

/// Notes that this thread's name was sent.
#[inline(always)]
pub fn remember(hit: &Hit, time_ns: u64) {
    // SAFETY: as in `event`.
    unsafe { (&raw mut (*hit.cpu).last_thread).write_volatile(LastThread { pid_tgid: hit.pid_tgid, time_ns }) };
}
