//! Measures what a hit costs on this machine, for each kind of site, by probing the tracer's own process.

use std::time::Instant;

use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cookie::{Cookie, SITE_COSTS, Scope, SiteCost};
use tracer_ebpf::abi::plan::{Op, OpCode, PLAN_FRAME, Plan};

use super::error::KernelError;
use super::link::Links;
use super::load::{AttachMode, LoadRequest, Loaded};
use super::overhead::Cost;
use super::session::PidNamespace;
use crate::plan::probe_plan::{AttachPlan, AttachPoint, FileOffset, Program};

/// Calls per batch; the fastest batch counts, since everything that disturbs a measurement makes it longer.
const BATCH_CALLS: u32 = 200;
const BATCHES: u32 = 5;

/// Operations in the plan that measures a step.
const STEPS: u8 = 16;

/// DWARF numbers of rdi and rsp.
const RDI: u8 = 5;
const RSP: u8 = 7;

const PLAN_EVENT: u32 = 0;
const PLAN_CALL: u32 = 1;
const PLAN_STEPS: u32 = 2;

// A function as compilers make them: the kernel emulates its first instruction, and steps over its `ret`.
std::arch::global_asm!(
    ".pushsection .text.tracer_calibration,\"ax\",@progbits",
    ".balign 64",
    ".globl tracer_calibration_entry",
    ".globl tracer_calibration_return",
    "tracer_calibration_entry:",
    "push rbp",
    "pop rbp",
    "tracer_calibration_return:",
    "ret",
    ".popsection",
);

unsafe extern "C" {
    fn tracer_calibration_entry();
    fn tracer_calibration_return();
}

/// Cost per hit, measured now; `own` is the tracer's own process. Takes some 30 ms of one core; attaches to the tracer's own process only.
pub fn calibrate(mode: AttachMode, own: PidNamespace) -> Result<Cost, KernelError> {
    let plans = plans();
    let programs = [Program::Entry, Program::Exit, Program::ReturnTrampoline];
    let (loaded, _records) =
        Loaded::new(&LoadRequest { mode, plans: &plans, programs: &programs, ring_bytes: 1 << 20 })?;
    loaded.control.set(
        Scope::Calibration,
        Control {
            process_id: u64::from(own.process_id),
            namespace_device: own.device,
            namespace_inode: own.inode,
            wakeup_bytes: u64::MAX,
            ..Control::default()
        },
    );
    let entry = own_offset(tracer_calibration_entry as *const () as u64).ok_or(KernelError::Calibration)?;
    let ret = own_offset(tracer_calibration_return as *const () as u64).ok_or(KernelError::Calibration)?;
    let point = |program, offset, class, plan| AttachPoint {
        object: 0,
        offset,
        program,
        semaphore: None,
        cookie: Cookie::new(0, Scope::Calibration, class, plan),
    };
    let measure = |points: Vec<AttachPoint>| -> Result<f64, KernelError> {
        let attach = AttachPlan { objects: vec!["/proc/self/exe".into()], points, plans: Vec::new() };
        let links = Links::attach(&loaded, &attach, std::process::id())?;
        let ns = call_ns();
        drop(links);
        Ok(ns)
    };
    let bare = call_ns();
    let event = measure(vec![point(Program::Entry, entry, SiteCost::Emulated, PLAN_EVENT)])?;
    let steps = measure(vec![point(Program::Entry, entry, SiteCost::Emulated, PLAN_STEPS)])?;
    let exits = measure(vec![
        point(Program::Entry, entry, SiteCost::Emulated, PLAN_CALL),
        point(Program::Exit, ret, SiteCost::SingleStepped, PLAN_CALL),
    ])?;
    let trampoline = measure(vec![
        point(Program::Entry, entry, SiteCost::Emulated, PLAN_CALL),
        point(Program::ReturnTrampoline, entry, SiteCost::ReturnTrampoline, PLAN_CALL),
    ])?;
    let emulated = (event - bare).max(0.0);
    let mut hit_ns = [0.0; SITE_COSTS];
    hit_ns[SiteCost::Emulated as usize] = emulated;
    hit_ns[SiteCost::Optimised as usize] = emulated;
    hit_ns[SiteCost::SingleStepped as usize] = (exits - event).max(0.0);
    hit_ns[SiteCost::ReturnTrampoline as usize] = (trampoline - event).max(0.0);
    Ok(Cost { hit_ns, step_ns: ((steps - event) / f64::from(STEPS)).max(0.0) })
}

/// What a typical probe does: two registers; the same as a call; and with operations that read memory.
fn plans() -> [Plan; 3] {
    let mut event = Plan { register_count: 2, ..Plan::EMPTY };
    event.registers[0] = RDI;
    event.registers[1] = RSP;
    let call = Plan { flags: PLAN_FRAME, ..event };
    let mut steps = Plan { op_count: STEPS, ..event };
    for (index, op) in steps.ops.iter_mut().take(usize::from(STEPS)).enumerate() {
        *op = if index % 2 == 0 {
            Op { code: OpCode::LoadRegister as u8, register: RSP, ..Op::default() }
        } else {
            Op { code: OpCode::Copy as u8, b: 32, ..Op::default() }
        };
    }
    [event, call, steps]
}

/// Nanoseconds per call of the calibration function.
fn call_ns() -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..BATCH_CALLS {
            // SAFETY: the function takes nothing, changes nothing and returns.
            unsafe { tracer_calibration_entry() };
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(BATCH_CALLS));
    }
    best
}

/// File offset of an address of the tracer's own code, by the program headers of the running executable.
fn own_offset(address: u64) -> Option<FileOffset> {
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
