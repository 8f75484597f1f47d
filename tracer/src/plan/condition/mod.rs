//! Conditions of probes, compiled to what the kernel decides: `check` finds names and types, `compare` says which bits
//! are accepted, `terms` and `code` turn that into filters (see `tracer_ebpf::abi::filter`).
//!
//! What the entry can decide is decided there. A condition on the result or the duration holds the entry back: the exit
//! decides, and where a part of it is about arguments, the entry's answer to that part is kept in the frame.

pub(crate) mod check;
mod code;
pub(crate) mod compare;
pub(crate) mod judge;
pub(crate) mod logic;
pub(crate) mod ranges;
mod relation;
mod stored;
mod terms;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use tracer_ebpf::abi::filter::{Match, PARTS_MAX, TEXT_BYTES_MAX, Term, Text, VALUE_THREAD_ID};
use tracer_ebpf::abi::plan::Op;

use super::description::Parameter;
use super::expression::Span;
use super::expression::error::{ExpressionError, Mistake};
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

/// A part of a condition that must hold, and how the user wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Conjunct {
    pub(crate) span: Span,
    pub(crate) text: String,
    pub(crate) logic: Logic,
}

/// A condition, parted into what the kernel decides and what is left to user space.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parted {
    pub(crate) compiled: Compiled,
    /// What the kernel decides, as the user wrote it.
    pub(crate) in_kernel: Vec<String>,
    /// What it does not decide, and why.
    pub(crate) after: Vec<(Conjunct, &'static str)>,
}

impl Parted {
    /// What user space decides, of the calls that the kernel lets through.
    pub(crate) fn rest(&self) -> Logic {
        Logic::all(self.after.iter().map(|(conjunct, _)| conjunct.logic.clone()))
    }
}

/// Compiles a condition as far as the kernel can decide it; texts that it compares with are added to `texts`. Of a
/// part that it cannot decide, it is given a weaker one, which holds whenever that part does.
///
/// # Errors
/// Something that it asks for cannot be read at all.
pub(crate) fn compile(
    conjuncts: Vec<Conjunct>,
    places: &Places<'_>,
    texts: &mut Vec<Text>,
) -> Result<Parted, ExpressionError> {
    let whole = conjuncts.iter().map(|conjunct| conjunct.span).reduce(Span::to).unwrap_or_default();
    let (mut kernel, mut after) = (Vec::new(), Vec::new());
    for conjunct in conjuncts {
        match in_kernel(vec![conjunct.logic.clone()], &[], places, &mut Vec::new()) {
            Ok(_) => kernel.push(conjunct),
            Err(Mistake::NotInKernel(reason)) => after.push((conjunct, reason)),
            Err(mistake) => return Err(ExpressionError::new(conjunct.span, mistake)),
        }
    }
    let mut has_weaker = true;
    loop {
        let mut taken = texts.clone();
        let decided = kernel.iter().map(|conjunct| conjunct.logic.clone());
        let weaker = after.iter().filter(|_| has_weaker).map(|(conjunct, _)| weaker(&conjunct.logic, places));
        let late: Vec<Logic> = after.iter().map(|(conjunct, _)| conjunct.logic.clone()).collect();
        match in_kernel(decided.chain(weaker).collect(), &late, places, &mut taken) {
            Ok(compiled) => {
                *texts = taken;
                let in_kernel = kernel.into_iter().map(|conjunct| conjunct.text).collect();
                return Ok(Parted { compiled, in_kernel, after });
            }
            // Each for itself, but not all together.
            Err(Mistake::NotInKernel(reason)) => match kernel.pop() {
                Some(conjunct) => after.insert(0, (conjunct, reason)),
                None if has_weaker => has_weaker = false,
                None => return Err(ExpressionError::new(whole, Mistake::NotInKernel(reason))),
            },
            Err(mistake) => return Err(ExpressionError::new(whole, mistake)),
        }
    }
}

/// What holds whenever `logic` does, and what the kernel can decide.
fn weaker(logic: &Logic, places: &Places<'_>) -> Logic {
    logic.clone().map(&mut |leaf| {
        let leaf = match leaf {
            Logic::Leaf(Leaf { root, steps, test: Test::Text { text, how, mut wanted, negated: false } }) => {
                let how = if how == Match::Equals && wanted.len() > TEXT_BYTES_MAX { Match::StartsWith } else { how };
                match how {
                    Match::EndsWith => drop(wanted.drain(..wanted.len().saturating_sub(TEXT_BYTES_MAX))),
                    _ => wanted.truncate(TEXT_BYTES_MAX),
                }
                Logic::Leaf(Leaf { root, steps, test: Test::Text { text, how, wanted, negated: false } })
            }
            leaf => leaf,
        };
        match code::compile(&leaf, places, &mut Vec::new()) {
            Ok(_) => leaf,
            Err(_) => Logic::Constant(true),
        }
    })
}

/// What the kernel is to decide; `late` is what user space decides of the calls that are left.
fn in_kernel(
    conjuncts: Vec<Logic>,
    late: &[Logic],
    places: &Places<'_>,
    texts: &mut Vec<Text>,
) -> Result<Compiled, Mistake> {
    let conjuncts = Logic::all(conjuncts).conjuncts();
    let (at_end, at_entry): (Vec<Logic>, Vec<Logic>) = conjuncts.into_iter().partition(Logic::needs_end);
    let entry = decision(at_entry, places, texts)?;
    let late = late.iter().filter(|logic| logic.needs_end());
    let ends: Vec<Logic> = at_end.iter().chain(late).cloned().collect();
    if ends.is_empty() {
        return Ok(Compiled { entry, end: None });
    }
    let mut parts = Vec::new();
    let at_end: Vec<Logic> = at_end.into_iter().map(|logic| without_entry(logic, &mut parts)).collect();
    if parts.len() > PARTS_MAX {
        return Err(Mistake::NotInKernel("it mixes too many conditions on arguments with those on the end"));
    }
    let parts = parts.iter().map(|part| code::compile(part, places, texts)).collect::<Result<_, _>>()?;
    let is_never = ends.into_iter().any(|logic| logic.map(&mut without_result) == Logic::Constant(false));
    let unseen = match is_never {
        true => Logic::Constant(false),
        false => Logic::all(at_end.iter().cloned().map(|logic| logic.map(&mut without_result))),
    };
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
        Logic::Leaf(leaf) if leaf.needs_result() => Logic::Constant(false),
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
