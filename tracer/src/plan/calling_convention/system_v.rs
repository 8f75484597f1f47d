//! The C calling convention of x86-64 (System V ABI, section 3.2.3), and what C++ adds (Itanium C++ ABI, 3.1.2):
//! each eight bytes of a value have a class; larger values, and x87 floats, lie on the stack.

use super::{Part, Passed};
use crate::value::layout::{Field, Passing, Shape, TypeId, Types};

/// Bytes up to which a struct is passed in registers.
const IN_REGISTERS_BYTES: u64 = 16;

/// Structs within structs that are looked into.
const NESTING_MAX: u32 = 24;

pub(super) fn argument(types: &Types, ty: TypeId, is_cpp: bool) -> Passed {
    let size_bytes = types.get(ty).size_bytes;
    let is_class = matches!(types.get(ty).shape, Shape::Struct { .. } | Shape::Union { .. });
    match types.passing(ty) {
        Some(Passing::ByReference) => return Passed::Indirect,
        // Whether a class is trivially copyable is nowhere else in DWARF.
        None if is_cpp && is_class => return Passed::Unknown,
        _ => {}
    }
    let mut leaves = Leaves { types, leaves: Vec::new(), align_bytes: 1 };
    match leaves.collect(ty, 0, 0) {
        Err(Unfit::Unknown) => Passed::Unknown,
        Ok(()) if size_bytes == 0 || leaves.leaves.is_empty() => Passed::Nothing,
        Ok(()) if size_bytes <= IN_REGISTERS_BYTES => Passed::Together(eightbytes(&leaves.leaves, size_bytes)),
        Ok(()) | Err(Unfit::Memory) => Passed::Stack { align_bytes: leaves.align_bytes },
    }
}

pub(super) fn result(types: &Types, ty: TypeId, is_cpp: bool) -> Passed {
    match argument(types, ty, is_cpp) {
        // A long double comes back in an x87 register.
        Passed::Stack { .. } if matches!(types.get(ty).shape, Shape::Float | Shape::Complex) => {
            Passed::Stack { align_bytes: 16 }
        }
        Passed::Stack { .. } => Passed::Indirect,
        other => other,
    }
}

/// Why a value is not passed in registers.
enum Unfit {
    Memory,
    Unknown,
}

struct Leaves<'t> {
    types: &'t Types,
    leaves: Vec<Part>,
    align_bytes: u64,
}

impl Leaves<'_> {
    /// The scalars of the type, at their offsets. Those of a value that is too large are of no interest.
    fn collect(&mut self, ty: TypeId, offset: u64, nesting: u32) -> Result<(), Unfit> {
        let (size_bytes, shape) = (self.types.get(ty).size_bytes, &self.types.get(ty).shape);
        match shape {
            _ if nesting > NESTING_MAX => Err(Unfit::Unknown),
            Shape::Struct { fields, .. } | Shape::Union { fields } => {
                fields.iter().try_for_each(|field| self.field(field, offset, nesting))
            }
            Shape::Array { element, count } => {
                let stride = self.types.get(*element).size_bytes;
                // The first elements decide the alignment, and two eightbytes hold no more than 16.
                for i in 0..(*count).min(IN_REGISTERS_BYTES) {
                    self.collect(*element, offset.saturating_add(stride.saturating_mul(i)), nesting + 1)?;
                }
                Ok(())
            }
            Shape::Float => self.float(size_bytes, offset, ty),
            Shape::Complex => self.complex(size_bytes, offset),
            Shape::Unbounded => Ok(()),
            Shape::Integer { .. } | Shape::Bool | Shape::Char | Shape::CChar { .. } => self.leaf(size_bytes, offset),
            Shape::Pointer { .. } | Shape::Enumeration { .. } => self.leaf(size_bytes, offset),
            Shape::MemberPointer { .. } => {
                (0..size_bytes).step_by(8).try_for_each(|start| self.leaf(8, offset.saturating_add(start)))
            }
            Shape::VirtualBase { .. } | Shape::Slice { .. } | Shape::Enum(_) | Shape::Function | Shape::Opaque => {
                Err(Unfit::Unknown)
            }
        }
    }

    fn field(&mut self, field: &Field, offset: u64, nesting: u32) -> Result<(), Unfit> {
        let offset = offset.saturating_add(field.offset);
        match field.bits {
            None => self.collect(field.ty, offset, nesting + 1),
            // A bit field belongs to the eightbytes that its bits are in.
            Some((first_bit, bit_count)) => {
                for bit in [first_bit, first_bit.saturating_add(bit_count).saturating_sub(1)] {
                    let byte = offset.saturating_add(u64::from(bit / 8));
                    self.leaves.push(Part { offset: byte, size_bytes: 1, is_float: false });
                }
                Ok(())
            }
        }
    }

    fn leaf(&mut self, size_bytes: u64, offset: u64) -> Result<(), Unfit> {
        self.align_bytes = self.align_bytes.max(size_bytes);
        if size_bytes == 0 || size_bytes > 16 {
            return Err(Unfit::Unknown);
        }
        if !offset.is_multiple_of(size_bytes) {
            return Err(Unfit::Memory);
        }
        for start in (0..size_bytes).step_by(8) {
            let size_bytes = (size_bytes - start).min(8);
            self.leaves.push(Part { offset: offset.saturating_add(start), size_bytes, is_float: false });
        }
        Ok(())
    }

    fn complex(&mut self, size_bytes: u64, offset: u64) -> Result<(), Unfit> {
        let part_bytes = size_bytes / 2;
        self.align_bytes = self.align_bytes.max(part_bytes);
        match part_bytes {
            _ if !offset.is_multiple_of(part_bytes.max(1)) => Err(Unfit::Memory),
            4 | 8 => {
                for offset in [offset, offset.saturating_add(part_bytes)] {
                    self.leaves.push(Part { offset, size_bytes: part_bytes, is_float: true });
                }
                Ok(())
            }
            // Two of long double; two quad floats are as long and lie in memory too.
            16 => Err(Unfit::Memory),
            _ => Err(Unfit::Unknown),
        }
    }

    fn float(&mut self, size_bytes: u64, offset: u64, ty: TypeId) -> Result<(), Unfit> {
        self.align_bytes = self.align_bytes.max(size_bytes);
        match size_bytes {
            _ if !offset.is_multiple_of(size_bytes.max(1)) => Err(Unfit::Memory),
            2 | 4 | 8 => {
                self.leaves.push(Part { offset, size_bytes, is_float: true });
                Ok(())
            }
            16 if self.types.get(ty).name == "long double" => Err(Unfit::Memory),
            // A quad float takes one vector register.
            _ => Err(Unfit::Unknown),
        }
    }
}

/// One part for each eight bytes: an integer as soon as one of its leaves is.
fn eightbytes(leaves: &[Part], size_bytes: u64) -> Vec<Part> {
    let mut parts = Vec::with_capacity(2);
    for offset in (0..size_bytes).step_by(8) {
        let mut inside = leaves.iter().filter(|leaf| leaf.offset / 8 == offset / 8).peekable();
        if inside.peek().is_some() {
            let is_float = inside.all(|leaf| leaf.is_float);
            parts.push(Part { offset, size_bytes: (size_bytes - offset).min(8), is_float });
        }
    }
    parts
}
