//! The bottleneck among actors: the one at the end of the chains in which others wait, with the mailboxes on the way.
//! And mailboxes that nobody reads, or that only grow. Part of the verdict.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::awaiting::Wait;
use super::look::{Actor, Channel, Look, State};
use super::verdict::{Finding, Judge, Trouble, behind, wait_for};
use super::waits::{Cause, Evidence, WaitGraph};

/// Average number of tasks that wait for one before it is called a bottleneck.
const WAITERS_MIN: f64 = 1.5;
/// Share of the looks in which a bottleneck must have had something to do.
const OCCUPIED_MIN: f64 = 0.75;
/// Messages in an unbounded mailbox that grew before it is worth a word.
const GROWN_MIN: u64 = 10;

impl Judge<'_> {
    /// Tasks at the end of chains in which others wait, look after look.
    pub(super) fn bottlenecks(&self, explained: &BTreeSet<u64>) -> Vec<Finding> {
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
            busy if busy >= 0.5 => match self.watched.executing.get(&id) {
                Some(executing) => {
                    let function = executing.text();
                    let (busy, share) = (busy * 100.0, executing.share * 100.0);
                    place(format!(
                        "{own} runs {busy:.0} % of one worker's time, {share:.0} % of that in {function}{each}"
                    ))
                }
                None => place(format!("{own} runs {:.0} % of one worker's time{each}", busy * 100.0)),
            },
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
        on_the_way.sort_by_key(|(length, _)| Reverse(*length));
        on_the_way.into_iter().filter(|(length, _)| *length > 0).take(3).map(|(_, text)| text).collect()
    }

    /// `mailbox 11/64, its oldest message waits 0.9 s, a new one about 1.1 s`.
    fn mailbox(&self, key: u64) -> Option<String> {
        let channel = self.last.channels.get(&key)?;
        let level = channel.level?;
        let capacity = level.capacity.map_or("∞".to_owned(), |capacity| capacity.to_string());
        let mut text = format!("mailbox {}/{capacity}", level.length);
        let age = self.watched.ages.oldest(key, &level, self.watched.now_ns);
        if let Some(age) = age {
            let longer = if age.at_most_ns.is_some() { "" } else { "longer than " };
            let waits = seconds(age.at_least_ns as f64 / 1e9);
            text.push_str(&format!(", its oldest message waits {longer}{waits}"));
        }
        let rate = self.received(key) / self.watched.window.as_secs_f64().max(1e-9);
        if level.length > 0 && rate > 0.0 {
            let wait = seconds(level.length as f64 / rate);
            let subject = if age.is_some() { "a new one" } else { "a new message waits" };
            text.push_str(&format!(", {subject} about {wait}"));
        }
        Some(text)
    }

    /// Messages taken from a channel within the window.
    fn received(&self, key: u64) -> f64 {
        let at = |look: Option<&Look>| look.and_then(|look| look.channels.get(&key)?.level?.received);
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
    pub(super) fn mailboxes(&self, known: &[Finding]) -> Vec<Finding> {
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
        let is_unread =
            levels.iter().all(|level| level.length > 0) && first.received.is_some() && first.received == last.received;
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

fn counted_u64(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
