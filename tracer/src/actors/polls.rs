//! What threads did with the tasks that they polled, window by window: how many polls, how long, the longest, and those
//! that kept their thread for too long. Fed with polls as probes saw them and with samples of what each thread is at;
//! either may be absent. Pure: must not know where they come from.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Polls under way at once; more is damage.
const OPEN_MAX: usize = 65_536;
/// Long polls kept of one window; the rest is counted.
const LONG_MAX: usize = 1_000;

/// One poll that lasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    pub tid: u32,
    /// CLOCK_MONOTONIC.
    pub began_ns: u64,
    pub duration_ns: u64,
    pub extent: Extent,
    /// The function of the task's future, if the probe knew.
    pub name: Option<Arc<str>>,
    pub task: TaskRef,
}

/// What `duration_ns` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Its beginning and its end were seen.
    Exact,
    /// It went on when the window ended, or had begun before anybody looked.
    AtLeast,
    /// Samples saw the same task each time: one poll, or several with nothing between that lasted.
    Samples,
}

/// Which task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskRef {
    /// By the address of its memory.
    Address(u64),
    Id(u64),
}

/// One thread in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadWindow {
    /// Polls that began.
    pub polls: u64,
    /// Time within polls, as probes saw it.
    pub in_polls_ns: u64,
    pub longest: Option<Poll>,
    pub samples: u64,
    /// Samples that found it in a task.
    pub in_task: u64,
    /// Samples that found it asleep: in a task, and outside of any.
    pub asleep_in_task: u64,
    pub parked: u64,
}

/// One window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    pub threads: BTreeMap<u32, ThreadWindow>,
    /// Polls of `long_ns` and more, in the order in which they ended.
    pub long: Vec<Poll>,
    /// Further ones.
    pub long_beyond: u64,
}

/// Follows the polls of a process.
#[derive(Debug, Default)]
pub struct Polls {
    long_ns: u64,
    window: Window,
    window_began_ns: u64,
    open: HashMap<u64, Open>,
    /// Counted polls under way by thread: those within another one take no further time.
    depth: HashMap<u32, u32>,
    runs: HashMap<u32, Run>,
    /// Threads of which probes saw a poll begin.
    probed: HashSet<u32>,
}

#[derive(Debug)]
struct Open {
    tid: u32,
    began_ns: u64,
    name: Arc<str>,
    address: u64,
}

/// Samples in a row that found a thread in one task.
#[derive(Clone, Copy, Debug)]
struct Run {
    task: u64,
    began_ns: u64,
    last_ns: u64,
    /// Probes were there, and saw no poll begin: it is one.
    is_one: bool,
}

impl Polls {
    /// `long_ns`: what counts as long.
    pub fn new(long_ns: u64, now_ns: u64) -> Self {
        Self { long_ns, window_began_ns: now_ns, ..Self::default() }
    }

    /// A probe saw a poll begin; `call` tells it from others. One function that calls another for the same poll counts
    /// once.
    pub fn began(&mut self, call: u64, tid: u32, time_ns: u64, name: Arc<str>, address: u64) {
        let is_inner = |open: &Open| open.tid == tid && open.address == address;
        if self.depth.get(&tid).is_some_and(|depth| *depth > 0) && self.open.values().any(is_inner) {
            return;
        }
        if self.open.len() < OPEN_MAX {
            self.open.insert(call, Open { tid, began_ns: time_ns, name, address });
            *self.depth.entry(tid).or_default() += 1;
        }
        self.window.threads.entry(tid).or_default().polls += 1;
        // What samples saw before the first poll that a probe saw had begun before the probes were there.
        if let Some(run) = self.runs.remove(&tid)
            && run.last_ns < time_ns
        {
            self.note_run(tid, run);
        }
        self.probed.insert(tid);
    }

    /// A probe saw it end. Hands it out if it was long.
    pub fn ended(&mut self, call: u64, time_ns: u64) -> Option<&mut Poll> {
        let open = self.open.remove(&call)?;
        let depth = self.depth.entry(open.tid).or_default();
        *depth = depth.saturating_sub(1);
        if *depth == 0 {
            let within_ns = time_ns.saturating_sub(open.began_ns.max(self.window_began_ns));
            self.window.threads.entry(open.tid).or_default().in_polls_ns += within_ns;
        }
        let duration_ns = time_ns.saturating_sub(open.began_ns);
        self.note(open.poll(duration_ns, Extent::Exact))
    }

    /// What a thread is at: the id of its task, and whether it sleeps. `with_probes`: they were attached since the last
    /// sample.
    pub fn sampled(&mut self, tid: u32, time_ns: u64, task: Option<u64>, is_asleep: bool, with_probes: bool) {
        let thread = self.window.threads.entry(tid).or_default();
        thread.samples += 1;
        thread.in_task += u64::from(task.is_some());
        thread.asleep_in_task += u64::from(task.is_some() && is_asleep);
        thread.parked += u64::from(task.is_none() && is_asleep);
        match (self.runs.get_mut(&tid), task) {
            (Some(run), Some(task)) if run.task == task => {
                run.last_ns = time_ns;
                run.is_one &= with_probes;
            }
            (_, Some(task)) => {
                self.end_run(tid);
                self.runs.insert(tid, Run { task, began_ns: time_ns, last_ns: time_ns, is_one: with_probes });
            }
            (_, None) => self.end_run(tid),
        }
    }

    fn end_run(&mut self, tid: u32) {
        if let Some(run) = self.runs.remove(&tid) {
            self.note_run(tid, run);
        }
    }

    /// Of threads whose polls probes see, the probes tell.
    fn note_run(&mut self, tid: u32, run: Run) {
        let duration_ns = run.last_ns - run.began_ns;
        if duration_ns > 0 && !self.probed.contains(&tid) {
            self.note(Poll {
                tid,
                began_ns: run.began_ns,
                duration_ns,
                extent: if run.is_one { Extent::AtLeast } else { Extent::Samples },
                name: None,
                task: TaskRef::Id(run.task),
            });
        }
    }

    fn note(&mut self, poll: Poll) -> Option<&mut Poll> {
        let thread = self.window.threads.entry(poll.tid).or_default();
        if thread.longest.as_ref().is_none_or(|longest| longest.duration_ns < poll.duration_ns) {
            thread.longest = Some(poll.clone());
        }
        if poll.duration_ns < self.long_ns {
            return None;
        }
        if self.window.long.len() >= LONG_MAX {
            self.window.long_beyond += 1;
            return None;
        }
        self.window.long.push(poll);
        self.window.long.last_mut()
    }

    /// Ends the window, and begins the next one. What goes on is told with what it has lasted so far, and again when
    /// it ends.
    pub fn close(&mut self, now_ns: u64) -> Window {
        let mut outermost: BTreeMap<u32, u64> = BTreeMap::new();
        for open in self.open.values() {
            let began_ns = outermost.entry(open.tid).or_insert(open.began_ns);
            *began_ns = open.began_ns.min(*began_ns);
        }
        for (tid, began_ns) in outermost {
            let within_ns = now_ns.saturating_sub(began_ns.max(self.window_began_ns));
            self.window.threads.entry(tid).or_default().in_polls_ns += within_ns;
        }
        let open = self.open.values().map(|open| open.poll(now_ns.saturating_sub(open.began_ns), Extent::AtLeast));
        for poll in open.collect::<Vec<_>>() {
            self.note(poll);
        }
        for (tid, run) in self.runs.clone() {
            self.note_run(tid, run);
        }
        self.window_began_ns = now_ns;
        std::mem::take(&mut self.window)
    }

    /// Probes were detached: what is under way will not be seen to end.
    pub fn forget_open(&mut self) {
        self.open.clear();
        self.depth.clear();
        self.probed.clear();
    }
}

impl Open {
    fn poll(&self, duration_ns: u64, extent: Extent) -> Poll {
        Poll {
            tid: self.tid,
            began_ns: self.began_ns,
            duration_ns,
            extent,
            name: Some(Arc::clone(&self.name)),
            task: TaskRef::Address(self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn polls() -> Polls {
        Polls::new(10 * MS, 0)
    }

    #[test]
    fn polls_are_counted_and_long_ones_told() {
        let mut polls = polls();
        polls.began(1, 7, 0, "a".into(), 0x100);
        assert_eq!(polls.ended(1, MS), None);
        polls.began(2, 7, 2 * MS, "b".into(), 0x200);
        assert_eq!(polls.ended(2, 83 * MS).map(|poll| poll.duration_ns), Some(81 * MS));
        let window = polls.close(100 * MS);
        let thread = &window.threads[&7];
        assert_eq!((thread.polls, thread.in_polls_ns), (2, 82 * MS));
        assert_eq!(
            thread.longest.as_ref().map(|poll| (poll.task, poll.extent)),
            Some((TaskRef::Address(0x200), Extent::Exact))
        );
        assert_eq!(window.long.len(), 1);
        assert_eq!(polls.close(200 * MS), Window::default());
    }

    #[test]
    fn time_is_told_in_the_window_in_which_it_passed_and_once() {
        let mut polls = polls();
        polls.began(1, 7, 0, "outer".into(), 1);
        polls.began(2, 7, 10 * MS, "inner".into(), 2);
        polls.ended(2, 20 * MS);
        let first = polls.close(50 * MS);
        assert_eq!(first.threads[&7].in_polls_ns, 50 * MS);
        assert_eq!(first.threads[&7].longest.as_ref().map(|poll| poll.extent), Some(Extent::AtLeast));
        polls.ended(1, 60 * MS);
        assert_eq!(polls.close(100 * MS).threads[&7].in_polls_ns, 10 * MS);
    }

    #[test]
    fn samples_alone_tell_what_they_saw() {
        let mut polls = polls();
        for moment in 0..5 {
            polls.sampled(7, moment * 20 * MS, Some(12), false, false);
        }
        polls.sampled(7, 100 * MS, None, true, false);
        let window = polls.close(120 * MS);
        let thread = &window.threads[&7];
        assert_eq!((thread.samples, thread.in_task, thread.parked, thread.polls), (6, 5, 1, 0));
        let poll = &window.long[0];
        assert_eq!((poll.duration_ns, poll.extent, poll.task), (80 * MS, Extent::Samples, TaskRef::Id(12)));
    }

    #[test]
    fn a_poll_from_before_the_probes_is_one_poll() {
        let mut polls = polls();
        polls.sampled(7, 0, Some(12), true, true);
        polls.sampled(7, 20 * MS, Some(12), true, true);
        let window = polls.close(20 * MS);
        assert_eq!(window.long[0].extent, Extent::AtLeast);
        assert_eq!(window.threads[&7].asleep_in_task, 2);
        // It still goes on: the next window tells its whole length.
        polls.sampled(7, 40 * MS, Some(12), true, true);
        assert_eq!(polls.close(40 * MS).long[0].duration_ns, 40 * MS);
    }
}
