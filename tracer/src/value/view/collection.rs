//! Collections: vectors.

use super::Stretch;
use super::find::{field, first, is_thin_pointer, is_word};
use crate::value::layout::{Field, Shape, Types};

/// A `Vec` under any number of wrappers: the first pointer under `buf`, and `len` beside it.
pub(super) fn vec_stretch(types: &Types, fields: &[Field]) -> Option<Stretch> {
    if let (Some(buffer), Some(length)) = (field(fields, "buf"), field(fields, "len")) {
        let (pointer_offset, _) = first(types, buffer, is_thin_pointer, 0)?;
        let (length_offset, _) = first(types, length, is_word, 0)?;
        return Some(Stretch::new(pointer_offset, length_offset));
    }
    fields.iter().find_map(|field| {
        let Shape::Struct { fields, .. } = &types.get(field.ty).shape else { return None };
        let inner = vec_stretch(types, fields)?;
        Some(Stretch::new(field.offset + inner.pointer_offset, field.offset + inner.length_offset))
    })
}
