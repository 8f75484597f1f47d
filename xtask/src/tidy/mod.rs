//! `cargo xtask tidy`: keeps the habits that neither the compiler nor clippy looks after.
//! Finds the files and prints what is wrong; the rules are in the modules below.

mod imports;
mod lexer;
mod text;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use self::lexer::Views;
use crate::workspace;

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// Counted from 1.
    line: usize,
    message: String,
}

pub(crate) fn run() -> Result<()> {
    let root = workspace::root();
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut findings = 0;
    for path in &files {
        let name = path.strip_prefix(root).unwrap_or(path);
        if is_left_over(name) {
            println!("{}: a snapshot that was neither accepted nor rejected: see `cargo insta review`", name.display());
            findings += 1;
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        for finding in inspect(name, &text) {
            println!("{}:{}: {}", name.display(), finding.line, finding.message);
            findings += 1;
        }
    }
    if findings > 0 {
        bail!("tidy: {findings} findings in {} files", files.len());
    }
    println!("tidy: {} files, nothing found", files.len());
    Ok(())
}

/// What insta writes beside a test that failed.
fn is_left_over(name: &Path) -> bool {
    let name = name.to_string_lossy();
    name.ends_with(".pending-snap") || name.ends_with(".snap.new")
}

/// Applies every rule that concerns the file; `name` is relative to the workspace.
fn inspect(name: &Path, text: &str) -> Vec<Finding> {
    match name.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => {
            let views = Views::of(text);
            let mut findings = text::rust_file(text, &views);
            if let Ok(inside) = name.strip_prefix("tracer/src") {
                findings.extend(imports::direction(inside, &views.code));
            }
            findings.extend(text::whitespace(text));
            findings
        }
        Some("md") => [text::document(text), text::whitespace(text)].concat(),
        Some("toml" | "sh") => text::whitespace(text),
        _ if name == Path::new(".ci/run") => text::whitespace(text),
        _ => Vec::new(),
    }
}

/// Every file below the folder, without build output and git's own.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot_read = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot_read)? {
        let entry = entry.with_context(cannot_read)?;
        let path = entry.path();
        let kind = entry.file_type().with_context(cannot_read)?;
        if kind.is_dir() {
            let is_output = path == workspace::root().join("target") || path.ends_with(".git");
            if !is_output {
                collect(&path, files)?;
            }
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

impl Finding {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_to_review_are_left_over() {
        assert!(is_left_over(Path::new("tracer/src/cli/.list.rs.pending-snap")));
        assert!(is_left_over(Path::new("tracer/src/a.snap.new")));
        assert!(!is_left_over(Path::new("tracer/src/a.snap")));
    }

    #[test]
    fn the_rules_that_apply_depend_on_the_file() {
        let upward = "//! A stage.\nuse crate::kernel::load;\n";
        assert_eq!(inspect(Path::new("tracer/src/target/elf.rs"), upward).len(), 1);
        assert_eq!(inspect(Path::new("target-app/src/main.rs"), upward), []);
        assert_eq!(inspect(Path::new("a.toml"), "key = 1 \n").len(), 1);
        assert_eq!(inspect(Path::new("tests/expected.snap"), "cell \n"), []);
    }
}
