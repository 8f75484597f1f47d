//! Two snapshots of the kernel's mailbox counters → what each mailbox held and moved between them.

use std::collections::HashMap;

use tracer_ebpf::abi::mailbox::Mailbox;

use crate::value::Value;

/// One mailbox in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSample {
    /// CLOCK_MONOTONIC at the window's end, nanoseconds.
    pub time_ns: u64,
    pub pid: u32,
    /// Names the mailbox within its process.
    pub id: u64,
    pub name: String,
    /// Messages queued at the window's end.
    pub length: u64,
    /// Messages that fit; `None` if there is no bound.
    pub capacity: Option<u64>,
    /// Most messages queued at any event of the window.
    pub peak: u64,
    /// Length at the end minus length at the start; `None` if the mailbox was not known at the start.
    pub change: Option<i64>,
    /// Messages sent and received within the window; `None` if it keeps no such counts.
    pub sent: Option<u64>,
    pub received: Option<u64>,
    /// Longest that a message received within the window had waited; `None` if none was, or nobody measured it.
    pub wait_max_ns: Option<u64>,
    /// The receiver is gone.
    pub is_closed: bool,
    /// How it was seen.
    pub source: QueueSource,
    /// What only memory tells.
    pub insight: Option<Insight>,
}

/// What the memory of a channel or lock tells beside its length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Insight {
    /// Whose channel it is, and of which kind.
    pub kind: &'static str,
    /// The type of its messages, or what a lock protects.
    pub message_type: Option<String>,
    /// Its length is the number of those who wait.
    pub is_lock: bool,
    /// Its condition in one word: `locked`, `pending`, …
    pub condition: Option<&'static str>,
    /// Numbers by name: `version`, `permits`, `senders`, `waiting`, …
    pub numbers: Vec<(&'static str, u64)>,
    /// Totals since it was made, where it keeps them.
    pub sent_total: Option<u64>,
    pub received_total: Option<u64>,
    /// The longest that a message was seen waiting: at least so long it waited.
    pub waited_ns: Option<u64>,
    /// It was there at the window's start and is not any more: its numbers are those of the start.
    pub is_gone: bool,
    /// The first messages, if they were asked for and their type is known.
    pub messages: Option<Vec<(Value, bool)>>,
    /// It changed whenever it was looked at.
    pub is_torn: bool,
}

/// How a mailbox was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueSource {
    Usdt,
    Memory,
}

/// The counters of all mailboxes at one moment, by mailbox id.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// Number of the sampling interval that ends here: peaks of others are not of this window.
    pub epoch: u64,
    pub mailboxes: HashMap<u64, Mailbox>,
}

impl Snapshot {
    /// Each mailbox of this snapshot over the window since `start`. One that was closed before is left out.
    pub fn since(&self, start: &Self, pid: u32) -> Vec<QueueSample> {
        self.mailboxes
            .iter()
            .filter(|(id, _)| start.mailboxes.get(id).is_none_or(|before| before.closed == 0))
            .map(|(id, now)| sample(*id, now, start.mailboxes.get(id), self, pid))
            .collect()
    }

    /// Mailboxes that closed before this interval and showed nothing since: nobody waits for more of them.
    pub fn past(&self) -> impl Iterator<Item = u64> {
        let is_past = |(_, mailbox): &(&u64, &Mailbox)| mailbox.closed != 0 && mailbox.epoch < self.epoch;
        self.mailboxes.iter().filter(is_past).map(|(id, _)| *id)
    }
}

fn sample(id: u64, now: &Mailbox, before: Option<&Mailbox>, end: &Snapshot, pid: u32) -> QueueSample {
    let of_window = now.epoch == end.epoch;
    let counted = |count: fn(&Mailbox) -> u64| count(now).saturating_sub(before.map_or(0, count));
    // A mailbox that only says its level counts by itself; its totals then cover what the events do not.
    let total = |total: fn(&Mailbox) -> u64| match before {
        Some(before) if before.level_time_ns != 0 => total(now).saturating_sub(total(before)),
        _ => 0,
    };
    QueueSample {
        time_ns: end.time_ns,
        pid,
        id,
        name: name(now, id),
        length: now.length,
        capacity: (now.capacity != 0).then_some(now.capacity),
        peak: if of_window { now.peak.max(now.length) } else { now.length },
        change: before.map(|before| now.length.cast_signed().wrapping_sub(before.length.cast_signed())),
        sent: Some(counted(|mailbox| mailbox.sent).max(total(|mailbox| mailbox.sent_total))),
        received: Some(counted(|mailbox| mailbox.received).max(total(|mailbox| mailbox.received_total))),
        wait_max_ns: (of_window && now.wait_max_ns != 0).then_some(now.wait_max_ns),
        is_closed: now.closed != 0,
        source: QueueSource::Usdt,
        insight: None,
    }
}

/// The mailbox's name, or its id where the name could not be read.
fn name(mailbox: &Mailbox, id: u64) -> String {
    let bytes = mailbox.name.split(|byte| *byte == 0).next().unwrap_or_default();
    if bytes.is_empty() { format!("#{id}") } else { String::from_utf8_lossy(bytes).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(length: u64, sent: u64, received: u64, epoch: u64) -> Mailbox {
        let mut name = [0; 64];
        name[..5].copy_from_slice(b"Store");
        Mailbox {
            length,
            time_ns: 1,
            capacity: 64,
            sent,
            received,
            handled: 0,
            sent_total: 1000 + sent,
            received_total: 1000 + received,
            level_time_ns: 1,
            handled_ns: 0,
            epoch,
            peak: 9,
            wait_max_ns: 5,
            closed: 0,
            name,
        }
    }

    fn snapshot(epoch: u64, mailbox: Mailbox) -> Snapshot {
        Snapshot { time_ns: 7, epoch, mailboxes: HashMap::from([(3, mailbox)]) }
    }

    #[test]
    fn a_window_holds_levels_at_its_end_and_what_moved_within_it() {
        let end = snapshot(2, mailbox(4, 30, 29, 2));
        let samples = end.since(&snapshot(1, mailbox(3, 10, 10, 1)), 42);
        let [sample] = samples.as_slice() else { panic!("{samples:?}") };
        assert_eq!((sample.length, sample.change, sample.peak), (4, Some(1), 9));
        assert_eq!((sample.sent, sample.received, sample.wait_max_ns), (Some(20), Some(19), Some(5)));
        assert_eq!((sample.name.as_str(), sample.capacity), ("Store", Some(64)));
    }

    #[test]
    fn a_mailbox_without_events_in_the_window_has_no_peak_but_its_level() {
        let end = snapshot(3, mailbox(4, 30, 29, 2));
        let samples = end.since(&Snapshot::default(), 42);
        let [sample] = samples.as_slice() else { panic!("{samples:?}") };
        assert_eq!((sample.peak, sample.wait_max_ns, sample.change), (4, None, None));
    }

    #[test]
    fn levels_alone_are_enough_for_rates() {
        let before = Mailbox { sent: 0, received: 0, ..mailbox(0, 10, 10, 1) };
        let now = Mailbox { sent: 0, received: 0, ..mailbox(0, 25, 24, 2) };
        let samples = snapshot(2, now).since(&snapshot(1, before), 42);
        assert_eq!(samples.first().map(|sample| (sample.sent, sample.received)), Some((Some(15), Some(14))));
    }

    #[test]
    fn what_was_closed_before_the_window_is_left_out() {
        let closed = Mailbox { closed: 1, ..mailbox(0, 1, 1, 1) };
        assert!(snapshot(2, closed).since(&snapshot(1, closed), 42).is_empty());
        assert_eq!(snapshot(2, closed).since(&snapshot(1, mailbox(0, 1, 1, 1)), 42).len(), 1);
    }

    #[test]
    fn what_closed_before_the_window_and_is_silent_is_past() {
        let closed = Mailbox { closed: 1, ..mailbox(0, 1, 1, 2) };
        assert_eq!(snapshot(3, closed).past().collect::<Vec<_>>(), [3]);
        assert_eq!(snapshot(2, closed).past().count(), 0, "it has not been reported yet");
        assert_eq!(snapshot(3, mailbox(0, 1, 1, 2)).past().count(), 0, "it is open");
    }
}
