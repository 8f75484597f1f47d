//! Runs the built tracer on one process, for people to read or for the demo to judge.
//! Knows the command line; not what the output means.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};
use serde_json::Value;

use super::load::end_with_parent;
use crate::{run, workspace};

pub(super) struct Tracer {
    binary: PathBuf,
    pid: String,
}

impl Tracer {
    pub(super) fn of(pid: u32) -> Self {
        Self { binary: workspace::target().join("release/tracer"), pid: pid.to_string() }
    }

    /// Prints the command line as one would type it, and what it is for.
    pub(super) fn announce(&self, purpose: &str, arguments: &[&str]) {
        let quoted =
            arguments.iter().map(|word| if word.contains('*') { format!("'{word}'") } else { (*word).to_owned() });
        let words: Vec<_> = quoted.collect();
        let (command, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let line =
            [&["tracer", command, "-p", &self.pid][..], &rest.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        println!("\n# {purpose}\n$ {}", line.join(" "));
    }

    /// Runs a command with its output shown.
    pub(super) fn show(&self, purpose: &str, arguments: &[&str]) -> Result<()> {
        self.announce(purpose, arguments);
        run::checked(&mut self.command(arguments))
    }

    /// Runs a command with `--json` and returns its records.
    pub(super) fn json(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let mut command = self.command(arguments);
        let text = run::output(command.arg("--json"))?;
        text.lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("the tracer wrote no JSON: {line}")))
            .collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["-p", &self.pid]);
        end_with_parent(&mut command);
        command
    }
}
