//! The whole way from ring-buffer bytes to events in the order of time, every call paired with its end.

use std::sync::Arc;

use super::decode::Decoder;
use super::description::Descriptions;
use super::event::Event;
use super::held::Held;
use super::hidden::Hidden;
use super::loss::Losses;
use super::order::Order;
use super::pair::Pairs;
use super::record::{Malformed, Record, What};
use super::stacks::Pictures;
use crate::plan::condition::judge::Verdict;
use crate::value::Limits;
use crate::value::backtrace::Stack;

/// Turns the records of one session into events.
///
/// ```text
/// loop { now = monotonic clock; push every record that is there; drain(now, …) }   finally finish(…)
/// ```
#[derive(Debug)]
pub struct Stream {
    decoder: Decoder,
    order: Order,
    pairs: Pairs,
    pictures: Pictures,
    held: Held,
    hidden: Hidden,
    judged: Judged,
    /// Calls that are handed out, where the kernel cannot count those that are.
    calls_max: Option<u64>,
    malformed: u64,
    first_malformed: Option<Malformed>,
    /// The losses that were already told.
    told: Losses,
}

/// What came of the conditions that are decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Judged {
    /// Calls that the kernel let through.
    pub calls: u64,
    /// Those of them that do not count because a part of the condition could not be read.
    pub undecided: u64,
}

impl Stream {
    /// Hands out so many calls and no more.
    pub fn with_limit(self, calls_max: Option<u64>) -> Self {
        Self { calls_max, ..self }
    }

    /// Whether as many calls as there may be were handed out.
    pub fn is_full(&self) -> bool {
        self.calls_max.is_some_and(|calls_max| self.calls() >= calls_max)
    }

    /// The calls whose conditions were decided here.
    pub fn judged(&self) -> Judged {
        self.judged
    }

    pub fn new(descriptions: Arc<Descriptions>, limits: Limits) -> Self {
        Self {
            decoder: Decoder::new(descriptions, limits),
            order: Order::default(),
            pairs: Pairs::default(),
            pictures: Pictures::default(),
            held: Held::default(),
            hidden: Hidden::default(),
            judged: Judged::default(),
            calls_max: None,
            malformed: 0,
            first_malformed: None,
            told: Losses::default(),
        }
    }

    /// Takes in one record's bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match Record::parse(bytes) {
            Ok(record) => self.order.push(record),
            Err(error) => self.note_malformed(error),
        }
    }

    /// Hands out the events that are settled. `now_ns` is CLOCK_MONOTONIC, read before the ring buffer was last
    /// found empty: what was committed until then has been pushed.
    pub fn drain<E>(&mut self, now_ns: u64, mut emit: impl FnMut(Event) -> Result<(), E>) -> Result<(), E> {
        while let Some(record) = self.order.pop(now_ns) {
            self.hand_out(record, &mut emit)?;
        }
        Ok(())
    }

    /// Hands out everything, and closes the calls that are still open. No record may be pushed after it.
    pub fn finish<E>(&mut self, now_ns: u64, mut emit: impl FnMut(Event) -> Result<(), E>) -> Result<(), E> {
        while let Some(record) = self.order.pop_any() {
            self.hand_out(record, &mut emit)?;
        }
        self.pairs.finish(now_ns).into_iter().try_for_each(|end| emit(Event::Return(end)))
    }

    /// Whether records wait for older ones: the reader must come back within the window even if nothing arrives.
    pub fn is_waiting(&self) -> bool {
        !self.order.is_empty()
    }

    /// A [`Event::Lost`] if anything was lost since the last call. `kernel` are the programs' counters.
    pub fn news_of_losses(&mut self, kernel: &Losses, time_ns: u64) -> Option<Event> {
        let all = self.losses(kernel);
        let new = all.since(&self.told);
        self.told = all;
        new.any().then_some(Event::Lost { time_ns, new })
    }

    /// Everything lost so far: the programs' counters and what was lost here.
    pub fn losses(&self, kernel: &Losses) -> Losses {
        let forgotten_calls = self.pairs.forgotten() + self.held.forgotten() + self.hidden.forgotten();
        let own = Losses { malformed: self.malformed, forgotten_calls, ..Losses::default() };
        kernel.plus(&own)
    }

    /// Calls and USDT events that came.
    pub fn calls(&self) -> u64 {
        self.pairs.calls()
    }

    /// Ends of calls that came.
    pub fn returns(&self) -> u64 {
        self.pairs.returns()
    }

    /// Events that are shown after younger ones, because their records came later than the window.
    pub fn late(&self) -> u64 {
        self.order.late()
    }

    /// What was wrong with the first malformed record.
    pub fn first_malformed(&self) -> Option<Malformed> {
        self.first_malformed
    }

    /// A call that is held back comes out right before its end. One that does not count does not come out at all.
    fn hand_out<E>(&mut self, mut record: Record, emit: &mut impl FnMut(Event) -> Result<(), E>) -> Result<(), E> {
        if let What::Stack { .. } = record.what {
            if let Err(error) = self.pictures.add(record) {
                self.note_malformed(error);
            }
            return Ok(());
        }
        let stack = record.has_stack.then(|| self.pictures.take(record.call_id));
        match record.what {
            What::Entry { .. } if record.held != 0 => {
                self.held.keep(record, stack);
                return Ok(());
            }
            What::Entry { .. } | What::Event { .. } if !self.counts_at_entry(&record) => {
                self.hidden.hide(&record);
                return Ok(());
            }
            What::Exit { entry_time_ns, .. } if record.held != 0 => {
                if let Some((entry, stack)) = self.held.release(&record, entry_time_ns) {
                    if !self.counts(&entry, Some(&record)) {
                        return Ok(());
                    }
                    let mut entry = Record { call_id: record.call_id, ..entry };
                    self.hidden.lift(&mut entry);
                    self.tell(entry, stack, emit)?;
                }
            }
            What::Exit { .. } if self.hidden.end(&record) => return Ok(()),
            _ => {}
        }
        self.hidden.lift(&mut record);
        self.tell(record, stack, emit)
    }

    /// The same, where the entry alone decides.
    fn counts_at_entry(&mut self, record: &Record) -> bool {
        !(self.decoder.judges_entry(record) || self.is_full()) || self.counts(record, None)
    }

    /// Whether the call counts, and there is still room for it.
    fn counts(&mut self, entry: &Record, exit: Option<&Record>) -> bool {
        if self.is_full() {
            return false;
        }
        match self.decoder.judge(entry, exit) {
            Ok(verdict) => {
                self.judged.calls += 1;
                self.judged.undecided += u64::from(verdict == Verdict::Undecided);
                verdict == Verdict::Yes
            }
            Err(error) => {
                self.note_malformed(error);
                false
            }
        }
    }

    fn tell<E>(
        &mut self,
        record: Record,
        stack: Option<Stack>,
        emit: &mut impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut event = match self.decoder.decode(record) {
            Ok(event) => event,
            Err(error) => {
                self.note_malformed(error);
                return Ok(());
            }
        };
        if let Some(place) = event.stack_mut() {
            *place = stack;
        }
        match &mut event {
            Event::Call(call) => {
                if let Some(end) = self.pairs.call(call) {
                    emit(Event::Return(end))?;
                }
            }
            Event::Return(end) => self.pairs.returned(end),
            Event::Usdt(_) | Event::Line(_) => self.pairs.event(),
            Event::ThreadNamed(_) | Event::Limit { .. } | Event::Lost { .. } => {}
        }
        emit(event)
    }

    fn note_malformed(&mut self, error: Malformed) {
        self.malformed += 1;
        self.first_malformed.get_or_insert(error);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
