//! The expressions that users write: a condition behind `if`, the fields behind `->`, what `print` shows.
//! From text to a tree whose parts know where they stand; names mean nothing yet (see `resolve`).
//!
//! | form | means |
//! |---|---|
//! | `tree.moisture`, `self.0`, `args.1` | arguments and their fields, by name or by number |
//! | `items[3]`, `map["key"]`, `items.len()`, `items.is_empty()`, `*pointer` | an element, the number of elements, what a pointer leads to |
//! | `message.Save.uuid` | a field of an enum's variant |
//! | `5`, `-0x1f`, `2.5`, `true`, `'a'`, `"text"`, `b"\xff"`, `null`, `10ms` | literals |
//! | `==` `!=` `<` `<=` `>` `>=`, `starts_with`, `contains`, `ends_with` | comparisons |
//! | `message is Save`, `answer is Some(5)` | which variant an enum has |
//! | `&&` `\|\|` `!` `( )` | all together |

pub mod cast;
pub mod error;
mod lexer;
mod literal;
mod member;
mod parser;
pub mod resolve;

#[cfg(test)]
mod parser_tests;
#[cfg(test)]
mod resolve_tests;

pub use error::{ExpressionError, Mistake};
pub use parser::{parse_condition, parse_paths};

/// Bytes of the text that a part of an expression takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// From the start of this one to the end of the other.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// An expression, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Path(Path),
    Literal(Literal),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Compare { operator: Operator, left: Box<Expression>, right: Box<Expression> },
    Is { subject: Path, variant: Variant },
}

/// Where a value is: a name, and the way from there.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub span: Span,
    /// An argument, a built-in name, or the `::` path of a static.
    pub name: String,
    pub name_span: Span,
    pub steps: Vec<PathStep>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PathStep {
    pub span: Span,
    pub kind: StepKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// A field by name or number, or the content of an enum's variant.
    Field(String),
    Index(Literal),
    Length,
    Dereference,
}

/// What is behind `is`: a variant, and what its only field must equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub span: Span,
    /// The last segment of what was written: `Some` of `Option::Some`.
    pub name: String,
    pub content: Option<(Literal, Span)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Magnitude and sign: `-0` is not needed, but i128's minimum is.
    Integer {
        magnitude: u128,
        negative: bool,
    },
    Float(f64),
    Bool(bool),
    Char(char),
    Text(String),
    /// `b"…"`
    Bytes(Vec<u8>),
    Null,
    /// Nanoseconds.
    Duration(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StartsWith,
    EndsWith,
    Contains,
}

impl Operator {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Contains => "contains",
        }
    }

    /// Whether it asks for an order, equality included, and not for a part of a text.
    pub(crate) fn is_order(self) -> bool {
        !matches!(self, Self::StartsWith | Self::EndsWith | Self::Contains)
    }

    /// The comparison with its sides exchanged; `None` for those on text.
    pub fn mirrored(self) -> Option<Self> {
        Some(match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::StartsWith | Self::EndsWith | Self::Contains => return None,
        })
    }
}
