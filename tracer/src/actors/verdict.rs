//! What keeps an actor system from going on: deadlocks, the actor that all others wait for, a worker that one task
//! blocks, locks held across an await, mailboxes that nobody reads or that only grow. From several looks at one window;
//! says only what all of them show.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::awaiting::{Awaited, Wait};
use super::look::{Actor, Channel, Look, State, label, location};
use super::name::file_name;
use super::row::{remaining, wait_row};
use super::waits::{self, Cause, Edge, Evidence, WaitGraph};

/// Average number of tasks that wait for one before it is called a bottleneck.
const WAITERS_MIN: f64 = 1.5;
/// Share of the looks in which a bottleneck must have had something to do.
const OCCUPIED_MIN: f64 = 0.75;
/// Share of the samples in which a task must have run to be said to block its worker.
const BLOCKING_SHARE: f64 = 0.99;
/// Messages in an unbounded mailbox that grew before it is worth a word.
const GROWN_MIN: u64 = 10;

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

struct Judge<'l> {
    watched: &'l Watched<'l>,
    last: &'l Look,
    graph: &'l WaitGraph,
    graphs: &'l [WaitGraph],
    /// Of each look, its edges by the tasks' ids.
    known: Vec<HashSet<Link>>,
}

type Link = (u64, u64, Cause);

fn links(look: &Look, graph: &WaitGraph) -> HashSet<Link> {
    let id = |index: usize| look.actors.get(index).map_or(0, |actor| actor.task.id);
    graph.edges.iter().map(|edge| (id(edge.from), id(edge.to), edge.cause.clone())).collect()
}

impl Judge<'_> {
    fn actor(&self, index: usize) -> Option<&Actor> {
        self.last.actors.get(index)
    }

    fn id(&self, index: usize) -> u64 {
        self.actor(index).map_or(0, |actor| actor.task.id)
    }

    fn name(&self, index: usize) -> String {
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

    /// Tasks that hold a lock which others want, while they wait for something else.
    fn locks_across_awaits(&self, dead: &BTreeSet<u64>) -> Vec<Finding> {
        let mut by_holder: BTreeMap<usize, usize> = BTreeMap::new();
        for edge in &self.graph.edges {
            let is_lock = matches!(edge.cause, Cause::Lock { .. }) && edge.evidence == Evidence::Found;
            let waits = self.actor(edge.to).is_some_and(|holder| holder.state == State::Waiting);
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

    /// Tasks at the end of chains in which others wait, look after look.
    fn bottlenecks(&self, explained: &BTreeSet<u64>) -> Vec<Finding> {
        let mut waiting: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        for (look, graph) in self.watched.looks.iter().zip(self.graphs) {
            for (root, waiters) in roots(look, graph) {
                let Some(actor) = look.actors.get(root) else { continue };
                let entry = waiting.entry(actor.task.id).or_default();
                entry.0 += waiters;
                entry.1 += usize::from(!is_idle(actor, look));
            }
        }
        let looks = self.watched.looks.len().max(1) as f64;
        let is_bottleneck = |id: &u64, waiters: usize, occupied: usize| {
            let occupied = occupied as f64 / looks >= OCCUPIED_MIN;
            waiters as f64 / looks >= WAITERS_MIN && occupied && !explained.contains(id)
        };
        waiting
            .into_iter()
            .filter(|(id, (waiters, occupied))| is_bottleneck(id, *waiters, *occupied))
            .filter_map(|(id, (waiters, _))| self.bottleneck(id, (waiters as f64 / looks).round() as usize))
            .collect()
    }

    fn bottleneck(&self, id: u64, waiters: usize) -> Option<Finding> {
        let root = self.last.actors.iter().position(|actor| actor.task.id == id)?;
        let actor = self.actor(root)?;
        let busy = self.watched.busy.get(&id).copied().unwrap_or(0.0);
        let own = self.name(root);
        let per_message = self.per_message(actor);
        let mut parts = self.chain(root);
        if parts.is_empty() {
            parts.extend(actor.mailbox.and_then(|key| self.mailbox(key)).map(|mailbox| format!("{own}: {mailbox}")));
        }
        let place = |text: String| self.place(root).map_or(text.clone(), |place| format!("{text} ({place})"));
        let each = per_message.as_ref().map_or(String::new(), |each| format!(", about {each} per message"));
        parts.push(match busy {
            busy if busy >= 0.5 => place(format!("{own} runs {:.0} % of the time{each}", busy * 100.0)),
            _ => match actor.awaited.first().filter(|_| actor.state == State::Waiting) {
                Some(awaited) => format!("{own} awaits {}{each}", self.wait(awaited)),
                None => format!("{own} is {}{each}", actor.state.text()),
            },
        });
        parts.push(format!("{} for it, directly or through others", wait_for(waiters)));
        let time = per_message.map_or(String::new(), |each| format!(" ({each})"));
        Some(Finding {
            trouble: Trouble::Bottleneck,
            tasks: vec![id],
            waiters,
            text: parts.join("; "),
            advice: Some(format!("Shorten {own}'s time per message{time}; more mailbox space will not help")),
        })
    }

    /// The mailboxes on the way to a bottleneck, the one with the most messages first: who waits there, and for whom.
    fn chain(&self, root: usize) -> Vec<String> {
        let mut on_the_way: Vec<(u64, String)> = Vec::new();
        let behind = behind(self.graph, &[root]);
        for edge in self.graph.edges.iter().filter(|edge| edge.to == root || behind.contains(&edge.to)) {
            let Some(actor) = self.actor(edge.from) else { continue };
            let Some(mailbox) = actor.mailbox.and_then(|key| self.mailbox(key)) else { continue };
            let length =
                actor.mailbox.and_then(|key| self.last.channels.get(&key)?.level).map_or(0, |level| level.length);
            let waits = format!("{}: {mailbox}; it waits {}", self.name(edge.from), self.cause(&edge.cause, edge.to));
            let mut text = self.place(edge.from).map_or(waits.clone(), |place| format!("{waits} ({place})"));
            if edge.evidence == Evidence::Inferred {
                text.push_str(", told by the mailbox that it sent to");
            }
            on_the_way.push((length, text));
        }
        on_the_way.sort_by(|a, b| b.0.cmp(&a.0));
        on_the_way.into_iter().filter(|(length, _)| *length > 0).take(3).map(|(_, text)| text).collect()
    }

    /// `mailbox 11/64, a new message waits about 0.9 s`.
    fn mailbox(&self, key: u64) -> Option<String> {
        let channel = self.last.channels.get(&key)?;
        let level = channel.level?;
        let capacity = level.capacity.map_or("∞".to_owned(), |capacity| capacity.to_string());
        let mut text = format!("mailbox {}/{capacity}", level.length);
        let rate = self.received(key) / self.watched.window.as_secs_f64().max(1e-9);
        if level.length > 0 && rate > 0.0 {
            text.push_str(&format!(", a new message waits about {}", seconds(level.length as f64 / rate)));
        }
        Some(text)
    }

    /// Messages taken from a channel within the window.
    fn received(&self, key: u64) -> f64 {
        let at = |look: Option<&Look>| look.and_then(|look| look.channels.get(&key)?.level).map(|level| level.received);
        match (at(self.watched.looks.first()), at(self.watched.looks.last())) {
            (Some(before), Some(now)) => now.saturating_sub(before) as f64,
            _ => 0.0,
        }
    }

    /// The time between two messages of an actor that always has something to do.
    fn per_message(&self, actor: &Actor) -> Option<String> {
        let received = self.received(actor.mailbox?);
        (received >= 3.0).then(|| seconds(self.watched.window.as_secs_f64() / received))
    }

    /// Mailboxes that nobody took from, and unbounded ones that grew all the time.
    fn mailboxes(&self, known: &[Finding]) -> Vec<Finding> {
        let explained: BTreeSet<u64> = known.iter().flat_map(|finding| finding.tasks.iter().copied()).collect();
        self.last.channels.values().filter_map(|channel| self.trouble_of(channel, &explained)).collect()
    }

    fn trouble_of(&self, channel: &Channel, explained: &BTreeSet<u64>) -> Option<Finding> {
        let levels: Vec<_> =
            self.watched.looks.iter().map(|look| look.channels.get(&channel.key)?.level).collect::<Option<_>>()?;
        let (first, last) = (levels.first()?, levels.last()?);
        let owners = self.graph.receivers.get(&channel.key).cloned().unwrap_or_default();
        let owner = owners.first().copied();
        let name = match owner {
            Some(owner) => format!("{}'s mailbox", self.name(owner)),
            None => channel.name.clone().map_or("a mailbox".to_owned(), |name| format!("the mailbox {name}")),
        };
        let is_stuck = owner.is_none_or(|owner| {
            let waits_for_another = self.graph.edges.iter().any(|edge| edge.from == owner);
            let waits = self.actor(owner).is_some_and(|actor| actor.state == State::Waiting);
            waits && !waits_for_another && !explained.contains(&self.id(owner))
        });
        let is_unread = levels.iter().all(|level| level.length > 0) && first.received == last.received;
        let tasks: Vec<u64> = owner.map(|owner| self.id(owner)).into_iter().collect();
        if is_unread && is_stuck && self.watched.looks.len() > 1 {
            let reads = match owner.and_then(|owner| self.actor(owner)?.awaited.first().map(|awaited| (owner, awaited)))
            {
                Some((_, awaited)) => format!("it awaits {}", self.wait(awaited)),
                None => "no task that is known holds its receiver".to_owned(),
            };
            return Some(Finding {
                trouble: Trouble::Unread,
                tasks,
                waiters: 0,
                text: format!(
                    "nobody reads {name}: {} in it, none taken; {reads}",
                    counted_u64(last.length, "message")
                ),
                advice: None,
            });
        }
        let grows = levels.windows(2).all(|pair| matches!(pair, [a, b] if b.length > a.length));
        if last.capacity.is_some() || !grows || last.length < GROWN_MIN {
            return None;
        }
        let rate = (last.length - first.length) as f64 / self.watched.window.as_secs_f64().max(1e-9);
        Some(Finding {
            trouble: Trouble::Growing,
            tasks,
            waiters: 0,
            text: format!(
                "{name} is unbounded and grows: {} now, {rate:.0} more each second",
                counted_u64(last.length, "message")
            ),
            advice: Some("Bound it, so that senders wait, or take messages faster".to_owned()),
        })
    }

    fn place(&self, index: usize) -> Option<String> {
        let (file, line) = self.actor(index)?.location()?;
        Some(format!("{}:{line}", file_name(file)))
    }

    fn wait(&self, awaited: &Awaited) -> String {
        let row = wait_row(&awaited.wait, location(&awaited.frames), &self.last.channels, self.watched.now_ns);
        let what = match (row.word, row.detail) {
            ("nothing", _) => "something that never comes".to_owned(),
            (word, Some(detail)) => format!("a {word} ({detail})"),
            (word, None) => format!("a {word}"),
        };
        row.location.map_or(what.clone(), |(file, line)| format!("{what} at {}:{line}", file_name(&file)))
    }

    /// `for AuditLog's reply`, `for room in AuditLog's mailbox`, `for a lock that x holds`.
    fn cause(&self, cause: &Cause, to: usize) -> String {
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
fn behind(graph: &WaitGraph, members: &[usize]) -> HashSet<usize> {
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

/// For each task that others wait for and that waits for nobody: how many.
fn roots(look: &Look, graph: &WaitGraph) -> Vec<(usize, usize)> {
    let next: HashMap<usize, usize> =
        graph.edges.iter().rev().filter(|edge| edge.cause != Cause::End).map(|edge| (edge.from, edge.to)).collect();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for start in next.keys() {
        let mut at = *start;
        let mut steps = 0;
        while let Some(to) = next.get(&at)
            && steps <= look.actors.len()
        {
            at = *to;
            steps += 1;
        }
        if steps <= look.actors.len() {
            *counts.entry(at).or_default() += 1;
        }
    }
    counts.into_iter().collect()
}

/// Waits for a message, and there is none.
fn is_idle(actor: &Actor, look: &Look) -> bool {
    let waits = actor.awaited.iter().any(|awaited| matches!(awaited.wait, Wait::Message { .. }));
    let level = actor.mailbox.and_then(|key| look.channels.get(&key)?.level);
    actor.state == State::Waiting && waits && level.is_none_or(|level| level.length == 0)
}

fn seconds(seconds: f64) -> String {
    match seconds {
        long if long >= 10.0 => format!("{long:.0} s"),
        long if long >= 1.0 => format!("{long:.1} s"),
        short if short >= 0.01 => format!("{:.0} ms", short * 1e3),
        short => format!("{:.1} ms", short * 1e3),
    }
}

fn wait_for(count: usize) -> String {
    counted(count, "task waits", "tasks wait")
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn counted_u64(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
