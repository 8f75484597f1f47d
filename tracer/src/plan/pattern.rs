//! Which functions a pattern means: a glob on demangled paths, matched at `::` from the right, or a regex.
//! Knows names only: neither symbols nor debug information.
//!
//! Within a segment, `*`, `?`, `[a-z]` and `{a,b}` never cross a `::`. A `*` that is a whole last segment stands for
//! everything below (`audit_log::*`), `**` for any number of segments anywhere. A leading `::` anchors the pattern at
//! the path's start. Names are matched without their generics, by the type as well as by the trait of an impl; a
//! pattern with `<` is matched against the name as it is printed, where `*` crosses everything.

use memchr::memmem::Finder;
use regex::Regex;

use super::glob::{Glob, Token};
use super::glob_parse::{self, SyntaxError};
use super::path;

/// `**` costs time that grows with every further one.
const DEEP_STARS_MAX: usize = 4;

/// A function as patterns see it.
#[derive(Clone, Copy, Debug)]
pub struct FunctionName<'n> {
    /// Demangled, without parameter list.
    pub path: &'n str,
    /// The function is the poll function of an `async fn`: its last segment is a closure that the source does not
    /// have, and it goes by the name of the `async fn`.
    pub is_async_body: bool,
}

impl<'n> From<&'n str> for FunctionName<'n> {
    fn from(path: &'n str) -> Self {
        FunctionName { path, is_async_body: false }
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    kind: Kind,
    names_closures: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Globs(Vec<PathGlob>),
    Regex(Regex),
    All,
}

/// Why a glob is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GlobError {
    Syntax(SyntaxError),
    EmptySegment,
    MatchesEverything,
    TooManyDeepStars,
}

#[derive(Clone, Debug)]
struct PathGlob {
    shape: Shape,
    /// Every match contains it: turns down nearly all names at once.
    required: Finder<'static>,
    /// The text of a pattern without wildcards, which finds that very name whatever it is made of.
    literal: Option<String>,
}

#[derive(Clone, Debug)]
enum Shape {
    Segments {
        anchored: bool,
        segments: Vec<Segment>,
    },
    /// Against the printed name.
    Printed(Glob),
}

#[derive(Clone, Debug)]
enum Segment {
    One(Glob),
    /// This many segments or more.
    Any {
        at_least: usize,
    },
}

impl Pattern {
    pub(super) fn glob(text: &str) -> Result<Self, GlobError> {
        let alternatives = glob_parse::parse(text).map_err(GlobError::Syntax)?;
        let globs = alternatives.into_iter().map(PathGlob::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Pattern { kind: Kind::Globs(globs), names_closures: names_closures(text) })
    }

    /// Every function but closures, for an object that was chosen by name.
    pub fn all() -> Self {
        Pattern { kind: Kind::All, names_closures: false }
    }

    /// A regex searched for in the printed path.
    pub(super) fn regex(regex: Regex) -> Self {
        let names_closures = names_closures(regex.as_str());
        Pattern { kind: Kind::Regex(regex), names_closures }
    }

    /// The pattern's text that finds exactly `path` (and longer paths that end in it).
    pub fn escape(path: &str) -> String {
        let mut escaped = String::with_capacity(path.len());
        let numeric = path.starts_with("0x") || path.starts_with("usdt:") || path.starts_with("::");
        for (at, character) in path.char_indices() {
            let line_number = character == ':'
                && path
                    .get(at + 1..)
                    .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
            if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' | '/' | ' ')
                || (at == 0 && numeric)
                || line_number
            {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        escaped
    }

    /// Whether the pattern means the function. Closures are left out unless `closures` is set or the pattern names
    /// them.
    pub fn matches<'n>(&self, name: impl Into<FunctionName<'n>>, closures: bool) -> bool {
        let name = name.into();
        let closures = closures || self.names_closures;
        match &self.kind {
            Kind::Globs(globs) => {
                let bytes = name.path.as_bytes();
                globs.iter().any(|glob| glob.required.find(bytes).is_some() && glob.matches(name, closures))
            }
            Kind::All => closures || is_plain(name),
            Kind::Regex(regex) => regex.is_match(name.path) && (closures || is_plain(name)),
        }
    }

    /// A word that every function meant by the pattern has in its path; `None` if there is no single one.
    pub fn required_word(&self) -> Option<&str> {
        let Kind::Globs(globs) = &self.kind else { return None };
        let [glob] = globs.as_slice() else { return None };
        matches!(glob.shape, Shape::Segments { .. }).then(|| std::str::from_utf8(glob.required.needle()).ok())?
    }

    /// The text to compare names with when nothing matched: the last segment that is more than wildcards.
    pub(super) fn last_literal(&self) -> Option<String> {
        let Kind::Globs(globs) = &self.kind else { return None };
        globs.iter().find_map(|glob| match &glob.shape {
            Shape::Printed(glob) => Some(glob.longest_literal()),
            Shape::Segments { segments, .. } => segments.iter().rev().find_map(|segment| match segment {
                Segment::One(glob) => Some(glob.longest_literal()).filter(|literal| !literal.is_empty()),
                Segment::Any { .. } => None,
            }),
        })
    }
}

fn names_closures(text: &str) -> bool {
    let text = text.replace('\\', "");
    ["{closure", "{lambda", "'lambda"].iter().any(|name| text.contains(name))
}

/// Whether no segment of the name is a closure, but for the one that an `async fn` is made of.
fn is_plain(name: FunctionName<'_>) -> bool {
    let Some(reading) = path::readings(name.path).into_iter().next() else { return true };
    !source_segments(&reading, name).iter().any(|segment| path::is_closure(segment))
}

/// The segments as the source has them.
fn source_segments<'s, 'n>(reading: &'s [&'n str], name: FunctionName<'_>) -> &'s [&'n str] {
    match reading {
        [function @ .., last] if name.is_async_body && path::is_closure(last) => function,
        _ => reading,
    }
}

impl PathGlob {
    fn new(glob: Glob) -> Result<Self, GlobError> {
        let literal = glob.literal();
        if literal.is_none() && glob.accepts_anything() {
            return Err(GlobError::MatchesEverything);
        }
        let shape = if glob.0.contains(&Token::Literal('<')) { Shape::Printed(glob) } else { Shape::segments(&glob)? };
        let required = match &shape {
            Shape::Printed(glob) => glob.longest_literal(),
            Shape::Segments { segments, .. } => segments.iter().fold(String::new(), |longest, segment| match segment {
                Segment::One(glob) if glob.longest_literal().len() > longest.len() => glob.longest_literal(),
                _ => longest,
            }),
        };
        if required.is_empty() {
            return Err(GlobError::MatchesEverything);
        }
        Ok(PathGlob { shape, required: Finder::new(&required).into_owned(), literal })
    }

    fn matches(&self, name: FunctionName<'_>, closures: bool) -> bool {
        if self.literal.as_deref() == Some(name.path) {
            return closures || is_plain(name);
        }
        match &self.shape {
            Shape::Printed(glob) => {
                let starts = name.path.match_indices("::").map(|(at, separator)| at + separator.len());
                std::iter::once(0)
                    .chain(starts)
                    .filter_map(|start| name.path.get(start..))
                    .any(|tail| glob.matches(tail))
                    && (closures || is_plain(name))
            }
            Shape::Segments { anchored, segments } => path::readings(name.path).iter().any(|reading| {
                let source = source_segments(reading, name);
                let plain = !source.iter().any(|segment| path::is_closure(segment));
                (plain || closures)
                    && (covers(*anchored, segments, source) || (closures && covers(*anchored, segments, reading)))
            }),
        }
    }
}

impl Shape {
    fn segments(glob: &Glob) -> Result<Self, GlobError> {
        let mut pieces = split(&glob.0);
        let anchored = pieces.len() > 1 && pieces.first().is_some_and(|piece| piece.is_empty());
        if anchored {
            pieces.remove(0);
        }
        let last = pieces.len() - 1;
        let mut segments = Vec::with_capacity(pieces.len());
        for (index, piece) in pieces.into_iter().enumerate() {
            let piece = Glob(piece.to_vec());
            if piece.0.is_empty() {
                return Err(GlobError::EmptySegment);
            }
            segments.push(match (piece.is_any_run(), piece.0.len()) {
                (true, _) if index == last => Segment::Any { at_least: 1 },
                (true, 2..) => Segment::Any { at_least: 0 },
                _ => Segment::One(piece),
            });
        }
        let deep = segments.iter().filter(|segment| matches!(segment, Segment::Any { .. })).count();
        if deep > DEEP_STARS_MAX {
            return Err(GlobError::TooManyDeepStars);
        }
        Ok(Shape::Segments { anchored, segments })
    }
}

/// Splits at each `::` of plain characters.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let colon = Token::Literal(':');
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(rest) = tokens.get(at..).filter(|rest| !rest.is_empty()) {
        if let [first, second, ..] = rest
            && *first == colon
            && *second == colon
        {
            pieces.push(tokens.get(start..at).unwrap_or_default());
            at += 2;
            start = at;
        } else {
            at += 1;
        }
    }
    pieces.push(tokens.get(start..).unwrap_or_default());
    pieces
}

/// Whether the segments cover the path's end, or all of it if `anchored`.
fn covers(anchored: bool, segments: &[Segment], path: &[&str]) -> bool {
    let last_start = if anchored { 0 } else { path.len() };
    (0..=last_start).any(|start| path.get(start..).is_some_and(|tail| covers_all(segments, tail)))
}

fn covers_all(segments: &[Segment], path: &[&str]) -> bool {
    match segments {
        [] => path.is_empty(),
        [Segment::One(glob), after @ ..] => match path {
            [name, rest @ ..] => glob.matches(name) && covers_all(after, rest),
            [] => false,
        },
        [Segment::Any { at_least }, after @ ..] => {
            (*at_least..=path.len()).any(|taken| path.get(taken..).is_some_and(|rest| covers_all(after, rest)))
        }
    }
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
