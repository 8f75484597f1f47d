//! Verdicts on looks made by hand: what every look shows is told, what passes is not.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::age::Ages;
use super::super::awaiting::{Awaited, Wait};
use super::super::channel::{ChannelPlace, Flavor, Level};
use super::super::holdings::Held;
use super::super::look::{Actor, Channel, Look, State};
use super::super::task::Task;
use super::*;
use crate::value::layout::TypeId;

fn actor(id: u64, name: &str, wait: Option<Wait>, held: &[Held]) -> Actor {
    Actor {
        task: Task { address: id << 12, kind: 0, id, state: 1 << 6 },
        name: format!("app::{name}"),
        is_blocking: false,
        state: if wait.is_some() { State::Waiting } else { State::Running },
        awaited: wait.into_iter().map(|wait| Awaited { wait, frames: Vec::new() }).collect(),
        held: held.to_vec(),
        asked: Vec::new(),
        mailbox: None,
        fingerprint: id,
        size_bytes: 128,
        is_torn: false,
    }
}

fn channel(key: u64, length: u64, received: u64, replies: &[u64]) -> Channel {
    Channel {
        key,
        flavor: Flavor::TokioBounded,
        place: ChannelPlace::of(Flavor::TokioBounded, key, TypeId(0), None),
        message_type: None,
        name: Some("Mailbox".to_owned()),
        level: Some(Level {
            length,
            capacity: Some(8),
            sent: Some(received + length),
            received: Some(received),
            senders: Some(1),
            ..Level::default()
        }),
        room: Some(key + 8),
        replies: replies.to_vec(),
    }
}

fn look(actors: Vec<Actor>, channels: Vec<Channel>) -> Look {
    let channels: BTreeMap<u64, Channel> = channels.into_iter().map(|channel| (channel.key, channel)).collect();
    Look { actors, channels, ..Look::default() }
}

fn judged(looks: &[Look], busy: &[(u64, f64)]) -> Verdict {
    let busy: HashMap<u64, f64> = busy.iter().copied().collect();
    verdict(&Watched {
        looks,
        window: Duration::from_secs(2),
        busy: &busy,
        executing: &HashMap::new(),
        ages: &Ages::default(),
        now_ns: 0,
    })
}

fn lock(semaphore: u64) -> Option<Wait> {
    Some(Wait::Lock { semaphore, is_shared: false })
}

fn guard(semaphore: u64) -> Held {
    Held::Lock { semaphore, is_shared: false }
}

#[test]
fn a_ring_of_locks_is_a_deadlock_and_one_that_passes_is_none() {
    let ring = || look(vec![actor(1, "a", lock(20), &[guard(10)]), actor(2, "b", lock(10), &[guard(20)])], vec![]);
    let broken = look(vec![actor(1, "a", lock(20), &[guard(10)]), actor(2, "b", None, &[guard(20)])], vec![]);
    let verdict = judged(&[ring(), ring()], &[]);
    let [finding] = verdict.findings.as_slice() else { panic!("{:#?}", verdict.findings) };
    assert_eq!((finding.trouble, finding.tasks.len()), (Trouble::Deadlock, 2));
    assert!(judged(&[broken, ring()], &[]).findings.is_empty());
}

#[test]
fn what_a_caller_has_sent_away_is_not_held_by_it() {
    let reply = || Some(Wait::Reply { oneshot: 7, reply: "<u64>".to_owned() });
    let caller = actor(1, "caller", reply(), &[Held::ReplyTo { oneshot: 7 }]);
    let graph = waits::graph(&look(vec![caller.clone()], vec![]));
    assert!(graph.edges.is_empty(), "{:#?}", graph.edges);
    // The request lies in another's mailbox.
    let mut owner = actor(2, "owner", None, &[]);
    owner.mailbox = Some(0x100);
    let graph = waits::graph(&look(vec![caller.clone(), owner.clone()], vec![channel(0x100, 1, 5, &[7])]));
    let [edge] = graph.edges.as_slice() else { panic!("{:#?}", graph.edges) };
    assert_eq!((edge.from, edge.to, edge.evidence), (0, 1, Evidence::Found));
    // It is gone from there: the mailbox that the caller sent to tells who has it.
    let caller = Actor { asked: vec![0x100], ..caller };
    let graph = waits::graph(&look(vec![caller, owner], vec![channel(0x100, 0, 6, &[])]));
    assert_eq!(graph.edges.first().map(|edge| edge.evidence), Some(Evidence::Inferred));
}

#[test]
fn the_end_of_the_chain_is_the_bottleneck_not_the_full_mailbox() {
    let at = |received: u64| {
        let reply = |oneshot: u64| Some(Wait::Reply { oneshot, reply: "<u64>".to_owned() });
        let mut front = actor(1, "front", reply(1), &[]);
        (front.mailbox, front.asked) = (Some(0x100), vec![0x200]);
        let mut back = actor(2, "back", None, &[]);
        back.mailbox = Some(0x200);
        back.fingerprint = received;
        let callers = (3..6).map(|id| actor(id, "caller", reply(id), &[]));
        let mut actors = vec![front, back];
        actors.extend(callers);
        let named = |key: u64, name: &str, channel: Channel| Channel { key, name: Some(name.to_owned()), ..channel };
        let front = named(0x100, "Front", channel(0x100, 3, received, &[3, 4, 5]));
        look(actors, vec![front, named(0x200, "Back", channel(0x200, 0, received, &[]))])
    };
    let verdict = judged(&[at(10), at(20), at(30)], &[(2, 1.0)]);
    let [finding] = verdict.findings.as_slice() else { panic!("{:#?}", verdict.findings) };
    assert_eq!((finding.trouble, finding.tasks.as_slice(), finding.waiters), (Trouble::Bottleneck, [2].as_slice(), 4));
    assert!(finding.text.starts_with("Front: mailbox 3/8"), "{}", finding.text);
    assert!(
        finding.text.contains("Back runs 100 % of one worker's time, about 100 ms per message"),
        "{}",
        finding.text
    );
}

#[test]
fn a_task_that_runs_and_goes_on_blocks_nothing() {
    let at = |fingerprint: u64| look(vec![Actor { fingerprint, ..actor(1, "burns", None, &[]) }], vec![]);
    let stuck = judged(&[at(1), at(1)], &[(1, 1.0)]);
    assert_eq!(stuck.findings.first().map(|finding| finding.trouble), Some(Trouble::BlockedWorker));
    assert!(judged(&[at(1), at(2)], &[(1, 1.0)]).findings.is_empty());
    assert!(judged(&[at(1), at(1)], &[(1, 0.5)]).findings.is_empty());
    assert!(judged(&[], &[]).findings.is_empty());
}
