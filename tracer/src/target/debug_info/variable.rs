//! Variables that live as long as the program or a thread: globals, statics (of functions too), thread locals.
//! Says where the linker put them; knows nothing of a process.

use std::borrow::Cow;

use gimli::{Expression, Operation, constants as dw};
use rayon::prelude::*;

use super::index::source_line;
use super::name::{joined, scopes_from};
use super::signature::{attribute, chain};
use super::type_loader::TypeLoader;
use super::unit::{Attribute, Die, Position, Slice, View};
use super::{DebugInfo, DieId, Language, LoadedTypes, SourceLine};
use crate::target::address::LinkAddress;
use crate::target::demangle::demangle;
use crate::value::layout::TypeId;

/// A global, a static or a thread local.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub id: DieId,
    /// `crate::module::NAME`, `function::NAME`, `namespace::Class::name`; of a Rust `thread_local!` the name in the
    /// source, not that of what the macro makes of it.
    pub name: String,
    pub place: VariablePlace,
    pub declared: Option<SourceLine>,
    pub language: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariablePlace {
    Address(LinkAddress),
    /// So many bytes into the object's block of thread-local storage.
    ThreadLocal(u64),
    /// The compiler kept no place for it: its value is in the code.
    None,
}

/// How the standard library's `thread_local!` calls what it makes (1.95, and before).
const THREAD_LOCAL_VALUES: [&str; 4] = ["__RUST_STD_INTERNAL_VAL", "VAL", "__RUST_STD_INTERNAL_KEY", "__KEY"];

impl DebugInfo<'_> {
    /// All variables whose own name (the last segment of its path, without generic arguments) passes `filter`, by
    /// name. Reads all units, in parallel.
    pub fn variables(&self, filter: impl Fn(&str) -> bool + Sync) -> Vec<Variable> {
        let view = View::new(self);
        let units = (0..self.units.len()).into_par_iter();
        let mut found: Vec<Variable> = units.flat_map_iter(|unit| in_unit(&view, unit, &filter)).collect();
        found.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        found
    }

    /// The type of a variable; it is added to `loaded`.
    pub fn variable_type(&self, variable: &Variable, loaded: &mut LoadedTypes) -> Option<TypeId> {
        let view = View::new(self);
        let at = view.at(variable.id)?;
        let chain = chain(&view, at, view.entry(at)?);
        let (at, value) = attribute(&chain, dw::DW_AT_type)?;
        let at = view.reference(at.unit, value)?;
        Some(TypeLoader::new(&view, loaded).load(at))
    }
}

/// Walks one unit; what comes before a damaged entry is kept.
fn in_unit(view: &View<'_>, unit: usize, filter: &(impl Fn(&str) -> bool + Sync)) -> Vec<Variable> {
    let mut found = Vec::new();
    let Some(parsed) = view.unit(unit) else { return found };
    let Ok(mut entries) = parsed.entries_raw(None) else { return found };
    // Depth and place of the scopes around the entry; a function's local variables have no name for others.
    let mut scopes: Vec<(isize, Position, bool)> = Vec::new();
    let mut die = Die::null();
    while !entries.is_empty() {
        let depth = entries.next_depth();
        match entries.read_entry(&mut die) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(source) => {
                view.damaged(unit, source);
                break;
            }
        }
        while scopes.last().is_some_and(|(scope, ..)| *scope >= depth) {
            scopes.pop();
        }
        let at = Position { unit, offset: die.offset().0 };
        match die.tag() {
            dw::DW_TAG_variable => {
                let scope = scopes.last().map(|(_, at, _)| *at);
                let is_local = scopes.iter().any(|(.., is_function)| *is_function);
                found.extend(variable(view, at, &die, scope, is_local, filter));
            }
            dw::DW_TAG_subprogram => scopes.push((depth, at, true)),
            tag if super::scan::is_scope(tag) => scopes.push((depth, at, false)),
            _ => {}
        }
    }
    found
}

fn variable<'a>(
    view: &View<'a>,
    at: Position,
    die: &Die<'a>,
    scope: Option<Position>,
    is_local: bool,
    filter: &(impl Fn(&str) -> bool + Sync),
) -> Option<Variable> {
    if die.has_attr(dw::DW_AT_declaration) {
        return None;
    }
    let place = match die.attr_value(dw::DW_AT_location) {
        Some(Attribute::Exprloc(expression)) => place(view, at.unit, expression)?,
        Some(_) => return None,
        None if is_local || die.has_attr(dw::DW_AT_abstract_origin) => return None,
        None => VariablePlace::None,
    };
    let chain = chain(view, at, die.clone());
    let (named_at, value) = attribute(&chain, dw::DW_AT_name)?;
    let own = view.string(named_at.unit, value)?;
    let is_thread_local_value = THREAD_LOCAL_VALUES.contains(&own.as_ref());
    if !is_thread_local_value && !filter(without_arguments(&own)) {
        return None;
    }
    let language = view.language(at.unit);
    let linkage = attribute(&chain, dw::DW_AT_linkage_name).and_then(|(at, value)| view.string(at.unit, value));
    let mut name = path(view, &own, linkage, scope, language);
    if is_thread_local_value {
        // `SEEN::{{constant}}::{{closure}}::__RUST_STD_INTERNAL_VAL`.
        let end = name.find("::{{constant}}").or_else(|| name.find("::{constant#"))?;
        name.truncate(end);
        if !filter(name.rsplit("::").next().unwrap_or(&name)) {
            return None;
        }
    }
    let declared =
        chain.iter().find_map(|(at, die)| source_line(view, at.unit, die, dw::DW_AT_decl_file, dw::DW_AT_decl_line));
    Some(Variable { id: view.id(at), name, place, declared, language })
}

/// The path: from the symbol where there is one, since that resolves `impl` blocks; otherwise from the scopes.
fn path<'a>(
    view: &View<'a>,
    own: &str,
    linkage: Option<Cow<'a, str>>,
    scope: Option<Position>,
    language: Language,
) -> String {
    let demangled = linkage.filter(|linkage| linkage != own).map(|linkage| demangle(&linkage).path);
    match demangled {
        // C++ writes a function's statics behind its parameter list.
        Some(path) if !path.starts_with("_Z") && language != Language::Cpp => path,
        Some(path) if !path.starts_with("_Z") => path.replace("()::", "::").replace("[abi:cxx11]", ""),
        _ => joined(own, &scopes_from(view, scope)),
    }
}

fn without_arguments(name: &str) -> &str {
    name.split('<').next().filter(|name| !name.is_empty()).unwrap_or(name)
}

/// A fixed place; `None` for what only a running function has.
fn place(view: &View<'_>, unit: usize, expression: Expression<Slice<'_>>) -> Option<VariablePlace> {
    let parsed = view.unit(unit)?;
    let mut operations = expression.operations(parsed.encoding());
    let address = |index| view.dwarf(unit).address(parsed, index).ok();
    let value = match operations.next() {
        Ok(Some(Operation::Address { address })) => Place::Address(address),
        Ok(Some(Operation::AddressIndex { index })) => Place::Address(address(index)?),
        Ok(Some(Operation::UnsignedConstant { value })) => Place::Constant(value),
        Ok(Some(Operation::SignedConstant { value })) => Place::Constant(value as u64),
        Ok(Some(Operation::ConstantIndex { index })) => Place::Constant(address(index)?),
        Ok(None) => return Some(VariablePlace::None),
        _ => return None,
    };
    match (value, operations.next().ok()?) {
        // A dropped variable keeps the address 0.
        (Place::Address(0), None) => Some(VariablePlace::None),
        (Place::Address(address), None) => Some(VariablePlace::Address(LinkAddress(address))),
        (Place::Address(address), Some(Operation::PlusConstant { value })) => {
            let is_end = operations.next().ok()?.is_none();
            is_end.then(|| VariablePlace::Address(LinkAddress(address.wrapping_add(value))))
        }
        (Place::Address(offset) | Place::Constant(offset), Some(Operation::TLS)) => {
            operations.next().ok()?.is_none().then_some(VariablePlace::ThreadLocal(offset))
        }
        // A constant: no place, and not this stage's to show.
        (Place::Constant(_), Some(Operation::StackValue)) => Some(VariablePlace::None),
        _ => None,
    }
}

enum Place {
    Address(u64),
    Constant(u64),
}
