//! A trace for people: the call tree, one line per event, time and thread in front.
//!
//! ```text
//! 10:15:02.103911Z tokio-rt-worker 812  app::audit_log::handle_call(uuid="a2b1")
//! 10:15:02.103913Z tokio-rt-worker 812  │ app::audit_log::store(uuid="a2b1") → ()  81.2 ms
//! 10:15:02.185207Z tokio-rt-worker 812  → Ok(())  81.3 ms  · handle_call
//! ```
//!
//! A call is printed when it begins. If its end comes before anything else is printed, and before the output is
//! flushed, both share a line.

use std::io::Write;

use super::backtrace::{self, Detail, within_crate};
use super::color::{Paint, Palette, printable};
use super::moment::Moment;
use super::output::{Output, OutputError};
use super::summary::Summary;
use super::units;
use super::width::ShownValues;
use crate::events::clock::Clock;
use crate::events::description::DescriptionKind;
use crate::events::event::{Argument, Call, Ending, Event, LineHit, Return, Returned, Thread, Untold, Usdt};
use crate::events::loss::Losses;
use crate::value::backtrace::Stack;

/// Levels of indentation that are drawn; deeper ones are written as a number.
const INDENTS_MAX: u32 = 32;

/// Characters of `10:15:02.103911Z`.
const TIME_WIDTH: usize = 16;

/// Writes a trace as text.
#[derive(Debug)]
pub struct TextReport<W> {
    output: Output<W>,
    palette: Palette,
    values: ShownValues,
    backtraces: Detail,
    moment: Moment,
    /// Width of the thread column so far: it only grows, so that lines stay aligned.
    thread_width: usize,
    /// The call's line that waits for its end, and the call's id.
    pending: Option<(u64, String)>,
    /// The call on the line that was printed last.
    last_call: Option<u64>,
}

impl<W: Write> TextReport<W> {
    pub fn new(output: Output<W>, palette: Palette, values: ShownValues, clock: Clock) -> Self {
        let moment = Moment::new(clock);
        let backtraces = Detail::default();
        Self { output, palette, values, backtraces, moment, thread_width: 0, pending: None, last_call: None }
    }

    /// Shows backtraces in this detail.
    pub fn with_backtraces(self, backtraces: Detail) -> Self {
        Self { backtraces, ..self }
    }

    /// Adds an event. It is visible at the latest after [`flush`](Self::flush).
    pub fn event(&mut self, event: &Event) -> Result<(), OutputError> {
        match event {
            Event::Call(call) => self.call(call),
            Event::Return(end) => self.end(end),
            Event::Usdt(usdt) => self.usdt(usdt),
            Event::Line(hit) => self.line(hit),
            Event::Lost { new, .. } => self.lost(new),
            Event::ThreadNamed(_) | Event::Limit { .. } => Ok(()),
        }
    }

    /// Shows everything: to be called whenever no event waits.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.print_pending()?;
        self.output.flush()
    }

    /// Writes the summary, the last line.
    pub fn stopped(&mut self, summary: &Summary) -> Result<(), OutputError> {
        self.print_pending()?;
        let mut line = String::new();
        let paint = if summary.exit_code() == 0 { Paint::Strong } else { Paint::Warning };
        self.palette.paint(&mut line, paint, &summary.text());
        self.print(&line)?;
        self.output.flush()
    }

    /// The sink, for tests.
    pub fn into_inner(self) -> W {
        self.output.into_inner()
    }

    fn call(&mut self, call: &Call) -> Result<(), OutputError> {
        self.print_pending()?;
        let mut line = self.prefix(call.time_ns, &call.thread, call.depth);
        match call.function.kind {
            DescriptionKind::Poll => self.palette.paint(&mut line, Paint::Dim, "poll "),
            DescriptionKind::Inlined => self.palette.paint(&mut line, Paint::Dim, "inlined "),
            DescriptionKind::Function | DescriptionKind::Line(_) | DescriptionKind::Usdt => {}
        }
        self.palette.paint(&mut line, Paint::Strong, &printable(&call.function.name));
        match &call.untold {
            None => self.arguments(&mut line, &call.arguments, call.depth),
            Some(Untold::Untyped) => line.push_str("(?)"),
            Some(Untold::Resumed(source)) => self.resumed(&mut line, source.as_ref()),
        }
        if call.returns && call.stack.is_none() {
            self.pending = Some((call.id, line));
            return Ok(());
        }
        self.print(&line)?;
        self.stack(call.stack.as_ref(), call.depth)?;
        if call.returns {
            self.last_call = Some(call.id);
        }
        Ok(())
    }

    fn usdt(&mut self, usdt: &Usdt) -> Result<(), OutputError> {
        self.print_pending()?;
        let mut line = self.prefix(usdt.time_ns, &usdt.thread, usdt.depth);
        self.palette.paint(&mut line, Paint::Dim, "usdt:");
        self.palette.paint(&mut line, Paint::Strong, &printable(&usdt.probe.name));
        self.arguments(&mut line, &usdt.arguments, usdt.depth);
        self.print(&line)?;
        self.stack(usdt.stack.as_ref(), usdt.depth)
    }

    /// The frames, below the call and as deep as what it calls.
    fn stack(&mut self, stack: Option<&Stack>, depth: u32) -> Result<(), OutputError> {
        let Some(Stack::Unwound(backtrace)) = stack else { return Ok(()) };
        let mut front = " ".repeat(TIME_WIDTH + 1 + self.thread_width + 2);
        indent(&mut front, depth + 1);
        for line in backtrace::lines(backtrace, self.backtraces, self.palette) {
            let mut painted = String::new();
            self.palette.paint(&mut painted, Paint::Dim, &front);
            self.print(&(painted + &line))?;
        }
        Ok(())
    }

    /// `src/store.rs:42  app::store::Store::save  {tree=…, count=3}`.
    fn line(&mut self, hit: &LineHit) -> Result<(), OutputError> {
        self.print_pending()?;
        let mut line = self.prefix(hit.time_ns, &hit.thread, hit.depth);
        let place = format!("{}:{}", within_crate(&hit.line.file), hit.line.line);
        self.palette.paint(&mut line, Paint::Strong, &printable(&place));
        let inlined = if hit.line.is_inlined { "inlined " } else { "" };
        self.palette.paint(&mut line, Paint::Dim, &format!(" {inlined}{}", printable(&hit.function.name)));
        line.push_str("  ");
        self.named(&mut line, &hit.locals, hit.depth, ["", ""]);
        self.print(&line)?;
        self.stack(hit.stack.as_ref(), hit.depth)
    }

    fn end(&mut self, end: &Return) -> Result<(), OutputError> {
        let (mut line, is_below_call) = match self.pending.take_if(|(id, _)| *id == end.id) {
            Some((_, line)) => (line + " ", true),
            None => {
                self.print_pending()?;
                (self.prefix(end.time_ns, &end.thread, end.depth), self.last_call == Some(end.id))
            }
        };
        self.how_it_ended(&mut line, end);
        if !is_below_call {
            self.whose_end(&mut line, end);
        }
        self.print(&line)
    }

    /// `→ value  81.2 ms`, or what happened instead.
    fn how_it_ended(&self, line: &mut String, end: &Return) {
        match (end.ending, &end.value) {
            (Ending::Returned, Returned::Value(value)) => {
                let below = format!("\n{}", self.below(end.depth));
                line.push_str("→ ");
                line.push_str(&self.values.lines(value).join(&below));
            }
            (Ending::Returned, Returned::Parts(parts)) => {
                line.push_str("→ ");
                self.named(line, parts, end.depth, ["", ""]);
            }
            (Ending::Returned, Returned::Nothing) => line.push_str("→ ()"),
            (Ending::Returned, Returned::NotAsked) => line.push('→'),
            (Ending::Returned, Returned::Untyped | Returned::Absent) => line.push_str("→ ?"),
            (Ending::Unwound, _) => self.palette.paint(line, Paint::Bad, "⇡ unwound"),
            (Ending::TailCalled, _) => self.palette.paint(line, Paint::Dim, "↷ tail-called"),
            (Ending::Unknown, _) => self.palette.paint(line, Paint::Warning, "? end not seen"),
            (Ending::Open, _) => self.palette.paint(line, Paint::Warning, "? no end seen when the trace stopped"),
        }
        if let Some(duration_ns) = end.duration_ns {
            line.push_str(if end.ending == Ending::Unwound { "  ≤ " } else { "  " });
            self.palette.paint(line, units::duration_paint(duration_ns), &units::duration(duration_ns));
        }
    }

    /// An end far from its call's line says whose it is.
    fn whose_end(&self, line: &mut String, end: &Return) {
        let name = printable(&end.function.name);
        let name = if end.call_seen { units::last_segment(&name) } else { &name };
        let poll = if end.function.kind == DescriptionKind::Poll { "poll " } else { "" };
        let lost = if end.call_seen { "" } else { " (its call was lost)" };
        self.palette.paint(line, Paint::Dim, &format!("  · {poll}{name}{lost}"));
    }

    fn lost(&mut self, new: &Losses) -> Result<(), OutputError> {
        self.print_pending()?;
        let places: Vec<String> =
            new.nonzero().map(|(name, count)| format!("{name}: {}", units::count(count))).collect();
        let mut line = String::new();
        self.palette.paint(
            &mut line,
            Paint::Bad,
            &format!("!! {} lost here ({})", units::count(new.total()), places.join(", ")),
        );
        self.print(&line)
    }

    /// `10:15:02.103911Z tokio-rt-worker 812  │ │ `.
    fn prefix(&mut self, time_ns: u64, thread: &Thread, depth: u32) -> String {
        let mut front = String::with_capacity(160);
        self.moment.time_of_day(&mut front, time_ns);
        let label = format!("{} {}", printable(&thread.name), thread.tid);
        self.thread_width = self.thread_width.max(label.chars().count());
        front.push(' ');
        front.push_str(label.trim_start());
        front.extend(std::iter::repeat_n(' ', self.thread_width - label.trim_start().chars().count() + 2));
        indent(&mut front, depth);
        let mut line = String::with_capacity(256);
        self.palette.paint(&mut line, Paint::Dim, &front);
        line
    }

    /// `(name=value, name=value)`; each on lines of its own if one has several.
    fn arguments(&self, line: &mut String, arguments: &[Argument], depth: u32) {
        self.named(line, arguments, depth, ["(", ")"]);
    }

    /// The same in other brackets, or in none.
    fn named(&self, line: &mut String, arguments: &[Argument], depth: u32, [open, close]: [&str; 2]) {
        let values: Vec<Vec<String>> = arguments.iter().map(|argument| self.values.lines(&argument.value)).collect();
        let is_tall = values.iter().any(|lines| lines.len() > 1);
        let below = format!("\n{}", self.below(depth));
        let inside = format!("{below}    ");
        line.push_str(open);
        for (index, (argument, lines)) in arguments.iter().zip(values).enumerate() {
            match (is_tall, index) {
                (true, _) => line.push_str(&inside),
                (false, 0) => {}
                (false, _) => line.push_str(", "),
            }
            line.push_str(&printable(&argument.name));
            line.push('=');
            line.push_str(&lines.join(&inside));
            line.push_str(if is_tall { "," } else { "" });
        }
        line.push_str(if is_tall && !close.is_empty() { &below } else { "" });
        line.push_str(close);
    }

    /// What stands in front of an event's further lines: nothing below time and thread, and the tree's bars.
    fn below(&self, depth: u32) -> String {
        let mut line = String::new();
        let bars = "│ ".repeat(depth.min(INDENTS_MAX) as usize);
        let space = " ".repeat(Moment::TIME_OF_DAY_WIDTH + self.thread_width + 3);
        self.palette.paint(&mut line, Paint::Dim, &format!("{space}{bars}"));
        line
    }

    /// `(…) at src/server.rs:210`.
    fn resumed(&self, line: &mut String, source: Option<&(String, u32)>) {
        line.push_str("(…)");
        if let Some((file, number)) = source {
            let file = printable(within_crate(file));
            self.palette.paint(line, Paint::Dim, &format!(" at {file}:{number}"));
        }
    }

    fn print_pending(&mut self) -> Result<(), OutputError> {
        match self.pending.take() {
            Some((id, line)) => {
                self.print(&line)?;
                self.last_call = Some(id);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn print(&mut self, line: &str) -> Result<(), OutputError> {
        self.last_call = None;
        self.output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))
    }
}

fn indent(front: &mut String, depth: u32) {
    for _ in 0..depth.min(INDENTS_MAX) {
        front.push_str("│ ");
    }
    if depth > INDENTS_MAX {
        front.push_str(&format!("[{depth}] "));
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
