//! A run of the tracer: started, awaited, and its JSON Lines read as what the contract says they are.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::eventually;
use super::lines::Lines;
use super::target::signal;

pub const TRACER: &str = env!("CARGO_BIN_EXE_tracer");

/// A tracer that runs.
pub struct Session {
    child: Child,
    output: Option<Lines>,
    errors: Option<Lines>,
}

impl Session {
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        Self::command(Command::new(TRACER).args(arguments))
    }

    #[track_caller]
    pub fn command(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the tracer");
        let output = child.stdout.take().map(Lines::of);
        let errors = child.stderr.take().map(Lines::of);
        Self { child, output, errors }
    }

    /// Starts `tracer trace --json` and waits until every site is attached.
    #[track_caller]
    pub fn trace(pid: &str, arguments: &[&str]) -> Self {
        let mut session = Self::start(&[&["trace", "--json", "-p", pid], arguments].concat());
        session.armed();
        session
    }

    /// Waits until every site is attached.
    #[track_caller]
    pub fn armed(&mut self) {
        self.errors.as_mut().unwrap().find("the armed sites", |line| line.ends_with("Ctrl-C ends it"));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line of standard output that has the word, and leaves the ones before it.
    #[track_caller]
    pub fn find_line(&mut self, word: &str) -> Value {
        let line = self.output.as_mut().unwrap().find(word, |line| line.contains(word));
        serde_json::from_str(&line).unwrap()
    }

    pub fn signal(&self, number: libc::c_int) {
        signal(self.child.id(), number);
    }

    /// Ctrl-C, and what came of it.
    #[track_caller]
    pub fn interrupt(self) -> Outcome {
        self.signal(libc::SIGINT);
        self.outcome()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn outcome(mut self) -> Outcome {
        eventually("the tracer ends", || self.child.try_wait().unwrap().is_some());
        let status = self.child.wait().unwrap();
        let take = |lines: &mut Option<Lines>| lines.take().map(Lines::all).unwrap_or_default();
        Outcome { code: status.code(), output: take(&mut self.output), errors: take(&mut self.errors) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the tracer to its end.
#[track_caller]
pub fn tracer(arguments: &[&str]) -> Outcome {
    Session::start(arguments).outcome()
}

/// What a run of the tracer left.
#[derive(Debug)]
pub struct Outcome {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub output: Vec<String>,
    pub errors: Vec<String>,
}

impl Outcome {
    /// A refusal: nothing on standard output, and on standard error one sentence with these words.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.output.is_empty(), "{self:#?}");
        let sentence = self.errors.first().unwrap_or_else(|| panic!("no message: {self:#?}"));
        assert!(sentence.starts_with("tracer: "), "{self:#?}");
        let all = self.errors.join("\n");
        for word in words {
            assert!(all.contains(word), "{word:?} is missing: {self:#?}");
        }
        for bad in ["panicked", "RUST_BACKTRACE", "Os {", "Error {"] {
            assert!(!all.contains(bad), "{self:#?}");
        }
    }

    /// The lines of a kind.
    pub fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.json().into_iter().filter(|line| line["kind"] == kind).collect()
    }

    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.output.iter().map(parse).collect()
    }

    /// Calls of the function with this last path segment.
    pub fn calls(&self, name: &str) -> Vec<Value> {
        self.of_kind("call").into_iter().filter(|call| is_named(&call["function"], name)).collect()
    }

    /// Ends of calls of the function with this last path segment.
    pub fn returns(&self, name: &str) -> Vec<Value> {
        self.of_kind("return").into_iter().filter(|end| is_named(&end["function"], name)).collect()
    }

    /// How the calls of a function ended: number of ends with this outcome.
    pub fn ended(&self, name: &str, outcome: &str) -> usize {
        self.returns(name).iter().filter(|end| end["outcome"] == outcome).count()
    }

    /// The summary, which must be the last line.
    #[track_caller]
    pub fn stopped(&self) -> Value {
        let last = self.output.last().unwrap_or_else(|| panic!("no summary: {self:#?}"));
        let last: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"));
        assert_eq!(last["kind"], "stopped", "{last}");
        last
    }

    /// Checks the summary against the lines above it, and the exit code.
    #[track_caller]
    pub fn ended_well(&self, reason: &str) -> Value {
        let stopped = self.stopped();
        assert_eq!(self.code, Some(0), "{stopped}\n{:#?}", self.errors);
        assert_eq!(stopped["reason"], reason, "{stopped}");
        assert_eq!(stopped["lost"], 0, "{stopped}");
        let calls: usize = ["call", "usdt", "line"].iter().map(|kind| self.of_kind(kind).len()).sum();
        assert_eq!(stopped["calls"], calls, "{stopped}");
        assert_eq!(stopped["returns"], self.of_kind("return").len(), "{stopped}");
        stopped
    }
}

fn is_named(function: &Value, name: &str) -> bool {
    let path = function.as_str().unwrap_or_default();
    path == name || path.strip_suffix(name).is_some_and(|rest| rest.ends_with("::"))
}
