//! What a function takes and gives: names, types, and the raw facts of DWARF about where arguments are at entry.
//! Derives nothing from the calling convention.

use super::Language;
use crate::value::layout::{TypeId, Types};
use crate::value::place::Location;

/// Parameters and result of one function, types in a [`LoadedTypes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// In order of declaration, artificial ones (`this`) included.
    pub parameters: Vec<Parameter>,
    /// `None`: returns nothing, or DWARF does not say.
    pub return_type: Option<TypeId>,
    /// `DW_CC_nocall`: the compiler changed the calling convention, the ABI's registers say nothing.
    pub is_nocall: bool,
    /// More arguments may follow the declared ones (C `...`).
    pub is_variadic: bool,
    pub language: Language,
    /// For the poll function of an `async fn` or block.
    pub poll: Option<Poll>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: Option<String>,
    pub ty: TypeId,
    pub location_at_entry: EntryLocation,
}

/// A coroutine's poll function: `return_type` of the signature is the `Poll<T>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    /// The environment (`{async_fn_env#0}`): the state machine that the first argument points to.
    pub environment: Option<TypeId>,
}

/// What DWARF says of a value's place at the function's first instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryLocation {
    /// Covers the first instruction, and needs no frame: registers, pieces, memory behind a register, constants.
    Covered(Location),
    /// Relative to the frame that the prologue has yet to build: wrong at the first instruction.
    FrameRelative,
    /// There is a location list, but it does not cover the first instruction.
    Gap,
    /// No location at all.
    None,
    /// Covers the first instruction with operations that have no equivalent here.
    Unsupported,
}

/// Types loaded so far, with the memory of which entry became which type: pass the same one to load types once.
#[derive(Clone, Debug)]
pub struct LoadedTypes {
    pub types: Types,
    /// How many pointers deep targets are loaded; deeper ones are `None`.
    pub pointer_depth_max: u8,
}

impl Default for LoadedTypes {
    fn default() -> Self {
        Self { types: Types::default(), pointer_depth_max: 3 }
    }
}
