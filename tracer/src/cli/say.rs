//! What is told to people on standard error, with nothing in it that a terminal would obey: names in it may come from
//! the target.

use std::fmt::Display;

use crate::report::color::printable;

/// One message, which may have several lines.
pub fn say(text: impl Display) {
    let text = text.to_string();
    let lines: Vec<_> = text.lines().map(printable).collect();
    eprintln!("tracer: {}", lines.join("\n"));
}
