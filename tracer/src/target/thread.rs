//! What the kernel says of each thread without stopping it: name, state, what it waits in, time on CPU, and where its
//! thread-local storage is. Reads /proc only.

use std::collections::HashMap;
use std::fs;

use super::TargetError;
use super::memory::ProcessMemory;
use super::process::Process;
use crate::value::image::Memory as _;

/// Threads looked at.
const THREADS_MAX: usize = 20_000;
/// How far into a thread's control block its thread id is looked for: 0x2d0 in glibc, 0x30 to 0x40 in musl.
const CONTROL_BLOCK_BYTES: u64 = 0x400;

/// One thread at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadState {
    pub tid: u32,
    pub comm: String,
    /// `R` runs or is ready to, `S` sleeps, `D` waits for a device, `T` is stopped.
    pub state: char,
    /// The system call that it is in (x86-64 number), if it is in one and this user may know.
    pub system_call: Option<u64>,
    /// Time on CPU and time ready without a CPU, in nanoseconds since the thread's start.
    pub cpu_ns: u64,
    pub waiting_ns: u64,
}

/// All threads of the process now, by number.
///
/// # Errors
/// It exited.
pub fn threads(process: &Process) -> Result<Vec<ThreadState>, TargetError> {
    let threads = process.threads()?;
    Ok(threads.into_iter().take(THREADS_MAX).filter_map(|thread| state(process, thread.tid, thread.comm)).collect())
}

/// Whether a thread sleeps now: not running, and not waiting for a CPU.
pub fn is_asleep(process: &Process, tid: u32) -> bool {
    let stat = fs::read(process.directory().join(format!("task/{tid}/stat"))).ok();
    stat.and_then(|stat| super::procfs::stat(&stat)).is_some_and(|stat| stat.state != b'R')
}

fn state(process: &Process, tid: u32, comm: String) -> Option<ThreadState> {
    let directory = process.directory().join(format!("task/{tid}"));
    let stat = super::procfs::stat(&fs::read(directory.join("stat")).ok()?)?;
    let times = fs::read_to_string(directory.join("schedstat")).unwrap_or_default();
    let mut times = times.split_ascii_whitespace().map_while(|number| number.parse().ok());
    let call = fs::read_to_string(directory.join("syscall")).unwrap_or_default();
    Some(ThreadState {
        tid,
        comm,
        state: char::from(stat.state),
        system_call: call.split_ascii_whitespace().next().and_then(|number| number.parse().ok()),
        cpu_ns: times.next().unwrap_or(0),
        waiting_ns: times.next().unwrap_or(0),
    })
}

/// The thread pointer (the base of thread-local storage) of each thread, by thread number: among `candidates`, words
/// that hold their own address, those that are followed by a thread's number as in glibc's and musl's control blocks.
pub fn thread_pointers(memory: &ProcessMemory<'_>, tids: &[u32], candidates: &[u64]) -> HashMap<u32, u64> {
    let own_numbers = own_numbers(memory.process(), tids);
    let mut found = HashMap::new();
    for &address in candidates {
        let Ok(block) = memory.read_prefix(address, CONTROL_BLOCK_BYTES) else { continue };
        let (words, _) = block.as_chunks::<8>();
        // glibc keeps the address twice; musl has a ring of blocks behind the table of modules.
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        if word(2) != address && !points_to_itself(memory, word(2)) {
            continue;
        }
        let (numbers, _) = block.as_chunks::<4>();
        let tid = numbers.iter().skip(8).find_map(|number| own_numbers.get(&u32::from_le_bytes(*number)));
        if let Some(tid) = tid {
            found.entry(*tid).or_insert(address);
        }
    }
    found
}

fn points_to_itself(memory: &ProcessMemory<'_>, address: u64) -> bool {
    memory.read(address, 8).is_ok_and(|bytes| bytes == address.to_le_bytes())
}

/// The threads' numbers in the process's own pid namespace → ours.
fn own_numbers(process: &Process, tids: &[u32]) -> HashMap<u32, u32> {
    let is_nested = process.namespace_pids().len() > 1;
    let own = |tid: u32| {
        if !is_nested {
            return Some(tid);
        }
        let status = fs::read_to_string(process.directory().join(format!("task/{tid}/status"))).ok()?;
        super::procfs::status(&status)?.namespace_pids.last().copied()
    };
    tids.iter().filter_map(|&tid| Some((own(tid)?, tid))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::memory_scan::{WantedWords, scan};
    use super::*;

    #[test]
    fn each_threads_control_block_is_found() {
        let process = Process::open(std::process::id()).expect("the test's own process can be read");
        let memory = ProcessMemory::open(&process).expect("own memory");
        let scan = scan(&memory, &WantedWords::new(vec![]), &mut |_, _| {}).expect("own memory");
        // SAFETY: takes nothing and cannot fail.
        let tid = unsafe { libc::gettid() }.cast_unsigned();
        let found = thread_pointers(&memory, &[tid], &scan.self_pointers);
        let own: u64;
        // SAFETY: reads the word at the thread pointer, which the ABI keeps there (its own address).
        unsafe { std::arch::asm!("mov {}, fs:0", out(reg) own, options(nostack, readonly)) };
        assert_eq!(found.get(&tid), Some(&own));
        let threads = threads(&process).expect("it runs");
        assert!(threads.iter().any(|thread| thread.tid == tid));
    }
}
