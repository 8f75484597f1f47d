//! Runs the built tracer on one process, for people to read and for the demo to judge.
//! Knows the command line; not what the output means.

use std::{
    io::IsTerminal,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{interrupt, load::end_with_parent};
use crate::{run, workspace};

pub(super) struct Tracer {
    binary: PathBuf,
    pid: String,
}

impl Tracer {
    pub(super) fn of(pid: u32) -> Self {
        Self { binary: workspace::target().join("release/tracer"), pid: pid.to_string() }
    }

    /// Prints the question, and the command line as one would type it.
    pub(super) fn announce(&self, question: &str, arguments: &[&str]) {
        println!("\n{}\n$ {}", strong(question), self.typed(arguments));
    }

    fn typed(&self, arguments: &[&str]) -> String {
        let quoted = |word: &&str| if word.contains('*') { format!("'{word}'") } else { (*word).to_owned() };
        let mut words: Vec<String> = arguments.iter().map(quoted).collect();
        words.splice(1..1, ["-p".to_owned(), self.pid.clone()]);
        format!("tracer {}", words.join(" "))
    }

    /// Runs a command with its output shown, and beside it the same with `--json`, whose records are returned:
    /// both look at the same time.
    pub(super) fn show(&self, question: &str, arguments: &[&str]) -> Result<Vec<Value>> {
        self.announce(question, arguments);
        let mut for_judging = self.command(arguments);
        let for_judging = start(for_judging.arg("--json"))?;
        let shown = run::checked(&mut self.command(arguments));
        let records = finish(for_judging);
        interrupt::check()?;
        shown?;
        records
    }

    /// Runs a command line that asks for JSON, and returns its records.
    pub(super) fn records(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let records = finish(start(&mut self.command(arguments))?);
        interrupt::check()?;
        records
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["-p", &self.pid]);
        end_with_parent(&mut command);
        command
    }
}

fn start(command: &mut Command) -> Result<Child> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("cannot start `{}`", run::line(command)))
}

fn finish(child: Child) -> Result<Vec<Value>> {
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("the tracer failed ({}): {}", output.status, message.trim());
    }
    let text = String::from_utf8(output.stdout).context("the tracer wrote text that is not UTF-8")?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("the tracer wrote no JSON: {line}")))
        .collect()
}

/// The text in bold, where standard output is a terminal that may show it.
pub(super) fn strong(text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let tracer = Tracer { binary: PathBuf::new(), pid: "7".into() };
        assert_eq!(tracer.typed(&["trace", "audit_log::*", "-n", "5"]), "tracer trace -p 7 'audit_log::*' -n 5");
    }

    #[test]
    fn a_failure_carries_the_messages_of_the_program() {
        let failing = start(Command::new("sh").args(["-c", "echo no such probe >&2; exit 1"]));
        let error = finish(failing.unwrap()).unwrap_err().to_string();
        assert!(error.contains("no such probe") && error.contains("exit status: 1"), "{error}");
        let text = start(Command::new("echo").arg("text"));
        assert!(finish(text.unwrap()).is_err());
        let record = start(Command::new("echo").arg(r#"{"kind":"call"}"#));
        assert_eq!(finish(record.unwrap()).unwrap()[0]["kind"], "call");
    }
}
