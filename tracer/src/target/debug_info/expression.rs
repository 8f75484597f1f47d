//! DWARF expressions → places: followed step by step on terms instead of numbers, so that what is left is what must
//! be read when the probe fires. Knows no location lists and no calling conventions.

use gimli::{Encoding, Expression, Operation, UnitOffset, constants as dw};

use super::standpoint::{Frame, Unknown};
use super::type_loader::unsigned;
use super::unit::{Attribute, Position, Slice, View};
use crate::value::place::{Location, Missing, Piece, Place, Register};
use crate::value::term::{Operator, PARTS_MAX, Term};

/// Longer expressions than any compiler writes; a lying file is cut here.
const OPERATIONS_MAX: usize = 256;
/// Deeper stacks than any compiler needs.
const STACK_MAX: usize = 64;

/// What an expression says of a value of `size` bytes. A piece that is not known is missing in the location, unless
/// `strict`: then one such piece makes the whole unknown.
pub(super) fn evaluate<'a>(
    view: &View<'a>,
    unit: usize,
    expression: Expression<Slice<'a>>,
    frame: &Frame<'_>,
    size: u64,
    strict: bool,
) -> Result<Location, Unknown> {
    let encoding = view.unit(unit).ok_or(Unknown::Unsupported)?.encoding();
    let new = || Machine { view, unit, frame, encoding, stack: Vec::new(), simple: None };
    let mut operations = expression.operations(encoding);
    let mut machine = new();
    let mut result = Ok(());
    let mut pieces: Vec<Piece> = Vec::new();
    for _ in 0..OPERATIONS_MAX {
        match operations.next() {
            Ok(Some(Operation::Piece { size_in_bits, bit_offset })) => {
                let (0, None | Some(0)) = (size_in_bits % 8, bit_offset) else { return Err(Unknown::Unsupported) };
                match result.and_then(|()| machine.place(size_in_bits / 8)) {
                    Ok(found) => pieces.extend(found),
                    Err(unknown) if strict => return Err(unknown),
                    Err(unknown) => pieces.push(missing(size_in_bits / 8, unknown)),
                }
                machine = new();
                result = Ok(());
            }
            // What follows a step that is not understood can still end the piece.
            Ok(Some(operation)) => result = result.and_then(|()| machine.step(operation)),
            Ok(None) if pieces.is_empty() => return result.and_then(|()| machine.whole(size)),
            Ok(None) => return Ok(Location { pieces }),
            Err(_) => return Err(Unknown::Unsupported),
        }
    }
    Err(Unknown::Unsupported)
}

fn missing(size_bytes: u64, unknown: Unknown) -> Piece {
    Piece { size_bytes, place: Place::Missing(unknown.into()) }
}

/// A number on the stack, and its type if it is not an address-sized one: bytes and sign.
#[derive(Clone)]
struct Typed {
    term: Term,
    ty: Option<(u8, bool)>,
}

impl From<Term> for Typed {
    fn from(term: Term) -> Self {
        Self { term, ty: None }
    }
}

/// What a simple location is.
enum Simple {
    Place(Place),
    Bytes(Location),
}

struct Machine<'m, 'a> {
    view: &'m View<'a>,
    unit: usize,
    frame: &'m Frame<'m>,
    encoding: Encoding,
    stack: Vec<Typed>,
    simple: Option<Simple>,
}

impl Machine<'_, '_> {
    /// Follows one operation.
    fn step(&mut self, operation: Operation<Slice<'_>>) -> Result<(), Unknown> {
        let pushed: Typed = match operation {
            Operation::Nop => return Ok(()),
            Operation::Register { register } => {
                self.simple = Some(Simple::Place(Place::Register(self::register(register)?)));
                return Ok(());
            }
            Operation::RegisterOffset { register, offset, base_type: UnitOffset(0) } => {
                self.frame.register(self::register(register)?)?.plus(offset).into()
            }
            Operation::RegisterOffset { register, offset: 0, base_type } => {
                self.typed(Term::Register(self::register(register)?), base_type)?
            }
            Operation::FrameOffset { offset } => self.frame.base(offset)?.into(),
            Operation::CallFrameCFA => self.frame.cfa(0)?.into(),
            Operation::UnsignedConstant { value } => Term::Constant(value).into(),
            Operation::SignedConstant { value } => Term::Constant(value as u64).into(),
            Operation::Address { address } => self.frame.static_address(address)?.into(),
            Operation::AddressIndex { index } => {
                let unit = self.view.unit(self.unit).ok_or(Unknown::Unsupported)?;
                let address = self.view.dwarf(self.unit).address(unit, index).map_err(|_| Unknown::Unsupported)?;
                self.frame.static_address(address)?.into()
            }
            Operation::PlusConstant { value } => self.pop()?.term.plus(value as i64).into(),
            Operation::Deref { size: size @ (1 | 2 | 4 | 8), space: false, base_type } => {
                let loaded = self.pop()?.term.load(size);
                if base_type.0 == 0 { loaded.into() } else { self.typed(loaded, base_type)? }
            }
            Operation::Pick { index } => self.nth(index)?,
            Operation::Convert { base_type } => self.convert(base_type)?,
            Operation::EntryValue { expression } => self.entry_value(expression)?.into(),
            Operation::StackValue => {
                let place = self.pop()?.term.itself();
                self.simple = Some(Simple::Place(known(place)?));
                return Ok(());
            }
            Operation::ImplicitValue { data } => {
                self.simple = Some(Simple::Bytes(constant_bytes(data, u64::MAX)));
                return Ok(());
            }
            // A pointer that is kept nowhere, to something that is kept nowhere.
            Operation::ImplicitPointer { .. } => return Err(Unknown::OptimizedOut),
            operation => return self.arithmetic(operation),
        };
        self.push(pushed)
    }

    fn arithmetic(&mut self, operation: Operation<Slice<'_>>) -> Result<(), Unknown> {
        let operator = match operation {
            Operation::Drop => return self.pop().map(drop),
            Operation::Swap => return self.rotate(2),
            Operation::Rot => return self.rotate(3),
            Operation::Neg => {
                let negative = Term::operation(Operator::Minus, Term::Constant(0), self.pop()?.term);
                return self.push(negative.into());
            }
            Operation::Not => {
                let inverse = Term::operation(Operator::Xor, self.pop()?.term, Term::Constant(u64::MAX));
                return self.push(inverse.into());
            }
            Operation::And => Operator::And,
            Operation::Or => Operator::Or,
            Operation::Xor => Operator::Xor,
            Operation::Plus => Operator::Plus,
            Operation::Minus => Operator::Minus,
            Operation::Mul => Operator::Times,
            Operation::Div => Operator::Divide,
            Operation::Mod => Operator::Modulo,
            Operation::Shl => Operator::ShiftLeft,
            Operation::Shr => Operator::ShiftRight,
            Operation::Shra => Operator::ShiftRightSigned,
            Operation::Eq => Operator::Equal,
            Operation::Ne => Operator::NotEqual,
            Operation::Lt | Operation::Gt => Operator::Less,
            Operation::Le | Operation::Ge => Operator::LessEqual,
            _ => return Err(Unknown::Unsupported),
        };
        let (mut right, mut left) = (self.pop()?, self.pop()?);
        // Arithmetic of another width, or unsigned, is not that of address-sized numbers.
        if left.ty.is_some_and(|ty| ty != (8, true)) || right.ty.is_some_and(|ty| ty != (8, true)) {
            return Err(Unknown::Unsupported);
        }
        if matches!(operation, Operation::Gt | Operation::Ge) {
            std::mem::swap(&mut left, &mut right);
        }
        self.push(Term::operation(operator, left.term, right.term).into())
    }

    fn push(&mut self, typed: Typed) -> Result<(), Unknown> {
        if self.stack.len() >= STACK_MAX || typed.term.parts() > PARTS_MAX {
            return Err(Unknown::Unsupported);
        }
        self.stack.push(typed);
        Ok(())
    }

    fn pop(&mut self) -> Result<Typed, Unknown> {
        self.stack.pop().ok_or(Unknown::Unsupported)
    }

    fn nth(&self, index: u8) -> Result<Typed, Unknown> {
        self.stack.iter().rev().nth(usize::from(index)).cloned().ok_or(Unknown::Unsupported)
    }

    /// The top goes below the `count - 1` that follow it.
    fn rotate(&mut self, count: usize) -> Result<(), Unknown> {
        let top = self.pop()?;
        let below = (self.stack.len() + 1).checked_sub(count).ok_or(Unknown::Unsupported)?;
        self.stack.insert(below, top);
        Ok(())
    }

    /// Size and sign of an integer type; a floating-point one has no sign here.
    fn integer(&self, base_type: UnitOffset) -> Result<(u8, Option<bool>), Unknown> {
        let at = Position { unit: self.unit, offset: base_type.0 };
        let die = self.view.entry(at).ok_or(Unknown::Unsupported)?;
        let size = unsigned(&die, dw::DW_AT_byte_size).and_then(|size| u8::try_from(size).ok());
        let size = size.filter(|size| (1..=8).contains(size)).ok_or(Unknown::Unsupported)?;
        let signed = match die.attr_value(dw::DW_AT_encoding) {
            Some(Attribute::Encoding(dw::DW_ATE_signed | dw::DW_ATE_signed_char)) => Some(true),
            Some(Attribute::Encoding(dw::DW_ATE_float)) => None,
            Some(Attribute::Encoding(_)) => Some(false),
            _ => return Err(Unknown::Unsupported),
        };
        Ok((size, signed))
    }

    /// The bits of `term` as that type.
    fn typed(&self, term: Term, base_type: UnitOffset) -> Result<Typed, Unknown> {
        match self.integer(base_type)? {
            // Whoever goes on to compute with it is refused by its size.
            (_, None) => Ok(Typed { term, ty: Some((0, false)) }),
            (size_bytes, Some(signed)) => {
                let term = Term::Extend { term: Box::new(term), size_bytes, signed };
                Ok(Typed { term, ty: Some((size_bytes, signed)) })
            }
        }
    }

    /// A number is kept as its type extends it, so that a wider type has it already.
    fn convert(&mut self, base_type: UnitOffset) -> Result<Typed, Unknown> {
        let Typed { term, ty } = self.pop()?;
        if base_type.0 == 0 {
            return Ok(term.into());
        }
        let (size_bytes, signed) = self.integer(base_type)?;
        let signed = signed.filter(|_| ty != Some((0, false))).ok_or(Unknown::Unsupported)?;
        Ok(Typed { term: Term::Extend { term: Box::new(term), size_bytes, signed }, ty: Some((size_bytes, signed)) })
    }

    /// What the register held when the function was entered: only known there.
    fn entry_value(&self, expression: Slice<'_>) -> Result<Term, Unknown> {
        let mut operations = Expression(expression).operations(self.encoding);
        let register = match operations.next() {
            Ok(Some(Operation::Register { register })) => register,
            Ok(Some(Operation::RegisterOffset { register, offset: 0, .. })) => register,
            _ => return Err(Unknown::Unsupported),
        };
        match operations.next() {
            Ok(None) if self.frame.is_entry() => Ok(Term::Register(self::register(register)?)),
            Ok(None) => Err(Unknown::OptimizedOut),
            _ => Err(Unknown::Unsupported),
        }
    }

    /// The location of a value as a whole.
    fn whole(self, size: u64) -> Result<Location, Unknown> {
        if self.simple.is_none() && self.stack.is_empty() {
            return Err(Unknown::OptimizedOut);
        }
        Ok(Location { pieces: self.place(size)? })
    }

    /// Where the `size_bytes` are.
    fn place(mut self, size_bytes: u64) -> Result<Vec<Piece>, Unknown> {
        let place = match self.simple.take() {
            Some(Simple::Bytes(location)) => return Ok(location.pieces),
            Some(Simple::Place(place)) => place,
            None if self.stack.is_empty() => Place::Missing(Missing::OptimizedOut),
            None => known(self.pop()?.term.pointed_to())?,
        };
        let place = match place {
            Place::Constant(value) if size_bytes > 8 && value >> 63 != 0 => return Err(Unknown::Unsupported),
            Place::Constant(value) => Place::Constant(masked(value, size_bytes)),
            Place::Value(_) if size_bytes > 8 => return Err(Unknown::Unsupported),
            place => place,
        };
        Ok(vec![Piece { size_bytes, place }])
    }
}

fn known(place: Place) -> Result<Place, Unknown> {
    match place {
        Place::Missing(_) => Err(Unknown::Unsupported),
        place => Ok(place),
    }
}

pub(super) fn constant_bytes(bytes: Slice<'_>, size: u64) -> Location {
    let bytes = bytes.slice();
    let bytes = bytes.get(..bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX))).unwrap_or(bytes);
    let word = |chunk: &[u8]| {
        let value = chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Piece { size_bytes: chunk.len() as u64, place: Place::Constant(value) }
    };
    Location { pieces: bytes.chunks(8).map(word).collect() }
}

pub(super) fn masked(value: u64, size_bytes: u64) -> u64 {
    match size_bytes {
        1..8 => value & ((1 << (size_bytes * 8)) - 1),
        _ => value,
    }
}

/// The registers that a place can name: general purpose, instruction pointer, xmm0–xmm15.
fn register(register: gimli::Register) -> Result<Register, Unknown> {
    let number = u8::try_from(register.0).ok().filter(|number| *number <= 32);
    number.map(Register).ok_or(Unknown::Unsupported)
}
