//! The text of a `long double` of x86: a sign, 15 bits of exponent, 64 bits of mantissa. Knows nothing of types.

/// What the exponent is counted from, and the bits of the mantissa behind its first one.
const EXPONENT_BIAS: i32 = 16_383;
const FRACTION_BITS: i32 = 63;

/// Digits that tell two neighbours apart.
const DIGITS: usize = 21;

/// As `{:?}` of a float where a double holds the same number, otherwise with as many digits as matter. `None` for
/// patterns of bits that are no number.
pub(super) fn extended(bytes: &[u8]) -> Option<String> {
    let mantissa = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let top = u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?);
    let sign = if top >> 15 == 1 { "-" } else { "" };
    let exponent = i32::from(top & 0x7fff);
    let is_normal = mantissa >> FRACTION_BITS == 1;
    let text = match exponent {
        0 if mantissa == 0 => "0.0".to_owned(),
        0x7fff if mantissa == 1 << FRACTION_BITS => "inf".to_owned(),
        0x7fff if is_normal => return Some("NaN".to_owned()),
        1..0x7fff if !is_normal => return None,
        0x7fff => return None,
        _ => number(mantissa, exponent.max(1) - EXPONENT_BIAS - FRACTION_BITS),
    };
    Some(format!("{sign}{text}"))
}

/// `mantissa * 2^power`.
fn number(mantissa: u64, power: i32) -> String {
    let double = mantissa as f64 * 2_f64.powi(power);
    let is_exact = mantissa.trailing_zeros() >= 11 && double.is_normal();
    if is_exact {
        return format!("{double:?}");
    }
    let (digits, point) = decimal(mantissa, power);
    let (kept, carried) = rounded(&digits);
    let point = point + i64::from(carried);
    match point {
        -4..=0 => format!("0.{}{kept}", "0".repeat(point.unsigned_abs() as usize)),
        1..=21 => {
            let point = point as usize;
            let kept = format!("{kept:0<point$}");
            let (whole, part) = kept.split_at(point);
            format!("{whole}.{}", if part.is_empty() { "0" } else { part })
        }
        _ => {
            let (first, rest) = kept.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{}", point - 1)
        }
    }
}

/// All digits of the number, and how many of them are in front of the point.
fn decimal(mantissa: u64, power: i32) -> (String, i64) {
    // Without its fraction: `mantissa * 2^-n` is `mantissa * 5^n`, the point `n` digits further left.
    let (factor, times) = if power < 0 { (5, power.unsigned_abs()) } else { (2, power.unsigned_abs()) };
    let mut limbs = vec![mantissa as u32, (mantissa >> 32) as u32];
    for _ in 0..times {
        let mut carry = 0;
        for limb in &mut limbs {
            let product = u64::from(*limb) * factor + carry;
            (*limb, carry) = (product as u32, product >> 32);
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    let mut groups = Vec::new();
    while limbs.iter().any(|limb| *limb > 0) {
        let mut rest = 0;
        for limb in limbs.iter_mut().rev() {
            let part = rest << 32 | u64::from(*limb);
            (*limb, rest) = ((part / 1_000_000_000) as u32, part % 1_000_000_000);
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        groups.push(format!("{rest:09}"));
    }
    let digits: String = groups.iter().rev().map(String::as_str).collect();
    let digits = digits.trim_start_matches('0').to_owned();
    let behind = if power < 0 { i64::from(times) } else { 0 };
    let point = digits.len() as i64 - behind;
    (digits, point)
}

/// The digits that matter, without zeros at the end; and whether rounding made one more in front.
fn rounded(digits: &str) -> (String, bool) {
    let mut kept: Vec<u8> = digits.bytes().take(DIGITS).collect();
    let mut carried = false;
    if digits.as_bytes().get(DIGITS).is_some_and(|next| *next >= b'5') {
        let mut at = kept.len();
        loop {
            let Some(before) = at.checked_sub(1) else {
                kept.insert(0, b'1');
                carried = true;
                break;
            };
            at = before;
            match kept.get_mut(at) {
                Some(digit) if *digit == b'9' => *digit = b'0',
                Some(digit) => {
                    *digit += 1;
                    break;
                }
                None => break,
            }
        }
    }
    let text = String::from_utf8(kept).unwrap_or_default();
    (text.trim_end_matches('0').to_owned(), carried)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(top: u16, mantissa: u64) -> Option<String> {
        extended(&[&mantissa.to_le_bytes()[..], &top.to_le_bytes()[..], &[0; 6]].concat())
    }

    #[test]
    fn what_a_double_holds_reads_as_a_double() {
        assert_eq!(of(0x3fff, 1 << 63).as_deref(), Some("1.0"));
        assert_eq!(of(0xc000, 0xd000_0000_0000_0000).as_deref(), Some("-3.25"));
        assert_eq!(of(0x8000, 0).as_deref(), Some("-0.0"));
        assert_eq!(of(0x7fff, 1 << 63).as_deref(), Some("inf"));
        assert_eq!(of(0x7fff, 3 << 62).as_deref(), Some("NaN"));
    }

    #[test]
    fn further_digits_are_shown() {
        assert_eq!(of(0x3ffb, 0xcccc_cccc_cccc_cccd).as_deref(), Some("0.100000000000000000001"));
        assert_eq!(of(0x4000, 0xc90f_daa2_2168_c235).as_deref(), Some("3.14159265358979323851"));
        assert_eq!(of(0x403e, u64::MAX).as_deref(), Some("18446744073709551615.0"));
        assert_eq!(of(0x7ffe, u64::MAX).as_deref(), Some("1.18973149535723176502e4932"));
        assert_eq!(of(0, 1).as_deref(), Some("3.64519953188247460253e-4951"));
        assert_eq!(of(0x3fff, u64::MAX).as_deref(), Some("1.99999999999999999989"));
    }

    #[test]
    fn some_patterns_are_no_numbers() {
        assert_eq!(of(0x3fff, 1), None);
        assert_eq!(of(0x7fff, 1), None);
        assert_eq!(extended(&[0; 4]), None);
    }
}
