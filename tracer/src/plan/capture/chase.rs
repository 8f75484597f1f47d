//! Follows the pointers of a value, by the view of its type.

use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, OpCode};

use super::super::assembler::{Address, Stop};
use super::place::Base;
use super::{Compiler, Depth, Step};
use crate::value::layout::{Field, TypeId};
use crate::value::place::{Location, Piece, Place};
use crate::value::view::{USER_ADDRESSES, View, view};
use crate::value::{NESTING_MAX, OBJECT_POINTERS_MAX};

impl Compiler<'_> {
    /// As the decoder does, a value that is in memory as a whole is taken from there whatever its piece's size.
    pub(super) fn chase_root(&mut self, ty: TypeId, location: &Location, pieces: Base<'_>) -> Step {
        if !self.leads_further(ty) {
            return Ok(());
        }
        match location.pieces.as_slice() {
            [Piece { place: Place::Memory(place), .. }] => {
                let address = self.assembler.place(place, false)?;
                self.enter(ty, address, Depth::default())
            }
            [Piece { place: Place::Address(term), .. }] => {
                let address = self.assembler.term(term, false)?;
                self.enter(ty, address, Depth::default())
            }
            _ => self.chase(ty, pieces, Depth::default()),
        }
    }

    /// What is masked is not followed.
    pub(super) fn masks(&self, owner: TypeId, field: &Field) -> bool {
        self.types.masks_field(self.types.get(owner), field)
    }

    /// Whether a value of this type has pointers that are followed.
    pub(super) fn leads_further(&mut self, ty: TypeId) -> bool {
        if let Some(known) = self.leads_further.get(&ty) {
            return *known;
        }
        // No value contains itself: whatever says so ends here.
        self.leads_further.insert(ty, false);
        let leads = match view(self.types, ty) {
            View::Text(_) | View::Pointee { .. } | View::CString | View::Word { .. } => true,
            View::WideText { .. } | View::Bits(_) | View::Object { .. } | View::VirtualBase { .. } => true,
            View::Sequence { .. } | View::Ring { .. } | View::Blocks { .. } | View::Table { .. } => true,
            View::Choice(choice) => {
                let mut contents = choice.alternatives.iter().filter_map(|one| one.content);
                contents.any(|part| self.leads_further(part.ty))
            }
            View::Tree(_)
            | View::Binary(_)
            | View::List(_)
            | View::ByteString(_)
            | View::Small { .. }
            | View::Dynamic(_) => true,
            View::Inline { inline, items } => {
                inline.capacity > 0 && items.parts().any(|part| self.leads_further(part.ty))
            }
            View::Shell(shell) => shell.parts.iter().any(|(_, part)| self.leads_further(part.ty)),
            View::Once { ty, .. } => self.leads_further(ty),
            View::Range(range) => range.start.iter().chain(&range.end).any(|part| self.leads_further(part.ty)),
            View::Transparent { ty, .. } | View::Measured { ty, .. } => self.leads_further(ty),
            View::Fields { fields, .. } => {
                fields.iter().any(|field| !self.masks(ty, field) && self.leads_further(field.ty))
            }
            View::Enum { layout, .. } => {
                let mut shown = layout.variants.iter().filter(|variant| layout.is_shown(variant));
                shown.any(|variant| {
                    variant.fields.iter().any(|field| !self.masks(ty, field) && self.leads_further(field.ty))
                })
            }
            View::Array { element, count } => count > 0 && self.leads_further(element),
            _ => false,
        };
        self.leads_further.insert(ty, leads);
        leads
    }

    /// Follows the pointers of the value at `base`.
    pub(super) fn chase(&mut self, ty: TypeId, base: Base<'_>, depth: Depth) -> Step {
        if depth.nesting > NESTING_MAX || !self.leads_further(ty) {
            return Ok(());
        }
        let Some(left) = self.values_left.checked_sub(1) else {
            self.assembler.is_complete = false;
            return Ok(());
        };
        self.values_left = left;
        let may_follow = depth.pointers < self.limits.pointers_max;
        match view(self.types, ty) {
            View::Text(stretch) | View::ByteString(stretch) if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.text(base, stretch)
                });
            }
            View::WideText { stretch, unit_bytes } if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.wide_text(base, stretch, unit_bytes)
                });
            }
            View::Bits(bits) if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.bits(base, bits)
                });
            }
            View::Sequence { stretch, items } if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.sequence(base, stretch, items, depth.pointed_to())
                });
            }
            View::Ring { ring, items } if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.ring(base, ring, items, depth.pointed_to())
                });
            }
            View::Blocks { blocks, items } if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.blocks(base, blocks, items, depth.pointed_to())
                });
            }
            View::Table { table, items } if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.table(base, table, items, depth.pointed_to())
                });
            }
            View::Tree(tree) if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.tree(base, &tree, depth.pointed_to())
                });
            }
            View::Binary(tree) if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.binary_tree(base, tree, depth.pointed_to())
                });
            }
            View::Choice(choice) => {
                for one in &choice.alternatives {
                    self.attempt(|compiler| compiler.alternative(&choice, one, base, depth.nested()));
                }
            }
            View::List(list) if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.list(base, list, depth.pointed_to())
                });
            }
            View::Pointee { pointer_offset, target_offset, target } if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.load_word(base.at(pointer_offset))?;
                    compiler.pointee(target, target_offset, depth.pointed_to())
                });
            }
            View::Object { target } if may_follow && depth.pointers < OBJECT_POINTERS_MAX => {
                self.attempt(|compiler| {
                    compiler.follow_at_most(depth, OBJECT_POINTERS_MAX)?;
                    compiler.load_word(base)?;
                    compiler.assembler.guard(OpCode::JumpIf, 0, 0)?;
                    compiler.pointee(target, 0, depth.pointed_to())
                });
            }
            View::VirtualBase { target, slot } => {
                self.attempt(|compiler| compiler.virtual_base(base, target, slot, depth.nested()));
            }
            View::Inline { inline, items } => {
                self.attempt(|compiler| compiler.inline(base, inline, items, depth.nested()));
            }
            View::Small { inline, stretch, items } => {
                self.attempt(|compiler| compiler.inline(base, inline, items, depth.nested()));
                if may_follow {
                    self.attempt(|compiler| {
                        compiler.follow(depth)?;
                        compiler.load_word(base.at(inline.length_offset))?;
                        compiler.assembler.guard(OpCode::JumpIf, 0, inline.capacity)?;
                        compiler.sequence(base, stretch, items, depth.pointed_to())
                    });
                }
            }
            View::Shell(shell) => {
                for (_, part) in shell.parts {
                    self.chase(part.ty, base.at(part.offset), depth.nested())?;
                }
            }
            View::Once { offset, ty, .. } => self.chase(ty, base.at(offset), depth.nested())?,
            View::Range(range) => {
                for part in range.start.into_iter().chain(range.end) {
                    self.chase(part.ty, base.at(part.offset), depth.nested())?;
                }
            }
            View::Dynamic(dynamic) if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.dynamic(base, dynamic, depth.pointed_to())
                });
            }
            View::CString if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.load_word(base)?;
                    compiler.assembler.guard(OpCode::JumpIf, 0, 0)?;
                    compiler.string()
                });
            }
            View::Word { .. } if may_follow => {
                self.attempt(|compiler| {
                    compiler.follow(depth)?;
                    compiler.word(base)
                });
            }
            View::Transparent { offset, ty } => self.chase(ty, base.at(offset), depth.nested())?,
            View::Fields { fields, .. } => {
                for field in fields.iter().filter(|field| field.bits.is_none()) {
                    if !self.masks(ty, field) {
                        self.chase(field.ty, base.at(field.offset), depth.nested())?;
                    }
                }
            }
            View::Enum { layout, .. } => {
                for variant in layout.variants.iter().filter(|variant| layout.is_shown(variant)) {
                    self.attempt(|compiler| compiler.variant(ty, layout, variant, base, depth.nested()));
                }
            }
            View::Array { element, count } => {
                self.attempt(|compiler| compiler.array(base, element, count, depth.nested()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Leaves the block if a routine was called too deep for another pointer.
    fn follow(&mut self, depth: Depth) -> Step {
        self.follow_at_most(depth, u32::MAX)
    }

    fn follow_at_most(&mut self, depth: Depth, pointers_max: u32) -> Step {
        // Nobody calls a routine that is too deep itself.
        let limit = self.limits.pointers_max.min(pointers_max);
        let is_bounded_by_call = depth.pointers == 0 && limit == self.limits.pointers_max;
        if !self.routines.is_inside() || is_bounded_by_call {
            return Ok(());
        }
        self.assembler.leaving(OpCode::JumpIfDeep, |op| (op.immediate, op.b) = (depth.pointers, limit.into()))
    }

    /// With the pointer in the accumulator: copies the target, then follows its pointers.
    fn pointee(&mut self, target: TypeId, target_offset: u64, depth: Depth) -> Step {
        let size_bytes = self.types.get(target).size_bytes;
        if !self.leads_further(target) {
            return self.copy(Address::Accumulator(target_offset), size_bytes);
        }
        let slot = self.assembler.save()?;
        self.copy(Address::Accumulator(target_offset), size_bytes)?;
        self.enter(target, Address::Slot(slot, target_offset), depth)
    }

    /// The base class, and where it is, which is not within the object that was copied if that is a part of another.
    fn virtual_base(&mut self, base: Base<'_>, target: TypeId, slot: u64, depth: Depth) -> Step {
        let Base::Memory(here) = base else { return Err(Stop::Unreachable) };
        self.load_word(base)?;
        self.copy(Address::Accumulator(slot.wrapping_neg()), 8)?;
        self.assembler.load_memory(Address::Accumulator(slot.wrapping_neg()), 8)?;
        let distance = self.assembler.save()?;
        let displacement = self.assembler.load_base(here)?;
        self.assembler.add(displacement)?;
        self.add_slot(distance, 1)?;
        self.pointee(target, 0, depth)
    }

    /// The text that a word leads to, if it can be an address.
    fn word(&mut self, base: Base<'_>) -> Step {
        self.load_word(base)?;
        self.assembler.guard(OpCode::JumpUnless, *USER_ADDRESSES.start(), *USER_ADDRESSES.end())?;
        self.string()
    }

    /// With the pointer in the accumulator.
    pub(super) fn string(&mut self) -> Step {
        // One more for the NUL: a string as long as the limit is not cut.
        let limit_bytes = self.limits.string_bytes_max.saturating_add(1).min(CHUNK_BYTES_MAX as u64);
        self.assembler.emit(OpCode::CopyString, |op| op.b = limit_bytes)
    }
}
