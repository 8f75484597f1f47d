//! rustup's nightly compiler with the source of `core`.
//! Knows rustup; not how the object is built.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::toolchain::{Toolchain, Way};
use crate::run;

/// Fixed, as a newer one may carry an LLVM that bpf-linker 0.10 cannot load (it wants 22).
const NIGHTLY: &str = "nightly-2026-05-20";
const LLVM: &str = "LLVM version: 22.";

/// An installed nightly with rust-src and a fitting LLVM: the fixed one, or the newest.
pub(crate) fn find() -> Option<Toolchain> {
    [NIGHTLY, "nightly"].into_iter().find_map(inspect)
}

/// As `find`; the fixed nightly is installed first when there is none.
pub(crate) fn find_or_install() -> Result<Toolchain> {
    if let Some(toolchain) = find() {
        return Ok(toolchain);
    }
    eprintln!("installing the toolchain {NIGHTLY} with rust-src through rustup");
    run::checked(Command::new("rustup").args([
        "toolchain",
        "install",
        NIGHTLY,
        "--profile",
        "minimal",
        "--component",
        "rust-src",
    ]))?;
    find().with_context(|| format!("{NIGHTLY} is installed, but has no rust-src or not LLVM 22"))
}

fn inspect(name: &str) -> Option<Toolchain> {
    let rustc = |argument: &str, value: &str| {
        let mut command = Command::new("rustup");
        // rustup would rather keep the toolchain of the cargo that runs this program.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
        run::output(command.args(["run", name, "rustc", argument, value]))
    };
    let version = rustc("--version", "--verbose").ok()?;
    let sysroot = PathBuf::from(rustc("--print", "sysroot").ok()?.trim());
    let source = sysroot.join("lib/rustlib/src/rust");
    if !source.join("library/core/Cargo.toml").exists() || !version.contains(LLVM) {
        return None;
    }
    Some(Toolchain {
        way: Way::Nightly,
        cargo: sysroot.join("bin/cargo"),
        rustc: sysroot.join("bin/rustc"),
        llvm: sysroot.join("lib"),
        core_source: Some(source),
        compiler: version.lines().next()?.to_owned(),
    })
}
