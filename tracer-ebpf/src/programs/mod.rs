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
use tracer_ebpf::abi::plan::Plan;

use crate::maps::{CONTROL, PLANS};
use crate::{budget, scope};

/// What every program needs of a hit, or `None` if it is none of the session's business.
pub struct Hit {
    context: *const pt_regs,
    pub cookie: Cookie,
    pub control: &'static Control,
    pub plan: &'static Plan,
    pub pid_tgid: u64,
}

impl Hit {
    #[inline(always)]
    fn of(context: &ProbeContext) -> Option<Self> {
        // SAFETY: the helper takes the program's own context.
        let cookie = Cookie(unsafe { bpf_get_attach_cookie(context.as_ptr()) });
        let control = CONTROL.get(cookie.scope())?;
        let pid_tgid = scope::identify(control)?;
        budget::add(control.hits.get(cookie.class() as usize)?, 1);
        let plan = PLANS.get(cookie.plan())?;
        Some(Self { context: context.as_ptr().cast(), cookie, control, plan, pid_tgid })
    }
}

#[inline(always)]
fn now_ns() -> u64 {
    // SAFETY: takes nothing, returns CLOCK_MONOTONIC.
    unsafe { bpf_ktime_get_ns() }
}
