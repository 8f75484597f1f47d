//! The record beside a BPF object: the digests of its source and bytes, and the tools that built it.
//! Knows only the text format; tracer/build.rs reads its `source` line too.

use std::{fs, path::Path};

use anyhow::{Context, Result};

const HEADER: &str = "# Written by `cargo xtask ebpf`, checked by `cargo xtask ebpf --check`: see README.md";

/// What a BPF object was built from, and with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// SHA-256 of the source, as `source::digest` defines it, in lowercase hex.
    pub(crate) source: String,
    /// SHA-256 of the object's bytes, in lowercase hex.
    pub(crate) object: String,
    /// `rustc --version` of the compiler.
    pub(crate) compiler: String,
    /// Name and version of the linker.
    pub(crate) linker: String,
}

impl Record {
    /// Reads the record that stands beside `object`.
    ///
    /// # Errors
    /// When there is none or a line is missing.
    pub(crate) fn read(object: &Path) -> Result<Self> {
        let path = object.with_extension("sha256");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}: run `cargo xtask ebpf`", path.display()))?;
        Self::parse(&text).with_context(|| format!("cannot use {}", path.display()))
    }

    /// Writes the record beside `object`.
    pub(crate) fn write(&self, object: &Path) -> Result<()> {
        let path = object.with_extension("sha256");
        fs::write(&path, self.text()).with_context(|| format!("cannot write {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
                .map(str::to_owned)
                .with_context(|| format!("no line `{key} …`"))
        };
        Ok(Self {
            source: field("source")?,
            object: field("object")?,
            compiler: field("compiler")?,
            linker: field("linker")?,
        })
    }

    fn text(&self) -> String {
        let Self { source, object, compiler, linker } = self;
        format!("{HEADER}\nsource {source}\nobject {object}\ncompiler {compiler}\nlinker {linker}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record = Record {
            source: "ab".into(),
            object: "cd".into(),
            compiler: "rustc 1.96.0 (ac68faa20 2026-05-25)".into(),
            linker: "bpf-linker 0.10.2".into(),
        };
        assert_eq!(Record::parse(&record.text()).unwrap(), record);
    }

    #[test]
    fn a_missing_line_is_named() {
        let error = Record::parse("source ab\n").unwrap_err();
        assert_eq!(error.to_string(), "no line `object …`");
    }
}
