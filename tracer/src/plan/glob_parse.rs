//! Reads the text of a glob into tokens, alternatives multiplied out. Knows the syntax and no meaning of `::`.

use super::glob::{Glob, Token};

/// `{a,b}{c,d}` doubles with each group: more than this is a mistake.
const ALTERNATIVES_MAX: usize = 64;
const NESTING_MAX: usize = 8;

/// What is wrong, and at which byte of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: usize,
    pub(super) what: Syntax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    TrailingBackslash,
    OpenClass,
    EmptyClass,
    OpenBrace,
    TooManyAlternatives,
    TooDeep,
}

/// All the globs that `text` stands for. `{…}` without a comma is plain text, so that `{{closure}}` and
/// `{closure#0}` can be written as they are printed.
pub(super) fn parse(text: &str) -> Result<Vec<Glob>, SyntaxError> {
    parse_at(text, 0, 0)
}

fn parse_at(text: &str, base: usize, nesting: usize) -> Result<Vec<Glob>, SyntaxError> {
    if nesting > NESTING_MAX {
        return Err(SyntaxError { at: base, what: Syntax::TooDeep });
    }
    let mut globs = vec![Glob::default()];
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        let fail = |what| SyntaxError { at: base + at, what };
        let token = match character {
            '*' => Token::AnyRun,
            '?' => Token::AnyCharacter,
            '\\' => Token::Literal(characters.next().ok_or(fail(Syntax::TrailingBackslash))?.1),
            '[' => class(&mut characters).map_err(fail)?,
            '{' => {
                let inner = group(characters.as_str()).ok_or(fail(Syntax::OpenBrace))?;
                let choices = choices(inner);
                if choices.len() == 1 {
                    push_all(&mut globs, &literal(inner));
                } else {
                    multiply(&mut globs, &choices, base + at + 1, nesting)?;
                }
                // Past the group and its closing brace.
                characters = text.get(at + 1 + inner.len() + 1..).map_or("".char_indices(), str::char_indices);
                return finish(globs, characters.as_str(), base + at + inner.len() + 2, nesting);
            }
            other => Token::Literal(other),
        };
        globs.iter_mut().for_each(|glob| glob.0.push(token.clone()));
    }
    Ok(globs)
}

/// Appends what `rest`, which starts at byte `base`, stands for.
fn finish(heads: Vec<Glob>, rest: &str, base: usize, nesting: usize) -> Result<Vec<Glob>, SyntaxError> {
    let tails = parse_at(rest, base, nesting)?;
    let mut globs = Vec::new();
    for head in &heads {
        for tail in &tails {
            globs.push(Glob(head.0.iter().chain(&tail.0).cloned().collect()));
        }
    }
    within_limit(globs, base)
}

fn multiply(globs: &mut Vec<Glob>, choices: &[&str], base: usize, nesting: usize) -> Result<(), SyntaxError> {
    let mut multiplied = Vec::new();
    let mut at = base;
    for choice in choices {
        for tail in parse_at(choice, at, nesting + 1)? {
            let heads = globs.iter();
            multiplied.extend(heads.map(|head| Glob(head.0.iter().chain(&tail.0).cloned().collect())));
        }
        at += choice.len() + 1;
    }
    *globs = within_limit(multiplied, base)?;
    Ok(())
}

fn within_limit(globs: Vec<Glob>, at: usize) -> Result<Vec<Glob>, SyntaxError> {
    match globs.len() {
        0..=ALTERNATIVES_MAX => Ok(globs),
        _ => Err(SyntaxError { at, what: Syntax::TooManyAlternatives }),
    }
}

fn push_all(globs: &mut [Glob], tokens: &[Token]) {
    globs.iter_mut().for_each(|glob| glob.0.extend_from_slice(tokens));
}

/// The group's text with its braces, as it is.
fn literal(inner: &str) -> Vec<Token> {
    let braced = std::iter::once('{').chain(inner.chars()).chain(std::iter::once('}'));
    braced.map(Token::Literal).collect()
}

/// The text before the brace that closes a group opened just before `text`.
fn group(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth == 0 => return text.get(..at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The parts of a group between its own commas.
fn choices(inner: &str) -> Vec<&str> {
    let mut choices = Vec::new();
    let (mut depth, mut start, mut escaped) = (0_usize, 0, false);
    for (at, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                choices.push(inner.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    choices.push(inner.get(start..).unwrap_or_default());
    choices
}

fn class(characters: &mut std::str::CharIndices<'_>) -> Result<Token, Syntax> {
    let mut next = || characters.next().map(|(_, character)| character).ok_or(Syntax::OpenClass);
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut character = next()?;
    let negated = matches!(character, '!' | '^');
    if negated {
        character = next()?;
    }
    while character != ']' {
        let first = if character == '\\' { next()? } else { character };
        character = next()?;
        let mut last = first;
        if character == '-' {
            character = next()?;
            if character == ']' {
                ranges.push(('-', '-'));
            } else {
                last = if character == '\\' { next()? } else { character };
                character = next()?;
            }
        }
        ranges.push((first, last));
    }
    if ranges.is_empty() { Err(Syntax::EmptyClass) } else { Ok(Token::Class { negated, ranges }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, text: &str) -> bool {
        parse(glob).expect("a glob").iter().any(|glob| glob.matches(text))
    }

    #[test]
    fn wildcards() {
        for (glob, text) in [
            ("a*c", "abbc"),
            ("a*c", "ac"),
            ("*bc*d", "abcbcd"),
            ("a?c", "aéc"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[a-]", "-"),
            ("{get,set}_[xy]", "set_y"),
            ("{a,b{c,d}}e", "bde"),
            ("{{closure}}", "{{closure}}"),
            ("{closure#0}*", "{closure#0}"),
            (r"\*\{a,b\}", "*{a,b}"),
            ("", ""),
        ] {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("a*c", "abd"), ("a?c", "ac"), ("[a-c]", "d"), ("[!a]", "a"), ("{a,b}", "c"), ("a", "")] {
            assert!(!matches(glob, text), "{glob} {text}");
        }
    }

    #[test]
    fn errors_point_at_the_place() {
        for (glob, at, what) in [
            (r"ab\", 2, Syntax::TrailingBackslash),
            ("a[b", 1, Syntax::OpenClass),
            ("a[]", 1, Syntax::EmptyClass),
            ("ab{c,d", 2, Syntax::OpenBrace),
            ("a{b,c}d[", 7, Syntax::OpenClass),
            ("a{b,c[}", 5, Syntax::OpenClass),
        ] {
            assert_eq!(parse(glob), Err(SyntaxError { at, what }), "{glob}");
        }
        assert_eq!(parse(&"{a,b}".repeat(7)).map_err(|error| error.what), Err(Syntax::TooManyAlternatives));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let glob = format!("{}b", "a*".repeat(40));
        assert!(!matches(&glob, &"a".repeat(4_000)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(glob in "[a-c*?\\[\\]{},!\\\\-]{0,40}", text in ".{0,20}") {
            if let Ok(globs) = parse(&glob) {
                let _ = globs.iter().any(|glob| glob.matches(&text));
            }
        }
    }
}
