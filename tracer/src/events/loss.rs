//! Everything that was lost, by where it was lost. A tracer that does not say what is missing is lying.

use tracer_ebpf::abi::control::Control;

/// Counts of what did not reach the user, one for each place where that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Losses {
    /// Records that found the ring buffer full.
    pub ring_buffer_full: u64,
    /// Calls deeper than the frames that are kept for a thread.
    pub too_deep: u64,
    /// Hits of threads for which the kernel gave no state.
    pub no_thread_state: u64,
    /// Mailboxes beyond the map's size.
    pub mailboxes: u64,
    /// Hits that came while a program of the session was running on the same CPU, which the kernel then skips.
    pub recursion: u64,
    /// Records whose bytes made no sense.
    pub malformed: u64,
    /// Calls that were open when the table of open calls was full.
    pub forgotten_calls: u64,
    /// Open calls on a stack that had to make room for another one of the same thread: their ends are not seen.
    pub evicted_calls: u64,
    /// Lines that the reader of standard output was too slow for.
    pub unwritten_lines: u64,
}

impl Losses {
    /// The counters of the programs; those of user space are 0.
    pub fn from_control(control: &Control) -> Self {
        Self {
            ring_buffer_full: control.lost_records,
            too_deep: control.lost_frames,
            no_thread_state: control.lost_threads,
            mailboxes: control.lost_mailboxes,
            evicted_calls: control.lost_stacks,
            ..Self::default()
        }
    }

    /// Each counter with its name for people, in a fixed order.
    pub fn by_name(&self) -> [(&'static str, u64); 9] {
        [
            ("ring buffer full", self.ring_buffer_full),
            ("calls too deep", self.too_deep),
            ("no thread state", self.no_thread_state),
            ("mailboxes beyond the limit", self.mailboxes),
            ("hits during another hit", self.recursion),
            ("malformed records", self.malformed),
            ("open calls beyond the limit", self.forgotten_calls),
            ("ends on a stack that made room", self.evicted_calls),
            ("lines the reader was too slow for", self.unwritten_lines),
        ]
    }

    /// Counters that are not 0.
    pub fn nonzero(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.by_name().into_iter().filter(|(_, count)| *count != 0)
    }

    /// The sum, for the summary.
    pub fn total(&self) -> u64 {
        self.by_name().iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Whether the session must end with exit code 3.
    pub fn any(&self) -> bool {
        self.total() != 0
    }

    /// Both counted together: the kernel's and user space's.
    pub fn plus(&self, other: &Self) -> Self {
        self.combine(other, u64::saturating_add)
    }

    /// What was lost after `before` was read.
    pub fn since(&self, before: &Self) -> Self {
        self.combine(before, u64::saturating_sub)
    }

    fn combine(&self, other: &Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            ring_buffer_full: with(self.ring_buffer_full, other.ring_buffer_full),
            too_deep: with(self.too_deep, other.too_deep),
            no_thread_state: with(self.no_thread_state, other.no_thread_state),
            mailboxes: with(self.mailboxes, other.mailboxes),
            recursion: with(self.recursion, other.recursion),
            malformed: with(self.malformed, other.malformed),
            forgotten_calls: with(self.forgotten_calls, other.forgotten_calls),
            evicted_calls: with(self.evicted_calls, other.evicted_calls),
            unwritten_lines: with(self.unwritten_lines, other.unwritten_lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_reaches_the_total_and_has_a_name() {
        let control =
            Control { lost_records: 1, lost_frames: 10, lost_threads: 100, lost_mailboxes: 1000, ..Control::default() };
        let user = Losses { recursion: 10_000, malformed: 100_000, forgotten_calls: 1_000_000, ..Losses::default() };
        let all = Losses::from_control(&control).plus(&user);
        assert_eq!(all.total(), 1_111_111);
        assert_eq!(all.nonzero().count(), 7);
        assert_eq!(all.since(&user).total(), 1_111);
        assert!(all.any() && !Losses::default().any());
    }
}
