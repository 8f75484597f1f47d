//! What happened in the target, decoded: the vocabulary between `events` and `report`.
//! Times stay CLOCK_MONOTONIC nanoseconds; the report turns them into the time of day.

use std::sync::Arc;

use tracer_ebpf::abi::control::Tripped;

use super::description::{Description, LineOf};
use super::loss::Losses;
use crate::value::Value;
use crate::value::backtrace::Stack;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Call(Call),
    Return(Return),
    Usdt(Usdt),
    Line(LineHit),
    /// A thread's name became known. Later events of the thread carry it.
    ThreadNamed(Thread),
    /// The kernel admits no more calls; returns of open ones still come.
    Limit {
        time_ns: u64,
        reason: Tripped,
    },
    /// Something was lost since the last such event.
    Lost {
        time_ns: u64,
        new: Losses,
    },
}

/// The thread that an event happened on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thread {
    pub pid: u32,
    pub tid: u32,
    /// Its name when it was first seen; empty if that was lost.
    pub name: Arc<str>,
}

/// A value with the name of its parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    pub name: Arc<str>,
    pub value: Value,
}

/// A call began.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Counted from 1 over the session.
    pub id: u64,
    pub parent: Option<u64>,
    pub time_ns: u64,
    pub thread: Thread,
    /// Traced calls of the same stack below this one.
    pub depth: u32,
    pub function: Arc<Description>,
    pub arguments: Vec<Argument>,
    /// Why `arguments` says nothing of what it was given; `None` if it lists all of them.
    pub untold: Option<Untold>,
    /// Whether a [`Return`] with the same id will follow.
    pub returns: bool,
    /// The stack that it was made on, if the session asks for stacks.
    pub stack: Option<Stack>,
}

/// Why the arguments of a call are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untold {
    /// No debug information says what it takes.
    Untyped,
    /// The poll goes on where an earlier one stopped, at that file and line: by then the compiler may have put
    /// something else in the arguments' place.
    Resumed(Option<(String, u32)>),
}

/// A call ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    pub id: u64,
    /// When it ended, or when that was noticed.
    pub time_ns: u64,
    pub thread: Thread,
    pub depth: u32,
    pub function: Arc<Description>,
    pub ending: Ending,
    /// Exact for [`Ending::Returned`] and [`Ending::TailCalled`], an upper bound for [`Ending::Unwound`], else absent.
    pub duration_ns: Option<u64>,
    pub value: Returned,
    /// Whether the call's own record arrived. Without it, the call was never shown.
    pub call_seen: bool,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    Returned,
    /// An exception, panic or longjmp went past its frame.
    Unwound,
    /// By a jump to another function, which returns in its place.
    TailCalled,
    /// It is gone, and not every way out was probed.
    Unknown,
    /// The session ended first, or the record of its end was lost.
    Open,
}

/// What a call returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Returned {
    /// Rust `()`, C `void`.
    Nothing,
    /// There is a value, but no debug information that would say of which type.
    Untyped,
    Value(Value),
    /// The parts of it that the probe's fields name.
    Parts(Vec<Argument>),
    /// The probe's fields leave it out.
    NotAsked,
    /// It did not return.
    Absent,
}

/// A line of source was reached.
#[derive(Clone, Debug, PartialEq)]
pub struct LineHit {
    pub id: u64,
    pub parent: Option<u64>,
    pub time_ns: u64,
    pub thread: Thread,
    pub depth: u32,
    /// The function that the line is in.
    pub function: Arc<Description>,
    pub line: Arc<LineOf>,
    pub locals: Vec<Argument>,
    /// As in [`Call::stack`].
    pub stack: Option<Stack>,
}

/// A USDT probe fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Usdt {
    pub id: u64,
    pub parent: Option<u64>,
    pub time_ns: u64,
    pub thread: Thread,
    pub depth: u32,
    pub probe: Arc<Description>,
    pub arguments: Vec<Argument>,
    /// As in [`Call::stack`].
    pub stack: Option<Stack>,
}

impl Event {
    /// Where the stack of this event goes, or is; `None` if it has none.
    pub fn stack_mut(&mut self) -> Option<&mut Option<Stack>> {
        match self {
            Self::Call(call) => Some(&mut call.stack),
            Self::Usdt(usdt) => Some(&mut usdt.stack),
            Self::Line(hit) => Some(&mut hit.stack),
            Self::Return(_) | Self::ThreadNamed(_) | Self::Limit { .. } | Self::Lost { .. } => None,
        }
    }
}
