//! What `cargo xtask bench` measures the other programs against, on the same site in the same run. Never attached to
//! a target.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_get_attach_cookie;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use tracer_ebpf::abi::filter::UNUSUAL_ARGUMENT;
use tracer_ebpf::abi::record::{Header, Kind};

use super::now_ns;
use crate::emit;
use crate::registers::zero;

/// The cost of the trap alone.
#[uprobe]
pub fn empty(_context: ProbeContext) -> u32 {
    0
}

#[repr(C)]
struct TwoRegisters {
    header: Header,
    first: u64,
    second: u64,
}

/// What one would write by hand for calls with a certain integer as their first argument, which the bench's has not.
#[uprobe]
pub fn handwritten_condition(context: ProbeContext) -> u32 {
    let registers: *const pt_regs = context.as_ptr().cast();
    // SAFETY: the context is the program's own.
    if unsafe { (*registers).rdi } as u32 == UNUSUAL_ARGUMENT {
        return handwritten_record(&context);
    }
    0
}

/// What one would write by hand to send two integer arguments: the same header and registers, without plan, limits,
/// frames and counters.
#[uprobe]
pub fn handwritten(context: ProbeContext) -> u32 {
    handwritten_record(&context)
}

#[inline(always)]
fn handwritten_record(context: &ProbeContext) -> u32 {
    let registers: *const pt_regs = context.as_ptr().cast();
    // SAFETY: the context is the program's own.
    let mut record = unsafe {
        TwoRegisters {
            header: Header {
                kind: Kind::Event as u8,
                outcome: 0,
                register_count: 2,
                flags: 0,
                depth: 0,
                cookie: bpf_get_attach_cookie(context.as_ptr()),
                time_ns: now_ns(),
                pid_tgid: bpf_get_current_pid_tgid(),
                call_id: zero(),
                context: zero(),
            },
            first: (*registers).rdi,
            second: (*registers).rsi,
        }
    };
    emit::bytes((&raw mut record).cast(), size_of::<TwoRegisters>());
    0
}
