//! Logic → operations that end with 1 in the accumulator if it holds, else with 0. What cannot be read counts as
//! false: each reading that fails goes where its test goes when it fails.

mod span;

use tracer_ebpf::abi::filter::{TEXT_BYTES_MAX, Text};
use tracer_ebpf::abi::plan::{OPS_MAX, Op, OpCode, REGISTER_DURATION, REGISTER_PARTS, REGISTER_THREAD_ID, SLOTS};

use super::Places;
use super::check::tags;
use super::logic::{Leaf, Logic, Root, Test};
use super::ranges::Ranges;
use crate::plan::expression::error::Mistake;
use crate::value::layout::Shape;
use crate::value::place::{Location, MemoryPlace, Place};
use crate::value::view::{Extent, Stretch};
use crate::value::walk::{Step, TextPlace, Which};

/// The operations that decide `logic`; texts are added to `texts`.
pub(super) fn compile(logic: &Logic, places: &Places<'_>, texts: &mut Vec<Text>) -> Result<Vec<Op>, Mistake> {
    let mut code = Code { places, texts, ops: Vec::new(), labels: Vec::new(), jumps: Vec::new(), slots: 0 };
    let (holds, fails, end) = (code.label(), code.label(), code.label());
    code.logic(logic, holds, fails, holds)?;
    code.place(holds);
    code.emit(OpCode::LoadConstant, |op| op.a = 1);
    code.jump(OpCode::Jump, end, |_| {});
    code.place(fails);
    code.emit(OpCode::LoadConstant, |_| {});
    code.place(end);
    code.finish()
}

const TWO_VALUES: Mistake = Mistake::NotInKernel("it compares two values of the target");

#[derive(Clone, Copy, PartialEq, Eq)]
struct Label(usize);

/// Where a value is when the operations run.
#[derive(Clone, Copy)]
enum Here<'l> {
    Pieces {
        location: &'l Location,
        offset: u64,
    },
    /// So many bytes behind the address in a register or slot, or behind a fixed address.
    Register(u8, u64),
    Slot(u8, u64),
    Address(u64),
}

impl Here<'_> {
    fn at(self, bytes: u64) -> Self {
        match self {
            Self::Pieces { location, offset } => Self::Pieces { location, offset: offset.saturating_add(bytes) },
            Self::Register(register, behind) => Self::Register(register, behind.wrapping_add(bytes)),
            Self::Slot(slot, behind) => Self::Slot(slot, behind.wrapping_add(bytes)),
            Self::Address(address) => Self::Address(address.wrapping_add(bytes)),
        }
    }
}

struct Code<'c> {
    places: &'c Places<'c>,
    texts: &'c mut Vec<Text>,
    ops: Vec<Op>,
    /// Where each label is.
    labels: Vec<usize>,
    /// Operations whose target is still to be set.
    jumps: Vec<(usize, Label)>,
    slots: u8,
}

impl<'c> Code<'c> {
    fn label(&mut self) -> Label {
        self.labels.push(0);
        Label(self.labels.len() - 1)
    }

    fn place(&mut self, label: Label) {
        let here = self.ops.len();
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = here;
        }
    }

    fn emit(&mut self, code: OpCode, fill: impl FnOnce(&mut Op)) {
        let mut op = Op { code: code as u8, ..Op::default() };
        fill(&mut op);
        self.ops.push(op);
    }

    fn jump(&mut self, code: OpCode, to: Label, fill: impl FnOnce(&mut Op)) {
        self.jumps.push((self.ops.len(), to));
        self.emit(code, fill);
    }

    fn finish(mut self) -> Result<Vec<Op>, Mistake> {
        if self.ops.len() > OPS_MAX {
            return Err(Mistake::NotInKernel("it takes too many operations"));
        }
        for (index, label) in &self.jumps {
            if let (Some(op), Some(place)) = (self.ops.get_mut(*index), self.labels.get(label.0)) {
                op.target = *place as u16;
            }
        }
        Ok(self.ops)
    }

    /// Goes to `holds` or `fails`; `next` is the label that will be placed behind it.
    fn logic(&mut self, logic: &Logic, holds: Label, fails: Label, next: Label) -> Result<(), Mistake> {
        match logic {
            Logic::Constant(value) => {
                self.go(if *value { holds } else { fails }, next);
                Ok(())
            }
            Logic::Leaf(leaf) => self.leaf(leaf, holds, fails, next),
            Logic::All(parts) => self.chain(parts, holds, fails, next, true),
            Logic::Any(parts) => self.chain(parts, holds, fails, next, false),
        }
    }

    fn chain(&mut self, parts: &[Logic], holds: Label, fails: Label, next: Label, all: bool) -> Result<(), Mistake> {
        for (index, part) in parts.iter().enumerate() {
            if index + 1 == parts.len() {
                return self.logic(part, holds, fails, next);
            }
            let following = self.label();
            let (holds, fails) = if all { (following, fails) } else { (holds, following) };
            self.logic(part, holds, fails, following)?;
            self.place(following);
        }
        Ok(())
    }

    fn go(&mut self, to: Label, next: Label) {
        if to != next {
            self.jump(OpCode::Jump, to, |_| {});
        }
    }

    fn leaf(&mut self, leaf: &Leaf, holds: Label, fails: Label, next: Label) -> Result<(), Mistake> {
        self.slots = 0;
        match leaf.root {
            Root::ThreadId => self.emit(OpCode::LoadRegister, |op| op.register = REGISTER_THREAD_ID),
            Root::Duration => self.emit(OpCode::LoadRegister, |op| op.register = REGISTER_DURATION),
            Root::Part(number) => return self.part(number, holds, fails, next),
            Root::ThreadName => {}
            Root::Argument(_) | Root::Result => return self.typed(leaf, holds, fails, next),
        }
        match &leaf.test {
            Test::Bits { accepted, .. } => self.accept(accepted, 0, holds, fails, next),
            Test::Text { how, wanted, negated, .. } => {
                let text = self.text(wanted)?;
                self.jump(OpCode::MatchText, fails, |op| (op.immediate, op.a, op.b) = (text, *how as u64, 1));
                self.accept(&Ranges::one(64, u64::from(!negated)), 0, holds, fails, next);
            }
            Test::TextLength { .. } | Test::Distance { .. } => {
                return Err(Mistake::NoLength("a thread's name".into()));
            }
            Test::Relation { .. } => return Err(TWO_VALUES),
        }
        Ok(())
    }

    /// A bit that the entry left.
    fn part(&mut self, number: usize, holds: Label, fails: Label, next: Label) -> Result<(), Mistake> {
        let shift = 63_u64.saturating_sub(number as u64);
        self.emit(OpCode::LoadConstant, |_| {});
        self.emit(OpCode::AddScaled, |op| (op.register, op.a) = (REGISTER_PARTS, 1 << shift));
        self.accept(&Ranges::new(64, [(1 << 63, u64::MAX)]), 0, holds, fails, next);
        Ok(())
    }

    fn typed(&mut self, leaf: &Leaf, holds: Label, fails: Label, next: Label) -> Result<(), Mistake> {
        let location = self.places.location(leaf.root).ok_or(Mistake::Unreadable("its place is not known"))?;
        let mut here = self.root(location, fails)?;
        for step in &leaf.steps {
            here = match step {
                Step::Offset(bytes) => here.at(*bytes),
                Step::Follow(bytes) => {
                    self.word(here, fails)?;
                    Here::Slot(self.save()?, *bytes)
                }
                Step::Element { stretch, stride, index } if stretch.extent != Extent::Count => {
                    self.element_before_end(here, stretch, *stride, *index, fails)?
                }
                Step::Element { stretch, stride, index } => {
                    self.word(here.at(stretch.length_offset), fails)?;
                    let least = index.saturating_add(1).saturating_add(stretch.terminator_bytes);
                    self.jump(OpCode::JumpUnless, fails, |op| (op.a, op.b) = (least, u64::MAX));
                    self.word(here.at(stretch.pointer_offset), fails)?;
                    Here::Slot(self.save()?, stretch.data_offset.wrapping_add(stride.wrapping_mul(*index)))
                }
                Step::Variant { ty, variant } => {
                    let types = self.places.types;
                    if let Shape::Enum(layout) = &types.get(*ty).shape
                        && let Some(tag) = layout.tag
                    {
                        let accepted = tags(layout, *variant).ok_or(Mistake::NotInKernel("its enum has a wide tag"))?;
                        let shift = self.load(here.at(tag.offset), tag.size_bytes, fails)?;
                        let active = self.label();
                        self.accept(&accepted, shift, active, fails, active);
                        self.place(active);
                    }
                    here
                }
                Step::Item { which: Which::Key(_), .. } => return Err(Mistake::NotInKernel("it is found by its key")),
                Step::Item { which: Which::Number(_), .. } => {
                    return Err(Mistake::NotInKernel("its collection has to be gone through"));
                }
            };
        }
        self.test(&leaf.test, here, holds, fails, next)
    }

    fn test(&mut self, test: &Test, here: Here<'_>, holds: Label, fails: Label, next: Label) -> Result<(), Mistake> {
        match test {
            Test::Bits { size_bytes, first_bit, accepted } => {
                let shift = self.load(here, *size_bytes, fails)?;
                let unused = 8 * *size_bytes as u32 - (first_bit + accepted.bit_count).min(8 * *size_bytes as u32);
                if unused == 0 {
                    // The bits below the field are whatever they are.
                    self.accept(accepted, shift + first_bit, holds, fails, next);
                    return Ok(());
                }
                self.shift_left(64 - shift - 8 * *size_bytes as u32 + unused)?;
                self.accept(accepted, 64 - accepted.bit_count, holds, fails, next);
            }
            Test::Distance { stretch, accepted } => self.distance(here, stretch, accepted, [holds, fails, next])?,
            Test::Text { text, how, wanted, negated } => {
                let length = self.text_words(*text, here, fails)?;
                let number = self.text(wanted)?;
                self.jump(OpCode::MatchText, fails, |op| {
                    (op.register, op.immediate, op.a) = (length, number, *how as u64);
                });
                self.accept(&Ranges::one(64, u64::from(!negated)), 0, holds, fails, next);
            }
            Test::TextLength { text, accepted } => {
                let length = self.text_words(*text, here, fails)?;
                self.emit(OpCode::Restore, |op| op.register = length);
                self.accept(accepted, 0, holds, fails, next);
            }
            Test::Relation { .. } => return Err(TWO_VALUES),
        }
        Ok(())
    }

    /// Leaves the text's length in a slot, its address in the accumulator.
    fn text_words(&mut self, text: TextPlace, here: Here<'_>, fails: Label) -> Result<u8, Mistake> {
        match text {
            TextPlace::Stretch(Stretch { pointer_offset, length_offset, data_offset, terminator_bytes, .. }) => {
                self.word(here.at(length_offset), fails)?;
                if terminator_bytes > 0 {
                    self.jump(OpCode::JumpUnless, fails, |op| (op.a, op.b) = (terminator_bytes, u64::MAX));
                    self.emit(OpCode::Add, |op| op.a = terminator_bytes.wrapping_neg());
                }
                let length = self.save()?;
                self.word(here.at(pointer_offset), fails)?;
                self.emit(OpCode::Add, |op| op.a = data_offset);
                Ok(length)
            }
            TextPlace::CString => {
                self.word(here, fails)?;
                // A null pointer leads to no text: that is no reading that fails.
                self.jump(OpCode::JumpIf, fails, |_| {});
                self.up_to_nul(fails)
            }
            TextPlace::CharArray(_) => {
                self.address(here)?;
                self.up_to_nul(fails)
            }
            TextPlace::Bytes(count) => {
                self.emit(OpCode::LoadConstant, |op| op.a = count);
                let length = self.save()?;
                self.address(here)?;
                Ok(length)
            }
            TextPlace::ThreadName => Ok(0),
        }
    }

    fn up_to_nul(&mut self, fails: Label) -> Result<u8, Mistake> {
        let address = self.save()?;
        self.jump(OpCode::StringLength, fails, |_| {});
        let length = self.save()?;
        self.emit(OpCode::Restore, |op| op.register = address);
        Ok(length)
    }

    fn text(&mut self, wanted: &[u8]) -> Result<u32, Mistake> {
        if wanted.len() > TEXT_BYTES_MAX {
            return Err(Mistake::NotInKernel("texts are compared there up to 128 bytes"));
        }
        let mut bytes = [0; TEXT_BYTES_MAX];
        bytes.iter_mut().zip(wanted).for_each(|(to, from)| *to = *from);
        let text = Text { size_bytes: wanted.len().min(TEXT_BYTES_MAX) as u64, bytes };
        let known = self.texts.iter().position(|known| *known == text);
        let number = known.unwrap_or_else(|| {
            self.texts.push(text);
            self.texts.len() - 1
        });
        Ok(number as u32)
    }

    /// Goes by whether the accumulator, shifted left by that many bits, is in the ranges.
    fn accept(&mut self, accepted: &Ranges, shift: u32, holds: Label, fails: Label, next: Label) {
        let scaled = |(low, high): (u64, u64)| (low << shift, high << shift | ((1_u64 << shift) - 1));
        let Some(((low, high), first)) = accepted.ranges.split_last() else { return self.go(fails, next) };
        for range in first {
            self.jump(OpCode::JumpIf, holds, |op| (op.a, op.b) = scaled(*range));
        }
        let (low, high) = scaled((*low, *high));
        if next == holds {
            self.jump(OpCode::JumpUnless, fails, |op| (op.a, op.b) = (low, high));
        } else {
            self.jump(OpCode::JumpIf, holds, |op| (op.a, op.b) = (low, high));
            self.go(fails, next);
        }
    }

    fn save(&mut self) -> Result<u8, Mistake> {
        let slot = self.slots;
        if usize::from(slot) >= SLOTS {
            return Err(Mistake::NotInKernel("its way is too long"));
        }
        self.slots += 1;
        self.emit(OpCode::Save, |op| op.register = slot);
        Ok(slot)
    }

    fn shift_left(&mut self, bits: u32) -> Result<(), Mistake> {
        let slot = self.save()?;
        self.emit(OpCode::LoadConstant, |_| {});
        self.emit(OpCode::AddSlot, |op| (op.register, op.a) = (slot, 1 << bits.min(63)));
        Ok(())
    }

    /// Where a root is: one that lies in memory as a whole by its address.
    fn root<'l>(&mut self, location: &'l Location, fails: Label) -> Result<Here<'l>, Mistake> {
        match location.pieces.as_slice() {
            [piece] => match &piece.place {
                Place::Memory(place) => self.memory(place, fails),
                _ => Ok(Here::Pieces { location, offset: 0 }),
            },
            _ => Ok(Here::Pieces { location, offset: 0 }),
        }
    }

    fn memory(&mut self, place: &MemoryPlace, fails: Label) -> Result<Here<'static>, Mistake> {
        let displacement = place.displacement as u64;
        let registers = place.base.iter().chain(place.index.as_ref().map(|(index, _)| index));
        if !registers.into_iter().all(|register| register.is_readable()) {
            return Err(Mistake::Unreadable("it is behind a vector register"));
        }
        let start = match place.base {
            Some(base) => Here::Register(base.0, displacement),
            None => Here::Address(displacement),
        };
        if place.index.is_none() && place.indirect.is_none() {
            return Ok(start);
        }
        self.address(start)?;
        if let Some((index, scale)) = place.index {
            self.emit(OpCode::AddScaled, |op| (op.register, op.a) = (index.0, u64::from(scale)));
        }
        let Some(further) = place.indirect else { return Ok(Here::Slot(self.save()?, 0)) };
        self.jump(OpCode::LoadMemory, fails, |op| op.immediate = 8);
        Ok(Here::Slot(self.save()?, further as u64))
    }

    /// `acc = ` the address of what is here.
    fn address(&mut self, here: Here<'_>) -> Result<(), Mistake> {
        let behind = match here {
            Here::Register(register, behind) => {
                self.emit(OpCode::LoadRegister, |op| op.register = register);
                behind
            }
            Here::Slot(slot, behind) => {
                self.emit(OpCode::Restore, |op| op.register = slot);
                behind
            }
            Here::Address(address) => {
                self.emit(OpCode::LoadConstant, |op| op.a = address);
                0
            }
            Here::Pieces { .. } => return Err(Mistake::NotInKernel("it is in registers")),
        };
        if behind != 0 {
            self.emit(OpCode::Add, |op| op.a = behind);
        }
        Ok(())
    }

    /// `acc = ` the 8 bytes here.
    fn word(&mut self, here: Here<'_>, fails: Label) -> Result<(), Mistake> {
        match self.load(here, 8, fails)? {
            0 => Ok(()),
            _ => Err(Mistake::NotInKernel("its words are not whole")),
        }
    }

    /// Loads the bytes here; the result is by how many bits they are shifted left.
    fn load(&mut self, here: Here<'_>, size_bytes: u64, fails: Label) -> Result<u32, Mistake> {
        let Here::Pieces { location, offset } = here else {
            if !matches!(size_bytes, 1 | 2 | 4 | 8) {
                return Err(Mistake::NotInKernel("it is of an odd size"));
            }
            self.address(here)?;
            self.jump(OpCode::LoadMemory, fails, |op| op.immediate = size_bytes as u32);
            return Ok(0);
        };
        let (place, offset) =
            self.places.piece(location, offset, size_bytes).ok_or(Mistake::NotInKernel("it is in pieces"))?;
        match place {
            Place::Register(register) if register.is_readable() => {
                let end = offset + size_bytes;
                if end >= 8 {
                    self.emit(OpCode::LoadRegister, |op| op.register = register.0);
                } else {
                    self.emit(OpCode::LoadConstant, |_| {});
                    self.emit(OpCode::AddScaled, |op| (op.register, op.a) = (register.0, 1 << (64 - 8 * end)));
                }
                Ok(64 - 8 * size_bytes as u32)
            }
            Place::Register(_) => Err(Mistake::Unreadable("it is in a vector register")),
            Place::Memory(place) => {
                let here = self.memory(place, fails)?.at(offset);
                self.load(here, size_bytes, fails)
            }
            Place::Constant(value) if offset < 8 => {
                let kept = super::ranges::mask(8 * size_bytes as u32);
                self.emit(OpCode::LoadConstant, |op| op.a = value >> (8 * offset) & kept);
                Ok(0)
            }
            Place::Address(_) | Place::Value(_) => Err(Mistake::NotInKernel("its place has to be worked out")),
            Place::Constant(_) => Err(Mistake::NotInKernel("it is in pieces")),
            Place::Missing(missing) => Err(Mistake::Unreadable(missing.reason())),
        }
    }
}
