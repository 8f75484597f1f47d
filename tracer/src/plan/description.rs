//! What the decoder must know of each probed function: names, types and places, as the planner found them.
//! Pure data, indexed by the cookie.

use std::sync::Arc;

use tracer_ebpf::abi::cookie::Cookie;

use crate::value::layout::{TypeId, Types};
use crate::value::place::{Location, Register};

/// All that a session's records can mean.
#[derive(Clone, Debug, Default)]
pub struct Descriptions {
    /// Layouts of the types that the functions refer to.
    pub types: Types,
    /// By [`Cookie::function`]. Each copy of a generic function and each site of a USDT probe has its own, because
    /// their values lie in different places; copies of one function share their name.
    pub functions: Vec<Arc<Description>>,
    /// By [`Cookie::plan`]: the registers that the plan's records start with.
    pub plan_registers: Vec<Vec<Register>>,
}

impl Descriptions {
    /// The function that the cookie names; `None` for a cookie that this session did not give out.
    pub fn function(&self, cookie: Cookie) -> Option<&Arc<Description>> {
        self.functions.get(cookie.function() as usize)
    }

    /// The registers of the records of the cookie's plan.
    pub fn registers(&self, cookie: Cookie) -> Option<&[Register]> {
        self.plan_registers.get(cookie.plan() as usize).map(Vec::as_slice)
    }
}

/// One probed function, or one site of a USDT probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// As the user reads it: `target_app::audit_log::AuditLog::handle_call`; for USDT `provider:name`.
    pub name: String,
    pub kind: DescriptionKind,
    /// At the function's first instruction, or at the USDT site.
    pub arguments: Vec<Parameter>,
    pub result: ResultDescription,
}

impl Description {
    /// Whether no debug information says what it takes and returns.
    pub fn is_untyped(&self) -> bool {
        !matches!(self.kind, DescriptionKind::Usdt | DescriptionKind::Line(_))
            && self.arguments.is_empty()
            && self.result == ResultDescription::Untyped
    }
}

/// The return value at the function's exits.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultDescription {
    /// Rust `()`, C `void`.
    Nothing,
    /// There is no debug information that would say.
    Untyped,
    Value(Parameter),
}

/// What kind of thing was probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DescriptionKind {
    Function,
    /// The poll function of an `async fn`, shown by the `async fn`'s own name. Its only argument is the environment,
    /// whose `Unresumed` variant holds the arguments.
    Poll,
    /// An inlined copy of a function: calls that have no end.
    Inlined,
    /// A line of source in a function. The arguments are the locals in scope there.
    Line(Arc<LineOf>),
    Usdt,
}

/// Which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOf {
    /// As the compiler was given it.
    pub file: String,
    pub line: u64,
    /// In an inlined copy of the function.
    pub is_inlined: bool,
}

impl DescriptionKind {
    /// `src/store.rs:42`, for a line.
    pub fn source_line(&self) -> Option<String> {
        match self {
            Self::Line(line) => Some(format!("{}:{}", line.file, line.line)),
            _ => None,
        }
    }
}

/// One value: its name, type and place.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: Arc<str>,
    pub ty: TypeId,
    pub location: Location,
}
