//! `0x7f00 as TYPE`, and parts of it as `(0x7f00 as TYPE).field`: an address of memory and what it is said to hold.

use super::error::{ExpressionError, Mistake};
use super::{Path, Span, parse_paths};

/// An address and a type's name, and the way from there.
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    pub address: u64,
    pub type_name: String,
    pub type_span: Span,
    /// The way; its name means nothing.
    pub path: Path,
}

/// What stands for the value in [`Cast::path`].
const VALUE: &str = "_";

/// The cast that `text` is; `None` if it is something else.
///
/// # Errors
/// It begins as one, and goes on as none.
pub fn parse_cast(text: &str) -> Result<Option<Cast>, ExpressionError> {
    let start = text.len() - text.trim_start().len();
    let body = text.trim_start();
    let is_bracketed = body.starts_with('(');
    let at = start + usize::from(is_bracketed);
    let Some(rest) = text.get(at..).filter(|rest| rest.trim_start().starts_with("0x")) else { return Ok(None) };
    let number_at = at + rest.len() - rest.trim_start().len();
    let digits_at = number_at + "0x".len();
    let digits = text.get(digits_at..).unwrap_or_default();
    let digits = digits.split(|character: char| !character.is_ascii_hexdigit() && character != '_').next();
    let digits = digits.unwrap_or_default();
    let end = digits_at + digits.len();
    let address = u64::from_str_radix(&digits.replace('_', ""), 16)
        .map_err(|_| ExpressionError::new(Span { start: number_at, end }, Mistake::BadNumber))?;
    let missing = |at: usize, what| ExpressionError::new(Span { start: at, end: at + 1 }, Mistake::Missing(what));
    let behind = text.get(end..).unwrap_or_default();
    let Some(behind_word) = behind.trim_start().strip_prefix("as ") else {
        return Err(missing(end, "`as TYPE`, as in 0x7f00 as u32,"));
    };
    let type_at = text.len() - behind_word.len();
    let type_end = if is_bracketed { closing(text, type_at).ok_or(missing(text.len(), "`)`"))? } else { text.len() };
    let written = text.get(type_at..type_end).unwrap_or_default();
    let type_name = written.trim();
    if type_name.is_empty() {
        return Err(missing(type_at, "the name of a type"));
    }
    let type_start = type_at + written.len() - written.trim_start().len();
    let type_span = Span { start: type_start, end: type_start + type_name.len() };
    // The steps keep their places in the text.
    let steps = text.get(type_end + 1..).filter(|_| is_bracketed).unwrap_or_default();
    let padded = format!("{}{VALUE}{steps}", " ".repeat(type_end));
    let mut paths = parse_paths(&padded, 0)?.into_iter();
    match (paths.next(), paths.next()) {
        (Some((Some(path), _)), None) => Ok(Some(Cast { address, type_name: type_name.to_owned(), type_span, path })),
        (_, Some((_, span))) => Err(ExpressionError::new(span, Mistake::TooLong)),
        _ => Err(missing(type_end, "a path")),
    }
}

/// Where the bracket in front of `from` is closed.
fn closing(text: &str, from: usize) -> Option<usize> {
    let mut open = 0_u32;
    for (at, character) in text.get(from..)?.char_indices() {
        match character {
            '(' => open += 1,
            ')' if open == 0 => return Some(from + at),
            ')' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_type() {
        let shown = |text: &str| match parse_cast(text) {
            Ok(Some(cast)) => format!("{:#x} {} {}", cast.address, cast.type_name, cast.path.steps.len()),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("{}..{} {error}", error.span.start, error.span.end),
        };
        for (text, expected) in [
            ("0x10 as u32", "0x10 u32 0"),
            (" 0x7f_00 as a::B<(u8, u16)> ", "0x7f00 a::B<(u8, u16)> 0"),
            ("(0x10 as (u8, u16)).1", "0x10 (u8, u16) 1"),
            ("(0x10 as Tree).items[0].name", "0x10 Tree 3"),
            ("LIMITS.depth", "none"),
            ("(*p).x", "none"),
            ("0x10", "4..5 `as TYPE`, as in 0x7f00 as u32, is missing"),
            ("0xzz as u8", "0..2 this is no number"),
            ("(0x10 as u8", "11..12 `)` is missing"),
            ("(0x10 as u8).", "13..13 the name of a field is missing"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
