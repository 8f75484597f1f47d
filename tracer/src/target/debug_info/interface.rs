//! A function's interface in words: the names and types of what it takes and gives, read without loading a type.
//! Knows no locations and no layouts.

use rayon::prelude::*;

use super::signature::{attribute, chain, children};
use super::type_name::{target, type_name};
use super::unit::{Die, Position, View};
use super::{DebugInfo, Function, FunctionKind};

/// Names and types as the language writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// In order of declaration; the name is `None` where the source has a pattern or nothing.
    pub parameters: Vec<(Option<String>, String)>,
    /// `None`: returns nothing.
    pub result: Option<String>,
}

impl DebugInfo<'_> {
    /// The interface of each function, in parallel; `None` where the debug information does not go that far.
    pub fn interfaces(&self, functions: &[Function]) -> Vec<Option<Interface>> {
        let view = View::new(self);
        functions.par_iter().with_min_len(64).map(|function| interface(&view, function)).collect()
    }
}

type Level<'a> = (Position, Die<'a>);
type Parameter = (Option<String>, String);

fn interface(view: &View<'_>, function: &Function) -> Option<Interface> {
    let at = view.at(function.id)?;
    // Debug information of level 1 has functions without parameters: then nothing is known of any in the unit.
    if view.scan(at.unit).parameters == 0 {
        return None;
    }
    let levels = chain(view, at, view.entry(at)?);
    if matches!(function.kind, FunctionKind::AsyncFn | FunctionKind::AsyncBlock) {
        return awaited(view, &levels);
    }
    let (declaring, defining): (Vec<_>, Vec<_>) =
        levels.iter().partition(|(_, die)| die.has_attr(gimli::DW_AT_declaration));
    // The abstract entry has more than the concrete one, which leaves out parameters without a location.
    let inlined = defining.iter().copied().filter(|(_, die)| die.has_attr(gimli::DW_AT_inline));
    let defined = first_parameters(view, inlined.chain(defining.iter().copied()));
    let declared = first_parameters(view, declaring.into_iter());
    Some(Interface { parameters: completed(defined, declared), result: type_of(view, &levels) })
}

/// The interface of the `async fn` that a poll function belongs to: the environment that it is called with begins in
/// the state `Unresumed`, which holds the arguments, and it returns `Poll<T>`.
fn awaited<'a>(view: &View<'a>, levels: &[Level<'a>]) -> Option<Interface> {
    let parameter = levels.iter().find_map(|(at, _)| children(view, *at).ok()?.parameters.into_iter().next());
    let (at, die) = parameter?;
    let (at, value) = attribute(&chain(view, at, die), gimli::DW_AT_type)?;
    let pinned = member(view, view.reference(at.unit, value)?)?;
    let environment = target(view, pinned, &view.entry(pinned)?)?;
    let is_unresumed = |(at, die): &Level<'a>| {
        die.tag() == gimli::DW_TAG_structure_type && view.name(at.unit, die).as_deref() == Some("Unresumed")
    };
    let (unresumed, _) = inside(view, environment).find(is_unresumed)?;
    let argument = |(at, die): Level<'a>| {
        let name = view.name(at.unit, &die)?.into_owned();
        Some((Some(name), type_name(view, target(view, at, &die)?)))
    };
    let is_member = |(_, die): &Level<'a>| die.tag() == gimli::DW_TAG_member;
    let parameters = inside(view, unresumed).filter(is_member).filter_map(argument).collect();
    let polled = type_of(view, levels)?;
    let result = polled.strip_prefix("core::task::poll::Poll<").and_then(|rest| rest.strip_suffix('>'));
    Some(Interface { parameters, result: result.filter(|result| *result != "()").map(str::to_owned) })
}

/// The type of a struct's first member.
fn member(view: &View<'_>, of: Position) -> Option<Position> {
    let (at, die) = inside(view, of).find(|(_, die)| die.tag() == gimli::DW_TAG_member)?;
    target(view, at, &die)
}

fn inside<'a>(view: &View<'a>, at: Position) -> impl Iterator<Item = Level<'a>> {
    let position = move |die: Die<'a>| (Position { unit: at.unit, offset: die.offset().0 }, die);
    view.children(at).into_iter().map(position)
}

fn first_parameters<'l, 'a: 'l>(view: &View<'a>, levels: impl Iterator<Item = &'l Level<'a>>) -> Vec<Parameter> {
    let parameters = |(at, _): &Level<'a>| Some(children(view, *at).ok()?.parameters);
    let found = levels.filter_map(parameters).find(|parameters| !parameters.is_empty()).unwrap_or_default();
    let named = |(at, die)| {
        let levels = chain(view, at, die);
        let name = attribute(&levels, gimli::DW_AT_name).and_then(|(at, value)| view.string(at.unit, value));
        (name.map(|name| name.into_owned()), type_of(view, &levels).unwrap_or_else(|| "()".to_owned()))
    };
    found.into_iter().map(named).collect()
}

/// A method's declaration has all types and no names; its definition has names, without what was optimised away.
fn completed(defined: Vec<Parameter>, declared: Vec<Parameter>) -> Vec<Parameter> {
    if declared.len() <= defined.len() {
        return defined;
    }
    let mut defined = defined.into_iter().peekable();
    declared
        .into_iter()
        .map(|(_, declared)| defined.next_if(|(_, ty)| *ty == declared).unwrap_or((None, declared)))
        .collect()
}

fn type_of(view: &View<'_>, levels: &[Level<'_>]) -> Option<String> {
    let (at, value) = attribute(levels, gimli::DW_AT_type)?;
    Some(type_name(view, view.reference(at.unit, value)?)).filter(|name| name != "()")
}
