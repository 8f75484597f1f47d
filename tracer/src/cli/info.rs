//! `tracer info`: everything about one actor.

use std::collections::HashMap;

use clap::Args;

use super::actor_system::{Opened, watch, with_system};
use super::exit::{DONE, Failure};
use super::options::{Limit, OutputOptions, TargetOptions};
use crate::actors::card::{self, GROUPS};
use crate::actors::look::{Actor, Look, label};
use crate::actors::waits;
use crate::kernel::session::monotonic_ns;
use crate::report::info;
use crate::report::output::Output;
use crate::target::process::Process;
use crate::target::socket;

const EXAMPLES: &str = "\
Examples:
  tracer info -p myapp 17                     the task with that number, as `tracer actors` shows it
  tracer info -p myapp audit_log::run         the only task of that function
  tracer info -p myapp TreeRegistration       the task with that mailbox
  tracer info -p myapp 17 --window 2s         with its mailbox's change and traffic, and how busy it was
  tracer info -p myapp audit_log::run waits   one group: meta, mailbox, senders, waits, waiters, holds, memory, state

`waits` has the chain of awaits down to what is waited for: the holder of a lock, the peer of a socket. `state` has \
the variables of the task's own function; those of a running task are as of its last suspension. A variable that was \
moved out of may still show.";

/// Tell all about one actor: its mailbox, what it waits for, who waits for it, its variables
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// The actor: a task's number, the end of its function's path, or the name of its mailbox
    #[arg(value_name = "ACTOR")]
    actor: String,
    /// Show only one group
    #[arg(value_name = "GROUP", value_parser = GROUPS)]
    group: Option<String>,
    /// Look twice, that far apart, and show its mailbox's change and traffic and how busy it was; 0 looks once
    #[arg(long, value_name = "DURATION", default_value = "0")]
    window: Limit,
    #[command(flatten)]
    output: OutputOptions,
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    let process = Process::find(&arguments.target.process)?;
    with_system(&process, |opened| tell(arguments, opened))
}

fn tell(arguments: &Arguments, opened: &mut Opened<'_, '_>) -> Result<u8, Failure> {
    let (start, look, busy) = match arguments.window.0 {
        Some(length) => {
            let mut watched = watch(opened, length, 2, |_, _| {})?;
            let look = watched.looks.pop().unwrap_or_default();
            (watched.looks.pop(), look, watched.busy)
        }
        None => (None, opened.look(), HashMap::new()),
    };
    let index = find(&look, &arguments.actor, opened.process)?;
    let graph = waits::graph(&look);
    let Some(system) = &opened.system else { return Ok(DONE) };
    let describe = |descriptor: u32| socket::describe(opened.process, descriptor);
    let mut groups = system.card(&look, &graph, index, monotonic_ns(), &describe);
    if let (Some(start), Some(actor)) = (&start, look.actors.get(index)) {
        let busy = busy.get(&actor.task.id).copied().unwrap_or(0.0);
        card::add_window(&mut groups, actor, start, &look, busy);
    }
    if let Some(wanted) = &arguments.group {
        groups.retain(|group| group.name == wanted);
    }
    opened.process.checked(())?;
    let task = look.actors.get(index).map_or(0, |actor| actor.task.id);
    let text = match arguments.output.json {
        true => info::json(&groups, opened.process.pid(), task),
        false => info::text(&groups, arguments.output.palette()),
    };
    let mut output = Output::new(std::io::stdout());
    output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()))?;
    output.flush()?;
    Ok(DONE)
}

/// The actor that is meant: by number, by mailbox, or by the end of its path.
pub(super) fn find(look: &Look, wanted: &str, process: &Process) -> Result<usize, Failure> {
    let is_path =
        |actor: &Actor| actor.name.strip_suffix(wanted).is_some_and(|front| front.is_empty() || front.ends_with("::"));
    let by_number = |actor: &Actor| wanted.parse() == Ok(actor.task.id);
    let by_label = |actor: &Actor| label(actor, look) == wanted;
    for fits in [&by_number as &dyn Fn(&Actor) -> bool, &by_label, &is_path] {
        let found: Vec<usize> = (0..).zip(&look.actors).filter(|(_, actor)| fits(actor)).map(|(at, _)| at).collect();
        match found.as_slice() {
            [] => {}
            [only] => return Ok(*only),
            several => return Err(ambiguous(look, wanted, several)),
        }
    }
    Err(Failure::new(format!(
        "no task of {} ({}) is called {wanted}: `tracer actors -p {}` lists them",
        process.comm(),
        process.pid(),
        process.pid()
    )))
}

fn ambiguous(look: &Look, wanted: &str, several: &[usize]) -> Failure {
    /// Enough to choose from.
    const SHOWN_MAX: usize = 20;
    let actors = several.iter().take(SHOWN_MAX).filter_map(|index| look.actors.get(*index));
    let numbers: Vec<String> = actors.map(|actor| actor.task.id.to_string()).collect();
    let more = if several.len() > SHOWN_MAX { ", …" } else { "" };
    Failure::new(format!(
        "{} tasks are called {wanted}: name one by its number, {}{more}",
        several.len(),
        numbers.join(", ")
    ))
}
