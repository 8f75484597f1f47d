//! Bytes → the items of rings, hash tables, trees and lists. Each walk ends at the limit of items, at the first part
//! of the structure that is not there, and at what no honest structure has.

use super::collect::Found;
use super::decode::{Decoder, Depth};
use super::layout::TypeId;
use super::limits::{SEQUENCE_BYTES_MAX, WALK_STEPS_MAX};
use super::place::Missing;
use super::source::Source;
use super::value::Value;
use super::view::{Items, List, Part, Ring, Shown, Table, Tree};

/// Control bytes read at once.
const CONTROL_BYTES: u64 = 64;

/// A tree of that height has more items than memory has bytes.
const HEIGHT_MAX: u64 = 40;

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
        let length = source.at(list.length_offset).word(self.memory)?;
        let first = source.at(list.first_offset).word(self.memory)?;
        let mut found = self.found(Shown::List(list.value));
        if (length == 0) != (first == 0) {
            return self.raw(ty, source);
        }
        if length > 0 {
            self.check_pointers(depth)?;
        }
        let mut node = first;
        while found.len() < self.limited(length) && node != 0 && self.is_there(node, list.node_bytes) {
            found.push(self, Source::Memory(node), depth.pointed_to());
            let Some(next) = self.word_at(node.wrapping_add(list.next_offset)) else { break };
            node = next;
        }
        self.finish_found(found, length, first)
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
