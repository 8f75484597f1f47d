//! One item of a collection by its number or its key, found by the walk that decodes the whole collection.

use std::cell::Cell;

use super::decode::{Decoder, Depth, decode_part};
use super::image::Memory;
use super::layout::{TypeId, Types};
use super::limits::Limits;
use super::place::Missing;
use super::source::Source;
use super::value::{Omitted, Payload, Value};
use super::view::Shown;
use super::walk::Which;

/// Items that are looked at: a map of a million entries is gone through, one of damaged memory is not for ever.
const ITEMS_MAX: u64 = 1 << 20;

/// A key that items of a map are looked up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Signed(i128),
    Unsigned(u128),
    Bool(bool),
    Char(char),
    Text(String),
}

impl Key {
    /// Whether a decoded value is this key; `None` if nobody knows.
    pub(crate) fn is(&self, value: &Value) -> Option<bool> {
        match (value, self) {
            (Value::Unreadable(_), _) => None,
            (Value::Unsigned(value), Self::Unsigned(key)) => Some(value == key),
            (Value::Signed(value), Self::Unsigned(key)) => Some(u128::try_from(*value) == Ok(*key)),
            (Value::Signed(value), Self::Signed(key)) => Some(value == key),
            (Value::Bool(value), Self::Bool(key)) => Some(value == key),
            (Value::Char(value), Self::Char(key)) => Some(value == key),
            (Value::Text { text, omitted: Omitted::Nothing }, Self::Text(key)) => Some(text == key),
            (Value::Text { text, .. }, Self::Text(key)) if key.starts_with(text.as_str()) => None,
            (Value::Plain(text), Self::Text(key)) => Some(text == key),
            (Value::Variant { name, payload: Payload::Unit }, Self::Text(key)) => Some(name == key),
            (Value::Uuid(bytes), Self::Text(key)) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Some(digits == key.replace('-', "").to_lowercase())
            }
            (Value::TupleStruct { fields, .. }, _) if fields.len() == 1 => self.is(fields.first()?),
            (Value::Struct { fields, .. }, _) if fields.len() == 1 => self.is(&fields.first()?.1),
            _ => Some(false),
        }
    }
}

/// A walk through a collection that wants one item.
pub(super) struct Search<'s> {
    which: &'s Which,
    passed: Cell<u64>,
    found: Cell<Option<u64>>,
    /// A key could not be read.
    is_vague: Cell<bool>,
    /// Items that there are, once the walk has come to its end.
    length: Cell<Option<u64>>,
}

impl Search<'_> {
    /// Items looked at so far.
    pub(super) fn passed(&self) -> u64 {
        self.passed.get()
    }

    /// Looks at an item.
    pub(super) fn look(&self, decoder: &Decoder<'_>, shown: Shown, first: Source<'_>, second: Source<'_>) {
        let number = self.passed.get();
        self.passed.set(number + 1);
        if self.found.get().is_some() {
            return;
        }
        let is_wanted = match (self.which, shown) {
            (Which::Number(wanted), _) => Some(number == *wanted),
            (Which::Key(key), Shown::Map { key: part, .. } | Shown::Set(part)) => {
                let limits = Limits { string_bytes_max: Limits::STRING_BYTES_MOST, ..*decoder.limits };
                let source = first.at(part.offset);
                key.is(&decode_part(decoder.types, part.ty, None, source, decoder.memory, &limits))
            }
            (Which::Key(_), Shown::List(_)) => Some(false),
        };
        match (is_wanted, second) {
            (Some(true), Source::Memory(address)) => self.found.set(Some(address)),
            (Some(false), _) => {}
            _ => self.is_vague.set(true),
        }
    }

    /// The walk has come to the end of a collection of `length` items.
    pub(super) fn end(&self, length: u64) {
        self.length.set(Some(length));
    }
}

/// The address of an item of the collection of type `ty` at `source`; `None` if it has no such item.
///
/// # Errors
/// Not all of it could be looked at.
pub(super) fn find(
    types: &Types,
    ty: TypeId,
    which: &Which,
    source: Source<'_>,
    memory: &dyn Memory,
) -> Result<Option<u64>, Missing> {
    let search = Search {
        which,
        passed: Cell::new(0),
        found: Cell::new(None),
        is_vague: Cell::new(false),
        length: Cell::new(None),
    };
    let limits = Limits { items_max: ITEMS_MAX, ..Limits::default() };
    let walked = self::search(types, ty, source, memory, &limits, &search);
    if let Some(address) = search.found.get() {
        return Ok(Some(address));
    }
    walked?;
    let is_whole = search.length.get() == Some(search.passed.get()) && !search.is_vague.get();
    if is_whole { Ok(None) } else { Err(Missing::NotCaptured) }
}

/// Goes through the collection of type `ty` at `source` for what `search` wants.
fn search(
    types: &Types,
    ty: TypeId,
    source: Source<'_>,
    memory: &dyn Memory,
    limits: &Limits,
    search: &Search<'_>,
) -> Result<(), Missing> {
    let decoder = Decoder::new(types, memory, limits);
    decoder.search.set(Some(search));
    decoder.viewed(ty, source, Depth::default()).map(drop)
}
