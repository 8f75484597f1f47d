//! Checks that `cargo install --path tracer` gives one self-contained binary with the committed BPF object.
//! Knows how a user installs the tracer; nothing of what it does.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{ebpf, run, workspace};

/// Enough of a digest to tell two objects apart.
const DIGITS: usize = 12;

/// Installs into a folder of its own, and asks the binary there which BPF object it has.
pub(super) fn check() -> Result<()> {
    let root = workspace::target().join("installed");
    let mut install = Command::new(workspace::cargo());
    install
        .current_dir(workspace::root())
        .args(["install", "--locked", "--force", "--no-track", "--path", "tracer", "--root"])
        .arg(&root)
        .env_remove("TRACER_BPF_OBJECT");
    run::checked(&mut install)?;
    // Away from the workspace, so that nothing of it can be found by accident.
    let mut ask = Command::new(root.join("bin/tracer"));
    let version = run::output(ask.arg("--version").current_dir("/").env_clear())?;
    let digest = ebpf::committed_source_digest()?;
    let expected = digest.get(..DIGITS).context("the record of the BPF object has no digest")?;
    if !version.contains(expected) {
        bail!("the installed tracer does not name the BPF object of source {expected}: {}", version.trim());
    }
    println!("{}", version.trim());
    Ok(())
}
