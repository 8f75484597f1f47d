//! Every function of a program that has 25,000.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tracer::kernel::link::Links;
use tracer::kernel::load::{AttachMode, LoadRequest, Loaded};
use tracer::plan::function::{FunctionOptions, Returns};
use tracer::plan::inlined::InlinedCopies;
use tracer::plan::probe::Probe;
use tracer::plan::request::{self, Planned, TraceRequest};
use tracer::target::files::Files;
use tracer::target::image::Image;
use tracer::target::process::Process;
use tracer::value::Limits;
use tracer::value::redaction::Redaction;
use tracer_ebpf::abi::record::RECORD_FULL_AT;

use crate::Outcome;
use crate::fixture::{Running, compile};
use crate::table::{self, Spread};
use crate::tracer::Session;

const FUNCTIONS: usize = 25_000;
const ROUNDS: usize = 7;
const PATTERN: &str = "/^f[0-9]+$/";

/// Functions of four shapes: a leaf, a call, several ways out, a pointer to follow.
fn source() -> String {
    let mut source = String::from(
        "#include <unistd.h>\nstruct item { long weight; int count; const char *name; };\nvolatile long sink;\n",
    );
    for index in 0..FUNCTIONS {
        let previous = index.saturating_sub(4) / 4 * 4;
        let _ = match index % 4 {
            0 => writeln!(source, "long f{index}(long a, long b) {{ return a * {index} + b; }}"),
            1 => writeln!(source, "long f{index}(long a, int b) {{ sink += b; return f{previous}(a, b) + {index}; }}"),
            2 => writeln!(
                source,
                "int f{index}(int a) {{ if (a > {index}) return 1; sink = a; f{previous}(a, a); return a < 9 ? 2 : 3; }}"
            ),
            _ => {
                writeln!(source, "long f{index}(struct item *item) {{ return item->weight * item->count + {index}; }}")
            }
        };
    }
    source.push_str("int main(void) { char end; while (read(0, &end, 1) > 0); return 0; }\n");
    source
}

/// The plan names the executable by a descriptor that `files` holds.
fn plan(target: &Running, files: &Files, returns: Returns) -> Outcome<Planned> {
    let process = Process::open(target.pid())?;
    let mapped = process.objects()?.into_iter().find(|object| object.is_executable).ok_or("no executable")?;
    let image = Image::of_process(&mapped, &process, files)?;
    let options =
        FunctionOptions { returns, inlined: InlinedCopies::Off, limits: Limits::default(), patches_nops: true };
    let probes = [Probe::parse(PATTERN)?];
    let planned = request::plan(
        &[image],
        &TraceRequest { probes: &probes, closures: false, options, redaction: Redaction::default() },
    );
    planned.map_err(|nothing| nothing.to_string().into())
}

/// Times to attach the sites of a plan and to detach them, programs loaded before.
fn links(target: &Running, planned: &Planned) -> Outcome<(Duration, Duration)> {
    let request = LoadRequest {
        mode: AttachMode::Multi,
        plans: &planned.attach.plans,
        filters: &planned.attach.filters,
        ring_bytes: 1 << 20,
        record_bytes_max: RECORD_FULL_AT as u32,
        diagnostics: false,
        find_vma: true,
        stack_bytes: 0,
        fault_in: None,
        sees_others: false,
    };
    let (loaded, _records) = Loaded::new(&request)?;
    // Loads the programs.
    drop(Links::attach(&loaded, &planned.attach, target.pid())?);
    let start = Instant::now();
    let links = Links::attach(&loaded, &planned.attach, target.pid())?;
    let attached = Instant::now();
    drop(links);
    Ok((attached - start, attached.elapsed()))
}

pub fn run() -> Outcome<()> {
    let binary = compile("bench-many", &source(), &["-O1", "-g"])?;
    let target = Running::start(&binary, &[])?;
    let mut rows = Vec::new();
    for (option, returns) in [("off", Returns::Off), ("exits", Returns::Exits), ("auto", Returns::Auto)] {
        let files = Files::new();
        let planned = plan(&target, &files, returns)?;
        let (mut armed, mut ended, mut attach, mut detach) = (vec![], vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let session = Session::trace(target.pid(), &[PATTERN, "--returns", option, "--for", "1m"])?;
            armed.push(session.armed - session.started);
            ended.push(session.interrupt()?.after);
            let (attached, detached) = links(&target, &planned)?;
            attach.push(attached);
            detach.push(detached);
        }
        let (armed, ended) = (Spread::of_times(&armed), Spread::of_times(&ended));
        rows.push(vec![
            format!("--returns={option}"),
            planned.attach.points.len().to_string(),
            format!("{armed:.0}"),
            table::judged(armed, 300.0, " ms"),
            format!("{ended:.0}"),
            table::judged(ended, 200.0, " ms"),
            format!("{:.0}", Spread::of_times(&attach)),
            format!("{:.0}", Spread::of_times(&detach)),
        ]);
    }
    let title = format!("{FUNCTIONS} functions: `tracer trace '{PATTERN}'`, {ROUNDS} rounds, in ms");
    let header =
        ["", "sites", "start to armed", "target", "Ctrl-C to end", "target", "of that the kernel: attach", "detach"];
    table::print(&title, &header, rows);
    Ok(())
}
