//! One session: programs loaded, sites attached, records read. Dropping it detaches everything, and so does the
//! kernel when the tracer dies: links live as long as their descriptors.

use std::mem::offset_of;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use aya::maps::MapData;
use aya::maps::ring_buf::RingBuf;
use tokio::io::unix::AsyncFd;
use tracer_ebpf::abi::control::{Control, Tripped};
use tracer_ebpf::abi::cookie::{Cookie, Scope};
use tracer_ebpf::abi::mailbox::Mailbox;
use tracer_ebpf::abi::record::Header;

use super::calibrate::{self, Calibration};
use super::diagnostics::Diagnostics;
use super::error::KernelError;
use super::fault_in;
use super::feature;
use super::link::{Links, Relief};
use super::load::{AttachMode, LoadRequest, Loaded};
use super::overhead::{Cost, Meter, TargetTime, Work};
use crate::plan::probe_plan::{AttachPlan, AttachPoint, Program};

/// How long the reader sleeps when nobody wakes it. Records wait in the buffer meanwhile.
const POLL: Duration = Duration::from_millis(10);

/// The buffer wakes its reader when it is full to one part in this many.
const WAKEUP_SHARE: u64 = 8;

/// How long exits stay attached after a limit was reached, for calls under way to return.
pub const DRAIN_MAX: Duration = Duration::from_secs(1);

/// Whom to observe, and how much.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    pub mode: AttachMode,
    /// As the tracer sees the process.
    pub process_id: u32,
    /// The process id to compare with in BPF, and the device and inode of its pid namespace; inode 0 for the initial
    /// namespace.
    pub namespace: PidNamespace,
    /// 0 for no limit.
    pub calls_max: u64,
    pub rate_max: u64,
    /// `None` for no limit.
    pub duration: Option<Duration>,
    pub ring_bytes: u32,
    /// Bytes of stack that come with a call whose plan asks for it; 0 if none does.
    pub stack_bytes: u32,
    /// Bytes of values in one record, at most [`RECORD_FULL_AT`](tracer_ebpf::abi::record::RECORD_FULL_AT).
    pub record_bytes_max: u32,
    /// Fault in what is not resident, where nobody can keep the thread waiting for it: needs
    /// [`Features::fault_in`](feature::Features::fault_in).
    pub fault_in: bool,
    /// Let the BPF programs say what they do, see [`Diagnostics`].
    pub diagnostics: bool,
}

/// Process id within a pid namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PidNamespace {
    pub process_id: u32,
    pub device: u64,
    pub inode: u64,
}

/// An armed session.
pub struct Session {
    links: Links,
    records: AsyncFd<RingBuf<MapData>>,
    loaded: Arc<Loaded>,
    calibration: Calibration,
    relief: Relief,
    meter: Meter,
    has_diagnostics: bool,
    /// When the last site was attached.
    pub armed: Instant,
}

impl Session {
    /// Loads, sets the limits, attaches. Needs a tokio runtime with I/O enabled.
    pub fn start(plan: &AttachPlan, request: &SessionRequest) -> Result<Self, KernelError> {
        let mut programs: Vec<Program> = plan.points.iter().map(|point| point.program).collect();
        programs.sort_unstable();
        programs.dedup();
        let mut plans = plan.plans.clone();
        let first_plan = plans.len() as u32;
        plans.extend(calibrate::plans());
        let load = LoadRequest {
            mode: request.mode,
            plans: &plans,
            filters: &plan.filters,
            ring_bytes: request.ring_bytes,
            record_bytes_max: request.record_bytes_max,
            diagnostics: request.diagnostics,
            find_vma: feature::has_find_vma(),
            stack_bytes: request.stack_bytes,
            fault_in: request.fault_in.then(fault_in::layout).transpose()?,
            sees_others: request.process_id == 0,
        };
        let (loaded, records) = Loaded::new(&load)?;
        loaded.load(&programs)?;
        loaded.control.set(
            Scope::Target,
            Control {
                process_id: u64::from(request.namespace.process_id),
                namespace_device: request.namespace.device,
                namespace_inode: request.namespace.inode,
                calls_max: request.calls_max,
                rate_max: request.rate_max,
                wakeup_bytes: u64::from(request.ring_bytes) / WAKEUP_SHARE,
                ..Control::default()
            },
        );
        // SAFETY: the ring buffer owns its descriptor and keeps it open until it is dropped, inside the AsyncFd.
        let records = unsafe { AsyncFd::register(records) }.map_err(|error| KernelError::Wait(error.into()))?;
        let links = Links::attach(&loaded, plan, request.process_id)?;
        if let Some(duration) = request.duration {
            let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            loaded.control.set_deadline(Scope::Target, monotonic_ns().saturating_add(duration_ns));
        }
        let loaded = Arc::new(loaded);
        let relief =
            Relief { loaded: Arc::clone(&loaded), plan: Arc::new(plan.clone()), process_id: request.process_id };
        let calibration = Calibration {
            loaded: Arc::clone(&loaded),
            first_plan,
            with_trampoline: programs.contains(&Program::ReturnTrampoline),
        };
        let meter = Meter::new();
        let has_diagnostics = request.diagnostics;
        Ok(Self { links, records, loaded, calibration, relief, meter, has_diagnostics, armed: Instant::now() })
    }

    /// What measures the cost of a hit with this session's programs; for a thread of its own.
    pub fn calibration(&self) -> Calibration {
        self.calibration.clone()
    }

    /// What frees forked children of the breakpoints that they inherited; for a thread of its own.
    pub fn relief(&self) -> Relief {
        self.relief.clone()
    }

    /// Number of sites attached.
    pub fn attached(&self) -> usize {
        self.links.attached
    }

    /// Sites that the kernel refused.
    pub fn refused(&self) -> &[AttachPoint] {
        &self.links.refused
    }

    /// Waits until records are likely to be there: the buffer fills up, a limit was reached, or some time passed.
    pub async fn wait(&mut self) -> Result<(), KernelError> {
        match tokio::time::timeout(POLL, self.records.readable_mut()).await {
            Ok(Ok(mut ready)) => {
                ready.clear_ready();
                Ok(())
            }
            Ok(Err(error)) => Err(KernelError::Wait(error)),
            Err(_) => Ok(()),
        }
    }

    /// Hands each waiting record to `take`, at most `max`; says how many there were.
    pub fn drain(&mut self, max: usize, mut take: impl FnMut(&[u8])) -> usize {
        let records = self.records.get_mut();
        let mut count = 0;
        while count < max {
            let Some(record) = records.next() else { break };
            count += 1;
            if scope(&record) == Scope::Target as u32 {
                take(&record);
            }
        }
        count
    }

    /// The counters as they are now.
    pub fn counters(&self) -> Control {
        self.loaded.control.get(Scope::Target)
    }

    /// Hits that the kernel skipped because they came while a program of the session ran on the same CPU.
    pub fn recursion_misses(&self) -> u64 {
        self.loaded.facts().iter().map(|facts| facts.recursion_misses).sum()
    }

    /// What the programs say, if the request asked for it.
    pub fn diagnostics(&self) -> Option<Diagnostics> {
        self.has_diagnostics.then(|| Diagnostics::of(&self.loaded))
    }

    /// The limit that was reached, if any.
    pub fn tripped(&self) -> Option<Tripped> {
        Tripped::from_word(self.counters().tripped)
    }

    /// No further call is admitted, and what admits calls is detached; returns of calls under way still come.
    pub fn stop_entries(&mut self) {
        self.loaded.control.stop(Scope::Target);
        self.links.detach_entries();
    }

    /// Whether every call that was admitted has ended, or none can be seen to end.
    pub fn is_settled(&self) -> bool {
        let counters = self.counters();
        !self.links.has_exits() || counters.frames_closed >= counters.frames_opened
    }

    /// Detaches everything; records that wait can still be drained.
    pub fn detach(&mut self) {
        self.loaded.control.stop(Scope::Target);
        self.links.detach();
    }

    /// Replaces the default cost per hit by a measured one.
    pub fn set_cost(&mut self, cost: Cost) {
        self.meter.set_cost(cost);
    }

    /// Notes how much time the target had since the session began, nanoseconds: CPU time of all threads, and how
    /// long the busiest waited for a CPU. To be called every few milliseconds while attached, and not after.
    pub fn observe(&mut self, cpu_ns: u64, waiting_ns: u64) -> Result<(), KernelError> {
        let Control { steps, waited_ns, .. } = self.counters();
        let work = Work { hits: self.loaded.hits(Scope::Target)?, steps, waited_ns };
        self.meter.observe(work, TargetTime { cpu_ns, waiting_ns });
        Ok(())
    }

    /// What the probes cost the target over the last moments, as a share of its own time; `None` while unknown.
    pub fn recent_overhead(&self) -> Option<f64> {
        self.meter.recent()
    }

    /// What the probes cost the target over the whole session, by the measured cost per hit or a typical one.
    pub fn overhead(&self) -> f64 {
        self.meter.total()
    }

    /// The mailboxes that were seen, by id. With `next_epoch` peaks start anew.
    pub fn mailboxes(&self) -> Result<Vec<(u64, Mailbox)>, KernelError> {
        let mut all = Vec::new();
        let mailboxes = self.loaded.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in mailboxes.iter() {
            let (id, mailbox) = entry.map_err(|source| KernelError::Map { map: "MAILBOXES", source })?;
            all.push((id, mailbox.0));
        }
        Ok(all)
    }

    /// Makes room in the kernel's map for new mailboxes.
    pub fn forget_mailboxes(&self, ids: impl Iterator<Item = u64>) {
        let mut mailboxes = self.loaded.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is gone already leaves nothing to do.
        ids.for_each(|id| drop(mailboxes.remove(&id)));
    }

    /// Begins the next sampling interval.
    pub fn next_epoch(&self) {
        self.loaded.control.next_epoch(Scope::Target);
    }
}

/// Whom the record is about: the calibration's own hits come through the same buffer.
fn scope(record: &[u8]) -> u32 {
    const COOKIE: Range<usize> = offset_of!(Header, cookie)..offset_of!(Header, cookie) + size_of::<u64>();
    let cookie = record.get(COOKIE).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    Cookie(cookie).scope()
}

/// CLOCK_MONOTONIC, the clock of `bpf_ktime_get_ns`; nanoseconds.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
