//! Globs over one string: `*`, `?`, `[a-z]`, `[!a]`, `{a,b}`, `\` for a plain character.
//! Knows nothing of paths: `pattern` cuts them into segments.

/// One element of a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Literal(char),
    AnyCharacter,
    AnyRun,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// A sequence of tokens that must cover a whole string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Glob(pub(super) Vec<Token>);

impl Glob {
    /// Whether the glob covers all of `text`. Takes at most length × tokens steps.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut tokens = self.0.as_slice();
        let mut rest = text.chars();
        // Where to go on when the run of the last `*` takes one more character.
        let mut resume: Option<(&[Token], std::str::Chars<'_>)> = None;
        loop {
            if let [Token::AnyRun, after @ ..] = tokens {
                tokens = after;
                resume = Some((after, rest.clone()));
                continue;
            }
            let mut ahead = rest.clone();
            match (tokens, ahead.next()) {
                ([], None) => return true,
                ([token, after @ ..], Some(character)) if token.accepts(character) => {
                    tokens = after;
                    rest = ahead;
                    continue;
                }
                _ => {}
            }
            let Some((after, from)) = &mut resume else { return false };
            if from.next().is_none() {
                return false;
            }
            tokens = after;
            rest = from.clone();
        }
    }

    /// Whether no string is sure to be turned down: there is no character that has to be there.
    pub(super) fn accepts_anything(&self) -> bool {
        !self.0.iter().any(|token| matches!(token, Token::Literal(_)))
    }

    /// Whether it is `*` and nothing else.
    pub(super) fn is_any_run(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|token| *token == Token::AnyRun)
    }

    /// The longest text that every match contains.
    pub(super) fn longest_literal(&self) -> String {
        let mut longest = String::new();
        let mut current = String::new();
        for token in &self.0 {
            match token {
                Token::Literal(character) => current.push(*character),
                _ => current.clear(),
            }
            if current.len() > longest.len() {
                longest.clone_from(&current);
            }
        }
        longest
    }

    /// The text itself if the glob has no wildcard.
    pub(super) fn literal(&self) -> Option<String> {
        let characters = self.0.iter().map(|token| match token {
            Token::Literal(character) => Some(*character),
            _ => None,
        });
        characters.collect()
    }
}

impl Token {
    fn accepts(&self, character: char) -> bool {
        match self {
            Token::Literal(own) => *own == character,
            Token::AnyCharacter => true,
            Token::AnyRun => false,
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *negated
            }
        }
    }
}
