//! Collections whose items are not one behind the other: rings, lists, search trees.

use super::find::{field, first, is_thin_pointer, is_word, pointer_to};
use super::{Items, Part, Shown, View};
use crate::value::layout::{Field, Shape, Type, TypeId, Types};
use crate::value::name;

/// A buffer whose first item is number `head`; behind its end it goes on at its start. Offsets of words in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    pub(crate) pointer_offset: u64,
    pub(crate) capacity_offset: u64,
    pub(crate) head_offset: u64,
    pub(crate) length_offset: u64,
}

/// Nodes that lead from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    /// Words of the value: the address of the first node, and the number of nodes, if anybody counts them. The last
    /// node leads nowhere, or back to the value.
    pub(crate) first_offset: u64,
    pub(crate) length_offset: Option<u64>,
    pub(crate) node_bytes: u64,
    /// In the node.
    pub(crate) next_offset: u64,
    pub(crate) shown: Shown,
}

/// A binary tree whose nodes know their parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BinaryTree {
    /// Words of the value: the address of the root, and the number of nodes.
    pub(crate) root_offset: u64,
    pub(crate) length_offset: u64,
    /// In the node.
    pub(crate) parent_offset: u64,
    pub(crate) left_offset: u64,
    pub(crate) right_offset: u64,
    pub(crate) node_bytes: u64,
    pub(crate) shown: Shown,
}

/// Blocks of items, with a table of the blocks' addresses. Two iterators tell the first item and the end: words of
/// the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// Where the iterators are in the value.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// In an iterator: the item, the first one of its block and the end of that, the block's place in the table.
    pub(crate) current: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) node: u64,
}

/// A B-tree: `height` levels of inner nodes above the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Words of the value: the address of the root (0 without any item), its height, the number of items.
    pub(crate) root_offset: u64,
    pub(crate) height_offset: u64,
    pub(crate) length_offset: u64,
    pub(crate) node: TreeNode,
    pub(crate) key: TypeId,
    /// `None` for a set.
    pub(crate) value: Option<TypeId>,
}

/// What a node consists of, by offsets from its start: arrays of keys, values and (in inner nodes) edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeNode {
    pub(crate) keys_offset: u64,
    pub(crate) values_offset: u64,
    pub(crate) edges_offset: u64,
    pub(crate) parent_offset: u64,
    /// Two bytes each.
    pub(crate) parent_index_offset: u64,
    pub(crate) length_offset: u64,
    /// Items that a node has room for.
    pub(crate) capacity: u64,
}

pub(super) fn known<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    match name::base(&ty.name) {
        "alloc::collections::vec_deque::VecDeque" => ring(types, ty, fields),
        "alloc::collections::linked_list::LinkedList" => list(types, fields).map(View::List),
        "alloc::collections::btree::map::BTreeMap" => tree(types, fields, false).map(View::Tree),
        "alloc::collections::btree::set::BTreeSet" => {
            let map = field(fields, "map")?;
            let Shape::Struct { fields, .. } = &types.get(map.ty).shape else { return None };
            let tree = tree(types, fields, true)?;
            Some(View::Tree(Tree {
                root_offset: map.offset + tree.root_offset,
                height_offset: map.offset + tree.height_offset,
                length_offset: map.offset + tree.length_offset,
                ..tree
            }))
        }
        _ => None,
    }
}

fn ring<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let Shape::Struct { parameters, .. } = &ty.shape else { return None };
    let (_, element) = parameters.iter().find(|(name, _)| name == "T")?;
    let buffer = field(fields, "buf")?;
    let ring = Ring {
        pointer_offset: first(types, buffer, is_thin_pointer, 0)?.0,
        capacity_offset: named(types, buffer, "cap")?,
        head_offset: first(types, field(fields, "head")?, is_word, 0)?.0,
        length_offset: first(types, field(fields, "len")?, is_word, 0)?.0,
    };
    Some(View::Ring { ring, items: Items::list(types, *element) })
}

/// The number in the field of that name, inside of `outer`.
fn named(types: &Types, outer: &Field, name: &str) -> Option<u64> {
    let Shape::Struct { fields, .. } = &types.get(outer.ty).shape else { return None };
    let inner = match field(fields, name) {
        Some(found) => first(types, found, is_word, 0)?.0,
        None => fields.iter().find_map(|inner| named(types, inner, name))?,
    };
    Some(outer.offset + inner)
}

fn list(types: &Types, fields: &[Field]) -> Option<List> {
    let (first_offset, node) = pointer_to(types, field(fields, "head")?)?;
    let (length_offset, _) = first(types, field(fields, "len")?, is_word, 0)?;
    let ty = types.get(node);
    let Shape::Struct { fields, .. } = &ty.shape else { return None };
    let (next_offset, _) = pointer_to(types, field(fields, "next")?)?;
    let element = field(fields, "element")?;
    let shown = Shown::List(Part { offset: element.offset, ty: element.ty });
    let length_offset = Some(length_offset);
    Some(List { first_offset, length_offset, node_bytes: ty.size_bytes, next_offset, shown })
}

fn tree(types: &Types, fields: &[Field], is_set: bool) -> Option<Tree> {
    let root = field(fields, "root")?;
    let (root_offset, leaf) = pointer_to(types, root)?;
    let height_offset = height(types, root)?;
    let (length_offset, _) = first(types, field(fields, "length")?, is_word, 0)?;
    let Shape::Struct { fields, .. } = &types.get(leaf).shape else { return None };
    let (keys, values) = (field(fields, "keys")?, field(fields, "vals")?);
    let (parent_offset, inner) = pointer_to(types, field(fields, "parent")?)?;
    let Shape::Struct { fields: inner, .. } = &types.get(inner).shape else { return None };
    // A leaf is how an inner node starts.
    field(inner, "data").filter(|data| data.offset == 0)?;
    let word = |name| {
        Some(first(types, field(fields, name)?, is_word, 0).or_else(|| within_union(types, field(fields, name)?))?.0)
    };
    let (key, capacity) = element(types, keys)?;
    let (value, _) = element(types, values)?;
    let node = TreeNode {
        keys_offset: keys.offset,
        values_offset: values.offset,
        edges_offset: field(inner, "edges")?.offset,
        parent_offset,
        parent_index_offset: word("parent_idx")?,
        length_offset: word("len")?,
        capacity,
    };
    Some(Tree { root_offset, height_offset, length_offset, node, key, value: (!is_set).then_some(value) })
}

/// The height beside the pointer to the root, which is in an `Option`.
fn height(types: &Types, root: &Field) -> Option<u64> {
    match &types.get(root.ty).shape {
        Shape::Struct { .. } => named(types, root, "height"),
        Shape::Enum(layout) => {
            let content = layout.variants.iter().find_map(|variant| variant.fields.first())?;
            Some(root.offset + height(types, content)?)
        }
        _ => None,
    }
}

/// Element and length of an array of `MaybeUninit`s.
fn element(types: &Types, array: &Field) -> Option<(TypeId, u64)> {
    let Shape::Array { element, count } = types.get(array.ty).shape else { return None };
    Some((initialised(types, element)?, count))
}

/// The type in a `MaybeUninit`.
pub(super) fn initialised(types: &Types, ty: TypeId) -> Option<TypeId> {
    let Shape::Union { fields } = &types.get(ty).shape else { return None };
    let value = field(fields, "value")?;
    // `ManuallyDrop`, and what it wraps in turn.
    let mut inner = value.ty;
    loop {
        match &types.get(inner).shape {
            Shape::Struct { fields, .. } if is_manual(&types.get(inner).name) => {
                let [only] = fields.as_slice() else { return None };
                inner = only.ty;
            }
            _ => return Some(inner),
        }
    }
}

fn is_manual(name: &str) -> bool {
    matches!(name::base(name), "core::mem::manually_drop::ManuallyDrop" | "core::mem::maybe_dangling::MaybeDangling")
}

/// The number in a `MaybeUninit`.
fn within_union(types: &Types, field: &Field) -> Option<(u64, TypeId)> {
    let ty = initialised(types, field.ty)?;
    is_word(&types.get(ty).shape).then_some((field.offset, ty))
}
