//! Types whose `{:?}` is worked out from a few numbers: durations, addresses, dates. Which numbers, and where they are.

use super::View;
use super::find::{field, first};
use crate::value::layout::{Field, Shape, Type, TypeId, Types};
use crate::value::name;

/// What a type's numbers mean, in the order of [`Told::numbers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Seconds, nanoseconds.
    Duration,
    Ipv4,
    Ipv6,
    /// Address, port.
    SocketV4,
    /// Address, port, flow information, scope.
    SocketV6,
    /// Year, ordinal and flags in one number.
    ChronoDate,
    /// Seconds of the day, nanoseconds.
    ChronoTime,
    /// Date, seconds of the day, nanoseconds.
    ChronoDateTime,
    /// The same in UTC.
    ChronoUtc,
    /// The same in UTC, and the offset in seconds.
    ChronoFixed,
    /// Hour, minute, second, nanosecond.
    TimeTime,
    /// Date, then time.
    TimeDateTime,
    /// Hours, minutes, seconds.
    TimeOffset,
    /// Date, time and offset.
    TimeOffsetDateTime,
}

/// The numbers that a value is told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) meaning: Meaning,
    pub(crate) numbers: Vec<Number>,
}

/// A number in the value, of at most 16 bytes. The bytes of addresses are read in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) offset: u64,
    pub(crate) size_bytes: u64,
    pub(crate) signed: bool,
}

pub(super) fn known<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let find = Finder { types };
    let base = name::base(&ty.name);
    let told = |meaning, names: &[&str]| {
        let numbers = names.iter().map(|name| find.named(fields, name)).collect::<Option<Vec<_>>>()?;
        Some(View::Told(Told { meaning, numbers }))
    };
    match base {
        "core::time::Duration" => told(Meaning::Duration, &["secs", "nanos"]),
        "core::net::ip_addr::Ipv4Addr" => told(Meaning::Ipv4, &["octets"]),
        "core::net::ip_addr::Ipv6Addr" => told(Meaning::Ipv6, &["octets"]),
        "core::net::socket_addr::SocketAddrV4" => told(Meaning::SocketV4, &["octets", "port"]),
        "core::net::socket_addr::SocketAddrV6" => told(Meaning::SocketV6, &["octets", "port", "flowinfo", "scope_id"]),
        "chrono::naive::date::NaiveDate" => {
            told(Meaning::ChronoDate, &["yof"]).or_else(|| told(Meaning::ChronoDate, &["ymdf"]))
        }
        "chrono::naive::time::NaiveTime" => told(Meaning::ChronoTime, &["secs", "frac"]),
        "chrono::naive::datetime::NaiveDateTime" => chrono(&find, fields, Meaning::ChronoDateTime, &[]),
        "chrono::datetime::DateTime" => match types.get(field(fields, "offset")?.ty).name.as_str() {
            "chrono::offset::utc::Utc" => chrono(&find, fields, Meaning::ChronoUtc, &[]),
            "chrono::offset::fixed::FixedOffset" => chrono(&find, fields, Meaning::ChronoFixed, &["local_minus_utc"]),
            _ => None,
        },
        "time::time::Time" => told(Meaning::TimeTime, &TIME),
        "time::utc_offset::UtcOffset" => told(Meaning::TimeOffset, &OFFSET),
        // A date's number has been laid out in two ways. The newer one came before the newer name.
        base if name::without_modules(base) == "PlainDateTime" && base.starts_with("time::") => {
            told(Meaning::TimeDateTime, &[&["value"][..], &TIME].concat())
        }
        "time::offset_date_time::OffsetDateTime"
            if name::of_struct(&types.get(field(fields, "local_date_time")?.ty).name) == "PlainDateTime" =>
        {
            told(Meaning::TimeOffsetDateTime, &[&["value"][..], &TIME, &OFFSET].concat())
        }
        _ => None,
    }
}

const TIME: [&str; 4] = ["hour", "minute", "second", "nanosecond"];
const OFFSET: [&str; 3] = ["hours", "minutes", "seconds"];

fn chrono<'t>(find: &Finder<'_>, fields: &[Field], meaning: Meaning, further: &[&str]) -> Option<View<'t>> {
    let date = find.named(fields, "yof").or_else(|| find.named(fields, "ymdf"))?;
    let mut numbers = vec![date];
    for name in ["secs", "frac"].iter().chain(further) {
        numbers.push(find.named(fields, name)?);
    }
    Some(View::Told(Told { meaning, numbers }))
}

struct Finder<'t> {
    types: &'t Types,
}

/// Structs within structs that a number's field is looked for in.
const NESTING_MAX: u32 = 6;

impl Finder<'_> {
    /// The number in the field of that name, wherever in the type it is.
    fn named(&self, fields: &[Field], name: &str) -> Option<Number> {
        self.within(fields, name, 0)
    }

    fn within(&self, fields: &[Field], name: &str, nesting: u32) -> Option<Number> {
        if let Some(found) = field(fields, name)
            && let Some(number) = self.number(found)
        {
            return Some(number);
        }
        let inner = |field: &Field| {
            let Shape::Struct { fields, .. } = &self.types.get(field.ty).shape else { return None };
            let number = self.within(fields, name, nesting + 1)?;
            Some(Number { offset: field.offset + number.offset, ..number })
        };
        if nesting >= NESTING_MAX { None } else { fields.iter().find_map(inner) }
    }

    /// An integer under any number of wrappers, one-variant enums included; or an array of bytes.
    fn number(&self, field: &Field) -> Option<Number> {
        let is_number = |shape: &Shape| matches!(shape, Shape::Integer { .. } | Shape::Enumeration { .. });
        let of = |(offset, ty): (u64, TypeId)| {
            let ty = self.types.get(ty);
            let signed = matches!(ty.shape, Shape::Integer { signed: true });
            (ty.size_bytes <= 16).then_some(Number { offset, size_bytes: ty.size_bytes, signed })
        };
        let array = |shape: &Shape| matches!(shape, Shape::Array { count: 4 | 16, .. });
        let found = first(self.types, field, is_number, 0).or_else(|| first(self.types, field, array, 0));
        found.and_then(of).or_else(|| self.in_enum(field))
    }

    /// The number in the only variant of an enum: how the time crate restricts a number's range.
    fn in_enum(&self, field: &Field) -> Option<Number> {
        let fields = match &self.types.get(field.ty).shape {
            Shape::Struct { fields, .. } => fields,
            Shape::Enum(layout) => match layout.variants.as_slice() {
                [only] => &only.fields,
                _ => return None,
            },
            _ => return None,
        };
        let number = fields.iter().find_map(|inner| self.number(inner))?;
        Some(Number { offset: field.offset + number.offset, ..number })
    }
}
