//! A second reading of conditions, for tests: decides the expression on decoded values, as a person would.
//! Knows nothing of bits, terms and operations. What is not known is `None`.

use std::cell::Cell;
use std::cmp::Ordering;

use super::Places;
use super::check::Scope;
use super::logic::Root;
use crate::plan::expression::{Expression, Kind, Literal, Operator, Path};
use crate::value::image::Memory;
use crate::value::{Limits, Omitted, Payload, Value, walk};

pub(super) struct Oracle<'o> {
    pub(super) scope: Scope<'o>,
    pub(super) places: Places<'o>,
    pub(super) memory: &'o dyn Memory,
    /// A text could not be read to its end, and its length alone may decide; or some bits are no value of their type.
    pub(super) is_vague: Cell<bool>,
}

impl Oracle<'_> {
    pub(super) fn holds(&self, expression: &Expression) -> Option<bool> {
        match &expression.kind {
            Kind::And(left, right) => match (self.holds(left), self.holds(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Kind::Or(left, right) => match (self.holds(left), self.holds(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Kind::Not(inner) => self.holds(inner).map(|holds| !holds),
            Kind::Compare { operator, left, right } => match (&left.kind, &right.kind) {
                (Kind::Path(path), Kind::Literal(literal)) => {
                    let value = self.value(path);
                    let is_cut = matches!(
                        &value,
                        None | Some(
                            Value::Text { omitted: Omitted::Count(_) | Omitted::Unknown, .. }
                                | Value::Bytes { omitted: Omitted::Count(_) | Omitted::Unknown, .. }
                        )
                    );
                    if is_cut && matches!(literal, Literal::Text(_)) {
                        self.is_vague.set(true);
                    }
                    compare(*operator, &value?, literal)
                }
                _ => panic!("the test compares paths with literals"),
            },
            Kind::Is { subject, variant } => {
                let value = self.value(subject)?;
                let Value::Variant { name, payload } = &value else { return None };
                if *name != variant.name {
                    return Some(false);
                }
                match (&variant.content, payload) {
                    (None, _) => Some(true),
                    (Some((literal, _)), Payload::Tuple(fields)) => compare(Operator::Equal, fields.first()?, literal),
                    _ => None,
                }
            }
            Kind::Path(path) => match self.value(path)? {
                Value::Bool(value) => Some(value),
                _ => None,
            },
            Kind::Literal(_) => panic!("no condition"),
        }
    }

    fn value(&self, path: &Path) -> Option<Value> {
        let subject = self.scope.subject(path).unwrap();
        assert!(matches!(subject.root, Root::Argument(_)));
        let location = self.places.location(subject.root).unwrap();
        let limits = Limits { string_bytes_max: 4096, ..Limits::default() };
        let value = walk::read(self.places.types, &subject.way, location, self.memory, &limits)?;
        // A `bool` of 7 is neither true nor false, and no program that works has one.
        self.is_vague.set(self.is_vague.get() || matches!(value, Value::Raw { .. }));
        (!matches!(value, Value::Unreadable(_) | Value::Raw { .. })).then_some(value)
    }
}

fn compare(operator: Operator, value: &Value, literal: &Literal) -> Option<bool> {
    let ordered = |order: Option<Ordering>| match (operator, order) {
        (Operator::NotEqual, None) => true,
        (_, None) => false,
        (Operator::Equal, Some(order)) => order.is_eq(),
        (Operator::NotEqual, Some(order)) => order.is_ne(),
        (Operator::Less, Some(order)) => order.is_lt(),
        (Operator::LessOrEqual, Some(order)) => order.is_le(),
        (Operator::Greater, Some(order)) => order.is_gt(),
        (_, Some(order)) => order.is_ge(),
    };
    let integer = |literal: &Literal| match literal {
        Literal::Integer { magnitude, negative: false } => i128::try_from(*magnitude).ok(),
        Literal::Integer { magnitude, .. } => Some((*magnitude as i128).wrapping_neg()),
        _ => None,
    };
    let number = |literal: &Literal| match literal {
        Literal::Float(value) => Some(*value),
        other => integer(other).map(|value| value as f64),
    };
    Some(match (value, literal) {
        // As people mean it: what is in the option.
        (Value::Variant { name, payload: Payload::Tuple(fields) }, _) if name == "Some" => {
            return compare(operator, fields.first()?, literal);
        }
        (Value::Variant { name, .. }, _) if name == "None" => return None,
        (Value::Signed(value), _) => ordered(value.partial_cmp(&integer(literal)?)),
        (Value::Unsigned(value), Literal::Integer { magnitude, negative: false }) => {
            ordered(value.partial_cmp(magnitude))
        }
        (Value::Float64(value), _) => ordered(value.partial_cmp(&number(literal)?)),
        (Value::Float32(value), _) => ordered(value.partial_cmp(&(number(literal)? as f32))),
        (Value::Bool(value), Literal::Bool(literal)) => ordered(value.partial_cmp(literal)),
        (Value::Char(value), Literal::Char(literal)) => ordered(value.partial_cmp(literal)),
        (Value::Text { text, .. }, Literal::Text(literal)) => matches(operator, text.as_bytes(), literal.as_bytes()),
        (Value::Bytes { bytes, .. }, Literal::Text(literal)) => matches(operator, bytes, literal.as_bytes()),
        // A C string that is null.
        (Value::Address(0), Literal::Text(_)) => return None,
        (Value::Uuid(bytes), Literal::Text(literal)) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            matches(operator, digits.as_bytes(), literal.replace('-', "").as_bytes())
        }
        _ => return None,
    })
}

fn matches(operator: Operator, text: &[u8], wanted: &[u8]) -> bool {
    match operator {
        Operator::Equal => text == wanted,
        Operator::NotEqual => text != wanted,
        Operator::StartsWith => text.starts_with(wanted),
        Operator::EndsWith => text.ends_with(wanted),
        _ => wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted),
    }
}
