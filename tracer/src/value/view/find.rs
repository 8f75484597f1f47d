//! Finds parts of a type by field name and by shape, under any number of wrappers.

use crate::value::layout::{Field, Shape, Type, TypeId, Types};

pub(super) fn field<'f>(fields: &'f [Field], name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| field.name == name)
}

pub(super) fn is_thin_pointer(shape: &Shape) -> bool {
    matches!(shape, Shape::Pointer { .. })
}

pub(super) fn is_any_pointer(shape: &Shape) -> bool {
    matches!(shape, Shape::Pointer { .. } | Shape::Slice { .. })
}

pub(super) fn is_word(shape: &Shape) -> bool {
    matches!(shape, Shape::Integer { .. })
}

/// Structs within structs that a library type's word is looked for in: `Vec` takes six today.
const WRAPPERS_MAX: u32 = 10;

/// Parts that are looked at for one word: ends the search in types that lie, and contain themselves several times.
const PARTS_LOOKED_AT_MAX: u32 = 4096;

/// The first part, depth first, that `wanted` accepts: its offset from the start of the enclosing type, and its type.
/// `depth` wrappers were looked into before.
pub(super) fn first(
    types: &Types,
    field: &Field,
    wanted: impl Fn(&Shape) -> bool + Copy,
    depth: u32,
) -> Option<(u64, TypeId)> {
    find_within(types, field, &|ty| wanted(&ty.shape), depth, &mut { PARTS_LOOKED_AT_MAX })
}

/// The first part, depth first, whose type `wanted` accepts: its offset from the start of the enclosing type, and its
/// type.
pub(super) fn find(types: &Types, field: &Field, wanted: &dyn Fn(&Type) -> bool) -> Option<(u64, TypeId)> {
    find_within(types, field, wanted, 0, &mut { PARTS_LOOKED_AT_MAX })
}

fn find_within(
    types: &Types,
    field: &Field,
    wanted: &dyn Fn(&Type) -> bool,
    depth: u32,
    left: &mut u32,
) -> Option<(u64, TypeId)> {
    *left = left.checked_sub(1)?;
    let ty = types.get(field.ty);
    if wanted(ty) {
        return Some((field.offset, field.ty));
    }
    let Shape::Struct { fields, .. } = &ty.shape else { return None };
    if depth >= WRAPPERS_MAX {
        return None;
    }
    let (offset, ty) = fields.iter().find_map(|inner| find_within(types, inner, wanted, depth + 1, left))?;
    Some((field.offset.checked_add(offset)?, ty))
}

/// A thin pointer under any number of wrappers, `Option`s included: its offset, and the type that it leads to.
pub(super) fn pointer_to(types: &Types, field: &Field) -> Option<(u64, TypeId)> {
    pointer_within(types, field, 0, &mut { PARTS_LOOKED_AT_MAX })
}

fn pointer_within(types: &Types, field: &Field, depth: u32, left: &mut u32) -> Option<(u64, TypeId)> {
    *left = left.checked_sub(1)?;
    let fields = match &types.get(field.ty).shape {
        Shape::Pointer { target, .. } => return Some((field.offset, (*target)?)),
        _ if depth >= WRAPPERS_MAX => return None,
        Shape::Struct { fields, .. } => fields,
        Shape::Enum(layout) => &layout.variants.iter().find(|variant| !variant.fields.is_empty())?.fields,
        _ => return None,
    };
    let (offset, target) = fields.iter().find_map(|inner| pointer_within(types, inner, depth + 1, left))?;
    Some((field.offset.checked_add(offset)?, target))
}

/// The field of that name, depth first, under any number of structs: its offset from the start of the enclosing type,
/// and its type.
pub(super) fn named(types: &Types, fields: &[Field], name: &str) -> Option<(u64, TypeId)> {
    named_within(types, fields, name, 0)
}

fn named_within(types: &Types, fields: &[Field], name: &str, depth: u32) -> Option<(u64, TypeId)> {
    if let Some(found) = field(fields, name) {
        return Some((found.offset, found.ty));
    }
    if depth >= WRAPPERS_MAX {
        return None;
    }
    fields.iter().find_map(|inner| {
        let Shape::Struct { fields, .. } = &types.get(inner.ty).shape else { return None };
        let (offset, ty) = named_within(types, fields, name, depth + 1)?;
        Some((inner.offset.checked_add(offset)?, ty))
    })
}
