//! The items of a collection, as they are found: a list, a set or a map, and how many are missing.

use super::decode::{Decoder, Depth};
use super::lookup::Search;
use super::place::Missing;
use super::source::Source;
use super::value::{Omitted, Value};
use super::view::{Part, Shown};

/// What was found so far.
pub(super) struct Found<'s> {
    shown: Shown,
    items: Vec<Value>,
    entries: Vec<(Value, Value)>,
    /// If only one item is wanted: nothing else is kept.
    search: Option<&'s Search<'s>>,
}

impl<'s> Found<'s> {
    pub(super) fn new(shown: Shown, search: Option<&'s Search<'s>>) -> Self {
        Self { shown, items: Vec::new(), entries: Vec::new(), search }
    }

    pub(super) fn len(&self) -> u64 {
        let passed = self.search.map_or(0, Search::passed);
        passed + (self.items.len() + self.entries.len()) as u64
    }

    /// Adds the item at `source`.
    pub(super) fn push(&mut self, decoder: &Decoder<'_>, source: Source<'_>, depth: Depth) {
        self.push_apart(decoder, source, source, depth);
    }

    /// Adds the item whose value is not where its key is.
    pub(super) fn push_apart(&mut self, decoder: &Decoder<'_>, first: Source<'_>, second: Source<'_>, depth: Depth) {
        if let Some(search) = self.search {
            return search.look(decoder, self.shown, first, second);
        }
        let read = |part: Part, source: Source<'_>| decoder.value(part.ty, source.at(part.offset), depth);
        match self.shown {
            Shown::List(part) | Shown::Set(part) => self.items.push(read(part, first)),
            Shown::Map { key, value } => {
                let key = read(key, first);
                let is_masked = decoder.masks_entry(&key);
                let value = if is_masked { Value::Unreadable(Missing::Redacted) } else { read(value, second) };
                self.entries.push((key, value));
            }
        }
    }

    /// The collection, of `length` items in all.
    pub(super) fn finish(self, length: u64) -> Value {
        if let Some(search) = self.search {
            search.end(length);
        }
        let omitted = Omitted::count(length.saturating_sub(self.len()));
        self.finish_omitting(omitted)
    }

    /// The same where nobody says how many items there are.
    pub(super) fn finish_omitting(self, omitted: Omitted) -> Value {
        match self.shown {
            Shown::List(_) => Value::Sequence { items: self.items, omitted },
            Shown::Set(_) => Value::Set { items: self.items, omitted },
            Shown::Map { .. } => Value::Map { entries: self.entries, omitted },
        }
    }
}
