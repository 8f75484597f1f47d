//! Puts nearly sorted records into the order of their times, within a bounded window.
//!
//! The ring buffer keeps the order of commits; a hit's time is taken when it begins. Two CPUs can thus swap
//! neighbours, by at most the time that a program runs or is preempted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::record::Record;

/// Nanoseconds that a record waits for an older one. A preempted program is delayed by a scheduler's slice (a few
/// milliseconds); a terminal's user does not see 20 ms.
pub const WINDOW_NS: u64 = 20_000_000;

/// Records that wait at most: at 1 million records per second the window holds 20,000.
pub const RECORDS_MAX: usize = 32_768;

/// Bytes that wait at most. Bounds the memory when records are large.
pub const HELD_BYTES_MAX: usize = 32 << 20;

/// The reorder window.
#[derive(Debug, Default)]
pub struct Order {
    waiting: BinaryHeap<Reverse<Waiting>>,
    held_bytes: usize,
    arrived: u64,
    newest_ns: u64,
    released_ns: u64,
    late: u64,
}

#[derive(Debug)]
struct Waiting {
    time_ns: u64,
    /// Keeps the order of arrival among equal times.
    arrival: u64,
    record: Record,
}

impl Waiting {
    fn key(&self) -> (u64, u64) {
        (self.time_ns, self.arrival)
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl Order {
    /// Takes a record in.
    pub fn push(&mut self, record: Record) {
        self.held_bytes += record.held_bytes();
        self.arrived += 1;
        self.newest_ns = self.newest_ns.max(record.time_ns);
        self.waiting.push(Reverse(Waiting { time_ns: record.time_ns, arrival: self.arrived, record }));
    }

    /// The next record that no older one can precede any more: it is older than the window, or too much is waiting.
    /// `now_ns` (CLOCK_MONOTONIC) lets records out when no newer ones come.
    pub fn pop(&mut self, now_ns: u64) -> Option<Record> {
        let settled_ns = self.newest_ns.max(now_ns).saturating_sub(WINDOW_NS);
        let crowded = self.waiting.len() > RECORDS_MAX || self.held_bytes > HELD_BYTES_MAX;
        let settled = self.waiting.peek().is_some_and(|Reverse(oldest)| oldest.time_ns <= settled_ns);
        if crowded || settled { self.pop_any() } else { None }
    }

    /// The oldest record, whether or not an older one can still come: for the session's end.
    pub fn pop_any(&mut self) -> Option<Record> {
        let Reverse(Waiting { time_ns, record, .. }) = self.waiting.pop()?;
        self.held_bytes -= record.held_bytes();
        self.late += u64::from(time_ns < self.released_ns);
        self.released_ns = self.released_ns.max(time_ns);
        Some(record)
    }

    /// Records that came out after younger ones. They are shown, at the wrong place.
    pub fn late(&self) -> u64 {
        self.late
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::What;
    use super::*;
    use proptest::prelude::*;
    use tracer_ebpf::abi::cookie::Cookie;

    fn record(time_ns: u64, call_id: u64) -> Record {
        Record {
            held: 0,
            what: What::Event { parent: None },
            has_stack: false,
            depth: 0,
            cookie: Cookie(0),
            time_ns,
            pid: 1,
            tid: 1,
            call_id,
            registers: Vec::new(),
            chunks: Vec::new(),
        }
    }

    fn ids(order: &mut Order, now_ns: u64) -> Vec<u64> {
        std::iter::from_fn(|| order.pop(now_ns)).map(|record| record.call_id).collect()
    }

    #[test]
    fn swapped_neighbours_come_out_in_order_and_only_when_settled() {
        let mut order = Order::default();
        for (time_ns, id) in [(100, 2), (90, 1), (100, 3)] {
            order.push(record(time_ns, id));
        }
        assert_eq!(ids(&mut order, 0), Vec::<u64>::new());
        assert_eq!(ids(&mut order, 90 + WINDOW_NS), [1]);
        assert_eq!(ids(&mut order, 100 + WINDOW_NS), [2, 3]);
        assert!(order.is_empty());
    }

    #[test]
    fn a_record_that_is_too_late_is_shown_and_counted() {
        let mut order = Order::default();
        order.push(record(1_000, 1));
        assert_eq!(ids(&mut order, 1_000 + WINDOW_NS), [1]);
        order.push(record(500, 2));
        assert_eq!(ids(&mut order, 1_000 + WINDOW_NS), [2]);
        assert_eq!(order.late(), 1);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut order = Order::default();
        for id in 0..RECORDS_MAX as u64 + 10 {
            order.push(record(id, id));
        }
        assert_eq!(ids(&mut order, 0), (0..10).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn disorder_below_the_window_is_sorted_completely(delays in prop::collection::vec(0..WINDOW_NS, 1..200)) {
            // Records are committed in the order of time + delay.
            let mut commits: Vec<(u64, u64)> =
                delays.iter().enumerate().map(|(i, delay)| (i as u64 * 1_000_000 + delay, i as u64)).collect();
            commits.sort();
            let mut order = Order::default();
            let mut out = Vec::new();
            for (commit_ns, id) in commits {
                order.push(record(id * 1_000_000, id));
                out.extend(ids(&mut order, commit_ns));
            }
            out.extend(std::iter::from_fn(|| order.pop_any()).map(|record| record.call_id));
            prop_assert_eq!(out, (0..delays.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(order.late(), 0);
        }
    }
}
