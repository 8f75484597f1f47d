//! What every end-to-end test needs: fixtures, targets, tracer sessions, and a look at the target's memory.

pub mod build;
pub mod kernel;
pub mod lines;
pub mod memory;
pub mod session;
pub mod target;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// No step of any test takes longer, on the slowest machine that runs them.
pub const PATIENCE: Duration = Duration::from_secs(60);

static TURN: Mutex<()> = Mutex::new(());

/// To be held by each test: they share two cores and one kernel, and one's load would be another's delay.
pub fn turn() -> MutexGuard<'static, ()> {
    // SAFETY: takes nothing and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    assert!(is_root, "end-to-end tests attach probes, which takes root: run them with sudo");
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks again and again until it holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
