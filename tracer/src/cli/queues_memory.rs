//! `tracer queues --source memory`: the channels of a tokio program, read from its memory, with no probe at all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::actor_system::{Opened, with_system};
use super::exit::{DONE, Failure};
use super::queues::Arguments;
use super::session;
use crate::actors::channel::Level;
use crate::actors::look::{Look, channel_label};
use crate::events::mailbox::{QueueSample, QueueSource};
use crate::kernel::session::monotonic_ns;
use crate::report::moment::Moment;
use crate::report::output::Output;
use crate::report::queues::{QueueOrder, QueueWindow};
use crate::target::process::Process;

/// Between two samples of the levels within a window, for the peak.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

pub fn run(arguments: &Arguments, process: &Process) -> Result<u8, Failure> {
    with_system(process, |opened| {
        let mut output = Output::new(std::io::stdout());
        let began = Instant::now();
        let mut start = opened.look();
        if start.channels.is_empty() {
            return Err(Failure::new(format!(
                "no channel of {} ({}) can be seen: no tokio task has one at hand",
                process.comm(),
                process.pid()
            )));
        }
        loop {
            let (end, window) = window(opened, &start, arguments)?;
            report(arguments, process, &window, &mut output)?;
            start = end;
            let is_over = match arguments.duration {
                None => true,
                Some(limit) => limit.0.is_some_and(|duration| began.elapsed() >= duration),
            };
            if is_over || !process.is_running() {
                return Ok(DONE);
            }
        }
    })
}

/// One window: a look at its end, and the highest levels between.
fn window(opened: &mut Opened<'_, '_>, start: &Look, arguments: &Arguments) -> Result<(Look, QueueWindow), Failure> {
    let began = Instant::now();
    let mut peaks: HashMap<u64, u64> = HashMap::new();
    while began.elapsed() < arguments.interval {
        std::thread::sleep(SAMPLE_EVERY.min(arguments.interval.saturating_sub(began.elapsed())));
        opened.process.checked(())?;
        for (key, level) in opened.levels(start) {
            let peak = peaks.entry(key).or_default();
            *peak = level.length.max(*peak);
        }
    }
    let end = opened.look();
    let time_ns = monotonic_ns();
    let samples = end.channels.values().filter_map(|channel| {
        let level = channel.level?;
        let before = start.channels.get(&channel.key).and_then(|channel| channel.level);
        let since = |count: fn(&Level) -> u64| count(&level).saturating_sub(before.as_ref().map_or(0, count));
        Some(QueueSample {
            time_ns,
            pid: opened.process.pid(),
            id: channel.key,
            name: channel_label(channel, &end),
            length: level.length,
            capacity: level.capacity,
            peak: peaks.get(&channel.key).copied().unwrap_or(0).max(level.length),
            change: before.map(|before| level.length.cast_signed().wrapping_sub(before.length.cast_signed())),
            sent: since(|level| level.sent),
            received: since(|level| level.received),
            wait_max_ns: None,
            is_closed: level.is_closed,
            source: QueueSource::Memory,
        })
    });
    let mut samples: Vec<QueueSample> = samples.collect();
    QueueOrder::from(arguments.sort).sort(&mut samples);
    Ok((end, QueueWindow { samples, window: began.elapsed() }))
}

fn report(
    arguments: &Arguments,
    process: &Process,
    window: &QueueWindow,
    output: &mut Output<std::io::Stdout>,
) -> Result<(), Failure> {
    if arguments.output.json {
        let mut moment = Moment::new(session::clock());
        for sample in window.samples.iter().take(arguments.top.unwrap_or(usize::MAX)) {
            let line = sample.json(window.window, &mut moment);
            output.line(|bytes| bytes.extend_from_slice(line.as_bytes()))?;
        }
    } else {
        let text = window.text(arguments.top, arguments.output.palette());
        output.line(|bytes| bytes.extend_from_slice(text.trim_end().as_bytes()))?;
    }
    output.flush()?;
    process.checked(())?;
    Ok(())
}
