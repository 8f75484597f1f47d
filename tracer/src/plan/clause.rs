//! What stands behind a probe's place: `if CONDITION`, and `-> FIELD, …`. Finds where they begin; the rest is the
//! expressions' own business (see `expression`).

use super::expression::{Expression, ExpressionError, Path, parse_condition, parse_paths};

/// A probe's text in its parts.
#[derive(Debug)]
pub(super) struct Clauses {
    /// Where the place ends, in bytes.
    pub(super) place_end: usize,
    pub(super) condition: Option<Expression>,
    pub(super) fields: Option<Vec<Field>>,
}

/// What a probe is to capture.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// As the user wrote it.
    pub text: String,
    /// `None` for `*`, which is everything.
    pub path: Option<Path>,
    pub span: super::expression::Span,
}

/// Parts the text.
///
/// # Errors
/// A condition or a field is wrong.
pub(super) fn split(text: &str) -> Result<Clauses, ExpressionError> {
    let (place_end, clause) = match clause(text) {
        Some(found) => found,
        None => return Ok(Clauses { place_end: text.len(), condition: None, fields: None }),
    };
    match clause {
        Clause::If(start) => {
            let (condition, end) = parse_condition(text, start)?;
            let has_fields = text.get(end..).is_some_and(|rest| rest.starts_with("->"));
            let fields = has_fields.then(|| fields(text, end + 2)).transpose()?;
            Ok(Clauses { place_end, condition: Some(condition), fields })
        }
        Clause::Fields(start) => Ok(Clauses { place_end, condition: None, fields: Some(fields(text, start)?) }),
    }
}

fn fields(text: &str, start: usize) -> Result<Vec<Field>, ExpressionError> {
    let written = |span: super::expression::Span| text.get(span.start..span.end).unwrap_or_default().to_owned();
    let paths = parse_paths(text, start)?;
    Ok(paths.into_iter().map(|(path, span)| Field { text: written(span), path, span }).collect())
}

/// Where the expression of a clause begins.
enum Clause {
    If(usize),
    Fields(usize),
}

/// The first `if` or `->` between white space that no bracket of a type encloses; in a regular expression, and in an
/// object's name before it, the first behind a `/`.
fn clause(text: &str) -> Option<(usize, Clause)> {
    let is_regex = text.trim_start().starts_with('/') || text.contains("!/");
    let mut open = 0_usize;
    let mut before = None;
    for (at, character) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let is_behind_space = before.is_none_or(char::is_whitespace);
        if is_behind_space && (is_closed(text, at, is_regex) || !is_regex) {
            if let Some(behind) = rest.strip_prefix("if")
                && behind.chars().next().is_none_or(char::is_whitespace)
                && !text.get(..at).unwrap_or_default().trim().is_empty()
            {
                return Some((at, Clause::If(at + "if".len())));
            }
            if open == 0 && rest.starts_with("->") {
                return Some((at, Clause::Fields(at + "->".len())));
            }
        }
        match character {
            '<' | '(' if !is_regex => open += 1,
            // The `>` of `->` closes nothing.
            '>' | ')' if before != Some('-') => open = open.saturating_sub(1),
            _ => {}
        }
        before = Some(character);
    }
    None
}

/// Whether the regular expression ends right before `at`.
fn is_closed(text: &str, at: usize, is_regex: bool) -> bool {
    let before = text.get(..at).unwrap_or_default().trim();
    is_regex && before.len() > 1 && before.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_end_where_a_clause_begins() {
        for (text, place, condition, fields) in [
            ("a::b", "a::b", false, None),
            ("a::b if x > 5", "a::b ", true, None),
            ("/a if b/ if x > 5", "/a if b/ ", true, None),
            ("/^a/ if s == \"/ if \" -> x", "/^a/ ", true, Some("x")),
            ("libc.so!/x y/ -> arg", "libc.so!/x y/ ", false, Some("arg")),
            ("usdt:a:b if arg0 == 1", "usdt:a:b ", true, None),
            ("<A<fn() -> u8> as B>::c -> x, *", "<A<fn() -> u8> as B>::c ", false, Some("x *")),
            ("A<fn() -> u8>::c", "A<fn() -> u8>::c", false, None),
            ("if::a", "if::a", false, None),
            ("a\tif\tb", "a\t", true, None),
        ] {
            let clauses = split(text).unwrap();
            assert_eq!(text.get(..clauses.place_end), Some(place), "{text}");
            assert_eq!(clauses.condition.is_some(), condition, "{text}");
            let texts =
                clauses.fields.map(|fields| fields.into_iter().map(|field| field.text).collect::<Vec<_>>().join(" "));
            assert_eq!(texts.as_deref(), fields, "{text}");
        }
        assert!(split("a if").is_err() && split("a if x ->").is_err() && split("a -> ").is_err());
    }
}
