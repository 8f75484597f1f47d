//! Made-up types, places and memory for the tests of capture plans, the same for the same seed.

use crate::value::fixture::{Builder, Target};
use crate::value::layout::{StructStyle, TypeId};
use crate::value::place::{Location, MemoryPlace, Missing, Piece, Place, Register};
use crate::value::term::{Operator, Term};

pub(super) const START: u64 = 0x7f00_0000_0000;

/// A stream of choices, the same for the same seed (splitmix64).
pub(super) struct Choices(pub(super) u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

pub(super) fn any_type(builder: &mut Builder, choices: &mut Choices, depth: u32) -> TypeId {
    let last = if depth == 0 { 7 } else { 28 };
    let inner = |builder: &mut Builder, choices: &mut Choices| any_type(builder, choices, depth.saturating_sub(1));
    match choices.below(last) {
        0 | 1 => {
            let size = 1 << choices.below(4);
            builder.unsigned(size)
        }
        2 => builder.signed(4),
        3 => builder.str(),
        4 => builder.string(),
        5 => builder.c_string(),
        6 => builder.float(8),
        7 | 8 => {
            let target = inner(builder, choices);
            builder.reference(target)
        }
        9 => {
            let element = inner(builder, choices);
            builder.slice(element)
        }
        10 => {
            let element = inner(builder, choices);
            builder.vec(element)
        }
        11 => {
            let element = inner(builder, choices);
            builder.array(element, choices.below(4))
        }
        12 | 13 => {
            let fields = [inner(builder, choices), inner(builder, choices)];
            builder.structure("a::B", StructStyle::Named, &[("x", fields[0]), ("y", fields[1])])
        }
        14 => {
            let target = inner(builder, choices);
            let reference = builder.reference(target);
            builder.option_by_niche(reference)
        }
        15 => {
            let content = inner(builder, choices);
            builder.option_by_tag(content)
        }
        16 => {
            let element = inner(builder, choices);
            builder.deque(element)
        }
        17 => {
            let element = inner(builder, choices);
            builder.linked_list(element)
        }
        18 => {
            let (key, value) = (inner(builder, choices), inner(builder, choices));
            builder.hash_map(key, value)
        }
        19 => {
            let (key, value) = (inner(builder, choices), inner(builder, choices));
            builder.btree_map(key, value)
        }
        20 => {
            let target = inner(builder, choices);
            builder.c_pointer(target)
        }
        21 => {
            let element = inner(builder, choices);
            builder.std_vector(element)
        }
        22 => builder.std_bits(),
        23 => {
            let element = inner(builder, choices);
            builder.std_deque(element)
        }
        24 => {
            let element = inner(builder, choices);
            builder.std_forward_list(element)
        }
        25 => {
            let element = inner(builder, choices);
            builder.std_set(element)
        }
        26 => {
            let content = inner(builder, choices);
            builder.std_optional(content)
        }
        _ => {
            let content = inner(builder, choices);
            three_variants(builder, content)
        }
    }
}

/// Variants chosen by several values, by a range, and by default, of a two-byte tag in the middle of a word.
fn three_variants(builder: &mut Builder, content: TypeId) -> TypeId {
    let text = builder.str();
    let size = (8 + builder.size(content)).max(24);
    let variants = vec![
        builder.variant("Several", &[(1, 1), (3, 3), (0x10, 0x4000)], &[(8, text)]),
        builder.variant("Range", &[(2, 0x20), (0x8000, 0xf000)], &[(8, content)]),
        builder.variant("Default", &[], &[(8, text)]),
    ];
    builder.enumeration("a::Three", size, (2, 2), variants)
}

/// Words that are mostly small numbers and pointers to each other, so that values make sense now and then.
pub(super) fn any_target(choices: &mut Choices) -> Target {
    let words = 1024;
    let word = |choices: &mut Choices| match choices.below(32) {
        0..=3 => choices.below(4),
        4 => choices.below(400),
        5 => choices.next(),
        6..=9 => u64::from_le_bytes(*b"text\0abc"),
        10 => START + 8 * words + choices.below(64) - 32,
        _ => START + choices.below(8 * words - 300),
    };
    let bytes = (0..words).flat_map(|_| word(choices).to_le_bytes()).collect();
    let mut target = Target::new(START, bytes);
    for register in &mut target.registers {
        *register = word(choices);
    }
    target
}

pub(super) fn any_location(size_bytes: u64, choices: &mut Choices) -> Location {
    let mut register = || Register(choices.below(16) as u8);
    let (base, index) = (register(), register());
    let in_memory = |place| Location::whole(size_bytes, Place::Memory(place));
    match choices.below(18) {
        16 => {
            let behind = Term::Register(base).plus(8).load(8).plus(16).load(8).plus(-8);
            Location::whole(size_bytes, behind.pointed_to())
        }
        17 => {
            let scaled = Term::operation(Operator::ShiftLeft, Term::Register(index), Term::Constant(2));
            let address = Term::operation(Operator::Plus, Term::Register(base).load(8), scaled).plus(24);
            Location::whole(size_bytes, address.pointed_to())
        }
        0..=5 => in_memory(MemoryPlace::at(base, 8)),
        6 | 7 => in_memory(MemoryPlace { base: Some(base), index: Some((index, 8)), displacement: -8, indirect: None }),
        8 | 9 => in_memory(MemoryPlace { indirect: Some(16), ..MemoryPlace::at(base, 0) }),
        10 | 11 => in_memory(MemoryPlace { base: None, index: None, displacement: START as i64 + 256, indirect: None }),
        _ => Location { pieces: (0..size_bytes).step_by(8).map(|at| any_piece(size_bytes - at, choices)).collect() },
    }
}

fn any_piece(rest_bytes: u64, choices: &mut Choices) -> Piece {
    let mut register = || Term::Register(Register(choices.below(16) as u8));
    let worked_out = [
        register().plus(8).itself(),
        register().load(8).plus(16).itself(),
        Term::operation(Operator::Xor, register(), register().load(4)).itself(),
    ];
    let place = match choices.below(13) {
        worked @ 10..13 => worked_out[worked as usize - 10].clone(),
        0 => Place::Constant(choices.below(4)),
        1 => Place::Missing(Missing::OptimizedOut),
        2 => Place::Memory(MemoryPlace::at(Register(choices.below(16) as u8), 0)),
        _ => Place::Register(Register(choices.below(16) as u8)),
    };
    Piece { size_bytes: rest_bytes.min(8), place }
}
