//! Durations, addresses and dates as their libraries' `{:?}` prints them, worked out from their numbers.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use super::view::Meaning;

/// The text; `None` for numbers that no honest value has. Addresses' bytes are little endian numbers.
pub(super) fn told(meaning: Meaning, numbers: &[i128]) -> Option<String> {
    let number = |i: usize| numbers.get(i).copied();
    match meaning {
        Meaning::Duration => {
            let (seconds, nanoseconds) = (u64::try_from(number(0)?).ok()?, nanoseconds(number(1)?)?);
            Some(format!("{:?}", Duration::new(seconds, nanoseconds)))
        }
        Meaning::Ipv4 => Some(format!("{:?}", ipv4(number(0)?)?)),
        Meaning::Ipv6 => Some(format!("{:?}", ipv6(number(0)?))),
        Meaning::SocketV4 => {
            Some(format!("{:?}", SocketAddrV4::new(ipv4(number(0)?)?, u16::try_from(number(1)?).ok()?)))
        }
        Meaning::SocketV6 => {
            let (port, flow) = (u16::try_from(number(1)?).ok()?, u32::try_from(number(2)?).ok()?);
            let scope = u32::try_from(number(3)?).ok()?;
            Some(format!("{:?}", SocketAddrV6::new(ipv6(number(0)?), port, flow, scope)))
        }
        Meaning::ChronoDate => chrono_date(number(0)?),
        Meaning::ChronoTime => chrono_time(number(0)?, number(1)?),
        Meaning::ChronoDateTime => chrono_date_time(number(0)?, number(1)?, number(2)?),
        Meaning::ChronoUtc => Some(chrono_date_time(number(0)?, number(1)?, number(2)?)? + "Z"),
        Meaning::ChronoFixed => chrono_fixed(number(0)?, number(1)?, number(2)?, number(3)?),
        Meaning::TimeTime => time_time(numbers.get(..4)?),
        Meaning::TimeDateTime => Some(format!("{} {}", time_date(number(0)?)?, time_time(numbers.get(1..5)?)?)),
        Meaning::TimeOffset => time_offset(numbers.get(..3)?),
        Meaning::TimeOffsetDateTime => {
            let (date, time) = (time_date(number(0)?)?, time_time(numbers.get(1..5)?)?);
            Some(format!("{date} {time} {}", time_offset(numbers.get(5..8)?)?))
        }
    }
}

fn nanoseconds(number: i128) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number < 1_000_000_000)
}

fn ipv4(octets: i128) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(u32::try_from(octets).ok()?.to_le_bytes()))
}

fn ipv6(octets: i128) -> Ipv6Addr {
    Ipv6Addr::from((octets as u128).to_le_bytes())
}

fn is_leap(year: i128) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Month and day of the day of a year, counted from 1.
fn month_and_day(year: i128, ordinal: i128) -> Option<(usize, i128)> {
    let february = if is_leap(year) { 29 } else { 28 };
    let mut day = ordinal;
    for (index, days) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate() {
        if day <= days {
            return (day > 0).then_some((index + 1, day));
        }
        day -= days;
    }
    None
}

/// chrono: the year above 13 bits, the ordinal above 4 bits of flags; years beyond four digits have a sign.
fn chrono_date(packed: i128) -> Option<String> {
    date_text(packed >> 13, packed >> 4 & 0x1ff)
}

fn date_text(year: i128, ordinal: i128) -> Option<String> {
    let (month, day) = month_and_day(year, ordinal)?;
    Some(match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+05}-{month:02}-{day:02}"),
    })
}

/// A leap second is nanoseconds beyond a second.
fn chrono_time(seconds: i128, nanoseconds: i128) -> Option<String> {
    if !(0..86_400).contains(&seconds) || !(0..2_000_000_000).contains(&nanoseconds) {
        return None;
    }
    let (second, nanosecond) = match nanoseconds {
        1_000_000_000.. => (seconds % 60 + 1, nanoseconds - 1_000_000_000),
        _ => (seconds % 60, nanoseconds),
    };
    let mut text = format!("{:02}:{:02}:{second:02}", seconds / 3600, seconds / 60 % 60);
    let _ = match nanosecond {
        0 => Ok(()),
        _ if nanosecond % 1_000_000 == 0 => write!(text, ".{:03}", nanosecond / 1_000_000),
        _ if nanosecond % 1000 == 0 => write!(text, ".{:06}", nanosecond / 1000),
        _ => write!(text, ".{nanosecond:09}"),
    };
    Some(text)
}

fn chrono_date_time(date: i128, seconds: i128, nanoseconds: i128) -> Option<String> {
    Some(format!("{}T{}", chrono_date(date)?, chrono_time(seconds, nanoseconds)?))
}

/// The numbers are in UTC, the text is not.
fn chrono_fixed(date: i128, seconds: i128, nanoseconds: i128, offset: i128) -> Option<String> {
    if offset.abs() >= 86_400 {
        return None;
    }
    let (mut year, mut ordinal) = (date >> 13, date >> 4 & 0x1ff);
    let local = seconds + offset;
    ordinal += local.div_euclid(86_400);
    let days = |year| if is_leap(year) { 366 } else { 365 };
    if ordinal < 1 {
        year -= 1;
        ordinal += days(year);
    } else if ordinal > days(year) {
        ordinal -= days(year);
        year += 1;
    }
    let time = chrono_time(local.rem_euclid(86_400), nanoseconds)?;
    let (sign, offset) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    let mut text = format!("{}T{time}{sign}{:02}:{:02}", date_text(year, ordinal)?, offset / 3600, offset / 60 % 60);
    if offset % 60 != 0 {
        let _ = write!(text, ":{:02}", offset % 60);
    }
    Some(text)
}

/// time: the year above 10 bits, which are the ordinal and a flag for leap years.
fn time_date(packed: i128) -> Option<String> {
    let (year, ordinal) = (packed >> 10, packed & 0x1ff);
    let (month, day) = month_and_day(year, ordinal).filter(|_| is_leap(year) == (packed >> 9 & 1 == 1))?;
    Some(match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        10_000.. => format!("+{year}-{month:02}-{day:02}"),
        _ => format!("-{:04}-{month:02}-{day:02}", -year),
    })
}

fn time_time(numbers: &[i128]) -> Option<String> {
    let &[hour, minute, second, nanosecond] = numbers else { return None };
    if hour > 23 || minute > 59 || second > 60 || !(0..1_000_000_000).contains(&nanosecond) {
        return None;
    }
    let digits = format!("{nanosecond:09}");
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    Some(format!("{hour}:{minute:02}:{second:02}.{digits}"))
}

fn time_offset(numbers: &[i128]) -> Option<String> {
    let &[hours, minutes, seconds] = numbers else { return None };
    let sign = if hours < 0 || minutes < 0 || seconds < 0 { '-' } else { '+' };
    Some(format!("{sign}{:02}:{:02}:{:02}", hours.abs(), minutes.abs(), seconds.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A date as chrono packs it; the flags do not matter.
    fn packed(year: i128, ordinal: i128) -> i128 {
        year << 13 | ordinal << 4
    }

    #[test]
    fn dates_know_leap_years() {
        let date = |year, ordinal| told(Meaning::ChronoDate, &[packed(year, ordinal)]);
        assert_eq!(date(2024, 60).as_deref(), Some("2024-02-29"));
        assert_eq!(date(2023, 60).as_deref(), Some("2023-03-01"));
        assert_eq!(date(1900, 366), None);
        assert_eq!(date(-44, 75).as_deref(), Some("-0044-03-15"));
        assert_eq!(date(12_345, 1).as_deref(), Some("+12345-01-01"));
        assert_eq!(date(2000, 0), None);
    }

    #[test]
    fn an_offset_may_lead_to_another_year() {
        let local = |year, ordinal, seconds, offset| {
            told(Meaning::ChronoFixed, &[packed(year, ordinal), seconds, 0, offset]).unwrap()
        };
        assert_eq!(local(2023, 365, 86_399, 3600), "2024-01-01T00:59:59+01:00");
        assert_eq!(local(2024, 1, 0, -1), "2023-12-31T23:59:59-00:00:01");
    }

    #[test]
    fn times_show_the_digits_that_their_libraries_show() {
        let chrono = |nanoseconds| told(Meaning::ChronoTime, &[86_399, nanoseconds]);
        assert_eq!(chrono(450_000_000).as_deref(), Some("23:59:59.450"));
        assert_eq!(chrono(1_000).as_deref(), Some("23:59:59.000001"));
        assert_eq!(chrono(1_500_000_000).as_deref(), Some("23:59:60.500"));
        assert_eq!(chrono(-1), None);
        assert_eq!(told(Meaning::TimeTime, &[9, 5, 6, 789_000_000]).as_deref(), Some("9:05:06.789"));
        assert_eq!(told(Meaning::TimeTime, &[24, 0, 0, 0]), None);
    }

    #[test]
    fn addresses_and_durations_are_those_of_the_standard_library() {
        let octets = i128::from(u32::from_le_bytes([127, 0, 0, 1]));
        assert_eq!(told(Meaning::SocketV4, &[octets, 80]).as_deref(), Some("127.0.0.1:80"));
        assert_eq!(told(Meaning::SocketV4, &[octets, 65_536]), None);
        let localhost = i128::from_le_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(told(Meaning::SocketV6, &[localhost, 1, 0, 7]).as_deref(), Some("[::1%7]:1"));
        assert_eq!(told(Meaning::Duration, &[1, 500_000_000]).as_deref(), Some("1.5s"));
        assert_eq!(told(Meaning::Duration, &[1, 1_000_000_000]), None);
    }
}
