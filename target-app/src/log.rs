//! The app's log: one line per entry on standard error, time and level in front.

use std::fmt::Display;
use std::io::Write;
use std::time::SystemTime;

pub fn info(message: impl Display) {
    entry("info", message);
}

pub fn warning(message: impl Display) {
    entry("warning", message);
}

pub fn error(message: impl Display) {
    entry("error", message);
}

fn entry(level: &str, message: impl Display) {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    let line = format!("{time} [{level}] {message}\n");
    // A log that cannot be written must not stop the service.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
