//! What values lead to that their types do not tell: the types behind trait objects, and functions behind pointers.

use std::collections::BTreeSet;

use super::builder::PlanBuilder;
use crate::target::address::LinkAddress;
use crate::target::debug_info::DebugInfo;
use crate::target::image::Image;
use crate::value::layout::{Shape, Type};
use crate::value::name;

/// Pointers up to a trait object, or to a pointer to a function, behind which it is worth looking for more.
const DYNAMIC_DISTANCE_MAX: u8 = 2;

impl PlanBuilder {
    /// Looked for only if a value has such a pointer near its surface: it takes a look at all of the file.
    pub(super) fn pointed_to(&mut self, image: &Image<'_>, debug_info: &DebugInfo<'_>) {
        let near = || self.types.within(DYNAMIC_DISTANCE_MAX);
        let of_object = |ty: &Type| name::trait_of_object(&ty.name).map(str::to_owned);
        let known = &self.types.types.dynamic;
        let traits: BTreeSet<_> = near().filter_map(of_object).filter(|name| !known.contains_key(name)).collect();
        let has_functions = near().any(|ty| matches!(ty.shape, Shape::Function));
        if !traits.is_empty() {
            let tables = debug_info.dynamic_types(&traits, &mut self.types);
            for name in traits {
                let types = tables.get(&name).into_iter().flatten();
                let running = types.map(|(table, ty)| (image.bias.runtime(LinkAddress(*table)).0, *ty)).collect();
                self.types.types.dynamic.insert(name, running);
            }
        }
        if has_functions && self.types.types.functions.is_empty() {
            let symbols = image.symbols();
            let named = symbols.functions().iter().zip(symbols.demangled());
            let functions = named.map(|(symbol, name)| (image.bias.runtime(symbol.address).0, name.path)).collect();
            self.types.types.functions = functions;
        }
    }
}
