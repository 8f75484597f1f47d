//! `list`, `forward_list` and the unordered containers: nodes that lead from one to the next.

use crate::value::layout::{Field, Shape, Type, TypeId, Types};
use crate::value::name;
use crate::value::view::find::{field, find, named};
use crate::value::view::{List, Part, Shown, View};

/// A container's nodes: how many bytes each has, and where in it what is.
pub(super) struct Node {
    pub(super) bytes: u64,
    pub(super) value: Part,
    ty: TypeId,
}

/// The node that the container's allocator makes: its type is one of the arguments of a base class.
pub(super) fn node(types: &Types, fields: &[Field], suffix: &str) -> Option<Node> {
    let made = |ty: &Type| {
        let Shape::Struct { parameters, .. } = &ty.shape else { return None };
        let is_node = |ty: &&TypeId| name::base(&types.get(**ty).name).ends_with(suffix);
        parameters.iter().map(|(_, ty)| ty).find(is_node).copied()
    };
    let (_, owner) = fields.iter().find_map(|field| find(types, field, &|ty| made(ty).is_some()))?;
    let ty = made(types.get(owner))?;
    let Shape::Struct { fields, parameters, .. } = &types.get(ty).shape else { return None };
    // Older versions have the value itself in place of storage for it.
    let (offset, _) = named(types, fields, "_M_storage").or_else(|| named(types, fields, "_M_value_field"))?;
    let (_, value) = parameters.first()?;
    Some(Node { bytes: types.get(ty).size_bytes, value: Part { offset, ty: *value }, ty })
}

impl Node {
    /// What is shown of a node: the value, or key and value of the pair.
    pub(super) fn shown(&self, types: &Types, is_map: bool) -> Option<Shown> {
        if !is_map {
            return Some(Shown::Set(self.value));
        }
        let Shape::Struct { fields, .. } = &types.get(self.value.ty).shape else { return None };
        let part = |name| {
            let field = field(fields, name)?;
            Some(Part { offset: self.value.offset + field.offset, ty: field.ty })
        };
        Some(Shown::Map { key: part("first")?, value: part("second")? })
    }

    fn next_offset(&self, types: &Types, name: &str) -> Option<u64> {
        let Shape::Struct { fields, .. } = &types.get(self.ty).shape else { return None };
        named(types, fields, name).map(|(offset, _)| offset)
    }
}

/// A ring through the container itself.
pub(super) fn list<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let node = node(types, fields, "_List_node")?;
    let (first_offset, _) = named(types, fields, "_M_next")?;
    let (length_offset, _) = named(types, fields, "_M_size")?;
    let next_offset = node.next_offset(types, "_M_next")?;
    let shown = Shown::List(node.value);
    let length_offset = Some(length_offset);
    Some(View::List(List { first_offset, length_offset, node_bytes: node.bytes, next_offset, shown }))
}

/// Nobody counts its nodes.
pub(super) fn forward_list<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let node = node(types, fields, "_Fwd_list_node")?;
    let (first_offset, _) = named(types, fields, "_M_next")?;
    let next_offset = node.next_offset(types, "_M_next")?;
    let shown = Shown::List(node.value);
    Some(View::List(List { first_offset, length_offset: None, node_bytes: node.bytes, next_offset, shown }))
}

/// The nodes of all buckets are one list.
pub(super) fn hashed<'t>(types: &Types, fields: &[Field], is_map: bool) -> Option<View<'t>> {
    let node = node(types, fields, "_Hash_node")?;
    let (first_offset, _) = named(types, fields, "_M_nxt")?;
    let (length_offset, _) = named(types, fields, "_M_element_count")?;
    let next_offset = node.next_offset(types, "_M_nxt")?;
    let shown = node.shown(types, is_map)?;
    let length_offset = Some(length_offset);
    Some(View::List(List { first_offset, length_offset, node_bytes: node.bytes, next_offset, shown }))
}
