//! Which names are masked: what goes by such a name is never read, whatever shows it.
//! Knows names alone, not where they come from.

use std::fmt;
use std::str::FromStr;

/// Longer than any name that somebody writes.
const GLOB_CHARACTERS_MAX: usize = 256;

/// A glob on one name, blind to case: `*` is any run of characters, `?` any one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameGlob(Vec<char>);

/// Why a text is no glob on names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameGlobError {
    #[error("it is empty: name a field or an argument, as '*password*'")]
    Empty,
    #[error("it is longer than {GLOB_CHARACTERS_MAX} characters")]
    TooLong,
}

impl FromStr for NameGlob {
    type Err = NameGlobError;

    fn from_str(text: &str) -> Result<Self, NameGlobError> {
        let glob: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        match glob.len() {
            0 => Err(NameGlobError::Empty),
            length if length > GLOB_CHARACTERS_MAX => Err(NameGlobError::TooLong),
            _ => Ok(Self(glob)),
        }
    }
}

impl fmt::Display for NameGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|character| fmt::Write::write_char(f, *character))
    }
}

impl NameGlob {
    /// Whether the glob covers all of `name`.
    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
        let (mut at, mut token) = (0, 0);
        // Where to go on when the run of the last `*` takes one more character.
        let mut resume: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(token), name.get(at)) {
                (Some('*'), _) => {
                    token += 1;
                    resume = Some((at, token));
                    continue;
                }
                (None, None) => return true,
                (Some(wanted), Some(character)) if *wanted == '?' || wanted == character => {
                    (at, token) = (at + 1, token + 1);
                    continue;
                }
                _ => {}
            }
            match &mut resume {
                Some((from, after)) if *from < name.len() => {
                    *from += 1;
                    (at, token) = (*from, *after);
                }
                _ => return false,
            }
        }
    }
}

/// The names that are masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redaction(pub Vec<NameGlob>);

impl Redaction {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what goes by this name is masked.
    pub fn masks(&self, name: &str) -> bool {
        self.0.iter().any(|glob| glob.matches(name))
    }

    /// Whether some name with these beginnings would be masked: a key that a limit cut must not get through.
    pub fn may_mask(&self, beginning: &str) -> bool {
        // With more characters a glob could still match, so only its own beginning can rule it out.
        self.0.iter().any(|glob| {
            let literal = glob.0.iter().take_while(|character| !matches!(character, '*' | '?'));
            let beginning = beginning.chars().flat_map(char::to_lowercase);
            literal.zip(beginning).all(|(wanted, found)| *wanted == found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(glob: &str, name: &str) -> bool {
        Redaction(vec![glob.parse().unwrap()]).masks(name)
    }

    #[test]
    fn globs_cover_whole_names_whatever_their_case() {
        for (glob, name) in [
            ("*password*", "user_Password_hash"),
            ("*PASSWORD*", "password"),
            ("token", "Token"),
            ("a*b*c", "aXbYbZc"),
            ("k?y", "kÄy"),
            ("*", ""),
            ("**", "x"),
        ] {
            assert!(masks(glob, name), "{glob} {name}");
        }
        for (glob, name) in [("token", "tokens"), ("a*b*c", "acb"), ("k?y", "ky"), ("?", ""), ("*pass", "password")] {
            assert!(!masks(glob, name), "{glob} {name}");
        }
        assert_eq!("".parse::<NameGlob>(), Err(NameGlobError::Empty));
        assert_eq!("x".repeat(257).parse::<NameGlob>(), Err(NameGlobError::TooLong));
        assert_eq!("*Key*".parse::<NameGlob>().unwrap().to_string(), "*key*");
    }

    #[test]
    fn a_hopeless_glob_ends() {
        assert!(!masks(&"*a".repeat(100), &"a".repeat(5_000).replace("aaaa", "aaab")));
    }

    #[test]
    fn a_cut_name_is_masked_if_its_end_could_matter() {
        let redaction = Redaction(vec!["*secret".parse().unwrap(), "api_key?".parse().unwrap()]);
        assert!(redaction.may_mask("anything"));
        let redaction = Redaction(vec!["api_key?".parse().unwrap()]);
        assert!(redaction.may_mask("api") && redaction.may_mask("api_key1") && !redaction.may_mask("apple"));
    }
}
