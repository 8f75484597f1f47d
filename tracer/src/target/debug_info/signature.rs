//! What a function takes and gives: names, types, and the raw facts of DWARF about where arguments are at entry.
//! Derives nothing from the calling convention.

use super::location;
use super::standpoint::Frame;
use super::type_loader::{LoadedTypes, TypeLoader};
use super::unit::{Attribute, Die, Position, View};
use super::{DebugInfo, DebugInfoError, Function, FunctionKind, Language};
use crate::target::address::LinkAddress;
use crate::value::layout::{Shape, TypeId, Types};
use crate::value::place::Location;

/// More parameters than any function has; a lying file is cut here.
const PARAMETERS_MAX: usize = 256;
/// Longest chain of `DW_AT_abstract_origin` and `DW_AT_specification` followed.
const ORIGINS_MAX: usize = 8;

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

impl DebugInfo<'_> {
    /// Reads a function's parameters and result; their types are added to `loaded`. For a function that exists only
    /// inlined, no parameter has a location.
    pub fn signature(&self, function: &Function, loaded: &mut LoadedTypes) -> Result<Signature, DebugInfoError> {
        View::new(self).signature(function, loaded)
    }

    /// The signatures of many functions, each unit read once.
    pub fn signatures<'f>(
        &self,
        functions: impl IntoIterator<Item = &'f Function>,
        loaded: &mut LoadedTypes,
    ) -> Vec<Result<Signature, DebugInfoError>> {
        let view = View::new(self);
        functions.into_iter().map(|function| view.signature(function, loaded)).collect()
    }
}

impl View<'_> {
    fn signature(&self, function: &Function, loaded: &mut LoadedTypes) -> Result<Signature, DebugInfoError> {
        let view = self;
        let offset = function.id.offset;
        let at = view.at(function.id).ok_or(DebugInfoError::NoEntry { offset })?;
        let unit = view.unit(at.unit).ok_or(DebugInfoError::NoEntry { offset })?;
        let die =
            unit.entry(gimli::UnitOffset(at.offset)).map_err(|source| DebugInfoError::Function { offset, source })?;
        let chain = chain(view, at, die);
        let language = view.language(at.unit);
        let children = |level: Option<&(Position, Die<'_>)>| match level {
            Some((at, _)) => children(view, *at).map_err(|source| DebugInfoError::Function { offset, source }),
            None => Ok(Children::default()),
        };
        let concrete = children(chain.first())?;
        let listed = match chain.iter().position(|(_, die)| die.has_attr(gimli::DW_AT_inline)) {
            Some(level) if level > 0 => children(chain.get(level))?,
            _ => Children::default(),
        };
        let entry = function.entry.zip(chain.first());
        let entry = entry.map(|(LinkAddress(entry), (at, die))| (entry, Frame::at_entry(view, at.unit, die, entry)));
        let places = Places { view, entry };
        let mut loader = TypeLoader::new(view, loaded);
        let parameters = places.parameters(&concrete, &listed, &mut loader);
        let return_type = attribute(&chain, gimli::DW_AT_type)
            .and_then(|(at, value)| view.reference(at.unit, value))
            .map(|at| loader.load_by_value(at));
        let calling_convention = attribute(&chain, gimli::DW_AT_calling_convention).map(|(_, value)| value);
        let poll = matches!(function.kind, FunctionKind::AsyncFn | FunctionKind::AsyncBlock)
            .then(|| Poll { environment: parameters.first().and_then(|first| pinned(&loaded.types, first.ty)) });
        Ok(Signature {
            parameters,
            return_type,
            is_nocall: calling_convention == Some(Attribute::CallingConvention(gimli::DW_CC_nocall)),
            is_variadic: concrete.is_variadic || listed.is_variadic,
            language,
            poll,
        })
    }
}

/// A function's entry and the entries that it completes.
pub(super) fn chain<'a>(view: &View<'a>, at: Position, die: Die<'a>) -> Vec<(Position, Die<'a>)> {
    let mut chain = vec![(at, die)];
    while let Some((at, die)) = chain.last()
        && chain.len() < ORIGINS_MAX
    {
        let next = die
            .attr_value(gimli::DW_AT_abstract_origin)
            .or_else(|| die.attr_value(gimli::DW_AT_specification))
            .and_then(|value| view.reference(at.unit, value));
        let Some((next, die)) = next.and_then(|next| Some((next, view.entry(next)?))) else { break };
        chain.push((next, die));
    }
    chain
}

/// The first value of an attribute along a chain of entries.
pub(super) fn attribute<'a>(chain: &[(Position, Die<'a>)], name: gimli::DwAt) -> Option<(Position, Attribute<'a>)> {
    chain.iter().find_map(|(at, die)| Some((*at, die.attr_value(name)?)))
}

#[derive(Default)]
pub(super) struct Children<'a> {
    pub(super) parameters: Vec<(Position, Die<'a>)>,
    is_variadic: bool,
}

/// The parameters among a function's direct children.
pub(super) fn children<'a>(view: &View<'a>, at: Position) -> gimli::Result<Children<'a>> {
    let mut found = Children::default();
    let Some(unit) = view.unit(at.unit) else { return Ok(found) };
    let mut entries = unit.entries_raw(Some(gimli::UnitOffset(at.offset)))?;
    let mut die = Die::null();
    entries.read_entry(&mut die)?;
    if !die.has_children() {
        return Ok(found);
    }
    while !entries.is_empty() && entries.next_depth() > 0 && found.parameters.len() < PARAMETERS_MAX {
        let depth = entries.next_depth();
        if !entries.read_entry(&mut die)? || depth != 1 {
            continue;
        }
        match die.tag() {
            gimli::DW_TAG_formal_parameter => {
                found.parameters.push((Position { unit: at.unit, offset: die.offset().0 }, die.clone()));
            }
            gimli::DW_TAG_unspecified_parameters => found.is_variadic = true,
            _ => {}
        }
    }
    Ok(found)
}

/// What is needed to say where the parameters of one function are.
struct Places<'v, 'a> {
    view: &'v View<'a>,
    /// The first instruction, and what may be referred to there.
    entry: Option<(u64, Frame<'v>)>,
}

impl<'a> Places<'_, 'a> {
    /// The abstract entry lists all parameters in order; the concrete one has the locations, but leaves out
    /// parameters that have none. Without an abstract entry the concrete one lists all.
    fn parameters(
        &self,
        concrete: &Children<'a>,
        listed: &Children<'a>,
        loader: &mut TypeLoader<'_, 'a>,
    ) -> Vec<Parameter> {
        let located: Vec<_> = concrete.parameters.iter().map(|(at, die)| chain(self.view, *at, die.clone())).collect();
        let completes =
            |chain: &&Vec<(Position, Die<'_>)>, at: &Position| chain.iter().skip(1).any(|(next, _)| next == at);
        let mut parameters = Vec::new();
        for (at, die) in &listed.parameters {
            let abstract_only = || chain(self.view, *at, die.clone());
            let entry = located.iter().find(|chain| completes(chain, at));
            parameters.push(match entry {
                Some(chain) => self.parameter(chain, loader),
                None => {
                    Parameter { location_at_entry: EntryLocation::None, ..self.parameter(&abstract_only(), loader) }
                }
            });
        }
        let is_listed =
            |chain: &&Vec<(Position, Die<'_>)>| listed.parameters.iter().any(|(at, _)| completes(chain, at));
        for chain in located.iter().filter(|chain| !is_listed(chain)) {
            parameters.push(self.parameter(chain, loader));
        }
        parameters
    }

    fn parameter(&self, chain: &[(Position, Die<'a>)], loader: &mut TypeLoader<'_, 'a>) -> Parameter {
        let name = attribute(chain, gimli::DW_AT_name)
            .and_then(|(at, value)| self.view.string(at.unit, value))
            .map(|name| name.into_owned());
        let ty = match attribute(chain, gimli::DW_AT_type).and_then(|(at, value)| self.view.reference(at.unit, value)) {
            Some(at) => loader.load_by_value(at),
            None => loader.unknown(),
        };
        let location_at_entry = match (&self.entry, chain.first()) {
            (Some((entry, frame)), Some((at, die))) => {
                location::at_entry(self.view, at.unit, die, frame, *entry, loader.size_bytes(ty))
            }
            _ => EntryLocation::None,
        };
        Parameter { name, ty, location_at_entry }
    }
}

/// The `T` of `Pin<&mut T>`.
fn pinned(types: &Types, pin: TypeId) -> Option<TypeId> {
    let target = |ty: TypeId| match types.get(ty).shape {
        Shape::Pointer { target, .. } => target,
        _ => None,
    };
    match &types.get(pin).shape {
        Shape::Struct { fields, .. } => fields.iter().find_map(|field| target(field.ty)),
        _ => target(pin),
    }
}
