//! `-v`: what the libraries and the BPF programs log goes to standard error.

use log::{LevelFilter, Log, Metadata, Record};

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("tracer: {}: {}", record.target(), record.args());
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
