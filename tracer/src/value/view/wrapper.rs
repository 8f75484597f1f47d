//! Wrappers around one value: numbers with a rule, cells, locks.

use super::View;
use super::find::{field, first};
use crate::value::layout::{Field, Shape, StructStyle, Type, Types};

/// What `{:?}` shows of a lock or cell: the content, not the state of the lock.
pub(super) fn only<'t>(fields: &'t [Field], name: &str) -> Option<View<'t>> {
    field(fields, name).map(|field| View::Fields { fields: std::slice::from_ref(field), style: StructStyle::Named })
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
