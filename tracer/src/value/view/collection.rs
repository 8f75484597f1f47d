//! Collections whose items lie one behind the other: vectors, heaps, index maps.

use super::find::{field, find, first, is_thin_pointer, is_word};
use super::{Items, Part, Shown, Stretch, View};
use crate::value::layout::{Field, Shape, Type, TypeId, Types};
use crate::value::name;

pub(super) fn known<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    match name::base(&ty.name) {
        "alloc::vec::Vec" => {
            let (stretch, element) = vec(types, ty)?;
            Some(View::Sequence { stretch, items: Items::list(types, element) })
        }
        // `{:?}` shows a heap in the order of its vector.
        "alloc::collections::binary_heap::BinaryHeap" => inside(types, field(fields, "data")?, |_, items| items),
        "indexmap::map::IndexMap" => inside(types, field(fields, "core")?, |types, items| {
            let (key, value) = (part(types, items, "key")?, part(types, items, "value")?);
            Some(Items { shown: Shown::Map { key, value }, ..items? })
        }),
        "indexmap::set::IndexSet" => inside(types, field(fields, "map")?, |types, items| {
            let key = part(types, items, "key")?;
            Some(Items { shown: Shown::Set(key), ..items? })
        }),
        _ => None,
    }
}

/// The vector somewhere inside the field, its items shown in another way.
fn inside<'t>(
    types: &Types,
    field: &Field,
    shown: impl FnOnce(&Types, Option<Items>) -> Option<Items>,
) -> Option<View<'t>> {
    let (offset, found) = find(types, field, &|ty| name::base(&ty.name) == "alloc::vec::Vec")?;
    let (stretch, element) = vec(types, types.get(found))?;
    let items = shown(types, Some(Items::list(types, element)))?;
    Some(View::Sequence { stretch: stretch.at(offset), items })
}

/// The field of that name in the items.
fn part(types: &Types, items: Option<Items>, name: &str) -> Option<Part> {
    let Shown::List(Part { ty, .. }) = items?.shown else { return None };
    let Shape::Struct { fields, .. } = &types.get(ty).shape else { return None };
    field(fields, name).map(|field| Part { offset: field.offset, ty: field.ty })
}

/// A vector's words and element.
fn vec(types: &Types, ty: &Type) -> Option<(Stretch, TypeId)> {
    let Shape::Struct { fields, parameters, .. } = &ty.shape else { return None };
    let (_, element) = parameters.iter().find(|(name, _)| name == "T")?;
    Some((vec_stretch(types, fields)?, *element))
}

/// A `Vec` under any number of wrappers: the first pointer under `buf`, and `len` beside it.
pub(super) fn vec_stretch(types: &Types, fields: &[Field]) -> Option<Stretch> {
    if let (Some(buffer), Some(length)) = (field(fields, "buf"), field(fields, "len")) {
        let (pointer_offset, _) = first(types, buffer, is_thin_pointer, 0)?;
        let (length_offset, _) = first(types, length, is_word, 0)?;
        return Some(Stretch::new(pointer_offset, length_offset));
    }
    fields.iter().find_map(|field| {
        let Shape::Struct { fields, .. } = &types.get(field.ty).shape else { return None };
        Some(vec_stretch(types, fields)?.at(field.offset))
    })
}
