//! Which function of the program tasks execute, from pictures of stacks that were taken while they ran. Pure: takes
//! unwound stacks, and knows not how they came.

use std::collections::{HashMap, HashSet};

use super::look::{Actor, Look};
use super::name::{file_name, is_library_file};
use super::program::Program;
use crate::value::backtrace::{Backtrace, Frame};

/// The functions below which a task's own frames lie: which of them are there, the optimiser decides.
const TASKS: &str = "tokio::runtime::task::";
/// Share of a kind's samples in one function from which on it holds for each of several tasks of that kind.
const COMMON_SHARE: f64 = 0.9;

/// What a task executes most.
#[derive(Clone, Debug, PartialEq)]
pub struct Executing {
    /// The innermost function of the program's own source.
    pub function: String,
    pub source: Option<(String, u32)>,
    /// The share of the samples of the task's kind that were in it.
    pub share: f64,
    pub samples: u64,
}

/// A sample of what a thread executed within a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub tid: u32,
    /// CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub function: String,
    pub source: Option<(String, u32)>,
}

impl Located {
    /// Of a stack, if that is in a task.
    pub fn of(program: &Program<'_>, tid: u32, time_ns: u64, backtrace: &Backtrace) -> Option<Self> {
        let (_, own) = in_task(program, backtrace)?;
        let (function, source) = told(telling(own)?)?;
        Some(Self { tid, time_ns, function, source })
    }
}

/// What a thread executed most within a stretch of time.
pub fn executed(samples: &[Located], tid: u32, began_ns: u64, ended_ns: u64) -> Option<Executing> {
    let is_within = |sample: &&Located| sample.tid == tid && (began_ns..=ended_ns).contains(&sample.time_ns);
    let mut functions: HashMap<String, Tally> = HashMap::new();
    for sample in samples.iter().filter(is_within) {
        let tally = functions.entry(sample.function.clone()).or_default();
        tally.samples += 1;
        tally.source = sample.source.clone();
    }
    most(&functions)
}

/// Samples by kind of task and by function.
#[derive(Clone, Debug, Default)]
pub struct Executions {
    /// By the first kind with that future.
    by_kind: HashMap<usize, HashMap<String, Tally>>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    samples: u64,
    source: Option<(String, u32)>,
}

impl Executing {
    /// `waste_electricity_and_pollute (audit_log.rs:61)`.
    pub fn text(&self) -> String {
        let name = self.function.rsplit("::").next().unwrap_or(&self.function);
        match &self.source {
            Some((file, line)) => format!("{name} ({}:{line})", file_name(file)),
            None => name.to_owned(),
        }
    }
}

impl Executions {
    /// Takes in one stack; one that is in no task counts for nothing.
    pub fn add(&mut self, program: &Program<'_>, backtrace: &Backtrace) {
        let Some((kind, own)) = in_task(program, backtrace) else { return };
        let Some((function, source)) = telling(own).and_then(told) else { return };
        let tally = self.by_kind.entry(kind).or_default().entry(function).or_default();
        tally.samples += 1;
        tally.source = source;
    }

    /// What tasks of a kind execute most.
    pub fn of_kind(&self, kind: usize) -> Option<Executing> {
        most(self.by_kind.get(&kind)?)
    }

    /// By task id, for the tasks that `ran`. A sample tells the kind of its task: of a kind of which several ran only
    /// what they have in common is known.
    pub fn by_task(&self, program: &Program<'_>, look: &Look, ran: &HashSet<u64>) -> HashMap<u64, Executing> {
        let of_task = |actor: &Actor| program.first_of(program.kinds.get(actor.task.kind)?.future);
        let running: Vec<(u64, usize)> = look
            .actors
            .iter()
            .filter(|actor| ran.contains(&actor.task.id))
            .filter_map(|actor| Some((actor.task.id, of_task(actor)?)))
            .collect();
        let executing = |kind: usize| {
            let is_only = running.iter().filter(|(_, other)| *other == kind).take(2).count() == 1;
            self.of_kind(kind).filter(|executing| is_only || executing.share >= COMMON_SHARE)
        };
        running.iter().filter_map(|(id, kind)| Some((*id, executing(*kind)?))).collect()
    }
}

fn most(functions: &HashMap<String, Tally>) -> Option<Executing> {
    let samples: u64 = functions.values().map(|tally| tally.samples).sum();
    let (function, most) = functions.iter().max_by_key(|(name, tally)| (tally.samples, *name))?;
    let share = most.samples as f64 / samples.max(1) as f64;
    Some(Executing { function: function.clone(), source: most.source.clone(), share, samples })
}

/// A frame's function, and its place. What a closure in it does, a function does.
fn told(frame: &Frame) -> Option<(String, Option<(String, u32)>)> {
    let function = frame.function.as_ref()?.trim_end_matches("::{{closure}}").to_owned();
    Some((function, frame.source.as_ref().map(|(file, line)| (file.to_string(), *line))))
}

/// The kind of task that the stack is in, and its frames up to the function that polls it, innermost first.
pub fn in_task<'b>(program: &Program<'_>, backtrace: &'b Backtrace) -> Option<(usize, &'b [Frame])> {
    let polls = |frame: &Frame| {
        !frame.is_inlined && frame.function.as_deref().is_some_and(|function| function.starts_with(TASKS))
    };
    let candidates = backtrace.frames.iter().enumerate().filter(|(_, frame)| polls(frame));
    candidates.into_iter().find_map(|(index, frame)| {
        // Of an outer frame the address is behind the call.
        let kind = program.kind_polled_at(if index == 0 { frame.address } else { frame.address.wrapping_sub(1) })?;
        Some((kind, backtrace.frames.get(..index)?))
    })
}

/// The innermost frame in the program's own source; without one, the innermost that has a name.
pub fn telling(frames: &[Frame]) -> Option<&Frame> {
    let is_own = |frame: &&Frame| frame.source.as_ref().is_some_and(|(file, _)| !is_library_file(file));
    let named = || frames.iter().filter(|frame| frame.function.is_some());
    named().find(is_own).or_else(|| named().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame {
            address: 0x1000,
            function: Some(function.into()),
            is_inlined: false,
            source: Some((file.into(), 7)),
            object: None,
        }
    }

    #[test]
    fn the_programs_own_innermost_function_tells() {
        let frames = [
            Frame { function: None, source: None, ..frame("", "") },
            frame("keccak::f1600", "/builder/.cargo/registry/src/index/keccak-0.1.5/src/lib.rs"),
            frame("app::burn", "src/main.rs"),
            frame("app::run::{{closure}}", "src/main.rs"),
        ];
        assert_eq!(telling(&frames).and_then(|frame| frame.function.as_deref()), Some("app::burn"));
        assert_eq!(telling(&frames[..2]).and_then(|frame| frame.function.as_deref()), Some("keccak::f1600"));
        assert_eq!(telling(&frames[..1]), None);
    }

    #[test]
    fn what_most_samples_show_is_told_with_its_share() {
        let tally = |samples| Tally { samples, source: None };
        let functions = HashMap::from([("a".to_owned(), tally(3)), ("b".to_owned(), tally(1))]);
        let executions = Executions { by_kind: HashMap::from([(2, functions)]) };
        let most = executions.of_kind(2).expect("it was sampled");
        assert_eq!((most.function.as_str(), most.share, most.samples), ("a", 0.75, 4));
        assert_eq!(executions.of_kind(1), None);
    }
}
