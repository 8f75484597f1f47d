//! Items that are not one behind the other: rings, hash tables, trees, lists. Each walk is a loop that ends when the
//! limit of items is reached; of the structure itself it copies what the decoder needs to walk the same way.

use tracer_ebpf::abi::plan::{FIND_BYTES, OpCode};

use super::super::assembler::{Address, Stop};
use super::place::Base;
use super::{Compiler, Depth, Step};
use crate::value::view::{BinaryTree, Blocks, Items, List, Part, Ring, Table, Tree, TreeNode};

/// Control bytes that are copied in front of the items. Those of larger tables are copied where an item is.
const CONTROL_BYTES: u64 = 4 * FIND_BYTES as u64;

impl Compiler<'_> {
    /// At most two stretches: from the head to the end of the buffer, and from its start.
    pub(super) fn ring(&mut self, base: Base<'_>, ring: Ring, items: Items, depth: Depth) -> Step {
        self.load_word(base.at(ring.length_offset))?;
        self.assembler.emit(OpCode::Least, |op| op.a = self.limits.items_max)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        let left = self.assembler.save()?;
        self.load_word(base.at(ring.head_offset))?;
        let head = self.assembler.save()?;
        self.load_word(base.at(ring.capacity_offset))?;
        self.add_slot(head, 1_u64.wrapping_neg())?;
        self.assembler.emit(OpCode::LeastSlot, |op| op.register = left)?;
        let first = self.assembler.save()?;
        self.load_word(base.at(ring.pointer_offset))?;
        let start = self.assembler.save()?;
        self.add_slot(head, items.stride)?;
        self.block(|compiler| compiler.items(first, items, depth))?;
        self.assembler.restore(left)?;
        self.add_slot(first, 1_u64.wrapping_neg())?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.assembler.save_to(left)?;
        self.assembler.restore(start)?;
        self.items(left, items, depth)
    }

    /// Control bytes upwards, items downwards from the same address.
    pub(super) fn table(&mut self, base: Base<'_>, table: Table, items: Items, depth: Depth) -> Step {
        let stride = items.stride;
        self.load_word(base.at(table.length_offset))?;
        self.assembler.emit(OpCode::Least, |op| op.a = self.limits.items_max)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        let cursor = self.assembler.reserve(2)?;
        self.assembler.save_to(cursor + 1)?;
        self.load_word(base.at(table.mask_offset))?;
        self.assembler.add(1)?;
        let buckets = self.assembler.save()?;
        self.load_word(base.at(table.control_offset))?;
        let control = self.assembler.save()?;
        self.assembler.save_to(cursor)?;
        self.slice(buckets, 1, CONTROL_BYTES)?;
        self.add_slot(buckets, 1)?;
        let end = self.assembler.save()?;

        let find = self.assembler.here();
        self.assembler.restore(cursor)?;
        let missed = self.assembler.ahead(OpCode::FindClear, |op| op.register = end)?;
        self.assembler.save_to(cursor)?;
        self.add_slot(control, 1_u64.wrapping_neg())?;
        let index = self.assembler.save()?;
        let is_copied = self.assembler.ahead(OpCode::JumpIf, |op| op.b = CONTROL_BYTES - 1)?;
        self.assembler.restore(cursor)?;
        self.assembler.emit(OpCode::Copy, |op| op.b = 1)?;
        self.assembler.land(is_copied);
        self.assembler.restore(control)?;
        self.add_slot(index, stride.wrapping_neg())?;
        self.assembler.add(stride.wrapping_neg())?;
        self.item(items.parts(), stride, depth)?;
        self.assembler.jump(OpCode::Repeat, find, |op| (op.register, op.a) = (cursor, 1))?;
        self.assembler.leaving(OpCode::Jump, |_| {})?;

        self.assembler.land(missed);
        self.assembler.save_to(cursor)?;
        self.assembler.leaving(OpCode::JumpUnlessBelow, |op| op.register = end)?;
        self.assembler.jump(OpCode::Jump, find, |_| {})
    }

    pub(super) fn list(&mut self, base: Base<'_>, list: List, depth: Depth) -> Step {
        let node = self.assembler.reserve(2)?;
        self.load_word(base.at(list.first_offset))?;
        self.assembler.save_to(node)?;
        match list.length_offset {
            Some(length_offset) => {
                self.load_word(base.at(length_offset))?;
                self.assembler.emit(OpCode::Least, |op| op.a = self.limits.items_max)?;
                self.assembler.guard(OpCode::JumpIf, 0, 0)?;
            }
            None => self.assembler.emit(OpCode::LoadConstant, |op| op.a = self.limits.items_max)?,
        }
        self.assembler.save_to(node + 1)?;
        let next = self.assembler.here();
        self.assembler.restore(node)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.item(list.shown.parts(), list.node_bytes, depth)?;
        self.assembler.load_memory(Address::Slot(node, list.next_offset), 8)?;
        self.assembler.save_to(node)?;
        self.assembler.jump(OpCode::Repeat, next, |op| op.register = node)
    }

    /// In order: down to the left, the node, down behind it to its right; from where there is none, up to the first
    /// node that was come from by its left.
    pub(super) fn binary_tree(&mut self, base: Base<'_>, tree: BinaryTree, depth: Depth) -> Step {
        let node = self.assembler.reserve(2)?;
        let child = self.assembler.reserve(1)?;
        self.load_word(base.at(tree.length_offset))?;
        self.assembler.emit(OpCode::Least, |op| op.a = self.limits.items_max)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.assembler.save_to(node + 1)?;
        self.load_word(base.at(tree.root_offset))?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;

        let descend = self.assembler.here();
        self.assembler.save_to(node)?;
        for link in [tree.left_offset, tree.right_offset] {
            self.assembler.emit(OpCode::Copy, |op| (op.a, op.b) = (link, 8))?;
        }
        self.assembler.load_memory(Address::Accumulator(tree.left_offset), 8)?;
        self.assembler.jump(OpCode::JumpUnless, descend, |_| {})?;

        let visit = self.assembler.here();
        self.assembler.restore(node)?;
        self.item(tree.shown.parts(), tree.node_bytes, depth)?;
        let more = self.assembler.ahead(OpCode::Repeat, |op| op.register = node)?;
        self.assembler.leaving(OpCode::Jump, |_| {})?;
        self.assembler.land(more);
        self.assembler.load_memory(Address::Accumulator(tree.right_offset), 8)?;
        self.assembler.jump(OpCode::JumpUnless, descend, |_| {})?;

        let climb = self.assembler.here();
        self.assembler.restore(node)?;
        self.assembler.save_to(child)?;
        self.assembler.load_memory(Address::Accumulator(tree.parent_offset), 8)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.assembler.save_to(node)?;
        self.assembler.load_memory(Address::Accumulator(tree.right_offset), 8)?;
        self.add_slot(child, 1_u64.wrapping_neg())?;
        self.assembler.jump(OpCode::JumpIf, climb, |_| {})?;
        self.assembler.jump(OpCode::Jump, visit, |_| {})
    }

    /// Item by item; at the end of a block on to the block that the table has next.
    pub(super) fn blocks(&mut self, base: Base<'_>, blocks: Blocks, items: Items, depth: Depth) -> Step {
        let item = self.assembler.reserve(2)?;
        let [last, block_bytes, node, end] = [(); 4].map(|()| self.assembler.reserve(1));
        let (last, block_bytes, node, end) = (last?, block_bytes?, node?, end?);
        let words = [
            (blocks.end + blocks.current, end),
            (blocks.start + blocks.node, node),
            (blocks.start + blocks.current, item),
            (blocks.start + blocks.first, block_bytes),
            (blocks.start + blocks.last, last),
        ];
        for (offset, slot) in words {
            self.load_word(base.at(offset))?;
            self.assembler.save_to(slot)?;
        }
        self.add_slot(block_bytes, 1_u64.wrapping_neg())?;
        self.assembler.save_to(block_bytes)?;
        self.assembler.emit(OpCode::LoadConstant, |op| op.a = self.limits.items_max)?;
        self.assembler.save_to(item + 1)?;

        let next = self.assembler.here();
        self.assembler.restore(item)?;
        self.add_slot(last, 1_u64.wrapping_neg())?;
        let in_block = self.assembler.ahead(OpCode::JumpUnless, |_| {})?;
        self.assembler.restore(node)?;
        self.assembler.add(8)?;
        self.assembler.save_to(node)?;
        self.assembler.emit(OpCode::Copy, |op| op.b = 8)?;
        self.assembler.load_memory(Address::Accumulator(0), 8)?;
        self.assembler.save_to(item)?;
        self.add_slot(block_bytes, 1)?;
        self.assembler.save_to(last)?;
        self.assembler.land(in_block);
        self.assembler.restore(item)?;
        self.add_slot(end, 1_u64.wrapping_neg())?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.assembler.restore(item)?;
        self.item(items.parts(), items.stride, depth)?;
        self.assembler.jump(OpCode::Repeat, next, |op| (op.register, op.a) = (item, items.stride))
    }

    /// In the order of the keys, by the way that nodes know their parents: down the first edges, along a leaf, up to
    /// the next item, down behind it.
    pub(super) fn tree(&mut self, base: Base<'_>, tree: &Tree, depth: Depth) -> Step {
        let layout = &tree.node;
        // The index counts up while the items left count down: `Repeat` takes both.
        let index = self.assembler.reserve(2)?;
        let [node, height, end] = [self.assembler.reserve(1)?, self.assembler.reserve(1)?, self.assembler.reserve(1)?];
        self.load_word(base.at(tree.length_offset))?;
        self.assembler.emit(OpCode::Least, |op| op.a = self.limits.items_max)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.assembler.save_to(index + 1)?;
        self.load_word(base.at(tree.height_offset))?;
        self.assembler.save_to(height)?;
        self.load_word(base.at(tree.root_offset))?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.assembler.save_to(node)?;

        let descend = self.assembler.here();
        self.assembler.restore(node)?;
        self.assembler.emit(OpCode::Copy, |op| (op.a, op.b) = (layout.length_offset, 2))?;
        self.assembler.emit(OpCode::LoadConstant, |_| {})?;
        self.assembler.save_to(index)?;
        self.assembler.restore(height)?;
        let at_leaf = self.assembler.ahead(OpCode::JumpIf, |_| {})?;
        let behind = self.assembler.here();
        self.assembler.add(1_u64.wrapping_neg())?;
        self.assembler.save_to(height)?;
        self.assembler.restore(node)?;
        self.add_slot(index, 8)?;
        self.assembler.emit(OpCode::Copy, |op| (op.a, op.b) = (layout.edges_offset, 8))?;
        self.assembler.load_memory(Address::Accumulator(layout.edges_offset), 8)?;
        self.assembler.save_to(node)?;
        self.assembler.jump(OpCode::Jump, descend, |_| {})?;

        self.assembler.land(at_leaf);
        let enter = self.assembler.here();
        self.assembler.load_memory(Address::Slot(node, layout.length_offset), 2)?;
        self.assembler.save_to(end)?;
        let item = self.assembler.here();
        self.assembler.restore(index)?;
        let exhausted = self.assembler.ahead(OpCode::JumpUnlessBelow, |op| op.register = end)?;
        self.tree_item(tree, node, index, depth)?;
        let more = self.assembler.ahead(OpCode::Repeat, |op| (op.register, op.a) = (index, 1))?;
        self.assembler.leaving(OpCode::Jump, |_| {})?;
        self.assembler.land(more);
        self.assembler.restore(height)?;
        self.assembler.jump(OpCode::JumpIf, item, |_| {})?;
        self.assembler.jump(OpCode::Jump, behind, |_| {})?;

        self.assembler.land(exhausted);
        self.climb(layout, node, height, index)?;
        self.assembler.jump(OpCode::Jump, enter, |_| {})
    }

    /// To the item of the parent that the node is in front of.
    fn climb(&mut self, layout: &TreeNode, node: u8, height: u8, index: u8) -> Step {
        self.assembler.load_memory(Address::Slot(node, layout.parent_index_offset), 2)?;
        self.assembler.save_to(index)?;
        self.assembler.load_memory(Address::Slot(node, layout.parent_offset), 8)?;
        self.assembler.guard(OpCode::JumpIf, 0, 0)?;
        self.assembler.save_to(node)?;
        self.assembler.restore(height)?;
        self.assembler.add(1)?;
        self.assembler.save_to(height)
    }

    /// Key and value of one item of a node.
    fn tree_item(&mut self, tree: &Tree, node: u8, index: u8, depth: Depth) -> Step {
        let parts = [(tree.node.keys_offset, Some(tree.key)), (tree.node.values_offset, tree.value)];
        for (offset, ty) in parts {
            let Some(ty) = ty else { continue };
            let size_bytes = self.types.get(ty).size_bytes;
            if size_bytes == 0 {
                continue;
            }
            self.assembler.restore(node)?;
            self.add_slot(index, size_bytes)?;
            self.assembler.add(offset)?;
            self.item(std::iter::once(Part { offset: 0, ty }), size_bytes, depth)?;
        }
        Ok(())
    }

    /// With its address in the accumulator: copies an item and follows the pointers of its parts. What fails in it
    /// leaves the item, not the walk.
    fn item(&mut self, parts: impl Iterator<Item = Part> + Clone, size_bytes: u64, depth: Depth) -> Step {
        let leads_further = parts.clone().any(|part| self.leads_further(part.ty));
        self.block(|compiler| {
            if !leads_further {
                return compiler.copy(Address::Accumulator(0), size_bytes);
            }
            let address = Address::Slot(compiler.assembler.save()?, 0);
            compiler.copy(Address::Accumulator(0), size_bytes)?;
            compiler.parts(parts, address, depth)
        })
    }

    pub(super) fn add_slot(&mut self, slot: u8, factor: u64) -> Result<(), Stop> {
        self.assembler.emit(OpCode::AddSlot, |op| (op.register, op.a) = (slot, factor))
    }
}
