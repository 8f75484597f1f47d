//! `tracer why`: who waits for whom, and what keeps the actor system from going on.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;

use super::actor_system::{Opened, watch, with_system};
use super::exit::{DONE, Failure};
use super::options::{self, OutputOptions, TargetOptions};
use super::say::say;
use super::stacks::Stacks;
use crate::actors::age::Ages;
use crate::actors::execution::{Executing, Executions};
use crate::actors::verdict::{Watched, verdict};
use crate::kernel::session::monotonic_ns;
use crate::report::output::Output;
use crate::report::why::{self, WhySummary};
use crate::target::files::Files;
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
told held every time. The functions that busy tasks are in come from samples of their threads' stacks, 100 in a \
second. A task that waits for a reply is led to whoever holds the request: in a mailbox, or in another \
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
    let (files, process) = (Files::new(), opened.process);
    let mut stacks = stacks(opened, &files, arguments.window)?;
    let mut ages = Ages::default();
    let watched = watch(opened, arguments.window, LOOKS, |opened, look| {
        opened.waiting_levels(look).iter().for_each(|(key, level)| ages.observe(*key, level, monotonic_ns()));
        if let Some(stacks) = &mut stacks {
            stacks.collect();
        }
    })?;
    let now_ns = monotonic_ns();
    let executing = executing(opened, stacks, &watched);
    let verdict = verdict(&Watched {
        looks: &watched.looks,
        window: watched.length,
        busy: &watched.busy,
        executing: &executing,
        ages: &ages,
        now_ns,
    });
    let Some(last) = watched.looks.last() else { return Ok(DONE) };
    let summary =
        WhySummary { pid: process.pid(), window: watched.length, looks: watched.looks.len(), samples: watched.samples };
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

/// Begins to sample the stacks of the threads that run tasks. Where the user may not, the verdict does without.
fn stacks<'data>(
    opened: &Opened<'data, '_>,
    files: &'data Files,
    window: Duration,
) -> Result<Option<Stacks<'data>>, Failure> {
    let threads = opened.threads()?;
    let workers: Vec<u32> =
        threads.iter().filter(|thread| thread.is_worker()).map(|thread| thread.thread.tid).collect();
    match Stacks::start(opened.process, files, &workers, window) {
        Ok(stacks) => Ok(Some(stacks)),
        Err(error) => {
            say(format_args!("the functions that busy tasks are in are not told: {error}"));
            Ok(None)
        }
    }
}

/// What the tasks that ran executed, by task id.
fn executing(
    opened: &Opened<'_, '_>,
    mut stacks: Option<Stacks<'_>>,
    watched: &super::actor_system::Watch,
) -> HashMap<u64, Executing> {
    let (Some(system), Some(stacks), Some(last)) = (&opened.system, &mut stacks, watched.looks.last()) else {
        return HashMap::new();
    };
    let mut executions = Executions::default();
    stacks.unwind(|_, _, stack| executions.add(system.program, &stack));
    let ran = watched.busy.iter().filter(|(_, busy)| **busy > 0.0).map(|(id, _)| *id).collect();
    executions.by_task(system.program, last, &ran)
}
