//! The control block of a session: what user space asks of the programs, and what they count.
//! One array element for each [`Scope`](super::cookie::Scope); user space maps it and reads it at any time.

/// Written by user space before attaching, except where said; the counters are written by the programs, atomically.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Control {
    /// Process id that may produce records, in the namespace below.
    pub process_id: u64,
    /// A [`Tripped`] reason, 0 while calls are admitted. Also set by user space to end the session.
    pub tripped: u64,
    /// Device and inode of the pid namespace that `process_id` counts in; inode 0: the initial namespace.
    pub namespace_device: u64,
    pub namespace_inode: u64,
    /// Calls to admit; 0 for no limit.
    pub calls_max: u64,
    /// CLOCK_MONOTONIC time after which no call is admitted; 0 for no limit.
    pub deadline_ns: u64,
    /// Calls to admit within a second; 0 for no limit.
    pub rate_max: u64,
    /// Bytes that wait in the ring buffer when its reader is woken.
    pub wakeup_bytes: u64,
    /// Number of the sampling interval, raised by user space: peaks are kept by interval.
    pub epoch: u64,

    /// Calls and events admitted.
    pub calls: u64,
    /// Those of `calls` that opened a frame, and so have an end to wait for.
    pub frames_opened: u64,
    /// Frames closed again, by whatever outcome.
    pub frames_closed: u64,
    /// Start of the second that `rate_calls` counts.
    pub rate_start_ns: u64,
    pub rate_calls: u64,
    /// Records that found the ring buffer full.
    pub lost_records: u64,
    /// Calls that were deeper than the frames of their thread.
    pub lost_frames: u64,
    /// Open frames given up because their stack made room for another one.
    pub lost_stacks: u64,
    /// Hits of threads for which no state could be allocated.
    pub lost_threads: u64,
    /// Mailboxes beyond the map's size.
    pub lost_mailboxes: u64,
    /// Hits that a condition left out because a part of it could not be read.
    pub undecided: u64,
    /// Operations of capture plans that those hits were charged for.
    pub steps: u64,
    /// Time that threads waited for pages that were faulted in, nanoseconds.
    pub waited_ns: u64,
}

/// Why no more calls are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Tripped {
    /// `calls_max` was reached.
    Calls = 1,
    /// `rate_max` was reached.
    Rate = 2,
    /// `deadline_ns` passed.
    Deadline = 3,
    /// User space ends the session.
    Stopped = 4,
}

impl Tripped {
    /// The reason behind a word of the control block, `None` for 0.
    pub const fn from_word(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::Calls),
            2 => Some(Self::Rate),
            3 => Some(Self::Deadline),
            4 => Some(Self::Stopped),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<Control>() == 22 * 8);
