//! The programs, one file per kind of probe.

mod baseline;
mod entry;
mod exit;
mod mailbox;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::generated::{bpf_get_attach_cookie, bpf_ktime_get_ns};
use aya_ebpf::programs::ProbeContext;
use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cookie::Cookie;
use tracer_ebpf::abi::cpu::Cpu;
use tracer_ebpf::abi::plan::Plan;

use crate::maps::{CONTROL, CPUS, PLANS, SEES_OTHERS};
use crate::scope;

/// What every program needs of a hit.
pub struct Hit {
    pub context: *const pt_regs,
    pub cookie: Cookie,
    pub control: &'static Control,
    pub plan: &'static Plan,
    pub cpu: *mut Cpu,
    pub pid_tgid: u64,
}

/// A hit before anyone asked whose it is: that alone costs more than a condition that is false.
struct Arrival {
    context: *const pt_regs,
    cookie: Cookie,
    control: &'static Control,
    plan: &'static Plan,
    cpu: *mut Cpu,
}

impl Arrival {
    /// Counts the hit.
    #[inline(always)]
    fn of(context: &ProbeContext) -> Option<Self> {
        // SAFETY: the helper takes the program's own context.
        let cookie = Cookie(unsafe { bpf_get_attach_cookie(context.as_ptr()) });
        let control = CONTROL.get(cookie.scope())?;
        if SEES_OTHERS.load() != 0 {
            scope::identify(control)?;
        }
        let cpu = CPUS.get_ptr_mut(cookie.scope())?;
        // SAFETY: the element of this CPU; a class is below the array's size.
        unsafe {
            let hits = (&raw mut (*cpu).hits).cast::<u64>().add(cookie.class() as usize);
            hits.write_volatile(hits.read_volatile() + 1);
        }
        let plan = PLANS.get(cookie.plan())?;
        Some(Self { context: context.as_ptr().cast(), cookie, control, plan, cpu })
    }

    /// `None` if it is none of the session's business.
    #[inline(always)]
    fn identify(self) -> Option<Hit> {
        let pid_tgid = scope::identify(self.control)?;
        let Self { context, cookie, control, plan, cpu } = self;
        Some(Hit { context, cookie, control, plan, cpu, pid_tgid })
    }
}

impl Hit {
    #[inline(always)]
    fn of(context: &ProbeContext) -> Option<Self> {
        Arrival::of(context)?.identify()
    }
}

#[inline(always)]
fn now_ns() -> u64 {
    // SAFETY: takes nothing, returns CLOCK_MONOTONIC.
    unsafe { bpf_ktime_get_ns() }
}
