//! What differs between two states of a value: the parts that changed, each by its path. Of collections that grew or
//! shrank only how many items they have.

use super::{Omitted, Payload, Value};

/// Parts told at most; the rest of a value that changed everywhere is one part.
const PARTS_MAX: usize = 64;

/// One part that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// From the whole value: `.store.count`, empty for the whole.
    pub path: String,
    pub before: Value,
    pub after: Value,
}

/// The parts in which `after` differs from `before`, the outer ones where their shapes differ.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found
}

fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after || found.len() >= PARTS_MAX {
        return;
    }
    match (before, after) {
        (Value::Struct { fields: a, .. } | Value::Open { fields: a, .. }, Value::Struct { fields: b, .. })
        | (Value::Struct { fields: a, .. }, Value::Open { fields: b, .. }) => named(&path, a, b, found),
        (Value::Tuple(a), Value::Tuple(b)) => numbered(&path, a, b, found),
        (Value::TupleStruct { fields: a, .. }, Value::TupleStruct { fields: b, .. }) => numbered(&path, a, b, found),
        (Value::Variant { name: a, payload: from }, Value::Variant { name: b, payload: to }) if a == b => {
            match (from, to) {
                (Payload::Struct(from), Payload::Struct(to)) => named(&path, from, to, found),
                (Payload::Tuple(from), Payload::Tuple(to)) => numbered(&path, from, to, found),
                _ => found.push(Difference { path, before: before.clone(), after: after.clone() }),
            }
        }
        _ => match (count(before), count(after)) {
            (Some(a), Some(b)) if a != b => {
                let items = |count: u64| Value::Plain(format!("{count} item{}", if count == 1 { "" } else { "s" }));
                found.push(Difference { path, before: items(a), after: items(b) });
            }
            _ => found.push(Difference { path, before: before.clone(), after: after.clone() }),
        },
    }
}

fn named(path: &str, before: &[(String, Value)], after: &[(String, Value)], found: &mut Vec<Difference>) {
    for ((name, a), (_, b)) in before.iter().zip(after) {
        compare(format!("{path}.{name}"), a, b, found);
    }
}

fn numbered(path: &str, before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    for (index, (a, b)) in before.iter().zip(after).enumerate() {
        compare(format!("{path}.{index}"), a, b, found);
    }
}

/// How many items a collection has, if that is known.
fn count(value: &Value) -> Option<u64> {
    let (shown, omitted) = match value {
        Value::Sequence { items, omitted } | Value::Set { items, omitted } => (items.len(), omitted),
        Value::Map { entries, omitted } => (entries.len(), omitted),
        _ => return None,
    };
    match omitted {
        Omitted::Nothing => Some(shown as u64),
        Omitted::Count(more) => Some(shown as u64 + more),
        Omitted::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(count: u128, items: &[u128], omitted: u64) -> Value {
        let items = items.iter().map(|item| Value::Unsigned(*item)).collect();
        let inner = Value::TupleStruct { name: "Count".to_owned(), fields: vec![Value::Unsigned(count)] };
        let fields = vec![
            ("count".to_owned(), inner),
            ("items".to_owned(), Value::Sequence { items, omitted: Omitted::count(omitted) }),
            ("same".to_owned(), Value::Bool(true)),
        ];
        Value::Struct { name: "State".to_owned(), fields }
    }

    #[test]
    fn only_what_changed_is_told_by_its_path() {
        let told = differences(&state(1, &[1, 2], 5), &state(2, &[1, 2], 6));
        let [count, items] = told.as_slice() else { panic!("{told:#?}") };
        assert_eq!(
            (count.path.as_str(), &count.before, &count.after),
            (".count.0", &Value::Unsigned(1), &Value::Unsigned(2))
        );
        assert_eq!((items.path.as_str(), &items.after), (".items", &Value::Plain("8 items".to_owned())));
        assert!(differences(&state(1, &[], 0), &state(1, &[], 0)).is_empty());
    }

    #[test]
    fn another_shape_is_another_value() {
        let variant = |name: &str| Value::Variant { name: name.to_owned(), payload: Payload::Unit };
        let told = differences(&variant("Idle"), &variant("Busy"));
        assert_eq!((told.len(), told[0].path.as_str()), (1, ""));
        let items = |first| Value::Sequence { items: vec![Value::Unsigned(first)], omitted: Omitted::Nothing };
        assert_eq!(differences(&items(1), &items(2))[0].after, items(2));
    }
}
