//! `tracer queues --source memory`: the channels of a program, read from its memory, with no probe at all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::actor_system::{Opened, with_queues};
use super::exit::Failure;
use super::interrupt::Pause;
use super::queues::{Arguments, write_window};
use super::session;
use crate::actors::age::Ages;
use crate::actors::channel::{Condition, Flavor, Level};
use crate::actors::look::{Channel, Look, channel_label};
use crate::actors::queued::queued;
use crate::events::mailbox::{Insight, QueueSample, QueueSource};
use crate::kernel::session::monotonic_ns;
use crate::report::output::Output;
use crate::report::queues::{QueueOrder, QueueWindow};
use crate::report::summary::{StopReason, Summary};
use crate::target::process::Process;

/// Between two samples of the levels within a window, for the peak.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// What a sample or a look took is followed by so many times as long without one: reading takes 2 % of one CPU.
const REST_FACTOR: u32 = 50;
/// Bytes read of the target for the messages of one channel.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

pub fn run(arguments: &Arguments, process: &Process) -> Result<u8, Failure> {
    with_queues(process, |opened| {
        if let Some(system) = &mut opened.system {
            system.wants_points = true;
        }
        let mut sampler = Sampler {
            arguments,
            pause: Pause::new()?,
            output: Output::new(std::io::stdout()),
            ages: Ages::default(),
            look: Look::default(),
            looked: Instant::now(),
            look_cost: Duration::ZERO,
            levels: HashMap::new(),
            reported_any: false,
        };
        sampler.look(opened);
        if sampler.look.all_channels().next().is_none() {
            return Err(Failure::new(format!(
                "no channel of {} ({}) can be seen: no tokio task has one at hand, and no queue of crossbeam-channel or the \
                 standard library is in its memory",
                process.comm(),
                process.pid()
            )));
        }
        let reason = sampler.run(opened)?;
        // No probe was there to cost anything.
        let summary = Summary { reason, overhead: Some(0.0), ..Summary::exited_early() };
        sampler.finish(&summary)?;
        Ok(summary.exit_code())
    })
}

/// Cuts time into windows and reports each.
struct Sampler<'a> {
    arguments: &'a Arguments,
    pause: Pause,
    output: Output<std::io::Stdout>,
    ages: Ages,
    /// The channels that are known, when they were looked for, and what that cost.
    look: Look,
    looked: Instant,
    look_cost: Duration,
    /// The last levels read.
    levels: HashMap<u64, Level>,
    reported_any: bool,
}

/// What the samples of one window showed of a channel.
#[derive(Clone, Copy, Default)]
struct Seen {
    peak: u64,
    waited_ns: Option<u64>,
}

impl Sampler<'_> {
    fn run(&mut self, opened: &mut Opened<'_, '_>) -> Result<StopReason, Failure> {
        let duration = match self.arguments.duration {
            None => Some(self.arguments.interval),
            Some(limit) => limit.0,
        };
        let began = Instant::now();
        loop {
            let start = (self.levels.clone(), Instant::now());
            let left = duration.map_or(Duration::MAX, |duration| duration.saturating_sub(began.elapsed()));
            let (seen, reason) = self.window(opened, left.min(self.arguments.interval))?;
            let is_last = duration.is_some_and(|duration| began.elapsed() >= duration);
            if !opened.process.is_running() {
                return Ok(StopReason::TargetExited);
            }
            let mut known = None;
            if is_last || reason.is_some() || self.looked.elapsed() >= self.look_cost * REST_FACTOR {
                known = Some(std::mem::take(&mut self.look));
                self.look(opened);
            } else {
                self.sample(opened);
            }
            if !opened.process.is_running() {
                return Ok(StopReason::TargetExited);
            }
            let window = self.close(opened, known.as_ref(), &start.0, &seen, start.1.elapsed());
            self.report(&window)?;
            match (reason, duration.filter(|_| is_last)) {
                (Some(reason), _) => return Ok(reason),
                (None, Some(duration)) => return Ok(StopReason::Time(duration)),
                (None, None) => {}
            }
        }
    }

    /// Looks for channels, and reads their levels.
    fn look(&mut self, opened: &mut Opened<'_, '_>) {
        let began = Instant::now();
        self.look = opened.look();
        self.looked = Instant::now();
        self.look_cost = began.elapsed();
        let level = |channel: &Channel| Some((channel.key, channel.level?));
        self.levels = self.look.all_channels().filter_map(level).collect();
        self.ages.retain(|key| self.levels.contains_key(&key));
    }

    fn sample(&mut self, opened: &Opened<'_, '_>) {
        self.levels = opened.levels(&self.look).into_iter().collect();
    }

    /// Samples the levels until the window is over.
    fn window(
        &mut self,
        opened: &Opened<'_, '_>,
        length: Duration,
    ) -> Result<(HashMap<u64, Seen>, Option<StopReason>), Failure> {
        let began = Instant::now();
        let mut seen: HashMap<u64, Seen> = HashMap::new();
        let mut cost = Duration::ZERO;
        self.note(&mut seen);
        while began.elapsed() < length {
            let rest = SAMPLE_EVERY.max(cost * REST_FACTOR).min(length.saturating_sub(began.elapsed()));
            if self.pause.is_interrupted_within(rest) {
                return Ok((seen, Some(StopReason::Interrupted)));
            }
            if !opened.process.is_running() {
                return Ok((seen, Some(StopReason::TargetExited)));
            }
            let reading = Instant::now();
            self.sample(opened);
            cost = reading.elapsed();
            self.note(&mut seen);
        }
        Ok((seen, None))
    }

    fn note(&mut self, seen: &mut HashMap<u64, Seen>) {
        let now_ns = monotonic_ns();
        for (key, level) in &self.levels {
            let seen = seen.entry(*key).or_default();
            seen.peak = level.length.max(seen.peak);
            self.ages.observe(*key, level, now_ns);
            let age = self.ages.oldest(*key, level, now_ns).map(|age| age.at_least_ns).filter(|age| *age > 0);
            seen.waited_ns = age.max(seen.waited_ns);
        }
    }

    fn close(
        &mut self,
        opened: &Opened<'_, '_>,
        known: Option<&Look>,
        start: &HashMap<u64, Level>,
        seen: &HashMap<u64, Seen>,
        window: Duration,
    ) -> QueueWindow {
        let time_ns = monotonic_ns();
        let base = |channel: &Channel, look: &Look, level: Level| QueueSample {
            time_ns,
            pid: opened.process.pid(),
            id: channel.key,
            name: channel_label(channel, look),
            length: level.length,
            capacity: level.capacity,
            peak: seen.get(&channel.key).map_or(0, |seen| seen.peak).max(level.length),
            change: None,
            sent: None,
            received: None,
            wait_max_ns: None,
            is_closed: level.is_closed,
            source: QueueSource::Memory,
            insight: Some(insight(channel, &level, seen.get(&channel.key))),
        };
        let mut samples = Vec::new();
        for channel in self.look.all_channels().filter(|channel| self.is_wanted(channel)) {
            let Some(level) = self.levels.get(&channel.key).copied() else { continue };
            let before = start.get(&channel.key);
            // What came since it was made is of this window, if it was not there before.
            let since =
                |count: fn(&Level) -> Option<u64>| Some(count(&level)?.saturating_sub(before.map_or(Some(0), count)?));
            let mut sample = QueueSample {
                change: before.map(|before| level.length.cast_signed().wrapping_sub(before.length.cast_signed())),
                sent: since(|level| level.sent),
                received: since(|level| level.received),
                ..base(channel, &self.look, level)
            };
            if let (Some(count), Some(insight)) = (self.arguments.messages, &mut sample.insight) {
                insight.messages =
                    opened.system.as_ref().filter(|_| channel.flavor.holds_messages()).and_then(|system| {
                        let found = queued(system.program, system.memory, channel, count, MESSAGE_BYTES_MAX)?;
                        Some(found.into_iter().map(|queued| (queued.value, queued.is_torn)).collect())
                    });
            }
            samples.push(sample);
        }
        let is_gone = |channel: &&Channel| !self.levels.contains_key(&channel.key) && self.is_wanted(channel);
        let known = known.unwrap_or(&self.look);
        for channel in known.all_channels().filter(is_gone) {
            let Some(level) = start.get(&channel.key).copied() else { continue };
            let mut sample = base(channel, known, level);
            if let Some(insight) = &mut sample.insight {
                insight.is_gone = true;
            }
            samples.push(sample);
        }
        QueueOrder::from(self.arguments.sort).sort(&mut samples);
        QueueWindow { samples, window }
    }

    /// Without `--all` what keeps messages one behind the other.
    fn is_wanted(&self, channel: &Channel) -> bool {
        self.arguments.all || channel.flavor.is_queue() || channel.flavor == Flavor::Broadcast
    }

    fn report(&mut self, window: &QueueWindow) -> Result<(), Failure> {
        let is_first = !std::mem::replace(&mut self.reported_any, true);
        write_window(&mut self.output, self.arguments, window, session::clock(), is_first)
    }

    fn finish(&mut self, summary: &Summary) -> Result<(), Failure> {
        let line = match self.arguments.output.json {
            true => summary.json(),
            false => summary.queues_text(self.arguments.duration.is_none()),
        };
        self.output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))?;
        Ok(self.output.flush()?)
    }
}

fn insight(channel: &Channel, level: &Level, seen: Option<&Seen>) -> Insight {
    let (condition, number) = match level.condition {
        Condition::None => (None, vec![]),
        Condition::Free => (Some("free"), vec![]),
        Condition::Locked => (Some("locked"), vec![]),
        Condition::Read(readers) => (Some("locked"), vec![("readers", readers)]),
        Condition::Permits(permits) => (None, vec![("permits", permits)]),
        Condition::Pending => (Some("pending"), vec![]),
        Condition::Sent => (Some("sent"), vec![]),
        Condition::Closed => (Some("closed"), vec![]),
        Condition::Version(version) => (None, vec![("version", version)]),
        Condition::Behind { unread, lost } => (None, vec![("unread", unread), ("lost", lost)]),
        Condition::Notified => (Some("notified"), vec![]),
    };
    let ends = [("senders", level.senders), ("receivers", level.receivers), ("waiting", level.waiting)];
    let ends = ends.into_iter().filter_map(|(name, number)| Some((name, number?)));
    Insight {
        kind: channel.flavor.text(),
        message_type: channel.message_type.clone(),
        is_lock: !channel.flavor.holds_messages(),
        condition,
        numbers: number.into_iter().chain(ends).collect(),
        sent_total: level.sent,
        received_total: level.received,
        waited_ns: seen.and_then(|seen| seen.waited_ns),
        is_gone: false,
        messages: None,
        is_torn: level.is_torn,
    }
}

/// The process whose channels are read is told once, for people.
pub fn announce(process: &Process) -> String {
    format!("no mailbox probes: the channels of {} ({}) are read from its memory", process.comm(), process.pid())
}
