//! Mailbox statistics, aggregated in the kernel: one element for each mailbox, updated by its USDT probes.
//! The meaning of the probes is in docs/mailbox-probes.md.

/// Mailboxes that are counted; further ones are counted as lost.
pub const MAILBOXES_MAX: u32 = 16_384;

/// Bytes kept of a mailbox's name, NUL included.
pub const NAME_BYTES_MAX: usize = 64;

/// Slots of the interpreter that a mailbox plan leaves its arguments in: slot n holds argument n.
pub mod slot {
    /// Number of these slots, and some.
    pub const COUNT: usize = 8;
    pub const ID: usize = 0;
    pub const NAME: usize = 1;
    pub const LENGTH: usize = 2;
    pub const CAPACITY: usize = 3;
    /// `level` and `close`: messages sent since the mailbox was opened.
    pub const SENT: usize = 4;
    /// `level` and `close`: messages received since the mailbox was opened.
    pub const RECEIVED: usize = 5;
    /// `receive`: the wait in the queue, `handled`: the handling; nanoseconds, [`UNKNOWN_NS`](super::UNKNOWN_NS) if
    /// the mailbox did not measure it.
    pub const TIME: usize = 5;
}

/// A duration that the mailbox did not measure.
pub const UNKNOWN_NS: u64 = u64::MAX;

/// Which probe fired: [`Plan::mailbox_event`](super::plan::Plan::mailbox_event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum MailboxEvent {
    Open = 1,
    Send = 2,
    Receive = 3,
    Handled = 4,
    Close = 5,
    Level = 6,
}

/// What is known of one mailbox.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Messages queued at the last event, and when that was (CLOCK_MONOTONIC).
    pub length: u64,
    pub time_ns: u64,
    /// 0: unbounded.
    pub capacity: u64,
    /// Events counted since the session began.
    pub sent: u64,
    pub received: u64,
    pub handled: u64,
    /// Totals since the mailbox was opened, as its last `level` said, and when that was; 0 before the first.
    pub sent_total: u64,
    pub received_total: u64,
    pub level_time_ns: u64,
    /// Sum of the handling times, nanoseconds.
    pub handled_ns: u64,
    /// The interval that the next two belong to, see [`Control::epoch`](super::control::Control::epoch).
    pub epoch: u64,
    pub peak: u64,
    /// Longest wait of a message received, nanoseconds.
    pub wait_max_ns: u64,
    /// 1 after its `close`.
    pub closed: u64,
    /// NUL-terminated.
    pub name: [u8; NAME_BYTES_MAX],
}

const _: () = assert!(size_of::<Mailbox>() == 14 * 8 + NAME_BYTES_MAX);
