//! The finished plan: what the kernel is given, and what the decoder needs to read the answers.
//! Pure data: it can be printed (`--dry-run`), compared and replayed.

use std::collections::BTreeSet;
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
    /// The plans of the entries of the functions that these exits belong to.
    pub fn entry_plans_of(&self, exits: &[AttachPoint]) -> BTreeSet<u32> {
        if exits.is_empty() {
            return BTreeSet::new();
        }
        let functions: BTreeSet<u32> = exits.iter().map(|exit| exit.cookie.function()).collect();
        let entries = self.points.iter().filter(|point| point.program == Program::Entry);
        let of_them = entries.filter(|entry| functions.contains(&entry.cookie.function()));
        of_them.map(|entry| entry.cookie.plan()).collect()
    }

    /// Whether some entry or USDT probe brings the stack along.
    pub fn has_stacks(&self) -> bool {
        self.plans.iter().any(|plan| plan.head.flags & PLAN_STACK != 0)
    }

    /// Lets every entry and USDT probe bring the stack along.
    pub fn with_stacks(&mut self) {
        self.with_stacks_of(|_| true);
    }

    /// Lets those entries and USDT probes bring the stack along, and others that share their plans.
    pub fn with_stacks_of(&mut self, is_wanted: impl Fn(Cookie) -> bool) {
        let entries = self.points.iter().filter(|point| point.program == Program::Entry && is_wanted(point.cookie));
        for point in entries {
            if let Some(plan) = self.plans.get_mut(point.cookie.plan() as usize) {
                plan.head.flags |= PLAN_STACK;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_ebpf::abi::cookie::{Scope, SiteCost};

    use super::*;

    fn point(function: u32, program: Program, plan: u32) -> AttachPoint {
        let cookie = Cookie::new(function, Scope::Target, SiteCost::Emulated, plan);
        AttachPoint { object: 0, offset: FileOffset(u64::from(plan)), program, semaphore: None, cookie }
    }

    #[test]
    fn a_refused_exit_concerns_the_entries_of_its_function_alone() {
        let points = vec![
            point(0, Program::Entry, 10),
            point(0, Program::Exit, 11),
            point(1, Program::Entry, 20),
            point(1, Program::Entry, 21),
            point(1, Program::Exit, 11),
        ];
        let plan = AttachPlan { points: points.clone(), ..AttachPlan::default() };
        assert_eq!(plan.entry_plans_of(&points[4..]), BTreeSet::from([20, 21]));
        assert_eq!(plan.entry_plans_of(&points[1..2]), BTreeSet::from([10]));
        assert_eq!(plan.entry_plans_of(&[]), BTreeSet::new());
    }
}
