//! `tracer why`: who waits for whom, and what keeps the actor system from going on.

use std::time::Duration;

use clap::Args;

use super::actor_system::{Opened, watch, with_system};
use super::exit::{DONE, Failure};
use super::options::{self, OutputOptions, TargetOptions};
use super::say::say;
use crate::actors::verdict::{Watched, verdict};
use crate::kernel::session::monotonic_ns;
use crate::report::output::Output;
use crate::report::why::{self, WhySummary};
use crate::target::process::Process;

/// Looks at one window: enough to tell what lasts from what passes.
const LOOKS: u32 = 6;

const EXAMPLES: &str = "\
Examples:
  tracer why -p myapp                       the bottleneck and its cause, deadlocks, blocked workers, in words
  tracer why -p myapp --window 10s          over a longer time
  tracer why -p myapp --dot | dot -Tsvg     the graph of who waits for whom
  tracer why -p myapp --json | jq -r 'select(.kind==\"finding\") | .text'

Nothing is attached and nothing is stopped. The process's tasks are looked at six times within the window; what is \
told held every time. A task that waits for a reply is led to whoever holds the request: in a mailbox, or in another \
task. If that one has it in a register or on its stack, the mailbox that the caller sent to tells who it is, and the \
text says so.";

/// Say what the actors wait for: the bottleneck, deadlocks, blocked workers, locks held across an await
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// How long to watch
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = options::interval)]
    window: Duration,
    /// Print the graph of who waits for whom, for Graphviz
    #[arg(long, conflicts_with = "json")]
    dot: bool,
    #[command(flatten)]
    output: OutputOptions,
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    let process = Process::find(&arguments.target.process)?;
    with_system(&process, |opened| judge(arguments, opened))
}

fn judge(arguments: &Arguments, opened: &mut Opened<'_, '_>) -> Result<u8, Failure> {
    let Some(system) = &opened.system else {
        return Err(Failure::new(format!(
            "{} ({}) runs no tokio: there are no tasks that wait for each other; `tracer actors` lists its threads",
            opened.process.comm(),
            opened.process.pid()
        )));
    };
    for note in &system.program.notes {
        say(format_args!("{note}"));
    }
    let watched = watch(opened, arguments.window, LOOKS)?;
    let verdict = verdict(&Watched {
        looks: &watched.looks,
        window: watched.length,
        busy: &watched.busy,
        now_ns: monotonic_ns(),
    });
    let Some(last) = watched.looks.last() else { return Ok(DONE) };
    let summary = WhySummary {
        pid: opened.process.pid(),
        window: watched.length,
        looks: watched.looks.len(),
        samples: watched.samples,
    };
    let mut output = Output::new(std::io::stdout());
    let mut line = |text: &str| output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()));
    if arguments.output.json {
        for text in why::json(&verdict, last, &summary) {
            line(&text)?;
        }
    } else if arguments.dot {
        line(&why::dot(&verdict, last))?;
    } else {
        line(&why::text(&verdict, last, &summary, arguments.output.palette()))?;
    }
    output.flush()?;
    Ok(DONE)
}
