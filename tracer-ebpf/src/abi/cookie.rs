//! The attach cookie: what the kernel hands back with each hit, so that one program serves every probe.

/// Bits of the low word that number the plan.
pub const PLAN_BITS: u32 = 24;

/// Number of plans that a cookie can tell apart.
pub const PLANS_MAX: u32 = 1 << PLAN_BITS;

/// `function << 32 | scope << 28 | class << 24 | plan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cookie(pub u64);

impl Cookie {
    /// `plan` must be below [`PLANS_MAX`]; higher bits are dropped.
    pub const fn new(function: u32, scope: Scope, class: SiteCost, plan: u32) -> Self {
        Self(
            ((function as u64) << 32)
                | ((scope as u64) << 28)
                | ((class as u64) << PLAN_BITS)
                | (plan & (PLANS_MAX - 1)) as u64,
        )
    }

    /// Index of the function (or USDT probe) in the probe plan.
    pub const fn function(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Index into the control map, 0 or 1.
    pub const fn scope(self) -> u32 {
        (self.0 >> 28) as u32 & 1
    }

    /// Index into [`Cpu::hits`](super::cpu::Cpu::hits), 0 to 3.
    pub const fn class(self) -> u32 {
        (self.0 >> PLAN_BITS) as u32 & 3
    }

    /// Index into the plan map.
    pub const fn plan(self) -> u32 {
        self.0 as u32 & (PLANS_MAX - 1)
    }
}

/// Which control block a probe obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scope {
    /// The process that the user asked for.
    Target = 0,
    /// The tracer itself, while it measures what a hit costs.
    Calibration = 1,
}

/// What a hit costs depends on how the kernel gets past the probed instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SiteCost {
    /// The kernel emulates the instruction: one trap.
    Emulated = 0,
    /// Executed out of line with the trap flag set: two traps.
    SingleStepped = 1,
    /// The trampoline of a uretprobe.
    ReturnTrampoline = 2,
    /// A 5-byte nop that the kernel may patch into a call.
    Optimised = 3,
}

/// Number of [`SiteCost`]s.
pub const SITE_COSTS: usize = 4;
