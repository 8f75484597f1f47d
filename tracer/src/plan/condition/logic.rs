//! A condition after its names and types were checked: what is read, and which bits or texts are accepted.
//! Negations stand at the leaves, so that what cannot be read makes a condition false, whatever stands before it.

use tracer_ebpf::abi::filter::Match;

use super::ranges::Ranges;
use crate::value::view::Stretch;
use crate::value::walk::Step;

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
    /// The length of a text that ends with a NUL.
    TextLength {
        text: TextPlace,
        accepted: Ranges,
    },
}

/// Where a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextPlace {
    Stretch(Stretch),
    /// A pointer to bytes that end with a NUL.
    CString,
    /// In place, up to a NUL or that many bytes.
    CharArray(u64),
    ThreadName,
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
                    Test::TextLength { text, accepted } => Test::TextLength { text, accepted: accepted.complement() },
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
        self.leaves().iter().any(|leaf| matches!(leaf.root, Root::Result | Root::Duration))
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
