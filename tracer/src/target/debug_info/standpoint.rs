//! Where in a function a value is asked for, and what registers can be trusted to hold there.
//! Knows no expressions.

use gimli::Operation;

use super::location_list::{self, Found};
use super::unit::{Attribute, Die, View};
use crate::target::address::{LinkAddress, LoadBias};
use crate::value::place::{Missing, Register};
use crate::value::term::Term;

/// A place in the code, and what the plan knows of the stack there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standpoint {
    pub address: LinkAddress,
    /// Which of the states that share the address (GCC numbers them); `None` for the last.
    pub view: Option<u64>,
    /// The canonical frame address there: a register plus bytes.
    pub cfa: Option<(Register, i64)>,
    /// Whether the stack pointer and the frame pointer stand as the function's body has them, so that this is
    /// neither in its prologue nor in its epilogue.
    pub is_settled: bool,
    /// The first instruction of an out-of-line function.
    pub is_entry: bool,
    /// What turns a static's link address into that of the running process.
    pub bias: LoadBias,
}

/// Why a place is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Relative to a frame that does not stand there.
    FrameRelative,
    /// By operations that have no equivalent among places.
    Unsupported,
    /// The compiler kept nothing.
    OptimizedOut,
}

impl From<Unknown> for Missing {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::FrameRelative | Unknown::Unsupported => Self::UnsupportedLocation,
            Unknown::OptimizedOut => Self::OptimizedOut,
        }
    }
}

/// What a function's expressions may refer to.
pub(super) struct Frame<'s> {
    base: Base,
    at: At<'s>,
}

#[derive(Clone, Copy, PartialEq)]
enum At<'s> {
    /// The function's first instruction, with no regard to any frame.
    Entry,
    Anywhere(&'s Standpoint),
}

/// `DW_AT_frame_base`.
#[derive(Clone, Copy, PartialEq)]
enum Base {
    /// `DW_OP_call_frame_cfa`: exact at each instruction (GCC).
    Cfa,
    /// A register that the prologue sets up (LLVM): what is said of it holds in the body only.
    Register(Register),
    Unknown,
}

impl<'s> Frame<'s> {
    pub(super) fn at_entry<'a>(view: &View<'a>, unit: usize, function: &Die<'a>, entry: u64) -> Self {
        Frame { base: Base::of(view, unit, function, entry), at: At::Entry }
    }

    pub(super) fn at<'a>(view: &View<'a>, unit: usize, function: &Die<'a>, standpoint: &'s Standpoint) -> Self {
        let base = Base::of(view, unit, function, standpoint.address.0);
        Frame { base, at: At::Anywhere(standpoint) }
    }

    pub(super) fn is_entry(&self) -> bool {
        match self.at {
            At::Entry => true,
            At::Anywhere(standpoint) => standpoint.is_entry,
        }
    }

    /// What a register holds, as the base of an address.
    pub(super) fn register(&self, register: Register) -> Result<Term, Unknown> {
        let is_of_frame = match self.at {
            At::Entry => matches!(register, Register::RBP | Register::RSP),
            At::Anywhere(Standpoint { is_settled: true, .. }) => false,
            // GCC describes each instruction as it is; LLVM describes the body.
            At::Anywhere(_) => self.base != Base::Cfa && self.moves(register),
        };
        if is_of_frame { Err(Unknown::FrameRelative) } else { Ok(Term::Register(register)) }
    }

    /// Whether prologue and epilogue change the register's meaning.
    fn moves(&self, register: Register) -> bool {
        register == Register::RSP || self.base == Base::Register(register)
    }

    /// `DW_OP_fbreg`.
    pub(super) fn base(&self, offset: i64) -> Result<Term, Unknown> {
        match (self.base, self.at) {
            (Base::Cfa, _) => self.cfa(offset),
            (Base::Register(_), At::Entry) | (Base::Unknown, At::Entry) => Err(Unknown::FrameRelative),
            (Base::Register(register), At::Anywhere(_)) => Ok(self.register(register)?.plus(offset)),
            (Base::Unknown, At::Anywhere(_)) => Err(Unknown::Unsupported),
        }
    }

    /// `DW_OP_call_frame_cfa`, plus bytes. At the first instruction it is rsp + 8, and only what lies at or above it
    /// is there from then on: the arguments that the caller passed on the stack.
    pub(super) fn cfa(&self, offset: i64) -> Result<Term, Unknown> {
        match self.at {
            At::Entry if self.base == Base::Cfa && offset >= 0 => {
                Ok(Term::Register(Register::RSP).plus(offset.saturating_add(8)))
            }
            At::Entry => Err(Unknown::FrameRelative),
            At::Anywhere(standpoint) => {
                let (register, bytes) = standpoint.cfa.ok_or(Unknown::Unsupported)?;
                Ok(Term::Register(register).plus(bytes).plus(offset))
            }
        }
    }

    /// `DW_OP_addr`.
    pub(super) fn static_address(&self, address: u64) -> Result<Term, Unknown> {
        match self.at {
            At::Entry => Err(Unknown::Unsupported),
            At::Anywhere(standpoint) => Ok(Term::Constant(standpoint.bias.runtime(LinkAddress(address)).0)),
        }
    }
}

impl Base {
    fn of<'a>(view: &View<'a>, unit: usize, function: &Die<'a>, address: u64) -> Self {
        let Some(value) = function.attr_value(gimli::DW_AT_frame_base) else { return Self::Unknown };
        let expression = match value {
            Attribute::Exprloc(expression) => expression,
            list => match location_list::find(view, unit, function, list, address, Some(0)) {
                Found::Expression(expression) => expression,
                Found::Nothing | Found::Damaged => return Self::Unknown,
            },
        };
        let Some(parsed) = view.unit(unit) else { return Self::Unknown };
        let mut operations = expression.operations(parsed.encoding());
        let base = match operations.next() {
            Ok(Some(Operation::CallFrameCFA)) => Self::Cfa,
            Ok(Some(Operation::Register { register: gimli::Register(number @ 0..=15) })) => {
                Self::Register(Register(number as u8))
            }
            _ => return Self::Unknown,
        };
        if matches!(operations.next(), Ok(None)) { base } else { Self::Unknown }
    }
}
