//! Rust's own calling convention on x86-64, derived from layouts as rustc does (`rustc_ty_utils::abi`,
//! `rustc_abi::layout`; compared with rustc 1.95): a value is nothing, a scalar, a pair of scalars, or an aggregate.
//!
//! `repr(C)` and `extern "C"` cannot be told from DWARF; the first differs only for newtypes: of a float, and within
//! a pair (atomics are the ones that matter, and are known by name).

use super::{Part, Passed};
use crate::value::layout::{Enum, Field, Shape, TypeId, Types};

/// Bytes up to which an aggregate is passed, and returned, in one integer register.
const AGGREGATE_IN_REGISTER_BYTES: u64 = 8;

/// Bytes above which every result goes through memory.
const RESULT_IN_REGISTERS_BYTES: u64 = 16;

/// Structs within structs that are looked into.
const NESTING_MAX: u32 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Nothing,
    Scalar(Part),
    Pair(Part, Part),
    Aggregate,
    Unknown,
}

pub(super) fn argument(types: &Types, ty: TypeId) -> Passed {
    passed(types, ty)
}

pub(super) fn result(types: &Types, ty: TypeId) -> Passed {
    match passed(types, ty) {
        Passed::Parts(_) if types.get(ty).size_bytes > RESULT_IN_REGISTERS_BYTES => Passed::Indirect,
        other => other,
    }
}

fn passed(types: &Types, ty: TypeId) -> Passed {
    let size_bytes = types.get(ty).size_bytes;
    match class(types, ty, 0) {
        Class::Nothing => Passed::Nothing,
        Class::Scalar(part) => Passed::Parts(vec![part]),
        Class::Pair(first, second) => Passed::Parts(vec![first, second]),
        Class::Aggregate if size_bytes <= AGGREGATE_IN_REGISTER_BYTES => {
            Passed::Parts(vec![Part { offset: 0, size_bytes, is_float: false }])
        }
        Class::Aggregate => Passed::Indirect,
        Class::Unknown => Passed::Unknown,
    }
}

fn class(types: &Types, ty: TypeId, nesting: u32) -> Class {
    let ty = types.get(ty);
    let scalar = |is_float| Class::Scalar(Part { offset: 0, size_bytes: ty.size_bytes, is_float });
    match &ty.shape {
        _ if nesting > NESTING_MAX => Class::Unknown,
        Shape::Opaque | Shape::Function if ty.size_bytes > 0 => Class::Unknown,
        _ if ty.size_bytes == 0 => Class::Nothing,
        Shape::Integer { .. } | Shape::Enumeration { .. } if ty.size_bytes > 16 => Class::Unknown,
        Shape::Float if matches!(ty.size_bytes, 4 | 8) => scalar(true),
        Shape::Float
        | Shape::Complex
        | Shape::Unbounded
        | Shape::VirtualBase { .. }
        | Shape::MemberPointer { .. }
        | Shape::Opaque
        | Shape::Function => Class::Unknown,
        Shape::Integer { .. } | Shape::Bool | Shape::Char | Shape::CChar { .. } => scalar(false),
        Shape::Pointer { .. } | Shape::Enumeration { .. } => scalar(false),
        Shape::Slice { pointer_offset, length_offset, .. } => {
            let word = |offset| Part { offset, size_bytes: 8, is_float: false };
            Class::Pair(word(*pointer_offset.min(length_offset)), word(*pointer_offset.max(length_offset)))
        }
        // They are `repr(C)`, so that not even those of one field are what the field is.
        Shape::Struct { .. } if ty.name.starts_with("core::sync::atomic::") => Class::Aggregate,
        Shape::Struct { fields, .. } => fields_class(types, fields, ty.size_bytes, nesting),
        Shape::Union { fields } => union_class(types, fields, ty.size_bytes, nesting),
        Shape::Array { .. } => Class::Aggregate,
        Shape::Enum(layout) => enum_class(types, layout, ty.size_bytes, nesting),
    }
}

/// The fields that have bytes, by offset, with their classes; `None` if one of them is unknown.
fn with_bytes(types: &Types, fields: &[Field], nesting: u32) -> Option<Vec<(u64, Class)>> {
    let classes = fields.iter().map(|field| (field.offset, class(types, field.ty, nesting + 1)));
    let mut classes: Vec<_> = classes.filter(|(_, class)| *class != Class::Nothing).collect();
    classes.sort_by_key(|(offset, _)| *offset);
    classes.iter().all(|(_, class)| *class != Class::Unknown).then_some(classes)
}

fn fields_class(types: &Types, fields: &[Field], size_bytes: u64, nesting: u32) -> Class {
    let Some(fields) = with_bytes(types, fields, nesting) else { return Class::Unknown };
    match fields.as_slice() {
        [(0, Class::Scalar(part))] if part.size_bytes == size_bytes => Class::Scalar(*part),
        [(0, Class::Pair(first, second))] if pair(*first, *second, size_bytes).is_some() => {
            Class::Pair(*first, *second)
        }
        [(first_offset, Class::Scalar(first)), (second_offset, Class::Scalar(second))] => {
            let first = Part { offset: *first_offset, ..*first };
            let second = Part { offset: *second_offset, ..*second };
            pair(first, second, size_bytes).unwrap_or(Class::Aggregate)
        }
        _ => Class::Aggregate,
    }
}

/// Two scalars are a pair if they lie as a struct of just these two would have them.
fn pair(first: Part, second: Part, size_bytes: u64) -> Option<Class> {
    let second_offset = first.size_bytes.next_multiple_of(second.size_bytes);
    let align_bytes = first.size_bytes.max(second.size_bytes);
    let is_tight = first.offset == 0
        && second.offset == second_offset
        && (second_offset + second.size_bytes).next_multiple_of(align_bytes) == size_bytes;
    is_tight.then_some(Class::Pair(first, second))
}

/// `MaybeUninit<u64>` is passed like a `u64`.
fn union_class(types: &Types, fields: &[Field], size_bytes: u64, nesting: u32) -> Class {
    let Some(fields) = with_bytes(types, fields, nesting) else { return Class::Unknown };
    match fields.split_first() {
        Some(((0, Class::Scalar(first)), others))
            if first.size_bytes == size_bytes && others.iter().all(|(_, other)| *other == Class::Scalar(*first)) =>
        {
            Class::Scalar(*first)
        }
        _ => Class::Aggregate,
    }
}

fn enum_class(types: &Types, layout: &Enum, size_bytes: u64, nesting: u32) -> Class {
    let Some(tag) = layout.tag else {
        return match layout.variants.as_slice() {
            [only] => fields_class(types, &only.fields, size_bytes, nesting),
            _ => Class::Unknown,
        };
    };
    let mut variants = Vec::with_capacity(layout.variants.len());
    for variant in &layout.variants {
        let Some(fields) = with_bytes(types, &variant.fields, nesting) else { return Class::Unknown };
        variants.push((variant, fields));
    }
    let tag_part = Part { offset: tag.offset, size_bytes: tag.size_bytes, is_float: false };
    variants.retain(|(_, fields)| !fields.is_empty());
    if variants.is_empty() {
        let is_all = tag.offset == 0 && tag.size_bytes == size_bytes;
        return if is_all { Class::Scalar(tag_part) } else { Class::Aggregate };
    }
    match variants.as_slice() {
        // A niche in the only variant with data: the enum is passed as that data.
        [(variant, _)] if variant.discriminants.is_empty() => fields_class(types, &variant.fields, size_bytes, nesting),
        _ if layout.variants.iter().any(|variant| variant.discriminants.is_empty()) => Class::Aggregate,
        tagged => {
            let data = common_scalar(tagged.iter().map(|(_, fields)| fields.as_slice()));
            data.and_then(|data| pair(tag_part, data, size_bytes)).unwrap_or(Class::Aggregate)
        }
    }
}

/// The scalar that every variant has at the same place, if they have nothing else.
fn common_scalar<'f>(variants: impl Iterator<Item = &'f [(u64, Class)]>) -> Option<Part> {
    let mut common = None;
    for fields in variants {
        let [(offset, Class::Scalar(part))] = fields else { return None };
        let part = Part { offset: *offset, ..*part };
        if *common.get_or_insert(part) != part {
            return None;
        }
    }
    common
}
