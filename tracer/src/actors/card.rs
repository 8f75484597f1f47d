//! Everything about one actor, in groups: who it is, its mailbox, who sends to it, what it waits for down to the end of
//! the chain, who waits for it, what it holds, and the values of its variables. Plain data for reports.

use super::awaiting::{Frame, FrameState, Futures, Wait, active};
use super::holdings::Held;
use super::look::{Actor, Look, State, System, label, location};
use super::reader::Reader;
use super::row::wait_row;
use super::waits::{Cause, WaitGraph};
use crate::value::layout::{Shape, TypeId};
use crate::value::{Limits, Value};

/// Variables of one actor that are shown.
const VARIABLES_MAX: usize = 64;
/// Names in one list.
const NAMES_MAX: usize = 32;

/// The groups of a card, in their order.
pub const GROUPS: [&str; 8] = ["meta", "mailbox", "senders", "waits", "waiters", "holds", "memory", "state"];

/// One group of lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: &'static str,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub key: String,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Text(String),
    Number(u64),
    /// How much more there is of something than before.
    Change(i64),
    /// A part of 1.
    Share(f64),
    Flag(bool),
    Value(Value),
    List(Vec<String>),
}

fn text(key: &str, text: impl Into<String>) -> Line {
    Line { key: key.to_owned(), content: Content::Text(text.into()) }
}

fn number(key: &str, number: u64) -> Line {
    Line { key: key.to_owned(), content: Content::Number(number) }
}

fn line(key: &str, content: Content) -> Line {
    Line { key: key.to_owned(), content }
}

fn flag(key: &str, flag: bool) -> Line {
    Line { key: key.to_owned(), content: Content::Flag(flag) }
}

fn list(key: &str, mut names: Vec<String>) -> Line {
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    names.extend((more > 0).then(|| format!("… {more} more")));
    Line { key: key.to_owned(), content: Content::List(names) }
}

impl<'i> System<'_, 'i> {
    /// The variables of a task's own function, as they are while it waits; without the receiving ends of channels,
    /// which change with every message.
    pub fn variables(&self, actor: &Actor, limits: &Limits) -> Vec<(String, Value)> {
        let reader = Reader::new(self.memory);
        let futures = Futures::new(&self.program.graph, &reader);
        let receives =
            |ty, address| futures.holdings(ty, address).iter().any(|held| matches!(held, Held::Receiver { .. }));
        self.own_variables(actor, &futures, limits, &|ty, address| !receives(ty, address))
    }

    /// The card of an actor of a look. `describe` says what a file descriptor is.
    pub fn card(
        &self,
        look: &Look,
        graph: &WaitGraph,
        index: usize,
        now_ns: u64,
        describe: &dyn Fn(u32) -> Option<String>,
    ) -> Vec<Group> {
        let Some(actor) = look.actors.get(index) else { return Vec::new() };
        let reader = Reader::new(self.memory);
        let futures = Futures::new(&self.program.graph, &reader);
        let group = |name: &'static str, lines: Vec<Line>| Group { name, lines };
        vec![
            group("meta", self.meta(actor)),
            group("mailbox", mailbox(actor, look)),
            group("senders", senders(actor, look)),
            group("waits", waits(look, graph, index, actor, now_ns, describe)),
            group("waiters", waiters(look, graph, index)),
            group("holds", holds(actor, look)),
            group("memory", vec![number("task_bytes", actor.size_bytes)]),
            group("state", self.state(actor, &futures)),
        ]
    }

    fn meta(&self, actor: &Actor) -> Vec<Line> {
        let kind = self.program.kinds.get(actor.task.kind);
        let future = kind.map_or(String::new(), |kind| self.program.graph.get(kind.future).name.clone());
        let mut lines = vec![
            text("name", &actor.name),
            number("task", actor.task.id),
            text("state", actor.state.text()),
            text("type", if actor.is_blocking { "blocking task" } else { "task" }),
            text("future", future),
            text("address", format!("{:#x}", actor.task.address)),
            number("references", actor.task.references()),
            flag("joinable", actor.task.is_joinable()),
        ];
        if actor.task.is_cancelled() {
            lines.push(flag("cancelled", true));
        }
        if actor.is_torn {
            lines.push(flag("changed_while_read", true));
        }
        lines
    }

    /// The variables of the outermost function; before the first poll its arguments. A running task's are those of its
    /// last suspension.
    fn state(&self, actor: &Actor, futures: &Futures<'_, 'i>) -> Vec<Line> {
        let variables = self.own_variables(actor, futures, &limits(), &|_, _| true);
        variables.into_iter().map(|(key, value)| Line { key, content: Content::Value(value) }).collect()
    }

    fn own_variables(
        &self,
        actor: &Actor,
        futures: &Futures<'_, 'i>,
        limits: &Limits,
        is_wanted: &dyn Fn(TypeId, u64) -> bool,
    ) -> Vec<(String, Value)> {
        let Some(frame) = actor.awaited.first().and_then(|awaited| awaited.frames.first()) else { return Vec::new() };
        let ty = self.program.graph.get(frame.ty);
        let Shape::Enum(states) = &ty.shape else { return Vec::new() };
        let Some(variant) = active(futures.reader, states, frame.address) else { return Vec::new() };
        let own = variant.fields.iter().filter(|field| !field.name.starts_with("__")).take(VARIABLES_MAX);
        let mut variables: Vec<(String, Value)> = Vec::new();
        for field in own {
            let name = field.name.strip_prefix("_ref__").unwrap_or(&field.name);
            // An argument that became a variable is there twice: the variable comes first.
            let is_known = variables.iter().any(|(known, _)| known == name);
            if is_known || !is_wanted(field.ty, frame.address + field.offset) {
                continue;
            }
            if let Some(value) = futures.decoded(field.ty, frame.address + field.offset, limits) {
                variables.push((name.to_owned(), value));
            }
        }
        variables
    }
}

/// A card is an overview: what is many pointers away is not shown.
fn limits() -> Limits {
    Limits { pointers_max: 2, items_max: 8, ..Limits::default() }
}

fn mailbox(actor: &Actor, look: &Look) -> Vec<Line> {
    let Some(channel) = actor.mailbox.and_then(|key| look.channels.get(&key)) else { return Vec::new() };
    let mut lines = Vec::new();
    lines.extend(channel.name.as_ref().map(|name| text("name", name)));
    lines.push(text("channel", channel.flavor.text()));
    lines.extend(channel.message_type.as_ref().map(|message| text("message_type", message)));
    if let Some(level) = channel.level {
        lines.push(number("length", level.length));
        lines.push(match level.capacity {
            Some(capacity) => number("capacity", capacity),
            None => text("capacity", "unbounded"),
        });
        let counts = [("sent", level.sent), ("received", level.received), ("senders", level.senders)];
        lines.extend(counts.into_iter().filter_map(|(name, count)| Some(number(name, count?))));
        lines.push(flag("closed", level.is_closed));
    }
    lines
}

/// Adds to the card of an actor what a window showed: its mailbox's change and traffic since `start`, and in how many
/// of the samples it ran.
pub fn add_window(groups: &mut [Group], actor: &Actor, start: &Look, end: &Look, busy: f64) {
    let level = |look: &Look| actor.mailbox.and_then(|key| look.channels.get(&key)?.level);
    let was_there = start.actors.iter().any(|before| before.task.id == actor.task.id);
    for group in groups {
        match group.name {
            "meta" => {
                group.lines.push(line("busy", Content::Share(busy)));
                group.lines.extend((!was_there).then(|| flag("born_in_window", true)));
            }
            "mailbox" => {
                let Some((before, now)) = level(start).zip(level(end)) else { continue };
                let change = now.length.cast_signed().wrapping_sub(before.length.cast_signed());
                group.lines.push(line("delta", Content::Change(change)));
                let traffic = [
                    ("sent_in_window", before.sent.zip(now.sent)),
                    ("received_in_window", before.received.zip(now.received)),
                ];
                let traffic = traffic.into_iter().filter_map(|(key, counts)| Some((key, counts?)));
                group.lines.extend(traffic.map(|(key, (before, now))| number(key, now.saturating_sub(before))));
            }
            _ => {}
        }
    }
}

/// The tasks that have a sender of its mailbox at hand.
fn senders(actor: &Actor, look: &Look) -> Vec<Line> {
    let Some(key) = actor.mailbox else { return Vec::new() };
    let has = |other: &&Actor| other.held.contains(&Held::Sender { channel: key });
    let names: Vec<String> = look.actors.iter().filter(has).map(|other| numbered(other, look)).collect();
    if names.is_empty() { Vec::new() } else { vec![list("tasks", names)] }
}

fn waits(
    look: &Look,
    graph: &WaitGraph,
    index: usize,
    actor: &Actor,
    now_ns: u64,
    describe: &dyn Fn(u32) -> Option<String>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for awaited in &actor.awaited {
        let row = wait_row(&awaited.wait, location(&awaited.frames), &look.channels, now_ns);
        let mut what = vec![row.word.to_owned()];
        what.extend(row.detail);
        if let Wait::Socket { descriptor: Some(descriptor) } = awaited.wait {
            what.extend(describe(descriptor));
        }
        let key = if actor.state == State::Running { "awaited_last" } else { "awaits" };
        lines.push(text(key, what.join(" ")));
        lines.push(list("stack", awaited.frames.iter().map(frame).collect()));
    }
    let edges = graph.edges.iter().filter(|edge| edge.from == index);
    lines.extend(edges.filter_map(|edge| {
        let to = look.actors.get(edge.to)?;
        Some(text(because(&edge.cause), format!("{}{}", numbered(to, look), edge.evidence.note())))
    }));
    lines
}

/// `run  registration.rs:28`.
fn frame(frame: &Frame) -> String {
    match (&frame.location, frame.state) {
        (Some((file, line)), _) => format!("{} ({file}:{line})", frame.function),
        (None, FrameState::Unresumed) => format!("{} (not yet polled)", frame.function),
        (None, _) => frame.function.clone(),
    }
}

fn because(cause: &Cause) -> &'static str {
    match cause {
        Cause::Reply { .. } => "reply_from",
        Cause::Room { .. } => "room_in_mailbox_of",
        Cause::Lock { .. } => "lock_held_by",
        Cause::Permit { .. } => "permit_held_by",
        Cause::End => "end_of",
    }
}

fn waiters(look: &Look, graph: &WaitGraph, index: usize) -> Vec<Line> {
    let mut by_cause: Vec<(&str, Vec<String>)> = Vec::new();
    for edge in graph.edges.iter().filter(|edge| edge.to == index) {
        let key = match edge.cause {
            Cause::Reply { .. } => "for_a_reply",
            Cause::Room { .. } => "for_room",
            Cause::Lock { .. } => "for_a_lock",
            Cause::Permit { .. } => "for_a_permit",
            Cause::End => "for_its_end",
        };
        let Some(name) = look.actors.get(edge.from).map(|from| numbered(from, look)) else { continue };
        match by_cause.iter_mut().find(|(known, _)| *known == key) {
            Some((_, names)) => names.push(name),
            None => by_cause.push((key, vec![name])),
        }
    }
    by_cause.into_iter().map(|(key, names)| list(key, names)).collect()
}

fn holds(actor: &Actor, look: &Look) -> Vec<Line> {
    let channel = |key: u64| {
        let channel = look.channels.get(&key);
        let name = channel.and_then(|channel| channel.name.clone().or_else(|| channel.message_type.clone()));
        name.unwrap_or_else(|| format!("{key:#x}"))
    };
    let line = |held: &Held| match held {
        Held::Receiver { channel: key, .. } => text("receiver", channel(*key)),
        Held::Sender { channel: key } => text("sender", channel(*key)),
        Held::ReplyTo { oneshot } => text("reply_to", format!("{oneshot:#x}")),
        Held::Lock { semaphore, is_shared: true } => text("shared_lock", format!("{semaphore:#x}")),
        Held::Lock { semaphore, .. } => text("lock", format!("{semaphore:#x}")),
        Held::Permit { semaphore } => text("permit", format!("{semaphore:#x}")),
        Held::Task { header } => {
            let task = look.actors.iter().find(|other| other.task.address == *header);
            text("join_handle", task.map_or_else(|| "of a task that ended".to_owned(), |task| numbered(task, look)))
        }
    };
    actor.held.iter().map(line).collect()
}

/// The label, with the task's number.
fn numbered(actor: &Actor, look: &Look) -> String {
    let label = label(actor, look);
    let number = format!("#{}", actor.task.id);
    if label.ends_with(&number) { label } else { format!("{label} {number}") }
}
