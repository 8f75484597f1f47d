//! The finished plan: what the kernel is given, and what the decoder needs to read the answers.
//! Pure data: it can be printed (`--dry-run`), compared and replayed.

use std::path::PathBuf;

use tracer_ebpf::abi::cookie::Cookie;
use tracer_ebpf::abi::filter::{Filter, Text};
use tracer_ebpf::abi::plan::PLAN_STACK;

use super::capture_plan::CapturePlan;
pub use crate::target::address::FileOffset;

/// Which BPF program a site runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// A function's first instruction, or a USDT probe.
    Entry,
    /// A `ret` or a tail jump.
    Exit,
    /// The kernel's return trampoline, armed at the function's first instruction.
    ReturnTrampoline,
    /// A mailbox probe, aggregated in the kernel.
    Mailbox,
    /// Nothing: a bench's measure of the trap alone.
    Empty,
    /// Two registers, written by hand: a bench's measure of the engine.
    Handwritten,
    /// The same behind a condition that is false, written by hand.
    HandwrittenCondition,
}

/// One site: where the kernel puts its breakpoint, and what it hands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachPoint {
    /// Index into [`AttachPlan::objects`].
    pub object: usize,
    pub offset: FileOffset,
    pub program: Program,
    /// File offset of the USDT probe's semaphore, which the kernel raises while attached.
    pub semaphore: Option<FileOffset>,
    pub cookie: Cookie,
}

/// All that a session attaches. Points of one object and program become one link.
#[derive(Clone, Debug, Default)]
pub struct AttachPlan {
    /// What the plans' filters refer to.
    pub filters: Filters,
    /// Paths to attach through, as the tracer opens them (`/proc/PID/exe`, …).
    pub objects: Vec<PathBuf>,
    pub points: Vec<AttachPoint>,
    /// The capture plans, by [`Cookie::plan`].
    pub plans: Vec<CapturePlan>,
}

/// The filters of all plans, and the texts that operations compare with, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    pub filters: Vec<Filter>,
    pub texts: Vec<Text>,
}

impl AttachPlan {
    /// Lets every entry and USDT probe bring the stack along.
    pub fn with_stacks(&mut self) {
        let entries = self.points.iter().filter(|point| point.program == Program::Entry);
        for point in entries {
            if let Some(plan) = self.plans.get_mut(point.cookie.plan() as usize) {
                plan.head.flags |= PLAN_STACK;
            }
        }
    }
}
