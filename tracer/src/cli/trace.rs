//! `tracer trace`: calls as a tree, with arguments, return values and durations.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tracer_ebpf::abi::record::RECORD_FULL_AT;

use super::backtrace::{self, BacktraceOptions};
use super::dry_run;
use super::exit::{DONE, Failure};
use super::inlined;
use super::interrupt::Interrupt;
use super::options::{self, Limit, OutputOptions, SafetyOptions, TargetOptions, ValueOptions};
use super::say::say;
use super::session::{self, Limits, Sink};
use super::target::{attach_mode, images, link_filter, namespace, nothing_found, say_lacks};
use crate::events::loss::Losses;
use crate::events::stream::Stream;
use crate::kernel::feature::Features;
use crate::kernel::load::AttachMode;
use crate::kernel::session::{Session, SessionRequest, monotonic_ns};
use crate::plan::description::DescriptionKind;
use crate::plan::function::{FunctionOptions, Returns};
use crate::plan::inlined::InlinedCopies;
use crate::plan::probe::{Place, Probe};
use crate::plan::probe_plan::Program;
use crate::plan::request::{self, Planned, TraceRequest};
use crate::report::json::JsonReport;
use crate::report::output::{Output, OutputError};
use crate::report::pipe::Pipe;
use crate::report::plan::Subjects;
use crate::report::summary::Summary;
use crate::report::text::TextReport;
use crate::report::trace::TraceReport;
use crate::report::units::counted;
use crate::report::width::{ShownValues, ValueWidth};
use crate::target::files::Files;
use crate::target::process::Process;
use crate::target::unwind::Unwinder;
use crate::value;

/// Room for records that wait to be read.
const RING_BYTES: u32 = 8 << 20;

const EXAMPLES: &str = "\
Examples:
  tracer trace -p myapp 'Store::save'                 10 calls, or 15 seconds
  tracer trace -p myapp 'store::*' 'audit::*'         two modules, nested as they call
  tracer trace -p 4711 -n 100 --for 1m '/_handler$/'  by regular expression
  tracer trace -p myapp 'libc.so.6!malloc' -n 3       a function of a library
  tracer trace -p myapp 'Store::save' --backtrace     who calls it, inlined callers included
  tracer trace -p myapp 'Store::save if tree.moisture > 80 && result is Err'
  tracer trace -p myapp 'store::* if duration > 10ms'  only slow calls, shown when they end
  tracer trace -p myapp 'Client::call if duration > self.timeout'
  tracer trace -p myapp 'Store::save -> tree.uuid, items[0], result'  copies and shows only these
  tracer trace -p postgres 'usdt:postgresql:query*'   USDT probes
  tracer trace -p myapp audit_log.rs:53               the locals at a line of source
  tracer trace -p myapp 'store::*' --dry-run          what would be attached, and where
  tracer trace -p myapp 'Store::save' --fault-in      values on swapped or untouched pages too
  tracer trace -p myapp login --pretty --redact '*password*'
  tracer trace -p myapp 'Store::save' --json | jq -c .args

Probes are globs on demangled paths, matched at `::` from the right: 'Store::save' finds myapp::store::Store::save, \
'store::*' is the module and everything below it. An async fn goes by its own name; each poll is a call. Calls are \
shown as they begin, with their arguments; `→` is the end of one, with what it returned and how long it took.

Conditions compare arguments, fields (tree.moisture, self.0), elements (items[3], map[\"key\"]), lengths (name.len()), \
what pointers lead to (*p), result, duration, tid and thread by == != < <= > >=, texts also by starts_with, ends_with \
and contains, and ask for variants (message is Save && message.id > 5); they are joined by && || ! and brackets. What \
compares with literals is decided in the kernel, the rest on the records of the calls that are left: --dry-run tells \
which. One on result or duration shows the call when it has ended. Several probes on one function are one: a call \
counts if it does for one of them. Behind -> stand paths, '*', 'locals' (of a line) and 'stack' (a backtrace of that \
probe alone).

Exit codes: 0 done (a limit was reached, Ctrl-C, or the target exited), 1 failed, 2 usage, 3 done but events were lost, \
4 ended by --max-overhead.";

/// Trace calls of functions and USDT probes: a tree with arguments, return values and durations
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// What to trace: 'Store::save', 'store::*', '/regex/', 'libfoo.so!name', 'usdt:provider:name', file.rs:42, 0x11a0
    #[arg(required = true, value_name = "PROBE")]
    probes: Vec<String>,
    /// End after so many calls, and see their returns; 0 lifts the limit
    #[arg(short = 'n', long, value_name = "CALLS", default_value_t = 10)]
    limit: u64,
    /// End after so much time, as 500ms, 15s or 1m; 0 lifts the limit
    #[arg(long = "for", value_name = "DURATION", default_value = "15s")]
    duration: Limit,
    /// End the session when more calls come within a second
    #[arg(long, value_name = "N/s", value_parser = options::rate)]
    rate: Option<u64>,
    /// How the end of a call is seen
    #[arg(long, value_enum, default_value_t = ReturnsOption::Auto, value_name = "HOW")]
    returns: ReturnsOption,
    /// Whether calls are seen where the compiler has inlined the function: their arguments as far as they are known
    /// there, but not their ends
    #[arg(long, value_enum, default_value_t = InlinedOption::Auto, value_name = "WHICH")]
    inlined: InlinedOption,
    #[command(flatten)]
    backtrace: BacktraceOptions,
    /// Read what is not resident too, by faulting its pages in: the call then waits for the disk or swap. Never where
    /// userfaultfd, a FUSE file, a network file system or a device would have to answer. Needs Linux 6.6
    #[arg(long)]
    fault_in: bool,
    /// Trace closures too: without it only functions that have a name in the source
    #[arg(long)]
    closures: bool,
    /// Cut values after N characters in text, and say how much is left out; 0 shows all [default: 160, with --pretty 0].
    /// JSON is never cut
    #[arg(long, value_name = "N")]
    value_width: Option<usize>,
    /// Print what would be attached and where values would be read, and attach nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    safety: SafetyOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    values: ValueOptions,
    /// Copy at most BYTES of values per event; 256 to 6144
    #[arg(long, value_name = "BYTES", default_value_t = RECORD_FULL_AT as u32,
          value_parser = clap::value_parser!(u32).range(256..=RECORD_FULL_AT as i64), help_heading = "Values")]
    max_bytes: u32,
}

/// Characters of a value on one line.
const VALUE_WIDTH: usize = 160;

impl Arguments {
    fn value_width(&self) -> ValueWidth {
        let width = self.value_width.unwrap_or(if self.values.pretty { 0 } else { VALUE_WIDTH });
        ValueWidth((width > 0).then_some(width))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReturnsOption {
    /// The safe way, as `exits`
    Auto,
    /// By a probe on each `ret` and tail jump: safe with panics and exceptions
    Exits,
    /// By the kernel's return trampoline: a panic or exception that passes it aborts the target!
    Uretprobe,
    /// Not at all: only calls are shown
    Off,
}

impl From<ReturnsOption> for Returns {
    fn from(option: ReturnsOption) -> Self {
        match option {
            ReturnsOption::Auto => Self::Auto,
            ReturnsOption::Exits => Self::Exits,
            ReturnsOption::Uretprobe => Self::Trampoline,
            ReturnsOption::Off => Self::Off,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InlinedOption {
    /// Inlined copies too
    Auto,
    /// Out-of-line functions only
    Off,
    /// Inlined copies only
    Only,
}

impl From<InlinedOption> for InlinedCopies {
    fn from(option: InlinedOption) -> Self {
        match option {
            InlinedOption::Auto => Self::Auto,
            InlinedOption::Off => Self::Off,
            InlinedOption::Only => Self::Only,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    let probes = arguments.probes.iter().map(|text| Probe::parse(text)).collect::<Result<Vec<_>, _>>()?;
    check_lines(&probes)?;
    let process = Process::find(&arguments.target.process)?;
    let files = Files::new();
    let images = images(&process, &files, |path| request::needs_object(&probes, path))?;
    let features = Features::probe();
    let limits = arguments.values.limits();
    let trace = TraceRequest {
        probes: &probes,
        closures: arguments.closures,
        options: FunctionOptions {
            returns: arguments.returns.into(),
            inlined: arguments.inlined.into(),
            limits,
            patches_nops: features.patches_nops,
        },
        redaction: arguments.values.redaction(),
    };
    let planned = request::plan(&images, &trace);
    say_lacks(&images);
    let mut planned =
        planned.map_err(|nothing| nothing_found(*nothing, &process, &files, &probes, arguments.closures))?;
    if arguments.dry_run {
        return dry_run(&planned, arguments);
    }
    for note in planned.notes(arguments.output.verbose) {
        say(note);
    }
    let mode = attach_mode(arguments.safety.attach, &features)?;
    if arguments.fault_in {
        check_fault_in(mode, &features)?;
    }
    let stack_bytes = arguments.backtrace.plan(&mut planned.attach);
    let unwinder = BacktraceOptions::unwinder(stack_bytes, &process, &files);
    let request = SessionRequest {
        mode,
        process_id: link_filter(&process, mode, &features),
        namespace: namespace(&process),
        // Where a condition is left to user space, the kernel does not know which calls count.
        calls_max: if planned.descriptions.judged() { 0 } else { arguments.limit },
        rate_max: arguments.rate.unwrap_or(0),
        duration: arguments.duration.0,
        ring_bytes: RING_BYTES,
        stack_bytes,
        fault_in: arguments.fault_in,
        record_bytes_max: arguments.max_bytes,
        diagnostics: arguments.output.verbose,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the event loop: {error}")))?;
    runtime.block_on(trace_process(arguments, &process, &probes, planned, &request, limits, unwinder))
}

/// Pages are faulted in by programs that may sleep, which the kernel takes on multi links.
fn check_fault_in(mode: AttachMode, features: &Features) -> Result<(), Failure> {
    match (mode, features.fault_in) {
        (AttachMode::Multi, true) => Ok(()),
        (AttachMode::PerfEvent, true) => Err(Failure::usage("--fault-in needs uprobe_multi links: leave out --attach")),
        (_, false) => Err(Failure::new(
            "--fault-in needs Linux 6.6 or newer, built with CONFIG_DEBUG_INFO_BTF=y: leave it out, or see `tracer doctor`",
        )),
    }
}

/// A stretch of lines can be listed, but not traced.
fn check_lines(probes: &[Probe]) -> Result<(), Failure> {
    let is_stretch = |probe: &&Probe| matches!(&probe.place, Place::Line { lines, .. } if lines.single().is_none());
    match probes.iter().find(is_stretch) {
        Some(probe) => Err(Failure::usage(format!(
            "{:?} names several lines: trace one of them, as in file.rs:42; `tracer list` shows which have code",
            probe.text
        ))),
        None => Ok(()),
    }
}

fn dry_run(planned: &Planned, arguments: &Arguments) -> Result<u8, Failure> {
    let report = dry_run::report(planned);
    let options = &arguments.output;
    let text = if options.json { report.json() } else { report.text(options.palette(), arguments.values.full_types) };
    let mut output = Output::new(std::io::stdout());
    output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()))?;
    output.flush()?;
    Ok(DONE)
}

async fn trace_process(
    arguments: &Arguments,
    process: &Process,
    probes: &[Probe],
    planned: Planned,
    request: &SessionRequest,
    limits: value::Limits,
    unwinder: Option<Unwinder<'_>>,
) -> Result<u8, Failure> {
    let clock = session::clock();
    let mut interrupt = Interrupt::new()?;
    let (pipe, pipe_end) = Pipe::new(std::io::stdout());
    let output = Output::new(pipe);
    let mut report = if arguments.output.json {
        TraceReport::Json(JsonReport::new(output, clock))
    } else {
        let values = ShownValues { width: arguments.value_width(), style: arguments.values.style() };
        let text = TextReport::new(output, arguments.output.palette(), values, clock);
        TraceReport::Text(text.with_backtraces(arguments.backtrace.detail()))
    };
    let Some(mut session) = session::arm(&planned.attach, request, process)? else {
        let summary = Summary::exited_early();
        report.stopped(&summary)?;
        drop(report);
        pipe_end.finish().map_err(OutputError::new)?;
        return Ok(summary.exit_code());
    };
    for point in session.refused() {
        let name = planned.descriptions.function(point.cookie).map_or("?", |function| function.name.as_str());
        let cost = match point.program {
            Program::Exit | Program::ReturnTrampoline => ", so returns of it may be missing",
            _ => "",
        };
        say(format_args!("left out: the kernel refuses the site {} of {name}{cost}", point.offset));
    }
    say(armed(arguments, process, &planned, &session));
    if arguments.inlined == InlinedOption::Off {
        inlined::tell_later(process.pid(), probes, arguments.closures);
    }
    let is_judged = planned.descriptions.judged();
    let calls_max = (is_judged && arguments.limit > 0).then_some(arguments.limit);
    let stream = Stream::new(Arc::new(planned.descriptions), limits).with_limit(calls_max);
    let mut sink = TraceSink { stream, report, unwinder };
    let session_limits = Limits {
        calls_max: arguments.limit,
        rate_max: arguments.rate.unwrap_or(0),
        duration: arguments.duration.0,
        max_overhead: arguments.safety.max_overhead(),
    };
    let reason = session::run(&mut session, process, &session_limits, &mut interrupt, &mut sink).await?;
    let TraceSink { mut stream, mut report, mut unwinder } = sink;
    stream.finish(monotonic_ns(), |mut event| {
        backtrace::unwind(&mut event, unwinder.as_mut());
        report.event(&event)
    })?;
    let summary = Summary {
        reason,
        calls: stream.calls(),
        returns: stream.returns(),
        undecided: session.counters().undecided + stream.judged().undecided,
        judged: is_judged.then_some(stream.judged().calls),
        losses: Losses { unwritten_lines: pipe_end.lost_lines(), ..stream.losses(&session::losses(&session)) },
        overhead: Some(session.overhead()),
    };
    report.stopped(&summary)?;
    drop(report);
    pipe_end.finish().map_err(OutputError::new)?;
    Ok(summary.exit_code())
}

/// One line for people: what is attached, and what ends the session.
fn armed(arguments: &Arguments, process: &Process, planned: &Planned, session: &Session) -> String {
    let (probes, functions): (Vec<_>, Vec<_>) =
        planned.descriptions.functions.iter().partition(|function| function.kind == DescriptionKind::Usdt);
    let (lines, functions): (Vec<_>, Vec<_>) =
        functions.into_iter().partition(|function| matches!(function.kind, DescriptionKind::Line(_)));
    let (inlined, functions): (Vec<_>, Vec<_>) =
        functions.into_iter().partition(|function| function.kind == DescriptionKind::Inlined);
    let lines: BTreeSet<String> = lines.iter().filter_map(|line| line.kind.source_line()).collect();
    let probes: BTreeSet<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
    let subjects = Subjects {
        functions: functions.len() as u64,
        inlined: inlined.len() as u64,
        lines: lines.len() as u64,
        probes: probes.len() as u64,
    };
    let limits = match (arguments.limit, arguments.duration.0) {
        (0, None) => "without limit".to_owned(),
        (0, Some(time)) => format!("for {}", humantime::format_duration(time)),
        (calls, None) => format!("until {}", counted(calls, "call")),
        (calls, Some(time)) => format!("until {} or {}", counted(calls, "call"), humantime::format_duration(time)),
    };
    format!(
        "{} at {} of {} ({}), {limits}; Ctrl-C ends it",
        subjects,
        counted(session.attached() as u64, "site"),
        process.comm(),
        process.pid(),
    )
}

struct TraceSink<'data, W> {
    stream: Stream,
    report: TraceReport<W>,
    unwinder: Option<Unwinder<'data>>,
}

impl<W: std::io::Write> Sink for TraceSink<'_, W> {
    fn record(&mut self, bytes: &[u8]) {
        self.stream.push(bytes);
    }

    fn is_full(&self) -> bool {
        self.stream.is_full()
    }

    fn settle(&mut self, session: &Session, now_ns: u64, idle: bool) -> Result<(), Failure> {
        self.stream.drain(now_ns, |mut event| {
            backtrace::unwind(&mut event, self.unwinder.as_mut());
            self.report.event(&event)
        })?;
        if idle {
            if let Some(lost) = self.stream.news_of_losses(&session::losses(session), now_ns) {
                self.report.event(&lost)?;
            }
            self.report.flush()?;
        }
        Ok(())
    }
}
