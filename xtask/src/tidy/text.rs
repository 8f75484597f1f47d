//! Rules about single files: how they open, how long they are, what must not stay in them.
//! Knows nothing of the tracer's structure.

use super::{
    Finding,
    lexer::{Views, is_word},
};

const LINES_MAX: usize = 450;
const LEFT_OVER_MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];
const LEFT_OVER_NOTES: [&str; 2] = ["TODO", "FIXME"];
/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 3] = ["/home/", "/root/", "/tmp/"];

/// The rules for Rust files.
pub(super) fn rust_file(text: &str, views: &Views) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(Finding::new(1, "the file does not open with `//!`: its job, and what it must not know"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(Finding::new(LINES_MAX + 1, format!("{lines} lines, {LINES_MAX} at most: split by concept")));
    }
    for (number, line) in numbered(&views.code) {
        for name in LEFT_OVER_MACROS {
            if has_macro(line, name) {
                findings.push(Finding::new(number, format!("`{name}!` was left over")));
            }
        }
    }
    for (number, line) in numbered(&views.comments) {
        findings.extend(notes(number, line));
        findings.extend(machine_paths(number, line));
    }
    findings
}

/// The rules for prose.
pub(super) fn document(text: &str) -> Vec<Finding> {
    numbered(text).flat_map(|(number, line)| [notes(number, line), machine_paths(number, line)].concat()).collect()
}

/// No spaces or tabs at the end of a line, one line feed at the end of the file.
pub(super) fn whitespace(text: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = numbered(text)
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']))
        .map(|(number, _)| Finding::new(number, "white space at the end of the line"))
        .collect();
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        findings.push(Finding::new(text.lines().count(), "the file does not end with one line feed"));
    }
    findings
}

/// Notes of work to be done are fine where they name an issue.
fn notes(number: usize, line: &str) -> Vec<Finding> {
    let names_issue = line.split('#').skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    LEFT_OVER_NOTES
        .iter()
        .filter(|note| has_word(line, note) && !names_issue)
        .map(|note| Finding::new(number, format!("{note} without the number of an issue")))
        .collect()
}

fn machine_paths(number: usize, line: &str) -> Vec<Finding> {
    MACHINE_FOLDERS
        .iter()
        // A path that goes on before the folder, such as `target/tmp/`, is not absolute.
        .filter(|folder| {
            line.match_indices(**folder).any(|(position, _)| {
                !line.get(..position).is_some_and(|before| before.ends_with(|last| is_word(last) || last == '.'))
            })
        })
        .map(|folder| Finding::new(number, format!("a path below {folder} exists on one machine only")))
        .collect()
}

fn has_macro(line: &str, name: &str) -> bool {
    word_positions(line, name).any(|end| line.get(end..).is_some_and(|rest| rest.trim_start().starts_with('!')))
}

fn has_word(line: &str, word: &str) -> bool {
    word_positions(line, word).any(|end| !line.get(end..).is_some_and(|rest| rest.starts_with(is_word)))
}

/// The ends of the word's occurrences that do not continue another word.
fn word_positions<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    line.match_indices(word)
        .filter(|(start, _)| !line.get(..*start).is_some_and(|before| before.ends_with(is_word)))
        .map(|(start, _)| start + word.len())
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n').enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
    }

    fn rust(text: &str) -> Vec<String> {
        messages(rust_file(text, &Views::of(text)))
    }

    #[test]
    fn a_file_opens_with_its_job() {
        assert_eq!(rust("//! One job.\nfn f() {}\n"), [""; 0]);
        assert_eq!(rust("use a;\n//! Late.\n").len(), 1);
    }

    #[test]
    fn the_longest_allowed_file_has_450_lines() {
        let file = |lines: usize| format!("//! One job.\n{}", "fn f() {}\n".repeat(lines - 1));
        assert_eq!(rust(&file(450)), [""; 0]);
        assert_eq!(rust(&file(451)), ["451: 451 lines, 450 at most: split by concept"]);
    }

    #[test]
    fn left_over_macros_are_found_in_code_only() {
        assert_eq!(rust("//! Job: no dbg!(x).\nlet a = \"todo!()\";\n"), [""; 0]);
        assert_eq!(rust("//! Job.\nlet a = dbg!(b);\ntodo! ()\n").len(), 2);
        assert_eq!(rust("//! Job.\nmy_todo!();\nlet todo = !a;\n"), [""; 0]);
    }

    #[test]
    fn notes_need_an_issue() {
        assert_eq!(rust("//! Job.\n// TODO: later\n"), ["2: TODO without the number of an issue"]);
        assert_eq!(rust("//! Job.\n// FIXME(#12): later\nlet TODO = 1;\n"), [""; 0]);
        assert_eq!(messages(document("# TODO\n")).len(), 1);
        assert_eq!(messages(document("TODOS of a user\n")), [""; 0]);
    }

    #[test]
    fn machine_paths_are_found_in_comments_and_prose() {
        assert_eq!(messages(document("see /home/me/a\n")).len(), 1);
        assert_eq!(messages(document("`/tmp/x` and target/tmp/y\n")).len(), 1);
        assert_eq!(messages(document("target/tmp/y, ~/root/z and ./tmp/\n")).len(), 1);
        assert_eq!(rust("//! Job.\nlet folder = \"/tmp/x\";\n"), [""; 0]);
        assert_eq!(rust("//! Job: /root/x\n").len(), 1);
    }

    #[test]
    fn white_space_ends_no_line() {
        assert_eq!(messages(whitespace("a\nb\n")), [""; 0]);
        assert_eq!(messages(whitespace("a \nb\t\n")).len(), 2);
        assert_eq!(messages(whitespace("a")).len(), 1);
        assert_eq!(messages(whitespace("a\n\n")).len(), 1);
    }
}
