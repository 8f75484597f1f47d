//! What keeps an actor system from going on: deadlocks, the actor that all others wait for, a worker that one task
//! blocks, locks held across an await, mailboxes that nobody reads or that only grow. From several looks at one window;
//! says only what all of them show.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::age::Ages;
use super::awaiting::{Awaited, Wait};
use super::execution::Executing;
use super::look::{Actor, Look, State, label, location};
use super::name::file_name;
use super::row::{remaining, wait_row};
use super::waits::{self, Cause, Edge, Evidence, WaitGraph};

/// Share of the samples in which a task must have run to be said to block its worker.
const BLOCKING_SHARE: f64 = 0.99;

/// What kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    Deadlock,
    BlockedWorker,
    LockAcrossAwait,
    Bottleneck,
    Unread,
    Growing,
}

impl Trouble {
    pub fn word(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::BlockedWorker => "blocked-worker",
            Self::LockAcrossAwait => "lock-across-await",
            Self::Bottleneck => "bottleneck",
            Self::Unread => "unread-mailbox",
            Self::Growing => "growing-mailbox",
        }
    }
}

/// One trouble, in words, with what shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub trouble: Trouble,
    /// Ids of the tasks that it is about, the cause first.
    pub tasks: Vec<u64>,
    /// Tasks that wait because of it, directly or through others.
    pub waiters: usize,
    pub text: String,
    pub advice: Option<String>,
}

/// What the looks of one window show.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Of the last look.
    pub graph: WaitGraph,
}

/// Several looks at one window, the first at its start, the last at its end.
pub struct Watched<'l> {
    pub looks: &'l [Look],
    pub window: Duration,
    /// By task id: share of samples in which it ran.
    pub busy: &'l HashMap<u64, f64>,
    /// By task id: what those that ran executed, where that was sampled.
    pub executing: &'l HashMap<u64, Executing>,
    /// Of the messages that wait.
    pub ages: &'l Ages,
    pub now_ns: u64,
}

/// The verdict on a window.
pub fn verdict(watched: &Watched<'_>) -> Verdict {
    let graphs: Vec<WaitGraph> = watched.looks.iter().map(waits::graph).collect();
    let (Some(last), Some(graph)) = (watched.looks.last(), graphs.last()) else { return Verdict::default() };
    let known = watched.looks.iter().zip(&graphs).map(|(look, graph)| links(look, graph)).collect();
    let judge = Judge { watched, last, graph, graphs: &graphs, known };
    let mut findings = judge.deadlocks();
    let dead: BTreeSet<u64> = findings.iter().flat_map(|finding| finding.tasks.iter().copied()).collect();
    findings.extend(judge.blocked_workers());
    findings.extend(judge.locks_across_awaits(&dead));
    let explained: BTreeSet<u64> = findings.iter().flat_map(|finding| finding.tasks.iter().copied()).collect();
    findings.extend(judge.bottlenecks(&explained));
    findings.extend(judge.mailboxes(&findings));
    findings.sort_by(|a, b| (a.trouble, b.waiters).cmp(&(b.trouble, a.waiters)));
    Verdict { findings, graph: graph.clone() }
}

pub(super) struct Judge<'l> {
    pub(super) watched: &'l Watched<'l>,
    pub(super) last: &'l Look,
    pub(super) graph: &'l WaitGraph,
    pub(super) graphs: &'l [WaitGraph],
    /// Of each look, its edges by the tasks' ids.
    known: Vec<HashSet<Link>>,
}

type Link = (u64, u64, Cause);

fn links(look: &Look, graph: &WaitGraph) -> HashSet<Link> {
    let id = |index: usize| look.actors.get(index).map_or(0, |actor| actor.task.id);
    graph.edges.iter().map(|edge| (id(edge.from), id(edge.to), edge.cause.clone())).collect()
}

impl Judge<'_> {
    pub(super) fn actor(&self, index: usize) -> Option<&Actor> {
        self.last.actors.get(index)
    }

    pub(super) fn id(&self, index: usize) -> u64 {
        self.actor(index).map_or(0, |actor| actor.task.id)
    }

    pub(super) fn name(&self, index: usize) -> String {
        self.actor(index).map_or_else(String::new, |actor| label(actor, self.last))
    }

    /// Whether an edge between the same tasks for the same reason is in every look.
    fn persists(&self, edge: &Edge) -> bool {
        let link = (self.id(edge.from), self.id(edge.to), edge.cause.clone());
        self.known.iter().all(|known| known.contains(&link))
    }

    /// Rings of tasks that each wait for the next and for nothing else.
    fn deadlocks(&self) -> Vec<Finding> {
        let next: HashMap<usize, &Edge> = self
            .graph
            .edges
            .iter()
            .filter(|edge| edge.evidence == Evidence::Found && self.has_no_way_out(edge.from) && self.persists(edge))
            .map(|edge| (edge.from, edge))
            .collect();
        let mut seen = BTreeSet::new();
        let mut findings = Vec::new();
        for &start in next.keys().collect::<BTreeSet<_>>() {
            let mut path: Vec<&Edge> = Vec::new();
            let mut at = start;
            while let Some(edge) = next.get(&at)
                && seen.insert(at)
            {
                path.push(edge);
                at = edge.to;
            }
            if let Some(ring_start) = path.iter().position(|edge| edge.from == at) {
                findings.push(self.deadlock(path.get(ring_start..).unwrap_or_default()));
            }
        }
        findings
    }

    /// Waits for one thing only, time-outs aside.
    fn has_no_way_out(&self, index: usize) -> bool {
        let Some(actor) = self.actor(index) else { return false };
        let others = actor.awaited.iter().filter(|awaited| !matches!(awaited.wait, Wait::Timeout { .. })).count();
        others == 1
    }

    fn deadlock(&self, ring: &[&Edge]) -> Finding {
        let members: Vec<usize> = ring.iter().map(|edge| edge.from).collect();
        let links: Vec<String> = ring
            .iter()
            .map(|edge| {
                let waits = format!("{} waits {}", self.name(edge.from), self.cause(&edge.cause, edge.to));
                self.place(edge.from).map_or(waits.clone(), |place| format!("{waits} ({place})"))
            })
            .collect();
        let outside = behind(self.graph, &members).len();
        let deadline = members.iter().filter_map(|member| self.timeout(*member)).min();
        let ends = match deadline {
            Some(deadline) => format!("; a time-out ends it in {}", remaining(deadline, self.watched.now_ns)),
            None => String::new(),
        };
        let others = match outside {
            0 => String::new(),
            count => format!("; {} because of it", wait_for(count)),
        };
        Finding {
            trouble: Trouble::Deadlock,
            tasks: members.iter().map(|member| self.id(*member)).collect(),
            waiters: outside,
            text: format!("deadlock: {}{others}{ends}", links.join(", ")),
            advice: Some(match ring.first().map(|edge| &edge.cause) {
                Some(Cause::Lock { .. } | Cause::Permit { .. }) => "Take the locks in one order everywhere".to_owned(),
                _ => "Let one of them answer while it waits, or send without waiting for a reply".to_owned(),
            }),
        }
    }

    fn timeout(&self, index: usize) -> Option<u64> {
        let actor = self.actor(index)?;
        actor.awaited.iter().find_map(|awaited| match awaited.wait {
            Wait::Timeout { deadline_ns } => Some(deadline_ns),
            _ => None,
        })
    }

    /// Tasks that ran in every sample and whose memory never changed.
    fn blocked_workers(&self) -> Vec<Finding> {
        let is_stuck = |actor: &&Actor| {
            let ran = self.watched.busy.get(&actor.task.id).is_some_and(|busy| *busy >= BLOCKING_SHARE);
            ran && !actor.is_blocking && self.watched.looks.len() > 1 && self.is_unchanged(actor)
        };
        let stuck: Vec<&Actor> = self.last.actors.iter().filter(is_stuck).collect();
        let starving = self.last.actors.iter().filter(|actor| actor.state == State::Scheduled).count();
        let finding = |actor: &&Actor| {
            let seconds = self.watched.window.as_secs_f64();
            let mut text = format!(
                "{} blocks a worker: it is in one poll that has lasted longer than {seconds:.1} s",
                label(actor, self.last)
            );
            if let Some(executing) = self.watched.executing.get(&actor.task.id) {
                let share = executing.share * 100.0;
                text.push_str(&format!(", {share:.0} % of it in {}", executing.text()));
            }
            if let Some((file, line)) = actor.location() {
                text.push_str(&format!(", since it was resumed at {}:{line}", file_name(file)));
            }
            if starving > 0 {
                text.push_str(&format!("; {} woken and without a worker", counted(starving, "task is", "tasks are")));
            }
            Finding {
                trouble: Trouble::BlockedWorker,
                tasks: vec![actor.task.id],
                waiters: starving,
                text,
                advice: Some("Move that work to spawn_blocking, or let it yield".to_owned()),
            }
        };
        stuck.iter().map(finding).collect()
    }

    fn is_unchanged(&self, actor: &Actor) -> bool {
        self.watched.looks.iter().all(|look| {
            let same = look.actors.iter().find(|other| other.task.id == actor.task.id);
            same.is_some_and(|other| other.state == State::Running && other.fingerprint == actor.fingerprint)
        })
    }

    /// Whether the task waited in every look.
    fn waits_throughout(&self, id: u64) -> bool {
        self.watched.looks.iter().all(|look| {
            let actor = look.actors.iter().find(|actor| actor.task.id == id);
            actor.is_some_and(|actor| actor.state == State::Waiting)
        })
    }

    /// Tasks that hold a lock which others want, while they wait for something else.
    fn locks_across_awaits(&self, dead: &BTreeSet<u64>) -> Vec<Finding> {
        let mut by_holder: BTreeMap<usize, usize> = BTreeMap::new();
        for edge in &self.graph.edges {
            let is_lock = matches!(edge.cause, Cause::Lock { .. }) && edge.evidence == Evidence::Found;
            let waits = self.waits_throughout(self.id(edge.to));
            if is_lock && waits && self.persists(edge) && !dead.contains(&self.id(edge.to)) {
                *by_holder.entry(edge.to).or_default() += 1;
            }
        }
        let finding = |(holder, waiters): (usize, usize)| {
            let awaited = self.actor(holder)?.awaited.first()?;
            let waits = self.wait(awaited);
            Some(Finding {
                trouble: Trouble::LockAcrossAwait,
                tasks: vec![self.id(holder)],
                waiters,
                text: format!(
                    "{} holds a lock while it awaits {waits}; {} for that lock",
                    self.name(holder),
                    wait_for(waiters)
                ),
                advice: Some("Drop the guard before that await".to_owned()),
            })
        };
        by_holder.into_iter().filter_map(finding).collect()
    }

    pub(super) fn place(&self, index: usize) -> Option<String> {
        let (file, line) = self.actor(index)?.location()?;
        Some(format!("{}:{line}", file_name(file)))
    }

    pub(super) fn wait(&self, awaited: &Awaited) -> String {
        let row = wait_row(&awaited.wait, location(&awaited.frames), &self.last.channels, self.watched.now_ns);
        let what = match (row.word, row.detail) {
            ("nothing", _) => "something that never comes".to_owned(),
            (word, Some(detail)) => format!("a {word} ({detail})"),
            (word, None) => format!("a {word}"),
        };
        row.location.map_or(what.clone(), |(file, line)| format!("{what} at {}:{line}", file_name(&file)))
    }

    /// `for AuditLog's reply`, `for room in AuditLog's mailbox`, `for a lock that x holds`.
    pub(super) fn cause(&self, cause: &Cause, to: usize) -> String {
        let to = self.name(to);
        match cause {
            Cause::Reply { .. } => format!("for {to}'s reply"),
            Cause::Room { .. } => format!("for room in {to}'s mailbox"),
            Cause::Lock { .. } => format!("for a lock that {to} holds"),
            Cause::Permit { .. } => format!("for a permit that {to} holds"),
            Cause::End => format!("for the end of {to}"),
        }
    }
}

/// The tasks that wait for one of `members`, directly or through others; without these themselves.
pub(super) fn behind(graph: &WaitGraph, members: &[usize]) -> HashSet<usize> {
    let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
    for edge in graph.edges.iter().filter(|edge| edge.cause != Cause::End) {
        waiting.entry(edge.to).or_default().push(edge.from);
    }
    let mut found: HashSet<usize> = members.iter().copied().collect();
    let mut next = members.to_vec();
    while let Some(at) = next.pop() {
        for from in waiting.get(&at).into_iter().flatten() {
            if found.insert(*from) {
                next.push(*from);
            }
        }
    }
    found.retain(|task| !members.contains(task));
    found
}

pub(super) fn wait_for(count: usize) -> String {
    counted(count, "task waits", "tasks wait")
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
