//! Who waits for whom: from what each task waits for and what each holds, one edge per thing that is waited for and
//! somebody can give. Knows what was read, not what it means for the whole.

use std::collections::HashMap;

use super::awaiting::{Awaited, Wait};
use super::holdings::Held;
use super::look::{Actor, Look, State};

/// One task waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Indices of the look's actors.
    pub from: usize,
    pub to: usize,
    pub cause: Cause,
    /// How it is known that `to` is the one.
    pub evidence: Evidence,
}

/// For what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The reply to a message.
    Reply {
        channel: Option<u64>,
    },
    /// Room in a full mailbox.
    Room {
        channel: u64,
    },
    Lock {
        semaphore: u64,
    },
    Permit {
        semaphore: u64,
    },
    /// Its end.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The other end was found in what the other task holds, or in its mailbox.
    Found,
    /// The request is in no mailbox any more: the caller sent it, by the same function, to a mailbox of the other task
    /// whose messages carry the sending half of such a reply. Or several tasks seem to hold what one alone can.
    Inferred,
}

impl Evidence {
    /// What to add where it is not certain.
    pub fn note(self) -> &'static str {
        match self {
            Self::Found => "",
            Self::Inferred => " (inferred)",
        }
    }
}

/// The graph of one look.
#[derive(Clone, Debug, Default)]
pub struct WaitGraph {
    pub edges: Vec<Edge>,
    /// By task index: those that receive from each channel.
    pub receivers: HashMap<u64, Vec<usize>>,
}

/// All edges of a look.
pub fn graph(look: &Look) -> WaitGraph {
    let index = Index::of(look);
    let mut edges = Vec::new();
    for (from, actor) in look.actors.iter().enumerate() {
        if !matches!(actor.state, State::Waiting) {
            continue;
        }
        for awaited in &actor.awaited {
            for (to, cause, evidence) in index.givers(from, actor, awaited) {
                let edge = Edge { from, to, cause, evidence };
                if from != to && !edges.contains(&edge) {
                    edges.push(edge);
                }
            }
        }
    }
    WaitGraph { edges, receivers: index.receivers }
}

/// Who has what, by the address of what is shared.
#[derive(Default)]
struct Index {
    receivers: HashMap<u64, Vec<usize>>,
    replying: HashMap<u64, Vec<usize>>,
    /// The mailbox that a request lies in, by its reply's channel.
    queued: HashMap<u64, u64>,
    locks: HashMap<u64, Vec<usize>>,
    permits: HashMap<u64, Vec<usize>>,
    rooms: HashMap<u64, u64>,
    tasks: HashMap<u64, usize>,
}

impl Index {
    fn of(look: &Look) -> Self {
        let mut index = Self { tasks: look.by_address(), ..Self::default() };
        for (at, actor) in look.actors.iter().enumerate() {
            if let Some(channel) = actor.mailbox {
                index.receivers.entry(channel).or_default().push(at);
            }
            for held in &actor.held {
                match held {
                    Held::ReplyTo { oneshot } => index.replying.entry(*oneshot).or_default().push(at),
                    Held::Lock { semaphore, .. } => index.locks.entry(*semaphore).or_default().push(at),
                    Held::Permit { semaphore } => index.permits.entry(*semaphore).or_default().push(at),
                    Held::Receiver { channel, is_shared: false } => {
                        let receivers = index.receivers.entry(*channel).or_default();
                        if !receivers.contains(&at) {
                            receivers.push(at);
                        }
                    }
                    Held::Receiver { .. } | Held::Sender { .. } | Held::Task { .. } => {}
                }
            }
        }
        for channel in look.channels.values() {
            index.queued.extend(channel.replies.iter().map(|oneshot| (*oneshot, channel.key)));
            index.rooms.extend(channel.room.map(|room| (room, channel.key)));
        }
        index
    }

    fn givers(&self, from: usize, actor: &Actor, awaited: &Awaited) -> Vec<(usize, Cause, Evidence)> {
        let all = |found: Option<&Vec<usize>>, cause: Cause| -> Vec<(usize, Cause, Evidence)> {
            found.into_iter().flatten().map(|to| (*to, cause.clone(), Evidence::Found)).collect()
        };
        match &awaited.wait {
            Wait::Reply { oneshot, .. } => self.repliers(from, actor, *oneshot),
            Wait::Room { semaphore } => match self.rooms.get(semaphore) {
                Some(channel) => all(self.receivers.get(channel), Cause::Room { channel: *channel }),
                None => Vec::new(),
            },
            Wait::Lock { semaphore, .. } => {
                let holders = others(self.locks.get(semaphore), from);
                let evidence = sure_if_one(&holders);
                holders.into_iter().map(|to| (to, Cause::Lock { semaphore: *semaphore }, evidence)).collect()
            }
            Wait::Permit { semaphore } => all(self.permits.get(semaphore), Cause::Permit { semaphore: *semaphore }),
            Wait::Task { header } => {
                self.tasks.get(header).map(|to| (*to, Cause::End, Evidence::Found)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Who will answer: whose mailbox the request is in, or who took it and holds its sending half; else the task
    /// behind the only mailbox that such requests of this caller go to.
    fn repliers(&self, from: usize, actor: &Actor, oneshot: u64) -> Vec<(usize, Cause, Evidence)> {
        if let Some(channel) = self.queued.get(&oneshot) {
            let cause = Cause::Reply { channel: Some(*channel) };
            return self.owners(*channel).into_iter().map(|to| (to, cause.clone(), Evidence::Found)).collect();
        }
        let holders = others(self.replying.get(&oneshot), from);
        if !holders.is_empty() {
            let evidence = sure_if_one(&holders);
            return holders.into_iter().map(|to| (to, Cause::Reply { channel: None }, evidence)).collect();
        }
        match actor.asked.as_slice() {
            [channel] => {
                let cause = Cause::Reply { channel: Some(*channel) };
                self.owners(*channel).into_iter().map(|to| (to, cause.clone(), Evidence::Inferred)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn owners(&self, channel: u64) -> Vec<usize> {
        self.receivers.get(&channel).cloned().unwrap_or_default()
    }
}

/// Holders other than the one who waits: a variable that was moved out of keeps its bytes in the future, so a caller
/// seems to hold what it has sent away.
fn others(holders: Option<&Vec<usize>>, from: usize) -> Vec<usize> {
    holders.into_iter().flatten().copied().filter(|holder| *holder != from).collect()
}

/// Of several that seem to hold what one alone can hold, all but one have moved it away.
fn sure_if_one(holders: &[usize]) -> Evidence {
    if holders.len() == 1 { Evidence::Found } else { Evidence::Inferred }
}
