//! Bounded mailboxes over tokio's mpsc channel that know their own length and tell it through USDT
//! probes (docs/mailbox-probes.md). Knows nothing of actors, nor of who listens.

mod directory;
mod probes;

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Opens a mailbox that holds up to `capacity` messages (at least 1) of what people call `message_type`.
/// It closes when its receiver is dropped.
pub fn open<M>(name: &str, message_type: &str, capacity: usize) -> (Sender<M>, Receiver<M>) {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    let mailbox = Arc::new(Mailbox {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        name: c_string(name),
        message_type: c_string(message_type),
        capacity: capacity as u64,
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
    });
    probes::open(&mailbox);
    directory::add(&mailbox);
    let (sender, receiver) = mpsc::channel(capacity);
    (Sender { queue: sender, mailbox: Arc::clone(&mailbox) }, Receiver { queue: receiver, mailbox })
}

/// What each open mailbox of this process knows about itself, oldest first.
pub fn snapshots() -> Vec<Snapshot> {
    directory::all().iter().map(|mailbox| mailbox.snapshot()).collect()
}

/// One mailbox at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    pub id: u64,
    pub name: String,
    /// In messages, as all that follows.
    pub length: u64,
    pub capacity: u64,
    /// Totals since the mailbox was opened.
    pub sent: u64,
    pub received: u64,
}

/// The receiver is gone: nobody will ever take the message.
#[derive(Debug, thiserror::Error)]
#[error("the mailbox is closed")]
pub struct Closed;

/// Puts messages into a mailbox. Clones share it.
pub struct Sender<M> {
    queue: mpsc::Sender<Envelope<M>>,
    mailbox: Arc<Mailbox>,
}

/// Takes messages out of a mailbox; there is one per mailbox.
pub struct Receiver<M> {
    queue: mpsc::Receiver<Envelope<M>>,
    mailbox: Arc<Mailbox>,
}

/// Held while a received message is being handled; dropping it says that this is done.
#[must_use = "handling ends when this is dropped"]
pub struct Handling<'a> {
    mailbox: &'a Mailbox,
    received_at: Option<Instant>,
}

struct Envelope<M> {
    message: M,
    sent_at: Instant,
}

struct Mailbox {
    id: u64,
    name: CString,
    message_type: CString,
    capacity: u64,
    sent: AtomicU64,
    received: AtomicU64,
}

#[derive(Clone, Copy)]
struct Level {
    length: u64,
    sent: u64,
    received: u64,
}

impl<M> Sender<M> {
    /// Sends a message, waiting for room.
    pub async fn send(&self, message: M) -> Result<(), Closed> {
        let (permit, waited) = match self.queue.try_reserve() {
            Ok(permit) => (permit, Duration::ZERO),
            Err(TrySendError::Closed(())) => return Err(Closed),
            Err(TrySendError::Full(())) => {
                let asked_at = Instant::now();
                let permit = self.queue.reserve().await.map_err(|_| Closed)?;
                (permit, asked_at.elapsed())
            }
        };
        // Counted and told before it can be received, so that no length is negative and no event too late.
        self.mailbox.sent.fetch_add(1, Ordering::AcqRel);
        probes::send(&self.mailbox, waited);
        // The clock is read for every message: who starts to listen should learn how long the backlog waited.
        permit.send(Envelope { message, sent_at: Instant::now() });
        Ok(())
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Sender { queue: self.queue.clone(), mailbox: Arc::clone(&self.mailbox) }
    }
}

impl<M> Receiver<M> {
    /// The next message, or `None` once all senders are gone and the mailbox is empty.
    pub async fn receive(&mut self) -> Option<(M, Handling<'_>)> {
        let Envelope { message, sent_at } = self.queue.recv().await?;
        self.mailbox.received.fetch_add(1, Ordering::AcqRel);
        probes::receive(&self.mailbox, sent_at);
        let received_at = probes::handled_is_observed().then(Instant::now);
        Some((message, Handling { mailbox: &self.mailbox, received_at }))
    }
}

impl<M> Drop for Receiver<M> {
    fn drop(&mut self) {
        directory::remove(self.mailbox.id);
        self.queue.close();
        probes::close(&self.mailbox, self.mailbox.level());
    }
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        probes::handled(self.mailbox, self.received_at);
    }
}

impl Mailbox {
    /// Exact at one moment: as long as `received` stands still, `sent` tells the length.
    fn level(&self) -> Level {
        let mut received = self.received.load(Ordering::Acquire);
        loop {
            let sent = self.sent.load(Ordering::Acquire);
            let received_after = self.received.load(Ordering::Acquire);
            if received_after == received {
                return Level { length: sent.saturating_sub(received), sent, received };
            }
            received = received_after;
        }
    }

    fn snapshot(&self) -> Snapshot {
        let Level { length, sent, received } = self.level();
        Snapshot {
            id: self.id,
            name: self.name.to_string_lossy().into_owned(),
            length,
            capacity: self.capacity,
            sent,
            received,
        }
    }
}

/// A C string cannot hold a NUL: the text ends before it.
fn c_string(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: u64) -> Option<Snapshot> {
        snapshots().into_iter().find(|snapshot| snapshot.id == id)
    }

    #[tokio::test]
    async fn counts_what_goes_in_and_out() {
        let (sender, mut receiver) = open::<&str>("counting", "test", 8);
        let id = sender.mailbox.id;
        for message in ["one", "two", "three"] {
            sender.send(message).await.unwrap();
        }
        let (message, _handling) = receiver.receive().await.unwrap();
        assert_eq!(message, "one");
        let expected = Snapshot { id, name: "counting".into(), length: 2, capacity: 8, sent: 3, received: 1 };
        assert_eq!(snapshot(id), Some(expected));
    }

    #[tokio::test]
    async fn a_sender_without_room_has_not_sent() {
        let (sender, mut receiver) = open::<u8>("full", "test", 1);
        let id = sender.mailbox.id;
        sender.send(1).await.unwrap();
        let second = tokio::spawn(async move { sender.send(2).await });
        tokio::task::yield_now().await;
        assert_eq!(snapshot(id).map(|s| (s.length, s.sent)), Some((1, 1)));
        drop(receiver.receive().await);
        second.await.unwrap().unwrap();
        assert_eq!(snapshot(id).map(|s| (s.length, s.sent)), Some((1, 2)));
    }

    #[tokio::test]
    async fn closes_with_its_receiver() {
        let (sender, receiver) = open::<u8>("closing", "test", 1);
        let id = sender.mailbox.id;
        assert!(snapshot(id).is_some());
        drop(receiver);
        assert!(sender.send(1).await.is_err());
        assert_eq!(snapshot(id), None);
    }

    #[tokio::test]
    async fn ends_after_the_last_sender_and_message() {
        let (sender, mut receiver) = open::<u8>("ending", "test", 2);
        sender.send(1).await.unwrap();
        drop(sender);
        assert!(receiver.receive().await.is_some());
        assert!(receiver.receive().await.is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn lengths_stay_within_bounds_under_contention() {
        let (sender, mut receiver) = open::<u32>("contended", "test", 4);
        let mailbox = Arc::clone(&sender.mailbox);
        for _ in 0..4 {
            let sender = sender.clone();
            tokio::spawn(async move {
                for message in 0..5_000 {
                    sender.send(message).await.unwrap();
                }
            });
        }
        drop(sender);
        while let Some((_, handling)) = receiver.receive().await {
            drop(handling);
            let level = mailbox.level();
            assert_eq!(level.sent - level.received, level.length);
            assert!(level.length <= 5, "length {}", level.length);
        }
        assert_eq!(mailbox.level().received, 20_000);
    }

    #[test]
    fn names_end_at_a_nul() {
        assert_eq!(c_string("a\0b").as_bytes(), b"a");
    }
}
