//! Vectors that keep their items in place: `ArrayVec`, `ArrayString`, `SmallVec`.

use super::find::{field, find, first, is_thin_pointer, is_word};
use super::linked::initialised;
use super::{Items, Stretch, View};
use crate::value::layout::{Field, Shape, Type, TypeId, Types};
use crate::value::name;

/// Items in the value itself, as many as a word in it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inline {
    pub(crate) length_offset: u64,
    pub(crate) length_bytes: u64,
    pub(crate) offset: u64,
    /// Items that there is room for.
    pub(crate) capacity: u64,
}

pub(super) fn known<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    match name::base(&ty.name) {
        "arrayvec::arrayvec::ArrayVec" => {
            let (inline, element) = array(types, fields)?;
            Some(View::Inline { inline, items: Items::list(types, element) })
        }
        "arrayvec::array_string::ArrayString" => {
            let (inline, element) = array(types, fields)?;
            (types.get(element).size_bytes == 1).then_some(View::InlineText(inline))
        }
        "smallvec::SmallVec" => small(types, fields),
        _ => None,
    }
}

fn array(types: &Types, fields: &[Field]) -> Option<(Inline, TypeId)> {
    let items = field(fields, "xs")?;
    let (length_offset, length) = first(types, field(fields, "len")?, is_word, 0)?;
    let Shape::Array { element, count } = types.get(items.ty).shape else { return None };
    let length_bytes = types.get(length).size_bytes;
    let inline = Inline { length_offset, length_bytes, offset: items.offset, capacity: count };
    Some((inline, initialised(types, element)?))
}

/// The capacity is the length as long as the items fit. Their place is then that of the pointer and the length of
/// those on the heap: a union, or an enum whose tag says the same.
fn small<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (length_offset, word) = first(types, field(fields, "capacity")?, is_word, 0)?;
    let data = field(fields, "data")?;
    let (inline_data, heap) = match &types.get(data.ty).shape {
        Shape::Union { fields } => (field(fields, "inline")?, field(fields, "heap")?),
        Shape::Enum(layout) => {
            let content = |name: &str| {
                let variant = layout.variants.iter().find(|variant| variant.name == name)?;
                Some(variant)
            };
            return small_enum(
                types,
                data,
                content("Inline")?.fields.first()?,
                &content("Heap")?.fields,
                length_offset,
            );
        }
        _ => return None,
    };
    let (offset, array) = find(types, inline_data, &|ty| matches!(ty.shape, Shape::Union { .. }))?;
    let heap_fields = match &types.get(heap.ty).shape {
        Shape::Struct { fields, .. } => fields,
        _ => return None,
    };
    let (pointer_offset, _) = heap_fields.iter().find_map(|field| first(types, field, is_thin_pointer, 0))?;
    let (heap_length, _) = heap_fields.iter().find_map(|field| first(types, field, is_word, 0))?;
    let array = initialised(types, array)?;
    let Shape::Array { element, count } = types.get(array).shape else { return None };
    let base = data.offset;
    let length_bytes = types.get(word).size_bytes;
    let inline = Inline { length_offset, length_bytes, offset: base + offset, capacity: count };
    let at = base + heap.offset;
    let stretch = Stretch::new(at + pointer_offset, at + heap_length);
    Some(View::Small { inline, stretch, items: Items::list(types, element) })
}

fn small_enum<'t>(
    types: &Types,
    data: &Field,
    inline_data: &Field,
    heap: &[Field],
    length_offset: u64,
) -> Option<View<'t>> {
    let (offset, array) = find(types, inline_data, &|ty| matches!(ty.shape, Shape::Union { .. }))?;
    let (pointer_offset, _) = heap.iter().find_map(|field| first(types, field, is_thin_pointer, 0))?;
    let (heap_length, _) = heap.iter().find_map(|field| first(types, field, is_word, 0))?;
    let array = initialised(types, array)?;
    let Shape::Array { element, count } = types.get(array).shape else { return None };
    let inline = Inline { length_offset, length_bytes: 8, offset: data.offset + offset, capacity: count };
    let stretch = Stretch::new(data.offset + pointer_offset, data.offset + heap_length);
    Some(View::Small { inline, stretch, items: Items::list(types, element) })
}
