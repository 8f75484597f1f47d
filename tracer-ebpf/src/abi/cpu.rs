//! What the programs keep for each CPU and scope: counters that need no atomic addition, and the thread seen last.

use super::cookie::SITE_COSTS;

/// Written by the programs on their CPU alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Hits by what they cost, see [`SiteCost`](super::cookie::SiteCost), those included that no limit or condition
    /// admitted. An estimate: a program that another one preempts can take a count with it.
    pub hits: [u64; SITE_COSTS],
    /// The thread whose state was looked up last, and when: its name was sent.
    pub last_thread: LastThread,
}

/// A thread at a time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastThread {
    pub pid_tgid: u64,
    /// CLOCK_MONOTONIC.
    pub time_ns: u64,
}

const _: () = assert!(size_of::<Cpu>() == SITE_COSTS * 8 + 16);
