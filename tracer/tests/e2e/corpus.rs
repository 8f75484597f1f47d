//! TRUTH: every kind of Rust value, in every kind of build, is what `{:?}` prints or says why it is not there.
//!
//! The corpus (`tests/corpus`) prints the `{:?}` of each value beside the call that takes or returns it.

use std::collections::BTreeMap;

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, turn};

const MODULES: [&str; 10] = [
    "scalars",
    "text",
    "structs",
    "enums",
    "wrappers",
    "collections",
    "net_and_time",
    "foreign",
    "functions",
    "returned",
];

/// What became of the values of one build.
#[derive(Debug, Default)]
pub struct Tally {
    /// The text is the expected one.
    pub equal: usize,
    /// Parts say why they are missing; what is shown is right.
    pub missing: Vec<String>,
    /// The optimiser left no function to probe, or another one's name for it.
    pub not_probed: Vec<String>,
    pub wrong: Vec<String>,
}

impl Tally {
    pub fn note(&mut self, name: &str, text: Option<String>, expected: &str) {
        match text {
            None => self.not_probed.push(name.to_owned()),
            Some(text) if text == expected => self.equal += 1,
            Some(text) if is_right_otherwise(&text, expected) => self.missing.push(format!("{name}: {text}")),
            Some(text) => self.wrong.push(format!("{name}\n  is    {expected}\n  shows {text}")),
        }
    }

    /// Says what became of the values; none is wrong, and at least so many are right (docs/values.md has the table).
    #[track_caller]
    pub fn check(&self, build: &str, equal_min: usize) {
        let (missing, not_probed) = (self.missing.len(), self.not_probed.len());
        println!("{build}: {} equal, {missing} missing, {not_probed} not probed", self.equal);
        println!("{:#?}\n{:#?}", self.missing, self.not_probed);
        assert!(self.wrong.is_empty(), "{build}: {} wrong\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(self.equal >= equal_min, "{build}: only {} values are as they should be", self.equal);
    }
}

/// By function: the argument's text, and that of the result.
pub type Shown = BTreeMap<String, (Option<String>, Option<String>)>;

/// Reads the text trace: `path(argument) → result  1.2 µs`, or the two halves on lines of their own.
pub fn shown(lines: &[String], pid: &str) -> Shown {
    let thread = format!(" {pid}  ");
    let mut shown = Shown::new();
    let mut open: Vec<String> = Vec::new();
    let timed = |text: &str| text.rsplit_once("  ").map_or(text, |(value, _duration)| value).to_owned();
    for line in lines {
        let Some(start) = line.find(&thread) else { continue };
        let text = line[start + thread.len()..].trim_start_matches("│ ");
        if let Some(end) = text.strip_prefix("→ ") {
            let end = end.rsplit_once("  · ").map_or(end, |(end, _name)| end);
            if let Some(name) = open.pop() {
                shown.entry(name).or_default().1 = Some(timed(end));
            }
            continue;
        }
        let Some((name, rest)) = text.split_once('(') else { continue };
        let (argument, result) = match rest.rsplit_once(") → ") {
            Some((argument, end)) => (argument, Some(timed(end))),
            None => (rest.strip_suffix(')').unwrap_or(rest), None),
        };
        if result.is_none() {
            open.push(name.to_owned());
        }
        let argument = argument.split_once('=').map(|(_, value)| value.to_owned());
        shown.insert(name.to_owned(), (argument, result));
    }
    shown
}

/// The reasons that the tracer gives for what the compiler or the kernel keep from it.
const REASONS: [&str; 5] =
    ["<unsupported location>", "<optimized out>", "<in a vector register>", "<return elided>", "<ambiguous location>"];

/// Whether the text is the expected one but for parts that say why they are missing.
fn is_right_otherwise(text: &str, expected: &str) -> bool {
    let parts =
        REASONS.iter().fold(vec![text], |parts, reason| parts.iter().flat_map(|part| part.split(reason)).collect());
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    let mut rest = expected;
    for part in &parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    parts.len() > 1 && expected.starts_with(first) && expected.ends_with(last)
}

fn trace(profile: &str) -> Tally {
    let program = build::corpus(profile);
    let _turn = turn();
    let mut target = Target::start(program);
    let pid = target.p();
    let patterns = MODULES.map(|module| format!("corpus::{module}::*"));
    let arguments =
        ["trace", "-n", "0", "--for", "5m", "--max-overhead", "100", "--value-width", "1000000", "-p", &pid];
    let mut session = Session::start(&[&arguments[..], &patterns.each_ref().map(String::as_str)].concat());
    session.armed();
    target.send("go");
    let printed: Vec<String> = std::iter::from_fn(|| target.lines.next().filter(|line| line != "end")).collect();
    let outcome = session.interrupt();
    let last = outcome.output.last().cloned().unwrap_or_default();
    assert!(last.contains(" 0 lost"), "{last}");
    let mut shown = shown(&outcome.output, &pid);
    let mut tally = Tally::default();
    for line in &printed {
        let (name, expected) = line.split_once('\t').expect("a name and a text");
        let text = match shown.remove(name) {
            Some((_, result)) if name.starts_with("corpus::returned::") => result,
            Some((argument, _)) => argument,
            None => None,
        };
        tally.note(name, text, expected);
    }
    assert!(printed.len() >= 400, "only {} values", printed.len());
    tally
}

#[track_caller]
fn check(profile: &str, equal_min: usize) {
    trace(profile).check(profile, equal_min);
}

#[test]
fn values_of_a_development_build() {
    check("dev", 412);
}

#[test]
fn values_at_opt_level_2_in_16_codegen_units() {
    check("two", 412);
}

#[test]
fn values_at_opt_level_3_in_one_codegen_unit() {
    check("three", 412);
}

#[test]
fn values_with_thin_lto() {
    check("thin", 412);
}

#[test]
fn values_with_fat_lto() {
    check("fat", 412);
}

#[test]
fn values_with_split_debug_files() {
    check("unpacked", 412);
}

#[test]
fn values_with_a_split_debug_package() {
    check("packed", 412);
}
