//! Parts of values, by the way that leads to them: what the decoder needs to go the same way, and then the part itself.

use tracer_ebpf::abi::plan::OpCode;

use super::place::Base;
use super::{Compiler, Depth, Step, Wanted};
use crate::plan::assembler::Address;
use crate::value::layout::Shape;
use crate::value::place::{Location, Piece, Place};
use crate::value::walk::{Length, Part, Step as WayStep, TextPlace, Way};

impl Compiler<'_> {
    /// The registers that lead to the value; the value itself only if it is in pieces.
    pub(super) fn root_of_part(&mut self, wanted: &Wanted<'_>) {
        match wanted.location.pieces.as_slice() {
            [Piece { place: Place::Memory(place), .. }] => {
                place.base.into_iter().chain(place.index.map(|(index, _)| index)).for_each(|r| self.carry(r));
            }
            [Piece { place: Place::Address(term), .. }] => {
                term.registers().into_iter().for_each(|register| self.carry(register));
            }
            _ => self.root(wanted.ty, wanted.location),
        }
    }

    /// Goes the way, and copies what is at its end and what that leads to.
    pub(super) fn part(&mut self, location: &Location, way: &Way) -> Step {
        let mut here = match location.pieces.as_slice() {
            [Piece { place: Place::Memory(place), .. }] => Base::Memory(self.assembler.place(place, true)?),
            [Piece { place: Place::Address(term), .. }] => Base::Memory(self.assembler.term(term, true)?),
            _ => Base::Pieces { location, offset: 0 },
        };
        for step in &way.steps {
            here = match step {
                WayStep::Offset(bytes) => here.at(*bytes),
                WayStep::Follow(bytes) => {
                    self.load_copied_word(here)?;
                    Base::Memory(Address::Slot(self.assembler.save()?, *bytes))
                }
                WayStep::Element { stretch, stride, index } => {
                    self.load_copied_word(here.at(stretch.length_offset))?;
                    let least = index.saturating_add(1).saturating_add(stretch.terminator_bytes);
                    self.assembler.guard(OpCode::JumpUnless, least, u64::MAX)?;
                    self.load_copied_word(here.at(stretch.pointer_offset))?;
                    let bytes = stretch.data_offset.wrapping_add(stride.wrapping_mul(*index));
                    Base::Memory(Address::Slot(self.assembler.save()?, bytes))
                }
                WayStep::Variant { ty, variant } => {
                    let types = self.types;
                    if let Shape::Enum(layout) = &types.get(*ty).shape
                        && let (Some(tag), Some(variant)) = (layout.tag, layout.variants.get(*variant))
                    {
                        self.copy_here(here.at(tag.offset), tag.size_bytes)?;
                        let shift = self.load_bits(here.at(tag.offset), tag.size_bytes)?;
                        self.select(layout, variant, tag.size_bytes, shift)?;
                    }
                    here
                }
                // Which item it is only the decoder finds out, so as many as the limits allow are copied.
                WayStep::Item { ty, .. } => return self.end_of_way(Part::Value { ty: *ty, bits: None }, here),
            };
        }
        self.end_of_way(way.part, here)
    }

    fn end_of_way(&mut self, part: Part, here: Base<'_>) -> Step {
        match part {
            Part::Value { ty, bits } => {
                self.copy_here(here, self.types.get(ty).size_bytes)?;
                match here {
                    _ if bits.is_some() => Ok(()),
                    Base::Memory(address) => self.enter(ty, address, Depth::default()),
                    Base::Pieces { .. } => self.chase(ty, here, Depth::default()),
                }
            }
            Part::Length(Length::Fixed(_)) => Ok(()),
            Part::Length(Length::Word(stretch)) => self.copy_here(here.at(stretch.length_offset), 8),
            Part::Length(Length::Short { offset, size_bytes }) => self.copy_here(here.at(offset), size_bytes),
            Part::Length(Length::CString) => {
                self.load_copied_word(here)?;
                self.assembler.guard(OpCode::JumpIf, 0, 0)?;
                self.string()
            }
            Part::Length(Length::CharArray(size)) | Part::Bytes(size) => self.copy_here(here, size),
            Part::Text(TextPlace::Stretch(stretch)) => {
                self.copy_here(here.at(stretch.pointer_offset), 8)?;
                self.copy_here(here.at(stretch.length_offset), 8)?;
                self.text(here, stretch)
            }
            Part::Text(TextPlace::CString) => self.end_of_way(Part::Length(Length::CString), here),
            Part::Text(TextPlace::CharArray(size) | TextPlace::Bytes(size)) => {
                self.copy_here(here, size.min(self.limits.string_bytes_max))
            }
            Part::Text(TextPlace::ThreadName) => Ok(()),
        }
    }

    /// What is in pieces was copied with its root.
    fn copy_here(&mut self, here: Base<'_>, size_bytes: u64) -> Step {
        match here {
            Base::Memory(address) => self.copy(address, size_bytes),
            Base::Pieces { .. } => Ok(()),
        }
    }

    fn load_copied_word(&mut self, here: Base<'_>) -> Step {
        self.copy_here(here, 8)?;
        self.load_word(here)
    }
}
