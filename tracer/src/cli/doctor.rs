//! `tracer doctor`: what this kernel, this user and this target allow, and what to do about the rest.

mod host;
mod program;

use clap::Args;

use super::exit::{DONE, FAILED, Failure};
use super::options::OutputOptions;
use crate::report::doctor::Diagnosis;
use crate::report::output::Output;

const EXAMPLES: &str = "\
Examples:
  tracer doctor             what this kernel and this user allow
  tracer doctor -p myapp    and how much of that program can be seen
  tracer doctor --json | jq 'select(.state == \"missing\")'

Each line is `ok`, `limited` (something costs more or is not shown), `missing` (nothing can be traced before it is \
solved) or `unknown`. Nothing is attached to the program. Exit code: 0 ready, 1 something is missing.";

/// Say what can be traced here, what cannot, and what to do about it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The process to look at as well: its pid, or its name if only one process has it
    #[arg(short, long = "pid", value_name = "PID|NAME")]
    process: Option<String>,
    #[command(flatten)]
    output: OutputOptions,
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let mut checks = host::checks();
    if let Some(name) = &arguments.process {
        checks.extend(program::checks(name)?);
    }
    let diagnosis = Diagnosis { checks };
    let text = if arguments.output.json { diagnosis.json() } else { diagnosis.text(arguments.output.palette()) };
    let mut output = Output::new(std::io::stdout());
    output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()))?;
    output.flush()?;
    Ok(if diagnosis.is_ready() { DONE } else { FAILED })
}
