//! What the decoder must know of each probed function: names, types and places, as the planner found them.
//! Pure data, indexed by the cookie.

use std::sync::Arc;

use tracer_ebpf::abi::cookie::Cookie;

use super::capture::Wanted;
use super::condition::judge::After;
use crate::value::layout::{TypeId, Types};
use crate::value::place::{Location, Missing, Register};
use crate::value::redaction::Redaction;
use crate::value::walk::Way;

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

    /// Whether the condition of some function is left to user space.
    pub fn judged(&self) -> bool {
        self.functions.iter().any(|function| function.after().is_some())
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
    /// Which of its calls count, if not all.
    pub condition: Option<Arc<Condition>>,
}

/// The condition of a function, as it is decided.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Condition {
    /// The parts that the kernel decides, as the user wrote them.
    pub in_kernel: Vec<String>,
    /// Those that are decided on the records of the calls that are left, and why.
    pub afterwards: Vec<(String, &'static str)>,
    /// How.
    pub after: Option<After>,
}

impl Description {
    /// All that it is, without a condition.
    pub fn new(name: String, kind: DescriptionKind, arguments: Vec<Parameter>, result: ResultDescription) -> Self {
        Self { name, kind, arguments, result, condition: None }
    }

    /// What user space has to decide.
    pub fn after(&self) -> Option<&After> {
        self.condition.as_ref()?.after.as_ref()
    }

    /// What the record of its entry brings.
    pub fn wanted_at_entry(&self) -> Vec<Wanted<'_>> {
        let for_condition = self.after().into_iter().flat_map(After::wanted_at_entry);
        self.arguments.iter().map(Parameter::wanted).chain(for_condition).collect()
    }

    /// What the record of its return brings.
    pub fn wanted_at_end(&self) -> Vec<Wanted<'_>> {
        let for_condition = self.after().into_iter().flat_map(After::wanted_at_end);
        self.results().iter().map(Parameter::wanted).chain(for_condition).collect()
    }

    /// Masks what goes by a masked name: arguments, and the result of a function of that name. Then neither a capture
    /// plan nor the decoder has a place to read it from.
    pub fn mask(&mut self, redaction: &Redaction) {
        let masked = |parameter: &mut Parameter| parameter.location = Location::missing(Missing::Redacted);
        self.arguments.iter_mut().filter(|argument| redaction.masks(&argument.name)).for_each(masked);
        if let ResultDescription::Value(result) = &mut self.result
            && redaction.masks(own_name(&self.name))
        {
            masked(result);
        }
    }

    /// What is read where it returns.
    pub fn results(&self) -> &[Parameter] {
        match &self.result {
            ResultDescription::Value(result) => std::slice::from_ref(result),
            ResultDescription::Parts(parts) => parts,
            ResultDescription::Nothing | ResultDescription::Untyped | ResultDescription::NotAsked => &[],
        }
    }

    /// Whether no debug information says what it takes and returns.
    pub fn is_untyped(&self) -> bool {
        !matches!(self.kind, DescriptionKind::Usdt | DescriptionKind::Line(_))
            && self.arguments.is_empty()
            && self.result == ResultDescription::Untyped
    }
}

/// `max` of `app::limits::max<u32>`.
fn own_name(path: &str) -> &str {
    let mut open = 0_u32;
    let start_of_arguments = path.rfind(|character| {
        match character {
            '>' => open += 1,
            '<' => open = open.saturating_sub(1),
            _ => {}
        }
        open == 0
    });
    let front = match path.ends_with('>') {
        true => start_of_arguments.and_then(|at| path.get(..at)).unwrap_or(path),
        false => path,
    };
    front.rsplit("::").next().unwrap_or(front)
}

/// The return value at the function's exits.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultDescription {
    /// Rust `()`, C `void`.
    Nothing,
    /// There is no debug information that would say.
    Untyped,
    /// The probe's fields leave it out.
    NotAsked,
    Value(Parameter),
    /// Only parts of it.
    Parts(Vec<Parameter>),
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
    /// If only a part of the value is captured: the way to it.
    pub part: Option<Way>,
}

impl Parameter {
    /// The whole value.
    pub fn whole(name: impl Into<Arc<str>>, ty: TypeId, location: Location) -> Self {
        Self { name: name.into(), ty, location, part: None }
    }

    /// What a capture plan copies for it.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { way: self.part.as_ref(), ..Wanted::whole(self.ty, &self.location) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_by_a_masked_name_has_no_place() {
        let parameter = |name: &str| Parameter::whole(name, TypeId(0), Location::default());
        let mut description = Description::new(
            "<app::Store as app::Vault>::password_of<app::User>".to_owned(),
            DescriptionKind::Function,
            vec![parameter("user"), parameter("Password")],
            ResultDescription::Value(parameter("")),
        );
        description.mask(&Redaction(vec!["password*".parse().unwrap()]));
        let masked = Location::missing(Missing::Redacted);
        assert_eq!(description.arguments[0].location, Location::default());
        assert_eq!(description.arguments[1].location, masked);
        assert!(matches!(&description.result, ResultDescription::Value(result) if result.location == masked));
    }

    #[test]
    fn a_functions_own_name_is_its_last_segment() {
        for (path, own) in
            [("a::b::c", "c"), ("c", "c"), ("<a::T as b::U>::c", "c"), ("a::c<d::E<f::G>>", "c"), ("", "")]
        {
            assert_eq!(own_name(path), own);
        }
    }
}
