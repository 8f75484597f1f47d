//! Calls that were admitted and are not shown: their ends are not shown either, and calls inside of them belong to what
//! is around them. Bounded: beyond the limit the oldest goes.

use std::collections::BTreeMap;

use super::pair::OPEN_MAX;
use super::record::{Record, What};

/// The open calls that are not shown, and those inside of them.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// By call id.
    calls: BTreeMap<u64, Place>,
    forgotten: u64,
}

/// Where a call is in the tree that is shown.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// What calls inside of it belong to: itself if it is shown.
    shown: Option<u64>,
    /// Calls around and including it that are not shown.
    hidden: u32,
    is_hidden: bool,
}

impl Hidden {
    /// Notes a call that is not shown. What is no call has no end and nothing inside.
    pub(super) fn hide(&mut self, record: &Record) {
        if let What::Entry { parent } = record.what {
            let (shown, hidden) = self.around(parent);
            self.note(record.call_id, Place { shown, hidden: hidden + 1, is_hidden: true });
        }
    }

    /// Puts a record that is shown where it belongs.
    pub(super) fn lift(&mut self, record: &mut Record) {
        if self.calls.is_empty() {
            return;
        }
        match &mut record.what {
            What::Entry { parent } => {
                let (shown, hidden) = self.around(*parent);
                *parent = shown;
                record.depth = record.depth.saturating_sub(hidden);
                if hidden > 0 {
                    self.note(record.call_id, Place { shown: Some(record.call_id), hidden, is_hidden: false });
                }
            }
            What::Event { parent } => {
                let (shown, hidden) = self.around(*parent);
                *parent = shown;
                record.depth = record.depth.saturating_sub(hidden);
            }
            What::Exit { .. } => {
                if let Some(place) = self.calls.remove(&record.call_id) {
                    record.depth = record.depth.saturating_sub(place.hidden);
                }
            }
            What::ThreadName(_) | What::Limit(_) | What::Stack { .. } => {}
        }
    }

    /// Whether the record is the end of a call that is not shown, which is forgotten with it.
    pub(super) fn end(&mut self, record: &Record) -> bool {
        let is_hidden = self.calls.get(&record.call_id).is_some_and(|place| place.is_hidden);
        if is_hidden {
            self.calls.remove(&record.call_id);
        }
        is_hidden
    }

    /// Calls that had to make room while they were open.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What is shown around a call with that parent, and how many calls are not.
    fn around(&self, parent: Option<u64>) -> (Option<u64>, u32) {
        match parent.and_then(|parent| self.calls.get(&parent)) {
            Some(place) => (place.shown, place.hidden),
            None => (parent, 0),
        }
    }

    fn note(&mut self, id: u64, place: Place) {
        self.calls.insert(id, place);
        if self.calls.len() > OPEN_MAX {
            self.calls.pop_first();
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use tracer_ebpf::abi::cookie::Cookie;
    use tracer_ebpf::abi::record::Outcome;

    use super::*;

    fn record(what: What, call_id: u64, depth: u32) -> Record {
        let (has_stack, held, registers, chunks) = (false, 0, vec![], vec![]);
        Record {
            what,
            has_stack,
            held,
            depth,
            cookie: Cookie(0),
            time_ns: 0,
            pid: 1,
            tid: 1,
            call_id,
            registers,
            chunks,
        }
    }

    fn entry(call_id: u64, parent: u64, depth: u32) -> Record {
        record(What::Entry { parent: (parent != 0).then_some(parent) }, call_id, depth)
    }

    fn exit(call_id: u64, depth: u32) -> Record {
        record(What::Exit { outcome: Outcome::Returned, entry_time_ns: 0 }, call_id, depth)
    }

    #[test]
    fn calls_inside_belong_to_what_is_around() {
        let mut hidden = Hidden::default();
        hidden.hide(&entry(2, 1, 1));
        hidden.hide(&entry(3, 2, 2));
        let mut inside = entry(4, 3, 3);
        hidden.lift(&mut inside);
        assert_eq!((inside.what, inside.depth), (What::Entry { parent: Some(1) }, 1));
        let mut event = record(What::Event { parent: Some(4) }, 5, 4);
        hidden.lift(&mut event);
        assert_eq!((event.what, event.depth), (What::Event { parent: Some(4) }, 2));
        let mut end = exit(4, 3);
        assert!(!hidden.end(&end));
        hidden.lift(&mut end);
        assert_eq!(end.depth, 1);
        assert!(hidden.end(&exit(3, 2)) && hidden.end(&exit(2, 1)) && !hidden.end(&exit(1, 0)));
        assert!(hidden.calls.is_empty());
    }

    #[test]
    fn ends_that_never_come_cannot_grow_it_beyond_its_limit() {
        let mut hidden = Hidden::default();
        for id in 1..=OPEN_MAX as u64 + 3 {
            hidden.hide(&entry(id, 0, 0));
        }
        assert_eq!((hidden.calls.len(), hidden.forgotten()), (OPEN_MAX, 3));
    }
}
