//! What is wrong with an expression, and where: in its text, or in what its names mean for a certain function.

use thiserror::Error;

use super::Span;

/// An expression that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{mistake}")]
pub struct ExpressionError {
    pub span: Span,
    pub mistake: Mistake,
}

impl ExpressionError {
    pub(crate) fn new(span: Span, mistake: Mistake) -> Self {
        Self { span, mistake }
    }

    /// Whether another function of the same pattern may well have what this one lacks.
    pub fn is_missing_name(&self) -> bool {
        matches!(self.mistake, Mistake::UnknownName { .. } | Mistake::UnknownField { .. } | Mistake::NoDebugInfo)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mistake {
    // Of the text:
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{found} does not belong here: expected {expected}")]
    Unexpected { found: String, expected: &'static str },
    #[error("the character {0:?} means nothing here")]
    Character(char),
    #[error("write `{0}`")]
    Write(&'static str),
    #[error("the text is not closed: end it with `\"`")]
    OpenText,
    #[error("a character is written 'a'")]
    BadCharacter,
    #[error("`\\{0}` is no escape: there are \\n \\r \\t \\0 \\\\ \\' \\\" \\xNN \\u{{NNNN}}")]
    BadEscape(String),
    #[error("this is no number")]
    BadNumber,
    #[error("the number is larger than any integer of the target can be")]
    HugeNumber,
    #[error("there is no unit {0:?}: write ns, us, ms, s, m or h")]
    Unit(String),
    #[error("it is nested too deep")]
    TooDeep,
    #[error("it has too many parts")]
    TooLong,
    #[error("comparisons do not chain: write `a < b && b < c`")]
    Chained,

    // Of the names and types:
    #[error("there is no argument {name:?}{}", there_are(.known))]
    UnknownName { name: String, known: Vec<String> },
    #[error("{ty} has no field {name:?}{}", there_are(.known))]
    UnknownField { name: String, ty: String, known: Vec<String> },
    #[error("no debug information says what the function takes")]
    NoDebugInfo,
    #[error("{ty} has no variant {name:?}{}", there_are(.known))]
    UnknownVariant { name: String, ty: String, known: Vec<String> },
    #[error("{0} is no enum: only an enum has variants")]
    NoEnum(String),
    #[error("{ty} cannot be indexed{}", .hint)]
    NoIndex { ty: String, hint: &'static str },
    #[error("its keys are {0}: write such a literal")]
    NoKey(String),
    #[error("an index is a number that is not negative")]
    BadIndex,
    #[error("the array has {0} elements")]
    BeyondArray(u64),
    #[error("{0} has no length")]
    NoLength(String),
    #[error("{0} is no pointer")]
    NoPointer(String),
    #[error("what the pointer leads to is not known: {0}")]
    UnknownTarget(String),
    #[error("{left} is not compared with {right}{}", .hint)]
    Types { left: String, right: String, hint: &'static str },
    #[error("`{operator}` is not for {ty}")]
    OperatorType { operator: &'static str, ty: String },
    #[error("{ty} is never {value}: it can be {range}")]
    Never { ty: String, value: String, range: String },
    #[error("this is {0}, not a condition: compare it, as in `x > 5`")]
    NoCondition(String),
    #[error("{ty} has no simple value: name one of its fields{}", there_are(.known))]
    NotSimple { ty: String, known: Vec<String> },
    #[error("a `*` stands at the beginning or the end of a thread's name")]
    StarAmid,
    #[error("compare with a value of the target: two literals are always the same")]
    TwoLiterals,
    #[error("the function returns nothing")]
    NoResult,
    #[error("what is returned is not known here: {0}")]
    ResultUnknown(&'static str),
    #[error("a function has no locals where it begins: name a line, as in file.rs:42")]
    NoLocals,
    #[error("it is shown with every call")]
    AlwaysShown,
    #[error("it is never true")]
    NeverTrue,
    #[error("it cannot be evaluated in the kernel: {0}")]
    NotInKernel(&'static str),
    #[error("it cannot be read in this function: {0}")]
    Unreadable(&'static str),
}

/// More names than this help nobody.
const NAMES_MAX: usize = 12;

/// `: there is a, b`, the first few.
fn there_are(names: &[String]) -> String {
    match names {
        [] => String::new(),
        _ if names.len() > NAMES_MAX => format!(": there is {}, …", names.get(..NAMES_MAX).unwrap_or(names).join(", ")),
        _ => format!(": there is {}", names.join(", ")),
    }
}
