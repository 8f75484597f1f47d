//! What is in scope at an address: the function that holds it, what was inlined there, and the variables of each.
//! Knows locations only as the rules of `location` give them.

use std::collections::{HashMap, HashSet};

use gimli::constants as dw;
use rayon::prelude::*;

use super::index::{code_ranges, function_at, source_line};
use super::location;
use super::scan::FunctionEntry;
use super::signature::{attribute, chain};
use super::standpoint::{Frame, Standpoint};
use super::type_loader::{LoadedTypes, TypeLoader};
use super::unit::{Die, Position, View};
use super::{DebugInfo, DieId, Function, FunctionKind, Language, SourceLine, name};
use crate::target::address::{LinkAddress, LinkRange};
use crate::value::layout::TypeId;
use crate::value::place::{Location, Missing, Place};

/// Deeper than any compiler nests; a lying file is cut here.
const SCOPES_MAX: usize = 512;
/// More than any function has in scope; a lying file is cut here.
const VARIABLES_MAX: usize = 1024;

/// A function that is under way at an address: the out-of-line one, or one inlined into it there.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    pub id: DieId,
    pub name: String,
    pub kind: FunctionKind,
    pub language: Language,
    pub declared: Option<SourceLine>,
    /// For one that is inlined: where.
    pub called_at: Option<SourceLine>,
    /// All its code.
    pub ranges: Vec<LinkRange>,
}

/// The activations at one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Activations {
    /// The out-of-line function.
    pub function: Function,
    /// That function first, the innermost that was inlined last.
    pub nested: Vec<Activation>,
}

/// Whose variables are wanted, and where.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The out-of-line function that holds the address.
    pub function: DieId,
    /// It, or the inlined copy in it.
    pub activation: DieId,
    pub standpoint: Standpoint,
    pub what: Variables,
}

/// Which variables.
#[derive(Clone, Debug, PartialEq)]
pub enum Variables {
    Parameters,
    /// All in scope; where a scope begins with its block (C), without those declared on that line or later.
    InScope(SourceLine),
}

/// A variable or parameter, and where it is at the standpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    pub name: String,
    pub ty: TypeId,
    pub location: Location,
    pub is_parameter: bool,
    /// The location is one for the whole scope, so nothing says from which instruction on it is filled.
    pub is_undated: bool,
}

impl DebugInfo<'_> {
    /// For each address what is under way there; `None` where no function is known.
    pub fn activations_at(&self, addresses: &[LinkAddress]) -> Vec<Option<Activations>> {
        let view = View::new(self);
        addresses.par_iter().map(|&address| activations(&view, address)).collect()
    }

    /// The variables of each request; their types are added to `loaded`.
    pub fn locals(&self, wanted: &[Wanted], loaded: &mut LoadedTypes) -> Vec<Vec<Local>> {
        let view = View::new(self);
        // Finding the scopes takes the time, loading the types has one owner.
        let found: Vec<_> = wanted.par_iter().map(|wanted| own_scopes(&view, wanted)).collect();
        let mut all = Vec::with_capacity(wanted.len());
        for (wanted, own) in wanted.iter().zip(found) {
            all.push(own.map(|own| locals(&view, wanted, own, loaded)).unwrap_or_default());
        }
        all
    }
}

fn activations(view: &View<'_>, address: LinkAddress) -> Option<Activations> {
    let function = function_at(view, address)?;
    let at = view.at(function.id)?;
    let scopes = scopes(view, at, address)?;
    let inlined = scopes.iter().skip(1).filter(|scope| scope.die.tag() == dw::DW_TAG_inlined_subroutine);
    let outermost = Activation {
        id: function.id,
        name: function.name.clone(),
        kind: function.kind,
        language: function.language,
        declared: function.declared.clone(),
        called_at: None,
        ranges: function.ranges.clone(),
    };
    let nested =
        std::iter::once(outermost).chain(inlined.filter_map(|scope| inlined_activation(view, scope))).collect();
    Some(Activations { function, nested })
}

fn inlined_activation(view: &View<'_>, scope: &Scope<'_>) -> Option<Activation> {
    let at = scope.at;
    let origin = view.reference(at.unit, scope.die.attr_value(dw::DW_AT_abstract_origin)?)?;
    let entry: FunctionEntry = *view.scan(origin.unit).function(origin.offset)?;
    let named = name::function(view, origin.unit, &entry)?;
    let declared = [origin, named.origin]
        .iter()
        .find_map(|&at| source_line(view, at.unit, &view.entry(at)?, dw::DW_AT_decl_file, dw::DW_AT_decl_line));
    Some(Activation {
        id: view.id(at),
        name: named.name,
        kind: named.kind,
        language: view.language(origin.unit),
        declared,
        called_at: source_line(view, at.unit, &scope.die, dw::DW_AT_call_file, dw::DW_AT_call_line),
        ranges: code_ranges(view, at),
    })
}

/// A scope that holds the address, and the variables directly in it.
struct Scope<'a> {
    at: Position,
    die: Die<'a>,
    variables: Vec<(Position, Die<'a>)>,
}

/// The scopes around `address` in the function at `function`, the function first, each inside the one before.
fn scopes<'a>(view: &View<'a>, function: Position, address: LinkAddress) -> Option<Vec<Scope<'a>>> {
    let unit = view.unit(function.unit)?;
    let mut entries = unit.entries_raw(Some(gimli::UnitOffset(function.offset))).ok()?;
    let mut die = Die::null();
    let mut found: Vec<Scope<'a>> = Vec::new();
    // Depth of the entries around the current one, and their index if they hold the address.
    let mut around: Vec<(isize, Option<usize>)> = Vec::new();
    while !entries.is_empty() {
        let depth = entries.next_depth();
        if depth <= 0 && !found.is_empty() {
            break;
        }
        match entries.read_entry(&mut die) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(source) => {
                view.damaged(function.unit, source);
                break;
            }
        }
        while around.last().is_some_and(|(outer, _)| *outer >= depth) {
            around.pop();
        }
        let at = Position { unit: function.unit, offset: die.offset().0 };
        let outer = around.last().map(|(_, index)| *index);
        let is_scope = matches!(
            die.tag(),
            dw::DW_TAG_lexical_block | dw::DW_TAG_inlined_subroutine | dw::DW_TAG_try_block | dw::DW_TAG_catch_block
        );
        let holds = || code_ranges(view, at).iter().any(|range| range.contains(address));
        let index = match outer {
            None => Some(0),
            // Scopes that overlap are a lie: the first wins.
            Some(Some(outer)) if is_scope && outer + 1 == found.len() && found.len() < SCOPES_MAX && holds() => {
                Some(found.len())
            }
            _ => None,
        };
        if index.is_some() {
            found.push(Scope { at, die: die.clone(), variables: Vec::new() });
        } else if matches!(die.tag(), dw::DW_TAG_variable | dw::DW_TAG_formal_parameter)
            && let Some(scope) = outer.flatten().and_then(|outer| found.get_mut(outer))
            && scope.variables.len() < VARIABLES_MAX
        {
            scope.variables.push((at, die.clone()));
        }
        if die.has_children() {
            around.push((depth, index));
        }
    }
    Some(found)
}

/// The out-of-line function's entry, and the scopes of the activation, the outermost first.
struct Own<'a> {
    function: (Position, Die<'a>),
    scopes: Vec<Scope<'a>>,
}

fn own_scopes<'a>(view: &View<'a>, wanted: &Wanted) -> Option<Own<'a>> {
    let at = view.at(wanted.function)?;
    let all = scopes(view, at, wanted.standpoint.address)?;
    let function = (at, all.first()?.die.clone());
    let mut rest = all.into_iter().skip_while(|scope| view.id(scope.at) != wanted.activation);
    let mut scopes = vec![rest.next()?];
    scopes.extend(rest.take_while(|scope| scope.die.tag() != dw::DW_TAG_inlined_subroutine));
    Some(Own { function, scopes })
}

fn locals<'a>(view: &View<'a>, wanted: &Wanted, own: Own<'a>, loaded: &mut LoadedTypes) -> Vec<Local> {
    let (function, die) = own.function;
    let frame = Frame::at(view, function.unit, &die, &wanted.standpoint);
    let is_coroutine = own.scopes.first().is_some_and(|scope| is_coroutine(view, scope));
    let loader = TypeLoader::new(view, loaded);
    let mut reader = Reader { view, wanted, frame, loader, is_coroutine, locals: Vec::new() };
    for (nesting, scope) in own.scopes.iter().enumerate() {
        if nesting > 0 && wanted.what == Variables::Parameters {
            break;
        }
        reader.scope(scope);
    }
    innermost(reader.locals)
}

/// Whether a function's scope is the body of an `async fn` or block.
fn is_coroutine<'a>(view: &View<'a>, scope: &Scope<'a>) -> bool {
    let levels = chain(view, scope.at, scope.die.clone());
    let name = attribute(&levels, dw::DW_AT_name).and_then(|(at, value)| view.string(at.unit, value));
    name.is_some_and(|name| name.starts_with("{async_"))
}

/// Of variables of the same name the innermost, in the order of declaration.
fn innermost(locals: Vec<Local>) -> Vec<Local> {
    let last: HashMap<String, usize> =
        locals.iter().enumerate().map(|(index, local)| (local.name.clone(), index)).collect();
    let is_last = |(index, local): &(usize, Local)| last.get(&local.name) == Some(index);
    locals.into_iter().enumerate().filter(is_last).map(|(_, local)| local).collect()
}

struct Reader<'r, 'a> {
    view: &'r View<'a>,
    wanted: &'r Wanted,
    frame: Frame<'r>,
    loader: TypeLoader<'r, 'a>,
    is_coroutine: bool,
    locals: Vec<Local>,
}

impl<'a> Reader<'_, 'a> {
    /// Those of the abstract scope come first and in order: the concrete one leaves out what has no location.
    fn scope(&mut self, scope: &Scope<'a>) {
        let view = self.view;
        let concrete: Vec<_> = scope.variables.iter().map(|(at, die)| chain(view, *at, die.clone())).collect();
        let origin = scope.die.attr_value(dw::DW_AT_abstract_origin);
        let origin = origin.and_then(|origin| view.reference(scope.at.unit, origin));
        let mut used = HashSet::new();
        let listed = origin.map(|origin| (origin, view.children(origin))).into_iter().flat_map(|(origin, children)| {
            children.into_iter().map(move |die| (Position { unit: origin.unit, offset: die.offset().0 }, die))
        });
        let is_variable = |die: &Die<'_>| matches!(die.tag(), dw::DW_TAG_variable | dw::DW_TAG_formal_parameter);
        for (at, die) in listed.filter(|(_, die)| is_variable(die)) {
            let completes = |chain: &Vec<(Position, Die<'_>)>| chain.iter().skip(1).any(|(next, _)| *next == at);
            match concrete.iter().position(completes) {
                Some(index) => {
                    used.insert(index);
                    self.variable(concrete.get(index).map_or(&[], Vec::as_slice), true);
                }
                None => self.variable(&chain(view, at, die), false),
            }
        }
        for (_, chain) in concrete.iter().enumerate().filter(|(index, _)| !used.contains(index)) {
            self.variable(chain, true);
        }
    }

    fn variable(&mut self, chain: &[(Position, Die<'a>)], is_concrete: bool) {
        let view = self.view;
        let Some((at, die)) = chain.first() else { return };
        let is_parameter = die.tag() == dw::DW_TAG_formal_parameter;
        if !is_parameter && !self.is_declared(chain) || self.locals.len() >= VARIABLES_MAX {
            return;
        }
        let name = attribute(chain, dw::DW_AT_name).and_then(|(at, value)| view.string(at.unit, value));
        let name = match name {
            // What the compiler passes to every poll.
            Some(name) if self.is_coroutine && name == "_task_context" => return,
            Some(name) => name.into_owned(),
            // The environment of a coroutine, whose parts have names of their own.
            None if is_parameter && !self.is_coroutine => format!("arg{}", self.locals.len()),
            None => return,
        };
        let ty = attribute(chain, dw::DW_AT_type).and_then(|(at, value)| view.reference(at.unit, value));
        let ty = match ty {
            Some(ty) => self.loader.load(ty),
            None => self.loader.unknown(),
        };
        let size = self.loader.size_bytes(ty);
        let location = match is_concrete || die.has_attr(dw::DW_AT_const_value) {
            true => location::at(view, at.unit, die, &self.frame, &self.wanted.standpoint, size),
            false if size == 0 => Location::default(),
            false => Location::whole(size, Place::Missing(Missing::OptimizedOut)),
        };
        let is_undated = matches!(die.attr_value(dw::DW_AT_location), Some(gimli::AttributeValue::Exprloc(_)));
        self.locals.push(Local { name, ty, location, is_parameter, is_undated });
    }

    /// Whether the line is one where the variable exists by the rules of its language: in C it is in scope from its
    /// block's start on, but has no value before its declaration.
    fn is_declared(&self, chain: &[(Position, Die<'a>)]) -> bool {
        let Variables::InScope(line) = &self.wanted.what else { return false };
        let declared = chain
            .iter()
            .find_map(|(at, die)| source_line(self.view, at.unit, die, dw::DW_AT_decl_file, dw::DW_AT_decl_line));
        let is_block_scoped = chain.first().is_none_or(|(at, _)| self.view.language(at.unit) != Language::Rust);
        match declared {
            Some(declared) if is_block_scoped && declared.file == line.file => declared.line < line.line,
            _ => true,
        }
    }
}
