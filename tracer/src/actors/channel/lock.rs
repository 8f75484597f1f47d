//! tokio's semaphores, and what is made of them: mutexes and read-write locks; and its `Notify`. Their length is the
//! number of those who wait.

use super::{ChannelPlace, Condition, Flavor, Level, State};
use crate::actors::graph::Graph;
use crate::value::layout::TypeId;

/// Waiters counted.
const WAITERS_MAX: u64 = 100_000;
/// The low bit of a semaphore's counter: closed (`Semaphore::CLOSED`, `PERMIT_SHIFT`).
const PERMIT_SHIFT: u32 = 1;
/// More permits than there can be (`Semaphore::MAX_PERMITS`).
const PERMITS_MAX: u64 = u64::MAX >> 3;
/// The state of a `Notify` with a notification for the next (`NOTIFIED`, `STATE_MASK`).
const NOTIFIED: u64 = 2;
const STATE_MASK: u64 = 3;

/// The lock that is at `address`, with the address that who waits for it names it by.
pub(super) fn place(graph: &Graph<'_>, ty: TypeId, path: &str, address: u64) -> Option<(u64, ChannelPlace)> {
    let flavor = match path {
        "tokio::sync::mutex::Mutex" => Flavor::Mutex,
        "tokio::sync::rwlock::RwLock" => Flavor::RwLock,
        "tokio::sync::semaphore::Semaphore" => Flavor::Semaphore,
        "tokio::sync::notify::Notify" => Flavor::Notify,
        _ => return None,
    };
    let key = match flavor {
        Flavor::Notify => address,
        _ => address + graph.typed(ty, "tokio::sync::batch_semaphore::Semaphore")?.offset,
    };
    let content = graph.field(ty, "c").and_then(|content| graph.parameter(content.ty, "T"));
    Some((key, ChannelPlace::of(flavor, address, ty, content)))
}

/// A semaphore's free permits, whether it is closed, and how many wait.
fn permits(state: &State<'_, '_>) -> Option<(u64, bool, u64)> {
    let semaphore = state.typed("tokio::sync::batch_semaphore::Semaphore")?;
    let word = semaphore.number("permits")?;
    let free = word >> PERMIT_SHIFT;
    (free <= PERMITS_MAX).then_some((free, word & 1 != 0, waiters(&semaphore.part("waiters")?)?))
}

/// The length of a list of waiters. It changes while it is walked: an end that is not there is the end.
fn waiters(list: &State<'_, '_>) -> Option<u64> {
    let mut count = 0;
    let mut next = list.behind("head");
    while let Some(waiter) = next
        && count < WAITERS_MAX
    {
        count += 1;
        next = waiter.behind("next");
    }
    Some(count)
}

pub(super) fn semaphore(state: &State<'_, '_>) -> Option<Level> {
    let (free, is_closed, waiting) = permits(state)?;
    let condition = Condition::Permits(free);
    Some(Level { length: waiting, waiting: Some(waiting), condition, is_closed, ..Level::default() })
}

pub(super) fn mutex(state: &State<'_, '_>) -> Option<Level> {
    let (free, is_closed, waiting) = permits(state)?;
    // One permit, which the guard has or who waits first is about to get.
    let condition = if free == 0 { Condition::Locked } else { Condition::Free };
    let level = Level { length: waiting, waiting: Some(waiting), condition, is_closed, ..Level::default() };
    (free <= 1).then_some(level)
}

pub(super) fn rwlock(state: &State<'_, '_>) -> Option<Level> {
    let (free, is_closed, waiting) = permits(state)?;
    let readers_max = state.number("mr")?;
    // A reader takes one permit, a writer all. One that waits for all has taken what was free meanwhile, so without
    // any left nobody knows whether they are a writer's or kept for one.
    let condition = match readers_max.checked_sub(free)? {
        0 => Condition::Free,
        _ if free == 0 => Condition::Locked,
        readers => Condition::Read(readers),
    };
    Some(Level { length: waiting, waiting: Some(waiting), condition, is_closed, ..Level::default() })
}

pub(super) fn notify(state: &State<'_, '_>) -> Option<Level> {
    let word = state.number("state")?;
    let waiting = waiters(&state.part("waiters")?)?;
    let condition = if word & STATE_MASK == NOTIFIED { Condition::Notified } else { Condition::None };
    Some(Level { length: waiting, waiting: Some(waiting), condition, ..Level::default() })
}
