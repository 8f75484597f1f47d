//! The argument operands of a USDT probe: what the assembler would have written (AT&T syntax, x86-64), with size
//! and sign in front, as in `-4@8(%rbp)`. It knows neither notes nor files.

use std::fmt;

use super::address::{LinkAddress, LoadBias};
use crate::value::place::{MemoryPlace, Missing, Place, Register};

/// One argument of a USDT probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// As the note has it.
    pub text: String,
    /// Size of the value: 1, 2, 4 or 8. For an operand without a size the register's width, otherwise 8.
    pub size_bytes: u8,
    pub signed: bool,
    pub float: bool,
    place: Place,
    /// The place holds a link address, to which the object's load bias has to be added.
    is_relocated: bool,
}

impl Operand {
    /// Where the value is when the object is loaded with this bias.
    pub fn place(&self, bias: LoadBias) -> Place {
        match self.place.clone() {
            Place::Memory(memory) if self.is_relocated => {
                let displacement = memory.displacement.wrapping_add(bias.0.cast_signed());
                Place::Memory(MemoryPlace { displacement, ..memory })
            }
            Place::Constant(address) if self.is_relocated => Place::Constant(bias.runtime(LinkAddress(address)).0),
            place => place,
        }
    }

    /// Whether the place is the same wherever the object is loaded.
    pub fn is_relocated(&self) -> bool {
        self.is_relocated
    }

    /// Whether the operand is of a form that is understood; its place is `Missing` otherwise.
    pub fn is_supported(&self) -> bool {
        !matches!(self.place, Place::Missing(_))
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Finds a symbol of the object by its raw name.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<LinkAddress>;

/// Parses all operands of a probe, separated by blanks. What is not understood stays as text without a place.
pub fn parse_all(text: &str, resolve: Resolve<'_>) -> Vec<Operand> {
    split(text).map(|operand| parse(operand, resolve)).collect()
}

/// Splits at blanks, but not inside of parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.split(move |character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && character.is_ascii_whitespace()
    })
    .filter(|operand| !operand.is_empty())
}

/// Parses one operand.
pub fn parse(text: &str, resolve: Resolve<'_>) -> Operand {
    let prefix = Prefix::split_from(text);
    let (declared, body) = prefix.unwrap_or((Prefix::default(), text));
    let found = (declared.is_sound()).then(|| place_of(body, resolve)).flatten();
    let found = found.filter(|found| !(declared.float && matches!(found.place, Place::Constant(_))));
    let is_relocated = found.as_ref().is_some_and(|found| found.is_relocated);
    let width = found.as_ref().and_then(|found| found.width_bytes);
    let place = found.map_or(Place::Missing(Missing::UnsupportedLocation), |found| found.place);
    let size_bytes = match (declared.size_bytes, width) {
        (Some(size), Some(width)) => size.min(width),
        (Some(size), None) => size,
        (None, width) => width.unwrap_or(8),
    };
    let place = match place {
        Place::Constant(value) if !is_relocated => Place::Constant(truncated(value, size_bytes)),
        place => place,
    };
    let text = text.to_owned();
    Operand { text, size_bytes, signed: declared.signed, float: declared.float, place, is_relocated }
}

/// What stands before the `@`: `-4`, `8`, `8f`.
#[derive(Clone, Copy, Default)]
struct Prefix {
    size_bytes: Option<u8>,
    signed: bool,
    float: bool,
}

impl Prefix {
    fn split_from(text: &str) -> Option<(Self, &str)> {
        let (prefix, body) = text.split_once('@')?;
        let (signed, prefix) = prefix.strip_prefix('-').map_or((false, prefix), |rest| (true, rest));
        let (float, digits) = prefix.strip_suffix('f').map_or((false, prefix), |rest| (true, rest));
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| (Self { size_bytes: Some(digits.parse().unwrap_or(u8::MAX)), signed, float }, body))
    }

    fn is_sound(self) -> bool {
        match self.size_bytes {
            None => true,
            Some(size) if self.float => matches!(size, 4 | 8),
            Some(size) => matches!(size, 1 | 2 | 4 | 8),
        }
    }
}

struct Found {
    place: Place,
    /// Of a general register, by the name that it has in the operand.
    width_bytes: Option<u8>,
    is_relocated: bool,
}

fn place_of(body: &str, resolve: Resolve<'_>) -> Option<Found> {
    let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    if let Some(constant) = body.strip_prefix('$') {
        let sum = Sum::parse(constant, resolve)?;
        return Some(Found {
            place: Place::Constant(sum.value.cast_unsigned()),
            width_bytes: None,
            is_relocated: sum.has_symbol,
        });
    }
    if body.starts_with('%') {
        let (register, width) = register(&body)?;
        return Some(Found { place: Place::Register(register), width_bytes: width, is_relocated: false });
    }
    memory(&body, resolve)
}

/// `displacement(base,index,scale)`, each part optional, or a symbol alone.
fn memory(body: &str, resolve: Resolve<'_>) -> Option<Found> {
    let (displacement, registers) = match body.split_once('(') {
        Some((displacement, rest)) => (displacement, Some(rest.strip_suffix(')')?)),
        None => (body, None),
    };
    let sum = if displacement.is_empty() { Sum::default() } else { Sum::parse(displacement, resolve)? };
    let mut parts = registers.unwrap_or_default().split(',');
    let base = parts.next().filter(|part| !part.is_empty());
    let index = parts.next().map(full_register);
    let scale = parts.next();
    if parts.next().is_some() || (registers.is_some() && base.is_none() && index.is_none()) {
        return None;
    }
    let index = match (index, scale.unwrap_or("1")) {
        (Some(register), "" | "1") => Some((register?, 1)),
        (Some(register), scale @ ("2" | "4" | "8")) => Some((register?, scale.parse().ok()?)),
        (Some(_), _) => return None,
        (None, _) => None,
    };
    let is_relative = base == Some("%rip");
    let base = base.filter(|_| !is_relative).map(|base| full_register(base).ok_or(())).transpose().ok()?;
    // Without a register only a symbol says where the value is: a bare number has no agreed meaning.
    let is_anchored = sum.has_symbol || (!is_relative && (base.is_some() || index.is_some()));
    let is_legal = !(is_relative && index.is_some()) && index.is_none_or(|(register, _)| register != Register::RSP);
    (is_anchored && is_legal).then_some(Found {
        place: Place::Memory(MemoryPlace { base, index, displacement: sum.value, indirect: None }),
        width_bytes: None,
        is_relocated: sum.has_symbol,
    })
}

/// A sum of numbers and at most one symbol, as in `sym+16`, `16+sym`, `-8`.
#[derive(Default)]
struct Sum {
    value: i64,
    has_symbol: bool,
}

impl Sum {
    fn parse(text: &str, resolve: Resolve<'_>) -> Option<Self> {
        let mut sum = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (negative, term) = match rest.strip_prefix(['+', '-']) {
                Some(term) => (rest.starts_with('-'), term),
                None if rest.len() == text.len() => (false, rest),
                None => return None,
            };
            let end = term.find(['+', '-']).unwrap_or(term.len());
            let (term, after) = term.split_at_checked(end)?;
            sum.add(term, negative, resolve)?;
            rest = after;
        }
        (!text.is_empty()).then_some(sum)
    }

    fn add(&mut self, term: &str, negative: bool, resolve: Resolve<'_>) -> Option<()> {
        let value = if term.starts_with(|character: char| character.is_ascii_digit()) {
            number(term)?
        } else {
            if self.has_symbol || negative || term.is_empty() {
                return None;
            }
            self.has_symbol = true;
            resolve(term)?.0
        };
        let value = value.cast_signed();
        self.value = self.value.wrapping_add(if negative { value.wrapping_neg() } else { value });
        Some(())
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn truncated(value: u64, size_bytes: u8) -> u64 {
    match size_bytes {
        0..=7 => value & ((1_u64 << (8 * u32::from(size_bytes))) - 1),
        _ => value,
    }
}

/// A register of full width, as addresses are made of.
fn full_register(name: &str) -> Option<Register> {
    match register(name)? {
        (register, Some(8)) => Some(register),
        _ => None,
    }
}

/// A register by its assembler name, and its width unless it is a vector register. `%ah` and its like are not the
/// low bytes of a register, which is all that a place can say.
fn register(name: &str) -> Option<(Register, Option<u8>)> {
    /// By DWARF number: 64, 32, 16 and 8 bits.
    const NAMES: [[&str; 4]; 8] = [
        ["rax", "eax", "ax", "al"],
        ["rdx", "edx", "dx", "dl"],
        ["rcx", "ecx", "cx", "cl"],
        ["rbx", "ebx", "bx", "bl"],
        ["rsi", "esi", "si", "sil"],
        ["rdi", "edi", "di", "dil"],
        ["rbp", "ebp", "bp", "bpl"],
        ["rsp", "esp", "sp", "spl"],
    ];
    const WIDTHS_BYTES: [u8; 4] = [8, 4, 2, 1];
    let name = name.strip_prefix('%')?;
    for (number, names) in (0_u8..).zip(NAMES) {
        if let Some((_, width)) = names.into_iter().zip(WIDTHS_BYTES).find(|(known, _)| *known == name) {
            return Some((Register(number), Some(width)));
        }
    }
    if let Some(number) = name.strip_prefix("xmm") {
        let number = decimal(number).filter(|&number| number < 16)?;
        return Some((Register(Register::XMM0.0 + number), None));
    }
    let name = name.strip_prefix('r')?;
    let digits = name.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let width = match name.get(digits.len()..)? {
        "" => 8,
        "d" => 4,
        "w" => 2,
        "b" | "l" => 1,
        _ => return None,
    };
    decimal(digits).filter(|number| (8..16).contains(number)).map(|number| (Register(number), Some(width)))
}

fn decimal(text: &str) -> Option<u8> {
    let is_plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
#[path = "operand_tests.rs"]
mod tests;
