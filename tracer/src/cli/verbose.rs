//! `-v`: what the libraries and the BPF programs log goes to standard error.

use log::{LevelFilter, Log, Metadata, Record};

use super::say::say;

struct StandardError;

impl Log for StandardError {
    /// Our own words and those of the BPF programs, not what the libraries say to their authors.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tracer")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            say(format_args!("{}: {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Prints log messages from here on.
pub fn enable() {
    // Another logger can only be there if this was called twice.
    if log::set_logger(&StandardError).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}
