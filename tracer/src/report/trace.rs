//! A trace in the format that the user asked for.

use std::io::Write;

use super::json::JsonReport;
use super::output::OutputError;
use super::summary::Summary;
use super::text::TextReport;
use crate::events::event::Event;

/// Text or JSON Lines.
#[derive(Debug)]
pub enum TraceReport<W> {
    Text(TextReport<W>),
    Json(JsonReport<W>),
}

impl<W: Write> TraceReport<W> {
    /// Adds an event. It is visible at the latest after [`flush`](Self::flush).
    pub fn event(&mut self, event: &Event) -> Result<(), OutputError> {
        match self {
            Self::Text(report) => report.event(event),
            Self::Json(report) => report.event(event),
        }
    }

    /// Shows everything: to be called whenever no event waits.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        match self {
            Self::Text(report) => report.flush(),
            Self::Json(report) => report.flush(),
        }
    }

    /// Writes the summary, the last line, and shows everything.
    pub fn stopped(&mut self, summary: &Summary) -> Result<(), OutputError> {
        match self {
            Self::Text(report) => report.stopped(summary),
            Self::Json(report) => report.stopped(summary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::samples;
    use crate::report::color::Palette;
    use crate::report::output::Output;
    use crate::report::replay::CLOCK;
    use crate::report::width::ShownValues;

    #[test]
    fn a_full_disk_ends_either_format() {
        let full = || Output::new(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let reports = [
            TraceReport::Text(TextReport::new(full(), Palette::OFF, ShownValues::PLAIN, CLOCK)),
            TraceReport::Json(JsonReport::new(full(), CLOCK)),
        ];
        for mut report in reports {
            report.event(&Event::Call(samples::call(1, 0))).unwrap();
            assert_eq!(report.flush().unwrap_err().exit_code(), 1);
        }
    }
}
