//! A list that only grows, shared between threads: what is in it stays where it is.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Slots of the first chunk; each chunk is twice as large as the one before.
const FIRST_SLOTS: usize = 16;
/// Chunks: more slots than memory has room for.
const CHUNKS: usize = 40;

/// Slots numbered from 0, each filled once.
pub(super) struct Growing<T> {
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    pushed: AtomicUsize,
}

impl<T> Default for Growing<T> {
    fn default() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS], pushed: AtomicUsize::new(0) }
    }
}

impl<T> Growing<T> {
    /// The slot of that number, which may still be empty.
    ///
    /// # Panics
    /// The number is beyond any memory.
    pub(super) fn slot(&self, index: usize) -> &OnceLock<T> {
        let chunk = (index / FIRST_SLOTS + 1).ilog2();
        let before = FIRST_SLOTS * ((1 << chunk) - 1);
        let slots = self.chunks[chunk as usize]
            .get_or_init(|| std::iter::repeat_with(OnceLock::new).take(FIRST_SLOTS << chunk).collect());
        &slots[index - before]
    }

    /// What is in a slot. Unlike [`slot`](Self::slot) it makes no room for one that was never asked for.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        if index < self.pushed.load(Ordering::Acquire) { self.slot(index).get() } else { None }
    }

    /// Adds one at the end; its number.
    pub(super) fn push(&self, value: T) -> usize {
        let index = self.pushed.fetch_add(1, Ordering::AcqRel);
        self.slot(index).get_or_init(|| value);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_stays_while_others_add() {
        let list = Growing::default();
        let first = list.slot(list.push(7)).get();
        std::thread::scope(|scope| {
            for start in [100, 10_000] {
                let list = &list;
                scope.spawn(move || {
                    for value in start..start + 1000 {
                        let index = list.push(value);
                        assert_eq!(list.get(index), Some(&value));
                    }
                });
            }
        });
        assert!(std::ptr::eq(first.unwrap(), list.get(0).unwrap()));
        assert_eq!((first, list.get(2001)), (Some(&7), None));
        let mut all: Vec<i32> = (0..2001).filter_map(|index| list.get(index)).copied().collect();
        all.sort_unstable();
        assert_eq!(all, [7].into_iter().chain(100..1100).chain(10_000..11_000).collect::<Vec<_>>());
    }
}
