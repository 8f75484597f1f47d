//! Samples the stacks of a process's threads and unwinds them: what they execute, without a probe and without a stop.

use std::time::Duration;

use super::exit::Failure;
use crate::kernel::sampling::{REGISTERS, Sample, Sampler};
use crate::target::files::Files;
use crate::target::process::Process;
use crate::target::unwind::Unwinder;
use crate::value::backtrace::{self, Backtrace, Cut, Picture};

/// Between two samples of a thread, in CPU time of that thread: some microseconds of work each.
const EVERY: Duration = Duration::from_millis(10);
/// Of the stack, with each sample: hundreds of frames of usual functions.
const STACK_BYTES: u32 = 16 << 10;
/// Samples kept at most, 16 MB: on machines with many CPUs they come less often.
const SAMPLES_MAX: u32 = 1000;

const _: () = assert!(REGISTERS == backtrace::REGISTERS);

/// The samples of one window.
pub struct Stacks<'data> {
    process: &'data Process,
    files: &'data Files,
    sampler: Sampler,
    samples: Vec<Sample>,
    unwinder: Option<Unwinder<'data>>,
}

impl<'data> Stacks<'data> {
    /// Begins to sample these threads, for a window of about that length.
    ///
    /// # Errors
    /// The user may not.
    pub fn start(
        process: &'data Process,
        files: &'data Files,
        tids: &[u32],
        window: Duration,
    ) -> Result<Self, Failure> {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
        let every = EVERY.max(window.saturating_mul(cpus) / SAMPLES_MAX);
        let sampler = Sampler::start(tids, every, STACK_BYTES)?;
        Ok(Self { process, files, sampler, samples: Vec::new(), unwinder: None })
    }

    /// Takes what has come. To be called every few dozen milliseconds.
    pub fn collect(&mut self) {
        let samples = &mut self.samples;
        self.sampler.take(|sample| {
            if samples.len() < SAMPLES_MAX as usize {
                samples.push(sample);
            }
        });
    }

    /// Hands out each stack since the last time, with its thread and time (CLOCK_MONOTONIC).
    pub fn unwind(&mut self, mut each: impl FnMut(u32, u64, Backtrace)) {
        self.collect();
        let unwinder = self.unwinder.get_or_insert_with(|| Unwinder::new(self.process, self.files));
        for sample in std::mem::take(&mut self.samples) {
            let picture = Picture {
                start: sample.registers.get(backtrace::STACK_POINTER).copied().unwrap_or(0),
                registers: sample.registers,
                bytes: sample.stack,
                stack_end: u64::MAX,
                cut: Cut::Limit,
            };
            each(sample.tid, sample.time_ns, unwinder.unwind(&picture));
        }
    }
}
