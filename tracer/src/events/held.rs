//! Entries of calls that only their end decides on: kept until the exit says that the call counts. Those that do not
//! count are never told: another entry in the same frame of the same thread takes their place.
//! Bounded: beyond the limit the oldest goes.

use std::collections::{HashMap, VecDeque};

use super::record::Record;
use crate::value::backtrace::Stack;

/// Entries that are kept: 64 frames of 64 threads. Ended threads leave theirs behind; with stacks of 16 kB they
/// take 64 MB.
const HELD_MAX: usize = 64 * 64;

/// Process, thread, and number of the frame.
type Key = (u32, u32, u8);

#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<Key, (Record, Option<Stack>)>,
    /// Keys in the order of their entries, with the entries' times; some are no longer kept.
    order: VecDeque<(Key, u64)>,
    forgotten: u64,
}

impl Held {
    /// Keeps an entry and its stack in its frame, in place of the one before.
    pub(super) fn keep(&mut self, record: Record, stack: Option<Stack>) {
        let key = (record.pid, record.tid, record.held);
        self.order.push_back((key, record.time_ns));
        self.entries.insert(key, (record, stack));
        while self.entries.len() > HELD_MAX || self.order.len() > 4 * HELD_MAX {
            let Some((oldest, time_ns)) = self.order.pop_front() else { return };
            if self.entries.get(&oldest).is_some_and(|(kept, _)| kept.time_ns == time_ns) {
                self.entries.remove(&oldest);
                self.forgotten += 1;
            }
        }
    }

    /// The entry of the call that ends in that frame, if it came.
    pub(super) fn release(&mut self, end: &Record, time_ns: u64) -> Option<(Record, Option<Stack>)> {
        self.entries.remove(&(end.pid, end.tid, end.held)).filter(|(entry, _)| entry.time_ns == time_ns)
    }

    /// Entries that had to make room, whether they counted or not.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use tracer_ebpf::abi::cookie::Cookie;

    use super::super::record::What;
    use super::*;

    fn entry(tid: u32, held: u8, time_ns: u64) -> Record {
        let what = What::Entry { parent: None };
        let (registers, chunks) = (vec![], vec![]);
        let has_stack = false;
        Record {
            what,
            has_stack,
            held,
            depth: 0,
            cookie: Cookie(0),
            time_ns,
            pid: 1,
            tid,
            call_id: 0,
            registers,
            chunks,
        }
    }

    #[test]
    fn the_next_entry_of_a_frame_replaces_the_one_before() {
        let mut held = Held::default();
        held.keep(entry(7, 1, 10), None);
        held.keep(entry(7, 1, 20), None);
        held.keep(entry(7, 2, 30), None);
        assert_eq!(held.release(&entry(7, 1, 99), 20).map(|(entry, _)| entry.time_ns), Some(20));
        assert!(held.release(&entry(7, 1, 99), 20).is_none());
        assert!(held.release(&entry(7, 2, 99), 31).is_none(), "another call's entry is not shown as this one's");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut held = Held::default();
        for tid in 0..HELD_MAX as u32 + 5 {
            held.keep(entry(tid, 1, 1), None);
        }
        assert_eq!((held.entries.len(), held.forgotten()), (HELD_MAX, 5));
        for time_ns in 0..5 * HELD_MAX as u64 {
            held.keep(entry(0, 2, time_ns), None);
        }
        assert!(held.order.len() <= 4 * HELD_MAX);
    }
}
