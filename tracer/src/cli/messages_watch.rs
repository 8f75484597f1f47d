//! Takes in what the probes of `tracer messages` see, reads the actor's state between messages, and prints both.

use std::sync::Arc;

use super::exit::Failure;
use super::messages::{Arguments, POLLS, RECEIVES, REPLIES, SENDS};
use super::session::{self, Sink};
use crate::actors::awaiting::Wait;
use crate::actors::channel::{ChannelPlace, Level};
use crate::actors::execution::{in_task, telling};
use crate::actors::look::{State, System};
use crate::actors::messages::{Mailbox, Message, Sending};
use crate::actors::reader::Reader;
use crate::events::description::{Description, Descriptions};
use crate::events::event::{Argument, Call, Ending, Event, Return, Returned};
use crate::events::stream::Stream;
use crate::kernel::session::{Session, monotonic_ns};
use crate::report::messages::{MessagesReport, StateChange, Stopped};
use crate::report::moment::Moment;
use crate::report::output::Output;
use crate::report::summary::StopReason;
use crate::report::width::{ShownValues, ValueWidth};
use crate::target::files::Files;
use crate::target::process::Process;
use crate::target::unwind::Unwinder;
use crate::value::backtrace::{Frame, Stack};
use crate::value::difference::{Difference, differences};
use crate::value::{Limits, Payload, Value};

/// Messages read from memory at the beginning.
const QUEUED_MAX: u64 = 256;
/// Between two readings of the actor's state.
const STATE_EVERY_NS: u64 = 20_000_000;
/// Characters of a value on one line.
const VALUE_WIDTH: usize = 160;
/// Done, but events were lost; ended by a safety guard.
const LOST: u8 = 3;
const OVERLOADED: u8 = 4;

/// The actor's channel, and the actor.
pub(super) struct Channel {
    pub(super) key: u64,
    pub(super) place: ChannelPlace,
    pub(super) message_type: String,
    /// Addresses of its two halves.
    pub(super) receiving: u64,
    pub(super) sending: u64,
    pub(super) label: String,
    pub(super) task: u64,
    /// The task's memory.
    pub(super) header: u64,
}

/// Turns a session's records into messages.
pub(super) struct MessageSink<'w, 'a, 'i> {
    arguments: &'w Arguments,
    system: &'w System<'a, 'i>,
    channel: Channel,
    process: &'w Process,
    unwinder: Unwinder<'w>,
    stream: Stream,
    mailbox: Mailbox,
    limits: Limits,
    shown: u64,
    /// The actor's variables when it last waited for a message, and how many it had received.
    state: Option<(u64, Vec<(String, Value)>)>,
    last_look_ns: u64,
    report: MessagesReport<std::io::Stdout>,
}

impl<'w, 'a, 'i> MessageSink<'w, 'a, 'i> {
    pub(super) fn new(
        arguments: &'w Arguments,
        system: &'w System<'a, 'i>,
        channel: Channel,
        descriptions: Arc<Descriptions>,
        process: &'w Process,
        files: &'w Files,
    ) -> Self {
        let limits = arguments.values.limits();
        let sees_replies = descriptions.functions.iter().any(|function| function.name.starts_with(REPLIES));
        let mailbox = mailbox(system, &channel, sees_replies, !arguments.values.redaction().is_empty(), &limits);
        let width = arguments.value_width.unwrap_or(if arguments.values.pretty { 0 } else { VALUE_WIDTH });
        let values = ShownValues { width: ValueWidth((width > 0).then_some(width)), style: arguments.values.style() };
        let report = MessagesReport {
            output: Output::new(std::io::stdout()),
            is_json: arguments.output.json,
            palette: arguments.output.palette(),
            values,
            moment: Moment::new(session::clock()),
            pid: process.pid(),
            task: channel.task,
        };
        let mut sink = Self {
            arguments,
            system,
            channel,
            process,
            unwinder: Unwinder::new(process, files),
            stream: Stream::new(descriptions, limits),
            mailbox,
            limits,
            shown: 0,
            state: None,
            last_look_ns: 0,
            report,
        };
        sink.state = sink.read_state();
        sink
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Call(call) if call.function.name.starts_with(RECEIVES) => {
                if let Some(number) = call.arguments.first().and_then(|argument| number(&argument.value)) {
                    self.mailbox.asks(call.id, number, call.time_ns, call.thread.tid);
                }
            }
            Event::Call(call) if call.function.name.starts_with(SENDS) => self.sent(call),
            Event::Call(call) if call.function.name.starts_with(REPLIES) => {
                let value = call.arguments.into_iter().next().and_then(|argument| in_some(argument.value));
                if let Some(value) = value {
                    self.mailbox.replied(call.thread.tid, call.time_ns, value);
                }
            }
            Event::Call(call) if call.function.name.starts_with(POLLS) => {
                self.mailbox.polled(call.thread.tid, call.time_ns, true);
            }
            Event::Return(end) if end.function.name.starts_with(POLLS) => {
                self.mailbox.polled(end.thread.tid, end.time_ns, false);
            }
            Event::Return(Return { id, function, value: Returned::Value(value), .. })
                if function.name.starts_with(RECEIVES) && self.is_of_channel(&function) =>
            {
                if let Some(message) = in_some(value).and_then(in_value) {
                    self.mailbox.found(id, message);
                }
            }
            _ => {}
        }
    }

    /// Whether the function is the copy for this channel's messages: the compiler keeps one of several with the same
    /// code, and then its types are another's.
    fn is_of_channel(&self, function: &Description) -> bool {
        function.name.ends_with(&format!("<{}>", self.channel.message_type))
    }

    fn sent(&mut self, mut call: Call) {
        let is_own = self.is_of_channel(&call.function);
        let mut arguments = std::mem::take(&mut call.arguments).into_iter();
        let Some(number) = arguments.next().and_then(|argument| number(&argument.value)) else { return };
        let value = arguments.next().map(|argument: Argument| argument.value).filter(|_| is_own);
        let (task, from) = self.sender(call.stack);
        let sending =
            Sending { time_ns: call.time_ns, tid: call.thread.tid, thread: call.thread.name.to_string(), task, from };
        self.mailbox.sent(number, sending, value.filter(|value| !matches!(value, Value::Unreadable(_))));
    }

    /// The function of the task that sends, and the innermost of the program's own functions.
    fn sender(&mut self, stack: Option<Stack>) -> (Option<String>, Option<Frame>) {
        let Some(Stack::Taken(picture)) = stack else { return (None, None) };
        let backtrace = self.unwinder.unwind(&picture);
        let own = in_task(self.system.program, &backtrace);
        let task = own.and_then(|(kind, _)| Some(self.system.program.kinds.get(kind)?.name.clone()));
        let frames = own.map_or(backtrace.frames.as_slice(), |(_, frames)| frames);
        (task, telling(frames).cloned())
    }

    /// The actor's variables, if it waits for a message now, and how many it has received. Memory is read without
    /// masks: not at all where names are masked.
    fn read_state(&self) -> Option<(u64, Vec<(String, Value)>)> {
        let received = || {
            let level = self.channel.place.level(&self.system.program.graph, &Reader::new(self.system.memory))?;
            level.received.filter(|_| !level.is_torn)
        };
        if !self.arguments.values.redaction().is_empty() {
            return None;
        }
        let before = received()?;
        let actor = self.system.actor_at(self.channel.header)?;
        let is_own = actor.task.id == self.channel.task;
        let waits = |wait: &Wait| matches!(wait, Wait::Message { channel } if *channel == self.channel.key);
        let is_idle = actor.state == State::Waiting && actor.awaited.iter().any(|awaited| waits(&awaited.wait));
        if !is_own || !is_idle {
            return None;
        }
        let variables = self.system.variables(&actor, &self.limits);
        let after = self.system.actor_at(self.channel.header)?;
        let is_still = after.state == State::Waiting && after.task.state == actor.task.state;
        (is_still && received()? == before).then_some((before, variables))
    }

    /// What changed in the actor's variables since it was last seen to wait.
    fn compare_state(&mut self) -> Result<(), Failure> {
        let now_ns = monotonic_ns();
        if now_ns.saturating_sub(self.last_look_ns) < STATE_EVERY_NS {
            return Ok(());
        }
        self.last_look_ns = now_ns;
        let Some((received, variables)) = self.read_state() else { return Ok(()) };
        // Told behind the messages that made it.
        if self.mailbox.asked().is_some_and(|asked| asked < received) {
            return Ok(());
        }
        if let Some((earlier, known)) = self.state.take().filter(|(earlier, _)| *earlier < received) {
            let mut changed = Vec::new();
            for (name, now) in &variables {
                let Some((_, before)) = known.iter().find(|(other, _)| other == name) else { continue };
                let parts = differences(before, now).into_iter();
                changed.extend(parts.map(|part| Difference { path: format!("{name}{}", part.path), ..part }));
            }
            self.report.state(&StateChange { time_ns: now_ns, first: earlier, last: received - 1, changed })?;
        }
        self.state = Some((received, variables));
        Ok(())
    }

    fn print_done(&mut self) -> Result<(), Failure> {
        let done: Vec<Message> = self.mailbox.take_done().collect();
        for message in done {
            if self.arguments.limit > 0 && self.shown >= self.arguments.limit {
                break;
            }
            self.shown += 1;
            self.report.message(&message)?;
        }
        Ok(())
    }

    /// After the session: the message that is being handled, and the last line.
    pub(super) fn finish(mut self, reason: StopReason, session: &Session) -> Result<u8, Failure> {
        let mut events = Vec::new();
        self.stream.finish(monotonic_ns(), |event| -> Result<(), Failure> {
            events.push(event);
            Ok(())
        })?;
        // What ends only because the session does, does not end.
        let ended = |event: &Event| !matches!(event, Event::Return(end) if end.ending == Ending::Open);
        events.into_iter().filter(ended).for_each(|event| self.event(event));
        self.mailbox.finish();
        self.print_done()?;
        if self.process.is_running() {
            self.last_look_ns = 0;
            self.compare_state()?;
        }
        let losses = self.stream.losses(&session::losses(session));
        let missed = self.mailbox.missed();
        self.report.stopped(&Stopped { reason, messages: self.shown, missed, losses, overhead: session.overhead() })?;
        Ok(match reason {
            StopReason::Overload { .. } => OVERLOADED,
            _ if losses.any() || missed > 0 => LOST,
            _ => super::exit::DONE,
        })
    }
}

/// With what waits in it already; memory is read without masks, so not where names are masked.
fn mailbox(
    system: &System<'_, '_>,
    channel: &Channel,
    sees_replies: bool,
    is_masked: bool,
    limits: &Limits,
) -> Mailbox {
    let graph = &system.program.graph;
    let reader = Reader::new(system.memory);
    let level = || channel.place.level(graph, &reader);
    let totals = |level: &Level| Some((level.sent?, level.received?));
    let Some((before, (sent, received))) = level().and_then(|level| Some((level, totals(&level)?))) else {
        return Mailbox::new(sees_replies, 0);
    };
    let mut mailbox = Mailbox::new(sees_replies, sent);
    if is_masked {
        return mailbox;
    }
    let addresses = channel.place.messages(graph, &reader.again(), QUEUED_MAX);
    let fresh = reader.again();
    let futures = crate::actors::awaiting::Futures::new(graph, &fresh);
    let values: Vec<Option<Value>> = addresses
        .iter()
        .map(|address| channel.place.message.and_then(|message| futures.decoded(message, *address, limits)))
        .collect();
    // Only if none was taken meanwhile are these the numbers and the bytes of messages that wait.
    let is_same = level().is_some_and(|after| after.received == Some(received));
    if is_same && addresses.len() as u64 == before.length.min(QUEUED_MAX) {
        for (number, value) in (received..).zip(values) {
            if let Some(value) = value {
                mailbox.queued(number, value);
            }
        }
    }
    mailbox
}

/// The first whole number in a value: what an atomic or a wrapper holds.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Unsigned(number) => u64::try_from(*number).ok(),
        Value::Struct { fields, .. } => fields.iter().find_map(|(_, value)| number(value)),
        Value::TupleStruct { fields, .. } => fields.iter().find_map(number),
        _ => None,
    }
}

/// What is in `Some`, under cells.
fn in_some(value: Value) -> Option<Value> {
    match value {
        Value::Variant { name, payload: Payload::Tuple(mut fields) } if name == "Some" && fields.len() == 1 => {
            fields.pop()
        }
        Value::TupleStruct { mut fields, .. } if fields.len() == 1 => in_some(fields.pop()?),
        _ => None,
    }
}

/// What is in `Value`, the variant of what a channel's list was found to hold.
fn in_value(value: Value) -> Option<Value> {
    match value {
        Value::Variant { name, payload: Payload::Tuple(mut fields) } if name == "Value" && fields.len() == 1 => {
            fields.pop()
        }
        _ => None,
    }
}

impl Sink for MessageSink<'_, '_, '_> {
    fn record(&mut self, bytes: &[u8]) {
        self.stream.push(bytes);
    }

    fn settle(&mut self, _: &Session, now_ns: u64, idle: bool) -> Result<(), Failure> {
        let mut events = Vec::new();
        self.stream.drain(now_ns, |event| -> Result<(), Failure> {
            events.push(event);
            Ok(())
        })?;
        events.into_iter().for_each(|event| self.event(event));
        self.print_done()?;
        if idle {
            self.compare_state()?;
            self.report.flush()?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.arguments.limit > 0 && self.shown >= self.arguments.limit
    }
}
