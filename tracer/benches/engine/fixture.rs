//! Programs to observe: C sources compiled once, and this program itself, doing nothing.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// The argument with which this program does nothing.
pub const IDLE: &str = "--idle";

/// How long a fixture may take to start.
const START_MAX: Duration = Duration::from_secs(5);

/// Waits for the end of standard input, as every fixture does: none outlives the bench.
pub fn idle() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Compiles a C program into cargo's folder for temporary files, unless it was compiled before.
pub fn compile(name: &str, source: &str, flags: &[&str]) -> Outcome<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (text, binary) = (folder.join(format!("{name}.c")), folder.join(name));
    if binary.is_file() && fs::read_to_string(&text).is_ok_and(|known| known == source) {
        return Ok(binary);
    }
    fs::write(&text, source)?;
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let status = Command::new(&compiler).args(flags).arg(&text).arg("-o").arg(&binary).status();
    let status = status.map_err(|error| format!("cannot start `{compiler}`: {error}; install a C compiler"))?;
    if !status.success() {
        return Err(format!("`{compiler}` cannot compile {} ({status})", text.display()).into());
    }
    Ok(binary)
}

/// The registry app, built by cargo in release mode, with its debug information.
pub fn registry_app() -> Outcome<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-app");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace).args(["build", "--quiet", "--locked", "--release", "--package", "target-app"]);
    let status = cargo.arg("--target-dir").arg(&folder).status()?;
    if !status.success() {
        return Err(format!("the registry app does not build ({status})").into());
    }
    Ok(folder.join("release/target-app"))
}

/// A running fixture; ended when dropped.
pub struct Running {
    child: Child,
}

impl Running {
    pub fn start(binary: &Path, arguments: &[&str]) -> Outcome<Self> {
        let command = &mut Command::new(binary);
        let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let running = Self { child };
        // The child is there before its program is.
        let until = Instant::now() + START_MAX;
        while !running.is_loaded() {
            if Instant::now() > until {
                return Err(format!("{} does not start", binary.display()).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(running)
    }

    /// Whether the C library is mapped, which comes after the program itself.
    fn is_loaded(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/maps", self.pid())).is_ok_and(|maps| maps.contains("/libc"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it reads, once; it ends when that is dropped.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// What it writes, once.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
