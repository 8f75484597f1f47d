//! How a value that is compared is stored, as far as comparisons care.

use super::compare::Subject;
use super::logic::Root;
use crate::value::layout::{Shape, TypeId, Types};
use crate::value::view::{Items, Meaning, Number, Shown, Told, View, view};
use crate::value::walk::{Length, Part, TextPlace};

/// How what is compared is stored.
pub(super) enum Stored<'t> {
    Integer {
        signed: bool,
        bit_count: u32,
    },
    Float {
        bit_count: u32,
    },
    Bool {
        bit_count: u32,
    },
    Char {
        bit_count: u32,
    },
    Pointer,
    Text(TextPlace),
    /// A number, or the address of a text: nobody says.
    Word {
        signed: bool,
    },
    Uuid,
    Enumeration {
        signed: bool,
        bit_count: u32,
        names: &'t [(String, i128)],
    },
    Duration,
    /// Seconds and nanoseconds.
    Time {
        seconds: Number,
        nanoseconds: Number,
    },
    Length(Length),
    ThreadName,
    Other,
}

pub(super) fn stored<'t>(types: &'t Types, subject: &Subject) -> Stored<'t> {
    match subject.root {
        Root::Duration => return Stored::Duration,
        Root::ThreadId => return Stored::Integer { signed: false, bit_count: 32 },
        Root::ThreadName => return Stored::ThreadName,
        Root::Part(_) => return Stored::Other,
        Root::Argument(_) | Root::Result => {}
    }
    let ty = match subject.way.part {
        Part::Length(length) => return Stored::Length(length),
        Part::Value { ty, .. } => ty,
        Part::Bytes(_) | Part::Text(_) => return Stored::Other,
    };
    let size_bytes = types.get(ty).size_bytes;
    let bit_count = subject.bits().map_or(8 * size_bytes.min(16) as u32, |(_, count)| count);
    // Bits of a packed struct may reach beyond a unit of storage.
    let is_inside = subject.bits().is_none_or(|(first, count)| u64::from(first + count) <= 8 * size_bytes);
    let is_word = matches!(size_bytes, 1 | 2 | 4 | 8) && is_inside;
    match view(types, ty) {
        View::Integer { signed } if matches!(types.get(ty).shape, Shape::CChar { .. }) && is_word => {
            Stored::Integer { signed, bit_count }
        }
        View::Integer { signed } if is_word || size_bytes == 16 => Stored::Integer { signed, bit_count },
        View::Float if matches!(size_bytes, 4 | 8) => Stored::Float { bit_count },
        View::Bool if is_word => Stored::Bool { bit_count },
        View::Char if is_word => Stored::Char { bit_count },
        View::Address | View::Object { .. } if size_bytes == 8 => Stored::Pointer,
        View::Text(stretch) | View::ByteString(stretch) => Stored::Text(TextPlace::Stretch(stretch)),
        View::Sequence { stretch, items: Items { stride: 1, shown: Shown::List(part) } } if is_byte(types, part.ty) => {
            Stored::Text(TextPlace::Stretch(stretch))
        }
        View::Array { element, count } if is_byte(types, element) => Stored::Text(TextPlace::Bytes(count)),
        View::Told(Told { meaning: Meaning::Duration, numbers }) => match numbers.as_slice() {
            [seconds, nanoseconds] => Stored::Time { seconds: *seconds, nanoseconds: *nanoseconds },
            _ => Stored::Other,
        },
        View::CString => Stored::Text(TextPlace::CString),
        View::CharArray { count } => Stored::Text(TextPlace::CharArray(count)),
        View::Word { signed } => Stored::Word { signed },
        View::Uuid => Stored::Uuid,
        View::Enumeration { signed, enumerators, .. } if is_word => {
            Stored::Enumeration { signed, bit_count, names: enumerators }
        }
        _ => Stored::Other,
    }
}

fn is_byte(types: &Types, ty: TypeId) -> bool {
    types.get(ty).size_bytes == 1 && matches!(view(types, ty), View::Integer { .. })
}
