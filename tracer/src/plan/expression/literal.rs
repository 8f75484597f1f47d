//! Literals, from the front of a text: numbers, durations, texts, characters.

use super::Literal;
use super::error::Mistake;

/// The literal and the bytes it takes; or where it is wrong, from and to, and why.
pub(super) type Scanned = Result<(Literal, usize), (usize, usize, Mistake)>;

/// A number, or a duration if a unit follows at once. The text starts with a digit.
pub(super) fn number(text: &str) -> Scanned {
    let size = number_size(text);
    let written = text.get(..size).unwrap_or_default();
    let wrong = |mistake| Err((0, size, mistake));
    let plain = written.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            return match u128::from_str_radix(digits, radix) {
                Ok(magnitude) => Ok((Literal::Integer { magnitude, negative: false }, size)),
                Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => wrong(Mistake::HugeNumber),
                Err(_) => wrong(Mistake::BadNumber),
            };
        }
    }
    let unit_at = plain.find(|character: char| character.is_alphabetic() && !is_exponent(&plain, character));
    if let Some(unit_at) = unit_at.filter(|at| *at > 0) {
        let (value, unit) = plain.split_at(unit_at);
        return duration(value, unit).map(|literal| (literal, size)).map_err(|mistake| (0, size, mistake));
    }
    if plain.contains(['.', 'e', 'E']) {
        return match plain.parse() {
            Ok(value) => Ok((Literal::Float(value), size)),
            Err(_) => wrong(Mistake::BadNumber),
        };
    }
    match plain.parse() {
        Ok(magnitude) => Ok((Literal::Integer { magnitude, negative: false }, size)),
        Err(_) if plain.bytes().all(|byte| byte.is_ascii_digit()) => wrong(Mistake::HugeNumber),
        Err(_) => wrong(Mistake::BadNumber),
    }
}

/// Letters and digits, and one dot if a digit follows: `1.5s`, but not the dots of `1.len()`.
fn number_size(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut size, mut has_dot) = (0, false);
    while let Some(byte) = bytes.get(size) {
        let before = size.checked_sub(1).and_then(|at| bytes.get(at));
        match byte {
            b'.' if !has_dot && bytes.get(size + 1).is_some_and(u8::is_ascii_digit) => has_dot = true,
            // The exponent's sign, unless the `e` is a hexadecimal digit.
            b'+' | b'-' if matches!(before, Some(b'e' | b'E')) && !text.starts_with("0x") => {}
            byte if byte.is_ascii_alphanumeric() || *byte == b'_' => {}
            // µs.
            0xc2 if bytes.get(size + 1) == Some(&0xb5) => size += 1,
            0xce if bytes.get(size + 1) == Some(&0xbc) => size += 1,
            _ => break,
        }
        size += 1;
    }
    size
}

/// Whether an `e` stands between digits, as in `1e9`.
fn is_exponent(text: &str, character: char) -> bool {
    let behind = || text.split_once(character).map_or("", |(_, behind)| behind).trim_start_matches(['+', '-']);
    matches!(character, 'e' | 'E') && behind().bytes().next().is_some_and(|byte| byte.is_ascii_digit())
}

fn duration(value: &str, unit: &str) -> Result<Literal, Mistake> {
    let nanoseconds = match unit {
        "ns" => 1_u64,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(Mistake::Unit(unit.to_owned())),
    };
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole: u64 = whole.parse().map_err(|_| Mistake::HugeNumber)?;
    let mut total = whole.checked_mul(nanoseconds).ok_or(Mistake::HugeNumber)?;
    let mut place = nanoseconds;
    for digit in fraction.bytes() {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or(Mistake::BadNumber)?;
        place /= 10;
        total = total.checked_add(place * u64::from(digit)).ok_or(Mistake::HugeNumber)?;
    }
    Ok(Literal::Duration(total))
}

/// A text in double quotes.
pub(super) fn text(text: &str) -> Scanned {
    let mut content = String::new();
    let mut at = 1;
    loop {
        match text.get(at..).and_then(|rest| rest.chars().next()) {
            None => return Err((0, text.len(), Mistake::OpenText)),
            Some('"') => return Ok((Literal::Text(content), at + 1)),
            Some(_) => {
                let (character, size) = character_at(text, at)?;
                content.push(character);
                at += size;
            }
        }
    }
}

/// Bytes as `b"…"`, of which `\xNN` may be any.
pub(super) fn bytes(text: &str) -> Scanned {
    let mut content = Vec::new();
    let mut at = 2;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let byte = rest.strip_prefix("\\x").and_then(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
        match rest.chars().next() {
            None => return Err((0, text.len(), Mistake::OpenText)),
            Some('"') => return Ok((Literal::Bytes(content), at + 1)),
            Some(_) if byte.is_some() => {
                content.extend(byte);
                at += 4;
            }
            Some(_) => {
                let (character, size) = character_at(text, at)?;
                content.extend(character.encode_utf8(&mut [0; 4]).bytes());
                at += size;
            }
        }
    }
}

/// A character in single quotes.
pub(super) fn character(text: &str) -> Scanned {
    let wrong = || (0, text.chars().take(2).map(char::len_utf8).sum(), Mistake::BadCharacter);
    if text.get(1..).is_none_or(|rest| rest.is_empty() || rest.starts_with('\'')) {
        return Err(wrong());
    }
    let (character, size) = character_at(text, 1)?;
    match text.get(1 + size..).is_some_and(|rest| rest.starts_with('\'')) {
        true => Ok((Literal::Char(character), size + 2)),
        false => Err(wrong()),
    }
}

/// One character, or what an escape stands for, and the bytes it takes.
fn character_at(text: &str, at: usize) -> Result<(char, usize), (usize, usize, Mistake)> {
    let rest = text.get(at..).unwrap_or_default();
    let mut characters = rest.chars();
    let first = characters.next().unwrap_or_default();
    if first != '\\' {
        return Ok((first, first.len_utf8()));
    }
    let escape = characters.next();
    let wrong = |size: usize| {
        let size = rest.ceil_char_boundary(size);
        let written = rest.get(1..size).unwrap_or_default();
        Err((at, at + size, Mistake::BadEscape(written.to_owned())))
    };
    let coded = |digits: Option<&str>| u32::from_str_radix(digits?, 16).ok().and_then(char::from_u32);
    match escape {
        Some('n') => Ok(('\n', 2)),
        Some('r') => Ok(('\r', 2)),
        Some('t') => Ok(('\t', 2)),
        Some('0') => Ok(('\0', 2)),
        Some(same @ ('\\' | '\'' | '"')) => Ok((same, 2)),
        Some('x') => match coded(rest.get(2..4)) {
            Some(character) if character.is_ascii() => Ok((character, 4)),
            _ => wrong(4),
        },
        Some('u') => {
            let digits = rest.strip_prefix("\\u{").and_then(|rest| Some(rest.split_once('}')?.0));
            match (coded(digits), digits) {
                (Some(character), Some(digits)) => Ok((character, digits.len() + 4)),
                _ => wrong(3),
            }
        }
        other => wrong(1 + other.map_or(0, char::len_utf8)),
    }
}
