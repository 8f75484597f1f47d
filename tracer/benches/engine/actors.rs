//! What reading actors and queues from memory costs: the time to list ten thousand tasks, and what a target that uses
//! all CPUs loses while its queues are sampled ten times a second.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::fixture::Running;
use crate::table::{self, Spread};

const ROUNDS: usize = 7;
/// How long the target runs with and without a sampler, in turns.
const TURN: Duration = Duration::from_millis(2000);
const TASKS: usize = 10_000;

/// The shapes of tokio programs that the end-to-end tests look at, built by cargo.
fn shapes() -> Outcome<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target folder")?;
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.current_dir(workspace).args(["build", "--quiet", "--locked", "--release", "--package", "target-app"]);
    let status = cargo.args(["--example", "shapes"]).arg("--target-dir").arg(target).status()?;
    if !status.success() {
        return Err("the shapes did not build".into());
    }
    Ok(target.join("release/examples/shapes"))
}

/// A running shape, and what it wrote: when that came, and the words of each line.
struct Shape {
    target: Running,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Shape {
    fn start(mode: &str) -> Outcome<Self> {
        let mut target = Running::start(&shapes()?, &[mode])?;
        let output = BufReader::new(target.output().ok_or("no standard output")?);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&lines);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Ok(mut lines) = collected.lock() {
                    lines.push((Instant::now(), line));
                }
            }
        });
        let shape = Self { target, lines };
        while !shape.between(None, Instant::now()).iter().any(|line| line == "ready") {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(shape)
    }

    fn between(&self, start: Option<Instant>, end: Instant) -> Vec<String> {
        let lines = self.lines.lock().map(|lines| lines.clone()).unwrap_or_default();
        let is_within = |at: Instant| start.is_none_or(|start| at >= start) && at <= end;
        lines.into_iter().filter(|(at, _)| is_within(*at)).map(|(_, line)| line).collect()
    }

    /// Messages per second, by the target's own clock and count.
    fn throughput(&self, start: Instant, end: Instant) -> Outcome<f64> {
        let counts: Vec<(f64, f64)> = self.between(Some(start), end).iter().filter_map(|line| count(line)).collect();
        let (first, last) = counts.first().zip(counts.last()).ok_or("the target wrote no counts")?;
        Ok((last.1 - first.1) / (last.0 - first.0) * 1e9)
    }
}

/// `NANOSECONDS MESSAGES`.
fn count(line: &str) -> Option<(f64, f64)> {
    let (time, total) = line.split_once(' ')?;
    Some((time.parse().ok()?, total.parse().ok()?))
}

fn tracer(pid: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
    command.args(arguments).args(["--json", "-p", &pid.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// The time from the start of `tracer actors` to its end.
fn listing() -> Outcome<Vec<String>> {
    let shape = Shape::start("many")?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let output = tracer(shape.target.pid(), &["actors"]).output()?;
        times.push(began.elapsed());
        let tasks = output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")).count();
        if !output.status.success() || tasks < TASKS {
            return Err(format!("{tasks} actors listed ({})", output.status).into());
        }
    }
    let spread = Spread::of_times(&times);
    Ok(vec!["10,000 tasks listed".into(), format!("{spread:.0} ms"), table::judged(spread, 1000.0, " ms")])
}

/// What the target loses while it is sampled, against its own speed right before and after.
fn sampling() -> Outcome<Vec<String>> {
    let shape = Shape::start("load")?;
    let quiet = || -> Outcome<f64> {
        let began = Instant::now();
        thread::sleep(TURN);
        shape.throughput(began, Instant::now())
    };
    let mut before = quiet()?;
    let mut losses = Vec::new();
    for _ in 0..ROUNDS {
        let arguments = ["queues", "--source", "memory", "--interval", "100ms", "--for", "2s"];
        let mut child = tracer(shape.target.pid(), &arguments).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        // What comes before the first window is read once, however long the sampling goes on.
        let first = lines.next().transpose()?.unwrap_or_default();
        let began = Instant::now();
        let windows = lines.map_while(Result::ok).filter(|line| line.contains("\"queue\"")).count();
        let sampled = shape.throughput(began, Instant::now())?;
        let status = child.wait()?;
        if !status.success() || !first.contains("\"queue\"") || windows == 0 {
            return Err(format!("the sampler wrote {windows} lines after {first:?} ({status})").into());
        }
        let after = quiet()?;
        losses.push((1.0 - 2.0 * sampled / (before + after)) * 100.0);
        before = after;
    }
    let spread = Spread::of(losses);
    Ok(vec![
        "queues of a target that uses all CPUs, sampled at 10 Hz".into(),
        format!("{spread:.1} % of its messages per second"),
        table::judged(spread, 2.0, " %"),
    ])
}

pub fn run() -> Outcome<()> {
    let rows = vec![listing()?, sampling()?];
    table::print(&format!("Actors and queues from memory, {ROUNDS} rounds"), &["what", "cost", "target"], rows);
    Ok(())
}
