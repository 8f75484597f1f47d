//! The tracer as users run it: from the start of the process to the line that says what is attached, to its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;

/// In the line that is written when everything is attached.
const ARMED: &str = "Ctrl-C ends it";

/// Long enough for the calibration that runs beside a session.
const SETTLE: Duration = Duration::from_millis(200);

pub struct Session {
    child: Child,
    messages: Option<JoinHandle<()>>,
    records: Option<JoinHandle<Option<String>>>,
    pub started: Instant,
    pub armed: Instant,
}

pub struct Ended {
    pub status: ExitStatus,
    /// From the signal, or from armed if there was none, to the end of the process.
    pub after: Duration,
    pub at: Instant,
    /// The last record: why it ended, the counts, the overhead.
    pub summary: Value,
}

impl Session {
    /// `tracer trace -p PID … --json`; returns when it is armed.
    pub fn trace(pid: u32, arguments: &[&str]) -> Outcome<Self> {
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tracer"))
            .args(["trace", "-p", &pid.to_string(), "--json", "--verbose"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut messages = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
        let records = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let records = thread::spawn(|| records.lines().map_while(Result::ok).last());
        let mut last = String::new();
        loop {
            match messages.next() {
                Some(Ok(line)) if line.contains(ARMED) => break,
                Some(Ok(line)) => last = line,
                _ => return Err(format!("the tracer was not armed ({}): {last}", child.wait()?).into()),
            }
        }
        let armed = Instant::now();
        let messages = thread::spawn(|| messages.for_each(drop));
        Ok(Self { child, messages: Some(messages), records: Some(records), started, armed })
    }

    /// The most memory that it has had, in megabytes, mapped files included.
    pub fn peak_mb(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak.map(|kilobytes: f64| kilobytes * 1024.0 / 1e6).ok_or_else(|| "no VmHWM".into())
    }

    /// Lets it settle, and interrupts it.
    pub fn interrupt(self) -> Outcome<Ended> {
        thread::sleep(SETTLE);
        let asked = Instant::now();
        // SAFETY: a signal to a child that was not waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGINT) };
        self.end_since(asked)
    }

    /// Waits for its end.
    pub fn end(self) -> Outcome<Ended> {
        let armed = self.armed;
        self.end_since(armed)
    }

    fn end_since(mut self, start: Instant) -> Outcome<Ended> {
        let status = self.child.wait()?;
        let at = Instant::now();
        if let Some(messages) = self.messages.take() {
            let _ = messages.join();
        }
        let last = self.records.take().and_then(|records| records.join().ok()).flatten();
        let summary = serde_json::from_str(&last.ok_or("the tracer wrote no last record")?)?;
        Ok(Ended { status, after: at - start, at, summary })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only after an error of the bench is it still running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
