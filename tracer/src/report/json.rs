//! A trace for tools: JSON Lines, the contract of DESIGN.md section 5. `kind` first, keys in a fixed order.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::Value as Json;

use super::backtrace;
use super::moment::Moment;
use super::output::{Output, OutputError};
use super::summary::Summary;
use crate::events::clock::Clock;
use crate::events::description::DescriptionKind;
use crate::events::event::{Argument, Call, Ending, Event, LineHit, Return, Returned, Thread, Untold, Usdt};
use crate::events::loss::Losses;
use crate::value::backtrace::{End, Stack};
use crate::value::json::to_json;

/// Writes a trace as JSON Lines.
#[derive(Debug)]
pub struct JsonReport<W> {
    output: Output<W>,
    moment: Moment,
    /// Reused for every line.
    line: String,
}

impl<W: Write> JsonReport<W> {
    pub fn new(output: Output<W>, clock: Clock) -> Self {
        Self { output, moment: Moment::new(clock), line: String::new() }
    }

    /// Adds an event. It is visible at the latest after [`flush`](Self::flush).
    pub fn event(&mut self, event: &Event) -> Result<(), OutputError> {
        self.line.clear();
        match event {
            Event::Call(call) => self.call(call),
            Event::Return(end) => self.end(end),
            Event::Usdt(usdt) => self.usdt(usdt),
            Event::Line(hit) => self.line_hit(hit),
            Event::Lost { time_ns, new } => self.lost(*time_ns, new),
            Event::ThreadNamed(_) | Event::Limit { .. } => return Ok(()),
        }
        self.print()
    }

    /// Shows everything: to be called whenever no event waits.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.output.flush()
    }

    /// Writes the summary, the last line.
    pub fn stopped(&mut self, summary: &Summary) -> Result<(), OutputError> {
        self.line.clear();
        self.line.push_str(&summary.json());
        self.print()?;
        self.output.flush()
    }

    /// The sink, for tests.
    pub fn into_inner(self) -> W {
        self.output.into_inner()
    }

    fn call(&mut self, call: &Call) {
        self.start("call", call.id, call.parent, call.time_ns, &call.thread, call.depth);
        self.line.push_str(r#","function":"#);
        self.string(&call.function.name);
        match call.untold {
            None => self.arguments(&call.arguments),
            Some(_) => self.line.push_str(r#","args":null"#),
        }
        if call.function.kind == DescriptionKind::Poll {
            self.line.push_str(r#","poll":true"#);
        }
        if call.function.kind == DescriptionKind::Inlined {
            self.line.push_str(r#","inlined":true"#);
        }
        if let Some(Untold::Resumed(source)) = &call.untold {
            self.line.push_str(r#","resumed_at":"#);
            match source {
                Some((file, line)) => self.string(&format!("{file}:{line}")),
                None => self.line.push_str("null"),
            }
        }
        self.stack(call.stack.as_ref());
        self.line.push('}');
    }

    fn usdt(&mut self, usdt: &Usdt) {
        self.start("usdt", usdt.id, usdt.parent, usdt.time_ns, &usdt.thread, usdt.depth);
        self.line.push_str(r#","probe":"#);
        self.string(&usdt.probe.name);
        self.arguments(&usdt.arguments);
        self.stack(usdt.stack.as_ref());
        self.line.push('}');
    }

    fn stack(&mut self, stack: Option<&Stack>) {
        let Some(Stack::Unwound(backtrace)) = stack else { return };
        self.line.push_str(r#","backtrace":"#);
        backtrace::json(&mut self.line, backtrace);
        if backtrace.end != End::Outermost {
            self.line.push_str(r#","backtrace_end":"#);
            self.string(&backtrace.end.to_string());
        }
    }

    fn line_hit(&mut self, hit: &LineHit) {
        self.start("line", hit.id, hit.parent, hit.time_ns, &hit.thread, hit.depth);
        self.line.push_str(r#","function":"#);
        self.string(&hit.function.name);
        self.line.push_str(r#","file":"#);
        self.string(&hit.line.file);
        let _ = write!(self.line, r#","line":{}"#, hit.line.line);
        self.values("locals", &hit.locals);
        if hit.line.is_inlined {
            self.line.push_str(r#","inlined":true"#);
        }
        self.stack(hit.stack.as_ref());
        self.line.push('}');
    }

    fn end(&mut self, end: &Return) {
        let _ = write!(self.line, r#"{{"kind":"return","id":{},"function":"#, end.id);
        self.string(&end.function.name);
        match end.duration_ns {
            Some(duration_ns) => {
                let _ = write!(self.line, r#","duration_ns":{duration_ns}"#);
            }
            None => self.line.push_str(r#","duration_ns":null"#),
        }
        let outcome = match end.ending {
            Ending::Returned => "returned",
            Ending::Unwound => "unwound",
            Ending::TailCalled => "tail-called",
            Ending::Unknown | Ending::Open => "unknown",
        };
        let _ = write!(self.line, r#","outcome":"{outcome}""#);
        let value = match &end.value {
            Returned::Value(value) => Some(to_json(value)),
            Returned::Nothing => Some(Json::Null),
            Returned::Untyped => Some(serde_json::json!({"$unreadable": "no debug information"})),
            Returned::NotAsked | Returned::Absent | Returned::Parts(_) => None,
        };
        if let Some(value) = value {
            let _ = write!(self.line, r#","value":{value}"#);
        }
        if let Returned::Parts(parts) = &end.value {
            self.values("values", parts);
        }
        if !end.call_seen {
            self.line.push_str(r#","call_lost":true"#);
        }
        self.line.push('}');
    }

    fn lost(&mut self, time_ns: u64, new: &Losses) {
        self.line.push_str(r#"{"kind":"lost","time":""#);
        self.moment.rfc3339(&mut self.line, time_ns);
        let _ = write!(self.line, r#"","lost":{},"lost_by":{{"#, new.total());
        for (index, (name, count)) in new.nonzero().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(self.line, r#"{comma}"{name}":{count}"#);
        }
        self.line.push_str("}}");
    }

    /// What calls and USDT events have in common.
    fn start(&mut self, kind: &str, id: u64, parent: Option<u64>, time_ns: u64, thread: &Thread, depth: u32) {
        let _ = write!(self.line, r#"{{"kind":"{kind}","id":{id},"parent":"#);
        match parent {
            Some(parent) => {
                let _ = write!(self.line, "{parent}");
            }
            None => self.line.push_str("null"),
        }
        self.line.push_str(r#","time":""#);
        self.moment.rfc3339(&mut self.line, time_ns);
        let _ = write!(self.line, r#"","pid":{},"tid":{},"thread":"#, thread.pid, thread.tid);
        self.string(&thread.name);
        let _ = write!(self.line, r#","depth":{depth}"#);
    }

    fn arguments(&mut self, arguments: &[Argument]) {
        self.values("args", arguments);
    }

    fn values(&mut self, key: &str, arguments: &[Argument]) {
        let _ = write!(self.line, r#","{key}":{{"#);
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                self.line.push(',');
            }
            self.string(&argument.name);
            let _ = write!(self.line, ":{}", to_json(&argument.value));
        }
        self.line.push('}');
    }

    fn string(&mut self, text: &str) {
        string(&mut self.line, text);
    }

    fn print(&mut self) -> Result<(), OutputError> {
        let line = &self.line;
        self.output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))
    }
}

/// Appends a JSON string. Names rarely need escapes.
pub(super) fn string(line: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        line.push('"');
        line.push_str(text);
        line.push('"');
    } else {
        let _ = write!(line, "{}", Json::from(text));
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
