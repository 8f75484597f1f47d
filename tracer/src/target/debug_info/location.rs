//! Where DWARF says a value is: at a function's first instruction, or anywhere in it.
//! Classifies facts; what the calling convention makes of a gap is for the plan.

use gimli::Expression;

use super::EntryLocation;
use super::expression::{constant_bytes, evaluate, masked};
use super::location_list::{self, Found};
use super::standpoint::{Frame, Standpoint, Unknown};
use super::unit::{Attribute, Die, View};
use crate::value::place::{Location, MemoryPlace, Missing, Piece, Place};

/// The location of a parameter at `entry`, from the entry that has it (the concrete one).
pub(super) fn at_entry<'a>(
    view: &View<'a>,
    unit: usize,
    die: &Die<'a>,
    frame: &Frame<'_>,
    entry: u64,
    size: u64,
) -> EntryLocation {
    if let Some(value) = die.attr_value(gimli::DW_AT_const_value) {
        return constant(value, size).map_or(EntryLocation::Unsupported, EntryLocation::Covered);
    }
    let Some(value) = die.attr_value(gimli::DW_AT_location) else { return EntryLocation::None };
    let expression = match value {
        Attribute::Exprloc(expression) if expression.0.is_empty() => return EntryLocation::None,
        Attribute::Exprloc(expression) => expression,
        list => match location_list::find(view, unit, die, list, entry, Some(0)) {
            Found::Expression(expression) if expression.0.is_empty() => return EntryLocation::None,
            Found::Expression(expression) => expression,
            Found::Nothing => return EntryLocation::Gap,
            Found::Damaged => return EntryLocation::Unsupported,
        },
    };
    match evaluate(view, unit, expression, frame, size, true) {
        // A fixed address of the object's own coordinates: not one of the running process.
        Ok(location) if location.pieces.iter().any(is_absolute) => EntryLocation::Unsupported,
        Ok(location) => EntryLocation::Covered(location),
        Err(Unknown::FrameRelative) => EntryLocation::FrameRelative,
        Err(Unknown::Unsupported | Unknown::OptimizedOut) => EntryLocation::Unsupported,
    }
}

/// The location of a variable or parameter at a standpoint. What is not known there is missing, with the reason.
pub(super) fn at<'a>(
    view: &View<'a>,
    unit: usize,
    die: &Die<'a>,
    frame: &Frame<'_>,
    standpoint: &Standpoint,
    size: u64,
) -> Location {
    let missing = |missing| match size {
        0 => Location::default(),
        _ => Location::whole(size, Place::Missing(missing)),
    };
    if let Some(value) = die.attr_value(gimli::DW_AT_const_value) {
        return constant(value, size).unwrap_or_else(|| missing(Missing::UnsupportedLocation));
    }
    let expression = match die.attr_value(gimli::DW_AT_location) {
        None => return missing(Missing::OptimizedOut),
        Some(Attribute::Exprloc(expression)) => expression,
        Some(list) => match location_list::find(view, unit, die, list, standpoint.address.0, standpoint.view) {
            Found::Expression(expression) => expression,
            Found::Nothing => return missing(Missing::OptimizedOut),
            Found::Damaged => return missing(Missing::UnsupportedLocation),
        },
    };
    match evaluate(view, unit, expression, frame, size, false) {
        Ok(_) if size == 0 => Location::default(),
        Ok(location) => location,
        Err(unknown) => missing(unknown.into()),
    }
}

fn is_absolute(piece: &Piece) -> bool {
    matches!(piece.place, Place::Memory(MemoryPlace { base: None, .. }))
}

fn constant(value: Attribute<'_>, size: u64) -> Option<Location> {
    let number = match value {
        Attribute::Block(bytes) | Attribute::Exprloc(Expression(bytes)) => return Some(constant_bytes(bytes, size)),
        Attribute::Sdata(number) if size > 8 => return Some(wide_constant(i128::from(number) as u128)),
        Attribute::Sdata(number) => number as u64,
        Attribute::Data16(number) => return Some(wide_constant(number)),
        other => other.udata_value()?,
    };
    Some(Location::whole(size, Place::Constant(masked(number, size))))
}

fn wide_constant(number: u128) -> Location {
    let word = |word| Piece { size_bytes: 8, place: Place::Constant(word) };
    Location { pieces: vec![word(number as u64), word((number >> 64) as u64)] }
}
