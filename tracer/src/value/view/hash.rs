//! Hash maps and sets: hashbrown's table, which the standard library has too.

use super::find::{field, find, first, is_thin_pointer, is_word};
use super::{Items, Part, Shown, View};
use crate::value::layout::{Field, Shape, Type, Types};
use crate::value::name;

/// The words of a table, by their offsets in the value. Item number n is at `control - (n + 1) * stride`, if the top
/// bit of the control byte number n is clear (hashbrown, `src/raw`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) control_offset: u64,
    /// One less than the number of control bytes.
    pub(crate) mask_offset: u64,
    pub(crate) length_offset: u64,
}

pub(super) fn known<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let is_set = match name::base(&ty.name) {
        "std::collections::hash::map::HashMap" | "hashbrown::map::HashMap" => false,
        "std::collections::hash::set::HashSet" | "hashbrown::set::HashSet" => true,
        // Wrappers of these that choose another hasher.
        "ahash::hash_map::AHashMap" | "ahash::hash_set::AHashSet" => {
            return super::wrapper::transparent(fields);
        }
        _ => return None,
    };
    let is_table = |ty: &Type| name::base(&ty.name) == "hashbrown::raw::RawTable";
    let (offset, found) = fields.iter().find_map(|field| find(types, field, &is_table))?;
    let Shape::Struct { fields, parameters, .. } = &types.get(found).shape else { return None };
    let (_, item) = parameters.iter().find(|(name, _)| name == "T")?;
    let item_type = types.get(*item);
    let Shape::Struct { fields: parts, .. } = &item_type.shape else { return None };
    let part = |name| field(parts, name).map(|field| Part { offset: field.offset, ty: field.ty });
    let shown = match is_set {
        true => Shown::Set(part("__0")?),
        false => Shown::Map { key: part("__0")?, value: part("__1")? },
    };
    let table = words(types, fields)?;
    let table = Table {
        control_offset: offset + table.control_offset,
        mask_offset: offset + table.mask_offset,
        length_offset: offset + table.length_offset,
    };
    Some(View::Table { table, items: Items { stride: item_type.size_bytes, shown } })
}

/// In the table itself, or in a struct that it wraps.
fn words(types: &Types, fields: &[Field]) -> Option<Table> {
    if let (Some(control), Some(mask), Some(length)) =
        (field(fields, "ctrl"), field(fields, "bucket_mask"), field(fields, "items"))
    {
        return Some(Table {
            control_offset: first(types, control, is_thin_pointer, 0)?.0,
            mask_offset: first(types, mask, is_word, 0)?.0,
            length_offset: first(types, length, is_word, 0)?.0,
        });
    }
    fields.iter().find_map(|inner| {
        let Shape::Struct { fields, .. } = &types.get(inner.ty).shape else { return None };
        let table = words(types, fields)?;
        Some(Table {
            control_offset: inner.offset + table.control_offset,
            mask_offset: inner.offset + table.mask_offset,
            length_offset: inner.offset + table.length_offset,
        })
    })
}
