//! Debian's compiler for the web, whose packages bring a prebuilt `core` for BPF.
//! Knows dpkg and the packages' names; not how the object is built.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::toolchain::{Toolchain, Way};
use crate::{apt, run};

const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "libstd-rust-web-dev", "libstd-rust-web-dev-bpf", "libllvm22"];

/// The installed toolchain, if all its parts are there.
pub(crate) fn find() -> Option<Toolchain> {
    PACKAGES.iter().try_for_each(|package| {
        let mut command = Command::new("dpkg-query");
        command.args(["--show", "--showformat=${db:Status-Status}", package]);
        (run::output(&mut command).ok()? == "installed").then_some(())
    })?;
    let rustc = file_of("rustc-web", |path| path.ends_with("bin/rustc"))?;
    let cargo = file_of("cargo-web", |path| path.ends_with("bin/cargo"))?;
    let library = file_of("libllvm22", |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libLLVM") && name.contains(".so")
    })?;
    file_of("libstd-rust-web-dev-bpf", |path| {
        let text = path.to_string_lossy();
        text.contains("/bpfel-unknown-none/lib/libcore-") && text.ends_with(".rlib")
    })?;
    let compiler = run::output(Command::new(&rustc).arg("--version")).ok()?;
    Some(Toolchain {
        way: Way::Debian,
        cargo,
        rustc,
        llvm: library.parent()?.to_owned(),
        core_source: None,
        compiler: compiler.trim().to_owned(),
    })
}

/// The installed toolchain; its packages are installed first when something is missing.
pub(crate) fn find_or_install() -> Result<Toolchain> {
    if let Some(toolchain) = find() {
        return Ok(toolchain);
    }
    eprintln!("installing Debian's packages {}", PACKAGES.join(" "));
    apt::install(&PACKAGES)?;
    find().context("Debian's packages are installed, but hold no compiler for BPF: use --with nightly")
}

/// Whether the packages can be installed here: apt offers them, or its lists are still to be fetched.
pub(crate) fn is_offered() -> bool {
    apt::offers("libstd-rust-web-dev-bpf")
        || (Path::new("/etc/debian_version").exists() && !run::succeeds(Command::new("rustup").arg("--version")))
}

fn file_of(package: &str, is_wanted: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let list = run::output(Command::new("dpkg").args(["-L", package])).ok()?;
    list.lines().map(PathBuf::from).find(|path| is_wanted(path) && path.is_file())
}
