//! Types by their names: for memory that somebody says the type of.

use gimli::constants as dw;
use rayon::prelude::*;

use super::name::{joined, scopes_from};
use super::type_loader::TypeLoader;
use super::unit::{Die, Position, View};
use super::{DebugInfo, DieId, LoadedTypes};
use crate::value::layout::TypeId;

/// A type that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedType {
    pub id: DieId,
    /// `crate::module::Name<Arguments>`, `u32`, `unsigned int`.
    pub name: String,
}

impl DebugInfo<'_> {
    /// The types whose path ends with `name` at a `::`, with generic arguments or without them: one of each path, by
    /// path. Reads all units, in parallel.
    pub fn named_types(&self, name: &str) -> Vec<NamedType> {
        let view = View::new(self);
        let units = (0..self.units.len()).into_par_iter();
        let mut found: Vec<NamedType> = units.flat_map_iter(|unit| in_unit(&view, unit, name)).collect();
        found.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        found.dedup_by(|a, b| a.name == b.name);
        found
    }

    /// Adds the type to `loaded`.
    pub fn load_named(&self, named: &NamedType, loaded: &mut LoadedTypes) -> Option<TypeId> {
        let view = View::new(self);
        let at = view.at(named.id)?;
        Some(TypeLoader::new(&view, loaded).load(at))
    }
}

/// Walks one unit; what comes before a damaged entry is kept.
fn in_unit(view: &View<'_>, unit: usize, name: &str) -> Vec<NamedType> {
    let mut found = Vec::new();
    let Some(parsed) = view.unit(unit) else { return found };
    let Ok(mut entries) = parsed.entries_raw(None) else { return found };
    let mut scopes: Vec<(isize, Position)> = Vec::new();
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
        if is_type(die.tag())
            && !die.has_attr(dw::DW_AT_declaration)
            && let Some(own) = view.name(unit, &die).filter(|own| may_end(own, name))
        {
            let path = joined(&own, &scopes_from(view, scopes.last().map(|(_, at)| *at)));
            if ends(&path, name) {
                found.push(NamedType { id: view.id(at), name: path });
            }
        }
        if die.tag() == dw::DW_TAG_subprogram || super::scan::is_scope(die.tag()) {
            scopes.push((depth, at));
        }
    }
    found
}

fn is_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_base_type
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_typedef
            | dw::DW_TAG_pointer_type
    )
}

/// Whether a type of this own name can have a path that ends so.
fn may_end(own: &str, name: &str) -> bool {
    name.ends_with(own) || name.ends_with(without_arguments(own))
}

fn ends(path: &str, name: &str) -> bool {
    let at_segment = |path: &str| path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"));
    at_segment(path) || at_segment(without_arguments(path))
}

/// `alloc::vec::Vec` of `alloc::vec::Vec<u8>`.
fn without_arguments(path: &str) -> &str {
    path.split('<').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_at_segments_with_arguments_or_without() {
        for (path, name, is_meant) in [
            ("app::store::Tree", "Tree", true),
            ("app::store::Tree", "store::Tree", true),
            ("app::store::Tree", "ree", false),
            ("alloc::vec::Vec<u8, alloc::alloc::Global>", "Vec", true),
            ("alloc::vec::Vec<u8, alloc::alloc::Global>", "Vec<u8, alloc::alloc::Global>", true),
            ("alloc::vec::Vec<u8, alloc::alloc::Global>", "Vec<u8>", false),
            ("u32", "u32", true),
        ] {
            assert_eq!(ends(path, name), is_meant, "{path} {name}");
        }
    }
}
