//! Text → tokens, each with its place. Knows characters only, not what may follow what.

use super::error::{ExpressionError, Mistake};
use super::literal;
use super::{Literal, Span};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, or several joined by `::`.
    Name(String),
    /// Digits behind a `.`: the number of a tuple's field.
    Literal(Literal),
    /// Operators and brackets, as they are written.
    Sign(&'static str),
    End,
}

impl Token {
    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Literal(_) => "a literal".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longest first: the first that fits is taken.
const SIGNS: [&str; 19] =
    ["&&", "||", "==", "!=", "<=", ">=", "->", "<", ">", "!", "*", ".", ",", "(", ")", "[", "]", "-", ":"];

/// All tokens of `text` from byte `start` on, the last is [`Token::End`].
pub(super) fn tokens(text: &str, start: usize) -> Result<Vec<(Token, Span)>, ExpressionError> {
    let mut lexer = Lexer { text, at: start };
    let mut tokens: Vec<(Token, Span)> = Vec::new();
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let is_behind_dot = matches!(tokens.last(), Some((Token::Sign("."), _)));
        let token = lexer.token(is_behind_dot)?;
        let is_end = token == Token::End;
        tokens.push((token, Span { start, end: lexer.at }));
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn token(&mut self, is_behind_dot: bool) -> Result<Token, ExpressionError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if is_name_start(first) && !rest.starts_with("b\"") {
            return Ok(self.name());
        }
        if first.is_ascii_digit() && is_behind_dot {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            self.at += digits;
            return Ok(Token::Name(rest.get(..digits).unwrap_or_default().to_owned()));
        }
        let scanned = match first {
            '0'..='9' => Some(literal::number(rest)),
            '"' => Some(literal::text(rest)),
            'b' => Some(literal::bytes(rest)),
            '\'' => Some(literal::character(rest)),
            _ => None,
        };
        if let Some(scanned) = scanned {
            let (literal, size) = scanned.map_err(|(from, to, mistake)| {
                ExpressionError::new(Span { start: self.at + from, end: self.at + to }, mistake)
            })?;
            self.at += size;
            return Ok(Token::Literal(literal));
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        let span = Span { start: self.at, end: self.at + first.len_utf8() };
        let mistake = match first {
            '&' => Mistake::Write("&&"),
            '|' => Mistake::Write("||"),
            '=' => Mistake::Write("=="),
            other => Mistake::Character(other),
        };
        Err(ExpressionError::new(span, mistake))
    }

    fn name(&mut self) -> Token {
        let rest = self.rest();
        let mut size = 0;
        loop {
            let segment = rest.get(size..).unwrap_or_default();
            size += segment.find(|character| !is_name_part(character)).unwrap_or(segment.len());
            let joined = rest.get(size..).and_then(|rest| rest.strip_prefix("::"));
            match joined.and_then(|rest| rest.chars().next()) {
                Some(next) if is_name_start(next) => size += "::".len(),
                _ => break,
            }
        }
        self.at += size;
        Token::Name(rest.get(..size).unwrap_or_default().to_owned())
    }
}

fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || matches!(character, '_' | '$')
}

fn is_name_part(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}
