//! Types around one value or a few: `optional`, `variant`, `tuple`, pointers, `atomic`, `function`, `chrono`.

use std::collections::BTreeMap;

use crate::value::layout::{Field, Shape, StructStyle, Type, Types};
use crate::value::name;
use crate::value::view::find::{field, find, first, is_thin_pointer, named};
use crate::value::view::{Alternative, Choice, Part, Shell, View};

/// Alternatives of one variant that are looked at.
const ALTERNATIVES_MAX: usize = 64;

/// Elements of one tuple.
const ELEMENTS_MAX: usize = 64;

/// A union of nothing and the value, and whether it is the value.
pub(super) fn optional<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (tag_offset, tag) = named(types, fields, "_M_engaged")?;
    let (payload, ty) = fields.iter().find_map(|field| {
        find(types, field, &|ty| matches!(&ty.shape, Shape::Union { fields } if has(fields, "_M_value")))
    })?;
    let Shape::Union { fields } = &types.get(ty).shape else { return None };
    let value = field(fields, "_M_value")?;
    let content = Part { offset: payload + value.offset, ty: value.ty };
    let alternatives = vec![Alternative::of(0, "nullopt", None), Alternative::of(1, "optional", Some(content))];
    Some(View::Choice(Choice { tag_offset, tag_bytes: types.get(tag).size_bytes, alternatives }))
}

fn has(fields: &[Field], name: &str) -> bool {
    field(fields, name).is_some()
}

/// A union of the first alternative and a union of the rest, and a number that tells which.
pub(super) fn variant<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (tag_offset, tag) = named(types, fields, "_M_index")?;
    let (mut offset, mut rest) = named(types, fields, "_M_u")?;
    let mut alternatives = Vec::new();
    while let Shape::Union { fields } = &types.get(rest).shape {
        let Some(first) = field(fields, "_M_first") else { break };
        let index = alternatives.len();
        if index == ALTERNATIVES_MAX {
            return None;
        }
        // What is not trivial lies in storage of its size.
        let Shape::Struct { fields: storage, parameters, .. } = &types.get(first.ty).shape else { return None };
        let content =
            Part { offset: offset + first.offset + field(storage, "_M_storage")?.offset, ty: parameters.first()?.1 };
        let name = if types.get(content.ty).name == "std::monostate" { "monostate" } else { "" };
        alternatives.push(match name {
            "" => Alternative::of(index as u64, &format!("variant#{index}"), Some(content)),
            name => Alternative::of(index as u64, name, None),
        });
        let next = field(fields, "_M_rest")?;
        (offset, rest) = (offset + next.offset, next.ty);
    }
    if alternatives.is_empty() {
        return None;
    }
    let tag_bytes = types.get(tag).size_bytes;
    alternatives.push(Alternative::of(u64::MAX >> (64 - 8 * tag_bytes.clamp(1, 8)), "valueless", None));
    Some(View::Choice(Choice { tag_offset, tag_bytes, alternatives }))
}

/// A chain of base classes, each with one element: its own, or a base class that is the element.
pub(super) fn tuple<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let mut elements = BTreeMap::new();
    heads(types, fields, 0, &mut elements)?;
    let is_whole = elements.keys().copied().eq(0..elements.len() as u64);
    (is_whole && elements.len() <= ELEMENTS_MAX).then(|| shell(elements.into_values().collect()))
}

fn heads(types: &Types, fields: &[Field], base: u64, elements: &mut BTreeMap<u64, Part>) -> Option<()> {
    for inner in fields {
        let ty = types.get(inner.ty);
        let offset = base + inner.offset;
        let Shape::Struct { fields, .. } = &ty.shape else { continue };
        if name::base(&ty.name) == "std::_Tuple_impl" && elements.len() <= ELEMENTS_MAX {
            heads(types, fields, offset, elements)?;
        } else if let Some(arguments) = ty.name.strip_prefix("std::_Head_base<") {
            let index = leading_number(arguments)?;
            let head = field(fields, "_M_head_impl").or_else(|| fields.first())?;
            elements.insert(index, Part { offset: offset + head.offset, ty: head.ty });
        }
    }
    Some(())
}

fn shell(parts: Vec<Part>) -> View<'static> {
    let parts = parts.into_iter().map(|part| ("", part)).collect();
    let style = StructStyle::Tuple;
    View::Shell(Shell { name: String::new(), style, parts, hidden: None, is_open: false })
}

pub(super) fn pair<'t>(fields: &[Field]) -> Option<View<'t>> {
    let part = |name| field(fields, name).map(|field| Part { offset: field.offset, ty: field.ty });
    Some(shell(vec![part("first")?, part("second")?]))
}

/// Shown as the pointer in the field of that name, whoever owns what it leads to.
pub(super) fn owned<'t>(types: &Types, fields: &[Field], name: &str) -> Option<View<'t>> {
    let (offset, ty) = named(types, fields, name)?;
    let held = Field { name: String::new(), offset, ty, bits: None };
    let (offset, ty) = first(types, &held, is_thin_pointer, 0)?;
    Some(View::Transparent { offset, ty })
}

pub(super) fn atomic<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (offset, ty) = named(types, fields, "_M_i").or_else(|| named(types, fields, "_M_p"))?;
    Some(View::Transparent { offset, ty })
}

/// Shown as the function that calls it, whose name tells what was put in.
pub(super) fn function<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let (tag_offset, _) = named(types, fields, "_M_manager")?;
    let (offset, ty) = named(types, fields, "_M_invoker")?;
    let alternatives = vec![
        Alternative::of(0, "nullptr", None),
        Alternative { low: 1, high: u64::MAX, name: "function".to_owned(), content: Some(Part { offset, ty }) },
    ];
    Some(View::Choice(Choice { tag_offset, tag_bytes: 8, alternatives }))
}

/// Shown as its only part.
pub(super) fn only<'t>(fields: &[Field]) -> Option<View<'t>> {
    match fields {
        [only] => Some(View::Transparent { offset: only.offset, ty: only.ty }),
        _ => None,
    }
}

/// A number of ticks, and how long one is.
pub(super) fn duration<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let Shape::Struct { parameters, .. } = &ty.shape else { return None };
    let (_, period) = parameters.iter().find(|(name, _)| name == "_Period")?;
    let arguments = types.get(*period).name.strip_prefix("std::ratio<")?;
    let (numerator, denominator) = arguments.split_once(", ").unwrap_or((arguments, "1"));
    let period = (leading_number(numerator)?, leading_number(denominator)?);
    let suffix = match period {
        (1, 1_000_000_000) => "ns".to_owned(),
        (1, 1_000_000) => "µs".to_owned(),
        (1, 1000) => "ms".to_owned(),
        (1, 1) => "s".to_owned(),
        (60, 1) => "min".to_owned(),
        (3600, 1) => "h".to_owned(),
        (86_400, 1) => "d".to_owned(),
        (numerator, 1) => format!("[{numerator}]s"),
        (numerator, denominator) => format!("[{numerator}/{denominator}]s"),
    };
    let ticks = field(fields, "__r")?;
    Some(View::Measured { offset: ticks.offset, ty: ticks.ty, unit: suffix })
}

/// `12UL, …` → 12.
fn leading_number(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
