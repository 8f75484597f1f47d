//! Opens what a command looks at: the process, its objects, the kernel's ways.

use crate::kernel::feature::{self, Features};
use crate::kernel::load::AttachMode;
use crate::kernel::session::PidNamespace;
use crate::plan::probe::Probe;
use crate::plan::request::NothingFound;
use crate::target::debug_info::DebugInfo;
use crate::target::files::Files;
use crate::target::image::Image;
use crate::target::process::Process;

use super::exit::Failure;
use super::options::Attach;
use super::say::say;

/// Inode of the initial pid namespace (`PROC_PID_INIT_INO`), where process ids need no translation.
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// The executable first, then every mapped library that `wanted` says yes to; those that cannot be opened are told
/// and left out, but not the executable.
pub fn images<'data>(
    process: &Process,
    files: &'data Files,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Image<'data>>, Failure> {
    let mut images = Vec::new();
    for mapped in process.objects()? {
        if !mapped.is_executable && !wanted(&mapped.path.to_string_lossy()) {
            continue;
        }
        match Image::of_process(&mapped, process, files) {
            Ok(image) => images.push(image),
            Err(error) if mapped.is_executable => return Err(error.into()),
            Err(error) => say(format_args!("left out: {}", Failure::from(error))),
        }
    }
    Ok(images)
}

/// Says which of the split debug files that were looked for are not there.
pub fn say_lacks(images: &[Image<'_>]) {
    for image in images {
        if let Some(lack) = image.debug_info().ok().and_then(DebugInfo::split_lack) {
            let name = image.object.name();
            say(format_args!("{name}: {lack}; without it, functions have no arguments: {}", lack.remedy()));
        }
    }
}

/// The error for a probe that nothing in `images` fits; says so if a library of the process holds what it means.
pub fn nothing_found(
    mut nothing: NothingFound,
    process: &Process,
    files: &Files,
    probes: &[Probe],
    closures: bool,
) -> Failure {
    if let Some(mistake) = nothing.mistake {
        return mistake.into();
    }
    if nothing.refused.is_empty()
        && nothing.inlined_only.is_empty()
        && let Some(probe) = probes.iter().find(|probe| probe.text == nothing.probe)
        && let Ok(libraries) = images(process, files, |_| true)
    {
        nothing.look_elsewhere(&libraries, probe, closures);
    }
    Failure::new(nothing.to_string())
}

/// How the process is known to a BPF program: by its own pid namespace's number, unless we are in the initial one.
pub fn namespace(process: &Process) -> PidNamespace {
    let own = Process::open(std::process::id()).map(|own| own.namespace().inode);
    if own.is_ok_and(|inode| inode == INITIAL_PID_NAMESPACE) {
        return PidNamespace { process_id: process.pid(), device: 0, inode: 0 };
    }
    let namespace = process.namespace();
    let process_id = process.namespace_pids().last().copied().unwrap_or(process.pid());
    PidNamespace { process_id, device: namespace.device, inode: namespace.inode }
}

/// The tracer's own process, for calibration.
pub fn own_namespace() -> PidNamespace {
    Process::open(std::process::id())
        .map_or_else(|_| PidNamespace { process_id: std::process::id(), device: 0, inode: 0 }, |own| namespace(&own))
}

/// The process that links filter by: 0, all processes, where the kernel's filter would see only one thread of it.
pub fn link_filter(process: &Process, mode: AttachMode, features: &Features) -> u32 {
    if mode == AttachMode::Multi && features.filters_by_thread { 0 } else { process.pid() }
}

/// The way to attach that was asked for, if this kernel has it.
pub fn attach_mode(asked: Attach, features: &Features) -> Result<AttachMode, Failure> {
    match asked {
        Attach::Auto if features.uprobe_multi => Ok(AttachMode::Multi),
        Attach::Auto => Ok(AttachMode::PerfEvent),
        Attach::Multi if features.uprobe_multi => Ok(AttachMode::Multi),
        Attach::Multi => Err(Failure::new(format!(
            "this kernel ({}) has no uprobe_multi links, which came with Linux 6.6: leave out --attach",
            feature::kernel_release()
        ))),
        Attach::PerfEvent => Ok(AttachMode::PerfEvent),
    }
}
