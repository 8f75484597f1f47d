//! Matches returns to their calls, so that every call shown gets exactly one end, and none is invented.
//! Memory is bounded: beyond the limit the oldest open call is closed as unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::description::Description;
use super::event::{Call, Ending, Return, Returned, Thread};

/// Calls that are kept open: 64 frames of 2,048 threads. Only lost exits can bring more.
pub const OPEN_MAX: usize = 64 * 2048;

/// The calls that are open, and the counts of the summary.
#[derive(Debug, Default)]
pub struct Pairs {
    /// By call id: the first is the oldest.
    open: BTreeMap<u64, OpenCall>,
    calls: u64,
    returns: u64,
    forgotten: u64,
}

#[derive(Debug)]
struct OpenCall {
    thread: Thread,
    depth: u32,
    function: Arc<Description>,
}

impl Pairs {
    /// Notes a call. Returns the end of the oldest open call if it had to make room.
    pub fn call(&mut self, call: &Call) -> Option<Return> {
        self.calls += 1;
        if !call.returns {
            return None;
        }
        let open = OpenCall { thread: call.thread.clone(), depth: call.depth, function: Arc::clone(&call.function) };
        self.open.insert(call.id, open);
        if self.open.len() <= OPEN_MAX {
            return None;
        }
        self.forgotten += 1;
        self.open.pop_first().map(|(id, open)| open.close(id, call.time_ns))
    }

    /// Notes an event that is no call but counts as one.
    pub fn event(&mut self) {
        self.calls += 1;
    }

    /// Notes a return; says in it whether its call was seen.
    pub fn returned(&mut self, end: &mut Return) {
        self.returns += 1;
        end.call_seen = self.open.remove(&end.id).is_some();
    }

    /// Closes the calls that are still open, innermost first, at the session's end.
    pub fn finish(&mut self, time_ns: u64) -> Vec<Return> {
        std::mem::take(&mut self.open).into_iter().rev().map(|(id, open)| open.close(id, time_ns)).collect()
    }

    /// Calls and USDT events seen.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Ends that the target's own records told.
    pub fn returns(&self) -> u64 {
        self.returns
    }

    /// Open calls that had to make room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub fn open(&self) -> usize {
        self.open.len()
    }
}

impl OpenCall {
    fn close(self, id: u64, time_ns: u64) -> Return {
        Return {
            id,
            time_ns,
            thread: self.thread,
            depth: self.depth,
            function: self.function,
            ending: Ending::Open,
            duration_ns: None,
            value: Returned::Absent,
            call_seen: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_return_finds_its_call_once() {
        let mut pairs = Pairs::default();
        assert_eq!(pairs.call(&samples::call(7, 0)), None);
        let mut end = samples::returned(7);
        pairs.returned(&mut end);
        assert!(end.call_seen);
        pairs.returned(&mut end);
        assert!(!end.call_seen);
        assert_eq!((pairs.calls(), pairs.returns(), pairs.open()), (1, 2, 0));
    }

    #[test]
    fn calls_left_open_are_closed_as_open_innermost_first() {
        let mut pairs = Pairs::default();
        for id in [1, 2, 3] {
            pairs.call(&samples::call(id, id as u32 - 1));
        }
        let ends = pairs.finish(99);
        assert_eq!(
            ends.iter().map(|end| (end.id, end.ending)).collect::<Vec<_>>(),
            [(3, Ending::Open), (2, Ending::Open), (1, Ending::Open)]
        );
        assert_eq!((pairs.returns(), pairs.open()), (0, 0));
    }

    #[test]
    fn a_call_without_returns_is_not_kept() {
        let mut pairs = Pairs::default();
        pairs.call(&Call { returns: false, ..samples::call(1, 0) });
        assert_eq!(pairs.finish(1), Vec::new());
    }

    #[test]
    fn lost_exits_cannot_grow_the_table_beyond_its_limit() {
        let mut pairs = Pairs::default();
        let mut forgotten = Vec::new();
        for id in 1..=OPEN_MAX as u64 + 2 {
            forgotten.extend(pairs.call(&samples::call(id, 0)).map(|end| end.id));
        }
        assert_eq!(forgotten, [1, 2]);
        assert_eq!((pairs.open(), pairs.forgotten()), (OPEN_MAX, 2));
    }
}
