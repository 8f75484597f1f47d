//! The guard against overhead, judged by a target that measures its own slow-down.

use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tracer::kernel::session::monotonic_ns;

use crate::Outcome;
use crate::fixture::{Running, compile};
use crate::table::{self, Spread};
use crate::tracer::{Ended, Session};

const ROUNDS: usize = 5;

/// Undisturbed time before and after each session, for the target's own speed.
const QUIET: Duration = Duration::from_millis(400);

/// What the target wrote of some 10 ms of CPU time.
#[derive(Clone, Copy)]
struct Slot {
    start_ns: u64,
    end_ns: u64,
    cpu_ns: f64,
    calls: f64,
}

impl Slot {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (start_ns, end_ns, cpu_ns, calls) = (number()?, number()?, number()?, number()?);
        Some(Self { start_ns, end_ns, cpu_ns: cpu_ns as f64, calls: calls as f64 })
    }

    fn call_ns(&self) -> f64 {
        self.cpu_ns / self.calls
    }
}

struct Busy {
    target: Running,
    slots: Arc<Mutex<Vec<Slot>>>,
}

/// What one session did to the target.
struct Effect {
    ended: Ended,
    calls_per_second: f64,
    printed: f64,
    measured: f64,
}

impl Busy {
    fn start() -> Outcome<Self> {
        let binary = compile("bench-busy", include_str!("busy.c"), &["-O1", "-g", "-fno-omit-frame-pointer"])?;
        let mut target = Running::start(&binary, &[])?;
        let output = BufReader::new(target.output().ok_or("no standard output")?);
        let slots = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&slots);
        thread::spawn(move || {
            for slot in output.lines().map_while(Result::ok).filter_map(|line| Slot::parse(&line)) {
                if let Ok(mut slots) = collected.lock() {
                    slots.push(slot);
                }
            }
        });
        Ok(Self { target, slots })
    }

    fn between(&self, start_ns: u64, end_ns: u64) -> Vec<Slot> {
        let slots = self.slots.lock().map(|slots| slots.clone()).unwrap_or_default();
        slots.into_iter().filter(|slot| slot.start_ns >= start_ns && slot.end_ns <= end_ns).collect()
    }

    /// Runs one session and compares what it says it cost with what the target saw.
    fn observe(&self, arguments: &[&str]) -> Outcome<Effect> {
        let before_ns = monotonic_ns();
        thread::sleep(QUIET);
        let session_ns = monotonic_ns();
        let session = Session::trace(self.target.pid(), &[&["observed", "-n", "0"], arguments].concat())?;
        let armed_ns = at_ns(session.armed);
        let ended = session.end()?;
        let ended_ns = at_ns(ended.at);
        thread::sleep(QUIET);
        let mut quiet = self.between(before_ns, session_ns);
        quiet.extend(self.between(ended_ns, monotonic_ns()));
        let own_ns = Spread::of(quiet.iter().map(Slot::call_ns)).median;
        let wall_ns: f64 = quiet.iter().map(|slot| (slot.end_ns - slot.start_ns) as f64).sum();
        let calls: f64 = quiet.iter().map(|slot| slot.calls).sum();
        // The last slots of a session see the probes go.
        let last_ns = ended_ns - (ended_ns - armed_ns) / 3;
        let observed = self.between(armed_ns, last_ns);
        let printed = ended.summary.get("overhead").and_then(serde_json::Value::as_f64).ok_or("no overhead printed")?;
        Ok(Effect {
            ended,
            calls_per_second: calls / wall_ns * 1e9,
            printed: printed * 100.0,
            measured: slow_down(&observed, own_ns) * 100.0,
        })
    }
}

/// Time of the probes over the time that is left without them, as the tracer defines overhead. Where other programs
/// take turns with the target, the time that it waits is part of its time.
fn slow_down(slots: &[Slot], own_ns: f64) -> f64 {
    let probes_ns: f64 = slots.iter().map(|slot| slot.cpu_ns - own_ns * slot.calls).sum();
    let wall_ns: f64 = slots.iter().map(|slot| (slot.end_ns - slot.start_ns) as f64).sum();
    probes_ns / (wall_ns - probes_ns)
}

/// The same moment on CLOCK_MONOTONIC.
fn at_ns(moment: Instant) -> u64 {
    monotonic_ns() - moment.elapsed().as_nanos() as u64
}

pub fn run() -> Outcome<()> {
    let busy = Busy::start()?;
    let mut rows = Vec::new();
    for (name, arguments) in [
        ("--returns=off --max-overhead=5", &["--returns=off", "--max-overhead=5", "--for=2s"][..]),
        ("--returns=exits --max-overhead=5", &["--returns=exits", "--max-overhead=5", "--for=2s"]),
        ("--returns=off --max-overhead=100 --for=1s", &["--returns=off", "--max-overhead=100", "--for=1s"]),
        ("--returns=exits --max-overhead=100 --for=1s", &["--returns=exits", "--max-overhead=100", "--for=1s"]),
    ] {
        let effects = (0..ROUNDS).map(|_| busy.observe(arguments)).collect::<Outcome<Vec<Effect>>>()?;
        let ended = Spread::of_times(&effects.iter().map(|effect| effect.ended.after).collect::<Vec<_>>());
        let codes: Vec<String> =
            effects.iter().filter_map(|effect| effect.ended.status.code()).map(|c| c.to_string()).collect();
        let error = Spread::of(effects.iter().map(|effect| (effect.printed / effect.measured - 1.0).abs() * 100.0));
        let is_guarded = !name.contains("100");
        rows.push(vec![
            name.to_owned(),
            format!("{:.0}", Spread::of(effects.iter().map(|effect| effect.calls_per_second)).median),
            if is_guarded { format!("{ended:.0}, {}", table::judged(ended, 200.0, " ms")) } else { String::new() },
            codes.join(" "),
            format!("{:.1}", Spread::of(effects.iter().map(|effect| effect.printed))),
            format!("{:.1}", Spread::of(effects.iter().map(|effect| effect.measured))),
            table::judged(error, 20.0, " % apart"),
        ]);
    }
    let header = [
        "session",
        "calls/s unobserved",
        "armed to end, ms",
        "exit codes",
        "overhead told, %",
        "seen by target, %",
        "target",
    ];
    table::print(&format!("The guard: a function called 100,000 times per second, {ROUNDS} rounds"), &header, rows);
    Ok(())
}
