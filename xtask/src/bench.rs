//! `cargo xtask bench`: builds the bench of the tracer and runs it. What is measured, and how, is the bench's own.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{run, workspace};

/// What `cargo xtask bench` is asked to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these: hits, values, rate, many, big, overload, bpftrace, actors
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !run::is_root() {
        bail!("the bench attaches probes, which takes root: run `sudo -E env PATH=\"$PATH\" cargo xtask bench`");
    }
    let mut command = Command::new(workspace::cargo());
    command.current_dir(workspace::root());
    // With its debug information the bench is itself the large binary that it measures.
    command.args(["bench", "--locked", "--package", "tracer", "--bench", "engine"]);
    command.args(["--config", "profile.bench.package.tracer.strip=\"none\"", "--"]);
    command.args(&arguments.topics);
    run::checked(&mut command)
}
