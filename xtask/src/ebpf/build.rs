//! Compiles the BPF programs with a chosen toolchain, so that every machine gets the same bytes.
//! Knows the flags; not where the toolchain came from or where the object goes.

use std::{env, ffi::OsString, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::{
    linker,
    toolchain::{Toolchain, Way},
};
use crate::{run, workspace};

const TARGET: &str = "bpfel-unknown-none";

/// Compiler flags that change the object, on every machine the same.
pub(crate) const FLAGS: [&str; 4] =
    ["-Clinker=bpf-linker", "-Cdebuginfo=2", "-Clink-arg=--btf", "--cfg=bpf_target_arch=\"x86_64\""];

/// Builds the object and returns its path.
pub(crate) fn object(toolchain: &Toolchain) -> Result<PathBuf> {
    let linker = linker::find_or_install()?;
    let target = workspace::target().join("ebpf").join(match toolchain.way {
        Way::Nightly => "nightly",
        Way::Debian => "debian",
    });

    // The sources must be unpacked before their folders can be listed for remapping.
    let mut fetch = cargo(toolchain);
    fetch.args(["fetch", "--quiet", "--locked", "--target", TARGET]);
    run::checked(&mut fetch)?;

    let mut build = cargo(toolchain);
    build
        .args(["build", "--quiet", "--locked", "--package", "tracer-ebpf"])
        .args(["--bin", "tracer-ebpf", "--target", TARGET])
        .args(["--profile", "bpf", "--target-dir"])
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", encoded_flags(toolchain)?)
        .env("PATH", path_with(&linker)?)
        // bpf-linker loads the compiler's own LLVM from here.
        .env("LD_LIBRARY_PATH", &toolchain.llvm);
    if toolchain.way == Way::Nightly {
        build.arg("-Zbuild-std=core");
    }
    run::checked(&mut build)?;
    Ok(target.join(TARGET).join("bpf/tracer-ebpf"))
}

fn cargo(toolchain: &Toolchain) -> Command {
    let mut command = Command::new(&toolchain.cargo);
    command
        .current_dir(workspace::root())
        .env("RUSTC", &toolchain.rustc)
        // aya-ebpf uses features that a stable compiler only allows this way.
        .env("RUSTC_BOOTSTRAP", "1");
    for variable in ["RUSTFLAGS", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        command.env_remove(variable);
    }
    command
}

/// Flags separated as cargo wants them, so that a folder's name may hold spaces.
fn encoded_flags(toolchain: &Toolchain) -> Result<OsString> {
    let mut flags = FLAGS.join("\x1f");
    let sources = workspace::cargo_home()?.join("registry/src");
    let mut remap = vec![(workspace::root().to_owned(), ".")];
    remap.extend(toolchain.core_source.clone().map(|source| (source, "/rust")));
    if sources.is_dir() {
        let cannot_read = || format!("cannot read {}", sources.display());
        for entry in fs::read_dir(&sources).with_context(cannot_read)? {
            remap.push((entry.with_context(cannot_read)?.path(), "/dependencies"));
        }
    }
    for (from, to) in remap {
        let from =
            from.to_str().with_context(|| format!("the folder {} has a name that is not UTF-8", from.display()))?;
        flags.push_str(&format!("\x1f--remap-path-prefix={from}={to}"));
    }
    Ok(OsString::from(flags))
}

fn path_with(linker: &std::path::Path) -> Result<OsString> {
    let folders = linker.parent().map(PathBuf::from).into_iter();
    let inherited = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folders.chain(env::split_paths(&inherited)))
        .context("PATH cannot be extended by the linker's folder")
}
