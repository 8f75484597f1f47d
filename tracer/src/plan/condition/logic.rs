//! A condition after its names and types were checked: what is read, and which bits or texts are accepted.
//! Negations stand at the leaves, so that what cannot be read makes a condition false, whatever stands before it.

use tracer_ebpf::abi::filter::Match;

use super::ranges::Ranges;
use crate::plan::expression::Operator;
use crate::value::view::Stretch;
use crate::value::walk::{Length, Part, Step, TextPlace, Way};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Logic {
    Constant(bool),
    Leaf(Leaf),
    All(Vec<Logic>),
    Any(Vec<Logic>),
}

/// One test of one part of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
    pub(crate) test: Test,
}

/// What the way to a part starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// By its number.
    Argument(usize),
    Result,
    Duration,
    ThreadId,
    ThreadName,
    /// At exit: a part of the condition that the entry decided, by its number.
    Part(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// Bits of the word of that size that is there.
    Bits {
        size_bytes: u64,
        first_bit: u32,
        accepted: Ranges,
    },
    Text {
        text: TextPlace,
        how: Match,
        wanted: Vec<u8>,
        negated: bool,
    },
    /// How many items are between two addresses.
    Distance {
        stretch: Stretch,
        accepted: Ranges,
    },
    /// The length of a text that ends with a NUL.
    TextLength {
        text: TextPlace,
        accepted: Ranges,
    },
    /// What is there, a `part`, held against another value.
    Relation {
        part: Part,
        operator: Operator,
        other: Operand,
        negated: bool,
    },
}

/// One side of a comparison of two values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operand {
    pub(crate) root: Root,
    pub(crate) way: Way,
}

impl Leaf {
    /// Whether only the end of a call can decide it.
    fn needs_end(&self) -> bool {
        let is_late = |root| matches!(root, Root::Result | Root::Duration);
        is_late(self.root) || matches!(&self.test, Test::Relation { other, .. } if is_late(other.root))
    }

    /// Whether a call that does not return has nothing to decide it by.
    pub(super) fn needs_result(&self) -> bool {
        let is_result = |root| root == Root::Result;
        is_result(self.root) || matches!(&self.test, Test::Relation { other, .. } if is_result(other.root))
    }

    /// The values that it reads.
    pub(crate) fn operands(&self) -> Vec<Operand> {
        let (part, other) = match &self.test {
            Test::Bits { size_bytes, .. } => (Part::Bytes(*size_bytes), None),
            Test::Distance { stretch, .. } => (Part::Length(Length::Word(*stretch)), None),
            Test::Text { text, .. } | Test::TextLength { text, .. } => (Part::Text(*text), None),
            Test::Relation { part, other, .. } => (*part, Some(other.clone())),
        };
        let own = Operand { root: self.root, way: Way { steps: self.steps.clone(), part } };
        std::iter::once(own).chain(other).collect()
    }
}

impl Logic {
    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Vec::new();
        for part in parts {
            match part {
                Self::Constant(true) => {}
                Self::Constant(false) => return Self::Constant(false),
                Self::All(inner) => joined.extend(inner),
                other => joined.push(other),
            }
        }
        match joined.len() {
            0 => Self::Constant(true),
            1 => joined.remove(0),
            _ => Self::All(joined),
        }
    }

    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Vec::new();
        for part in parts {
            match part {
                Self::Constant(false) => {}
                Self::Constant(true) => return Self::Constant(true),
                Self::Any(inner) => joined.extend(inner),
                other => joined.push(other),
            }
        }
        match joined.len() {
            0 => Self::Constant(false),
            1 => joined.remove(0),
            _ => Self::Any(joined),
        }
    }

    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(!value),
            Self::All(parts) => Self::any(parts.into_iter().map(Self::negated)),
            Self::Any(parts) => Self::all(parts.into_iter().map(Self::negated)),
            Self::Leaf(Leaf { root, steps, test }) => {
                let test = match test {
                    Test::Bits { size_bytes, first_bit, accepted } => {
                        Test::Bits { size_bytes, first_bit, accepted: accepted.complement() }
                    }
                    Test::Text { text, how, wanted, negated } => Test::Text { text, how, wanted, negated: !negated },
                    Test::Distance { stretch, accepted } => Test::Distance { stretch, accepted: accepted.complement() },
                    Test::TextLength { text, accepted } => Test::TextLength { text, accepted: accepted.complement() },
                    Test::Relation { part, operator, other, negated } => {
                        Test::Relation { part, operator, other, negated: !negated }
                    }
                };
                Self::Leaf(Leaf { root, steps, test })
            }
        }
    }

    /// Those that must all hold.
    pub(crate) fn conjuncts(self) -> Vec<Self> {
        match self {
            Self::Constant(true) => Vec::new(),
            Self::All(parts) => parts,
            other => vec![other],
        }
    }

    pub(crate) fn leaves(&self) -> Vec<&Leaf> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Leaf(leaf) => vec![leaf],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::leaves).collect(),
        }
    }

    /// Whether only the end of a call can decide it.
    pub(crate) fn needs_end(&self) -> bool {
        self.leaves().iter().any(|leaf| leaf.needs_end())
    }

    /// The same with some leaves replaced.
    pub(crate) fn map(self, replace: &mut impl FnMut(Self) -> Self) -> Self {
        match self {
            Self::All(parts) => Self::all(parts.into_iter().map(|part| part.map(replace)).collect::<Vec<_>>()),
            Self::Any(parts) => Self::any(parts.into_iter().map(|part| part.map(replace)).collect::<Vec<_>>()),
            leaf => replace(leaf),
        }
    }
}
