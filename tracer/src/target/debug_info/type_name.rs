//! The name of a type as its language writes it, read without loading the type.
//! Knows nothing of layouts.

use gimli::constants as dw;

use super::Language;
use super::name::{joined, scope_names};
use super::unit::{Die, Position, View};

/// Deeper types than any program spells out; the rest is `…`.
const DEPTH_MAX: usize = 16;

pub(super) fn type_name(view: &View<'_>, at: Position) -> String {
    spelled(view, at, 0)
}

fn spelled(view: &View<'_>, at: Position, depth: usize) -> String {
    let Some(die) = view.entry(at).filter(|_| depth < DEPTH_MAX) else { return "…".into() };
    let is_rust = view.language(at.unit) == Language::Rust;
    if let Some(name) = view.name(at.unit, &die) {
        return match die.tag() {
            // Rust's pointers and base types carry their whole name.
            dw::DW_TAG_base_type | dw::DW_TAG_pointer_type => name.into_owned(),
            _ => joined(&name, &scope_names(view, declaration(view, at, &die))),
        };
    }
    // The declaration of a type that has a type unit to itself.
    if let Some(definition) = die.attr_value(dw::DW_AT_signature).and_then(|value| view.reference(at.unit, value)) {
        return spelled(view, definition, depth + 1);
    }
    let target = |missing: &str| match target(view, at, &die) {
        Some(target) => spelled(view, target, depth + 1),
        None => missing.to_owned(),
    };
    match die.tag() {
        dw::DW_TAG_pointer_type if is_rust => format!("*const {}", target("()")),
        dw::DW_TAG_pointer_type => pointer(target("void"), "*"),
        dw::DW_TAG_reference_type => pointer(target("void"), "&"),
        dw::DW_TAG_rvalue_reference_type => pointer(target("void"), "&&"),
        dw::DW_TAG_const_type => qualified(target("void"), "const"),
        dw::DW_TAG_volatile_type => qualified(target("void"), "volatile"),
        dw::DW_TAG_restrict_type => qualified(target("void"), "restrict"),
        dw::DW_TAG_atomic_type => format!("_Atomic {}", target("void")),
        dw::DW_TAG_array_type => array(target("?"), &counts(view, at), is_rust),
        dw::DW_TAG_subroutine_type => format!("{} (…)", target("void")),
        dw::DW_TAG_structure_type => scoped(view, at, "(anonymous struct)"),
        dw::DW_TAG_class_type => scoped(view, at, "(anonymous class)"),
        dw::DW_TAG_union_type => scoped(view, at, "(anonymous union)"),
        dw::DW_TAG_enumeration_type => scoped(view, at, "(anonymous enum)"),
        _ => "?".into(),
    }
}

/// Where a type is declared, if that is not where it is defined: the path to its name is there.
fn declaration(view: &View<'_>, at: Position, die: &Die<'_>) -> Position {
    die.attr_value(dw::DW_AT_specification).and_then(|value| view.reference(at.unit, value)).unwrap_or(at)
}

pub(super) fn target(view: &View<'_>, at: Position, die: &Die<'_>) -> Option<Position> {
    view.reference(at.unit, die.attr_value(dw::DW_AT_type)?)
}

fn scoped(view: &View<'_>, at: Position, name: &str) -> String {
    joined(name, &scope_names(view, at))
}

/// `char *`, `char **`, `int (…) *` as `int (*)(…)` is not attempted.
fn pointer(target: String, mark: &str) -> String {
    match target.ends_with(['*', '&']) {
        true => target + mark,
        false => format!("{target} {mark}"),
    }
}

/// A qualifier of a pointer stands behind it.
fn qualified(target: String, qualifier: &str) -> String {
    match target.ends_with(['*', '&']) {
        true => format!("{target} {qualifier}"),
        false => format!("{qualifier} {target}"),
    }
}

fn array(element: String, counts: &[Option<u64>], is_rust: bool) -> String {
    let text = |count: &Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    if is_rust {
        return counts.iter().rev().fold(element, |element, count| format!("[{element}; {}]", text(count)));
    }
    let counts: String = counts.iter().map(|count| format!("[{}]", text(count))).collect();
    format!("{element} {counts}")
}

/// The number of elements of each dimension of an array, outermost first; `None` where DWARF has no constant.
pub(super) fn counts(view: &View<'_>, at: Position) -> Vec<Option<u64>> {
    /// More dimensions than any array has.
    const DIMENSIONS_MAX: usize = 16;
    let mut counts: Vec<Option<u64>> = view
        .children(at)
        .iter()
        .filter(|die| matches!(die.tag(), dw::DW_TAG_subrange_type | dw::DW_TAG_enumeration_type))
        .take(DIMENSIONS_MAX)
        .map(count)
        .collect();
    if counts.is_empty() {
        counts.push(None);
    }
    counts
}

fn count(subrange: &Die<'_>) -> Option<u64> {
    if let Some(count) = subrange.attr_value(dw::DW_AT_count) {
        return count.udata_value();
    }
    let upper = subrange.attr_value(dw::DW_AT_upper_bound)?;
    // GCC writes the upper bound of an empty array as -1, in the form of any width.
    let upper = match upper {
        gimli::AttributeValue::Sdata(value) => value,
        other => i64::try_from(other.udata_value()?).unwrap_or(-1),
    };
    let lower = subrange.attr_value(dw::DW_AT_lower_bound).and_then(|value| value.sdata_value()).unwrap_or(0);
    u64::try_from(upper.checked_sub(lower)?.checked_add(1)?).ok()
}
