//! `map`, `set`, `multimap`, `multiset`: binary trees of nodes that know their parents.

use super::node;
use crate::value::layout::{Field, Shape, Types};
use crate::value::view::find::named;
use crate::value::view::{BinaryTree, View};

/// The header is built as a node; its parent is the root.
pub(super) fn tree<'t>(types: &Types, fields: &[Field], is_map: bool) -> Option<View<'t>> {
    let node = node::node(types, fields, "_Rb_tree_node")?;
    let (header, ty) = named(types, fields, "_M_header")?;
    let Shape::Struct { fields: links, .. } = &types.get(ty).shape else { return None };
    let link = |name| named(types, links, name).map(|(offset, _)| offset);
    let parent_offset = link("_M_parent")?;
    Some(View::Binary(BinaryTree {
        root_offset: header + parent_offset,
        length_offset: named(types, fields, "_M_node_count")?.0,
        parent_offset,
        left_offset: link("_M_left")?,
        right_offset: link("_M_right")?,
        node_bytes: node.bytes,
        shown: node.shown(types, is_map)?,
    }))
}
