//! How the target spends its time: running, and waiting for a CPU that others have. Tells a busy target on a busy
//! machine from one that idles.

use std::collections::{HashMap, HashSet};
use std::fs;

use super::process::Process;

/// Threads looked at; with more, the waiting of those beyond is not seen.
const THREADS_MAX: usize = 256;

/// Sums since the first sample, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetTime {
    /// CPU time of all threads.
    pub cpu_ns: u64,
    /// How long the busiest thread was ready to run and had to wait, interval by interval.
    pub waiting_ns: u64,
}

/// Follows the threads of one process. `/proc/PID/task/TID/schedstat` holds time on CPU and time waiting for one.
#[derive(Debug, Default)]
pub struct LoadMeter {
    threads: HashMap<u32, (u64, u64)>,
    children: HashSet<u32>,
    cpu_at_start_ns: Option<u64>,
    time: TargetTime,
}

impl LoadMeter {
    /// Whether the process has forked since the last look: `/proc/PID/task/TID/children` (CONFIG_PROC_CHILDREN) names a
    /// child that it did not name before. At the first look all are new: they may be younger than the probes.
    pub fn has_new_children(&mut self, process: &Process) -> bool {
        let tasks = fs::read_dir(process.directory().join("task")).into_iter().flatten().flatten();
        let children: HashSet<u32> = tasks
            .take(THREADS_MAX)
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|text| text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
            .collect();
        let has_new = !children.is_subset(&self.children);
        self.children = children;
        has_new
    }

    /// The sums as of now. What cannot be read any more counts as no time.
    pub fn sample(&mut self, process: &Process) -> TargetTime {
        if let Ok(cpu_ns) = process.cpu_time_ns() {
            let start_ns = *self.cpu_at_start_ns.get_or_insert(cpu_ns);
            self.time.cpu_ns = cpu_ns.saturating_sub(start_ns);
        }
        let mut busiest = (0, 0);
        let tasks = fs::read_dir(process.directory().join("task")).into_iter().flatten().flatten();
        for task in tasks.take(THREADS_MAX) {
            let name = task.file_name();
            let Some(tid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let Some(now) = fs::read_to_string(task.path().join("schedstat")).ok().as_deref().and_then(schedstat)
            else {
                continue;
            };
            if let Some(before) = self.threads.insert(tid, now) {
                busiest = busiest.max((now.0.saturating_sub(before.0), now.1.saturating_sub(before.1)));
            }
        }
        self.time.waiting_ns += busiest.1;
        self.time
    }
}

/// Time on CPU and time waiting for one.
fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_writes_two_times_and_a_count() {
        assert_eq!(schedstat("123 45 6\n"), Some((123, 45)));
        assert_eq!(schedstat(""), None);
    }

    #[test]
    fn a_busy_process_has_cpu_time() -> Result<(), Box<dyn std::error::Error>> {
        let own = Process::open(std::process::id())?;
        let mut meter = LoadMeter::default();
        assert_eq!(meter.sample(&own), TargetTime::default());
        let mut sum = 0u64;
        while meter.sample(&own).cpu_ns < 1_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        Ok(())
    }
}
