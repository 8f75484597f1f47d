//! The messages of one mailbox in the order in which they are received: each with its number, when it was sent, received
//! and done, what it was, who sent it and what was replied. Put together from what probes see at the channel's own
//! functions. Pure: must not know how they were attached.

use std::collections::{BTreeMap, VecDeque};

use crate::value::Value;
use crate::value::backtrace::Frame;

/// Messages that wait to be received and whose sending was seen; more is damage.
const SENT_MAX: usize = 100_000;
/// Replies of the message that is being handled.
const REPLIES_MAX: usize = 16;

/// One message, as it was done or as far as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Counted from 0 since the channel was made.
    pub number: u64,
    pub value: Result<Value, NoValue>,
    pub sent: Result<Sending, NoSending>,
    /// CLOCK_MONOTONIC.
    pub received_ns: u64,
    /// The thread that received it.
    pub tid: u32,
    /// When the actor asked for the next one; `None` if it had not when the session ended.
    pub done_ns: Option<u64>,
    /// Values that the actor sent through oneshot channels meanwhile.
    pub replies: Vec<Value>,
    /// Whether replies would have been seen.
    pub sees_replies: bool,
}

/// How a message came.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    pub time_ns: u64,
    pub tid: u32,
    pub thread: String,
    /// The sending task's function, and the function of the program that sent, where the stack told.
    pub task: Option<String>,
    pub from: Option<Frame>,
}

/// Why a message's value is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoValue {
    /// Neither its sending nor its receiving is a function of its own in this build.
    Inlined,
    /// It was sent before the tracer came, and was gone from the mailbox when that was read.
    Before,
    /// Several were sent at the same time, and their order is not known.
    AtOnce,
}

impl NoValue {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Inlined => "the functions that send and receive it are inlined",
            Self::Before => "sent before the tracer came",
            Self::AtOnce => "sent at the same time as another",
        }
    }
}

/// Why it is not known when and by whom a message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSending {
    /// Before the tracer came.
    Before,
    /// The function that sends is inlined in this build.
    Inlined,
    /// Several were sent at the same time, and their order is not known.
    AtOnce,
}

impl NoSending {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Before => "before the tracer came",
            Self::Inlined => "unknown: the function that sends is inlined",
            Self::AtOnce => "unknown: sent at the same time as another",
        }
    }
}

/// Follows one mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    sees_replies: bool,
    /// Number of the first message that was sent with the tracer watching.
    first_number: u64,
    sent: BTreeMap<u64, Sent>,
    asked: Option<Asked>,
    done: VecDeque<Message>,
    /// Messages that went by unseen.
    missed: u64,
    replies: Vec<(u32, u64, Value)>,
    /// The stretches in which the actor was polled, by thread: since when.
    polled: BTreeMap<u32, u64>,
}

#[derive(Debug)]
struct Sent {
    sending: Option<Sending>,
    value: Option<Value>,
    is_at_once: bool,
}

/// The receiver asked for the message of that number.
#[derive(Debug)]
struct Asked {
    call: u64,
    number: u64,
    time_ns: u64,
    tid: u32,
    value: Option<Value>,
    is_received: bool,
}

impl Mailbox {
    /// `first_number`: that of the next message to be sent.
    pub fn new(sees_replies: bool, first_number: u64) -> Self {
        Self { sees_replies, first_number, ..Self::default() }
    }

    /// A message that was there before, as memory has it.
    pub fn queued(&mut self, number: u64, value: Value) {
        self.sent.insert(number, Sent { sending: None, value: Some(value), is_at_once: false });
    }

    /// A probe saw a message being sent; `number` is what the sender read of the channel's counter right before, which
    /// several can do at once.
    pub fn sent(&mut self, number: u64, sending: Sending, value: Option<Value>) {
        let mut own = number;
        let mut is_at_once = false;
        while let Some(other) = self.sent.get_mut(&own).filter(|other| other.sending.is_some()) {
            other.is_at_once = true;
            is_at_once = true;
            own += 1;
        }
        if self.sent.len() < SENT_MAX {
            self.sent.insert(own, Sent { sending: Some(sending), value, is_at_once });
        }
    }

    /// The receiver looks for the message of that number; `call` tells the look from others.
    pub fn asks(&mut self, call: u64, number: u64, time_ns: u64, tid: u32) {
        if let Some(asked) = self.asked.take().filter(|asked| asked.number < number) {
            self.missed += number - asked.number - 1;
            self.finish_one(asked, Some(time_ns));
        }
        self.asked = Some(Asked { call, number, time_ns, tid, value: None, is_received: false });
        self.replies.retain(|(_, replied_ns, _)| *replied_ns >= time_ns);
    }

    /// That look found a message, as its return says.
    pub fn found(&mut self, call: u64, value: Value) {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.call == call) {
            asked.value = Some(value);
            asked.is_received = true;
        }
    }

    /// The actor's poll began or ended on that thread.
    pub fn polled(&mut self, tid: u32, time_ns: u64, is_begin: bool) {
        match is_begin {
            true => self.polled.insert(tid, time_ns),
            false => self.polled.remove(&tid),
        };
    }

    /// Somebody sent a value through a oneshot channel. It is a reply of the actor if its poll is under way there.
    pub fn replied(&mut self, tid: u32, time_ns: u64, value: Value) {
        if self.polled.contains_key(&tid) && self.asked.is_some() && self.replies.len() < REPLIES_MAX {
            self.replies.push((tid, time_ns, value));
        }
    }

    /// Messages that are done, in the order in which they were received.
    pub fn take_done(&mut self) -> impl Iterator<Item = Message> + '_ {
        self.done.drain(..)
    }

    /// The session ended: a message that is being handled is told too.
    pub fn finish(&mut self) {
        if let Some(asked) = self.asked.take().filter(|asked| asked.is_received) {
            self.finish_one(asked, None);
        }
    }

    /// The message that the receiver asked for last: all before it are done.
    pub fn asked(&self) -> Option<u64> {
        self.asked.as_ref().map(|asked| asked.number)
    }

    /// Messages that were received without being seen.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn finish_one(&mut self, asked: Asked, done_ns: Option<u64>) {
        let Asked { number, time_ns, tid, value, .. } = asked;
        let sent = self.sent.remove(&number);
        self.sent.retain(|other, _| *other > number);
        let (mut sending, mut sent_value) = self.unseen(number);
        if let Some(sent) = sent {
            // A value that was received proves which of several it was.
            let is_proven = value.is_some() && value == sent.value;
            sending = match (sent.sending, sent.is_at_once && !is_proven) {
                (Some(_), true) => Err(NoSending::AtOnce),
                (Some(sending), false) => Ok(sending),
                (None, _) => Err(NoSending::Before),
            };
            sent_value = match sent.is_at_once {
                true => Err(NoValue::AtOnce),
                false => sent.value.ok_or(NoValue::Inlined),
            };
        }
        let until_ns = done_ns.unwrap_or(u64::MAX);
        let (own, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.replies)
            .into_iter()
            .partition(|(_, replied_ns, _)| (time_ns..until_ns).contains(replied_ns));
        self.replies = later;
        self.done.push_back(Message {
            number,
            value: value.map_or(sent_value, Ok),
            sent: sending,
            received_ns: time_ns,
            tid,
            done_ns,
            replies: own.into_iter().map(|(_, _, value)| value).collect(),
            sees_replies: self.sees_replies,
        });
    }

    /// What is known of a message whose sending was not seen.
    fn unseen(&self, number: u64) -> (Result<Sending, NoSending>, Result<Value, NoValue>) {
        if number < self.first_number {
            (Err(NoSending::Before), Err(NoValue::Before))
        } else {
            (Err(NoSending::Inlined), Err(NoValue::Inlined))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> Mailbox {
        Mailbox::new(true, 5)
    }

    fn sending(time_ns: u64) -> Sending {
        Sending { time_ns, tid: 1, thread: "main".to_owned(), task: None, from: None }
    }

    fn value(number: u64) -> Value {
        Value::Unsigned(number.into())
    }

    fn done(mailbox: &mut Mailbox) -> Vec<Message> {
        mailbox.take_done().collect()
    }

    #[test]
    fn a_message_is_done_when_the_next_one_is_asked_for() {
        let mut mailbox = mailbox();
        mailbox.queued(4, value(40));
        mailbox.asks(1, 4, 100, 7);
        mailbox.sent(5, sending(110), Some(value(50)));
        mailbox.polled(7, 100, true);
        mailbox.replied(7, 120, value(99));
        mailbox.replied(8, 121, value(98));
        assert!(done(&mut mailbox).is_empty());
        mailbox.asks(2, 5, 130, 7);
        let first = &done(&mut mailbox)[0];
        assert_eq!((first.number, first.value.clone(), first.sent.clone()), (4, Ok(value(40)), Err(NoSending::Before)));
        assert_eq!((first.received_ns, first.done_ns, first.replies.clone()), (100, Some(130), vec![value(99)]));
        // Nothing was there, then there was.
        mailbox.asks(3, 5, 200, 7);
        mailbox.asks(4, 6, 300, 7);
        let second = &done(&mut mailbox)[0];
        assert_eq!(
            (second.received_ns, second.value.clone(), second.sent.clone()),
            (200, Ok(value(50)), Ok(sending(110)))
        );
        assert!(second.replies.is_empty() && mailbox.missed() == 0);
    }

    #[test]
    fn who_sent_first_of_two_at_once_is_not_guessed() {
        let mut mailbox = mailbox();
        mailbox.sent(5, sending(10), Some(value(1)));
        mailbox.sent(5, sending(11), Some(value(2)));
        mailbox.asks(1, 5, 20, 7);
        mailbox.asks(2, 6, 30, 7);
        mailbox.found(2, value(2));
        mailbox.finish();
        let messages = done(&mut mailbox);
        assert_eq!(
            (messages[0].value.clone(), messages[0].sent.clone()),
            (Err(NoValue::AtOnce), Err(NoSending::AtOnce))
        );
        assert_eq!((messages[1].value.clone(), messages[1].sent.clone()), (Ok(value(2)), Ok(sending(11))));
        assert_eq!(messages[1].done_ns, None);
    }

    #[test]
    fn what_was_not_seen_is_counted() {
        let mut mailbox = mailbox();
        mailbox.asks(1, 5, 20, 7);
        mailbox.asks(2, 9, 30, 7);
        assert_eq!((mailbox.missed(), done(&mut mailbox).len()), (3, 1));
    }
}
