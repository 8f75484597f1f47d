//! How control moves within one function: which instructions lead to which, and what is passed on every way.
//! Pure: code bytes in, answers out. Calls are taken to return.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};

use super::exits::Part;
use crate::target::address::{LinkAddress, LinkRange};

/// The instructions of a function and where each goes on.
pub struct Flow {
    /// By address.
    steps: Vec<Step>,
    entry: usize,
    /// Where nothing direct leads to: landing pads, and what tables of jumps lead to.
    orphans: Vec<usize>,
    has_tables: bool,
}

struct Step {
    address: LinkAddress,
    /// The instruction behind it, if control goes on there, and the target of its jump: indices of steps.
    ways: [Option<usize>; 2],
    /// A jump that can lead to any orphan.
    is_table_jump: bool,
    /// It only fills space.
    is_nop: bool,
}

/// A step before its ways are known by their indices.
struct Decoded {
    address: LinkAddress,
    next: Option<LinkAddress>,
    target: Option<LinkAddress>,
    is_table_jump: bool,
    is_nop: bool,
}

impl Flow {
    /// Decodes all parts, the one with the entry first; `None` if the code is not understood to its end.
    pub fn of(parts: &[Part<'_>]) -> Option<Self> {
        let entry = parts.first()?.range.start;
        let mut decoded = Vec::new();
        // Instructions behind one that never goes on there.
        let mut cut_off = Vec::new();
        for part in parts {
            decode(part, parts, &mut decoded, &mut cut_off)?;
        }
        decoded.sort_by_key(|step| step.address);
        let index = |address: LinkAddress| decoded.binary_search_by_key(&address, |step| step.address).ok();
        let mut is_target = vec![false; decoded.len()];
        let mut steps = Vec::with_capacity(decoded.len());
        for step in &decoded {
            let target = match step.target {
                Some(target) => Some(index(target)?),
                None => None,
            };
            if let Some(is_target) = target.and_then(|target| is_target.get_mut(target)) {
                *is_target = true;
            }
            let ways = [step.next.and_then(index), target];
            steps.push(Step { address: step.address, ways, is_table_jump: step.is_table_jump, is_nop: step.is_nop });
        }
        let entry = index(entry)?;
        let is_orphan = |at: &usize| *at != entry && is_target.get(*at) == Some(&false);
        let orphans = cut_off.into_iter().filter_map(index).filter(is_orphan).collect();
        let has_tables = steps.iter().any(|step| step.is_table_jump);
        Some(Flow { steps, entry, orphans, has_tables })
    }

    fn index(&self, address: LinkAddress) -> Option<usize> {
        self.steps.binary_search_by_key(&address, |step| step.address).ok()
    }

    /// The first instruction from the range's start on that does more than fill space.
    pub fn first_of(&self, range: LinkRange) -> Option<LinkAddress> {
        let first = self.index(range.start)?;
        let inside = self.steps.get(first..)?.iter().take_while(|step| range.contains(step.address));
        inside.skip_while(|step| step.is_nop && step.ways[0].is_some()).map(|step| step.address).next()
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
        let starts = self.index(head).map(|index| self.successors(index).collect()).unwrap_or_default();
        self.search(starts, |at| ranges.iter().any(|range| range.contains(at)), |at| at == head)
    }

    /// Whether control can leave `ranges` and enter them again elsewhere, over and over, without passing `head`: what
    /// stands at `head` was moved out of a loop that goes through `ranges`.
    pub fn reenters(&self, head: LinkAddress, ranges: &[LinkRange]) -> bool {
        let is_inside = |at: LinkAddress| ranges.iter().any(|range| range.contains(at));
        let address = |index: usize| self.steps.get(index).map_or(LinkAddress(0), |step| step.address);
        let outside = (0..self.steps.len()).filter(|from| !is_inside(address(*from)));
        let entries: Vec<(usize, usize)> = outside
            .flat_map(|from| self.successors(from).map(move |to| (from, to)))
            .filter(|(_, to)| is_inside(address(*to)) && address(*to) != head)
            .collect();
        let comes_back = |(from, to): (usize, usize)| {
            let from = address(from);
            self.search(vec![to], |at| at != head, |at| at == from)
        };
        entries.into_iter().any(comes_back)
    }

    fn search(
        &self,
        starts: Vec<usize>,
        is_open: impl Fn(LinkAddress) -> bool,
        wanted: impl Fn(LinkAddress) -> bool,
    ) -> bool {
        let mut seen = vec![false; self.steps.len()];
        let mut waiting = starts;
        while let Some(at) = waiting.pop() {
            let (Some(step), Some(seen)) = (self.steps.get(at), seen.get_mut(at)) else { continue };
            if *seen || !is_open(step.address) {
                continue;
            }
            *seen = true;
            if !step.is_nop && wanted(step.address) {
                return true;
            }
            waiting.extend(self.successors(at));
        }
        false
    }

    fn successors(&self, index: usize) -> impl Iterator<Item = usize> {
        let step = self.steps.get(index);
        let direct = step.map(|step| step.ways).into_iter().flatten().flatten();
        let is_table_jump = step.is_some_and(|step| step.is_table_jump);
        let tables = if is_table_jump { self.orphans.as_slice() } else { &[] };
        direct.chain(tables.iter().copied())
    }
}

fn decode(
    part: &Part<'_>,
    parts: &[Part<'_>],
    decoded: &mut Vec<Decoded>,
    cut_off: &mut Vec<LinkAddress>,
) -> Option<()> {
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
        let inside = |target: u64| {
            Some(LinkAddress(target)).filter(|target| parts.iter().any(|part| part.range.contains(*target)))
        };
        let goes_on = Decoded {
            address: LinkAddress(instruction.ip()),
            next: part.range.contains(behind).then_some(behind),
            target: None,
            is_table_jump: false,
            is_nop: matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Fnop | Mnemonic::Endbr64),
        };
        let target = || inside(instruction.near_branch_target());
        let step = match instruction.flow_control() {
            FlowControl::ConditionalBranch => Decoded { target: target(), ..goes_on },
            FlowControl::UnconditionalBranch => Decoded { next: None, target: target(), ..goes_on },
            FlowControl::IndirectBranch => Decoded { next: None, is_table_jump: true, ..goes_on },
            FlowControl::Return | FlowControl::Exception | FlowControl::Interrupt => Decoded { next: None, ..goes_on },
            _ => goes_on,
        };
        if step.next.is_none() {
            cut_off.push(behind);
        }
        decoded.push(step);
    }
    Some(())
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
