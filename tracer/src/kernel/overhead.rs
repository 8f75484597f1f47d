//! What the probes cost the target: hits × cost per hit, against the time that the target had.
//! The kernel's own run-time statistics miss the trap, which is most of the cost; so the cost is measured on
//! the tracer itself (see [`calibrate`](super::calibrate)).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracer_ebpf::abi::cookie::SITE_COSTS;

/// Time over which the recent overhead is taken: short enough to end a session soon, long enough for a rate.
const WINDOW: Duration = Duration::from_millis(80);

/// Nanoseconds per hit, by kind of site, and per operation of a capture plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub hit_ns: [f64; SITE_COSTS],
    pub step_ns: f64,
}

impl Cost {
    /// What was seen on a virtual machine (Linux 6.18): the guard works from the first moment, and if nothing can be
    /// measured.
    const TYPICAL: Self = Self { hit_ns: [1_000.0, 13_000.0, 1_500.0, 1_000.0], step_ns: 50.0 };

    /// Time that this work took, in nanoseconds.
    fn of(&self, work: &Work) -> f64 {
        let hits: f64 = work.hits.iter().zip(self.hit_ns).map(|(hits, ns)| *hits as f64 * ns).sum();
        hits + work.steps as f64 * self.step_ns + work.waited_ns as f64
    }
}

/// Time that the target had since the session began, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TargetTime {
    /// CPU time of all threads.
    pub cpu_ns: u64,
    /// How long its busiest thread waited for a CPU that others had.
    pub waiting_ns: u64,
}

/// What the programs did so far: hits by kind of site, operations of capture plans, and time that the target's threads
/// waited for pages, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub hits: [u64; SITE_COSTS],
    pub steps: u64,
    pub waited_ns: u64,
}

/// A moment: the work done, wall-clock time, and the target's own time.
#[derive(Clone, Copy)]
struct Moment {
    work: Work,
    wall: Instant,
    target: TargetTime,
}

impl Moment {
    fn now(work: Work, target: TargetTime) -> Self {
        Self { work, wall: Instant::now(), target }
    }
}

/// Follows the counters of one session.
pub struct Meter {
    cost: Cost,
    start: Moment,
    end: Moment,
    recent: VecDeque<Moment>,
}

impl Meter {
    pub(super) fn new() -> Self {
        let start = Moment::now(Work::default(), TargetTime::default());
        Self { cost: Cost::TYPICAL, start, end: start, recent: VecDeque::from([start]) }
    }

    pub(super) fn set_cost(&mut self, cost: Cost) {
        self.cost = cost;
    }

    /// Notes how things stand.
    pub(super) fn observe(&mut self, work: Work, target: TargetTime) {
        self.end = Moment::now(work, target);
        self.recent.push_back(self.end);
        while self.recent.get(1).is_some_and(|moment| self.end.wall.duration_since(moment.wall) >= WINDOW) {
            self.recent.pop_front();
        }
    }

    /// Over the last [`WINDOW`]; `None` before there was one.
    pub(super) fn recent(&self) -> Option<f64> {
        let since = self.recent.front()?;
        (self.end.wall.duration_since(since.wall) >= WINDOW).then_some(())?;
        Some(overhead(&self.cost, since, &self.end))
    }

    /// From the start to what was noted last.
    pub(super) fn total(&self) -> f64 {
        overhead(&self.cost, &self.start, &self.end)
    }
}

/// How much longer the target's work took: probe time over the time that was left for itself. A target that waits
/// for work has its wall-clock time for itself, but for what it stood in line for a CPU; a parallel one its CPU time.
fn overhead(cost: &Cost, since: &Moment, now: &Moment) -> f64 {
    let probes_ns = cost.of(&now.work) - cost.of(&since.work);
    let wall_ns = now.wall.duration_since(since.wall).as_nanos() as f64;
    let waiting_ns = now.target.waiting_ns.saturating_sub(since.target.waiting_ns) as f64;
    let cpu_ns = now.target.cpu_ns.saturating_sub(since.target.cpu_ns) as f64;
    let own_ns = (wall_ns - waiting_ns).max(cpu_ns) - probes_ns;
    // Hits cannot take more than all the time there was; if the estimate says so, the target did next to nothing else.
    probes_ns / own_ns.max(wall_ns / 100.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost { hit_ns: [1000.0; SITE_COSTS], step_ns: 0.0 };

    /// 100 ms with so many hits of 1 µs, and the target's time in ms.
    fn overhead_of(hits: u64, cpu_ms: u64, waiting_ms: u64) -> f64 {
        let since = Moment::now(Work::default(), TargetTime::default());
        let work = Work { hits: [hits, 0, 0, 0], ..Work::default() };
        let target = TargetTime { cpu_ns: cpu_ms * 1_000_000, waiting_ns: waiting_ms * 1_000_000 };
        let now = Moment { work, wall: since.wall + Duration::from_millis(100), target };
        overhead(&COST, &since, &now)
    }

    #[test]
    fn overhead_is_how_much_longer_the_work_took() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        // Busy on one core, with 20 ms of probes: 80 ms of work took 100.
        assert!(close(overhead_of(20_000, 100, 0), 0.25));
        // Idle but for the probes.
        assert!(close(overhead_of(20_000, 25, 0), 0.25));
        // Busy on four cores.
        assert!(close(overhead_of(20_000, 400, 0), 20.0 / 380.0));
        // Busy, with half of the time in line for a CPU: 30 ms of work took 50.
        assert!(close(overhead_of(20_000, 50, 50), 20.0 / 30.0));
        assert_eq!(overhead_of(0, 0, 0), 0.0);
    }
}
