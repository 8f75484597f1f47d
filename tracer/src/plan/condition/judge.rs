//! Conditions decided in user space, on what the records of a call brought: the same logic as the kernel's, and what the
//! kernel cannot do beside it. A test whose value could not be read is neither true nor false.

use std::cmp::Ordering;

use tracer_ebpf::abi::filter::Match;

use super::logic::{Leaf, Logic, Operand, Root, Test};
use crate::plan::capture::Wanted;
use crate::plan::description::Parameter;
use crate::plan::expression::Operator;
use crate::value::image::Memory;
use crate::value::layout::{TypeId, Types};
use crate::value::place::{Location, Place};
use crate::value::source::Source;
use crate::value::view::{Meaning, Number, Told, View, view};
use crate::value::walk::{self, Part, Way};
use crate::value::{Limits, Omitted, Payload, Value};

/// Nanoseconds of a second.
const SECOND_NS: i128 = 1_000_000_000;

/// What is left of a condition of one function, and where the values that it asks for are.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    logic: Logic,
    arguments: Vec<Parameter>,
    result: Option<Parameter>,
    at_entry: Vec<Operand>,
    at_end: Vec<Operand>,
    needs_end: bool,
}

/// One call, as far as it is known.
pub struct Hit<'h> {
    pub entry: &'h dyn Memory,
    /// Where it returned.
    pub exit: Option<&'h dyn Memory>,
    pub duration_ns: u64,
    pub thread_id: u32,
    pub thread_name: &'h str,
}

/// Whether a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// Something that it depends on is not known.
    Undecided,
}

impl After {
    /// `None` if nothing is left.
    ///
    /// # Errors
    /// Why a value that it asks for cannot be read.
    pub(crate) fn new(
        logic: Logic,
        arguments: &[Parameter],
        result: Option<&Parameter>,
    ) -> Result<Option<Self>, &'static str> {
        if logic == Logic::Constant(true) {
            return Ok(None);
        }
        let (mut at_entry, mut at_end) = (Vec::new(), Vec::new());
        for operand in logic.leaves().into_iter().flat_map(Leaf::operands) {
            let (location, operands) = match operand.root {
                Root::Argument(number) => (arguments.get(number).map(|of| &of.location), &mut at_entry),
                Root::Result => (result.map(|of| &of.location), &mut at_end),
                _ => continue,
            };
            readable(location.ok_or("its place is not known")?)?;
            if !operands.contains(&operand) {
                operands.push(operand);
            }
        }
        let needs_end = logic.needs_end();
        Ok(Some(Self { logic, arguments: arguments.to_vec(), result: result.cloned(), at_entry, at_end, needs_end }))
    }

    /// Whether it is decided when the call ends.
    pub fn needs_end(&self) -> bool {
        self.needs_end
    }

    /// What the entry's record must bring.
    pub fn wanted_at_entry(&self) -> impl Iterator<Item = Wanted<'_>> {
        self.at_entry.iter().filter_map(|operand| self.wanted(operand))
    }

    /// What the exit's record must bring.
    pub fn wanted_at_end(&self) -> impl Iterator<Item = Wanted<'_>> {
        self.at_end.iter().filter_map(|operand| self.wanted(operand))
    }

    fn wanted<'a>(&'a self, operand: &'a Operand) -> Option<Wanted<'a>> {
        let (ty, location) = self.place(operand.root)?;
        Some(Wanted { ty, location, way: Some(&operand.way), string_bytes_max: Some(Limits::STRING_BYTES_MOST) })
    }

    fn place(&self, root: Root) -> Option<(TypeId, &Location)> {
        let parameter = match root {
            Root::Argument(number) => self.arguments.get(number)?,
            Root::Result => self.result.as_ref()?,
            _ => return None,
        };
        Some((parameter.ty, &parameter.location))
    }

    /// Whether the call counts.
    pub fn judge(&self, types: &Types, hit: &Hit<'_>) -> Verdict {
        match (Judge { after: self, types, hit }).holds(&self.logic) {
            Some(true) => Verdict::Yes,
            Some(false) => Verdict::No,
            None => Verdict::Undecided,
        }
    }
}

/// Whether anything of a value can be read.
fn readable(location: &Location) -> Result<(), &'static str> {
    match location.pieces.as_slice() {
        [piece] => match &piece.place {
            Place::Missing(missing) => Err(missing.reason()),
            Place::Register(register) if !register.is_readable() => Err("it is in a vector register"),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

struct Judge<'j> {
    after: &'j After,
    types: &'j Types,
    hit: &'j Hit<'j>,
}

/// What can be compared.
#[derive(Clone, Debug, PartialEq)]
enum Scalar {
    Integer(i128),
    /// Beyond the other one's range.
    Large(u128),
    Float(f64),
    Text {
        bytes: Vec<u8>,
        omitted: Omitted,
    },
}

impl Judge<'_> {
    fn holds(&self, logic: &Logic) -> Option<bool> {
        match logic {
            Logic::Constant(value) => Some(*value),
            Logic::Leaf(leaf) => self.leaf(leaf),
            Logic::All(parts) => self.all(parts, false),
            Logic::Any(parts) => self.all(parts, true),
        }
    }

    /// `deciding` if one part is that; unknown if one is unknown; else the opposite.
    fn all(&self, parts: &[Logic], deciding: bool) -> Option<bool> {
        let mut is_known = true;
        for part in parts {
            match self.holds(part) {
                Some(value) if value == deciding => return Some(deciding),
                Some(_) => {}
                None => is_known = false,
            }
        }
        is_known.then_some(!deciding)
    }

    fn leaf(&self, leaf: &Leaf) -> Option<bool> {
        if self.hit.exit.is_none() && leaf.needs_result() {
            return Some(false);
        }
        let own = || leaf.operands().into_iter().next();
        // What is not there (another variant, too short a sequence) fulfils nothing, negated or not.
        let there = |found: Option<Option<Scalar>>| match found {
            None => Err(None),
            Some(None) => Err(Some(false)),
            Some(Some(value)) => Ok(value),
        };
        let decide = || -> Result<Option<bool>, Option<bool>> {
            Ok(match &leaf.test {
                Test::Bits { first_bit, accepted, .. } => {
                    let bits = match there(self.scalar(&own().ok_or(None)?))? {
                        Scalar::Integer(bits) => bits as u128,
                        Scalar::Large(bits) => bits,
                        _ => return Ok(None),
                    };
                    let mask = super::ranges::mask(accepted.bit_count);
                    Some(accepted.contains((bits >> first_bit) as u64 & mask))
                }
                Test::Distance { accepted, .. } => match there(self.scalar(&own().ok_or(None)?))? {
                    Scalar::Integer(length) => u64::try_from(length).ok().map(|length| accepted.contains(length)),
                    _ => return Ok(None),
                },
                Test::Text { how, wanted, negated, .. } => match there(self.scalar(&own().ok_or(None)?))? {
                    Scalar::Text { bytes, omitted } => {
                        matches(*how, &bytes, omitted, wanted).map(|holds| holds != *negated)
                    }
                    _ => Some(false),
                },
                Test::TextLength { accepted, .. } => match there(self.scalar(&own().ok_or(None)?))? {
                    Scalar::Text { bytes, omitted: Omitted::Nothing } => Some(accepted.contains(bytes.len() as u64)),
                    Scalar::Text { bytes, omitted: Omitted::Count(more) } => {
                        Some(accepted.contains(more.saturating_add(bytes.len() as u64)))
                    }
                    Scalar::Text { .. } => None,
                    _ => Some(false),
                },
                Test::Relation { operator, other, negated, .. } => {
                    let left = there(self.scalar(&own().ok_or(None)?))?;
                    let right = there(self.scalar(other))?;
                    related(*operator, &left, &right).map(|holds| holds != *negated)
                }
            })
        };
        decide().unwrap_or_else(|decided| decided)
    }

    /// The value: unknown, or not there.
    fn scalar(&self, operand: &Operand) -> Option<Option<Scalar>> {
        let memory = match operand.root {
            Root::Duration => return Some(Some(Scalar::Integer(self.hit.duration_ns.into()))),
            Root::ThreadId => return Some(Some(Scalar::Integer(self.hit.thread_id.into()))),
            Root::ThreadName => return Some(self.thread_name()),
            Root::Part(_) => return None,
            Root::Argument(_) => self.hit.entry,
            Root::Result => self.hit.exit?,
        };
        let (_, location) = self.after.place(operand.root)?;
        let source = Source::root(location, memory).ok()?;
        if let Part::Value { ty, bits: None } = operand.way.part
            && let View::Told(Told { meaning: Meaning::Duration, numbers }) = view(self.types, ty)
            && let [seconds, nanoseconds] = numbers.as_slice()
        {
            let Some(here) = walk::follow(self.types, &operand.way.steps, source, memory).ok()? else {
                return Some(None);
            };
            let read = |number: &Number| {
                let bytes = here.at(number.offset).read(memory, number.size_bytes).ok()?;
                Some(extended(&bytes, number.signed))
            };
            return Some(Some(Scalar::Integer(read(seconds)? * SECOND_NS + read(nanoseconds)?)));
        }
        let limits = Limits { string_bytes_max: Limits::STRING_BYTES_MOST, ..Limits::default() };
        match walk::read(self.types, &operand.way, location, memory, &limits) {
            None => Some(None),
            Some(value) => self.of_value(&value, &operand.way).map(Some),
        }
    }

    fn thread_name(&self) -> Option<Scalar> {
        let name = self.hit.thread_name;
        (!name.is_empty()).then(|| Scalar::Text { bytes: name.as_bytes().to_vec(), omitted: Omitted::Nothing })
    }

    fn of_value(&self, value: &Value, way: &Way) -> Option<Scalar> {
        Some(match value {
            Value::Bool(value) => Scalar::Integer((*value).into()),
            Value::Char(value) => Scalar::Integer(u32::from(*value).into()),
            Value::Signed(value) => Scalar::Integer(*value),
            Value::Unsigned(value) => i128::try_from(*value).map_or(Scalar::Large(*value), Scalar::Integer),
            Value::Float32(value) => Scalar::Float((*value).into()),
            Value::Float64(value) => Scalar::Float(*value),
            Value::Address(address) => Scalar::Integer((*address).into()),
            Value::AddressOfText { address, .. } => Scalar::Integer((*address).into()),
            Value::Text { text, omitted } => Scalar::Text { bytes: text.as_bytes().to_vec(), omitted: *omitted },
            Value::Bytes { bytes, omitted } => Scalar::Text { bytes: bytes.clone(), omitted: *omitted },
            Value::Uuid(bytes) => Scalar::Text { bytes: bytes.to_vec(), omitted: Omitted::Nothing },
            Value::Variant { name, payload: Payload::Unit } => Scalar::Integer(self.enumerator(name, way)?),
            _ => return None,
        })
    }

    /// The number of an enumeration's value.
    fn enumerator(&self, name: &str, way: &Way) -> Option<i128> {
        let Part::Value { ty, .. } = way.part else { return None };
        let View::Enumeration { enumerators, .. } = view(self.types, ty) else { return None };
        enumerators.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }
}

fn extended(bytes: &[u8], signed: bool) -> i128 {
    let bits = bytes.iter().take(8).rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let unused = 64_usize.saturating_sub(8 * bytes.len()).min(63);
    if signed { ((bits << unused) as i64 >> unused).into() } else { bits.into() }
}

/// Whether a text, or its beginning, has what is wanted.
fn matches(how: Match, text: &[u8], omitted: Omitted, wanted: &[u8]) -> Option<bool> {
    let is_whole = omitted.is_nothing();
    let known_length = match omitted {
        Omitted::Nothing => Some(text.len() as u64),
        Omitted::Count(more) => Some(more.saturating_add(text.len() as u64)),
        Omitted::Unknown => None,
    };
    let unless_cut = |holds: bool| if holds { Some(true) } else { is_whole.then_some(false) };
    let shared = text.len().min(wanted.len());
    let differs_early = text.get(..shared) != wanted.get(..shared);
    match how {
        Match::Equals if known_length.is_some_and(|length| length != wanted.len() as u64) => Some(false),
        Match::Equals | Match::StartsWith if differs_early => Some(false),
        Match::Equals => unless_cut(text == wanted),
        Match::StartsWith => unless_cut(text.starts_with(wanted)),
        Match::EndsWith => is_whole.then(|| text.ends_with(wanted)),
        Match::Contains => unless_cut(wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)),
    }
}

/// `None` if only what a limit left out could tell.
fn related(operator: Operator, left: &Scalar, right: &Scalar) -> Option<bool> {
    if let (Scalar::Text { bytes, omitted }, Scalar::Text { bytes: wanted, omitted: cut }) = (left, right) {
        let how = match operator {
            Operator::StartsWith => Match::StartsWith,
            Operator::EndsWith => Match::EndsWith,
            Operator::Contains => Match::Contains,
            _ => Match::Equals,
        };
        let holds = match cut {
            Omitted::Nothing => matches(how, bytes, *omitted, wanted),
            // Its beginning can still rule out that they are the same.
            _ => matches(Match::StartsWith, bytes, *omitted, wanted).filter(|holds| !holds && how == Match::Equals),
        };
        return holds.map(|holds| holds != (operator == Operator::NotEqual));
    }
    let order = match (left, right) {
        (Scalar::Integer(left), Scalar::Integer(right)) => Some(left.cmp(right)),
        (Scalar::Large(left), Scalar::Large(right)) => Some(left.cmp(right)),
        (Scalar::Large(_), Scalar::Integer(_)) => Some(Ordering::Greater),
        (Scalar::Integer(_), Scalar::Large(_)) => Some(Ordering::Less),
        _ => number(left)?.partial_cmp(&number(right)?),
    };
    Some(match (operator, order) {
        (Operator::NotEqual, order) => order != Some(Ordering::Equal),
        (_, None) => false,
        (Operator::Less, Some(order)) => order.is_lt(),
        (Operator::LessOrEqual, Some(order)) => order.is_le(),
        (Operator::Greater, Some(order)) => order.is_gt(),
        (Operator::GreaterOrEqual, Some(order)) => order.is_ge(),
        (_, Some(order)) => order.is_eq(),
    })
}

fn number(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Integer(value) => Some(*value as f64),
        Scalar::Large(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Text { .. } => None,
    }
}
