//! `tracer queues`: mailbox lengths, level and change, from the mailbox USDT probes.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::exit::Failure;
use super::interrupt::Interrupt;
use super::options::{self, Limit, OutputOptions, SafetyOptions, TargetOptions};
use super::queues_memory;
use super::say::say;
use super::session::{self, Limits, Sink};
use super::target::{attach_mode, images, link_filter, namespace};
use tracer_ebpf::abi::record::RECORD_FULL_AT;

use crate::actors::program;
use crate::events::clock::Clock;
use crate::events::mailbox::Snapshot;
use crate::kernel::feature::Features;
use crate::kernel::session::{Session, SessionRequest, monotonic_ns};
use crate::plan::request;
use crate::report::moment::Moment;
use crate::report::output::Output;
use crate::report::queues::{QueueOrder, QueueWindow};
use crate::report::summary::{StopReason, Summary};
use crate::target::files::Files;
use crate::target::process::Process;

const EXAMPLES: &str = "\
Examples:
  tracer queues -p myapp                          one window of 2 seconds
  tracer queues -p myapp --interval 1s --for 1m   a table each second, for a minute
  tracer queues -p myapp --sort change --top 5    the five that grow fastest
  tracer queues -p myapp --source memory          any tokio program, without a probe
  tracer queues -p myapp --messages 3             with the first messages in each
  tracer queues -p myapp --all                    oneshots, locks and semaphores too
  tracer queues -p myapp --json | jq -c '[.name, .length, .capacity]'

LEVEL is what is queued at the window's end, CHANGE how much more or less that is than at its start. Mailboxes are \
seen through the USDT probes that the program exports (`tracer doctor -p` says whether it does), else as the \
channels of its tokio tasks, read from its memory. Neither: exit code 1.";

/// Sample the lengths of mailboxes: level and change, traffic, longest wait
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// Length of one window, as 500ms, 2s or 1m; --window says the same
    #[arg(long, alias = "window", value_name = "DURATION", default_value = "2s", value_parser = options::interval)]
    pub(super) interval: Duration,
    /// How long to go on, window after window; 0 is without end [default: one window]
    #[arg(long = "for", value_name = "DURATION")]
    pub(super) duration: Option<Limit>,
    /// Show only the first N mailboxes [default: all]
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Length, value_name = "KEY")]
    pub(super) sort: Sort,
    /// Where mailboxes are seen
    #[arg(long, value_enum, default_value_t = Source::Auto, value_name = "SOURCE")]
    source: Source,
    /// Show oneshot and watch channels, locks, semaphores and notifications too; of locks LEVEL is how many wait. From memory
    #[arg(long)]
    pub(super) all: bool,
    /// Show the first N messages in each mailbox; 1 to 1000. From memory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) messages: Option<u64>,
    #[command(flatten)]
    safety: SafetyOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// Where mailboxes are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Source {
    /// Its mailbox probes if it has any, else its memory
    Auto,
    /// The mailbox probes that the program exports: exact, with waiting times
    Usdt,
    /// Channels of tokio's tasks and of threads, read from memory: no probe, any program with debug information
    Memory,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Sort {
    /// The longest first
    Length,
    /// The fastest growing first
    Change,
    /// The most messages in and out first
    Rate,
    /// The longest wait first
    Wait,
}

impl From<Sort> for QueueOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Length => Self::Length,
            Sort::Change => Self::Change,
            Sort::Rate => Self::Rate,
            Sort::Wait => Self::Wait,
        }
    }
}

/// Only the calibration's records go through the ring buffer here.
const RING_BYTES: u32 = 1 << 20;

/// Each mailbox tells its level every 100 ms: after this time all are known, and the window can begin.
const WARM_UP: Duration = Duration::from_millis(150);

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    let process = Process::find(&arguments.target.process)?;
    let needs_memory = arguments.all || arguments.messages.is_some();
    if needs_memory && arguments.source == Source::Usdt {
        return Err(Failure::usage("--all and --messages read the memory: leave out --source usdt"));
    }
    if needs_memory || arguments.source == Source::Memory {
        return queues_memory::run(arguments, &process);
    }
    let files = Files::new();
    let images = images(&process, &files, |_| true)?;
    let planned = match request::mailboxes(&images) {
        Some(planned) => planned,
        None if arguments.source == Source::Auto && has_channels(&images) => {
            say(queues_memory::announce(&process));
            return queues_memory::run(arguments, &process);
        }
        None => return Err(no_probes(&process)),
    };
    let features = Features::probe();
    let mode = attach_mode(arguments.safety.attach, &features)?;
    let request = SessionRequest {
        mode,
        process_id: link_filter(&process, mode, &features),
        namespace: namespace(&process),
        calls_max: 0,
        rate_max: 0,
        duration: None,
        ring_bytes: RING_BYTES,
        stack_bytes: 0,
        fault_in: false,
        record_bytes_max: RECORD_FULL_AT as u32,
        diagnostics: arguments.output.verbose,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the event loop: {error}")))?;
    runtime.block_on(sample(arguments, &process, &planned, &request))
}

fn has_channels(images: &[crate::target::image::Image<'_>]) -> bool {
    images.iter().any(|image| program::has_tasks(image) || program::has_queues(image))
}

fn no_probes(process: &Process) -> Failure {
    Failure::new(format!(
        "{} ({}) has no mailbox probes, so its mailboxes cannot be seen: docs/mailbox-probes.md says how a program \
         exports them",
        process.comm(),
        process.pid()
    ))
}

async fn sample(
    arguments: &Arguments,
    process: &Process,
    planned: &request::Planned,
    request: &SessionRequest,
) -> Result<u8, Failure> {
    if !arguments.output.json {
        say(armed(arguments, process));
    }
    for note in planned.notes(arguments.output.verbose) {
        say(note);
    }
    let mut interrupt = Interrupt::new()?;
    let mut sink = Windows::new(arguments, process.pid());
    let Some(mut session) = session::arm(&planned.attach, request, process)? else {
        let summary = Summary::exited_early();
        sink.finish(&summary)?;
        return Ok(summary.exit_code());
    };
    let duration = match arguments.duration {
        None => Some(arguments.interval),
        Some(limit) => limit.0,
    };
    let limits = Limits {
        calls_max: 0,
        rate_max: 0,
        duration: duration.map(|duration| duration + WARM_UP),
        max_overhead: arguments.safety.max_overhead(),
    };
    let reason = session::run(&mut session, process, &limits, &mut interrupt, &mut sink).await?;
    sink.close_last(&session)?;
    let losses = session::losses(&session);
    // The limit that the user set, without the time in which the mailboxes made themselves known.
    let reason = match (reason, duration) {
        (StopReason::Time(_), Some(duration)) => StopReason::Time(duration),
        (reason, _) => reason,
    };
    let summary = Summary {
        reason,
        calls: 0,
        returns: 0,
        undecided: 0,
        judged: None,
        losses,
        overhead: Some(session.overhead()),
    };
    if !sink.seen_any {
        return Err(Failure::new(format!(
            "{} ({}) has mailbox probes, but no mailbox showed itself: none is open, or none is used",
            process.comm(),
            process.pid()
        )));
    }
    sink.finish(&summary)?;
    Ok(summary.exit_code())
}

/// One line for people: what is measured, and for how long.
fn armed(arguments: &Arguments, process: &Process) -> String {
    let interval = humantime::format_duration(arguments.interval);
    let windows = match arguments.duration {
        None => format!("one window of {interval}"),
        Some(Limit(Some(duration))) => {
            format!("windows of {interval} for {}; Ctrl-C ends it", humantime::format_duration(duration))
        }
        Some(Limit(None)) => format!("windows of {interval} without end; Ctrl-C ends it"),
    };
    format!("mailboxes of {} ({}), {windows}", process.comm(), process.pid())
}

/// Cuts the session into windows and reports each.
struct Windows<'a> {
    arguments: &'a Arguments,
    pid: u32,
    clock: Clock,
    output: Output<std::io::Stdout>,
    armed: Instant,
    /// The snapshot that the current window began with.
    start: Option<(Snapshot, Instant)>,
    seen_any: bool,
    reported_any: bool,
}

impl<'a> Windows<'a> {
    fn new(arguments: &'a Arguments, pid: u32) -> Self {
        Self {
            arguments,
            pid,
            clock: session::clock(),
            output: Output::new(std::io::stdout()),
            armed: Instant::now(),
            start: None,
            seen_any: false,
            reported_any: false,
        }
    }

    /// Ends the current window if it is over, and begins the next one.
    fn turn(&mut self, session: &Session) -> Result<(), Failure> {
        let is_over = match &self.start {
            None => self.armed.elapsed() >= WARM_UP,
            Some((_, began)) => began.elapsed() >= self.arguments.interval,
        };
        if is_over { self.cut(session) } else { Ok(()) }
    }

    fn cut(&mut self, session: &Session) -> Result<(), Failure> {
        let now = Instant::now();
        let snapshot = Snapshot {
            time_ns: monotonic_ns(),
            epoch: session.counters().epoch,
            mailboxes: session.mailboxes()?.into_iter().collect(),
        };
        session.forget_mailboxes(snapshot.past());
        session.next_epoch();
        if let Some((start, began)) = &self.start {
            self.seen_any |= !snapshot.mailboxes.is_empty();
            let mut samples = snapshot.since(start, self.pid);
            QueueOrder::from(self.arguments.sort).sort(&mut samples);
            self.report(QueueWindow { samples, window: now.duration_since(*began) })?;
        }
        self.start = Some((snapshot, now));
        Ok(())
    }

    fn report(&mut self, window: QueueWindow) -> Result<(), Failure> {
        if window.samples.is_empty() {
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut self.reported_any, true);
        write_window(&mut self.output, self.arguments, &window, self.clock, is_first)
    }

    /// Reports the last window, if the session did not end with it: of a session that ended early there is nothing else.
    fn close_last(&mut self, session: &Session) -> Result<(), Failure> {
        // A shorter rest says nothing, and what comes while the session ends was not asked for.
        let shortest = if self.seen_any { self.arguments.interval / 2 } else { Duration::from_millis(100) };
        let rest = self.start.as_ref().map(|(_, began)| began.elapsed());
        match rest {
            Some(rest) if rest >= shortest => self.cut(session),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, summary: &Summary) -> Result<(), Failure> {
        let line = if self.arguments.output.json {
            summary.json()
        } else {
            summary.queues_text(self.arguments.duration.is_none())
        };
        self.output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))?;
        Ok(self.output.flush()?)
    }
}

impl Sink for Windows<'_> {
    fn record(&mut self, _bytes: &[u8]) {}

    fn settle(&mut self, session: &Session, _now_ns: u64, _idle: bool) -> Result<(), Failure> {
        self.turn(session)
    }
}

/// Writes a window: as lines of JSON, or as a table, behind an empty line unless it is the first.
pub(super) fn write_window(
    output: &mut Output<impl Write>,
    arguments: &Arguments,
    window: &QueueWindow,
    clock: Clock,
    is_first: bool,
) -> Result<(), Failure> {
    if arguments.output.json {
        let mut moment = Moment::new(clock);
        for sample in window.samples.iter().take(arguments.top.unwrap_or(usize::MAX)) {
            let line = sample.json(window.window, &mut moment);
            output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))?;
        }
    } else {
        if !is_first {
            output.line(|_| {})?;
        }
        let text = window.text(arguments.top, arguments.output.palette());
        output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()))?;
    }
    Ok(output.flush()?)
}
