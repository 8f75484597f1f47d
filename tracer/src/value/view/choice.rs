//! One of several values, or none, by a number beside them: optionals and variants of C++.

use super::Part;

/// Which alternative there is, as the number at `tag_offset` says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) tag_offset: u64,
    pub(crate) tag_bytes: u64,
    pub(crate) alternatives: Vec<Alternative>,
}

/// What there is for a range of numbers: `name`, `name(content)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alternative {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) name: String,
    pub(crate) content: Option<Part>,
}

impl Alternative {
    pub(super) fn of(tag: u64, name: &str, content: Option<Part>) -> Self {
        Self { low: tag, high: tag, name: name.to_owned(), content }
    }
}
