//! One running process: who it is, and what /proc tells of it while it lives. Reads only; it never stops, signals or
//! traces the process.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::TargetError;
use super::address::RuntimeAddress;
use super::error::Candidate;
use super::mapping::{self, MappedObject};
use super::object;
use super::procfs::{self, Mapping, Stat, Status};

/// Bit 19 of a capability set (include/uapi/linux/capability.h).
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// A pid namespace, as `bpf_get_ns_current_pid_tgid` wants it: device and inode of `/proc/PID/ns/pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PidNamespace {
    pub device: u64,
    pub inode: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub tid: u32,
    pub comm: String,
}

/// A process that was found and can be looked into. Its number may be given to another process later, but
/// `is_running` tells, and every answer that was read while it still ran is about this process.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    comm: String,
    exe: PathBuf,
    cmdline: Vec<String>,
    start_ticks: u64,
    user: u32,
    namespace: PidNamespace,
    namespace_pids: Vec<u32>,
    filters_system_calls: bool,
    descriptor: OwnedFd,
}

impl Process {
    /// Finds the process that the user means: a pid, or the name of exactly one process (its command name or its
    /// executable's file name). The tracer itself is never meant.
    ///
    /// # Errors
    /// None or several of that name, no such pid, a thread's number, a zombie, a kernel thread, another machine's
    /// program, or one that this user may not look into.
    pub fn find(pid_or_name: &str) -> Result<Self, TargetError> {
        match pid_or_name.parse() {
            Ok(pid) => Self::open(pid),
            Err(_) => Self::open(named(pid_or_name)?),
        }
    }

    /// The process with this number.
    ///
    /// # Errors
    /// As for `find`.
    pub fn open(pid: u32) -> Result<Self, TargetError> {
        let (stat, status) = identity(pid)?;
        if status.thread_group != pid {
            return Err(TargetError::IsThread { tid: pid, pid: status.thread_group, comm: stat.comm });
        }
        if stat.is_kernel_thread {
            return Err(TargetError::KernelThread { pid, comm: stat.comm });
        }
        if matches!(stat.state, b'Z' | b'X') {
            let comm = stat.comm;
            return Err(match has_other_threads(pid) {
                true => TargetError::MainThreadEnded { pid, comm },
                false => TargetError::Zombie { pid, comm },
            });
        }
        let descriptor = open_pidfd(pid)?;
        let denied = |source| unreadable(pid, &stat, &status, source);
        let exe = fs::read_link(format!("/proc/{pid}/exe")).map_err(denied)?;
        object::check_machine(&exe, Path::new(&format!("/proc/{pid}/exe")))?;
        let namespace = fs::metadata(format!("/proc/{pid}/ns/pid")).map_err(denied)?;
        let process = Self {
            pid,
            exe,
            cmdline: cmdline_of(pid),
            start_ticks: stat.start_ticks,
            user: status.user,
            namespace: PidNamespace { device: namespace.dev(), inode: namespace.ino() },
            namespace_pids: status.namespace_pids,
            filters_system_calls: status.filters_system_calls,
            comm: stat.comm,
            descriptor,
        };
        process.confirm()?;
        Ok(process)
    }

    /// That the number still meant the same process when its descriptor was opened.
    fn confirm(&self) -> Result<(), TargetError> {
        let (stat, _) = identity(self.pid)?;
        if stat.start_ticks != self.start_ticks {
            return Err(TargetError::Exited { pid: self.pid, comm: self.comm.clone() });
        }
        self.checked(())
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The command name, at most 15 bytes.
    pub fn comm(&self) -> &str {
        &self.comm
    }

    /// The executable's path as the kernel tells it, ` (deleted)` at its end if it has no name any more.
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    pub fn cmdline(&self) -> &[String] {
        &self.cmdline
    }

    /// When it started, in clock ticks since boot.
    pub fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Effective user id when it was found.
    pub fn user(&self) -> u32 {
        self.user
    }

    /// The pid namespace that the process lives in.
    pub fn namespace(&self) -> PidNamespace {
        self.namespace
    }

    /// Whether its system calls are filtered (seccomp(2)).
    pub fn filters_system_calls(&self) -> bool {
        self.filters_system_calls
    }

    /// Its number in each pid namespace that it is in: ours first, its own last.
    pub fn namespace_pids(&self) -> &[u32] {
        &self.namespace_pids
    }

    /// Readable (poll, epoll) when the process has exited.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Whether the very process that was found still runs.
    pub fn is_running(&self) -> bool {
        let mut watch = libc::pollfd { fd: self.descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `watch` is one valid pollfd, and the call returns at once.
        unsafe { libc::poll(&mut watch, 1, 0) == 0 }
    }

    /// Its directory in /proc.
    pub fn directory(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// The root of its file system, seen from here.
    pub fn root(&self) -> PathBuf {
        self.directory().join("root")
    }

    /// All its threads that exist now, by number.
    ///
    /// # Errors
    /// It exited.
    pub fn threads(&self) -> Result<Vec<Thread>, TargetError> {
        let directory = self.directory().join("task");
        let entries = fs::read_dir(&directory).map_err(|source| self.lost(&directory, source))?;
        let mut threads: Vec<Thread> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let tid = entry.file_name().to_str()?.parse().ok()?;
                let comm = fs::read(entry.path().join("comm")).ok()?;
                Some(Thread { tid, comm: String::from_utf8_lossy(&comm).trim_end_matches('\n').to_owned() })
            })
            .collect();
        threads.sort_unstable_by_key(|thread| thread.tid);
        self.checked(threads)
    }

    /// Its address space now.
    ///
    /// # Errors
    /// It exited, or this user may not look into it.
    pub fn mappings(&self) -> Result<Vec<Mapping>, TargetError> {
        let path = self.directory().join("maps");
        let text = fs::read(&path).map_err(|source| self.lost(&path, source))?;
        self.checked(procfs::maps(&text))
    }

    /// The files that it executes code of: the executable first, then the libraries by address. Not opened yet.
    ///
    /// # Errors
    /// As for `mappings`.
    pub fn objects(&self) -> Result<Vec<MappedObject>, TargetError> {
        Ok(mapping::objects(self, self.mappings()?))
    }

    /// The mapping that holds `address` now.
    pub fn mapping_at(&self, address: RuntimeAddress) -> Result<Option<Mapping>, TargetError> {
        Ok(self.mappings()?.into_iter().find(|mapping| mapping.contains(address)))
    }

    /// Processor time that all its threads have used since its start, in nanoseconds.
    ///
    /// # Errors
    /// It exited.
    pub fn cpu_time_ns(&self) -> Result<u64, TargetError> {
        let mut clock: libc::clockid_t = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both calls write into the local variables that they are given, and nothing else.
        let read = unsafe {
            libc::clock_getcpuclockid(self.pid.cast_signed(), &mut clock) == 0
                && libc::clock_gettime(clock, &mut time) == 0
        };
        if !read {
            return Err(TargetError::Exited { pid: self.pid, comm: self.comm.clone() });
        }
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        self.checked(seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0)))
    }

    /// Passes on what was read, if the process still ran afterwards: only then it is about this process.
    pub(crate) fn checked<T>(&self, value: T) -> Result<T, TargetError> {
        if self.is_running() { Ok(value) } else { Err(TargetError::Exited { pid: self.pid, comm: self.comm.clone() }) }
    }

    /// Why reading `path` of this process failed.
    pub(super) fn lost(&self, path: &Path, source: io::Error) -> TargetError {
        if !self.is_running() {
            return TargetError::Exited { pid: self.pid, comm: self.comm.clone() };
        }
        match source.kind() {
            io::ErrorKind::PermissionDenied => denied(self.pid, &self.comm, self.user, source),
            _ => TargetError::Open { path: path.to_owned(), source },
        }
    }
}

fn identity(pid: u32) -> Result<(Stat, Status), TargetError> {
    let missing = || TargetError::NoSuchProcess { pid };
    let stat = fs::read(format!("/proc/{pid}/stat")).map_err(|_| missing())?;
    let status = fs::read(format!("/proc/{pid}/status")).map_err(|_| missing())?;
    let stat = procfs::stat(&stat).ok_or_else(missing)?;
    let status = procfs::status(&String::from_utf8_lossy(&status)).ok_or_else(missing)?;
    Ok((stat, status))
}

fn cmdline_of(pid: u32) -> Vec<String> {
    fs::read(format!("/proc/{pid}/cmdline")).map(|bytes| procfs::cmdline(&bytes)).unwrap_or_default()
}

fn open_pidfd(pid: u32) -> Result<OwnedFd, TargetError> {
    // SAFETY: pidfd_open takes two integers and touches no memory.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let gone = || TargetError::NoSuchProcess { pid };
    let descriptor = i32::try_from(descriptor).ok().filter(|&descriptor| descriptor >= 0).ok_or_else(gone)?;
    // SAFETY: the kernel just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Why something in /proc/PID could not be read, although the process was there a moment ago.
fn unreadable(pid: u32, stat: &Stat, status: &Status, source: io::Error) -> TargetError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => denied(pid, &stat.comm, status.user, source),
        _ => TargetError::Exited { pid, comm: stat.comm.clone() },
    }
}

fn denied(pid: u32, comm: &str, user: u32, source: io::Error) -> TargetError {
    let own = identity(std::process::id());
    let may_trace = own.is_ok_and(|(_, status)| status.capabilities & CAP_SYS_PTRACE != 0);
    TargetError::Denied { pid, comm: comm.to_owned(), owner: user_name(user), may_trace, source }
}

fn user_name(user: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    entry.unwrap_or_else(|| user.to_string())
}

/// The pid of the only process of that name.
fn named(name: &str) -> Result<u32, TargetError> {
    let mut candidates = candidates(name);
    match (candidates.pop(), candidates.is_empty()) {
        (None, _) => Err(TargetError::NoProcessNamed { name: name.to_owned() }),
        (Some(only), true) => Ok(only.pid),
        (Some(last), false) => {
            candidates.push(last);
            Err(TargetError::AmbiguousName { name: name.to_owned(), candidates })
        }
    }
}

/// Whether a thread beside the main one is left; the process's end keeps none.
fn has_other_threads(pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 1)
}

/// All processes with that command name or executable, by pid, but for this one, kernel threads and zombies.
fn candidates(name: &str) -> Vec<Candidate> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<Candidate> = pids
        .filter(|&pid| pid != std::process::id())
        .filter(|&pid| is_called(pid, name))
        .map(|pid| Candidate { pid, cmdline: cmdline_of(pid).join(" ") })
        .collect();
    found.sort_unstable_by_key(|candidate| candidate.pid);
    found
}

fn is_called(pid: u32, name: &str) -> bool {
    let Ok((stat, _)) = identity(pid) else { return false };
    if stat.is_kernel_thread || matches!(stat.state, b'Z' | b'X') {
        return false;
    }
    let Ok(exe) = fs::read_link(format!("/proc/{pid}/exe")) else { return stat.comm == name };
    let file_name = exe.file_name().unwrap_or_default().to_string_lossy();
    stat.comm == name || file_name.strip_suffix(" (deleted)").unwrap_or(&file_name) == name
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
