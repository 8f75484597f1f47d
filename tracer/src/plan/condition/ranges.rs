//! Sets of the bit patterns that a comparison accepts, as ranges of unsigned numbers. Whatever is compared with a
//! constant (integers, floats, tags of enums) comes down to whether its bits are in such a set.

use crate::plan::expression::Operator;

/// Patterns of `bit_count` bits, at most 64: sorted, disjoint, inclusive ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges {
    pub(crate) bit_count: u32,
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// All ones in the low bits.
pub(crate) fn mask(bit_count: u32) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(bit_count)).unwrap_or(0)
}

impl Ranges {
    pub(crate) fn new(bit_count: u32, ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let max = mask(bit_count);
        let mut sorted: Vec<(u64, u64)> =
            ranges.into_iter().filter(|(low, high)| low <= high && *low <= max).map(|(l, h)| (l, h.min(max))).collect();
        sorted.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (low, high) in sorted {
            match joined.last_mut() {
                Some((_, end)) if *end >= low || *end + 1 == low => *end = high.max(*end),
                _ => joined.push((low, high)),
            }
        }
        Self { bit_count, ranges: joined }
    }

    pub(crate) fn one(bit_count: u32, value: u64) -> Self {
        Self::new(bit_count, [(value, value)])
    }

    pub(crate) fn complement(&self) -> Self {
        let (mut gaps, mut next) = (Vec::new(), Some(0));
        for (low, high) in &self.ranges {
            if let Some(start) = next.filter(|start| start < low) {
                gaps.push((start, low - 1));
            }
            next = high.checked_add(1);
        }
        if let Some(start) = next {
            gaps.push((start, mask(self.bit_count)));
        }
        Self::new(self.bit_count, gaps)
    }

    pub(crate) fn contains(&self, value: u64) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&value))
    }

    /// The integers for which `integer operator literal` holds; the literal must be one that the type can have.
    pub(crate) fn of_integer(bit_count: u32, signed: bool, operator: Operator, literal: i128) -> Self {
        let (least, most) = bounds(bit_count, signed);
        let (low, high) = match operator {
            Operator::Less => (least, literal - 1),
            Operator::LessOrEqual => (least, literal),
            Operator::Greater => (literal + 1, most),
            Operator::GreaterOrEqual => (literal, most),
            _ => (literal, literal),
        };
        let bits = |value: i128| value as u64 & mask(bit_count);
        let ranges = match (low, high) {
            _ if low > high => vec![],
            (low, high) if low < 0 && high >= 0 => vec![(0, bits(high)), (bits(low), mask(bit_count))],
            (low, high) => vec![(bits(low), bits(high))],
        };
        let accepted = Self::new(bit_count, ranges);
        if operator == Operator::NotEqual { accepted.complement() } else { accepted }
    }

    /// The same of floats of 32 or 64 bits: no comparison but `!=` accepts what is not a number.
    pub(crate) fn of_float(bit_count: u32, operator: Operator, literal: f64) -> Self {
        let bits = |value: f64| match bit_count {
            32 => u64::from((value as f32).to_bits()),
            _ => value.to_bits(),
        };
        let sign = 1_u64 << (bit_count - 1);
        // Keys are in the order of the numbers: negative ones backwards, then positive ones.
        let key = |bits: u64| if bits & sign != 0 { !bits & mask(bit_count) } else { bits | sign };
        let is_zero = bits(literal) & !sign == 0;
        let (first, last) = match is_zero {
            true => (key(sign), key(0)),
            false => (key(bits(literal)), key(bits(literal))),
        };
        let (least, most) = (key(bits(f64::NEG_INFINITY)), key(bits(f64::INFINITY)));
        let (low, high) = match operator {
            Operator::Less => (least, first - 1),
            Operator::LessOrEqual => (least, last),
            Operator::Greater => (last + 1, most),
            Operator::GreaterOrEqual => (first, most),
            _ => (first, last),
        };
        let negative = (low, high.min(sign - 1));
        let positive = (low.max(sign), high);
        let unkey = |key: u64| if key & sign != 0 { key & !sign } else { !key & mask(bit_count) };
        let mut ranges = Vec::new();
        if negative.0 <= negative.1 {
            ranges.push((unkey(negative.1), unkey(negative.0)));
        }
        if positive.0 <= positive.1 {
            ranges.push((unkey(positive.0), unkey(positive.1)));
        }
        let accepted = Self::new(bit_count, ranges);
        if operator == Operator::NotEqual { accepted.complement() } else { accepted }
    }

    /// The ranges as they are on a circle, where the largest pattern is followed by 0: start, and span.
    pub(crate) fn arcs(&self) -> Vec<(u64, u64)> {
        let mut ranges = self.ranges.clone();
        let wraps = ranges.len() > 1
            && ranges.first().is_some_and(|(low, _)| *low == 0)
            && ranges.last().is_some_and(|(_, high)| *high == mask(self.bit_count));
        let mut arcs = Vec::new();
        if wraps && let Some((low, high)) = ranges.pop() {
            let (_, end) = ranges.remove(0);
            arcs.push((low, (high - low) + 1 + end));
        }
        arcs.extend(ranges.into_iter().map(|(low, high)| (low, high - low)));
        arcs
    }
}

/// The least and the greatest number of that many bits, at most 64.
pub(crate) fn bounds(bit_count: u32, signed: bool) -> (i128, i128) {
    let all = 1_i128 << bit_count;
    if signed { (-(all / 2), all / 2 - 1) } else { (0, all - 1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPERATORS: [Operator; 6] = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ];

    fn holds<T: PartialOrd>(left: T, operator: Operator, right: T) -> bool {
        match operator {
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            _ => left >= right,
        }
    }

    /// As a term of a filter has it.
    fn on_circle(ranges: &Ranges, value: u64) -> bool {
        ranges.arcs().iter().any(|(low, span)| value.wrapping_sub(*low) & mask(ranges.bit_count) <= *span)
    }

    proptest! {
        #[test]
        fn integers(value: i64, literal: i64, near in -2_i64..3, size in prop::sample::select(vec![8_u32, 16, 32, 64])) {
            for (value, literal) in [(value, literal), (literal.wrapping_add(near), literal)] {
                for operator in OPERATORS {
                    let cut = |value: i64| value << (64 - size) >> (64 - size);
                    let (value, literal) = (cut(value), cut(literal));
                    let signed = Ranges::of_integer(size, true, operator, literal.into());
                    let bits = value as u64 & mask(size);
                    prop_assert_eq!(signed.contains(bits), holds(value, operator, literal));
                    prop_assert_eq!(on_circle(&signed, bits), holds(value, operator, literal));
                    let other = literal as u64 & mask(size);
                    let unsigned = Ranges::of_integer(size, false, operator, other.into());
                    prop_assert_eq!(unsigned.contains(bits), holds(bits, operator, other));
                    prop_assert_eq!(on_circle(&unsigned, bits), holds(bits, operator, other));
                    prop_assert_eq!(unsigned.complement().contains(bits), !holds(bits, operator, other));
                }
            }
        }

        #[test]
        fn floats(bits: u64, literal: f64, chosen in 0_usize..9) {
            let special = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, literal, -literal, 1.5];
            let value = special.get(chosen).copied().unwrap_or(f64::from_bits(bits));
            let literals = [literal, 0.0, -0.0, 1.5, -1.5];
            for literal in literals.into_iter().filter(|literal| literal.is_finite()) {
                for operator in OPERATORS {
                    let ranges = Ranges::of_float(64, operator, literal);
                    prop_assert_eq!(ranges.contains(value.to_bits()), holds(value, operator, literal));
                    let (value, literal) = (value as f32, literal as f32);
                    if literal.is_finite() {
                        let ranges = Ranges::of_float(32, operator, literal.into());
                        prop_assert_eq!(ranges.contains(value.to_bits().into()), holds(value, operator, literal));
                    }
                }
            }
        }
    }
}
