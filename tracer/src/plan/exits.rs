//! Where a function's calls end: each `ret`, and each jump that leaves the function at the depth of its entry.
//! Pure: code bytes and unwind rows in, sites out. Whether and how to probe them is the planner's decision.

use super::opcode::Opcode;
use super::site::{self, Position, Refusal, Site, SiteClass};
use super::sweep::{JumpKind, Sweep};
use super::unwind_rows::{Depth, UnwindRows, UnwindScratch};
use crate::target::address::{LinkAddress, LinkRange};

pub use super::sweep::SweepError;

/// One contiguous part of a function: its body, or what the compiler moved elsewhere (`.cold`).
#[derive(Clone, Copy, Debug)]
pub struct Part<'c> {
    pub range: LinkRange,
    /// The bytes at `range`, as long as it.
    pub code: &'c [u8],
}

/// What a function's code says about probing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSites {
    pub entry: Result<EntrySite, Refusal>,
    /// In the order of the parts, rising within each. An exit may be at the entry's own address.
    pub exits: Vec<Exit>,
    /// Exits that cannot carry a probe: calls that end there end unseen.
    pub refused_exits: Vec<Refusal>,
    /// Jumps out of the function of which no unwind information says whether they end the call, and parts that go on
    /// into the code behind them.
    pub unknown_jumps: usize,
    /// Whether the function calls anything.
    pub contains_call: bool,
}

/// Where a probe on the function's entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySite {
    /// The function's first address, or that of an instruction shortly after it: stepping over a leading `endbr64` or
    /// nop changes no register, and can make the probe 10 times cheaper. A uretprobe needs the first address itself.
    pub address: LinkAddress,
    pub site: Site,
}

/// An instruction that ends the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub address: LinkAddress,
    pub kind: ExitKind,
    pub site: Site,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitKind {
    /// `ret`: the return registers hold the value.
    Return,
    /// A jump to another function: that one will return to this one's caller.
    TailJump,
    /// A tail jump taken only if the condition holds on the flags at the probe. The code is the low half of the
    /// instruction's opcode byte (Intel's `tttn`: 4 is `e`, 5 is `ne`).
    ConditionalTailJump { condition: u8 },
    /// A jump through a register or a table at the depth of the entry: it may stay inside. A later exit at the same
    /// stack pointer decides.
    IndirectJump,
}

impl FunctionSites {
    /// Whether calls of the function may end where no exit probe can stand.
    pub fn may_miss_exits(&self) -> bool {
        self.unknown_jumps > 0 || !self.refused_exits.is_empty()
    }
}

/// Finds entries and exits in one object. Holds memory to reuse: make one for each thread.
pub struct SiteFinder<'u, 'd> {
    rows: Option<&'u UnwindRows<'d>>,
    unwind: UnwindScratch,
    sweep: Sweep,
}

impl<'u, 'd> SiteFinder<'u, 'd> {
    /// Without `rows` only `ret`s are exits, and jumps out of a function count as unknown.
    pub fn new(rows: Option<&'u UnwindRows<'d>>) -> Self {
        SiteFinder { rows, unwind: UnwindScratch::default(), sweep: Sweep::default() }
    }

    /// The sites of one function, given all its parts, the one with its entry first.
    ///
    /// # Errors
    /// [`SweepError`] if the code cannot be decoded with certainty: no probe but one on the entry is safe then.
    pub fn find(&mut self, parts: &[Part<'_>]) -> Result<FunctionSites, SweepError> {
        self.sweep.run(parts)?;
        let mut found = FunctionSites {
            entry: entry_site(parts, &self.sweep),
            exits: Vec::with_capacity(self.sweep.jumps.len()),
            refused_exits: Vec::new(),
            unknown_jumps: self.sweep.fall_throughs,
            contains_call: self.sweep.contains_call,
        };
        for jump in &self.sweep.jumps {
            let depth = || self.rows.map_or(Depth::Unknown, |rows| rows.depth(jump.address, &mut self.unwind));
            match verdict(jump.kind, depth) {
                Verdict::Exit(kind) => match inspect_in(parts, jump.address, Position::Inside) {
                    Ok(site) => found.exits.push(Exit { address: jump.address, kind, site }),
                    Err(refusal) => found.refused_exits.push(refusal),
                },
                Verdict::Stays => {}
                Verdict::Unknown => found.unknown_jumps += 1,
            }
        }
        Ok(found)
    }
}

enum Verdict {
    Exit(ExitKind),
    /// Below entry depth: the compiler split the function, or the jump goes to shared code of its own.
    Stays,
    Unknown,
}

fn verdict(jump: JumpKind, depth: impl FnOnce() -> Depth) -> Verdict {
    let kind = match jump {
        JumpKind::Return => return Verdict::Exit(ExitKind::Return),
        JumpKind::Out => Some(ExitKind::TailJump),
        JumpKind::OutIf(condition) => condition.map(|condition| ExitKind::ConditionalTailJump { condition }),
        JumpKind::Indirect => Some(ExitKind::IndirectJump),
    };
    match (depth(), kind) {
        (Depth::Below, _) => Verdict::Stays,
        (Depth::Entry, Some(kind)) => Verdict::Exit(kind),
        (Depth::Entry, None) | (Depth::Unknown, _) => Verdict::Unknown,
    }
}

/// Judges the first instruction, and moves past leading `endbr64`s and nops where that is safe and pays.
fn entry_site(parts: &[Part<'_>], sweep: &Sweep) -> Result<EntrySite, Refusal> {
    let first = parts.first().map_or(LinkAddress(0), |part| part.range.start);
    let mut address = first;
    let mut site = inspect_in(parts, first, Position::FunctionStart)?;
    let mut best = EntrySite { address, site };
    for _ in 0..ENTRY_INSTRUCTIONS_SKIPPED_MAX {
        if site.class == SiteClass::Emulated || !changes_nothing(parts, address, site.length) {
            break;
        }
        address = LinkAddress(address.0 + site.length as u64);
        if sweep.is_jumped_to(address) {
            break;
        }
        // Nothing has been pushed yet, so this is as good as the function's first instruction.
        let Ok(next) = inspect_in(parts, address, Position::FunctionStart) else { break };
        site = next;
        if rank(site.class) < rank(best.site.class) {
            best = EntrySite { address, site };
        }
    }
    Ok(best)
}

/// `endbr64` and one nop of a patchable entry.
const ENTRY_INSTRUCTIONS_SKIPPED_MAX: usize = 2;

fn rank(class: SiteClass) -> u8 {
    match class {
        SiteClass::Emulated => 0,
        SiteClass::SingleStepped => 1,
        // Harms a forking target, so anything else is better.
        SiteClass::Optimised => 2,
    }
}

fn changes_nothing(parts: &[Part<'_>], address: LinkAddress, length: usize) -> bool {
    const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
    let Some(bytes) = bytes_at(parts, address).and_then(|bytes| bytes.get(..length)) else { return false };
    bytes == ENDBR64 || Opcode::parse(bytes).is_some_and(|opcode| opcode.is_nop())
}

fn inspect_in(parts: &[Part<'_>], address: LinkAddress, position: Position) -> Result<Site, Refusal> {
    site::inspect(bytes_at(parts, address).unwrap_or_default(), address, position)
}

fn bytes_at<'c>(parts: &[Part<'c>], address: LinkAddress) -> Option<&'c [u8]> {
    let part = parts.iter().find(|part| part.range.contains(address))?;
    part.code.get((address.0 - part.range.start.0) as usize..)
}

#[cfg(test)]
#[path = "exits_tests.rs"]
mod tests;
