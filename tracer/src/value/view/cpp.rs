//! C++'s library types, by the names of their fields.

use super::find::{field, first, is_thin_pointer};
use super::{Stretch, View};
use crate::value::layout::{Field, Shape, Type, Types};

/// Told by their fields: their names differ by version and inline namespace.
pub(super) fn known<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    field(fields, "_M_dataplus").and_then(|_| string(types, ty, fields))
}

/// libstdc++: `_M_dataplus._M_p` and `_M_string_length`; short strings lie in the object, the pointer leads there.
fn string<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let (pointer_offset, pointer) = first(types, field(fields, "_M_dataplus")?, is_thin_pointer, 0)?;
    let Shape::Pointer { target: Some(character), .. } = types.get(pointer).shape else { return None };
    let length = field(fields, "_M_string_length")?;
    let is_narrow = types.get(character).size_bytes == 1;
    let is_inside = length.offset + 8 <= ty.size_bytes && pointer_offset + 8 <= ty.size_bytes;
    (is_narrow && is_inside).then(|| View::Text(Stretch::new(pointer_offset, length.offset)))
}
