//! Runs a session from armed to settled: hands records on, watches limits, signals, the target and the overhead, and
//! detaches in an order in which calls that were seen to begin are seen to end.

use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracer_ebpf::abi::control::Tripped;

use super::exit::Failure;
use super::interrupt::Interrupt;
use super::say::say;
use super::target::own_namespace;
use crate::events::clock::Clock;
use crate::events::loss::Losses;
use crate::kernel::error::KernelError;
use crate::kernel::link::Relief;
use crate::kernel::overhead::Cost;
use crate::kernel::session::{DRAIN_MAX, Session, SessionRequest, monotonic_ns};
use crate::plan::probe_plan::AttachPlan;
use crate::report::summary::StopReason;
use crate::target::load::LoadMeter;
use crate::target::process::Process;

/// Records handled between two looks at signals and limits.
const BATCH: usize = 4096;

/// How long the summary waits for the calibration of a session that was over at once.
const CALIBRATION_WAIT: Duration = Duration::from_secs(2);

/// The limits that user space keeps; calls, rate and time are also kept in the kernel.
pub struct Limits {
    pub calls_max: u64,
    pub rate_max: u64,
    pub duration: Option<Duration>,
    /// A share of 1; `None` for no guard.
    pub max_overhead: Option<f64>,
}

/// What takes the records of a session.
pub trait Sink {
    /// One record's bytes.
    fn record(&mut self, bytes: &[u8]);

    /// Everything that was committed before `now_ns` has been handed over; `idle` if nothing waits. Called every few
    /// milliseconds.
    fn settle(&mut self, session: &Session, now_ns: u64, idle: bool) -> Result<(), Failure>;

    /// Whether as many calls as were asked for came through, where the kernel cannot count them.
    fn is_full(&self) -> bool {
        false
    }
}

/// Attaches the session; `None` if the target exited before that.
pub fn arm(plan: &AttachPlan, request: &SessionRequest, process: &Process) -> Result<Option<Session>, Failure> {
    match Session::start(plan, request) {
        Ok(session) => Ok(Some(session)),
        Err(_) if !process.is_running() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Runs until a limit, a signal or the target's end; the session is detached afterwards, and its records are drained.
/// `interrupt` has listened since before the session was armed, so that no signal finds it unprepared.
pub async fn run(
    session: &mut Session,
    process: &Process,
    limits: &Limits,
    interrupt: &mut Interrupt,
    sink: &mut impl Sink,
) -> Result<StopReason, Failure> {
    // SAFETY: the process owns its descriptor and outlives this function.
    let exit = unsafe { AsyncFd::register_with_interest(process.descriptor(), Interest::READABLE) }
        .map_err(|error| Failure::new(format!("cannot wait for the target's end: {}", std::io::Error::from(error))))?;
    let mut calibration = Calibration::start(session);
    let mut observer = Observer::new(process);
    let mut diagnostics = session.diagnostics();
    let reason = loop {
        let stop = tokio::select! {
            biased;
            () = interrupt.wait() => Some(StopReason::Interrupted),
            ready = exit.readable() => ready.is_ok().then_some(StopReason::TargetExited),
            waited = session.wait() => { waited?; None }
        };
        take(session, sink)?;
        calibration.collect(session);
        observer.observe(session)?;
        if let Some(diagnostics) = &mut diagnostics {
            diagnostics.flush();
        }
        let full = sink.is_full().then_some(StopReason::Calls(limits.calls_max));
        if let Some(reason) = stop.or(full).or_else(|| limit(session, limits)) {
            break reason;
        }
    };
    observer.observe_now(session)?;
    session.stop_entries();
    if reason != StopReason::TargetExited {
        let until = Instant::now() + DRAIN_MAX;
        while !session.is_settled() && Instant::now() < until {
            tokio::select! {
                () = interrupt.wait() => break,
                ready = exit.readable() => { drop(ready); break }
                waited = session.wait() => waited?,
            }
            take(session, sink)?;
        }
    }
    session.detach();
    while take(session, sink)? {}
    calibration.wait(session).await;
    Ok(reason)
}

/// One batch of records; whether there may be more.
fn take(session: &mut Session, sink: &mut impl Sink) -> Result<bool, Failure> {
    let now_ns = monotonic_ns();
    let count = session.drain(BATCH, |record| sink.record(record));
    let idle = count < BATCH;
    // Where more waits, older records may still come: nothing is settled but what the reorder window lets go.
    sink.settle(session, if idle { now_ns } else { 0 }, idle)?;
    Ok(!idle)
}

fn limit(session: &mut Session, limits: &Limits) -> Option<StopReason> {
    let reason = match session.tripped() {
        Some(Tripped::Calls) => Some(StopReason::Calls(limits.calls_max)),
        Some(Tripped::Rate) => Some(StopReason::Rate(limits.rate_max)),
        Some(Tripped::Deadline) => limits.duration.map(StopReason::Time),
        Some(Tripped::Stopped) | None => None,
    };
    let time = limits.duration.filter(|duration| session.armed.elapsed() >= *duration).map(StopReason::Time);
    let overload = limits.max_overhead.and_then(|max_overhead| {
        session
            .recent_overhead()
            .filter(|overhead| *overhead > max_overhead)
            .map(|_| StopReason::Overload { max_overhead })
    });
    reason.or(overload).or(time)
}

/// What the kernel's side lost so far.
pub fn losses(session: &Session) -> Losses {
    Losses { recursion: session.recursion_misses(), ..Losses::from_control(&session.counters()) }
}

/// What turns the kernel's times into the time of day, read now.
pub fn clock() -> Clock {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Clock { realtime_offset_ns: (since_1970.as_nanos() as i64).saturating_sub_unsigned(monotonic_ns()) }
}

/// Looks at the target's time now and then.
struct Observer<'p> {
    process: &'p Process,
    load: LoadMeter,
    last: Instant,
}

impl<'p> Observer<'p> {
    /// Looking costs some microseconds per thread of the target.
    const PERIOD: Duration = Duration::from_millis(20);

    fn new(process: &'p Process) -> Self {
        let mut load = LoadMeter::default();
        load.sample(process);
        Self { process, load, last: Instant::now() }
    }

    fn observe(&mut self, session: &mut Session) -> Result<(), KernelError> {
        if self.last.elapsed() >= Self::PERIOD { self.observe_now(session) } else { Ok(()) }
    }

    fn observe_now(&mut self, session: &mut Session) -> Result<(), KernelError> {
        if self.load.has_new_children(self.process) {
            relieve(session.relief());
        }
        let time = self.load.sample(self.process);
        self.last = Instant::now();
        session.observe(time.cpu_ns, time.waiting_ns)
    }
}

/// Frees forked children of our breakpoints, beside the session.
fn relieve(relief: Relief) {
    std::thread::spawn(move || {
        if let Err(error) = relief.relieve() {
            say(format_args!(
                "a forked child of the target stays slow until the session ends: {}",
                Failure::from(error)
            ));
        }
    });
}

/// The cost of a hit, measured beside the session.
struct Calibration {
    result: Option<tokio::sync::oneshot::Receiver<Option<Cost>>>,
}

impl Calibration {
    fn start(session: &Session) -> Self {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let calibration = session.calibration();
        std::thread::spawn(move || {
            // A receiver that is gone has ended its session without us.
            let _ = sender.send(calibration.measure(own_namespace()).ok());
        });
        Self { result: Some(receiver) }
    }

    fn collect(&mut self, session: &mut Session) {
        if let Some(receiver) = &mut self.result
            && let Ok(cost) = receiver.try_recv()
        {
            self.result = None;
            if let Some(cost) = cost {
                session.set_cost(cost);
            }
        }
    }

    async fn wait(&mut self, session: &mut Session) {
        if let Some(receiver) = self.result.take()
            && let Ok(Ok(Some(cost))) = tokio::time::timeout(CALIBRATION_WAIT, receiver).await
        {
            session.set_cost(cost);
        }
    }
}
