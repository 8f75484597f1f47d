//! The one direction in which the tracer's stages import each other (docs/ARCHITECTURE.md).
//! Reads code without comments and strings; knows the stages' names, not what they do.

use std::path::Path;

use super::{Finding, lexer::is_word};

/// Each stage with the stages that it may name; `abi` stands for the crate tracer-ebpf.
const STAGES: [(&str, &[&str]); 9] = [
    ("value", &[]),
    ("target", &["value"]),
    ("plan", &["target", "value", "abi"]),
    ("kernel", &["plan", "abi"]),
    ("events", &["plan", "value", "abi"]),
    ("actors", &["target", "value", "events"]),
    ("report", &["events", "actors", "value"]),
    ("live", &["events", "actors", "value"]),
    ("cli", &["value", "target", "plan", "kernel", "events", "actors", "report", "live", "abi"]),
];

/// Files beside the stages, which may name them all.
const ROOTS: [&str; 2] = ["main", "lib"];
const PRINTERS: [&str; 4] = ["report", "live", "cli", "main"];
const PRINTING: [&str; 4] = ["println", "eprintln", "print", "eprint"];

/// Checks one file of tracer/src; `name` is relative to it, `code` has no comments and strings.
pub(super) fn direction(name: &Path, code: &str) -> Vec<Finding> {
    let Some(stage) = stage_of(name) else {
        return vec![Finding::new(1, "the file belongs to no stage: see tidy/imports.rs")];
    };
    let mut findings = Vec::new();
    let tests_from = first_test_line(name, code);
    for (line, word, next) in words(code) {
        let is_path = next.starts_with("::");
        if is_path && matches!(word, "aya" | "aya_obj" | "aya_log") && stage != "kernel" {
            findings.push(Finding::new(line, format!("`{word}` outside `kernel`")));
        }
        let prints = next.starts_with('!') && PRINTING.contains(&word) && line < tests_from;
        if prints && !PRINTERS.contains(&stage.as_str()) {
            findings.push(Finding::new(line, format!("`{stage}` prints: only {} may", PRINTERS.join(", "))));
        }
    }
    if let Some((_, allowed)) = STAGES.iter().find(|(known, _)| *known == stage) {
        for (line, named) in named_stages(name, code) {
            if named != stage && !allowed.contains(&named) {
                findings.push(Finding::new(line, format!("`{stage}` names `{named}`, a later stage or one beside it")));
            }
        }
    }
    findings
}

/// The line from which on the file holds tests, which may print: 1 in a file of tests, else where its module of
/// tests starts, which is the last thing in a file.
fn first_test_line(name: &Path, code: &str) -> usize {
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    if stem == "tests" || stem.ends_with("_tests") {
        return 1;
    }
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let opens =
        |pair: &[&str]| matches!(pair, ["#[cfg(test)]", module] if module.starts_with("mod ") && module.ends_with('{'));
    lines.windows(2).position(opens).map_or(usize::MAX, |index| index + 1)
}

/// The stage that the file belongs to, or the name of a root file.
fn stage_of(name: &Path) -> Option<String> {
    let first = name.iter().next()?.to_str()?;
    let stage = first.strip_suffix(".rs").unwrap_or(first);
    let is_known = ROOTS.contains(&stage) || STAGES.iter().any(|(known, _)| *known == stage);
    is_known.then(|| stage.to_owned())
}

/// Every stage named by a path from the crate's root, with its line.
fn named_stages(name: &Path, code: &str) -> Vec<(usize, &'static str)> {
    let mut named = Vec::new();
    for (line, word, next) in words(code) {
        if word == "tracer_ebpf" {
            named.push((line, "abi"));
        }
        let from_root = match word {
            "crate" => next.strip_prefix("::"),
            "super" => after_supers(next, depth(name)),
            _ => None,
        };
        for segment in from_root.map(first_segments).unwrap_or_default() {
            if let Some((stage, _)) = STAGES.iter().find(|(known, _)| *known == segment) {
                named.push((line, *stage));
            }
        }
    }
    // `super::super::x` is met at each of its words.
    named.dedup();
    named
}

/// How many `super` lead from the file's module to the crate's root.
fn depth(name: &Path) -> usize {
    let parts = name.iter().count();
    if name.ends_with("mod.rs") { parts - 1 } else { parts }
}

/// What follows `super` where that and its repetitions reach the crate's root.
///
/// Modules inside a file are one deeper, so a path that goes up further is looked at as well.
fn after_supers(mut rest: &str, depth: usize) -> Option<&str> {
    let mut count = 1;
    loop {
        rest = rest.strip_prefix("::")?;
        match rest.strip_prefix("super") {
            Some(after) => (rest, count) = (after, count + 1),
            None => return (count >= depth).then_some(rest),
        }
    }
}

/// `a` of `a::b`; `a` and `c` of `{a::b, c::{d, e}}`.
fn first_segments(path: &str) -> Vec<&str> {
    let Some(list) = path.trim_start().strip_prefix('{') else {
        return vec![leading_word(path)];
    };
    let mut segments = vec![leading_word(list)];
    let mut depth = 1_usize;
    for (position, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => segments.push(leading_word(list.get(position + 1..).unwrap_or_default())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    segments
}

fn leading_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|character| !is_word(character)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Each word of the code with its line, counted from 1, and the text behind it.
fn words(code: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut line = 1;
    let mut rest = code;
    std::iter::from_fn(move || {
        let start = rest.find(is_word)?;
        line += rest.get(..start)?.matches('\n').count();
        let word = leading_word(rest.get(start..)?);
        rest = rest.get(start + word.len()..)?;
        Some((line, word, rest.trim_start()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(name: &str, code: &str) -> Vec<String> {
        let findings = direction(Path::new(name), code);
        findings.into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
    }

    #[test]
    fn imports_down_the_pipeline_are_fine() {
        assert_eq!(messages("plan/capture.rs", "use crate::{target::Symbol, value};\nuse tracer_ebpf::abi;"), [""; 0]);
        assert_eq!(messages("cli/trace.rs", "use crate::{kernel, report}; println!()"), [""; 0]);
        assert_eq!(messages("lib.rs", "pub mod kernel; use crate::kernel::Session;"), [""; 0]);
        assert_eq!(messages("kernel/load.rs", "use aya::Ebpf; use super::link;"), [""; 0]);
    }

    #[test]
    fn a_later_stage_is_found_in_every_form() {
        for code in [
            "use crate::kernel::load;",
            "use crate::{value::{self, Layout}, kernel};",
            "fn f() { crate :: kernel::load() }",
            "use super::super::kernel;",
            "use super::super::{value, kernel::load};",
            "mod tests { use super::super::super::kernel; }",
        ] {
            let found = messages("target/elf.rs", &format!("\n{code}"));
            assert_eq!(found, ["2: `target` names `kernel`, a later stage or one beside it"], "{code}");
        }
        assert_eq!(messages("target/mod.rs", "use super::plan;").len(), 1);
        assert_eq!(messages("value/text.rs", "use tracer_ebpf::abi;").len(), 1);
    }

    #[test]
    fn names_that_only_look_like_stages_are_not_found() {
        let code = "use super::kernel; use self::kernel; use other_crate::kernel; use crate::value::kernel;";
        assert_eq!(messages("target/elf.rs", code), [""; 0]);
    }

    #[test]
    fn aya_and_printing_have_their_places() {
        assert_eq!(messages("events/decode.rs", "use aya::maps::RingBuf;").len(), 1);
        assert_eq!(messages("cli/doctor.rs", "aya_obj::Object::parse(b)").len(), 1);
        assert_eq!(messages("events/decode.rs", "eprintln!( )").len(), 1);
        assert_eq!(messages("lib.rs", "print!( )").len(), 1);
        assert_eq!(messages("main.rs", "eprintln!( )"), [""; 0]);
    }

    #[test]
    fn tests_may_print() {
        let tests = "#[cfg(test)]\nmod tests {\n    fn f() { println!( ) }\n}";
        assert_eq!(messages("target/elf.rs", tests), [""; 0]);
        assert_eq!(messages("target/elf_tests.rs", "println!( )"), [""; 0]);
        assert_eq!(messages("target/debug_info/tests.rs", "println!( )"), [""; 0]);
        assert_eq!(messages("target/elf.rs", &format!("println!( )\n{tests}")).len(), 1);
        assert_eq!(messages("target/elf.rs", "#[cfg(test)]\nmod tests;\nprintln!( )").len(), 1);
    }

    #[test]
    fn a_file_outside_every_stage_is_found() {
        assert_eq!(messages("misc.rs", "").len(), 1);
    }
}
