//! The observed process: the registry app with its load, which never outlives the demo.
//! Knows how to start and end it; nothing of the tracer.

use std::{
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::interrupt;
use crate::workspace;

/// Time for the mailboxes to fill before anybody looks.
const WARM_UP: Duration = Duration::from_secs(2);
/// The app finishes the registrations in hand, of 80 ms each, before it ends.
const END_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Load {
    child: Child,
}

impl Load {
    pub(super) fn start() -> Result<Self> {
        let binary = workspace::target().join("release/target-app");
        let mut command = Command::new(&binary);
        command
            .args(["register-random-trees", "8", "100"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        end_with_parent(&mut command);
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut load = Self { child };
        thread::sleep(WARM_UP);
        interrupt::check()?;
        if let Some(status) = load.child.try_wait()? {
            bail!("target-app ended before anybody looked ({status})");
        }
        Ok(load)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the app to end and returns the counters that it prints then.
    ///
    /// # Errors
    /// When it ended before, did not end in time, or not with success.
    pub(super) fn stop(mut self) -> Result<String> {
        if let Some(status) = self.child.try_wait()? {
            bail!("target-app ended while it was observed ({status})");
        }
        self.terminate();
        let deadline = Instant::now() + END_WITHIN;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > deadline => bail!("target-app did not end within {END_WITHIN:?}"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut output = String::new();
        if let Some(stdout) = self.child.stdout.as_mut() {
            stdout.read_to_string(&mut output)?;
        }
        if !status.success() {
            bail!("target-app did not end with success ({status})");
        }
        Ok(format!("{}, {status}", output.trim()))
    }

    fn terminate(&self) {
        if let Ok(pid) = i32::try_from(self.pid()) {
            // SAFETY: kill takes no pointers, and the child was not waited for, so the pid is still its own.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // After `stop` both do nothing; after an error there is nobody left to report theirs to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the kernel end the command's process when this one ends, even by Ctrl-C or SIGKILL.
pub(super) fn end_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe and takes no pointers.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}
