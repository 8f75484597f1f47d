//! Points in time as text. The date and the second change rarely, so they are formatted once and kept.

use std::fmt::Write as _;

use crate::events::clock::Clock;

const SECOND_NS: i64 = 1_000_000_000;

/// Formats monotonic times as RFC 3339 in UTC.
#[derive(Clone, Debug)]
pub struct Moment {
    clock: Clock,
    /// The second that `text` is of, in seconds since 1970.
    second: Option<i64>,
    /// `2026-01-01T00:00:00`.
    text: String,
}

impl Moment {
    pub fn new(clock: Clock) -> Self {
        Self { clock, second: None, text: String::new() }
    }

    /// Appends `2026-01-01T00:00:00.000000042Z`.
    pub fn rfc3339(&mut self, line: &mut String, monotonic_ns: u64) {
        let fraction_ns = self.at(monotonic_ns);
        let _ = write!(line, "{}.{fraction_ns:09}Z", self.text);
    }

    /// Characters of [`time_of_day`](Self::time_of_day).
    pub const TIME_OF_DAY_WIDTH: usize = 16;

    /// Appends `00:00:00.000000Z`: what a person compares with a log.
    pub fn time_of_day(&mut self, line: &mut String, monotonic_ns: u64) {
        let fraction_ns = self.at(monotonic_ns);
        let time = self.text.split_once('T').map_or("", |(_, time)| time);
        let _ = write!(line, "{time}.{:06}Z", fraction_ns / 1_000);
    }

    /// Brings `text` to the second of that time, and returns the nanoseconds beyond it.
    fn at(&mut self, monotonic_ns: u64) -> i64 {
        let unix_ns = self.clock.unix_ns(monotonic_ns);
        let second = unix_ns.div_euclid(SECOND_NS);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            let _ = write!(self.text, "{:.0}", self.clock.timestamp(monotonic_ns));
            self.text.truncate(self.text.trim_end_matches('Z').len());
        }
        unix_ns.rem_euclid(SECOND_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_agree_with_jiff() {
        let clock = Clock { realtime_offset_ns: 1_767_225_599_000_000_000 };
        let mut moment = Moment::new(clock);
        for time_ns in [0, 1, 999_999_999, 1_000_000_000, 1_000_000_042, 86_400_000_000_000, 5] {
            let (mut long, mut short) = (String::new(), String::new());
            moment.rfc3339(&mut long, time_ns);
            moment.time_of_day(&mut short, time_ns);
            let oracle = format!("{:.9}", clock.timestamp(time_ns));
            assert_eq!(long, oracle);
            assert_eq!(short, format!("{}Z", &oracle[11..26]));
        }
    }
}
