//! Lines that a child writes, read by a thread, so that waiting for one can end.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::PATIENCE;

pub struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    pub fn of(source: impl Read + Send + 'static) -> Self {
        let (sender, coming) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { break };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        Self { coming, seen: Vec::new() }
    }

    /// The next line, or `None` at the end.
    pub fn next(&mut self) -> Option<String> {
        self.next_within(PATIENCE)
    }

    /// The next line, or `None` if none comes in time.
    pub fn next_within(&mut self, patience: Duration) -> Option<String> {
        let line = self.coming.recv_timeout(patience).ok()?;
        self.seen.push(line.clone());
        Some(line)
    }

    /// Reads until a line for which `is` holds.
    #[track_caller]
    pub fn find(&mut self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        while let Some(line) = self.next_within(until.saturating_duration_since(Instant::now())) {
            if is(&line) {
                return line;
            }
        }
        panic!("no line with {what} came, but:\n{}", self.seen.join("\n"));
    }

    /// Everything until the end.
    pub fn all(mut self) -> Vec<String> {
        while self.next().is_some() {}
        self.seen
    }
}
