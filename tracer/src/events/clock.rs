//! The kernel's monotonic time → the time of day.

use jiff::Timestamp;

/// Relates CLOCK_MONOTONIC, which records carry, to the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Clock {
    /// CLOCK_REALTIME − CLOCK_MONOTONIC, nanoseconds, read once at the session's start: a clock that is set
    /// during the session does not tear the tree.
    pub realtime_offset_ns: i64,
}

impl Clock {
    /// The time of day, nanoseconds since 1970 (UTC). Saturates at the ends of `i64` (years 1677 and 2262).
    pub fn unix_ns(self, monotonic_ns: u64) -> i64 {
        self.realtime_offset_ns.saturating_add_unsigned(monotonic_ns)
    }

    /// The time of day in UTC; RFC 3339 with nanoseconds is its `{:.9}`.
    pub fn timestamp(self, monotonic_ns: u64) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.unix_ns(monotonic_ns))).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Oracle: `date -u -d @1767225600 +%FT%TZ` prints 2026-01-01T00:00:00Z.
    #[test]
    fn monotonic_time_becomes_the_time_of_day() {
        let clock = Clock { realtime_offset_ns: 1_767_225_600_000_000_000 - 5_000_000_000 };
        assert_eq!(format!("{:.9}", clock.timestamp(5_000_000_042)), "2026-01-01T00:00:00.000000042Z");
    }

    #[test]
    fn absurd_times_saturate() {
        let clock = Clock { realtime_offset_ns: 1 };
        assert_eq!(clock.unix_ns(u64::MAX), i64::MAX);
    }
}
