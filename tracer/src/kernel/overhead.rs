//! What the probes cost the target: hits × cost per hit, against the time that the target had.
//! The kernel's own run-time statistics miss the trap, which is most of the cost; so the cost is measured on
//! the tracer itself (see [`calibrate`](super::calibrate)).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cookie::SITE_COSTS;

use super::session::clock_ns;

/// Time over which the recent overhead is taken: short enough to end a session soon, long enough for a rate.
const WINDOW: Duration = Duration::from_millis(80);

/// Nanoseconds per hit, by kind of site, and per operation of a capture plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub hit_ns: [f64; SITE_COSTS],
    pub step_ns: f64,
}

impl Cost {
    /// Time that these counters stand for, in nanoseconds.
    fn of(&self, counters: &Control) -> f64 {
        let hits: f64 = counters.hits.iter().zip(self.hit_ns).map(|(hits, ns)| *hits as f64 * ns).sum();
        hits + counters.steps as f64 * self.step_ns
    }
}

/// A moment: counters, wall-clock time, and the CPU time that the target has used.
#[derive(Clone, Copy)]
struct Moment {
    counters: Control,
    wall: Instant,
    cpu_ns: u64,
}

/// Follows the counters of one session.
pub struct Meter {
    process_id: u32,
    cost: Option<Cost>,
    start: Moment,
    end: Option<Moment>,
    recent: VecDeque<Moment>,
}

impl Meter {
    pub(super) fn new(process_id: u32) -> Self {
        let start = Moment { counters: Control::default(), wall: Instant::now(), cpu_ns: cpu_ns(process_id) };
        Self { process_id, cost: None, start, end: None, recent: VecDeque::from([start]) }
    }

    pub(super) fn set_cost(&mut self, cost: Cost) {
        self.cost = Some(cost);
    }

    fn now(&self, counters: &Control) -> Moment {
        Moment { counters: *counters, wall: Instant::now(), cpu_ns: cpu_ns(self.process_id) }
    }

    /// The session ends here: what comes later is not the probes' doing.
    pub(super) fn freeze(&mut self, counters: &Control) {
        if self.end.is_none() {
            self.end = Some(self.now(counters));
        }
    }

    pub(super) fn recent(&mut self, counters: &Control) -> Option<f64> {
        let now = self.now(counters);
        self.recent.push_back(now);
        while self.recent.get(1).is_some_and(|moment| now.wall.duration_since(moment.wall) >= WINDOW) {
            self.recent.pop_front();
        }
        let since = self.recent.front()?;
        (now.wall.duration_since(since.wall) >= WINDOW).then_some(())?;
        self.cost.map(|cost| overhead(&cost, since, &now))
    }

    pub(super) fn total(&self, counters: &Control) -> Option<f64> {
        let end = self.end.unwrap_or_else(|| self.now(counters));
        self.cost.map(|cost| overhead(&cost, &self.start, &end))
    }
}

/// How much longer the target's work took: probe time over the time that was left for itself. A target that waits
/// has its wall-clock time for itself, a parallel one its CPU time.
fn overhead(cost: &Cost, since: &Moment, now: &Moment) -> f64 {
    let probes_ns = cost.of(&now.counters) - cost.of(&since.counters);
    let wall_ns = now.wall.duration_since(since.wall).as_nanos() as f64;
    let cpu_ns = now.cpu_ns.saturating_sub(since.cpu_ns) as f64;
    let own_ns = wall_ns.max(cpu_ns) - probes_ns;
    // Hits cannot take more than all the time there was; if the estimate says so, the target did next to nothing else.
    probes_ns / own_ns.max(wall_ns / 100.0).max(1.0)
}

/// CPU time used by all threads of a process, 0 once it is gone (`clock_getcpuclockid(3)`'s clock).
fn cpu_ns(process_id: u32) -> u64 {
    const CPUCLOCK_SCHED: libc::clockid_t = 2;
    clock_ns((!(process_id as libc::clockid_t) << 3) | CPUCLOCK_SCHED).unwrap_or(0)
}
