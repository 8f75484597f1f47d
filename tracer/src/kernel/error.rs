//! What can go wrong between the tracer and the kernel.

use std::io;

/// Errors of loading, attaching and reading.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("cannot create the BPF map `{map}`: needs CAP_BPF and CAP_PERFMON, run as root or see `tracer doctor`")]
    MapCreate { map: String, source: aya::maps::MapError },
    #[error("cannot fill the BPF map `{map}`")]
    DataMap { map: String, source: io::Error },
    #[error("the BPF object has no map `{0}`: it was not built from this source, run `cargo xtask ebpf`")]
    MapMissing(&'static str),
    #[error("cannot use the BPF map `{map}`")]
    Map { map: &'static str, source: aya::maps::MapError },
    #[error("cannot hand the capture plans' operations to the kernel")]
    OpsMapping(#[source] io::Error),
    #[error("cannot map the control block into memory")]
    ControlMapping(#[source] io::Error),
    #[error("cannot parse the BPF object: it is damaged, run `cargo xtask ebpf`")]
    Object(#[source] aya_obj::ParseError),
    #[error("cannot relocate the BPF object")]
    Relocation(#[source] aya_obj::relocation::EbpfRelocationError),
    #[error("cannot prepare the BPF object's type information")]
    Btf(#[source] aya_obj::btf::BtfError),
    #[error("cannot load the BPF object's type information{hint}", hint = privilege_hint(.0))]
    BtfLoad(#[source] io::Error),
    #[error("the kernel refuses the BPF program `{program}`{hint}", hint = refusal_hint(.source))]
    Program { program: &'static str, source: io::Error, log: String },
    #[error("cannot attach to `{path}`")]
    Attach { path: String, source: io::Error },
    #[error("none of the {asked} sites in `{path}` can be probed: the kernel refuses each of them")]
    NothingAttached { path: String, asked: usize },
    #[error("cannot calibrate: the tracer's own code is not where its memory map says")]
    Calibration,
    #[error(
        "cannot find a thread's storage: the kernel's type information in /sys/kernel/btf/vmlinux cannot be read or \
         lacks it"
    )]
    KernelTypes(#[source] io::Error),
    #[error("cannot sample what threads execute: needs CAP_PERFMON, run as root or see `tracer doctor`")]
    Sampling(#[source] io::Error),
    #[error(
        "cannot tell in which mappings pages may be faulted in: the kernel's type information in \
         /sys/kernel/btf/vmlinux cannot be read or lacks it; leave out --fault-in"
    )]
    MappingLayout(#[source] io::Error),
    #[error("cannot wait for the ring buffer")]
    Wait(#[source] io::Error),
}

fn privilege_hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => ": needs CAP_BPF and CAP_PERFMON, run as root or see `tracer doctor`",
        _ => "",
    }
}

fn refusal_hint(error: &io::Error) -> &'static str {
    match privilege_hint(error) {
        "" => ": run with -v for the verifier's words",
        hint => hint,
    }
}
