//! Conditions of probes, compiled to what the kernel decides: `check` finds names and types, `compare` says which bits
//! are accepted, `terms` and `code` turn that into filters (see `tracer_ebpf::abi::filter`).
//!
//! What the entry can decide is decided there. A condition on the result or the duration holds the entry back: the exit
//! decides, and where a part of it is about arguments, the entry's answer to that part is kept in the frame.

pub(crate) mod check;
mod code;
pub(crate) mod compare;
pub(crate) mod logic;
pub(crate) mod ranges;
mod terms;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use tracer_ebpf::abi::filter::{PARTS_MAX, Term, Text, VALUE_THREAD_ID};
use tracer_ebpf::abi::plan::Op;

use super::description::Parameter;
use super::expression::error::Mistake;
use crate::value::layout::Types;
use crate::value::place::{Location, Place};
use logic::{Leaf, Logic, Root, Test};
use ranges::Ranges;

/// Where the values of one function are.
#[derive(Clone, Copy)]
pub(crate) struct Places<'p> {
    pub(crate) types: &'p Types,
    pub(crate) arguments: &'p [Parameter],
    pub(crate) result: Option<&'p Parameter>,
}

impl<'p> Places<'p> {
    fn location(&self, root: Root) -> Option<&'p Location> {
        match root {
            Root::Argument(number) => self.arguments.get(number).map(|argument| &argument.location),
            Root::Result => self.result.map(|result| &result.location),
            _ => None,
        }
    }

    /// The piece that holds all `size_bytes` at `offset` of a value, and where in the piece they are.
    fn piece(&self, location: &'p Location, offset: u64, size_bytes: u64) -> Option<(&'p Place, u64)> {
        piece(location, offset, size_bytes)
    }
}

fn piece(location: &Location, offset: u64, size_bytes: u64) -> Option<(&Place, u64)> {
    if let [only] = location.pieces.as_slice()
        && matches!(only.place, Place::Memory(_))
    {
        return Some((&only.place, offset));
    }
    let mut start = 0_u64;
    for piece in &location.pieces {
        let end = start.saturating_add(piece.size_bytes);
        if offset >= start && offset.checked_add(size_bytes)? <= end {
            return Some((&piece.place, offset - start));
        }
        start = end;
    }
    None
}

/// What one hit is asked: terms first, then operations.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Decision {
    pub(crate) terms: Vec<Term>,
    /// Empty if the terms decide.
    pub(crate) ops: Vec<Op>,
}

/// A condition as the kernel decides it.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Compiled {
    pub(crate) entry: Decision,
    /// What only the end decides.
    pub(crate) end: Option<End>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    /// Operations of the parts that the entry decides for the end.
    pub(crate) parts: Vec<Vec<Op>>,
    /// At a `ret`.
    pub(crate) returned: Decision,
    /// Where nothing is returned: a tail jump, a panic.
    pub(crate) unseen: Unseen,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unseen {
    Counts,
    Never,
    If(Vec<Term>),
}

/// A term that never holds: thread ids have 32 bits.
pub(crate) const NEVER: Term = Term {
    value: VALUE_THREAD_ID,
    shift: 0,
    size_bytes: 0,
    flags: 0,
    displacement: 0,
    mask: u64::MAX,
    low: u64::MAX,
    span: 0,
};

/// Compiles a condition; texts that it compares with are added to `texts`.
///
/// # Errors
/// The kernel cannot decide it.
pub(crate) fn compile(logic: Logic, places: &Places<'_>, texts: &mut Vec<Text>) -> Result<Compiled, Mistake> {
    let (at_end, at_entry): (Vec<Logic>, Vec<Logic>) = logic.conjuncts().into_iter().partition(Logic::needs_end);
    let entry = decision(at_entry, places, texts)?;
    if at_end.is_empty() {
        return Ok(Compiled { entry, end: None });
    }
    let mut parts = Vec::new();
    let at_end: Vec<Logic> = at_end.into_iter().map(|logic| without_entry(logic, &mut parts)).collect();
    if parts.len() > PARTS_MAX {
        return Err(Mistake::NotInKernel("it mixes too many conditions on arguments with those on the end"));
    }
    let parts = parts.iter().map(|part| code::compile(part, places, texts)).collect::<Result<_, _>>()?;
    let unseen = Logic::all(at_end.iter().cloned().map(|logic| logic.map(&mut without_result)));
    let returned = decision(at_end, places, texts)?;
    Ok(Compiled { entry, end: Some(End { parts, returned, unseen: self::unseen(unseen, places)? }) })
}

fn decision(mut conjuncts: Vec<Logic>, places: &Places<'_>, texts: &mut Vec<Text>) -> Result<Decision, Mistake> {
    let terms = terms::take(&mut conjuncts, places);
    let ops = match conjuncts.is_empty() {
        true => Vec::new(),
        false => code::compile(&Logic::all(conjuncts), places, texts)?,
    };
    Ok(Decision { terms, ops })
}

/// Replaces what the entry can decide by its answers, which are numbered in `parts`.
fn without_entry(logic: Logic, parts: &mut Vec<Logic>) -> Logic {
    if !logic.needs_end() {
        let answer = Test::Bits { size_bytes: 8, first_bit: 0, accepted: Ranges::one(1, 1) };
        let number = parts.iter().position(|known| *known == logic).unwrap_or_else(|| {
            parts.push(logic);
            parts.len() - 1
        });
        return Logic::Leaf(Leaf { root: Root::Part(number), steps: Vec::new(), test: answer });
    }
    let split = |inner: Vec<Logic>, join: fn(Vec<Logic>) -> Logic, parts: &mut Vec<Logic>| {
        let (later, now): (Vec<Logic>, Vec<Logic>) = inner.into_iter().partition(Logic::needs_end);
        let mut rest: Vec<Logic> = later.into_iter().map(|logic| without_entry(logic, parts)).collect();
        if !now.is_empty() {
            rest.push(without_entry(join(now), parts));
        }
        join(rest)
    };
    match logic {
        Logic::All(inner) => split(inner, Logic::all, parts),
        Logic::Any(inner) => split(inner, Logic::any, parts),
        leaf => leaf,
    }
}

/// A call that does not return has no result for which anything could hold.
fn without_result(leaf: Logic) -> Logic {
    match &leaf {
        Logic::Leaf(Leaf { root: Root::Result, .. }) => Logic::Constant(false),
        _ => leaf,
    }
}

fn unseen(logic: Logic, places: &Places<'_>) -> Result<Unseen, Mistake> {
    let mut conjuncts = match logic {
        Logic::Constant(true) => return Ok(Unseen::Counts),
        Logic::Constant(false) => return Ok(Unseen::Never),
        logic => logic.conjuncts(),
    };
    let terms = terms::take(&mut conjuncts, places);
    match conjuncts.is_empty() {
        true => Ok(Unseen::If(terms)),
        false => Err(Mistake::NotInKernel("write it as alternatives that are joined by `&&`")),
    }
}
