//! What threads execute, sampled without stopping them: perf events on the clock of the CPU, each bringing the user
//! registers and the top of the stack. Attaches no probe; a sample copies what is in memory and faults nothing in.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::KernelError;

/// Registers in a sample: the 16 general ones and the instruction pointer, by DWARF number.
pub const REGISTERS: usize = 17;

/// Threads that are sampled at once: each has a buffer and a descriptor of its own.
const THREADS_MAX: usize = 64;
/// Pages of a thread's buffer, beside the first, which is the kernel's.
const BUFFER_PAGES: usize = 32;
const PAGE_BYTES: usize = 4096;
const BUFFER_BYTES: usize = BUFFER_PAGES * PAGE_BYTES;

/// `PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_CPU_CLOCK`: there is no counter of the CPU in many virtual machines.
const TYPE_SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
/// `PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER`, in which order they come.
const SAMPLE_TYPE: u64 = 1 << 2 | 1 << 12 | 1 << 13;
/// `exclude_kernel`, `exclude_hv` and `use_clockid`.
const FLAGS: u64 = 1 << 5 | 1 << 6 | 1 << 25;
const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
/// `perf_event_mmap_page`: where the kernel writes to, and where the reader has come to.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// The registers that are asked for (`asm/perf_regs.h`: ax bx cx dx si di bp sp ip, and from 16 on r8 to r15), in the
/// order in which they come, by their numbers in DWARF.
const REGISTER_MASK: u64 = 0x1ff | 0xff << 16;
const DWARF_NUMBERS: [usize; REGISTERS] = [0, 3, 2, 1, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15];

/// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER5`.
#[repr(C)]
#[derive(Default)]
struct SamplingAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config_extensions: [u64; 2],
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clock: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

const _: () = assert!(size_of::<SamplingAttr>() == 112);

/// A thread's registers and stack at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub tid: u32,
    /// CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub registers: [u64; REGISTERS],
    /// From the stack pointer up.
    pub stack: Vec<u8>,
}

/// Samples some threads of one process while it lives.
pub struct Sampler {
    buffers: Vec<Buffer>,
    lost: u64,
}

/// One thread's events.
struct Buffer {
    tid: u32,
    start: NonNull<u8>,
    _event: OwnedFd,
}

impl Sampler {
    /// Samples each of `tids` whenever it has used that much CPU time in user mode. Threads that have ended are left
    /// out, as are those beyond the 64th.
    ///
    /// # Errors
    /// The user may not: it takes CAP_PERFMON, and the right to look into the process.
    pub fn start(tids: &[u32], every: Duration, stack_bytes: u32) -> Result<Self, KernelError> {
        let mut buffers = Vec::new();
        for &tid in tids.iter().take(THREADS_MAX) {
            match Buffer::open(tid, every, stack_bytes) {
                Ok(buffer) => buffers.push(buffer),
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => return Err(KernelError::Sampling(error)),
            }
        }
        Ok(Self { buffers, lost: 0 })
    }

    /// Hands out what came since the last time, thread by thread.
    pub fn take(&mut self, mut each: impl FnMut(Sample)) {
        for buffer in &self.buffers {
            self.lost += buffer.take(&mut each);
        }
    }

    /// Samples that found no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl Buffer {
    fn open(tid: u32, every: Duration, stack_bytes: u32) -> io::Result<Self> {
        let attr = SamplingAttr {
            kind: TYPE_SOFTWARE,
            size: size_of::<SamplingAttr>() as u32,
            config: CPU_CLOCK,
            sample_period: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX),
            sample_type: SAMPLE_TYPE,
            flags: FLAGS,
            sample_regs_user: REGISTER_MASK,
            sample_stack_user: stack_bytes.next_multiple_of(8),
            clock: libc::CLOCK_MONOTONIC,
            ..SamplingAttr::default()
        };
        // SAFETY: `attr` is as large as it says.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attr,
                tid as libc::pid_t,
                -1 as libc::c_int,
                -1 as libc::c_int,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just returned this descriptor, and nobody else has it.
        let event = unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let bytes = PAGE_BYTES + BUFFER_BYTES;
        // SAFETY: a new shared mapping of the event.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, libc::MAP_SHARED, event.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { tid, start, _event: event })
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: an aligned word of the first page, which lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    /// Hands out the samples that are there; says how many were lost.
    fn take(&self, each: &mut impl FnMut(Sample)) -> u64 {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        let mut lost = 0;
        while tail < head {
            let header = self.bytes(tail, 8);
            let size = header.get(6..8).map_or(0, |size| u64::from(size[0]) | u64::from(size[1]) << 8);
            if size < 8 || size > head - tail {
                break;
            }
            let record = self.bytes(tail, size);
            match record.first_chunk().map(|kind| u32::from_le_bytes(*kind)) {
                Some(RECORD_SAMPLE) => {
                    if let Some(sample) = sample(self.tid, &record) {
                        each(sample);
                    }
                }
                Some(RECORD_LOST) => lost += word(&record, 16).unwrap_or(0),
                _ => {}
            }
            tail += size;
        }
        self.position(DATA_TAIL).store(head, Ordering::Release);
        lost
    }

    fn bytes(&self, position: u64, size: u64) -> Vec<u8> {
        // SAFETY: inside the mapping; the kernel writes there only after the tail has passed.
        let byte =
            |at: u64| unsafe { self.start.as_ptr().add(PAGE_BYTES + at as usize % BUFFER_BYTES).read_volatile() };
        (position..position + size).map(byte).collect()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `open`, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), PAGE_BYTES + BUFFER_BYTES) };
    }
}

fn word(record: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*record.get(at..)?.first_chunk()?))
}

/// A record with the fields of [`SAMPLE_TYPE`]: time; ABI and registers; size, bytes and number of valid ones among them.
fn sample(tid: u32, record: &[u8]) -> Option<Sample> {
    const ABI_64: u64 = 2;
    let (time_ns, abi) = (word(record, 8)?, word(record, 16)?);
    if abi != ABI_64 {
        return None;
    }
    let mut registers = [0; REGISTERS];
    for (index, number) in DWARF_NUMBERS.iter().enumerate() {
        *registers.get_mut(*number)? = word(record, 24 + index * 8)?;
    }
    let stack_at = 24 + REGISTERS * 8;
    let room = usize::try_from(word(record, stack_at)?).ok()?;
    let valid = match room {
        0 => 0,
        room => usize::try_from(word(record, stack_at + 8 + room)?).ok()?,
    };
    let stack = record.get(stack_at + 8..stack_at + 8 + valid.min(room))?.to_vec();
    Some(Sample { tid, time_ns, registers, stack })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_a_sample_with_registers_by_their_numbers() {
        let mut words: Vec<u64> = vec![u64::from(RECORD_SAMPLE), 77, 2];
        words.extend((0..17).map(|index| 100 + index));
        words.extend([16, 0x1111, 0x2222, 8]);
        let record: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let sample = sample(5, &record).expect("it is whole");
        assert_eq!((sample.tid, sample.time_ns), (5, 77));
        // ax, dx, cx, bx, …, sp, and the instruction pointer last.
        assert_eq!(sample.registers[..5], [100, 103, 102, 101, 104]);
        assert_eq!((sample.registers[7], sample.registers[16], sample.registers[8]), (107, 108, 109));
        assert_eq!(sample.stack, 0x1111_u64.to_le_bytes());
        assert_eq!(super::sample(5, &record[..100]), None);
    }

    #[test]
    fn a_thread_that_computes_is_sampled_with_its_stack() {
        // SAFETY: takes nothing and cannot fail.
        let tid = unsafe { libc::gettid() }.cast_unsigned();
        // Where the user may not, `tracer doctor` says so; there is nothing to test then.
        let Ok(mut sampler) = Sampler::start(&[tid], Duration::from_millis(1), 4096) else { return };
        let mut samples = Vec::new();
        let begun = std::time::Instant::now();
        let mut sum = 0_u64;
        while samples.len() < 5 && begun.elapsed() < Duration::from_secs(10) {
            for _ in 0..100_000 {
                sum = std::hint::black_box(sum.wrapping_mul(3) + 1);
            }
            sampler.take(|sample| samples.push(sample));
        }
        assert!(samples.len() >= 5 && samples.iter().all(|sample| sample.tid == tid && !sample.stack.is_empty()));
        assert!(samples.is_sorted_by_key(|sample| sample.time_ns));
    }
}
