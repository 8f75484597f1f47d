//! `tracer messages`: each message with what is known of it, and what it changed, as text or as JSON Lines. Must not
//! know how they were seen.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::{Map, json};

use super::color::{Paint, Palette, printable};
use super::moment::Moment;
use super::output::{Output, OutputError};
use super::summary::StopReason;
use super::units;
use super::width::ShownValues;
use crate::actors::messages::{Message, Sending};
use crate::actors::name::file_name;
use crate::events::loss::Losses;
use crate::value::difference::Difference;
use crate::value::json::to_json;

/// What changed in the actor's variables while it handled these messages.
#[derive(Clone, Debug, PartialEq)]
pub struct StateChange {
    /// When it was seen, CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// The first message, and the last.
    pub first: u64,
    pub last: u64,
    /// By path from the variable on.
    pub changed: Vec<Difference>,
}

/// The end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stopped {
    pub reason: StopReason,
    pub messages: u64,
    /// Messages that went by unseen.
    pub missed: u64,
    pub losses: Losses,
    pub overhead: f64,
}

/// Prints as messages come.
pub struct MessagesReport<W: Write> {
    pub output: Output<W>,
    pub is_json: bool,
    pub palette: Palette,
    pub values: ShownValues,
    pub moment: Moment,
    pub pid: u32,
    pub task: u64,
}

impl<W: Write> MessagesReport<W> {
    pub fn message(&mut self, message: &Message) -> Result<(), OutputError> {
        let lines = if self.is_json { vec![self.json(message)] } else { self.text(message) };
        self.lines(&lines)
    }

    pub fn state(&mut self, change: &StateChange) -> Result<(), OutputError> {
        if self.is_json {
            let mut time = String::new();
            self.moment.rfc3339(&mut time, change.time_ns);
            let changes: Map<_, _> = change
                .changed
                .iter()
                .map(|part| {
                    (part.path.clone(), json!({ "before": to_json(&part.before), "after": to_json(&part.after) }))
                })
                .collect();
            let line = json!({
                "kind": "state",
                "time": time,
                "pid": self.pid,
                "task": self.task,
                "first_message": change.first,
                "last_message": change.last,
                "changes": changes,
            });
            return self.lines(&[line.to_string()]);
        }
        let messages = match change.last - change.first {
            0 => format!("#{}", change.last),
            _ => format!("#{} to #{}", change.first, change.last),
        };
        let mut lines = Vec::new();
        for part in &change.changed {
            let (before, after) = (self.values.lines(&part.before).join(" "), self.values.lines(&part.after).join(" "));
            lines.push(format!("  state after {messages}: {} {before} → {after}", printable(&part.path)));
        }
        self.lines(&lines)
    }

    pub fn stopped(&mut self, stopped: &Stopped) -> Result<(), OutputError> {
        let lost = stopped.losses.total();
        let line = match self.is_json {
            true => json!({
                "kind": "stopped",
                "reason": stopped.reason.word(),
                "messages": stopped.messages,
                "missed": stopped.missed,
                "lost": lost,
                "overhead": stopped.overhead,
            })
            .to_string(),
            false => {
                let missed = match stopped.missed {
                    0 => String::new(),
                    missed => format!(", {} not seen", units::count(missed)),
                };
                format!(
                    "stopped: {} · {}{missed}, {} records lost · overhead {}",
                    why(stopped.reason),
                    units::counted(stopped.messages, "message"),
                    units::count(lost),
                    units::percent(stopped.overhead),
                )
            }
        };
        self.lines(&[line])?;
        self.flush()
    }

    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.output.flush()
    }

    fn lines(&mut self, lines: &[String]) -> Result<(), OutputError> {
        lines.iter().try_for_each(|line| self.output.line(|bytes| bytes.extend_from_slice(line.as_bytes())))
    }

    fn text(&mut self, message: &Message) -> Vec<String> {
        let mut head = String::new();
        self.moment.time_of_day(&mut head, message.received_ns);
        head.push_str("  ");
        self.palette.paint(&mut head, Paint::Strong, &format!("#{}", message.number));
        head.push(' ');
        let mut lines = match &message.value {
            Ok(value) => self.values.lines(value),
            Err(why) => vec![format!("<{}>", why.text())],
        };
        if let Some(first) = lines.first_mut() {
            *first = format!("{head} {first}");
        }
        let mut facts = vec![match &message.sent {
            Ok(sending) => {
                let waited_ns = message.received_ns.saturating_sub(sending.time_ns);
                format!("sent by {}, waited {}", sender(sending), units::duration(waited_ns))
            }
            Err(why) => format!("sender and waiting time: {}", why.text()),
        }];
        facts.push(match message.done_ns {
            Some(done_ns) => format!("took {}", units::duration(done_ns.saturating_sub(message.received_ns))),
            None => "is not done yet".to_owned(),
        });
        match (message.replies.as_slice(), message.sees_replies) {
            ([], true) => facts.push("no reply".to_owned()),
            ([], false) => facts.push("reply unknown: no probe can see it".to_owned()),
            (replies, _) => {
                let replies: Vec<String> = replies.iter().map(|reply| self.values.lines(reply).join(" ")).collect();
                facts.push(format!("replied {}", replies.join(", ")));
            }
        }
        lines.push(format!("  {}", facts.join(" · ")));
        lines
    }

    fn json(&mut self, message: &Message) -> String {
        let mut time = |time_ns: u64| {
            let mut text = String::new();
            self.moment.rfc3339(&mut text, time_ns);
            text
        };
        let sent = message.sent.as_ref();
        let sender = sent.ok().map(|sending| {
            let source = sending.from.as_ref().and_then(|frame| frame.source.as_ref());
            json!({
                "tid": sending.tid,
                "thread": sending.thread,
                "task": sending.task,
                "function": sending.from.as_ref().and_then(|frame| frame.function.as_deref()),
                "location": source.map(|(file, line)| format!("{file}:{line}")),
            })
        });
        json!({
            "kind": "message",
            "time": time(message.received_ns),
            "pid": self.pid,
            "task": self.task,
            "tid": message.tid,
            "number": message.number,
            "message": message.value.as_ref().ok().map(to_json),
            "message_unknown": message.value.as_ref().err().map(|why| why.text()),
            "sent": sent.ok().map(|sending| time(sending.time_ns)),
            "sender": sender,
            "sender_unknown": sent.err().map(|why| why.text()),
            "waited_ns": sent.ok().map(|sending| message.received_ns.saturating_sub(sending.time_ns)),
            "took_ns": message.done_ns.map(|done_ns| done_ns.saturating_sub(message.received_ns)),
            "replies": message.sees_replies.then(|| message.replies.iter().map(to_json).collect::<Vec<_>>()),
        })
        .to_string()
    }
}

/// `app::load::register (load.rs:44) on tokio-rt-worker 9330`.
fn sender(sending: &Sending) -> String {
    let mut text = match (&sending.task, &sending.from) {
        (Some(task), _) => task.clone(),
        (None, Some(frame)) => frame.function.as_deref().unwrap_or("?").to_owned(),
        (None, None) => "an unknown function".to_owned(),
    };
    if let Some((file, line)) = sending.from.as_ref().and_then(|frame| frame.source.as_ref()) {
        let _ = write!(text, " ({}:{line})", file_name(file));
    }
    let _ = write!(text, " on {} {}", sending.thread, sending.tid);
    printable(&text).into_owned()
}

fn why(reason: StopReason) -> String {
    match reason {
        StopReason::Calls(max) => format!("limit of {} reached", units::counted(max, "message")),
        StopReason::Rate(_) => "rate exceeded".to_owned(),
        StopReason::Time(limit) => {
            let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
            format!("time limit of {} reached", units::duration(limit_ns))
        }
        StopReason::Interrupted => "interrupted".to_owned(),
        StopReason::TargetExited => "the target exited".to_owned(),
        StopReason::Overload { max_overhead } => {
            format!("the probes cost the target more than {}", units::percent(max_overhead))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::messages::{NoSending, NoValue};
    use crate::events::clock::Clock;
    use crate::value::Value;

    fn report(is_json: bool) -> MessagesReport<Vec<u8>> {
        MessagesReport {
            output: Output::new(Vec::new()),
            is_json,
            palette: Palette::OFF,
            values: ShownValues::PLAIN,
            moment: Moment::new(Clock { realtime_offset_ns: 0 }),
            pid: 10,
            task: 9,
        }
    }

    fn message() -> Message {
        Message {
            number: 7,
            value: Ok(Value::Unsigned(5)),
            sent: Ok(Sending {
                time_ns: 1_000_000,
                tid: 11,
                thread: "worker".to_owned(),
                task: Some("app::load".to_owned()),
                from: None,
            }),
            received_ns: 3_500_000,
            tid: 12,
            done_ns: Some(84_700_000),
            replies: vec![Value::Unsigned(6)],
            sees_replies: true,
        }
    }

    fn printed(mut report: MessagesReport<Vec<u8>>, messages: &[Message]) -> String {
        messages.iter().for_each(|message| report.message(message).expect("memory takes all"));
        report.flush().expect("memory takes all");
        String::from_utf8(report.output.into_inner()).expect("text")
    }

    #[test]
    fn what_is_known_and_what_is_not() {
        let unknown = Message {
            value: Err(NoValue::Inlined),
            sent: Err(NoSending::Before),
            done_ns: None,
            replies: Vec::new(),
            sees_replies: false,
            ..message()
        };
        assert_eq!(
            printed(report(false), &[message(), unknown]),
            "00:00:00.003500Z  #7  5\n  sent by app::load on worker 11, waited 2.5 ms · took 81.2 ms · replied 6\n\
             00:00:00.003500Z  #7  <the functions that send and receive it are inlined>\n  sender and waiting time: \
             before the tracer came · is not done yet · reply unknown: no probe can see it\n"
        );
    }

    #[test]
    fn lines_for_tools() {
        let text = printed(report(true), &[message()]);
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&line["kind"], &line["number"], &line["message"]), (&json!("message"), &json!(7), &json!(5)));
        assert_eq!((&line["waited_ns"], &line["took_ns"]), (&json!(2_500_000), &json!(81_200_000)));
        assert_eq!((&line["replies"], &line["sender"]["task"]), (&json!([6]), &json!("app::load")));
    }
}
