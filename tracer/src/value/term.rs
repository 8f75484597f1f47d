//! A number worked out from registers and memory when a probe fires: what is left of a DWARF expression once its
//! place is known. The decoder evaluates it; the capture plan copies what it will read.

use super::image::Memory;
use super::place::{MemoryPlace, Missing, Place, Register};
use super::source::Source;

/// More parts than any compiler's expression has; what duplicates itself over and over is cut here.
pub const PARTS_MAX: usize = 64;

/// 64-bit arithmetic, wrapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    Constant(u64),
    Register(Register),
    /// The bytes at an address, zero-extended; 1, 2, 4 or 8 of them.
    Load {
        address: Box<Term>,
        size_bytes: u8,
    },
    /// The low bytes, zero- or sign-extended.
    Extend {
        term: Box<Term>,
        size_bytes: u8,
        signed: bool,
    },
    Operation(Operator, Box<Term>, Box<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    Plus,
    Minus,
    Times,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    ShiftRightSigned,
    /// Signed; by 0 there is no value.
    Divide,
    /// Unsigned; by 0 there is no value.
    Modulo,
    Equal,
    NotEqual,
    /// Signed comparisons, 1 or 0.
    Less,
    LessEqual,
}

impl Term {
    /// `self + number`, folded.
    pub fn plus(self, number: i64) -> Self {
        Self::operation(Operator::Plus, self, Self::Constant(number as u64))
    }

    pub fn load(self, size_bytes: u8) -> Self {
        Self::Load { address: Box::new(self), size_bytes }
    }

    /// The operation, done at once as far as its operands are known.
    pub fn operation(operator: Operator, left: Self, right: Self) -> Self {
        match (operator, left, right) {
            (operator, Self::Constant(left), Self::Constant(right)) => match operator.apply(left, right) {
                Some(result) => Self::Constant(result),
                None => Self::Operation(operator, Box::new(Self::Constant(left)), Box::new(Self::Constant(right))),
            },
            (Operator::Plus | Operator::Minus, left, Self::Constant(0)) => left,
            (Operator::Minus, left, Self::Constant(number)) => {
                Self::operation(Operator::Plus, left, Self::Constant(number.wrapping_neg()))
            }
            (Operator::Plus, left @ Self::Constant(_), right) => Self::operation(Operator::Plus, right, left),
            (Operator::Plus, Self::Operation(Operator::Plus, inner, number), Self::Constant(further))
                if matches!(*number, Self::Constant(_)) =>
            {
                Self::operation(
                    Operator::Plus,
                    *inner,
                    Self::operation(Operator::Plus, *number, Self::Constant(further)),
                )
            }
            (operator, left, right) => Self::Operation(operator, Box::new(left), Box::new(right)),
        }
    }

    /// Split into what is added to a constant, and the constant.
    pub fn displaced(&self) -> (Option<&Self>, i64) {
        match self {
            Self::Constant(number) => (None, *number as i64),
            Self::Operation(Operator::Plus, inner, number) => match **number {
                Self::Constant(number) => (Some(inner), number as i64),
                _ => (Some(self), 0),
            },
            _ => (Some(self), 0),
        }
    }

    /// How many parts it has.
    pub fn parts(&self) -> usize {
        match self {
            Self::Constant(_) | Self::Register(_) => 1,
            Self::Load { address: inner, .. } | Self::Extend { term: inner, .. } => 1 + inner.parts(),
            Self::Operation(_, left, right) => 1 + left.parts() + right.parts(),
        }
    }

    /// The registers that it reads, each as often as it is read.
    pub fn registers(&self) -> Vec<Register> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Register(register) => vec![*register],
            Self::Load { address: inner, .. } | Self::Extend { term: inner, .. } => inner.registers(),
            Self::Operation(_, left, right) => [left.registers(), right.registers()].concat(),
        }
    }

    /// What it loads from memory, the innermost first: addresses, and how many bytes there.
    pub fn loads(&self) -> Vec<(&Self, u64)> {
        match self {
            Self::Constant(_) | Self::Register(_) => Vec::new(),
            Self::Extend { term, .. } => term.loads(),
            Self::Load { address, size_bytes } => {
                let mut loads = address.loads();
                loads.push((address, u64::from(*size_bytes)));
                loads
            }
            Self::Operation(_, left, right) => [left.loads(), right.loads()].concat(),
        }
    }

    /// Whether a capture plan can work out the term as an address: constants added to registers, scaled registers,
    /// and pointers that are followed.
    pub fn is_addressable(&self) -> bool {
        match self {
            Self::Constant(_) => true,
            Self::Register(register) => register.is_readable(),
            Self::Load { address, size_bytes } => matches!(size_bytes, 1 | 2 | 4 | 8) && address.is_addressable(),
            Self::Operation(Operator::Plus, left, right) => {
                left.is_addressable() && (matches!(**right, Self::Constant(_)) || right.scaled_register().is_some())
            }
            _ => self.scaled_register().is_some(),
        }
    }

    /// Whether a record can bring all that the term reads.
    pub fn is_capturable(&self) -> bool {
        self.parts() <= PARTS_MAX
            && self.registers().iter().all(|register| register.is_readable())
            && self.loads().iter().all(|(address, size)| matches!(size, 1 | 2 | 4 | 8) && address.is_addressable())
    }

    /// `register × factor`.
    pub fn scaled_register(&self) -> Option<(Register, u64)> {
        match self {
            Self::Register(register) if register.is_readable() => Some((*register, 1)),
            Self::Operation(operator, left, right) => match (operator, &**left, &**right) {
                (Operator::Times, Self::Register(register), Self::Constant(factor)) if register.is_readable() => {
                    Some((*register, *factor))
                }
                (Operator::ShiftLeft, Self::Register(register), Self::Constant(bits @ 0..64))
                    if register.is_readable() =>
                {
                    Some((*register, 1 << bits))
                }
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn evaluate(&self, memory: &dyn Memory) -> Result<u64, Missing> {
        match self {
            Self::Constant(number) => Ok(*number),
            Self::Register(register) => memory.register(*register),
            Self::Load { address, size_bytes } => {
                let bytes = Source::Memory(address.evaluate(memory)?).read(memory, u64::from(*size_bytes))?;
                Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
            }
            Self::Extend { term, size_bytes, signed } => Ok(extended(term.evaluate(memory)?, *size_bytes, *signed)),
            Self::Operation(operator, left, right) => {
                operator.apply(left.evaluate(memory)?, right.evaluate(memory)?).ok_or(Missing::UnsupportedLocation)
            }
        }
    }

    /// The place of bytes at this address.
    pub fn pointed_to(self) -> Place {
        let simple = |term: &Self, displacement: i64, indirect| match term {
            Self::Register(register) => Some(MemoryPlace { indirect, ..MemoryPlace::at(*register, displacement) }),
            _ => None,
        };
        let place = match self.displaced() {
            (None, displacement) => Some(MemoryPlace { base: None, index: None, displacement, indirect: None }),
            (Some(Self::Load { address, size_bytes: 8 }), further) => match address.displaced() {
                (Some(base), displacement) => simple(base, displacement, Some(further)),
                (None, _) => None,
            },
            (Some(base), displacement) => simple(base, displacement, None),
        };
        match place {
            Some(place) => Place::Memory(place),
            None if self.is_capturable() && self.is_addressable() => Place::Address(Box::new(self)),
            None => Place::Missing(Missing::UnsupportedLocation),
        }
    }

    /// The place of a value that is this number.
    pub fn itself(self) -> Place {
        match self {
            Self::Constant(number) => Place::Constant(number),
            Self::Register(register) => Place::Register(register),
            Self::Load { address, size_bytes: 8 } => address.pointed_to(),
            term if term.is_capturable() => Place::Value(Box::new(term)),
            _ => Place::Missing(Missing::UnsupportedLocation),
        }
    }
}

fn extended(number: u64, size_bytes: u8, signed: bool) -> u64 {
    let unused = 64 - 8 * u32::from(size_bytes.clamp(1, 8));
    if signed { ((number << unused) as i64 >> unused) as u64 } else { number << unused >> unused }
}

impl Operator {
    /// As it is written between its operands.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight | Self::ShiftRightSigned => ">>",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
        }
    }

    fn apply(self, left: u64, right: u64) -> Option<u64> {
        let (signed_left, signed_right) = (left as i64, right as i64);
        let bits = u32::try_from(right).ok().filter(|bits| *bits < 64);
        Some(match self {
            Self::Plus => left.wrapping_add(right),
            Self::Minus => left.wrapping_sub(right),
            Self::Times => left.wrapping_mul(right),
            Self::And => left & right,
            Self::Or => left | right,
            Self::Xor => left ^ right,
            Self::ShiftLeft => bits.map_or(0, |bits| left << bits),
            Self::ShiftRight => bits.map_or(0, |bits| left >> bits),
            Self::ShiftRightSigned => (signed_left >> bits.unwrap_or(63)) as u64,
            Self::Divide => signed_left.checked_div(signed_right)? as u64,
            Self::Modulo => left.checked_rem(right)?,
            Self::Equal => u64::from(left == right),
            Self::NotEqual => u64::from(left != right),
            Self::Less => u64::from(signed_left < signed_right),
            Self::LessEqual => u64::from(signed_left <= signed_right),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::image::{Chunk, Image};

    fn register(register: Register) -> Term {
        Term::Register(register)
    }

    #[test]
    fn what_is_simple_becomes_a_simple_place() {
        let rax = || register(Register::RAX);
        assert_eq!(rax().plus(8).plus(-16).pointed_to(), Place::Memory(MemoryPlace::at(Register::RAX, -8)));
        assert_eq!(rax().plus(8).load(8).itself(), Place::Memory(MemoryPlace::at(Register::RAX, 8)));
        let behind = MemoryPlace { indirect: Some(16), ..MemoryPlace::at(Register::RAX, 8) };
        assert_eq!(rax().plus(8).load(8).plus(16).pointed_to(), Place::Memory(behind));
        assert_eq!(rax().itself(), Place::Register(Register::RAX));
        assert!(matches!(rax().load(8).load(8).plus(4).pointed_to(), Place::Address(_)));
        assert!(matches!(rax().plus(1).itself(), Place::Value(_)));
        assert!(matches!(rax().load(4).itself(), Place::Value(_)), "the rest of the value is zero");
    }

    #[test]
    fn what_no_record_can_bring_is_missing() {
        let unsupported = Place::Missing(Missing::UnsupportedLocation);
        let product = Term::operation(Operator::Times, register(Register::RAX), register(Register::RDX));
        assert_eq!(product.clone().pointed_to(), unsupported);
        assert_eq!(product.clone().load(8).plus(1).itself(), unsupported);
        assert!(matches!(product.itself(), Place::Value(_)));
        assert_eq!(register(Register::XMM0).plus(1).itself(), unsupported);
    }

    #[test]
    fn terms_are_evaluated_as_they_are_written() {
        let image = Image {
            registers: vec![(Register::RAX, 100), (Register::RDX, 3)],
            chunks: vec![Chunk { address: 108, asked_bytes: 4, bytes: vec![0xfe, 0xff, 0xff, 0xff], missing: None }],
        };
        let loaded = register(Register::RAX).plus(8).load(4);
        assert_eq!(loaded.evaluate(&image), Ok(0xffff_fffe));
        let signed = Term::Extend { term: Box::new(loaded), size_bytes: 4, signed: true };
        assert_eq!(signed.evaluate(&image), Ok(-2_i64 as u64));
        let shifted = Term::operation(Operator::ShiftLeft, register(Register::RDX), Term::Constant(4));
        assert_eq!(shifted.evaluate(&image), Ok(48));
        assert_eq!(shifted.scaled_register(), Some((Register::RDX, 16)));
        let divided = |by| Term::operation(Operator::Divide, Term::Constant(-9_i64 as u64), Term::Constant(by));
        assert_eq!(divided(2).evaluate(&image), Ok(-4_i64 as u64));
        assert_eq!(divided(0).evaluate(&image), Err(Missing::UnsupportedLocation));
        assert_eq!(register(Register::RBX).evaluate(&image), Err(Missing::NotCaptured));
    }
}
