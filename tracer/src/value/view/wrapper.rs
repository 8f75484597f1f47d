//! Wrappers around one value: numbers with a rule, cells, locks.

use super::find::{field, find, first, is_word};
use super::{Part, Shell, View};
use crate::value::layout::{Field, Shape, StructStyle, Type, Types};
use crate::value::name;

/// What `{:?}` shows of a lock or cell: the content, not the state of the lock.
pub(super) fn only<'t>(fields: &'t [Field], name: &str) -> Option<View<'t>> {
    field(fields, name).map(|field| View::Fields { fields: std::slice::from_ref(field), style: StructStyle::Named })
}

/// Shown as its only field.
pub(super) fn transparent(fields: &[Field]) -> Option<View<'static>> {
    match fields {
        [Field { offset, ty, bits: None, .. }] => Some(View::Transparent { offset: *offset, ty: *ty }),
        _ => None,
    }
}

/// A struct of which only these fields are shown.
pub(super) fn parts(ty: &Type, fields: &[Field], names: &[&'static str]) -> Option<View<'static>> {
    let part = |name: &&'static str| {
        let field = field(fields, name)?;
        Some((*name, Part { offset: field.offset, ty: field.ty }))
    };
    let parts = names.iter().map(part).collect::<Option<Vec<_>>>()?;
    let name = name::of_struct(&ty.name);
    Some(View::Shell(Shell { name, style: StructStyle::Named, parts, hidden: None, is_open: false }))
}

/// `Instant` and `SystemTime` show the system's seconds and nanoseconds as their own.
pub(super) fn moment(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'static>> {
    let has_seconds =
        |ty: &Type| matches!(&ty.shape, Shape::Struct { fields, .. } if field(fields, "tv_sec").is_some());
    let (offset, timespec) = fields.iter().find_map(|field| find(types, field, &has_seconds))?;
    let Shape::Struct { fields, .. } = &types.get(timespec).shape else { return None };
    let part = |name| {
        let (inner, ty) = first(types, field(fields, name)?, is_word, 0)?;
        Some((name, Part { offset: offset + inner, ty }))
    };
    let parts = vec![part("tv_sec")?, part("tv_nsec")?];
    let name = name::of_struct(&ty.name);
    Some(View::Shell(Shell { name, style: StructStyle::Named, parts, hidden: None, is_open: false }))
}

/// A wrapper whose `{:?}` is that of the number in it.
pub(super) fn only_scalar<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let is_scalar = |shape: &Shape| {
        matches!(shape, Shape::Integer { .. } | Shape::Bool | Shape::Float | Shape::Pointer { .. } | Shape::Char)
    };
    let (offset, ty) = fields.iter().find_map(|field| first(types, field, is_scalar, 0))?;
    Some(View::Transparent { offset, ty })
}

pub(super) fn uuid<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let Some(Shape::Array { element, count: 16 }) = fields.first().map(|field| &types.get(field.ty).shape) else {
        return None;
    };
    (ty.size_bytes == 16 && types.get(*element).size_bytes == 1).then_some(View::Uuid)
}
