//! The probe syntax: from what the user wrote to where it points, or to a sentence on what is wrong and where.
//! Resolves nothing: it knows no target.
//!
//! | form | means |
//! |---|---|
//! | `audit_log::*`, `Store::{load,save}` | functions by path (see `pattern`) |
//! | `/^app::.*save$/` | functions by regular expression |
//! | `libfoo.so!name` | the same in objects whose file name (or path, if it has a `/`) the glob covers |
//! | `usdt:provider:name` | USDT probes, a glob in each part |
//! | `0x11a0` | a link address |
//! | `audit_log.rs:42` | a line of source (see `source_line`) |
//! | `… if x > 5`, `… -> x, y` | only where a condition holds; only these values (see `clause`, `expression`) |

use std::fmt;

use regex::Regex;
use thiserror::Error;

use super::clause::{self, Field};
use super::expression::{self, Expression, ExpressionError};
use super::glob::Glob;
use super::glob_parse::{self, Syntax, SyntaxError};
use super::pattern::{GlobError, Pattern};
use super::source_line::{self, FileSuffix, Lines};
use crate::target::address::LinkAddress;

/// Longer than any useful pattern; keeps every later step cheap.
const PROBE_BYTES_MAX: usize = 4096;
/// What a compiled regex may take: enough for any pattern that a person writes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// What the user asked to observe.
#[derive(Clone, Debug)]
pub struct Probe {
    /// As the user wrote it.
    pub text: String,
    pub place: Place,
    /// Which calls count.
    pub condition: Option<Expression>,
    /// What is captured of them, if not everything.
    pub fields: Option<Vec<Field>>,
}

/// Where a probe points.
#[derive(Clone, Debug)]
pub enum Place {
    /// Functions, in the objects that `object` covers: `None` means those that the command chooses.
    Function {
        object: Option<ObjectPattern>,
        pattern: Pattern,
    },
    Usdt {
        provider: NamePattern,
        name: NamePattern,
    },
    Address {
        object: Option<ObjectPattern>,
        address: LinkAddress,
    },
    /// One line of a source file, or a stretch of them to list.
    Line {
        object: Option<ObjectPattern>,
        file: FileSuffix,
        lines: Lines,
    },
}

/// A glob on a whole name.
#[derive(Clone, Debug)]
pub struct NamePattern(Vec<Glob>);

impl NamePattern {
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|glob| glob.matches(name))
    }
}

/// A glob on an object's file name, or on its whole path if the glob has a `/`.
#[derive(Clone, Debug)]
pub struct ObjectPattern {
    glob: NamePattern,
    whole_path: bool,
}

impl ObjectPattern {
    /// Whether the object at `path` is meant.
    pub fn matches(&self, path: &str) -> bool {
        let name = if self.whole_path { path } else { path.rsplit('/').next().unwrap_or(path) };
        self.glob.matches(name)
    }
}

/// A probe that does not parse.
#[derive(Clone, Debug, Error)]
#[error("the probe {probe:?} is not understood at byte {at}: {what}")]
pub struct PatternError {
    pub probe: String,
    /// Where in `probe`, in bytes.
    pub at: usize,
    /// How far that goes, in bytes; may be 0.
    pub size: usize,
    pub what: Mistake,
}

impl PatternError {
    /// The probe with a mark under the place, two lines to show below the message.
    pub fn pointer(&self) -> impl fmt::Display {
        let before = self.probe.get(..self.at).unwrap_or(&self.probe).chars().count();
        let marked = self.probe.get(self.at..self.at + self.size).map_or(1, |part| part.chars().count().max(1));
        let marks = "^".repeat(marked);
        format!("  {}\n  {:before$}{marks}", self.probe.replace(char::is_control, " "), "")
    }
}

/// What is wrong with a probe, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mistake {
    #[error("it is empty: name a function, as in 'Store::save'")]
    Empty,
    #[error("it is longer than {PROBE_BYTES_MAX} bytes")]
    TooLong,
    #[error("{0}")]
    Expression(expression::Mistake),
    #[error("a line is written file.rs:42, a stretch of lines file.rs:40-60")]
    Line,
    #[error("it would match every function: name a module or a function, as in 'audit_log::*'")]
    MatchesEverything,
    #[error("a segment between `::` is empty")]
    EmptySegment,
    #[error("a backslash at the end escapes nothing")]
    TrailingBackslash,
    #[error("`[` is not closed: close it, or write `\\[` for a plain one")]
    OpenClass,
    #[error("`[]` names no character")]
    EmptyClass,
    #[error("`{{` is not closed: close it, or write `\\{{` for a plain one")]
    OpenBrace,
    #[error("its alternatives make too many patterns: use several probes")]
    TooManyAlternatives,
    #[error("it has too many `**`, or nests too deep")]
    TooComplex,
    #[error("a regular expression ends with `/`")]
    OpenRegex,
    #[error("the regular expression is wrong: {0}")]
    Regex(String),
    #[error("a USDT probe is written usdt:PROVIDER:NAME, as in usdt:mailbox:send")]
    Usdt,
    #[error("an address is written in hexadecimal, as in 0x11a0")]
    Address,
    #[error("the object's name before `!` is missing: write libfoo.so!name, or *!name for all objects")]
    Object,
    #[error("leave out the parameter list: all functions of the name are meant")]
    Parameters,
}

impl Probe {
    /// Reads one probe.
    ///
    /// # Errors
    /// [`PatternError`] says where and why the text is no probe.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let failed = |(at, what)| PatternError { probe: text.to_owned(), at, size: 0, what };
        if text.len() > PROBE_BYTES_MAX {
            return Err(failed((PROBE_BYTES_MAX, Mistake::TooLong)));
        }
        let clauses = clause::split(text).map_err(|error| PatternError::of_expression(text, error))?;
        let place = place(text.get(..clauses.place_end).unwrap_or(text)).map_err(failed)?;
        Ok(Probe { text: text.to_owned(), place, condition: clauses.condition, fields: clauses.fields })
    }
}

impl PatternError {
    /// What is wrong with the condition or a field of the probe.
    pub fn of_expression(probe: &str, error: ExpressionError) -> Self {
        let ExpressionError { span, mistake } = error;
        let size = span.end.saturating_sub(span.start);
        Self { probe: probe.to_owned(), at: span.start, size, what: Mistake::Expression(mistake) }
    }
}

type Parsed<T> = Result<T, (usize, Mistake)>;

fn place(text: &str) -> Parsed<Place> {
    let start = text.len() - text.trim_start().len();
    let body = text.trim();
    if body.is_empty() {
        return Err((0, Mistake::Empty));
    }
    match body.strip_prefix("usdt:") {
        Some(rest) if !rest.starts_with(':') => usdt(rest, start + "usdt:".len()),
        _ => in_object(body, start),
    }
}

/// `[OBJECT!]` and what follows.
fn in_object(body: &str, start: usize) -> Parsed<Place> {
    // A regex may hold any character, but a path starts with `/` too.
    let is_regex = body.starts_with('/') && !is_path(body);
    match find_plain(body, '!').filter(|_| !is_regex) {
        Some(0) => Err((start, Mistake::Object)),
        Some(at) => {
            let (object, rest) = (body.get(..at).unwrap_or_default(), body.get(at + 1..).unwrap_or_default());
            let glob = name_pattern(object, start)?;
            let object = ObjectPattern { glob, whole_path: object.contains('/') };
            function_or_address(Some(object), rest, start + at + 1)
        }
        None => function_or_address(None, body, start),
    }
}

/// Whether text that starts with `/` is an object's path: it has a `!` and no closing `/` before it.
fn is_path(body: &str) -> bool {
    find_plain(body, '!').is_some_and(|at| !body.ends_with('/') || body.get(at + 1..at + 2) == Some("/"))
}

fn function_or_address(object: Option<ObjectPattern>, body: &str, start: usize) -> Parsed<Place> {
    if body.is_empty() {
        return Err((start, Mistake::Empty));
    }
    let is_file = || !body.contains(' ') && !body.ends_with('/') && source_line::parse(body).is_some();
    if let Some(rest) = body.strip_prefix('/').filter(|_| !is_file()) {
        let pattern = regex(rest, start + 1)?;
        return Ok(Place::Function { object, pattern });
    }
    if let Some(digits) = body.strip_prefix("0x") {
        let address = u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
        let address = LinkAddress(address.ok_or((start + 2, Mistake::Address))?);
        return Ok(Place::Address { object, address });
    }
    if let Some((file, lines, at)) = source_line::parse(body) {
        let lines = lines.ok_or((start + at, Mistake::Line))?;
        return Ok(Place::Line { object, file, lines });
    }
    if body.ends_with("()") && !body.ends_with("operator()") {
        return Err((start + body.len() - 2, Mistake::Parameters));
    }
    // In a named object everything is a choice of its own, as in `libfoo.so!*`; in all objects it is not.
    let pattern = match Pattern::glob(body) {
        Err(GlobError::MatchesEverything) if object.as_ref().is_some_and(ObjectPattern::is_choice) => Pattern::all(),
        parsed => parsed.map_err(|error| explain(error, start))?,
    };
    Ok(Place::Function { object, pattern })
}

impl ObjectPattern {
    fn is_choice(&self) -> bool {
        self.glob.0.iter().all(|glob| !glob.accepts_anything())
    }
}

fn regex(rest: &str, start: usize) -> Parsed<Pattern> {
    let end = rest.rfind('/').ok_or((start + rest.len(), Mistake::OpenRegex))?;
    let (source, after) = (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
    if !after.is_empty() {
        return Err((start + end + 1, Mistake::OpenRegex));
    }
    let built = regex::RegexBuilder::new(source).size_limit(REGEX_BYTES_MAX).build();
    let regex = built.map_err(|error| (start, Mistake::Regex(last_line(&error))))?;
    if matches_everything(&regex) {
        return Err((start, Mistake::MatchesEverything));
    }
    Ok(Pattern::regex(regex))
}

/// Names without a letter in common.
fn matches_everything(regex: &Regex) -> bool {
    ["", "a", "Zq::x_9", "<&u8 as b>::k", "main", "core::fmt::write"].iter().filter(|name| regex.is_match(name)).count()
        >= 5
}

/// The regex crate draws its errors over several lines, the reason on the last.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn usdt(rest: &str, start: usize) -> Parsed<Place> {
    let (provider, name) = rest.split_once(':').ok_or((start + rest.len(), Mistake::Usdt))?;
    if provider.is_empty() || name.is_empty() || name.contains(':') {
        return Err((start, Mistake::Usdt));
    }
    let name_start = start + provider.len() + 1;
    Ok(Place::Usdt { provider: name_pattern(provider, start)?, name: name_pattern(name, name_start)? })
}

fn name_pattern(text: &str, start: usize) -> Parsed<NamePattern> {
    let globs = glob_parse::parse(text).map_err(|error| explain(GlobError::Syntax(error), start))?;
    Ok(NamePattern(globs))
}

/// The position of the first `wanted` that no backslash escapes and no bracket encloses (`[!a]`).
fn find_plain(text: &str, wanted: char) -> Option<usize> {
    let (mut escaped, mut in_class) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            _ if character == wanted && !in_class => return Some(at),
            _ => {}
        }
    }
    None
}

fn explain(error: GlobError, start: usize) -> (usize, Mistake) {
    match error {
        GlobError::MatchesEverything => (start, Mistake::MatchesEverything),
        GlobError::EmptySegment => (start, Mistake::EmptySegment),
        GlobError::TooManyDeepStars => (start, Mistake::TooComplex),
        GlobError::Syntax(SyntaxError { at, what }) => {
            let mistake = match what {
                Syntax::TrailingBackslash => Mistake::TrailingBackslash,
                Syntax::OpenClass => Mistake::OpenClass,
                Syntax::EmptyClass => Mistake::EmptyClass,
                Syntax::OpenBrace => Mistake::OpenBrace,
                Syntax::TooManyAlternatives => Mistake::TooManyAlternatives,
                Syntax::TooDeep => Mistake::TooComplex,
            };
            (start + at, mistake)
        }
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
