//! The programs that tests use beside Rust and a C linker: oracles and targets that nobody here wrote.
//! Knows their Debian packages; not what the tests do with them.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::apt;

/// Each program, and the package that brings it.
const TOOLS: [(&str, &str); 5] =
    [("cc", "gcc"), ("c++", "g++"), ("readelf", "binutils"), ("gdb", "gdb"), ("postgres", "postgresql")];

/// Debian keeps the server outside PATH, in a folder for each version.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// Installs what is missing, after saying so.
pub(super) fn install_missing() -> Result<()> {
    let missing: Vec<_> = TOOLS.iter().filter(|(program, _)| find(program).is_none()).collect();
    if missing.is_empty() {
        println!("all there: {}", TOOLS.map(|(program, _)| program).join(", "));
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    println!("installing the packages {}, which the tests use", packages.join(", "));
    apt::install(&packages)
        .with_context(|| format!("install {} by hand, or leave the tests that use them", packages.join(", ")))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = Path::new(POSTGRES_VERSIONS).read_dir().into_iter().flatten().flatten();
    env::split_paths(&path)
        .chain(versions.map(|version| version.path().join("bin")))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_only_where_they_are() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-here").is_none());
    }
}
