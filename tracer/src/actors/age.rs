//! How long the oldest message of a channel has waited: tokio's messages carry no time, but how many had been sent is
//! known at each moment at which somebody looked. Pure; must not know who looks.

use std::collections::HashMap;

use super::channel::Level;

/// Moments kept of one channel.
const MOMENTS_MAX: usize = 10_000;

/// When a channel was seen with how many messages sent to it.
#[derive(Clone, Debug, Default)]
pub struct Ages {
    seen: HashMap<u64, Vec<Stretch>>,
}

/// Between these two moments `sent` was always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first_ns: u64,
    last_ns: u64,
    sent: u64,
}

/// How long a message has waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// It was there so long ago.
    pub at_least_ns: u64,
    /// It was not there so long ago; `None` if it was there when looking began.
    pub at_most_ns: Option<u64>,
}

impl Ages {
    /// Notes a channel's level at a moment, later ones after earlier ones.
    pub fn observe(&mut self, key: u64, level: &Level, now_ns: u64) {
        let (Some(sent), Some(received)) = (level.sent, level.received) else { return };
        let seen = self.seen.entry(key).or_default();
        match seen.last_mut() {
            Some(last) if last.sent == sent => last.last_ns = now_ns,
            _ => seen.push(Stretch { first_ns: now_ns, last_ns: now_ns, sent }),
        }
        // What was received already is asked for no more.
        let waiting = seen.iter().position(|stretch| stretch.sent > received).unwrap_or(seen.len());
        seen.drain(..waiting.saturating_sub(1).max(seen.len().saturating_sub(MOMENTS_MAX)).min(seen.len() - 1));
    }

    /// Forgets the channels that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        self.seen.retain(|key, _| is_there(*key));
    }

    /// The age of the oldest message that waits in a channel now.
    pub fn oldest(&self, key: u64, level: &Level, now_ns: u64) -> Option<Age> {
        if level.length == 0 {
            return None;
        }
        let seen = self.seen.get(&key)?;
        let received = level.received?;
        let there = seen.iter().position(|stretch| stretch.sent > received)?;
        let since = |time_ns: u64| now_ns.saturating_sub(time_ns);
        let at_least_ns = since(seen.get(there)?.first_ns);
        let before = there.checked_sub(1).and_then(|before| seen.get(before));
        Some(Age { at_least_ns, at_most_ns: before.map(|before| since(before.last_ns)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(received: u64, sent: u64) -> Level {
        Level { length: sent - received, sent: Some(sent), received: Some(received), ..Level::default() }
    }

    #[test]
    fn the_oldest_message_is_as_old_as_the_first_look_that_saw_it() {
        let mut ages = Ages::default();
        ages.observe(1, &level(0, 3), 100);
        assert_eq!(ages.oldest(1, &level(0, 3), 150), Some(Age { at_least_ns: 50, at_most_ns: None }));
        ages.observe(1, &level(1, 3), 200);
        ages.observe(1, &level(2, 4), 300);
        // Number 3, the oldest after three were received, was not there at 200 and was at 300.
        assert_eq!(ages.oldest(1, &level(3, 4), 400), Some(Age { at_least_ns: 100, at_most_ns: Some(200) }));
        assert_eq!(ages.oldest(1, &level(4, 4), 400), None);
        assert_eq!(ages.oldest(2, &level(0, 1), 400), None);
    }

    #[test]
    fn what_was_received_is_forgotten() {
        let mut ages = Ages::default();
        for moment in 0..1000 {
            ages.observe(1, &level(moment, moment + 2), moment * 10);
        }
        assert!(ages.seen[&1].len() <= 4, "{}", ages.seen[&1].len());
        assert_eq!(ages.oldest(1, &level(999, 1001), 10_000).map(|age| age.at_least_ns), Some(20));
    }
}
