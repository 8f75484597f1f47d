//! Splits Rust source into its code and its comments, so that rules can look at one alone.
//! Knows comments and literals only; not what the code means.

/// The same text twice, each with everything else replaced by spaces; lines stay where they are.
pub(super) struct Views {
    /// Without comments and without the contents of strings and characters.
    pub(super) code: String,
    /// Comments alone.
    pub(super) comments: String,
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    Literal,
}

impl Views {
    pub(super) fn of(source: &str) -> Self {
        let characters: Vec<char> = source.chars().collect();
        let mut views = Self { code: String::new(), comments: String::new() };
        let mut position = 0;
        while position < characters.len() {
            let rest = characters.get(position..).unwrap_or_default();
            let previous = position.checked_sub(1).and_then(|before| characters.get(before));
            let (part, length) = next(rest, previous.copied());
            for &character in rest.iter().take(length) {
                views.push(part, character);
            }
            position += length;
        }
        views
    }

    fn push(&mut self, part: Part, character: char) {
        let hidden = if character == '\n' { '\n' } else { ' ' };
        let (code, comment) = match part {
            Part::Code => (character, hidden),
            Part::Comment => (hidden, character),
            Part::Literal => (hidden, hidden),
        };
        self.code.push(code);
        self.comments.push(comment);
    }
}

/// What the text starts with, and how many characters of it; always at least one.
fn next(rest: &[char], previous: Option<char>) -> (Part, usize) {
    let continues_a_word = previous.is_some_and(is_word);
    match rest {
        ['/', '/', ..] => (Part::Comment, line_length(rest)),
        ['/', '*', ..] => (Part::Comment, block_length(rest)),
        ['"', ..] => (Part::Literal, quoted_length(rest, '"')),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => (Part::Literal, quoted_length(rest, '\'')),
        ['r', '"' | '#', ..] if !continues_a_word || matches!(previous, Some('b' | 'c')) => {
            raw_length(rest).map_or((Part::Code, 1), |length| (Part::Literal, length))
        }
        _ => (Part::Code, 1),
    }
}

pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn line_length(rest: &[char]) -> usize {
    rest.iter().position(|&character| character == '\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_length(rest: &[char]) -> usize {
    let (mut depth, mut length) = (0_usize, 0_usize);
    while let Some(ahead) = rest.get(length..).filter(|ahead| !ahead.is_empty()) {
        match ahead {
            ['/', '*', ..] => (depth, length) = (depth + 1, length + 2),
            ['*', '/', ..] => (depth, length) = (depth.saturating_sub(1), length + 2),
            _ => length += 1,
        }
        if depth == 0 {
            break;
        }
    }
    length
}

fn quoted_length(rest: &[char], quote: char) -> usize {
    let mut length = 1;
    while let Some(&character) = rest.get(length) {
        length += if character == '\\' { 2 } else { 1 };
        if character == quote {
            break;
        }
    }
    length.min(rest.len())
}

/// `r"…"` and `r#"…"#`; nothing for a raw identifier such as `r#type`.
fn raw_length(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().skip(1).take_while(|&&character| character == '#').count();
    let body = rest.get(hashes + 2..).filter(|_| rest.get(hashes + 1) == Some(&'"'))?;
    let end = (0..body.len()).find(|&start| {
        body.get(start) == Some(&'"')
            && body.iter().skip(start + 1).take(hashes).filter(|&&character| character == '#').count() == hashes
    });
    Some(end.map_or(rest.len(), |end| hashes + 2 + end + 1 + hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code alone, with runs of spaces made one.
    fn code(source: &str) -> String {
        Views::of(source).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_go_and_what_looks_like_one_in_a_string_goes_with_the_string() {
        assert_eq!(code("a /* b /* c */ d */ e // f\ng"), "a e g");
        assert_eq!(code(r#"a("// no", "\" // no") + b"#), "a( , ) + b");
        assert_eq!(code("a(r#\"one \" two\"#, br\"three\") + b"), "a( , b ) + b");
    }

    #[test]
    fn characters_are_no_strings_and_lifetimes_no_characters() {
        assert_eq!(code("f('\"', '\\'', b) + c"), "f( , , b) + c");
        assert_eq!(code("fn f<'a>(x: &'a str) {} // d"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(code("let r#type = 1; let x = y;"), "let r#type = 1; let x = y;");
    }

    #[test]
    fn both_views_keep_the_lines() {
        let source = "let a = \"x\ny\"; // one\n/* two\nthree */ let b;\n";
        let views = Views::of(source);
        assert_eq!(views.code.lines().count(), source.lines().count());
        assert_eq!(views.comments.lines().nth(1).map(str::trim), Some("// one"));
        assert_eq!(views.code.lines().nth(3).map(str::trim), Some("let b;"));
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_text() {
        for source in ["\"", "'\\", "r#\"a", "/* a", "a \"b\\"] {
            assert_eq!(Views::of(source).code.chars().count(), source.chars().count(), "{source}");
        }
    }
}
