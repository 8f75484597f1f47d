//! Measures what a hit costs on this machine, for each kind of site, by probing the tracer's own process.

use std::sync::Arc;
use std::time::Instant;

use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cookie::{Cookie, SITE_COSTS, Scope, SiteCost};
use tracer_ebpf::abi::plan::{Op, OpCode, PLAN_FRAME, Plan};
use tracer_ebpf::abi::record::RECORD_FULL_AT;

use super::error::KernelError;
use super::feature;
use super::link::Links;
use super::load::{AttachMode, LoadRequest, Loaded};
use super::overhead::Cost;
use super::session::PidNamespace;
use crate::plan::capture_plan::CapturePlan;
use crate::plan::probe_plan::{AttachPlan, AttachPoint, FileOffset, Filters, Program};

/// Calls per batch; the fastest batch counts, since everything that disturbs a measurement makes it longer.
const BATCH_CALLS: u32 = 100;
const BATCHES: u32 = 6;

/// Room for all records of a measurement.
const RING_BYTES: u32 = 1 << 20;

/// Operations in the plan that measures a step.
const STEPS: u8 = 16;

/// DWARF numbers of rdi and rsp.
const RDI: u8 = 5;
const RSP: u8 = 7;

/// Order of [`plans`].
const PLAN_EVENT: u32 = 0;
const PLAN_CALL: u32 = 1;
const PLAN_STEPS: u32 = 2;

// Functions as compilers make them: the kernel emulates the first instruction, and steps over the `ret`. One for each
// thing to measure, so that all probes are attached at once.
macro_rules! calibration_functions {
    ($($name:literal)*) => {
        std::arch::global_asm!(
            ".pushsection .text.tracer_calibration,\"ax\",@progbits",
            $(
                ".balign 64",
                concat!("tracer_calibration_", $name, ":"),
                "push rbp",
                "pop rbp",
                concat!("tracer_calibration_", $name, "_ret:"),
                "ret",
            )*
            ".popsection",
        );
    };
}
calibration_functions!("event" "steps" "exit" "trampoline");

unsafe extern "C" {
    fn tracer_calibration_event();
    fn tracer_calibration_steps();
    fn tracer_calibration_exit();
    fn tracer_calibration_exit_ret();
    fn tracer_calibration_trampoline();
}

/// What a measurement needs of the session; made by [`Session::calibration`](super::session::Session::calibration).
#[derive(Clone)]
pub struct Calibration {
    pub(super) loaded: Arc<Loaded>,
    /// Index of the first of [`plans`] among the session's plans.
    pub(super) first_plan: u32,
    pub(super) with_trampoline: bool,
}

/// Cost per hit without a session: loads the programs for the measurement alone.
pub fn calibrate(mode: AttachMode, own: PidNamespace) -> Result<Cost, KernelError> {
    let request = LoadRequest {
        mode,
        plans: &plans(),
        filters: &Filters::default(),
        ring_bytes: RING_BYTES,
        record_bytes_max: RECORD_FULL_AT as u32,
        diagnostics: false,
        find_vma: feature::has_find_vma(),
        stack_bytes: 0,
        fault_in: None,
        sees_others: false,
    };
    let (loaded, _records) = Loaded::new(&request)?;
    Calibration { loaded: Arc::new(loaded), first_plan: 0, with_trampoline: true }.measure(own)
}

impl Calibration {
    /// Cost per hit, measured now, in some 30 ms of one core and one grace period of the kernel. Attaches to the
    /// tracer's own process, `own`, only.
    pub fn measure(&self, own: PidNamespace) -> Result<Cost, KernelError> {
        self.loaded.control.set(
            Scope::Calibration,
            Control {
                process_id: u64::from(own.process_id),
                namespace_device: own.device,
                namespace_inode: own.inode,
                wakeup_bytes: u64::MAX,
                ..Control::default()
            },
        );
        let bare = call_ns(tracer_calibration_event);
        let attach =
            AttachPlan { objects: vec!["/proc/self/exe".into()], points: self.points()?, ..AttachPlan::default() };
        let links = Links::attach(&self.loaded, &attach, std::process::id())?;
        let event = call_ns(tracer_calibration_event);
        let steps = call_ns(tracer_calibration_steps);
        let exit = call_ns(tracer_calibration_exit);
        let trampoline = if self.with_trampoline { call_ns(tracer_calibration_trampoline) } else { f64::NAN };
        drop(links);
        let emulated = (event - bare).max(0.0);
        let mut hit_ns = [emulated; SITE_COSTS];
        hit_ns[SiteCost::SingleStepped as usize] = (exit - event).max(0.0);
        hit_ns[SiteCost::ReturnTrampoline as usize] = (trampoline - event).max(0.0);
        Ok(Cost { hit_ns, step_ns: ((steps - event) / f64::from(STEPS)).max(0.0) })
    }

    fn points(&self) -> Result<Vec<AttachPoint>, KernelError> {
        let mut sites: Vec<(Function, Program, SiteCost, u32)> = vec![
            (tracer_calibration_event, Program::Entry, SiteCost::Emulated, PLAN_EVENT),
            (tracer_calibration_steps, Program::Entry, SiteCost::Emulated, PLAN_STEPS),
            (tracer_calibration_exit, Program::Entry, SiteCost::Emulated, PLAN_CALL),
            (tracer_calibration_exit_ret, Program::Exit, SiteCost::SingleStepped, PLAN_CALL),
        ];
        if self.with_trampoline {
            let trampoline = tracer_calibration_trampoline;
            sites.push((trampoline, Program::Entry, SiteCost::Emulated, PLAN_CALL));
            sites.push((trampoline, Program::ReturnTrampoline, SiteCost::ReturnTrampoline, PLAN_CALL));
        }
        let point = |(function, program, cost, plan): (Function, Program, SiteCost, u32)| {
            let offset = own_offset(function as *const () as u64).ok_or(KernelError::Calibration)?;
            let cookie = Cookie::new(0, Scope::Calibration, cost, self.first_plan + plan);
            Ok(AttachPoint { object: 0, offset, program, semaphore: None, cookie })
        };
        sites.into_iter().map(point).collect()
    }
}

type Function = unsafe extern "C" fn();

/// What a typical probe does: two registers; the same as a call; and with operations that read memory.
pub(super) fn plans() -> [CapturePlan; 3] {
    let mut event = Plan { register_count: 2, ..Plan::EMPTY };
    event.registers[0] = RDI;
    event.registers[1] = RSP;
    let call = Plan { flags: PLAN_FRAME, ..event };
    let load = Op { code: OpCode::LoadRegister as u8, register: RSP, ..Op::default() };
    let copy = Op { code: OpCode::Copy as u8, b: 32, ..Op::default() };
    let ops = [load, copy].into_iter().cycle().take(usize::from(STEPS)).collect();
    [CapturePlan::bare(event), CapturePlan::bare(call), CapturePlan { head: event, ops }]
}

/// Nanoseconds per call of a calibration function.
fn call_ns(function: Function) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..BATCH_CALLS {
            // SAFETY: the function takes nothing, changes nothing and returns.
            unsafe { function() };
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(BATCH_CALLS));
    }
    best
}

/// File offset of an address of the tracer's own code, by the program headers of the running executable.
pub fn own_offset(address: u64) -> Option<FileOffset> {
    struct Search {
        address: u64,
        found: Option<FileOffset>,
    }
    unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, search: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the C library hands valid headers, and the pointer that was given to it.
        let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
        // SAFETY: as above.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        search.found = headers.iter().filter(|header| header.p_type == libc::PT_LOAD).find_map(|header| {
            let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
            let inside = search.address.wrapping_sub(start);
            (inside < header.p_filesz).then(|| FileOffset(inside + header.p_offset))
        });
        // The executable comes first: stop there.
        1
    }
    let mut search = Search { address, found: None };
    // SAFETY: the callback matches the declared type, and `search` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_hit_costs_something() -> Result<(), KernelError> {
        let own = PidNamespace { process_id: std::process::id(), ..PidNamespace::default() };
        let cost = calibrate(AttachMode::Multi, own)?;
        assert!(cost.hit_ns.iter().all(|ns| *ns > 50.0), "{cost:?}");
        Ok(())
    }
}
