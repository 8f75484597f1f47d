//! How many events per second reach standard output without loss: the whole tracer beside the target, by the form of
//! its output and what takes it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Outcome;
use crate::fixture::{Running, compile};
use crate::table;

/// How long each rate must hold: many times what the ring buffer can keep.
const HELD: Duration = Duration::from_millis(2500);

const LOWEST: f64 = 20_000.0;
/// Rates are told apart by this factor at last.
const PRECISION: f64 = 1.06;

/// The exit code for events that were lost.
const LOST: i32 = 3;

struct Paced {
    _target: Running,
    pid: u32,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What came of one rate.
struct Trial {
    /// Calls per second that the target really made.
    rate: f64,
    is_whole: bool,
}

#[derive(Clone, Copy)]
enum Taker {
    DevNull,
    Pipe,
}

impl Paced {
    fn start() -> Outcome<Self> {
        let binary = compile("bench-paced", include_str!("paced.c"), &["-O2", "-g"])?;
        let mut target = Running::start(&binary, &[])?;
        let input = target.input().ok_or("no standard input")?;
        let output = BufReader::new(target.output().ok_or("no standard output")?);
        Ok(Self { pid: target.pid(), _target: target, input, output })
    }

    /// Calls made at this rate; returns when they are made.
    fn call(&mut self, rate: f64) -> Outcome<f64> {
        writeln!(self.input, "{rate} {}", HELD.as_millis())?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        Ok(answer.trim().parse()?)
    }

    fn attempt(&mut self, rate: f64, format: &[&str], taker: Taker) -> Outcome<Trial> {
        let mut tracer = Tracer::start(self.pid, format, taker)?;
        let calls = self.call(rate)?;
        let code = tracer.interrupt()?;
        match code {
            Some(0) | Some(LOST) => Ok(Trial { rate: calls / HELD.as_secs_f64(), is_whole: code == Some(0) }),
            code => Err(format!("the tracer ended with {code:?}").into()),
        }
    }

    /// The highest rate without loss, and whether the target could not call more often.
    fn highest(&mut self, format: &[&str], taker: Taker) -> Outcome<(f64, bool)> {
        let (mut held, mut lost) = (0.0, f64::INFINITY);
        let mut next = LOWEST;
        loop {
            let trial = self.attempt(next, format, taker)?;
            if !trial.is_whole {
                lost = next;
            } else {
                held = trial.rate;
                if trial.rate < next * 0.9 {
                    return Ok((held, true));
                }
            }
            next = if lost.is_infinite() { next * 2.0 } else { (held.max(1.0) * lost).sqrt() };
            if lost / held.max(1.0) < PRECISION || next < 1_000.0 {
                return Ok((held, false));
            }
        }
    }
}

struct Tracer {
    child: Child,
}

impl Tracer {
    /// Returns when it is armed.
    fn start(pid: u32, format: &[&str], taker: Taker) -> Outcome<Self> {
        let output = match taker {
            Taker::DevNull => Stdio::from(File::create("/dev/null")?),
            Taker::Pipe => Stdio::piped(),
        };
        let limits = ["-n", "0", "--for", "0", "--max-overhead", "100", "--returns", "off"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_tracer"))
            .args(["trace", "-p", &pid.to_string(), "observed"])
            .args(limits)
            .args(format)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut output) = child.stdout.take() {
            thread::spawn(move || {
                let mut bytes = vec![0; 1 << 16];
                while output.read(&mut bytes).is_ok_and(|count| count > 0) {}
            });
        }
        let mut messages = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
        if !messages.any(|line| line.is_ok_and(|line| line.ends_with("Ctrl-C ends it"))) {
            return Err(format!("the tracer was not armed ({})", child.wait()?).into());
        }
        thread::spawn(|| messages.for_each(drop));
        Ok(Self { child })
    }

    /// Ctrl-C, and the exit code.
    fn interrupt(&mut self) -> Outcome<Option<i32>> {
        // SAFETY: a signal to a child that was not waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGINT) };
        Ok(self.child.wait()?.code())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Only after an error of the bench is it still running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn run() -> Outcome<()> {
    let mut target = Paced::start()?;
    let mut rows = Vec::new();
    for (name, format) in [("text", &[][..]), ("JSON", &["--json"])] {
        for (taker_name, taker) in [("/dev/null", Taker::DevNull), ("a pipe", Taker::Pipe)] {
            let (rate, is_targets_own) = target.highest(format, taker)?;
            let note = if is_targets_own { "all that the target could call" } else { "" };
            rows.push(vec![format!("{name} to {taker_name}"), format!("{:.0} 000", rate / 1e3), note.to_owned()]);
        }
    }
    let title = format!("Events per second without loss: two integers each, held for {} s", HELD.as_secs_f64());
    table::print(&title, &["output", "events/s", ""], rows);
    Ok(())
}
