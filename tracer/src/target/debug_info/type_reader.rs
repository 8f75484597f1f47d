//! Types read as somebody asks for them: a pointer's target is loaded when the pointer is followed, so that a graph of
//! any depth costs only what is looked at. For readers of live memory; knows no library type.

use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

use gimli::constants as dw;
use rayon::prelude::*;

use super::index::function_at;
use super::signature::chain;
use super::type_loader::TypeLoader;
use super::type_name::{target, type_name};
use super::unit::{Attribute, Die, Position, View};
use super::{DebugInfo, DieId, LoadedTypes};
use crate::target::address::LinkAddress;
use crate::value::layout::{Shape, TypeId, Types};
use crate::value::name;

/// Typedefs and qualifiers around one pointer.
const WRAPPERS_MAX: usize = 8;

/// The types of one object, growing.
pub struct TypeReader<'a> {
    view: View<'a>,
    loaded: LoadedTypes,
    statics: OnceLock<Statics>,
}

/// Variables at fixed places that matter to a reader of memory.
#[derive(Default)]
struct Statics {
    /// Tables of trait objects: address, and the entry of the table's type.
    vtables: Vec<(u64, Position)>,
    thread_locals: Vec<(ThreadLocal, Position)>,
}

/// A thread-local variable of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadLocal {
    pub linkage_name: String,
    /// From the start of the object's thread-local block.
    pub offset: u64,
}

impl<'a> TypeReader<'a> {
    pub fn new(info: &'a DebugInfo<'_>) -> Self {
        Self { view: View::new(info), loaded: LoadedTypes::with_pointer_depth(0), statics: OnceLock::new() }
    }

    /// The types loaded so far.
    pub fn types(&self) -> &Types {
        &self.loaded.types
    }

    /// The entry that a type was loaded from.
    pub fn entry(&self, id: TypeId) -> Option<DieId> {
        self.loaded.entry_of(id)
    }

    /// The type behind a pointer, loaded if it was not yet; `None` for what is no pointer or leads to nothing known.
    pub fn follow(&mut self, pointer: TypeId) -> Option<TypeId> {
        if let Shape::Pointer { target: Some(known), .. } = self.loaded.types.get(pointer).shape {
            return Some(known);
        }
        let mut at = self.view.at(self.loaded.entry_of(pointer)?)?;
        for _ in 0..WRAPPERS_MAX {
            let die = self.view.entry(at)?;
            let behind = target(&self.view, at, &die)?;
            if matches!(die.tag(), dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type) {
                let id = self.load_at(behind);
                let mut ty = self.loaded.types.get(pointer).clone();
                if let Shape::Pointer { target, .. } = &mut ty.shape {
                    *target = Some(id);
                }
                self.loaded.types.set(pointer, ty);
                return Some(id);
            }
            at = behind;
        }
        None
    }

    /// The element of a pointer to a slice, loaded if it was not yet.
    pub fn element(&mut self, slice: TypeId) -> Option<TypeId> {
        let at = self.view.at(self.loaded.entry_of(slice)?)?;
        let members = self.view.children(at);
        let data = members.iter().find(|die| self.view.name(at.unit, die).is_some_and(|name| name == "data_ptr"))?;
        let pointer = target(&self.view, Position { unit: at.unit, offset: data.offset().0 }, data)?;
        let element = target(&self.view, pointer, &self.view.entry(pointer)?)?;
        Some(self.load_at(element))
    }

    /// The function whose out-of-line code holds the address.
    pub fn function_at(&self, address: LinkAddress) -> Option<DieId> {
        function_at(&self.view, address).map(|function| function.id)
    }

    /// The structs whose path is one of `paths`, generic arguments aside, one of each full name, by name. Reads all
    /// units, in parallel.
    pub fn structs(&mut self, paths: &[&str]) -> Vec<TypeId> {
        /// Copies of one generic type; a program has fewer.
        const STRUCTS_MAX: usize = 4096;
        let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
        let wanted: HashSet<String> = paths.iter().map(|path| last(path)).collect();
        let units = (0..self.view.info.units.len()).into_par_iter();
        let view = &self.view;
        let found: BTreeMap<String, Position> = units
            .flat_map_iter(|unit| structs_of(view, unit, &wanted))
            .map(|at| (type_name(view, at), at))
            .filter(|(name, _)| paths.contains(&name::base(name)))
            .collect();
        found.into_values().take(STRUCTS_MAX).map(|at| self.load_at(at)).collect()
    }

    /// The type argument of that name of a generic function or type; of a method also one of its type.
    pub fn template_argument(&mut self, function: DieId, name: &str) -> Option<TypeId> {
        let at = self.view.at(function)?;
        let (unit, die) = chain(&self.view, at, self.view.entry(at)?).iter().find_map(|(at, _)| {
            let is_wanted = |die: &Die<'a>| {
                die.tag() == dw::DW_TAG_template_type_parameter
                    && self.view.name(at.unit, die).is_some_and(|found| found == name)
            };
            Some((at.unit, self.view.children(*at).into_iter().find(is_wanted)?))
        })?;
        let argument = target(&self.view, Position { unit, offset: die.offset().0 }, &die)?;
        Some(self.load_at(argument))
    }

    /// The type of the first variable of that name anywhere in a function.
    pub fn variable_type(&mut self, function: DieId, name: &str) -> Option<TypeId> {
        /// Entries of one function that are looked through.
        const ENTRIES_MAX: usize = 10_000;
        let at = self.view.at(function)?;
        let unit = self.view.unit(at.unit)?;
        let mut entries = unit.entries_raw(Some(gimli::UnitOffset(at.offset))).ok()?;
        let mut die = Die::null();
        entries.read_entry(&mut die).ok()?;
        let mut left = ENTRIES_MAX;
        while left > 0 && !entries.is_empty() && entries.next_depth() > 0 {
            left -= 1;
            let is_variable = entries.read_entry(&mut die).ok()?
                && matches!(die.tag(), dw::DW_TAG_variable | dw::DW_TAG_formal_parameter);
            if is_variable && self.view.name(at.unit, &die).is_some_and(|found| found == name) {
                let found = target(&self.view, Position { unit: at.unit, offset: die.offset().0 }, &die)?;
                return Some(self.load_at(found));
            }
        }
        None
    }

    /// The type of the object that a trait object's table belongs to; `None` if tables of several types were merged.
    pub fn type_of_vtable(&mut self, link_address: u64) -> Option<TypeId> {
        let statics = self.statics();
        let first = statics.vtables.partition_point(|(address, _)| *address < link_address);
        let tables: Vec<Position> = statics
            .vtables
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|(address, _)| *address == link_address)
            .map(|(_, at)| *at)
            .collect();
        let mut types = tables.into_iter().filter_map(|at| {
            let die = self.view.entry(at)?;
            self.view.reference(at.unit, die.attr_value(dw::DW_AT_containing_type)?)
        });
        let first = types.next()?;
        let others: Vec<Position> = types.collect();
        let id = self.load_at(first);
        let name = self.loaded.types.get(id).name.clone();
        let is_same = others.into_iter().all(|at| super::type_name::type_name(&self.view, at) == name);
        is_same.then_some(id)
    }

    /// The thread-local variables whose linkage name passes, with their types.
    pub fn thread_locals(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(ThreadLocal, TypeId)> {
        let found: Vec<_> =
            self.statics().thread_locals.iter().filter(|(local, _)| wanted(&local.linkage_name)).cloned().collect();
        found.into_iter().map(|(local, at)| (local, self.load_at(at))).collect()
    }

    /// A type by its entry, in types of its own: pointers as deep as those want.
    pub fn load_into(&self, entry: DieId, loaded: &mut LoadedTypes) -> Option<TypeId> {
        let at = self.view.at(entry)?;
        Some(TypeLoader::new(&self.view, loaded).load(at))
    }

    fn load_at(&mut self, at: Position) -> TypeId {
        TypeLoader::new(&self.view, &mut self.loaded).load(at)
    }

    fn statics(&self) -> &Statics {
        self.statics.get_or_init(|| {
            let units = 0..self.view.info.units.len();
            let found: Vec<Statics> = units.into_par_iter().map(|unit| read_statics(&self.view, unit)).collect();
            let mut all = Statics::default();
            for statics in found {
                all.vtables.extend(statics.vtables);
                all.thread_locals.extend(statics.thread_locals);
            }
            all.vtables.sort_unstable_by_key(|(address, at)| (*address, at.unit, at.offset));
            all
        })
    }
}

/// The structs of a unit whose own name, generic arguments aside, is wanted.
fn structs_of(view: &View<'_>, unit: usize, wanted: &HashSet<String>) -> Vec<Position> {
    let mut found = Vec::new();
    let Some(parsed) = view.unit(unit) else { return found };
    let Ok(mut entries) = parsed.entries_raw(None) else { return found };
    let mut die = Die::null();
    while !entries.is_empty() {
        match entries.read_entry(&mut die) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => break,
        }
        let is_struct = die.tag() == dw::DW_TAG_structure_type && !die.has_attr(dw::DW_AT_declaration);
        if is_struct && view.name(unit, &die).is_some_and(|name| wanted.contains(name::base(&name))) {
            found.push(Position { unit, offset: die.offset().0 });
        }
    }
    found
}

/// The tables of a unit's trait objects: link address, and the type of the table.
pub(super) fn vtables(view: &View<'_>, unit: usize) -> Vec<(u64, Position)> {
    read_statics(view, unit).vtables
}

/// One pass over a unit's variables.
fn read_statics(view: &View<'_>, unit: usize) -> Statics {
    let mut statics = Statics::default();
    let Some(header) = view.header(unit) else { return statics };
    let Some(abbreviations) = view.abbreviations(unit) else { return statics };
    let Ok(mut entries) = header.entries_raw(&abbreviations, None) else { return statics };
    let mut variables = Vec::new();
    while !entries.is_empty() {
        let offset = entries.next_offset().0;
        match entries.read_abbreviation() {
            Ok(Some(abbreviation)) => {
                let has_place = abbreviation.attributes().iter().any(|spec| spec.name() == dw::DW_AT_location);
                if abbreviation.tag() == dw::DW_TAG_variable && has_place {
                    variables.push(Position { unit, offset });
                }
                if entries.skip_attributes(abbreviation.attributes()).is_err() {
                    break;
                }
            }
            Ok(None) => {}
            Err(_) => break,
        }
    }
    for at in variables {
        if let Some(die) = view.entry(at) {
            read_static(view, at, &die, &mut statics);
        }
    }
    statics
}

fn read_static<'a>(view: &View<'a>, at: Position, die: &Die<'a>, statics: &mut Statics) -> Option<()> {
    let Attribute::Exprloc(expression) = die.attr_value(dw::DW_AT_location)? else { return None };
    let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
    let mut operations = expression.operations(encoding);
    let indexed = |index| view.dwarf(at.unit).address(view.unit(at.unit)?, index).ok();
    let first = match operations.next().ok()?? {
        gimli::Operation::AddressIndex { index } => gimli::Operation::Address { address: indexed(index)? },
        gimli::Operation::ConstantIndex { index } => gimli::Operation::UnsignedConstant { value: indexed(index)? },
        first => first,
    };
    match (first, operations.next().ok()?) {
        (gimli::Operation::Address { address }, None) if view.name(at.unit, die)?.contains("::{vtable}") => {
            statics.vtables.push((address, target(view, at, die)?));
        }
        (gimli::Operation::UnsignedConstant { value: offset }, Some(gimli::Operation::TLS)) => {
            let name = view.string(at.unit, die.attr_value(dw::DW_AT_linkage_name)?)?;
            let local = ThreadLocal { linkage_name: name.into_owned(), offset };
            statics.thread_locals.push((local, target(view, at, die)?));
        }
        _ => {}
    }
    Some(())
}
