//! Where DWARF says a value is at a function's first instruction.
//! Classifies facts; what the calling convention makes of a gap is for the plan.

use gimli::{Expression, Operation};

use super::EntryLocation;
use super::location_list::{self, Found};
use super::unit::{Attribute, Die, Slice, View};
use crate::value::place::{Location, MemoryPlace, Missing, Piece, Place, Register};

/// Longer expressions than any compiler writes; a lying file is cut here.
const OPERATIONS_MAX: usize = 256;

/// The location of a parameter at `entry`, from the entry that has it (the concrete one).
pub(super) fn at_entry<'a>(
    view: &View<'a>,
    unit: usize,
    die: &Die<'a>,
    frame: Frame,
    entry: u64,
    size: u64,
) -> EntryLocation {
    if let Some(value) = die.attr_value(gimli::DW_AT_const_value) {
        return constant(value, size).map_or(EntryLocation::Unsupported, EntryLocation::Covered);
    }
    let Some(value) = die.attr_value(gimli::DW_AT_location) else { return EntryLocation::None };
    let expression = match value {
        Attribute::Exprloc(expression) => expression,
        list => match location_list::find(view, unit, die, list, entry) {
            Found::Expression(expression) => expression,
            Found::Nothing => return EntryLocation::Gap,
            Found::Damaged => return EntryLocation::Unsupported,
        },
    };
    match view.unit(unit) {
        Some(unit) => classify(expression, unit.encoding(), frame, size),
        None => EntryLocation::Unsupported,
    }
}

/// What `DW_OP_fbreg` is relative to.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Frame {
    /// `DW_OP_call_frame_cfa`: known at the first instruction too, where it is rsp + 8.
    Cfa,
    /// A register that the prologue sets up.
    Register,
}

impl Frame {
    pub(super) fn of(view: &View<'_>, unit: usize, function: &Die<'_>) -> Self {
        let base = function.attr_value(gimli::DW_AT_frame_base);
        let (Some(Attribute::Exprloc(expression)), Some(unit)) = (base, view.unit(unit)) else { return Self::Register };
        match expression.operations(unit.encoding()).next() {
            Ok(Some(Operation::CallFrameCFA)) => Self::Cfa,
            _ => Self::Register,
        }
    }
}

fn constant(value: Attribute<'_>, size: u64) -> Option<Location> {
    let number = match value {
        Attribute::Block(bytes) | Attribute::Exprloc(Expression(bytes)) => return Some(constant_bytes(bytes, size)),
        Attribute::Sdata(number) if size > 8 => return Some(wide_constant(i128::from(number) as u128)),
        Attribute::Sdata(number) => number as u64,
        Attribute::Data16(number) => return Some(wide_constant(number)),
        other => other.udata_value()?,
    };
    Some(Location::whole(size, Place::Constant(masked(number, size))))
}

fn wide_constant(number: u128) -> Location {
    let word = |word| Piece { size_bytes: 8, place: Place::Constant(word) };
    Location { pieces: vec![word(number as u64), word((number >> 64) as u64)] }
}

fn constant_bytes(bytes: Slice<'_>, size: u64) -> Location {
    let bytes = bytes.slice();
    let bytes = bytes.get(..bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX))).unwrap_or(bytes);
    let word = |chunk: &[u8]| {
        let value = chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Piece { size_bytes: chunk.len() as u64, place: Place::Constant(value) }
    };
    Location { pieces: bytes.chunks(8).map(word).collect() }
}

fn masked(value: u64, size_bytes: u64) -> u64 {
    match size_bytes {
        1..8 => value & ((1 << (size_bytes * 8)) - 1),
        _ => value,
    }
}

/// A value being computed by an expression.
#[derive(Clone, Copy)]
enum Value {
    Constant(u64),
    /// What the register held, plus a number.
    RegisterPlus(Register, i64),
    /// What is in memory at the address, plus a number.
    Loaded(MemoryPlace, i64),
    /// Relative to the frame.
    Frame,
}

/// What a simple location or a piece is.
enum Simple {
    Place(Place),
    Bytes(Location),
    Frame,
}

fn classify(expression: Expression<Slice<'_>>, encoding: gimli::Encoding, frame: Frame, size: u64) -> EntryLocation {
    let mut operations = expression.operations(encoding);
    let mut state = State { frame, stack: Vec::new(), simple: None };
    let mut pieces: Vec<Piece> = Vec::new();
    for _ in 0..OPERATIONS_MAX {
        let operation = match operations.next() {
            Ok(Some(operation)) => operation,
            Ok(None) if pieces.is_empty() => return state.whole(size),
            Ok(None) => return EntryLocation::Covered(Location { pieces }),
            Err(_) => return EntryLocation::Unsupported,
        };
        if let Operation::Piece { size_in_bits, bit_offset } = operation {
            let (0, None | Some(0)) = (size_in_bits % 8, bit_offset) else { return EntryLocation::Unsupported };
            match state.piece(size_in_bits / 8) {
                Some(piece) => pieces.push(piece),
                None if state.is_frame() => return EntryLocation::FrameRelative,
                None => return EntryLocation::Unsupported,
            }
            state = State { frame, stack: Vec::new(), simple: None };
        } else if state.step(operation, encoding).is_none() {
            return EntryLocation::Unsupported;
        }
    }
    EntryLocation::Unsupported
}

struct State {
    frame: Frame,
    stack: Vec<Value>,
    simple: Option<Simple>,
}

impl State {
    /// Follows one operation; `None` for one that has no equivalent among places.
    fn step(&mut self, operation: Operation<Slice<'_>>, encoding: gimli::Encoding) -> Option<()> {
        match operation {
            Operation::Nop => {}
            Operation::Register { register } => {
                self.simple = Some(Simple::Place(Place::Register(self::register(register)?)))
            }
            Operation::RegisterOffset { register, offset, base_type } if base_type.0 == 0 => {
                self.stack.push(match self::register(register)? {
                    Register::RBP | Register::RSP => Value::Frame,
                    register => Value::RegisterPlus(register, offset),
                });
            }
            Operation::FrameOffset { offset } => self.stack.push(self.frame_value(offset)),
            Operation::CallFrameCFA => self.stack.push(self.frame_value(0)),
            Operation::UnsignedConstant { value } => self.stack.push(Value::Constant(value)),
            Operation::SignedConstant { value } => self.stack.push(Value::Constant(value as u64)),
            Operation::PlusConstant { value } => {
                let value = value as i64;
                match self.stack.last_mut()? {
                    Value::Constant(constant) => *constant = constant.wrapping_add(value as u64),
                    Value::RegisterPlus(_, offset) | Value::Loaded(_, offset) => *offset = offset.checked_add(value)?,
                    Value::Frame => {}
                }
            }
            Operation::Deref { size: 8, space: false, .. } => {
                let loaded = match self.stack.pop()? {
                    Value::RegisterPlus(register, offset) => Value::Loaded(MemoryPlace::at(register, offset), 0),
                    Value::Frame => Value::Frame,
                    Value::Constant(_) | Value::Loaded(..) => return None,
                };
                self.stack.push(loaded);
            }
            Operation::EntryValue { expression } => self.stack.push(entry_value(expression, encoding)?),
            Operation::StackValue => {
                self.simple = Some(match self.stack.pop()? {
                    Value::Constant(value) => Simple::Place(Place::Constant(value)),
                    Value::RegisterPlus(register, 0) => Simple::Place(Place::Register(register)),
                    Value::Loaded(place, 0) => Simple::Place(Place::Memory(place)),
                    Value::Frame => Simple::Frame,
                    Value::RegisterPlus(..) | Value::Loaded(..) => return None,
                });
            }
            Operation::ImplicitValue { data } => self.simple = Some(Simple::Bytes(constant_bytes(data, u64::MAX))),
            _ => return None,
        }
        Some(())
    }

    /// Where the frame's base is the CFA, what lies at or above it is the caller's: the arguments passed on the stack,
    /// there from the first instruction on. At that instruction the CFA is rsp + 8.
    fn frame_value(&self, offset: i64) -> Value {
        match (self.frame, offset.checked_add(8)) {
            (Frame::Cfa, Some(from_rsp)) if offset >= 0 => Value::RegisterPlus(Register::RSP, from_rsp),
            _ => Value::Frame,
        }
    }

    fn is_frame(&self) -> bool {
        matches!(self.simple, Some(Simple::Frame)) || self.stack.iter().any(|value| matches!(value, Value::Frame))
    }

    fn place(&self) -> Option<Place> {
        match (&self.simple, self.stack.last()) {
            (Some(Simple::Place(place)), _) => Some(place.clone()),
            (Some(_), _) => None,
            (None, Some(Value::RegisterPlus(register, offset))) => {
                Some(Place::Memory(MemoryPlace::at(*register, *offset)))
            }
            (None, Some(Value::Loaded(place, offset))) => {
                Some(Place::Memory(MemoryPlace { indirect: Some(*offset), ..*place }))
            }
            // A fixed address of the object's own coordinates: not one of the running process.
            (None, Some(Value::Constant(_) | Value::Frame)) => None,
            (None, None) => Some(Place::Missing(Missing::OptimizedOut)),
        }
    }

    fn whole(self, size: u64) -> EntryLocation {
        if self.is_frame() {
            return EntryLocation::FrameRelative;
        }
        if let Some(Simple::Bytes(location)) = self.simple {
            return EntryLocation::Covered(location);
        }
        match self.place() {
            // An empty expression: the compiler says that there is nothing.
            Some(Place::Missing(_)) => EntryLocation::None,
            Some(Place::Constant(value)) => {
                EntryLocation::Covered(Location::whole(size, Place::Constant(masked(value, size))))
            }
            Some(place) => EntryLocation::Covered(Location::whole(size, place)),
            None => EntryLocation::Unsupported,
        }
    }

    fn piece(&self, size_bytes: u64) -> Option<Piece> {
        if self.is_frame() {
            return None;
        }
        let place = match &self.simple {
            Some(Simple::Bytes(Location { pieces })) => match pieces.as_slice() {
                [Piece { place, .. }] => place.clone(),
                _ => return None,
            },
            _ => self.place()?,
        };
        let place = match place {
            Place::Constant(value) => Place::Constant(masked(value, size_bytes)),
            place => place,
        };
        Some(Piece { size_bytes, place })
    }
}

/// `DW_OP_entry_value` of a register is that register: this *is* the entry.
fn entry_value(expression: Slice<'_>, encoding: gimli::Encoding) -> Option<Value> {
    let mut operations = Expression(expression).operations(encoding);
    let value = match operations.next().ok()?? {
        Operation::Register { register } => Value::RegisterPlus(self::register(register)?, 0),
        Operation::RegisterOffset { register, offset: 0, base_type } if base_type.0 == 0 => {
            Value::RegisterPlus(self::register(register)?, 0)
        }
        _ => return None,
    };
    operations.next().ok()?.is_none().then_some(value)
}

/// The registers that a place can name: general purpose, instruction pointer, xmm0–xmm15.
fn register(register: gimli::Register) -> Option<Register> {
    u8::try_from(register.0).ok().filter(|number| *number <= 32).map(Register)
}
