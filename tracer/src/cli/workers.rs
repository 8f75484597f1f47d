//! `tracer workers`: how the threads of a tokio program spend their time, and which polls keep them for too long.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::actor_system::{Opened, with_system};
use super::exit::{DONE, Failure};
use super::interrupt::Interrupt;
use super::options::{self, Limit, OutputOptions, SafetyOptions, TargetOptions};
use super::say::say;
use super::session::{self, Limits};
use super::target::{attach_mode, images, link_filter, namespace};
use super::workers_watch::{PollSink, Watcher};
use crate::kernel::feature::Features;
use crate::kernel::session::{Session, SessionRequest};
use crate::plan::function::{FunctionOptions, Returns};
use crate::plan::inlined::InlinedCopies;
use crate::plan::probe::Probe;
use crate::plan::request::{self, Planned, TraceRequest};
use crate::report::summary::StopReason;
use crate::report::workers::WorkerOrder;
use crate::target::files::Files;
use crate::target::image::Image;
use crate::target::process::Process;
use crate::value::Limits as ValueLimits;
use crate::value::redaction::Redaction;

/// Room for records that wait to be read.
const RING_BYTES: u32 = 4 << 20;
/// Bytes of values in one record: a poll brings one pointer.
const RECORD_BYTES_MAX: u32 = 256;
/// A copy of `raw::poll` of so few bytes only jumps to the function that polls.
const JUMP_BYTES_MAX: u64 = 16;

const EXAMPLES: &str = "\
Examples:
  tracer workers -p myapp                        each thread over 2 seconds, and the polls that took 10 ms and more
  tracer workers -p myapp --long 1ms             polls of a millisecond and more
  tracer workers -p myapp --window 1s --for 1m   a table each second, for a minute
  tracer workers -p myapp --source memory        without a probe
  tracer workers -p myapp --json | jq -c 'select(.kind==\"long-poll\") | [.name, .duration_ns]'

IN POLLS is the share of the window that the thread spent in tasks, CPU what it ran, NO CPU what it was ready and \
without one, PARKED what it slept outside of tasks, BLOCKED what it slept within them. With probes polls are counted \
and measured by the functions that poll tasks; without them (--source memory, or when the probes cost more than \
--max-overhead) each thread is looked at 50 times in a second. The functions that long polls are in come from samples \
of the threads' stacks. STEALS are counted by tokio only when it is built with tokio_unstable.";

/// Show how the threads of a tokio program spend their time, and the polls that block them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// Length of one window, as 500ms, 2s or 1m
    #[arg(long, visible_alias = "interval", value_name = "DURATION", default_value = "2s", value_parser = options::interval)]
    pub(super) window: Duration,
    /// How long to go on, window after window; 0 is without end [default: one window]
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<Limit>,
    /// Tell polls that take so long or longer
    #[arg(long, value_name = "DURATION", default_value = "10ms", value_parser = options::interval)]
    pub(super) long: Duration,
    /// Show only the first N threads and the N longest polls; 0 shows all [default: 20, with --json all]
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Busy, value_name = "KEY")]
    sort: Sort,
    /// How polls are seen
    #[arg(long, value_enum, default_value_t = Source::Auto, value_name = "SOURCE")]
    source: Source,
    #[command(flatten)]
    safety: SafetyOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Source {
    /// By probes, if this user may and they do not cost too much; else by memory
    Auto,
    /// By probes: exact
    Probes,
    /// By looking at each thread 50 times in a second: nothing is attached
    Memory,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    /// The longest time in polls first
    Busy,
    /// The most time on a CPU first
    Cpu,
    /// The longest poll first
    Longest,
    /// The most polls first
    Polls,
    /// By role and number
    Role,
}

impl Arguments {
    pub(super) fn order(&self) -> WorkerOrder {
        match self.sort {
            Sort::Busy => WorkerOrder::Busy,
            Sort::Cpu => WorkerOrder::Cpu,
            Sort::Longest => WorkerOrder::Longest,
            Sort::Polls => WorkerOrder::Polls,
            Sort::Role => WorkerOrder::Role,
        }
    }

    /// Nobody asked for more than one.
    pub(super) fn has_one_window(&self) -> bool {
        self.duration.is_none()
    }

    /// How long all windows are together; `None`: without end.
    pub(super) fn total(&self) -> Option<Duration> {
        self.duration.map_or(Some(self.window), |limit| limit.0)
    }
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    let process = Process::find(&arguments.target.process)?;
    with_system(&process, |opened| watch(arguments, &process, opened))
}

fn watch(arguments: &Arguments, process: &Process, opened: &mut Opened<'_, '_>) -> Result<u8, Failure> {
    let Some(system) = &opened.system else {
        return Err(Failure::new(format!(
            "{} ({}) runs no tokio: it has no workers; `tracer actors` lists its threads",
            process.comm(),
            process.pid()
        )));
    };
    for note in &system.program.notes {
        say(format_args!("{note}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the event loop: {error}")))?;
    let files = Files::new();
    let planned = match arguments.source {
        Source::Memory => None,
        Source::Auto | Source::Probes => plan(process, &files)?,
    };
    if planned.is_none() && arguments.source == Source::Probes {
        return Err(Failure::new("no function that polls tasks can be probed: leave out --source probes"));
    }
    runtime.block_on(watch_all(arguments, process, opened, &files, planned))
}

/// Probes on the functions that poll tasks: for each kind of task the one that its table names, or the one that this
/// one jumps to.
fn plan(process: &Process, files: &Files) -> Result<Option<Planned>, Failure> {
    let images = images(process, files, |_| false)?;
    let probes: Vec<Probe> = images.iter().flat_map(polls).collect();
    let trace = TraceRequest {
        probes: &probes,
        closures: false,
        options: FunctionOptions {
            returns: Returns::Auto,
            inlined: InlinedCopies::Off,
            limits: ValueLimits::default(),
            patches_nops: Features::probe().patches_nops,
        },
        redaction: Redaction::default(),
    };
    if probes.is_empty() {
        return Ok(None);
    }
    Ok(request::plan(&images, &trace).ok())
}

fn polls(image: &Image<'_>) -> Vec<Probe> {
    let is_poll = |path: &str, size_bytes: u64| {
        path == "tokio::runtime::task::raw::poll" && size_bytes > JUMP_BYTES_MAX
            || path.contains("tokio::runtime::task::harness::Harness<") && path.ends_with(">::poll")
    };
    let symbols = image.symbols().mentioning("poll");
    let polls = symbols.iter().filter(|(symbol, name)| is_poll(&name.path, symbol.size_bytes));
    polls.filter_map(|(symbol, _)| Probe::parse(&format!("{:#x}", symbol.address.0)).ok()).collect()
}

async fn watch_all(
    arguments: &Arguments,
    process: &Process,
    opened: &mut Opened<'_, '_>,
    files: &Files,
    planned: Option<Planned>,
) -> Result<u8, Failure> {
    let mut interrupt = Interrupt::new()?;
    let watcher = Watcher::new(arguments, opened, process, files)?;
    let session = match &planned {
        Some(planned) => arm(arguments, process, planned)?,
        None => None,
    };
    let Some((planned, mut session)) = planned.zip(session) else { return watcher.sample_all(&mut interrupt).await };
    let limits = Limits {
        calls_max: 0,
        rate_max: 0,
        duration: arguments.total(),
        max_overhead: arguments.safety.max_overhead(),
    };
    let mut sink = PollSink::new(watcher, planned.descriptions)?;
    let reason = session::run(&mut session, process, &limits, &mut interrupt, &mut sink).await?;
    let (mut watcher, losses) = sink.finish(&session::losses(&session))?;
    if let StopReason::Overload { max_overhead } = reason {
        let percent = max_overhead * 100.0;
        if arguments.source == Source::Probes {
            say(format_args!("the probes cost more than --max-overhead {percent}: ended"));
            watcher.finish()?;
            return Ok(OVERLOADED);
        }
        say(format_args!(
            "polls come too fast for probes at --max-overhead {percent}: they are detached, and samples go on"
        ));
        let left = arguments.total().map(|total| total.saturating_sub(watcher.elapsed()));
        watcher.sample_for(left, &mut interrupt).await?;
    }
    watcher.finish()?;
    if losses.any() {
        say(format_args!("{} records were lost: polls are missing", losses.total()));
    }
    Ok(if losses.any() { LOST } else { DONE })
}

/// Done, but events were lost.
const LOST: u8 = 3;
/// Ended by a safety guard.
const OVERLOADED: u8 = 4;

/// Attaches the probes; `None` where `--source auto` does without.
fn arm(arguments: &Arguments, process: &Process, planned: &Planned) -> Result<Option<Session>, Failure> {
    let features = Features::probe();
    let attached = attach_mode(arguments.safety.attach, &features).and_then(|mode| {
        let request = SessionRequest {
            mode,
            process_id: link_filter(process, mode, &features),
            namespace: namespace(process),
            calls_max: 0,
            rate_max: 0,
            duration: arguments.total(),
            ring_bytes: RING_BYTES,
            stack_bytes: 0,
            record_bytes_max: RECORD_BYTES_MAX,
            fault_in: false,
            diagnostics: arguments.output.verbose,
        };
        session::arm(&planned.attach, &request, process)
    });
    match attached {
        Err(error) if arguments.source == Source::Auto => {
            say(format_args!("polls are not counted: {error}"));
            Ok(None)
        }
        attached => attached,
    }
}
