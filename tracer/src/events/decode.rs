//! A record and the description of its function → an event with values.
//! Keeps the names of threads; must not know where records come from or how events are shown.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tracer_ebpf::abi::cookie::Cookie;
use tracer_ebpf::abi::record::Outcome;

use super::description::{Description, DescriptionKind, Descriptions, Parameter, ResultDescription};
use super::event::{Argument, Call, Ending, Event, LineHit, Return, Returned, Thread, Untold, Usdt};
use super::record::{Malformed, Record, What};
use crate::plan::condition::judge::{Hit, Verdict};
use crate::value::image::{Image, Memory};
use crate::value::layout::{Enum, UNRESUMED};
use crate::value::place::{Missing, Register};
use crate::value::{Limits, Payload, Value, decode, walk};

/// Threads whose names are kept. Beyond it the name that was learned first is forgotten and shows as empty.
const THREADS_MAX: usize = 65_536;

/// Decodes the records of one session.
#[derive(Debug)]
pub struct Decoder {
    descriptions: Arc<Descriptions>,
    limits: Limits,
    names: ThreadNames,
}

impl Decoder {
    pub fn new(descriptions: Arc<Descriptions>, limits: Limits) -> Self {
        Self { descriptions, limits, names: ThreadNames::default() }
    }

    /// The event that the record tells of.
    pub fn decode(&mut self, record: Record) -> Result<Event, Malformed> {
        match record.what {
            What::ThreadName(ref name) => {
                let thread = self.names.learn(record.pid, record.tid, name);
                Ok(Event::ThreadNamed(thread))
            }
            What::Limit(reason) => Ok(Event::Limit { time_ns: record.time_ns, reason }),
            What::Entry { parent } => self.call(record, parent, true),
            What::Event { parent } => self.call(record, parent, false),
            What::Exit { outcome, entry_time_ns } => self.end(record, outcome, entry_time_ns),
            What::Stack { .. } => Err(Malformed::Stack),
        }
    }

    /// A call or a USDT event.
    fn call(&self, record: Record, parent: Option<u64>, returns: bool) -> Result<Event, Malformed> {
        let function = self.function(record.cookie)?;
        let registers = self.registers(record.cookie)?;
        let thread = self.names.thread(record.pid, record.tid);
        let Record { call_id: id, time_ns, depth, .. } = record;
        let image = image(record, registers)?;
        let (arguments, untold) = self.arguments(&function, &image);
        Ok(match &function.kind {
            DescriptionKind::Line(line) => {
                let (line, locals) = (Arc::clone(line), arguments);
                Event::Line(LineHit { id, parent, time_ns, thread, depth, function, line, locals, stack: None })
            }
            DescriptionKind::Usdt => {
                Event::Usdt(Usdt { id, parent, time_ns, thread, depth, probe: function, arguments, stack: None })
            }
            DescriptionKind::Function | DescriptionKind::Poll | DescriptionKind::Inlined => {
                let stack = None;
                Event::Call(Call { id, parent, time_ns, thread, depth, function, arguments, untold, returns, stack })
            }
        })
    }

    fn end(&self, record: Record, outcome: Outcome, entry_time_ns: u64) -> Result<Event, Malformed> {
        let function = self.function(record.cookie)?;
        let registers = self.registers(record.cookie)?;
        let thread = self.names.thread(record.pid, record.tid);
        let Record { call_id: id, time_ns, depth, .. } = record;
        let ending = match outcome {
            Outcome::Returned => Ending::Returned,
            Outcome::Unwound => Ending::Unwound,
            Outcome::TailCalled => Ending::TailCalled,
            Outcome::Unknown => Ending::Unknown,
        };
        let value = match (ending, &function.result) {
            (Ending::Returned, ResultDescription::Nothing) => Returned::Nothing,
            (Ending::Returned, ResultDescription::Untyped) => Returned::Untyped,
            (Ending::Returned, ResultDescription::NotAsked) => Returned::NotAsked,
            (Ending::Returned, ResultDescription::Value(result)) => {
                Returned::Value(self.value(result, &image(record, registers)?))
            }
            (Ending::Returned, ResultDescription::Parts(parts)) => {
                let image = image(record, registers)?;
                Returned::Parts(parts.iter().map(|part| self.argument(part, &image)).collect())
            }
            _ => Returned::Absent,
        };
        let duration_ns = (ending != Ending::Unknown).then(|| time_ns.checked_sub(entry_time_ns)).flatten();
        Ok(Event::Return(Return { id, time_ns, thread, depth, function, ending, duration_ns, value, call_seen: true }))
    }

    fn arguments(&self, function: &Description, image: &Image) -> (Vec<Argument>, Option<Untold>) {
        if function.is_untyped() {
            return (Vec::new(), Some(Untold::Untyped));
        }
        let all = || function.arguments.iter().map(|argument| self.argument(argument, image)).collect();
        let (DescriptionKind::Poll, Some(first)) = (&function.kind, function.arguments.first()) else {
            return (all(), None);
        };
        // All are in the same environment.
        let environment = Parameter::whole(Arc::clone(&first.name), first.ty, first.location.clone());
        let coroutine = self.descriptions.types.coroutine(environment.ty);
        let told = of_environment(self.argument(&environment, image), coroutine);
        if first.part.is_none() || told.1.is_some() { told } else { (all(), None) }
    }

    fn argument(&self, parameter: &Parameter, image: &Image) -> Argument {
        Argument { name: Arc::clone(&parameter.name), value: self.value(parameter, image) }
    }

    fn value(&self, parameter: &Parameter, image: &Image) -> Value {
        let types = &self.descriptions.types;
        match &parameter.part {
            None => decode(types, parameter.ty, &parameter.location, image, &self.limits),
            Some(way) => walk::read(types, way, &parameter.location, image, &self.limits)
                .unwrap_or(Value::Unreadable(Missing::NotThere)),
        }
    }

    /// Whether a call counts, as far as its condition is decided here. Without an end, one that the end decides does.
    pub fn judge(&self, entry: &Record, exit: Option<&Record>) -> Result<Verdict, Malformed> {
        let function = self.function(entry.cookie)?;
        let Some(after) = function.after().filter(|after| exit.is_some() || !after.needs_end()) else {
            return Ok(Verdict::Yes);
        };
        let entry_image = image(entry.clone(), self.registers(entry.cookie)?)?;
        let returned = exit.filter(|exit| matches!(exit.what, What::Exit { outcome: Outcome::Returned, .. }));
        let exit_image = match returned {
            Some(exit) => Some(image(exit.clone(), self.registers(exit.cookie)?)?),
            None => None,
        };
        let thread = self.names.thread(entry.pid, entry.tid);
        let hit = Hit {
            entry: &entry_image,
            exit: exit_image.as_ref().map(|image| image as &dyn Memory),
            duration_ns: exit.map_or(0, |exit| exit.time_ns.saturating_sub(entry.time_ns)),
            thread_id: entry.tid,
            thread_name: &thread.name,
        };
        Ok(after.judge(&self.descriptions.types, &hit))
    }

    /// Whether the condition of the record's function is decided here, and when its calls begin.
    pub fn judges_entry(&self, record: &Record) -> bool {
        let function = self.descriptions.function(record.cookie);
        function.and_then(|function| function.after()).is_some_and(|after| !after.needs_end())
    }

    fn function(&self, cookie: Cookie) -> Result<Arc<Description>, Malformed> {
        self.descriptions.function(cookie).cloned().ok_or_else(|| unknown(cookie))
    }

    fn registers(&self, cookie: Cookie) -> Result<&[Register], Malformed> {
        self.descriptions.registers(cookie).ok_or_else(|| unknown(cookie))
    }
}

fn unknown(cookie: Cookie) -> Malformed {
    Malformed::Cookie { function: cookie.function(), plan: cookie.plan() }
}

/// The record's picture of the target, its registers named.
fn image(record: Record, registers: &[Register]) -> Result<Image, Malformed> {
    let (found, planned) = (record.registers.len(), registers.len());
    if found != planned {
        return Err(Malformed::Registers { found, planned });
    }
    Ok(Image { registers: registers.iter().copied().zip(record.registers).collect(), chunks: record.chunks })
}

/// The arguments of an `async fn` are the fields of its environment before the first poll. Later the compiler may
/// have put something else in their place, so only the place where it goes on is told.
fn of_environment(environment: Argument, coroutine: Option<&Enum>) -> (Vec<Argument>, Option<Untold>) {
    match unwrapped(environment.value) {
        Value::Variant { name, payload: Payload::Struct(fields) } if name == UNRESUMED => {
            (fields.into_iter().map(|(name, value)| Argument { name: name.into(), value }).collect(), None)
        }
        Value::Variant { name, .. } if name == UNRESUMED => (Vec::new(), None),
        Value::Variant { name, .. } => {
            let state = coroutine.and_then(|states| states.variants.iter().find(|state| state.name == name));
            (Vec::new(), Some(Untold::Resumed(state.and_then(|state| state.source.clone()))))
        }
        value => (vec![Argument { value, ..environment }], None),
    }
}

/// What is inside of `Pin { __pointer: … }` and other structs of one field.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Struct { mut fields, .. } if fields.len() == 1 => fields.remove(0).1,
        Value::TupleStruct { mut fields, .. } if fields.len() == 1 => fields.remove(0),
        value => value,
    }
}

/// Names by process and thread id, the first learned forgotten first.
#[derive(Debug, Default)]
struct ThreadNames {
    names: HashMap<(u32, u32), Arc<str>>,
    learned: VecDeque<(u32, u32)>,
    nameless: Arc<str>,
}

impl ThreadNames {
    fn learn(&mut self, pid: u32, tid: u32, name: &str) -> Thread {
        let name: Arc<str> = name.into();
        if self.names.insert((pid, tid), Arc::clone(&name)).is_none() {
            self.learned.push_back((pid, tid));
        }
        if self.learned.len() > THREADS_MAX
            && let Some(oldest) = self.learned.pop_front()
        {
            self.names.remove(&oldest);
        }
        Thread { pid, tid, name }
    }

    fn thread(&self, pid: u32, tid: u32) -> Thread {
        let name = self.names.get(&(pid, tid)).unwrap_or(&self.nameless);
        Thread { pid, tid, name: Arc::clone(name) }
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
