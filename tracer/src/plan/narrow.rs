//! The place of a part of a value: what a way through memory comes to as a location of its own, so that the part alone
//! is copied and decoded. Ways that end somewhere for some values only (variants, elements) have none.

use crate::value::place::{Location, MemoryPlace, Piece, Place};
use crate::value::term::{Operator, Term};
use crate::value::walk::Step;

/// Where the way is.
enum Here<'l> {
    Pieces {
        location: &'l Location,
        offset: u64,
    },
    /// In memory at this address.
    Address(Term),
}

/// The place of the `size_bytes` at the end of the way from a value at `location`.
pub(super) fn narrowed(location: &Location, steps: &[Step], size_bytes: u64) -> Option<Location> {
    let mut here = match location.pieces.as_slice() {
        [Piece { place: Place::Memory(place), .. }] => Here::Address(address(place)),
        [Piece { place: Place::Address(term), .. }] => Here::Address((**term).clone()),
        _ => Here::Pieces { location, offset: 0 },
    };
    for step in steps {
        here = match (*step, here) {
            (Step::Offset(bytes), Here::Pieces { location, offset }) => {
                Here::Pieces { location, offset: offset.checked_add(bytes)? }
            }
            (Step::Offset(bytes), Here::Address(term)) => Here::Address(term.plus(bytes as i64)),
            (Step::Follow(bytes), here) => Here::Address(word(here)?.plus(bytes as i64)),
            (Step::Element { .. } | Step::Variant { .. }, _) => return None,
        };
    }
    match here {
        Here::Address(term) => Some(Location::whole(size_bytes, term.pointed_to())),
        Here::Pieces { location, offset } => part(location, offset, size_bytes),
    }
}

fn address(place: &MemoryPlace) -> Term {
    let mut term = match place.base {
        Some(base) => Term::Register(base),
        None => Term::Constant(0),
    };
    if let Some((index, scale)) = place.index {
        let scaled = Term::operation(Operator::Times, Term::Register(index), Term::Constant(scale.into()));
        term = Term::operation(Operator::Plus, term, scaled);
    }
    term = term.plus(place.displacement);
    match place.indirect {
        Some(further) => term.load(8).plus(further),
        None => term,
    }
}

/// The 8 bytes here.
fn word(here: Here<'_>) -> Option<Term> {
    let (location, offset) = match here {
        Here::Address(term) => return Some(term.load(8)),
        Here::Pieces { location, offset } => (location, offset),
    };
    let mut start = 0_u64;
    for piece in &location.pieces {
        if start == offset && piece.size_bytes >= 8 {
            return match &piece.place {
                Place::Register(register) => Some(Term::Register(*register)),
                Place::Memory(place) => Some(address(place).load(8)),
                Place::Address(term) => Some((**term).clone().load(8)),
                Place::Value(term) => Some((**term).clone()),
                Place::Constant(value) => Some(Term::Constant(*value)),
                Place::Missing(_) => None,
            };
        }
        start = start.checked_add(piece.size_bytes)?;
    }
    None
}

/// Bytes of a value that is in pieces: whole pieces, or a part of one register.
fn part(location: &Location, offset: u64, size_bytes: u64) -> Option<Location> {
    let end = offset.checked_add(size_bytes)?;
    let (mut start, mut pieces) = (0_u64, Vec::new());
    for piece in &location.pieces {
        let piece_end = start.checked_add(piece.size_bytes)?;
        let (from, to) = (offset.max(start), end.min(piece_end));
        if from < to {
            let place = match (&piece.place, from - start) {
                (place, 0) => place.clone(),
                (Place::Register(register), bytes) if bytes < 8 => {
                    let shift = Term::Constant(8 * bytes);
                    Term::operation(Operator::ShiftRight, Term::Register(*register), shift).itself()
                }
                (Place::Memory(place), bytes) => address(place).plus(bytes as i64).pointed_to(),
                (Place::Constant(value), bytes) if bytes < 8 => Place::Constant(value >> (8 * bytes)),
                (Place::Missing(missing), _) => Place::Missing(*missing),
                _ => return None,
            };
            pieces.push(Piece { size_bytes: to - from, place });
        }
        start = piece_end;
    }
    Some(Location { pieces })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::fixture::{Builder, Target};
    use crate::value::image::Memory;
    use crate::value::layout::StructStyle;
    use crate::value::place::Register;
    use crate::value::walk::{Part, Way, read};
    use crate::value::{Limits, decode};

    const START: u64 = 0x7f00_0000_0000;

    fn target() -> Target {
        let words = [START + 16, 7, START + 32, 0x0807_0605_0403_0201, START, 99];
        let mut target = Target::new(START, words.into_iter().flat_map(u64::to_le_bytes).collect());
        target.registers[5] = START;
        target.registers[4] = 0x1817_1615_1413_1211;
        target
    }

    #[test]
    fn a_part_is_where_the_way_leads() {
        let mut builder = Builder::default();
        let half = builder.unsigned(2);
        let pair = builder.structure("a::Pair", StructStyle::Tuple, &[("__0", half), ("__1", half)]);
        let register = |number| Place::Register(Register(number));
        let whole = |place| Location::whole(8, place);
        let in_memory = MemoryPlace { indirect: Some(8), ..MemoryPlace::at(Register(5), 0) };
        let two = Location { pieces: [5, 4].map(|number| Piece { size_bytes: 8, place: register(number) }).into() };
        for (location, steps) in [
            (whole(register(5)), vec![Step::Follow(24)]),
            (whole(register(5)), vec![Step::Follow(0), Step::Follow(2), Step::Offset(6)]),
            (whole(Place::Memory(in_memory)), vec![Step::Offset(2)]),
            (whole(Place::Memory(MemoryPlace::at(Register(5), 16))), vec![Step::Follow(8), Step::Offset(0)]),
            (two.clone(), vec![Step::Offset(8)]),
            (two.clone(), vec![Step::Offset(12)]),
            (two, vec![Step::Follow(26)]),
            (whole(Place::Constant(0x1122_3344_5566_7788)), vec![Step::Offset(2)]),
        ] {
            let target = target();
            let way = Way { steps: steps.clone(), part: Part::Value { ty: pair, bits: None } };
            let limits = Limits::default();
            let expected = read(&builder.types, &way, &location, &target as &dyn Memory, &limits).unwrap();
            let narrow = narrowed(&location, &steps, 4).unwrap();
            assert_eq!(decode(&builder.types, pair, &narrow, &target, &limits), expected, "{steps:?}");
        }
    }

    #[test]
    fn a_way_that_may_end_has_no_place() {
        let way = [Step::Variant { ty: crate::value::layout::TypeId(0), variant: 0 }];
        assert_eq!(narrowed(&Location::whole(8, Place::Constant(0)), &way, 8), None);
    }
}
