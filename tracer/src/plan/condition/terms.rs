//! Logic → the terms of a filter, as far as registers and single words of memory decide it.

use tracer_ebpf::abi::filter::{
    TERM_OR, TERMS_MAX, Term, VALUE_DURATION, VALUE_PARTS, VALUE_RESULT_POINTER, VALUE_THREAD_ID,
};

use super::Places;
use super::logic::{Leaf, Logic, Root, Test};
use super::ranges::mask;
use crate::value::place::{Place, Register};
use crate::value::walk::Step;

/// Takes out of `conjuncts` what terms can decide, the cheapest first.
pub(super) fn take(conjuncts: &mut Vec<Logic>, places: &Places<'_>) -> Vec<Term> {
    let mut taken: Vec<Term> = Vec::new();
    for reads_memory in [false, true] {
        conjuncts.retain(|logic| {
            let Some(clause) = clause(logic, places) else { return true };
            let is_later = clause.iter().any(|term| term.size_bytes > 0) != reads_memory;
            if is_later || taken.len() + clause.len() > TERMS_MAX {
                return true;
            }
            taken.extend(clause);
            false
        });
    }
    taken
}

/// Alternatives of which one must hold.
fn clause(logic: &Logic, places: &Places<'_>) -> Option<Vec<Term>> {
    let leaves: Vec<&Leaf> = match logic {
        Logic::Leaf(leaf) => vec![leaf],
        Logic::Any(parts) => {
            let leaf = |part: &'_ Logic| matches!(part, Logic::Leaf(_));
            if !parts.iter().all(leaf) {
                return None;
            }
            parts.iter().flat_map(Logic::leaves).collect()
        }
        _ => return None,
    };
    let mut terms: Vec<Term> = Vec::new();
    for leaf in leaves {
        terms.extend(of_leaf(leaf, places)?);
    }
    if let Some((_, all_but_last)) = terms.split_last_mut() {
        all_but_last.iter_mut().for_each(|term| term.flags |= TERM_OR);
    }
    (!terms.is_empty() && terms.len() <= TERMS_MAX).then_some(terms)
}

fn of_leaf(leaf: &Leaf, places: &Places<'_>) -> Option<Vec<Term>> {
    let Test::Bits { size_bytes, first_bit, accepted } = &leaf.test else { return None };
    let look = Term { mask: mask(accepted.bit_count), ..look(leaf, *size_bytes, *first_bit, places)? };
    Some(accepted.arcs().into_iter().map(|(low, span)| Term { low, span, ..look }).collect())
}

/// What the term looks at.
fn look(leaf: &Leaf, size_bytes: u64, first_bit: u32, places: &Places<'_>) -> Option<Term> {
    let of = |value, shift: u64| {
        let shift = u8::try_from(shift).ok().filter(|shift| *shift < 64)?;
        Some(Term { value, shift, ..Term::default() })
    };
    match leaf.root {
        Root::ThreadId => return of(VALUE_THREAD_ID, 0),
        Root::Duration => return of(VALUE_DURATION, 0),
        Root::Part(number) => return of(VALUE_PARTS, number as u64),
        Root::ThreadName => return None,
        Root::Argument(_) | Root::Result => {}
    }
    let location = places.location(leaf.root)?;
    let (offset, follow) = match leaf.steps.as_slice() {
        [] => (0, None),
        [Step::Offset(bytes)] => (*bytes, None),
        [Step::Follow(further)] => (0, Some(*further)),
        [Step::Follow(further), Step::Offset(bytes)] => (0, Some(further.checked_add(*bytes)?)),
        [Step::Offset(bytes), Step::Follow(further)] => (*bytes, Some(*further)),
        [Step::Offset(first), Step::Follow(further), Step::Offset(bytes)] => {
            (*first, Some(further.checked_add(*bytes)?))
        }
        [Step::Offset(first), Step::Offset(bytes)] => (first.checked_add(*bytes)?, None),
        _ => return None,
    };
    let read_bytes = if follow.is_some() { 8 } else { size_bytes };
    let (piece, offset) = places.piece(location, offset, read_bytes)?;
    let in_memory = |base: Register, displacement: i128| {
        let value = value_of(base)?;
        let displacement = i32::try_from(displacement).ok()?;
        let size_bytes = u8::try_from(size_bytes).ok().filter(|size| matches!(size, 1 | 2 | 4 | 8))?;
        Some(Term { value, shift: first_bit as u8, size_bytes, displacement, ..Term::default() })
    };
    match (piece, follow) {
        (Place::Register(register), None) => of(value_of(*register)?, 8 * offset + u64::from(first_bit)),
        (Place::Register(register), Some(further)) if offset == 0 => in_memory(*register, i128::from(further as i64)),
        (Place::Memory(place), None) if place.index.is_none() && place.indirect.is_none() => {
            in_memory(place.base?, i128::from(place.displacement) + i128::from(offset))
        }
        _ => None,
    }
}

fn value_of(register: Register) -> Option<u8> {
    match register {
        Register(number @ 0..=16) => Some(number),
        Register::RESULT_POINTER => Some(VALUE_RESULT_POINTER),
        _ => None,
    }
}
