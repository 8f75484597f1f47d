//! Bytes → the items of rings, hash tables, trees and lists. Each walk ends at the limit of items, at the first part
//! of the structure that is not there, and at what no honest structure has.

use super::collect::Found;
use super::decode::{Decoder, Depth};
use super::layout::TypeId;
use super::limits::{SEQUENCE_BYTES_MAX, WALK_STEPS_MAX};
use super::place::Missing;
use super::source::Source;
use super::value::{Omitted, Value};
use super::view::{BinaryTree, Blocks, Items, List, Part, Ring, Shown, Table, Tree};

/// Control bytes read at once.
const CONTROL_BYTES: u64 = 64;

/// A tree of that height has more items than memory has bytes.
const HEIGHT_MAX: u64 = 40;

/// The same of a balanced tree with one item in each node.
const BINARY_HEIGHT_MAX: u64 = 128;

impl Decoder<'_> {
    fn limited(&self, length: u64) -> u64 {
        length.min(self.limits.items_max)
    }

    fn is_there(&self, address: u64, size_bytes: u64) -> bool {
        self.memory.read(address, size_bytes).is_ok()
    }

    fn half(&self, address: u64) -> Option<u64> {
        let bytes = self.memory.read(address, 2).ok()?;
        bytes.try_into().ok().map(|bytes| u64::from(u16::from_le_bytes(bytes)))
    }

    fn word_at(&self, address: u64) -> Option<u64> {
        Source::Memory(address).word(self.memory).ok()
    }

    pub(super) fn ring(
        &self,
        ty: TypeId,
        source: Source<'_>,
        ring: Ring,
        items: Items,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let word = |offset| source.at(offset).word(self.memory);
        let (length, head, capacity) =
            (word(ring.length_offset)?, word(ring.head_offset)?, word(ring.capacity_offset)?);
        let start = word(ring.pointer_offset)?;
        let mut found = self.found(items.shown);
        if items.stride > 0 && length > 0 {
            if length > capacity || head >= capacity || capacity.checked_mul(items.stride).is_none() {
                return self.raw(ty, source);
            }
            self.check_pointers(depth)?;
        }
        for i in 0..self.limited(length) {
            let index = if i < capacity.saturating_sub(head) { head + i } else { i - capacity.saturating_sub(head) };
            let address = start.wrapping_add(index.wrapping_mul(items.stride));
            if items.stride > 0 && !self.is_there(address, items.stride) {
                break;
            }
            found.push(self, Source::Memory(address), depth.pointed_to());
        }
        self.finish_found(found, length, start)
    }

    pub(super) fn table(
        &self,
        ty: TypeId,
        source: Source<'_>,
        table: Table,
        items: Items,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let word = |offset| source.at(offset).word(self.memory);
        let (length, mask) = (word(table.length_offset)?, word(table.mask_offset)?);
        let mut found = self.found(items.shown);
        if length == 0 {
            return Ok(found.finish(0));
        }
        let control = word(table.control_offset)?;
        let buckets = mask.wrapping_add(1);
        if !buckets.is_power_of_two() || length > buckets || buckets > i64::MAX as u64 / items.stride.max(1) {
            return self.raw(ty, source);
        }
        self.check_pointers(depth)?;
        let end = control.wrapping_add(buckets.min(SEQUENCE_BYTES_MAX));
        let mut at = control;
        'groups: while let Some(known) = self.memory.next_known(at, end) {
            let Ok(bytes) = self.memory.read_prefix(known, CONTROL_BYTES.min(end - known)) else { break };
            for (i, _) in bytes.iter().enumerate().filter(|(_, byte)| *byte & 0x80 == 0) {
                let index = known.wrapping_add(i as u64).wrapping_sub(control);
                let item = control.wrapping_sub(items.stride.wrapping_mul(index + 1));
                if found.len() == self.limited(length) || items.stride > 0 && !self.is_there(item, items.stride) {
                    break 'groups;
                }
                found.push(self, Source::Memory(item), depth.pointed_to());
            }
            at = known + bytes.len() as u64;
        }
        self.finish_found(found, length, control)
    }

    pub(super) fn list(&self, ty: TypeId, source: Source<'_>, list: List, depth: Depth) -> Result<Value, Missing> {
        let counted = list.length_offset.map(|offset| source.at(offset).word(self.memory)).transpose()?;
        let first = source.at(list.first_offset).word(self.memory)?;
        let mut found = self.found(list.shown);
        if counted.is_some_and(|length| length > 0 && first == 0) {
            return self.raw(ty, source);
        }
        let length = counted.unwrap_or(if first == 0 { 0 } else { u64::MAX });
        if length > 0 {
            self.check_pointers(depth)?;
        }
        let mut node = first;
        while found.len() < self.limited(length) && node != 0 && self.is_there(node, list.node_bytes) {
            found.push(self, Source::Memory(node), depth.pointed_to());
            let Some(next) = self.word_at(node.wrapping_add(list.next_offset)) else { break };
            node = next;
        }
        match counted {
            None if node == 0 => {
                let length = found.len();
                Ok(found.finish(length))
            }
            None if found.len() > 0 => Ok(found.finish_omitting(Omitted::Unknown)),
            _ => self.finish_found(found, length, first),
        }
    }

    pub(super) fn blocks(
        &self,
        ty: TypeId,
        source: Source<'_>,
        blocks: Blocks,
        items: Items,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let iterator = |at: u64| {
            let word = |offset| source.at(at + offset).word(self.memory);
            Ok::<_, Missing>((word(blocks.current)?, word(blocks.first)?, word(blocks.last)?, word(blocks.node)?))
        };
        let (start, first, last, node) = iterator(blocks.start)?;
        let (end, end_first, _, end_node) = iterator(blocks.end)?;
        let count = |from: u64, to: u64| to.checked_sub(from)?.checked_div(items.stride);
        let length = || match end_node.checked_sub(node)? / 8 {
            0 => count(start, end),
            further => {
                let whole = (further - 1).checked_mul(count(first, last)?)?;
                whole.checked_add(count(start, last)?)?.checked_add(count(end_first, end)?)
            }
        };
        let Some(length) = length().filter(|_| last > first) else { return self.raw(ty, source) };
        if length > 0 {
            self.check_pointers(depth)?;
        }
        let mut found = self.found(items.shown);
        let block_bytes = last - first;
        let (mut item, mut last, mut node) = (start, last, node);
        while found.len() < self.limited(length) {
            if item == last {
                node = node.wrapping_add(8);
                let Some(next) = self.word_at(node) else { break };
                (item, last) = (next, next.wrapping_add(block_bytes));
            }
            if !self.is_there(item, items.stride) {
                break;
            }
            found.push(self, Source::Memory(item), depth.pointed_to());
            item = item.wrapping_add(items.stride);
        }
        self.finish_found(found, length, start)
    }

    pub(super) fn binary_tree(
        &self,
        ty: TypeId,
        source: Source<'_>,
        tree: &BinaryTree,
        depth: Depth,
    ) -> Result<Value, Missing> {
        let word = |offset| source.at(offset).word(self.memory);
        let (length, root) = (word(tree.length_offset)?, word(tree.root_offset)?);
        let mut found = self.found(tree.shown);
        if length == 0 {
            return Ok(found.finish(0));
        }
        if root == 0 {
            return self.raw(ty, source);
        }
        self.check_pointers(depth)?;
        let mut steps = 0;
        self.in_order(tree, &mut found, (root, 0), &mut steps, (self.limited(length), depth.pointed_to()));
        self.finish_found(found, length, root)
    }

    /// The items below a node; `None` when the walk is over.
    fn in_order(
        &self,
        tree: &BinaryTree,
        found: &mut Found<'_>,
        (node, height): (u64, u64),
        steps: &mut u32,
        limits: (u64, Depth),
    ) -> Option<()> {
        *steps += 1;
        let (items_max, depth) = limits;
        if *steps > WALK_STEPS_MAX || height > BINARY_HEIGHT_MAX {
            return None;
        }
        let link = |offset: u64| self.word_at(node.wrapping_add(offset));
        match link(tree.left_offset)? {
            0 => {}
            left => self.in_order(tree, found, (left, height + 1), steps, limits)?,
        }
        let is_there = tree.shown.parts().all(|part| {
            let size_bytes = self.types.get(part.ty).size_bytes;
            size_bytes == 0 || self.is_there(node.wrapping_add(part.offset), size_bytes)
        });
        if found.len() == items_max || !is_there {
            return None;
        }
        found.push(self, Source::Memory(node), depth);
        match link(tree.right_offset)? {
            0 => Some(()),
            right => self.in_order(tree, found, (right, height + 1), steps, limits),
        }
    }

    pub(super) fn tree(&self, ty: TypeId, source: Source<'_>, tree: &Tree, depth: Depth) -> Result<Value, Missing> {
        let word = |offset| source.at(offset).word(self.memory);
        let length = word(tree.length_offset)?;
        let key = Part { offset: 0, ty: tree.key };
        let shown =
            tree.value.map_or(Shown::Set(key), |value| Shown::Map { key, value: Part { offset: 0, ty: value } });
        let mut walk = Walk { tree, found: self.found(shown), left: self.limited(length), steps: 0 };
        if length == 0 {
            return Ok(walk.found.finish(0));
        }
        let (root, height) = (word(tree.root_offset)?, word(tree.height_offset)?);
        if root == 0 || height > HEIGHT_MAX {
            return self.raw(ty, source);
        }
        self.check_pointers(depth)?;
        self.subtree(&mut walk, root, height, depth.pointed_to());
        self.finish_found(walk.found, length, root)
    }

    /// The items below a node in order; `None` when the walk is over.
    fn subtree(&self, walk: &mut Walk<'_>, node: u64, height: u64, depth: Depth) -> Option<()> {
        let layout = &walk.tree.node;
        walk.steps += 1;
        let length = self.half(node.wrapping_add(layout.length_offset))?;
        if length > layout.capacity || walk.steps > WALK_STEPS_MAX {
            return None;
        }
        for i in 0..=length {
            if height > 0 {
                let edge = self.word_at(node.wrapping_add(layout.edges_offset + 8 * i))?;
                self.subtree(walk, edge, height - 1, depth)?;
            }
            if i < length {
                self.tree_item(walk, node, i, depth)?;
            }
        }
        Some(())
    }

    fn tree_item(&self, walk: &mut Walk<'_>, node: u64, index: u64, depth: Depth) -> Option<()> {
        walk.left = walk.left.checked_sub(1)?;
        let part = |start: u64, ty: TypeId| {
            let size_bytes = self.types.get(ty).size_bytes;
            let address = node.wrapping_add(start).wrapping_add(index * size_bytes);
            (size_bytes == 0 || self.is_there(address, size_bytes)).then_some(Source::Memory(address))
        };
        let key = part(walk.tree.node.keys_offset, walk.tree.key)?;
        let value = walk.tree.value.map(|ty| part(walk.tree.node.values_offset, ty));
        walk.found.push_apart(self, key, value.unwrap_or(Some(key))?, depth);
        Some(())
    }

    /// What was found; the reason if nothing was.
    fn finish_found(&self, found: Found<'_>, length: u64, start: u64) -> Result<Value, Missing> {
        match self.memory.read(start, 1) {
            Err(missing) if found.len() == 0 && length > 0 => Err(missing),
            _ => Ok(found.finish(length)),
        }
    }
}

struct Walk<'t> {
    tree: &'t Tree,
    found: Found<'t>,
    /// Items that may still be shown.
    left: u64,
    /// Nodes visited.
    steps: u32,
}
