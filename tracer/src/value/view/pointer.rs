//! Pointers, thin and with a length, and the boxes and counted pointers around them.

use super::find::{field, find, first, is_any_pointer};
use super::{Items, Stretch, View};
use crate::value::layout::{Field, PointerKind, Shape, Type, TypeId, Types};
use crate::value::name::{self, TextKind};

/// A pointer and a table: drop glue, size, alignment, functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dynamic<'t> {
    pub(crate) pointer_offset: u64,
    pub(crate) table_offset: u64,
    /// Counters in front of the value, in bytes, if it is aligned to no more.
    pub(crate) counters_bytes: u64,
    pub(crate) of_trait: &'t str,
}

/// Strong and weak count, in front of the value that `Rc` and `Arc` share.
const COUNTERS_BYTES: u64 = 16;

/// In the table.
pub(crate) const TABLE_SIZE_OFFSET: u64 = 8;
pub(crate) const TABLE_ALIGN_OFFSET: u64 = 16;

/// `&dyn Trait`, or what is inside of a `Box` or `Rc` of one.
pub(super) fn dynamic<'t>(types: &'t Types, ty: &'t Type, fields: &[Field], offset: u64) -> View<'t> {
    let word = |name: &str| field(fields, name).map(|field| offset + field.offset);
    let known = name::trait_of_object(&ty.name).filter(|name| types.dynamic.contains_key(*name));
    match (word("pointer"), word("vtable"), known) {
        (Some(pointer_offset), Some(table_offset), Some(of_trait)) => {
            let counters_bytes = match name::behind_pointer(&ty.name).and_then(name::counted) {
                Some(_) => COUNTERS_BYTES,
                None => 0,
            };
            View::Dynamic(Dynamic { pointer_offset, table_offset, counters_bytes, of_trait })
        }
        _ => View::Raw,
    }
}

/// The trait object somewhere inside a box or a counted pointer.
fn dynamic_inside<'t>(types: &'t Types, fields: &'t [Field]) -> Option<View<'t>> {
    let is_object = |ty: &Type| matches!(&ty.shape, Shape::Struct { fields, .. } if is_trait_object(fields));
    let (offset, object) = fields.iter().find_map(|field| find(types, field, &is_object))?;
    let ty = types.get(object);
    let Shape::Struct { fields, .. } = &ty.shape else { return None };
    Some(dynamic(types, ty, fields, offset))
}

pub(super) fn view(types: &Types, target: Option<TypeId>, kind: PointerKind) -> View<'static> {
    let Some(target) = target else { return View::Address };
    match (&types.get(target).shape, kind) {
        (_, PointerKind::Untyped { signed }) => View::Word { signed },
        (Shape::CChar { .. }, PointerKind::Raw | PointerKind::C) => View::CString,
        (Shape::Function, _) => View::Function,
        (Shape::Opaque, _) if types.get(target).name != "()" => View::Address,
        (_, PointerKind::Reference | PointerKind::Box) => View::Pointee { pointer_offset: 0, target_offset: 0, target },
        (_, PointerKind::C) if types.get(target).size_bytes > 0 => View::Object { target },
        (_, PointerKind::Raw | PointerKind::C) => View::Address,
    }
}

/// `&str`, `&[T]`, and the other pointers that carry a length. A raw one is shown as its content too:
/// `Box<[T]>`, `Rc<str>` and `Arc<str>` hold theirs behind one.
pub(super) fn slice(types: &Types, ty: &Type, element: TypeId, stretch: Stretch, is_str: bool) -> View<'static> {
    let behind = name::behind_pointer(&ty.name).unwrap_or(&ty.name);
    let content = name::counted(behind).unwrap_or(behind);
    match name::text(content) {
        Some(TextKind::CStr) => View::Text(Stretch { terminator_bytes: 1, ..stretch }),
        Some(_) => View::Text(stretch),
        None if is_str => View::Text(stretch),
        None => View::Sequence { stretch, items: Items::list(types, element) },
    }
}

/// A `Box` that DWARF gives as a struct.
pub(super) fn boxed<'t>(types: &'t Types, fields: &'t [Field]) -> Option<View<'t>> {
    if let Some(dynamic) = dynamic_inside(types, fields) {
        return Some(dynamic);
    }
    let (offset, pointer) = fields.iter().find_map(|field| first(types, field, is_any_pointer, 0))?;
    match &types.get(pointer).shape {
        Shape::Pointer { target: Some(target), .. } => {
            Some(View::Pointee { pointer_offset: offset, target_offset: 0, target: *target })
        }
        Shape::Slice { .. } => Some(View::Transparent { offset, ty: pointer }),
        _ => None,
    }
}

/// `Rc<T>` and `Arc<T>` point to two counters and the value; `T` is what is shown.
pub(super) fn shared<'t>(types: &'t Types, fields: &'t [Field], parameters: &[(String, TypeId)]) -> Option<View<'t>> {
    if let Some(dynamic) = dynamic_inside(types, fields) {
        return Some(dynamic);
    }
    let (offset, pointer) = fields.iter().find_map(|field| first(types, field, is_any_pointer, 0))?;
    match &types.get(pointer).shape {
        Shape::Pointer { target: Some(target), .. } => {
            let Shape::Struct { fields, .. } = &types.get(*target).shape else { return None };
            let value = field(fields, "value").or_else(|| field(fields, "data"))?;
            Some(View::Pointee { pointer_offset: offset, target_offset: value.offset, target: value.ty })
        }
        Shape::Slice { element, pointer_offset, length_offset, data_offset, is_str } => {
            let stretch = Stretch::new(offset + pointer_offset, offset + length_offset);
            let stretch = Stretch { data_offset: *data_offset, ..stretch };
            let of_pointer = name::behind_pointer(&types.get(pointer).name).and_then(name::counted);
            let parameter = || parameters.iter().find(|(name, _)| name == "T").map(|(_, ty)| &*types.get(*ty).name);
            let content = of_pointer.or_else(parameter);
            match content.and_then(name::text) {
                Some(TextKind::CStr) => Some(View::Text(Stretch { terminator_bytes: 1, ..stretch })),
                Some(_) => Some(View::Text(stretch)),
                None if *is_str => Some(View::Text(stretch)),
                None if content?.starts_with('[') => {
                    Some(View::Sequence { stretch, items: Items::list(types, *element) })
                }
                None => Some(View::Raw),
            }
        }
        _ => None,
    }
}

/// `&dyn Trait`, `Box<dyn Trait>`: a pointer and a table of functions.
pub(super) fn is_trait_object(fields: &[Field]) -> bool {
    fields.len() == 2 && field(fields, "pointer").is_some() && field(fields, "vtable").is_some()
}
