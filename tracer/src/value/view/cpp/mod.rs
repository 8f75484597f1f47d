//! C++'s library types as libstdc++ builds them, by name and by the names of their fields.

mod node;
mod sequence;
mod tree;
mod wrapper;

use super::find::{field, first, is_thin_pointer};
use super::{Stretch, View};
use crate::value::layout::{Field, Shape, Type, TypeId, Types};
use crate::value::name;

pub(super) fn known<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    match standard(&ty.name)? {
        "basic_string" => string(types, ty, fields),
        "basic_string_view" => sequence::string_view(types, fields),
        "vector" => sequence::vector(types, fields),
        "array" => sequence::array(types, fields),
        "deque" => sequence::deque(types, fields),
        "list" => node::list(types, fields),
        "forward_list" => node::forward_list(types, fields),
        "unordered_map" | "unordered_multimap" => node::hashed(types, fields, true),
        "unordered_set" | "unordered_multiset" => node::hashed(types, fields, false),
        "map" | "multimap" => tree::tree(types, fields, true),
        "set" | "multiset" => tree::tree(types, fields, false),
        "optional" => wrapper::optional(types, fields),
        "variant" => wrapper::variant(types, fields),
        "tuple" => wrapper::tuple(types, fields),
        "pair" => wrapper::pair(fields),
        "unique_ptr" => wrapper::owned(types, fields, "_M_t"),
        "shared_ptr" => wrapper::owned(types, fields, "_M_ptr"),
        // Nothing says that what it leads to is still there.
        "weak_ptr" => Some(View::Plain("(weak)".to_owned())),
        "atomic" => wrapper::atomic(types, fields),
        "function" => wrapper::function(types, fields),
        "chrono::duration" => wrapper::duration(types, ty, fields),
        "reference_wrapper" => wrapper::owned(types, fields, "_M_data"),
        "chrono::time_point" | "complex" => wrapper::only(fields),
        _ => None,
    }
}

/// The name of a type of the standard library, without its inline namespace and template arguments.
fn standard(name: &str) -> Option<&str> {
    let inside = name::base(name).strip_prefix("std::")?;
    const INLINE: [&str; 2] = ["__cxx11::", "chrono::_V2::"];
    Some(INLINE.iter().find_map(|namespace| inside.strip_prefix(namespace)).unwrap_or(inside))
}

/// `_M_dataplus._M_p` and `_M_string_length`; short strings lie in the object, the pointer leads there.
fn string<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let (pointer_offset, pointer) = first(types, field(fields, "_M_dataplus")?, is_thin_pointer, 0)?;
    let length = field(fields, "_M_string_length")?;
    let is_inside = length.offset + 8 <= ty.size_bytes && pointer_offset + 8 <= ty.size_bytes;
    let stretch = Stretch::new(pointer_offset, length.offset);
    is_inside.then(|| text(types, pointer, stretch)).flatten()
}

/// The characters behind a pointer.
fn text<'t>(types: &Types, pointer: TypeId, stretch: Stretch) -> Option<View<'t>> {
    let Shape::Pointer { target: Some(character), .. } = types.get(pointer).shape else { return None };
    match types.get(character).size_bytes {
        1 => Some(View::Text(stretch)),
        unit_bytes @ (2 | 4) => Some(View::WideText { stretch, unit_bytes }),
        _ => None,
    }
}
