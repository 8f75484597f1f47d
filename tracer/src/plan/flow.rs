//! How control moves within one function: which instructions lead to which, and what is passed on every way.
//! Pure: code bytes in, answers out. Calls are taken to return.

use std::collections::{HashMap, HashSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};

use super::exits::Part;
use crate::target::address::{LinkAddress, LinkRange};

/// The instructions of a function and where each goes on.
pub struct Flow {
    entry: LinkAddress,
    /// By address.
    steps: HashMap<LinkAddress, Step>,
    /// Where nothing direct leads to: landing pads, and what tables of jumps lead to.
    orphans: Vec<LinkAddress>,
    has_tables: bool,
}

#[derive(Clone, Copy)]
struct Step {
    /// The instruction behind it, if control goes on there.
    next: Option<LinkAddress>,
    target: Option<LinkAddress>,
    /// A jump that can lead to any orphan.
    is_table_jump: bool,
    /// It only fills space.
    is_nop: bool,
}

impl Flow {
    /// Decodes all parts, the one with the entry first; `None` if the code is not understood to its end.
    pub fn of(parts: &[Part<'_>]) -> Option<Self> {
        let mut flow =
            Flow { entry: parts.first()?.range.start, steps: HashMap::new(), orphans: Vec::new(), has_tables: false };
        // Instructions behind one that never goes on there.
        let mut cut_off = Vec::new();
        for part in parts {
            flow.part(part, parts, &mut cut_off)?;
        }
        let targets: HashSet<LinkAddress> = flow.steps.values().filter_map(|step| step.target).collect();
        if targets.iter().any(|target| !flow.steps.contains_key(target)) {
            return None;
        }
        let is_orphan = |at: &LinkAddress| flow.steps.contains_key(at) && !targets.contains(at) && *at != flow.entry;
        flow.orphans = cut_off.into_iter().filter(is_orphan).collect();
        flow.has_tables = flow.steps.values().any(|step| step.is_table_jump);
        Some(flow)
    }

    fn part(&mut self, part: &Part<'_>, parts: &[Part<'_>], cut_off: &mut Vec<LinkAddress>) -> Option<()> {
        let mut decoder = Decoder::with_ip(64, part.code, part.range.start.0, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        cut_off.push(part.range.start);
        while decoder.can_decode() {
            let position = decoder.position();
            decoder.decode_out(&mut instruction);
            if instruction.is_invalid() {
                let is_padding = part.code.get(position..)?.iter().all(|byte| matches!(byte, 0 | 0xcc));
                return is_padding.then_some(());
            }
            let behind = LinkAddress(instruction.next_ip());
            let ends_there = part.range.contains(behind).then_some(behind);
            let inside = |target: u64| {
                Some(LinkAddress(target)).filter(|target| parts.iter().any(|part| part.range.contains(*target)))
            };
            let is_nop = matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Fnop | Mnemonic::Endbr64);
            let goes_on = Step { next: ends_there, target: None, is_table_jump: false, is_nop };
            let step = match instruction.flow_control() {
                FlowControl::ConditionalBranch => Step { target: inside(instruction.near_branch_target()), ..goes_on },
                FlowControl::UnconditionalBranch => {
                    Step { next: None, target: inside(instruction.near_branch_target()), ..goes_on }
                }
                FlowControl::IndirectBranch => Step { next: None, is_table_jump: true, ..goes_on },
                FlowControl::Return | FlowControl::Exception | FlowControl::Interrupt => Step { next: None, ..goes_on },
                _ => goes_on,
            };
            if step.next.is_none() {
                cut_off.push(behind);
            }
            self.steps.insert(LinkAddress(instruction.ip()), step);
        }
        Some(())
    }

    /// The first instruction from the range's start on that does more than fill space.
    pub fn first_of(&self, range: LinkRange) -> Option<LinkAddress> {
        let mut at = range.start;
        while range.contains(at) {
            match self.steps.get(&at)? {
                Step { is_nop: true, next: Some(next), .. } => at = *next,
                _ => return Some(at),
            }
        }
        None
    }

    /// Whether control can come from the function's entry, or with `pads` from a landing pad, to an instruction that
    /// `wanted` holds without passing one of `walls`.
    pub fn can_reach(&self, pads: bool, walls: &[LinkAddress], wanted: impl Fn(LinkAddress) -> bool) -> bool {
        let mut starts = vec![self.entry];
        if pads && !self.has_tables {
            starts.extend(&self.orphans);
        }
        self.search(starts, |at| !walls.contains(&at), wanted)
    }

    /// Whether control can come back to an instruction without leaving `ranges`: it is the head of a loop in them.
    pub fn loops_within(&self, head: LinkAddress, ranges: &[LinkRange]) -> bool {
        let starts = self.steps.get(&head).map(|step| self.successors(step)).unwrap_or_default();
        self.search(starts, |at| ranges.iter().any(|range| range.contains(at)), |at| at == head)
    }

    /// Whether control can leave `ranges` and enter them again elsewhere, over and over, without passing `head`: what
    /// stands at `head` was moved out of a loop that goes through `ranges`.
    pub fn reenters(&self, head: LinkAddress, ranges: &[LinkRange]) -> bool {
        let is_inside = |at: &LinkAddress| ranges.iter().any(|range| range.contains(*at));
        let enters = |(from, step): (&LinkAddress, &Step)| {
            let ways = self.successors(step).into_iter();
            let from = *from;
            ways.filter(move |to| *to != head && is_inside(to) && !is_inside(&from)).map(move |to| (from, to))
        };
        let entries: Vec<_> = self.steps.iter().flat_map(enters).collect();
        entries.into_iter().any(|(from, to)| self.search(vec![to], |at| at != head, |at| at == from))
    }

    fn search(
        &self,
        starts: Vec<LinkAddress>,
        is_open: impl Fn(LinkAddress) -> bool,
        wanted: impl Fn(LinkAddress) -> bool,
    ) -> bool {
        let mut seen: HashSet<LinkAddress> = HashSet::new();
        let mut waiting = starts;
        while let Some(at) = waiting.pop() {
            if !is_open(at) || !seen.insert(at) {
                continue;
            }
            let Some(step) = self.steps.get(&at) else { continue };
            if !step.is_nop && wanted(at) {
                return true;
            }
            waiting.extend(self.successors(step));
        }
        false
    }

    fn successors(&self, step: &Step) -> Vec<LinkAddress> {
        let direct = step.next.into_iter().chain(step.target);
        let tables = if step.is_table_jump { self.orphans.as_slice() } else { &[] };
        direct.chain(tables.iter().copied()).collect()
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
