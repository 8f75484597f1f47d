//! A program under observation: started, told what to do line by line, and ended when the test is over.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use super::eventually;
use super::lines::Lines;

pub struct Target {
    child: Child,
    input: Option<ChildStdin>,
    pub lines: Lines,
    /// The observed process: the child, or one that the child started.
    pid: u32,
}

impl Target {
    /// Starts a fixture and waits until it is ready.
    pub fn start(program: impl AsRef<OsStr>) -> Self {
        Self::command(&mut Command::new(program))
    }

    /// Starts a prepared fixture and waits until it is ready.
    #[track_caller]
    pub fn command(command: &mut Command) -> Self {
        let mut target = Self::spawn(command);
        target.lines.find("ready", |line| line == "ready");
        target
    }

    /// Starts any program whose standard error is a pipe: the target, and that pipe's lines.
    #[track_caller]
    pub fn spawn_with_log(command: &mut Command) -> (Self, Lines) {
        let mut target = Self::spawn(command);
        let log = Lines::of(target.child.stderr.take().expect("standard error is piped"));
        (target, log)
    }

    /// Starts any program; its standard output is in `lines`.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Lines::of(child.stdout.take().unwrap());
        Self { pid: child.id(), input: child.stdin.take(), lines, child }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The pid as an argument.
    pub fn p(&self) -> String {
        self.pid.to_string()
    }

    /// The process that matters is a child of the one that was started.
    pub fn use_only_child(&mut self) {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(path).unwrap();
        self.pid = children.split_whitespace().next().expect("a child").parse().unwrap();
    }

    pub fn send(&mut self, command: &str) {
        let input = self.input.as_mut().expect("the target's input is open");
        writeln!(input, "{command}").and_then(|()| input.flush()).unwrap();
    }

    /// Sends a command and returns the line that answers it.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.lines.next().unwrap_or_else(|| panic!("no answer to {command:?}"))
    }

    /// Like [`ask`](Self::ask), for an answer of a word and a number.
    #[track_caller]
    pub fn number(&mut self, command: &str) -> u64 {
        let answer = self.ask(command);
        answer.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Closes the fixture's input, which ends it, and waits.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        self.input = None;
        self.wait()
    }

    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the target ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.pid != self.child.id() {
            // SAFETY: the child has not been waited for by its parent, which is still ours, so the pid is its own.
            unsafe { libc::kill(self.pid as libc::pid_t, libc::SIGKILL) };
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that the test started and has not waited for.
pub fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: the caller holds the process as an unreaped child, so the pid is its own.
    assert_eq!(unsafe { libc::kill(pid as libc::pid_t, signal) }, 0);
}
