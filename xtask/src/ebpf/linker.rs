//! bpf-linker, kept in a private folder under target/.
//! Knows where it comes from; not what it links.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{run, workspace};

const NAME: &str = "bpf-linker";
/// The last series that loads the compiler's own LLVM; 0.11 wants one of the system.
const VERSION: &str = "0.10.2";
pub(crate) const NAME_AND_VERSION: &str = "bpf-linker 0.10.2";

/// The path of the linker, which is installed first when it is missing or of another version.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    let root = workspace::target().join("ebpf/tools");
    let binary = root.join("bin").join(NAME);
    if is_right(&binary) {
        return Ok(binary);
    }
    eprintln!("installing {NAME_AND_VERSION} into {}, which takes a minute or two", root.display());
    let mut command = Command::new(workspace::cargo());
    command
        .args(["install", NAME, "--version", VERSION, "--locked", "--root"])
        .arg(&root)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    run::checked(&mut command)?;
    is_right(&binary)
        .then_some(binary)
        .with_context(|| format!("{NAME} was installed, but does not say that it is {VERSION}"))
}

fn is_right(binary: &PathBuf) -> bool {
    run::output(Command::new(binary).arg("--version")).is_ok_and(|text| text.trim() == NAME_AND_VERSION)
}
