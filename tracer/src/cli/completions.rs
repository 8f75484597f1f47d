//! `tracer completions` and `tracer man`: what shells and man(1) want to know of the command line.

use std::io::Write as _;

use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;

use super::exit::{DONE, Failure};
use crate::report::output::Output;

const EXAMPLES: &str = "\
Examples:
  tracer completions bash > ~/.local/share/bash-completion/completions/tracer
  tracer completions zsh > ~/.zfunc/_tracer      with `fpath+=~/.zfunc` before compinit in ~/.zshrc
  tracer completions fish > ~/.config/fish/completions/tracer.fish";

/// Print the completions of commands and options for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// Whose completions
    #[arg(value_enum)]
    shell: Shell,
}

const MAN_EXAMPLES: &str = "\
Examples:
  tracer man | man -l -                 read it
  tracer man trace > tracer-trace.1     the page of one command";

/// Print the man page of the tracer, or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManPage {
    /// One of the commands; without it the page of all
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub fn completions(arguments: &Completions, mut command: clap::Command) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "tracer", &mut script);
    print(script)
}

pub fn man(arguments: &ManPage, command: clap::Command) -> Result<u8, Failure> {
    let page = match &arguments.command {
        None => command.version(env!("CARGO_PKG_VERSION")),
        Some(name) => page_of(command, name)?,
    };
    let mut roff = Vec::new();
    Man::new(page)
        .render(&mut roff)
        .and_then(|()| roff.flush())
        .map_err(|error| Failure::new(format!("cannot write the man page: {error}")))?;
    print(roff)
}

/// The definition of one command; clap names it as man pages name it: `tracer-trace`.
fn page_of(mut command: clap::Command, name: &str) -> Result<clap::Command, Failure> {
    command.build();
    let found = command.find_subcommand(name).filter(|found| !found.is_hide_set());
    let Some(found) = found else {
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        return Err(Failure::usage(format!("there is no command {name:?}, only {}", names.join(", "))));
    };
    Ok(found.clone().version(env!("CARGO_PKG_VERSION")))
}

fn print(text: Vec<u8>) -> Result<u8, Failure> {
    let mut output = Output::new(std::io::stdout());
    output.line(|bytes| bytes.extend_from_slice(text.trim_ascii_end()))?;
    output.flush()?;
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_is_told_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut super::super::command(), "tracer", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in ["doctor", "list", "trace", "queues"] {
                assert!(script.contains(command), "{shell} {command}");
            }
            assert!(script.contains("max-overhead"), "{shell}");
        }
    }

    #[test]
    fn each_command_has_a_page_of_its_own() {
        for name in ["doctor", "list", "trace", "queues", "completions", "man"] {
            let page = page_of(super::super::command(), name).unwrap();
            assert_eq!(page.get_display_name().unwrap(), format!("tracer-{name}"));
            let mut roff = Vec::new();
            Man::new(page).render(&mut roff).unwrap();
            assert!(String::from_utf8(roff).unwrap().contains(".SH OPTIONS"));
        }
        assert_eq!(page_of(super::super::command(), "nothing").unwrap_err().code, 2);
    }
}
