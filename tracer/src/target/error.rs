//! Everything that can go wrong while looking at a process and its files, as the user reads it.
//! It knows no probe and no kernel feature.

use std::io;
use std::path::PathBuf;

/// One of several processes that a name fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub pid: u32,
    /// Its command line, arguments separated by blanks.
    pub cmdline: String,
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("there is no process {pid}")]
    NoSuchProcess { pid: u32 },
    #[error("no process is called {name}; give its pid, or the exact name of its executable")]
    NoProcessNamed { name: String },
    #[error("{} processes are called {name}, so give the pid of one:{}", candidates.len(), listed(candidates))]
    AmbiguousName { name: String, candidates: Vec<Candidate> },
    #[error("{tid} is a thread of process {pid} ({comm}); use -p {pid}")]
    IsThread { tid: u32, pid: u32, comm: String },
    #[error("process {pid} ({comm}) has already ended and only waits for its parent to notice")]
    Zombie { pid: u32, comm: String },
    #[error(
        "the main thread of process {pid} ({comm}) has ended while others run on: the kernel reaches a process through \
         its main thread, so this one can neither be probed nor read"
    )]
    MainThreadEnded { pid: u32, comm: String },
    #[error("{pid} ({comm}) is a thread of the kernel, not a program")]
    KernelThread { pid: u32, comm: String },
    #[error("process {pid} ({comm}) has exited")]
    Exited { pid: u32, comm: String },
    #[error("process {pid} ({comm}) of user {owner} may not be inspected: {}", remedy(*may_trace))]
    Denied { pid: u32, comm: String, owner: String, may_trace: bool, source: io::Error },
    #[error(
        "{} was deleted or replaced since process {pid} loaded it, and the mapped file cannot be reached: \
         this needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, or a restart of the process",
        path.display()
    )]
    Replaced { path: PathBuf, pid: u32 },
    #[error("cannot open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot map {} into memory", path.display())]
    Map { path: PathBuf, source: io::Error },
    #[error("{} is empty, so it is no program", path.display())]
    EmptyFile { path: PathBuf },
    #[error("{} is not an ELF file", path.display())]
    NotElf { path: PathBuf },
    #[error("{} is damaged or cut off", path.display())]
    DamagedElf { path: PathBuf, source: object::Error },
    #[error("{} is cut off: its headers speak of {needed_bytes} bytes and it has {present_bytes}", path.display())]
    Truncated { path: PathBuf, needed_bytes: u64, present_bytes: u64 },
    #[error("{} is for {found}: only 64-bit x86-64 programs can be traced", path.display())]
    OtherMachine { path: PathBuf, found: String },
    #[error("the USDT notes of {} are damaged", path.display())]
    DamagedNotes { path: PathBuf, source: object::Error },
    #[error("USDT note {number} of {} is cut off or not text", path.display())]
    DamagedProbe { path: PathBuf, number: usize },
    #[error("section {section} of {} cannot be read", path.display())]
    Section { path: PathBuf, section: String, source: object::Error },
    #[error(
        "section {section} of {} claims to be {claimed_bytes} bytes when decompressed, more than the {limit_bytes} allowed",
        path.display()
    )]
    SectionTooLarge { path: PathBuf, section: String, claimed_bytes: u64, limit_bytes: u64 },
}

fn listed(candidates: &[Candidate]) -> String {
    candidates.iter().map(|candidate| format!("\n  {:>7}  {}", candidate.pid, candidate.cmdline)).collect()
}

fn remedy(may_trace: bool) -> &'static str {
    if may_trace {
        "CAP_SYS_PTRACE is there, but its namespace or a security module forbids it; run tracer beside it on its host"
    } else {
        "this needs CAP_SYS_PTRACE; run tracer with sudo, or as root of the host if this is a container"
    }
}
