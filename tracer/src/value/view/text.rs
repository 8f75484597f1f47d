//! Text that is owned: strings, paths, byte buffers.

use super::find::{field, first, is_any_pointer, is_thin_pointer, is_word};
use super::{Stretch, View};
use crate::value::layout::{Field, Shape, Types};

/// A `CString` is a `Box<[u8]>` that ends with a NUL.
pub(super) fn c_string_owned(types: &Types, fields: &[Field]) -> Option<View<'static>> {
    let (offset, pointer) = fields.iter().find_map(|field| first(types, field, is_any_pointer, 0))?;
    match types.get(pointer).shape {
        Shape::Slice { pointer_offset, length_offset, .. } => {
            let stretch = Stretch::new(offset + pointer_offset, offset + length_offset);
            Some(View::Text(Stretch { terminator_bytes: 1, ..stretch }))
        }
        _ => None,
    }
}

/// The value of a header of HTTP: bytes that are text.
pub(super) fn header(types: &Types, fields: &[Field]) -> Option<View<'static>> {
    let inner = field(fields, "inner")?;
    let Shape::Struct { fields, .. } = &types.get(inner.ty).shape else { return None };
    match bytes(types, fields)? {
        View::ByteString(stretch) => Some(View::Text(stretch.at(inner.offset))),
        _ => None,
    }
}

/// The bytes crate's buffers.
pub(super) fn bytes(types: &Types, fields: &[Field]) -> Option<View<'static>> {
    let (pointer_offset, _) = first(types, field(fields, "ptr")?, is_thin_pointer, 0)?;
    let (length_offset, _) = first(types, field(fields, "len")?, is_word, 0)?;
    Some(View::ByteString(Stretch::new(pointer_offset, length_offset)))
}
