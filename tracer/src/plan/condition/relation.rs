//! Two values of the target held against each other: which kinds of values have an order in common.

use super::compare::{Subject, text_match};
use super::logic::{Logic, Operand, Test};
use super::stored::{Stored, stored};
use crate::plan::expression::Operator;
use crate::plan::expression::error::Mistake;
use crate::value::layout::Types;
use crate::value::walk::{Part, TextPlace, Way};

/// Whether `left operator right` holds, where both are values of the target.
///
/// # Errors
/// The types do not allow it.
pub(crate) fn with_subject(types: &Types, left: Subject, operator: Operator, right: Subject) -> Result<Logic, Mistake> {
    let (left_name, right_name) = (left.describe(types), right.describe(types));
    let (left, right) = (left.simple(types), right.simple(types));
    let (kind, other) = (Kind::of(&stored(types, &left)), Kind::of(&stored(types, &right)));
    let is_allowed = match kind {
        Kind::Number | Kind::Character | Kind::Time => operator.is_order(),
        Kind::Text => text_match(operator).is_some(),
        Kind::Same => matches!(operator, Operator::Equal | Operator::NotEqual),
        Kind::Other => false,
    };
    let is_same_kind = match kind {
        Kind::Same => left.ty().map(|ty| &types.get(ty).shape) == right.ty().map(|ty| &types.get(ty).shape),
        kind => kind == other,
    };
    if kind == Kind::Other || other == Kind::Other || !is_same_kind {
        return Err(Mistake::Types { left: left_name, right: right_name, hint: "" });
    }
    if !is_allowed {
        return Err(Mistake::OperatorType { operator: operator.text(), ty: left_name });
    }
    let part = |subject: &Subject| match stored(types, subject) {
        Stored::Text(place) => Part::Text(place),
        Stored::ThreadName => Part::Text(TextPlace::ThreadName),
        _ => subject.way.part,
    };
    let (own, others) = (part(&left), part(&right));
    let other = Operand { root: right.root, way: Way { part: others, ..right.way } };
    Ok(left.leaf(0, Test::Relation { part: own, operator, other, negated: false }))
}

/// What kind of order there is between values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Character,
    Text,
    Time,
    /// None: they are the same or not.
    Same,
    Other,
}

impl Kind {
    fn of(stored: &Stored<'_>) -> Self {
        match stored {
            Stored::Integer { .. } | Stored::Float { .. } | Stored::Word { .. } => Self::Number,
            Stored::Enumeration { .. } | Stored::Length(_) => Self::Number,
            Stored::Char { .. } => Self::Character,
            Stored::Text(_) | Stored::ThreadName => Self::Text,
            Stored::Duration | Stored::Time { .. } => Self::Time,
            Stored::Bool { .. } | Stored::Pointer | Stored::Uuid => Self::Same,
            Stored::Other => Self::Other,
        }
    }
}
