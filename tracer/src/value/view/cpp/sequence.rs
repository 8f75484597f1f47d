//! `string_view`, `vector`, `array`, `deque`: elements one behind the other, in one stretch or in blocks.

use super::text;
use crate::value::layout::{Field, Shape, TypeId, Types};
use crate::value::view::find::{field, named};
use crate::value::view::{Bits, Blocks, Extent, Items, Stretch, View};

pub(super) fn string_view<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (pointer, length) = (field(fields, "_M_str")?, field(fields, "_M_len")?);
    text(types, pointer.ty, Stretch::new(pointer.offset, length.offset))
}

/// The element behind the pointer in that field.
fn element(types: &Types, pointer: TypeId) -> Option<TypeId> {
    match types.get(pointer).shape {
        Shape::Pointer { target, .. } => target,
        _ => None,
    }
}

/// Where it starts and where it ends; of `bool`s, which are bits, two iterators.
pub(super) fn vector<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (start, ty) = named(types, fields, "_M_start")?;
    let (end, _) = named(types, fields, "_M_finish")?;
    let Some(element) = element(types, ty) else { return bits(types, (start, ty), end) };
    let items = Items::list(types, element);
    let extent = Extent::End { item_bytes: items.stride };
    (items.stride > 0).then(|| View::Sequence { stretch: Stretch { extent, ..Stretch::new(start, end) }, items })
}

fn bits<'t>(types: &Types, (start, iterator): (u64, TypeId), end: u64) -> Option<View<'t>> {
    let Shape::Struct { fields, .. } = &types.get(iterator).shape else { return None };
    let (word, ty) = named(types, fields, "_M_p")?;
    let (bit, _) = named(types, fields, "_M_offset")?;
    let is_words = types.get(element(types, ty)?).size_bytes == 8;
    let at = |iterator: u64| (iterator + word, iterator + bit);
    is_words.then(|| View::Bits(Bits { start: at(start), end: at(end) }))
}

pub(super) fn array<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let elements = field(fields, "_M_elems")?;
    match types.get(elements.ty).shape {
        Shape::Array { .. } => Some(View::Transparent { offset: elements.offset, ty: elements.ty }),
        // An array of nothing has a struct of nothing.
        _ => Some(View::Plain("[]".to_owned())),
    }
}

/// Two iterators: an element, the bounds of its block, its block's place in the table of blocks.
pub(super) fn deque<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (start, iterator) = named(types, fields, "_M_start")?;
    let (end, _) = named(types, fields, "_M_finish")?;
    let Shape::Struct { fields, .. } = &types.get(iterator).shape else { return None };
    let word = |name| named(types, fields, name);
    let (current, ty) = word("_M_cur")?;
    let (first, last, node) = (word("_M_first")?.0, word("_M_last")?.0, word("_M_node")?.0);
    let items = Items::list(types, element(types, ty)?);
    (items.stride > 0).then_some(View::Blocks { blocks: Blocks { start, end, current, first, last, node }, items })
}
