//! The control blocks, mapped into memory: limits are set and counters read without a system call.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tracer_ebpf::abi::control::{Control, Tripped};
use tracer_ebpf::abi::cookie::Scope;

const BLOCKS: usize = 2;
const BLOCKS_BYTES: usize = BLOCKS * size_of::<Control>();

/// The map `CONTROL`: one block per [`Scope`].
pub struct ControlBlocks {
    blocks: NonNull<Control>,
}

// SAFETY: the memory is shared with the kernel and only accessed as whole words.
unsafe impl Send for ControlBlocks {}
// SAFETY: as above.
unsafe impl Sync for ControlBlocks {}

impl ControlBlocks {
    pub(super) fn map(fd: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: a new shared mapping of a map that was created with BPF_F_MMAPABLE.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                BLOCKS_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address.cast()).map(|blocks| Self { blocks }).ok_or(io::ErrorKind::InvalidData.into())
    }

    fn block(&self, scope: Scope) -> *mut Control {
        // SAFETY: a scope is 0 or 1, below BLOCKS.
        unsafe { self.blocks.as_ptr().add(scope as usize) }
    }

    /// Sets the block: before anything is attached to it.
    pub fn set(&self, scope: Scope, control: Control) {
        // SAFETY: inside the mapping; no program runs on this block yet.
        unsafe { self.block(scope).write_volatile(control) }
    }

    /// A copy of the block. Its counters are each exact, but not of one moment.
    pub fn get(&self, scope: Scope) -> Control {
        // SAFETY: inside the mapping; each word is read whole on x86-64.
        unsafe { self.block(scope).read_volatile() }
    }

    /// Ends the session in the kernel: no further call is admitted.
    pub fn stop(&self, scope: Scope) {
        // SAFETY: an aligned word inside the mapping.
        let tripped = unsafe { AtomicU64::from_ptr(&raw mut (*self.block(scope)).tripped) };
        let _ = tripped.compare_exchange(0, Tripped::Stopped as u64, Relaxed, Relaxed);
    }

    /// From this CLOCK_MONOTONIC time on no call is admitted.
    pub fn set_deadline(&self, scope: Scope, deadline_ns: u64) {
        // SAFETY: an aligned word inside the mapping.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.block(scope)).deadline_ns) }.store(deadline_ns, Relaxed);
    }

    /// Begins the next sampling interval and returns its number.
    pub fn next_epoch(&self, scope: Scope) -> u64 {
        // SAFETY: an aligned word inside the mapping.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.block(scope)).epoch) }.fetch_add(1, Relaxed) + 1
    }
}

impl Drop for ControlBlocks {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `map`, and nothing refers to it any more.
        unsafe { libc::munmap(self.blocks.as_ptr().cast(), BLOCKS_BYTES) };
    }
}
