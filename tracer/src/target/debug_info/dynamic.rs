//! The types behind trait objects: which tables a trait has, and whose they are. Knows nothing of values.

use std::collections::{BTreeMap, BTreeSet};

use gimli::constants as dw;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::type_loader::{LoadedTypes, TypeLoader};
use super::type_reader::vtables;
use super::unit::{Position, View};
use super::{DebugInfo, type_name};
use crate::value::layout::TypeId;
use crate::value::name;

/// Types of one trait that are loaded: more implement `Debug` or `Future` in a large program than anybody passes on.
const IMPLEMENTATIONS_MAX: usize = 256;

impl DebugInfo<'_> {
    /// The tables of these traits by link address, each with the type that implements the trait. A table that several
    /// types share is left out.
    pub fn dynamic_types(
        &self,
        traits: &BTreeSet<String>,
        loaded: &mut LoadedTypes,
    ) -> BTreeMap<String, Vec<(u64, TypeId)>> {
        let view = View::new(self);
        let units = 0..self.units.len();
        let tables: Vec<(u64, Position)> = units.into_par_iter().flat_map_iter(|unit| vtables(&view, unit)).collect();
        let mut found: BTreeMap<u64, (String, Position, String)> = BTreeMap::new();
        let mut shared = BTreeSet::new();
        for (address, at) in tables {
            let Some(die) = view.entry(at) else { continue };
            let Some(table) = view.name(at.unit, &die) else { continue };
            let Some(of) = name::trait_of_table(&table).filter(|of| traits.contains(*of)) else { continue };
            let Some(ty) = die.attr_value(dw::DW_AT_containing_type).and_then(|ty| view.reference(at.unit, ty)) else {
                continue;
            };
            let name = type_name::type_name(&view, ty);
            match found.get(&address) {
                Some((_, _, known)) if *known != name => drop(shared.insert(address)),
                _ => drop(found.insert(address, (of.to_owned(), ty, name))),
            }
        }
        let mut types: BTreeMap<String, Vec<(u64, TypeId)>> = BTreeMap::new();
        for (address, (of, ty, _)) in found {
            let of_trait = types.entry(of).or_default();
            if !shared.contains(&address) && of_trait.len() < IMPLEMENTATIONS_MAX {
                of_trait.push((address, TypeLoader::new(&view, loaded).load(ty)));
            }
        }
        types
    }
}
