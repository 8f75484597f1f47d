//! Numbers as people read them: durations, counts, rates, shares. Three significant digits at least.

use super::color::Paint;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// `740 ns`, `3.4 µs`, `81.2 ms`, `2.5 s`, `3 min 20 s`, `26 h 5 min`.
pub fn duration(duration_ns: u64) -> String {
    // A value that would round up to 1000 belongs to the next unit.
    match duration_ns {
        0..MICROSECOND => format!("{duration_ns} ns"),
        MICROSECOND..999_950 => tenths(duration_ns, MICROSECOND, "µs"),
        999_950..999_950_000 => tenths(duration_ns, MILLISECOND, "ms"),
        999_950_000..59_950_000_000 => tenths(duration_ns, SECOND, "s"),
        59_950_000_000..HOUR => pair((duration_ns + SECOND / 2) / SECOND, 60, "min", "s"),
        _ => pair(duration_ns / MINUTE, 60, "h", "min"),
    }
}

fn tenths(duration_ns: u64, unit: u64, name: &str) -> String {
    format!("{:.1} {name}", duration_ns as f64 / unit as f64)
}

fn pair(count: u64, per: u64, large: &str, small: &str) -> String {
    match count % per {
        0 => format!("{} {large}", count / per),
        rest => format!("{} {large} {rest} {small}", count / per),
    }
}

/// A duration's colour by its size: what a person would wait for stands out.
pub fn duration_paint(duration_ns: u64) -> Paint {
    match duration_ns {
        0..MILLISECOND => Paint::Plain,
        MILLISECOND..100_000_000 => Paint::Good,
        100_000_000..SECOND => Paint::Warning,
        _ => Paint::Bad,
    }
}

/// Thousands in groups: `7,064,112`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 call`, `2 calls`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// `+3`, `-12`, `0`.
pub fn change(change: i64) -> String {
    match change {
        1.. => format!("+{}", count(change.unsigned_abs())),
        0 => "0".to_owned(),
        _ => format!("-{}", count(change.unsigned_abs())),
    }
}

/// Events per second: `0`, `0.4`, `12.5`, `340`, `12,400`.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() {
        return "?".to_owned();
    }
    match per_second {
        0.0 => "0".to_owned(),
        ..0.05 => "<0.1".to_owned(),
        ..99.95 => format!("{per_second:.1}"),
        _ => count(per_second.round() as u64),
    }
}

/// A share of 1 in percent: `0.3 %`, `12 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if !percent.is_finite() => "? %".to_owned(),
        0.0 => "0 %".to_owned(),
        ..0.05 => "<0.1 %".to_owned(),
        ..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// The last segment of a path: `store` of `app::log::store`, `fmt` of `<A as core::fmt::Display>::fmt`. Generic
/// arguments and `{{closure}}` belong to the segment before them.
pub fn last_segment(path: &str) -> &str {
    let mut depth = 0_u32;
    let bytes = path.as_bytes();
    for index in (1..bytes.len()).rev() {
        match bytes[index] {
            b'>' if bytes[index - 1] != b'-' => depth += 1,
            b'<' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes[index - 1] == b':' => match path.get(index + 1..) {
                Some(segment) if !segment.starts_with(['<', '{']) => return segment,
                _ => {}
            },
            _ => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_fitting_unit() {
        let table = [
            (0, "0 ns"),
            (999, "999 ns"),
            (3_400, "3.4 µs"),
            (999_949, "999.9 µs"),
            (999_950, "1.0 ms"),
            (81_200_000, "81.2 ms"),
            (999_950_000, "1.0 s"),
            (59_949_999_999, "59.9 s"),
            (60 * SECOND, "1 min"),
            (200 * SECOND, "3 min 20 s"),
            (HOUR, "1 h"),
            (26 * HOUR + 5 * MINUTE + 59 * SECOND, "26 h 5 min"),
            (u64::MAX, "5124095 h 34 min"),
        ];
        for (duration_ns, text) in table {
            assert_eq!(duration(duration_ns), text);
        }
    }

    #[test]
    fn numbers_carry_what_matters() {
        assert_eq!([count(0), count(999), count(1_000), count(7_064_112)], ["0", "999", "1,000", "7,064,112"]);
        assert_eq!([counted(1, "call"), counted(2, "call"), counted(0, "call")], ["1 call", "2 calls", "0 calls"]);
        assert_eq!([change(3), change(0), change(-1_200), change(i64::MIN)].map(|s| s.len()), [2, 1, 6, 26]);
        assert_eq!(
            [rate(0.0), rate(0.01), rate(12.54), rate(99.96), rate(12_400.4)],
            ["0", "<0.1", "12.5", "100", "12,400"]
        );
        assert_eq!(rate(f64::NAN), "?");
        assert_eq!([percent(0.003), percent(0.0), percent(0.0001), percent(0.123)], ["0.3 %", "0 %", "<0.1 %", "12 %"]);
    }

    #[test]
    fn the_last_segment_ignores_generic_arguments() {
        assert_eq!(last_segment("app::log::store"), "store");
        assert_eq!(last_segment("<app::A as core::fmt::Display>::fmt"), "fmt");
        assert_eq!(last_segment("app::push::<alloc::string::String>"), "push::<alloc::string::String>");
        assert_eq!(last_segment("app::Vec<a::B>::push"), "push");
        assert_eq!(last_segment("app::run::{{closure}}"), "run::{{closure}}");
        assert_eq!(last_segment("main"), "main");
        assert_eq!(last_segment(""), "");
        assert_eq!(last_segment("é::ü"), "ü");
    }
}
