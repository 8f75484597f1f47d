//! `tracer actors`: the tokio tasks of a process and its other threads, read from its memory.

use clap::{Args, ValueEnum};

use super::actor_system::{Opened, watch, with_system};
use super::exit::{DONE, Failure};
use super::options::{Limit, OutputOptions, TargetOptions};
use super::say::say;
use super::session;
use crate::actors::row::{Row, Window, rows};
use crate::kernel::session::monotonic_ns;
use crate::report::actors::{self, ActorOrder, ActorsSummary};
use crate::report::moment::Moment;
use crate::report::output::Output;
use crate::target::process::Process;

/// Lines without `--top`.
const TOP: usize = 60;

const EXAMPLES: &str = "\
Examples:
  tracer actors -p myapp                        what each task does, waits for, and has in its mailbox
  tracer actors -p myapp --window 2s            with messages per second, change, and how busy each was
  tracer actors -p myapp --sort busy --top 10   the ten that ran most
  tracer actors -p myapp --filter audit_log     those with that text in their name
  tracer actors -p myapp --alias run=AuditLog   under another name
  tracer actors -p myapp --json | jq -c '[.name, .state, .awaits, .mailbox.length]'

Nothing is attached and nothing is stopped: tasks, channels and timers are read from the process's memory, at places \
that its debug information tells. AWAITS is what a task waits for, WHERE the line of its `.await`; a running task \
shows where it waited last. MAILBOX is the channel that it receives from: messages in it, and room. Threads that run \
no tasks follow, with the system call that they are in. A process without tokio shows its threads.";

/// List the actors: tokio tasks, what each waits for and where, its mailbox
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// Look twice, that far apart, and show what changed; 0 looks once
    #[arg(long, value_name = "DURATION", default_value = "0")]
    window: Limit,
    /// Show only the first N actors; 0 shows all [default: 60, with --json all]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Mailbox, value_name = "KEY")]
    sort: Sort,
    /// Show only actors with that text in their name or their mailbox's
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Show actors whose name ends with NAME under another one; may be given several times
    #[arg(long = "alias", value_name = "NAME=ALIAS", value_parser = alias)]
    aliases: Vec<(String, String)>,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    /// The longest mailbox first
    Mailbox,
    /// The fastest growing mailbox first
    Change,
    /// The most messages in and out first
    Rate,
    /// The busiest first
    Busy,
    /// The largest first
    Memory,
    /// By name
    Name,
    /// By number: the oldest task first
    Id,
}

impl From<Sort> for ActorOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Mailbox => Self::Mailbox,
            Sort::Change => Self::Change,
            Sort::Rate => Self::Rate,
            Sort::Busy => Self::Busy,
            Sort::Memory => Self::Memory,
            Sort::Name => Self::Name,
            Sort::Id => Self::Id,
        }
    }
}

fn alias(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, alias)) if !name.is_empty() && !alias.is_empty() => Ok((name.to_owned(), alias.to_owned())),
        _ => Err("write an alias as NAME=ALIAS".to_owned()),
    }
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    if arguments.window.0.is_none() && matches!(arguments.sort, Sort::Change | Sort::Rate | Sort::Busy) {
        return Err(Failure::usage("that order needs a window: add --window 2s"));
    }
    let process = Process::find(&arguments.target.process)?;
    with_system(&process, |opened| show(arguments, opened))
}

fn show(arguments: &Arguments, opened: &mut Opened<'_, '_>) -> Result<u8, Failure> {
    if let Some(system) = &opened.system {
        for note in &system.program.notes {
            say(format_args!("{note}"));
        }
    }
    let (look, window, length) = match arguments.window.0 {
        Some(length) => {
            let mut watched = watch(opened, length, 2, |_, _| {})?;
            let look = watched.looks.pop().unwrap_or_default();
            let window = Window { start: watched.looks.pop(), busy: watched.busy };
            (look, window, Some(watched.length))
        }
        None => (opened.look(), Window::default(), None),
    };
    let time_ns = monotonic_ns();
    let mut rows = rows(&look, &window, &opened.threads()?, time_ns);
    rename(&mut rows, &arguments.aliases);
    if let Some(filter) = &arguments.filter {
        let has = |name: &str| name.contains(filter.as_str());
        let mailbox = |row: &Row| row.mailbox.as_ref().and_then(|mailbox| mailbox.name.clone());
        rows.retain(|row| has(&row.name) || mailbox(row).is_some_and(|name| has(&name)));
    }
    ActorOrder::from(arguments.sort).sort(&mut rows);
    let summary = ActorsSummary {
        scanned_bytes: opened.scan.bytes,
        is_cut: opened.scan.is_cut,
        has_runtime: opened.system.is_some(),
        window: length,
    };
    opened.process.checked(())?;
    print(arguments, &rows, &summary, opened.process.pid(), time_ns)?;
    Ok(DONE)
}

fn rename(rows: &mut [Row], aliases: &[(String, String)]) {
    for row in rows {
        let fits = |name: &str| {
            row.name.strip_suffix(name).is_some_and(|front| front.is_empty() || front.ends_with("::"))
                || row.id.to_string() == name
        };
        if let Some((_, alias)) = aliases.iter().find(|(name, _)| fits(name)) {
            row.name = alias.clone();
        }
    }
}

fn print(arguments: &Arguments, rows: &[Row], summary: &ActorsSummary, pid: u32, time_ns: u64) -> Result<(), Failure> {
    let mut output = Output::new(std::io::stdout());
    let top = match arguments.top {
        Some(0) => None,
        Some(top) => Some(top),
        None if arguments.output.json => None,
        None => Some(TOP),
    };
    if arguments.output.json {
        let mut moment = Moment::new(session::clock());
        for row in rows.iter().take(top.unwrap_or(usize::MAX)) {
            let line = actors::json(row, pid, time_ns, summary.window, &mut moment);
            output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))?;
        }
    } else {
        let text = actors::text(rows, top, summary, arguments.output.palette());
        output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()))?;
    }
    Ok(output.flush()?)
}
