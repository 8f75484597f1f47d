//! Types that `{:?}` shows by some of their parts: cells and locks, whose content is shown only in some states; ranges;
//! and types of which it says no more than their name.

use super::find::{field, find, first, is_word};
use super::{Part, View};
use crate::value::layout::{Field, Shape, StructStyle, Type, TypeId, Types};
use crate::value::name;
use crate::value::place::Missing;

/// A struct as its `{:?}` shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shell {
    pub(crate) name: String,
    pub(crate) style: StructStyle,
    /// The content first.
    pub(crate) parts: Vec<(&'static str, Part)>,
    /// When the content is not shown.
    pub(crate) hidden: Option<Hidden>,
    /// Whether `..` follows the parts.
    pub(crate) is_open: bool,
}

/// The content is hidden if the word's masked bits are in the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub(crate) offset: u64,
    pub(crate) size_bytes: u64,
    pub(crate) mask: u64,
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) reason: Missing,
}

/// `a..b` with one of them or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: Option<Part>,
    pub(crate) end: Option<Part>,
    pub(crate) is_inclusive: bool,
    /// Where an inclusive range says that it is exhausted.
    pub(crate) exhausted_offset: Option<u64>,
}

/// The futex-based `RwLock`: a count of readers, all bits set for a writer (std, `sys/sync/rwlock/futex.rs`).
const WRITE_LOCKED: u64 = (1 << 30) - 1;

/// parking_lot's `RawMutex` and `RawRwLock`.
const LOCKED_BIT: u64 = 1;
const WRITER_BIT: u64 = 0b1000;

pub(super) fn known<'t>(types: &'t Types, ty: &'t Type, fields: &'t [Field]) -> Option<View<'t>> {
    let shell = |style, parts, hidden, is_open| {
        Some(View::Shell(Shell { name: name::of_struct(&ty.name), style, parts, hidden, is_open }))
    };
    let part = |name: &str| field(fields, name).map(|field| Part { offset: field.offset, ty: field.ty });
    let named = |hidden, is_open, poison: Option<Part>, content: &'static str| {
        let parts = std::iter::once((content, part(content)?)).chain(poison.map(|poison| ("poisoned", poison)));
        shell(StructStyle::Named, parts.collect(), hidden, is_open)
    };
    match name::base(&ty.name) {
        "core::cell::RefCell" => {
            let hidden = hidden(types, field(fields, "borrow")?, u64::MAX, 1 << 63, u64::MAX, Missing::Borrowed)?;
            named(Some(hidden), false, None, "value")
        }
        "std::sync::poison::mutex::Mutex" | "std::sync::mutex::Mutex" => {
            let hidden = hidden(types, field(fields, "inner")?, u64::MAX, 1, u64::MAX, Missing::Locked)?;
            named(Some(hidden), true, Some(poison(types, fields)?), "data")
        }
        "std::sync::poison::rwlock::RwLock" | "std::sync::rwlock::RwLock" => {
            let inner = field(fields, "inner")?;
            let hidden = hidden(types, inner, WRITE_LOCKED, WRITE_LOCKED, WRITE_LOCKED, Missing::Locked)?;
            named(Some(hidden), true, Some(poison(types, fields)?), "data")
        }
        "lock_api::mutex::Mutex" if has_raw(types, fields, "parking_lot::raw_mutex::RawMutex") => {
            let raw = field(fields, "raw")?;
            named(Some(hidden(types, raw, LOCKED_BIT, 1, 1, Missing::Locked)?), false, None, "data")
        }
        "lock_api::rwlock::RwLock" if has_raw(types, fields, "parking_lot::raw_rwlock::RawRwLock") => {
            let raw = field(fields, "raw")?;
            named(Some(hidden(types, raw, WRITER_BIT, 1, u64::MAX, Missing::Locked)?), false, None, "data")
        }
        "core::cell::once::OnceCell" => {
            let (offset, option) = find(types, field(fields, "inner")?, &|ty| matches!(ty.shape, Shape::Enum(_)))?;
            Some(View::Once { name: name::of_struct(&ty.name), offset, ty: option })
        }
        "std::sync::once_lock::OnceLock" => once(types, ty, fields, "value"),
        "std::sync::lazy_lock::LazyLock" => once(types, ty, fields, "data"),
        base => range(base, part).map(View::Range).or_else(|| told(ty, base).map(View::Plain)),
    }
}

/// A name that is all there is to say.
fn told(ty: &Type, base: &str) -> Option<String> {
    match base {
        "alloc::rc::Weak" | "alloc::sync::Weak" => Some("(Weak)".to_owned()),
        "core::marker::PhantomData" => Some(ty.name.trim_start_matches("core::marker::").to_owned()),
        "core::ops::range::RangeFull" => Some("..".to_owned()),
        "std::hash::random::RandomState" => Some("RandomState { .. }".to_owned()),
        _ => None,
    }
}

fn range(base: &str, part: impl Fn(&str) -> Option<Part>) -> Option<Range> {
    let of = |start: bool, end: bool, is_inclusive| {
        let start = if start { Some(part("start")?) } else { None };
        let end = if end { Some(part("end").or_else(|| part("last"))?) } else { None };
        Some(Range { start, end, is_inclusive, exhausted_offset: None })
    };
    match base {
        "core::ops::range::Range" | "core::range::Range" => of(true, true, false),
        "core::ops::range::RangeFrom" | "core::range::RangeFrom" => of(true, false, false),
        "core::ops::range::RangeTo" => of(false, true, false),
        "core::ops::range::RangeToInclusive" | "core::range::RangeToInclusive" => of(false, true, true),
        "core::range::RangeInclusive" => of(true, true, true),
        "core::ops::range::RangeInclusive" => {
            let exhausted_offset = Some(part("exhausted")?.offset);
            Some(Range { exhausted_offset, ..of(true, true, true)? })
        }
        _ => None,
    }
}

fn hidden(types: &Types, state: &Field, mask: u64, low: u64, high: u64, reason: Missing) -> Option<Hidden> {
    let (offset, ty) = first(types, state, is_word, 0)?;
    let size_bytes = types.get(ty).size_bytes;
    matches!(size_bytes, 1 | 2 | 4 | 8).then_some(Hidden { offset, size_bytes, mask, low, high, reason })
}

/// The flag that says whether a lock is poisoned.
fn poison(types: &Types, fields: &[Field]) -> Option<Part> {
    let is_atomic = |ty: &Type| ty.size_bytes == 1 && ty.name.starts_with("core::sync::atomic::Atomic");
    let (offset, ty) = find(types, field(fields, "poison")?, &is_atomic)?;
    Some(Part { offset, ty })
}

fn has_raw(types: &Types, fields: &[Field], name: &str) -> bool {
    field(fields, "raw").is_some_and(|raw| types.get(raw.ty).name == name)
}

/// `OnceLock` and `LazyLock`: a state, and a union. The number that means complete was 3 and became 0 in 2025
/// (rust-lang/rust#143881): between the last release that is known to have the one and the first that is known to
/// have the other nobody can be sure.
fn once<'t>(types: &'t Types, ty: &'t Type, fields: &'t [Field], content: &'static str) -> Option<View<'t>> {
    let once = field(fields, "once")?;
    let (low, high) = match types.rustc_minor? {
        95.. => (1, 3),
        1..=89 => (0, 2),
        _ => return None,
    };
    let hidden = hidden(types, once, 0b11, low, high, Missing::Uninitialised)?;
    let (offset, union) = find(types, field(fields, content)?, &|ty| matches!(ty.shape, Shape::Union { .. }))?;
    let ty_in_union = in_union(types, union)?;
    let parts = vec![(content, Part { offset, ty: ty_in_union })];
    let (name, style) = (name::of_struct(&ty.name), StructStyle::TupleStruct);
    Some(View::Shell(Shell { name, style, parts, hidden: Some(hidden), is_open: false }))
}

/// What the field `value` of a union wraps.
fn in_union(types: &Types, union: TypeId) -> Option<TypeId> {
    super::linked::initialised(types, union)
}
