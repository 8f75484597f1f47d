//! One part of a value compared with a literal: what the types allow, and which bits or texts are accepted.

use tracer_ebpf::abi::filter::Match;

use super::check::{tag_test, thread_name};
use super::logic::{Leaf, Logic, Root, Test};
use super::ranges::{Ranges, bounds};
use super::stored::{Stored, stored};
use crate::plan::expression::error::Mistake;
use crate::plan::expression::resolve::{known_fields, shown, simplified};
use crate::plan::expression::{Literal, Operator};
use crate::value::layout::{Shape, TypeId, Types};
use crate::value::view::{EnumStyle, Extent, Number, View, view};
use crate::value::walk::{Length, Part, Step, TextPlace, Way};

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subject {
    pub(crate) root: Root,
    pub(crate) way: Way,
}

pub(crate) fn integer_literal(value: i128) -> Literal {
    Literal::Integer { magnitude: value.unsigned_abs(), negative: value < 0 }
}

impl Subject {
    pub(super) fn ty(&self) -> Option<TypeId> {
        match self.way.part {
            Part::Value { ty, .. } => Some(ty),
            _ => None,
        }
    }

    pub(super) fn bits(&self) -> Option<(u32, u32)> {
        match self.way.part {
            Part::Value { bits, .. } => bits,
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self, types: &Types) -> String {
        match (self.root, self.way.part) {
            (Root::Duration, _) => "a duration".to_owned(),
            (Root::ThreadId, _) => "a thread's number".to_owned(),
            (Root::ThreadName, _) => "a thread's name".to_owned(),
            (_, Part::Length(_) | Part::Bytes(_) | Part::Text(_)) => "a length".to_owned(),
            (_, Part::Value { ty, .. }) => match shown(types, ty) {
                name if name.is_empty() => "a value of unknown type".to_owned(),
                name => name,
            },
        }
    }

    pub(crate) fn is_bool(&self, types: &Types) -> bool {
        self.is_typed() && matches!(stored(types, &self.clone().simple(types)), Stored::Bool { .. })
    }

    fn is_typed(&self) -> bool {
        matches!(self.root, Root::Argument(_) | Root::Result)
    }

    /// Behind references, newtypes and `Option`.
    pub(super) fn simple(self, types: &Types) -> Self {
        if self.is_typed() { Self { root: self.root, way: simplified(types, self.way) } } else { self }
    }

    /// The number behind a name, if it is an enumeration that has it.
    pub(crate) fn enumerator(&self, types: &Types, name: &str) -> Option<i128> {
        match stored(types, &self.clone().simple(types)) {
            Stored::Enumeration { names, .. } => {
                names.iter().find(|(known, _)| known.rsplit("::").next() == Some(name)).map(|(_, value)| *value)
            }
            _ => None,
        }
    }

    /// The contents of the variants of an enum that is shown as what it holds (`Cow`), each with the test whether it
    /// is there.
    fn contents(&self, types: &Types) -> Option<Vec<(Logic, Self)>> {
        let ty = self.ty().filter(|_| self.is_typed())?;
        let View::Enum { layout, style: EnumStyle::Content } = view(types, ty) else { return None };
        let contents = layout.variants.iter().enumerate().map(|(number, variant)| {
            let [field] = variant.fields.as_slice() else { return None };
            let is_active = tag_test(self.root, &self.way, layout, number).ok()?;
            let mut steps = self.way.steps.clone();
            steps.extend([Step::Variant { ty, variant: number }, Step::Offset(field.offset)]);
            let way = Way { steps, part: Part::Value { ty: field.ty, bits: field.bits } };
            Some((is_active, Self { root: self.root, way }))
        });
        contents.collect()
    }

    pub(super) fn leaf(self, further: u64, test: Test) -> Logic {
        let mut steps = self.way.steps;
        if further > 0 {
            steps.push(Step::Offset(further));
        }
        Logic::Leaf(Leaf { root: self.root, steps, test })
    }

    /// It is a reference or a pointer, and is itself looked at.
    fn is_reference(&self, types: &Types) -> bool {
        let is_pointer = |ty| matches!(types.get(ty).shape, Shape::Pointer { .. }) && types.get(ty).size_bytes == 8;
        self.is_typed() && self.ty().is_some_and(is_pointer)
    }

    /// Its bits are accepted.
    fn bits_in(self, types: &Types, accepted: Ranges) -> Logic {
        let size_bytes = match self.ty() {
            Some(ty) if self.is_typed() => types.get(ty).size_bytes,
            _ => 8,
        };
        let first_bit = self.bits().map_or(0, |(first, _)| first);
        self.leaf(0, Test::Bits { size_bytes, first_bit, accepted })
    }
}

/// The first address that something can have: a reference to what has no simple value is compared with such a number
/// by its address.
const ADDRESS_MIN: u128 = 4096;

/// Whether `subject operator literal` holds.
///
/// # Errors
/// The types do not allow it, or the kernel cannot decide it.
pub(crate) fn with_literal(
    types: &Types,
    subject: Subject,
    operator: Operator,
    literal: &Literal,
) -> Result<Logic, Mistake> {
    let name = subject.describe(types);
    let whole = subject.clone();
    let subject = subject.simple(types);
    if let Some(contents) = subject.contents(types) {
        return contents.into_iter().try_fold(Logic::Constant(false), |all, (is_active, content)| {
            let content = with_literal(types, content, operator, literal)?;
            Ok(Logic::any([all, Logic::all([is_active, content])]))
        });
    }
    let is_order = operator.is_order();
    let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    let wrong = |hint| Err(Mistake::Types { left: name.clone(), right: literal_kind(literal).to_owned(), hint });
    let not_for = || Err(Mistake::OperatorType { operator: operator.text(), ty: name.clone() });
    match (stored(types, &subject), literal) {
        (Stored::Text(place), Literal::Text(wanted)) => text(subject, place, operator, wanted.as_bytes(), &name),
        (Stored::Text(place), Literal::Bytes(wanted)) => text(subject, place, operator, wanted, &name),
        (Stored::Word { .. }, Literal::Text(wanted)) => {
            text(subject, TextPlace::CString, operator, wanted.as_bytes(), &name)
        }
        (Stored::ThreadName, Literal::Text(wanted)) => match text_match(operator) {
            Some((how, negated)) => thread_name(how, wanted, negated),
            None => not_for(),
        },
        (Stored::Uuid, Literal::Text(wanted)) => uuid(&subject, operator, wanted, &name),
        _ if !is_order => not_for(),
        (Stored::Integer { signed, bit_count }, Literal::Integer { .. }) if bit_count > 64 => {
            wide(&subject, signed, operator, literal, &name)
        }
        (Stored::Integer { signed, bit_count }, Literal::Integer { .. }) => {
            let value = within(literal, bit_count, signed, &name)?;
            Ok(subject.bits_in(types, Ranges::of_integer(bit_count, signed, operator, value)))
        }
        (Stored::Integer { signed, bit_count }, Literal::Char(character)) if bit_count == 8 => {
            let value = within(&integer_literal(u32::from(*character).into()), bit_count, signed, &name)?;
            Ok(subject.bits_in(types, Ranges::of_integer(bit_count, signed, operator, value)))
        }
        (Stored::Integer { .. }, Literal::Float(_)) => wrong(": write a whole number"),
        (Stored::Word { signed }, Literal::Integer { .. }) => {
            let value = within(literal, 64, signed, &name)?;
            Ok(subject.bits_in(types, Ranges::of_integer(64, signed, operator, value)))
        }
        (Stored::Float { bit_count }, Literal::Float(value)) => {
            Ok(subject.bits_in(types, Ranges::of_float(bit_count, operator, *value)))
        }
        (Stored::Float { bit_count }, Literal::Integer { magnitude, negative }) => {
            let value = if *negative { -(*magnitude as f64) } else { *magnitude as f64 };
            Ok(subject.bits_in(types, Ranges::of_float(bit_count, operator, value)))
        }
        (Stored::Bool { bit_count }, Literal::Bool(value)) if is_equality => {
            let wanted = *value == (operator == Operator::Equal);
            Ok(subject.bits_in(types, Ranges::one(bit_count, wanted.into())))
        }
        (Stored::Char { bit_count }, Literal::Char(character)) => {
            let value = i128::from(u32::from(*character));
            Ok(subject.bits_in(types, Ranges::of_integer(bit_count, false, operator, value)))
        }
        (Stored::Pointer, Literal::Null) | (Stored::Word { .. } | Stored::Text(TextPlace::CString), Literal::Null)
            if is_equality =>
        {
            Ok(subject.leaf(
                0,
                Test::Bits { size_bytes: 8, first_bit: 0, accepted: Ranges::of_integer(64, false, operator, 0) },
            ))
        }
        (Stored::Pointer, Literal::Integer { .. }) => {
            let value = within(literal, 64, false, &name)?;
            Ok(subject.bits_in(types, Ranges::of_integer(64, false, operator, value)))
        }
        (Stored::Enumeration { signed, bit_count, .. }, Literal::Integer { .. }) => {
            let value = within(literal, bit_count, signed, &name)?;
            Ok(subject.bits_in(types, Ranges::of_integer(bit_count, signed, operator, value)))
        }
        (Stored::Duration, Literal::Duration(ns)) => {
            let accepted = Ranges::of_integer(64, false, operator, i128::from(*ns));
            Ok(subject.bits_in(types, accepted))
        }
        (Stored::Time { seconds, nanoseconds }, Literal::Duration(ns)) => {
            Ok(time(&subject, seconds, nanoseconds, operator, *ns))
        }
        (Stored::Duration | Stored::Time { .. }, Literal::Integer { .. } | Literal::Float(_)) => {
            wrong(": write its unit, as in 10ms")
        }
        (Stored::Length(length), Literal::Integer { .. }) => {
            let value = within(literal, 64, false, &name)?;
            Ok(self::length(subject, length, Ranges::of_integer(64, false, operator, value)))
        }
        (Stored::Text(_) | Stored::ThreadName | Stored::Uuid, _) => wrong(": write a text, as in \"a\""),
        (Stored::Pointer, _) => wrong(": write `*` in front of it to compare what it leads to"),
        (Stored::Other, _) if matches!(subject.ty().map(|ty| &types.get(ty).shape), Some(Shape::Enum(_))) => {
            wrong(": ask for a variant, as in `x is None`")
        }
        (Stored::Other, Literal::Integer { magnitude, negative: false })
            if *magnitude >= ADDRESS_MIN && whole.is_reference(types) =>
        {
            let value = within(literal, 64, false, &name)?;
            Ok(whole.bits_in(types, Ranges::of_integer(64, false, operator, value)))
        }
        (Stored::Other, _) => {
            let known = subject.ty().map_or_else(Vec::new, |ty| known_fields(types, ty));
            Err(Mistake::NotSimple { ty: name, known })
        }
        _ => wrong(""),
    }
}

fn literal_kind(literal: &Literal) -> &'static str {
    match literal {
        Literal::Integer { .. } => "a whole number",
        Literal::Float(_) => "a number with a fraction",
        Literal::Bool(_) => "true or false",
        Literal::Char(_) => "a character",
        Literal::Text(_) => "a text",
        Literal::Bytes(_) => "bytes",
        Literal::Null => "null",
        Literal::Duration(_) => "a duration",
    }
}

/// The literal as a number that the type can have.
fn within(literal: &Literal, bit_count: u32, signed: bool, ty: &str) -> Result<i128, Mistake> {
    let Literal::Integer { magnitude, negative } = literal else { return Ok(0) };
    let (least, most) = bounds(bit_count, signed);
    let value = i128::try_from(*magnitude).ok().map(|value| if *negative { -value } else { value });
    value.filter(|value| (least..=most).contains(value)).ok_or_else(|| {
        let value = format!("{}{magnitude}", if *negative { "-" } else { "" });
        Mistake::Never { ty: ty.to_owned(), value, range: format!("{least} to {most}") }
    })
}

/// Integers of 128 bits: by their halves.
fn wide(subject: &Subject, signed: bool, operator: Operator, literal: &Literal, ty: &str) -> Result<Logic, Mistake> {
    let Literal::Integer { magnitude, negative } = literal else { return Ok(Logic::Constant(false)) };
    let limit = if signed { i128::MAX as u128 } else { u128::MAX };
    let is_possible = match negative {
        true => signed && *magnitude <= limit + 1,
        false => *magnitude <= limit,
    };
    if !is_possible {
        let value = format!("{}{magnitude}", if *negative { "-" } else { "" });
        let range = if signed { "-2¹²⁷ to 2¹²⁷-1" } else { "0 to 2¹²⁸-1" };
        return Err(Mistake::Never { ty: ty.to_owned(), value, range: range.to_owned() });
    }
    let bits = if *negative { magnitude.wrapping_neg() } else { *magnitude };
    let (low, high) = (bits as u64, (bits >> 64) as u64);
    let high_value = if signed { i128::from(high as i64) } else { i128::from(high) };
    let half = |further, accepted| subject.clone().leaf(further, Test::Bits { size_bytes: 8, first_bit: 0, accepted });
    let upper = |operator| half(8, Ranges::of_integer(64, signed, operator, high_value));
    let lower = |operator| half(0, Ranges::of_integer(64, false, operator, low.into()));
    Ok(by_halves(operator, upper, lower))
}

pub(super) fn text_match(operator: Operator) -> Option<(Match, bool)> {
    Some(match operator {
        Operator::Equal => (Match::Equals, false),
        Operator::NotEqual => (Match::Equals, true),
        Operator::StartsWith => (Match::StartsWith, false),
        Operator::EndsWith => (Match::EndsWith, false),
        Operator::Contains => (Match::Contains, false),
        _ => return None,
    })
}

fn text(subject: Subject, text: TextPlace, operator: Operator, wanted: &[u8], ty: &str) -> Result<Logic, Mistake> {
    let Some((how, negated)) = text_match(operator) else {
        return Err(Mistake::OperatorType { operator: operator.text(), ty: ty.to_owned() });
    };
    Ok(subject.leaf(0, Test::Text { text, how, wanted: wanted.to_vec(), negated }))
}

fn length(subject: Subject, length: Length, accepted: Ranges) -> Logic {
    match length {
        Length::Fixed(length) => Logic::Constant(accepted.contains(length)),
        Length::Word(stretch) if stretch.extent != Extent::Count => {
            subject.leaf(0, Test::Distance { stretch, accepted })
        }
        Length::Word(stretch) => {
            let terminator = stretch.terminator_bytes;
            let moved = accepted.ranges.iter().map(|(low, high)| {
                // A length of 0 is told by words that leave no room for the terminator, too.
                let low = if *low == 0 { 0 } else { low.saturating_add(terminator) };
                (low, high.saturating_add(terminator))
            });
            let accepted = Ranges::new(64, moved.collect::<Vec<_>>());
            subject.leaf(stretch.length_offset, Test::Bits { size_bytes: 8, first_bit: 0, accepted })
        }
        Length::Short { offset, size_bytes } => {
            let accepted = Ranges::new(8 * size_bytes as u32, accepted.ranges);
            subject.leaf(offset, Test::Bits { size_bytes, first_bit: 0, accepted })
        }
        Length::CString => subject.leaf(0, Test::TextLength { text: TextPlace::CString, accepted }),
        Length::CharArray(size) => subject.leaf(0, Test::TextLength { text: TextPlace::CharArray(size), accepted }),
    }
}

/// A time by its seconds and nanoseconds. Those of a negative time are negative or zero.
fn time(subject: &Subject, seconds: Number, nanoseconds: Number, operator: Operator, literal: u64) -> Logic {
    const SECOND_NS: u64 = 1_000_000_000;
    let test = |number: Number, operator, value: u64| {
        let accepted = Ranges::of_integer(8 * number.size_bytes as u32, number.signed, operator, value.into());
        let test = Test::Bits { size_bytes: number.size_bytes, first_bit: 0, accepted };
        subject.clone().leaf(number.offset, test)
    };
    let whole = |operator| test(seconds, operator, literal / SECOND_NS);
    let rest = |operator| test(nanoseconds, operator, literal % SECOND_NS);
    by_halves(operator, whole, rest)
}

/// A comparison of something whose `upper` part decides unless it is equal.
fn by_halves(operator: Operator, upper: impl Fn(Operator) -> Logic, lower: impl Fn(Operator) -> Logic) -> Logic {
    let equal = Logic::all([upper(Operator::Equal), lower(Operator::Equal)]);
    match operator {
        Operator::NotEqual => equal.negated(),
        Operator::Less | Operator::LessOrEqual => {
            Logic::any([upper(Operator::Less), Logic::all([upper(Operator::Equal), lower(operator)])])
        }
        Operator::Greater | Operator::GreaterOrEqual => {
            Logic::any([upper(Operator::Greater), Logic::all([upper(Operator::Equal), lower(operator)])])
        }
        _ => equal,
    }
}

/// A uuid by its text, or the beginning of it: byte by byte, the last one by its upper half if the text ends there.
fn uuid(subject: &Subject, operator: Operator, wanted: &str, ty: &str) -> Result<Logic, Mistake> {
    let digits: Option<Vec<u64>> =
        wanted.chars().filter(|c| *c != '-').map(|c| c.to_digit(16).map(u64::from)).collect();
    let digits = digits.filter(|digits| digits.len() <= 32).ok_or(Mistake::Types {
        left: ty.to_owned(),
        right: "a text that no uuid has".to_owned(),
        hint: ": write hexadecimal digits",
    })?;
    let is_whole = digits.len() == 32;
    let negated = match operator {
        Operator::Equal if is_whole => false,
        Operator::NotEqual if is_whole => true,
        Operator::StartsWith => false,
        Operator::Equal | Operator::NotEqual => {
            return Err(Mistake::Types {
                left: ty.to_owned(),
                right: "a part of one".to_owned(),
                hint: ": write all 32 digits, or use starts_with",
            });
        }
        _ => return Err(Mistake::OperatorType { operator: operator.text(), ty: ty.to_owned() }),
    };
    let mut tests = Vec::new();
    let mut at = 0;
    while at < digits.len() {
        let left = digits.len() - at;
        let size_bytes = [8_usize, 4, 2, 1].into_iter().find(|size| 2 * size <= left).unwrap_or(1);
        let accepted = if left == 1 {
            let upper = digits.get(at).copied().unwrap_or(0) << 4;
            Ranges::new(8, [(upper, upper | 0xf)])
        } else {
            let byte = |i: usize| digits.get(at + 2 * i).unwrap_or(&0) << 4 | digits.get(at + 2 * i + 1).unwrap_or(&0);
            let word = (0..size_bytes).rev().fold(0_u64, |word, i| word << 8 | byte(i));
            Ranges::one(8 * size_bytes as u32, word)
        };
        let test = Test::Bits { size_bytes: size_bytes as u64, first_bit: 0, accepted };
        tests.push(subject.clone().leaf(at as u64 / 2, test));
        at += 2 * size_bytes;
    }
    let logic = Logic::all(tests);
    Ok(if negated { logic.negated() } else { logic })
}
