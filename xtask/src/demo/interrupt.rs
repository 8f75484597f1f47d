//! Ctrl-C during the demo: the programs that it runs get the signal from the terminal, too, and end in good order;
//! the demo waits for them instead of dying first. Knows only that the signal came.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};

static CAME: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    CAME.store(true, Ordering::Relaxed);
}

/// From now on the signal is noted. Programs that are started meet it with its default effect: exec drops handlers.
pub(super) fn watch() {
    let handler: extern "C" fn(libc::c_int) = note;
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
    unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
}

/// # Errors
/// When the signal came.
pub(super) fn check() -> Result<()> {
    if CAME.load(Ordering::Relaxed) {
        bail!("interrupted: the tracer has detached, the app is stopped");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_becomes_an_error_instead_of_the_end() {
        watch();
        assert!(check().is_ok());
        // SAFETY: raise takes no pointers, and the handler is installed.
        unsafe { libc::raise(libc::SIGINT) };
        let error = check().unwrap_err().to_string();
        assert!(error.starts_with("interrupted"), "{error}");
    }
}
