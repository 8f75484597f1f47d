//! Reads the target's memory. In programs that were loaded to fault pages in, a piece that is not there is brought in
//! first, page by page, where nobody can keep the thread waiting for it: not in a mapping that userfaultfd, a FUSE
//! file, a device or another machine serves. All others read what is resident, and nothing else of this file stays in
//! them.

use core::ffi::c_void;

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::{
    bpf_copy_from_user_task, bpf_find_vma, bpf_get_current_task_btf, bpf_ktime_get_ns, bpf_probe_read_kernel,
    bpf_probe_read_user, bpf_probe_read_user_str,
};
use tracer_ebpf::abi::cookie::Scope;
use tracer_ebpf::abi::mapping::NO_USERFAULTFD;
use tracer_ebpf::abi::record::ChunkStatus;

use crate::budget;
use crate::maps::{CONTROL, FAULT_IN, MAPPING};

const PAGE_BYTES: u64 = 4096;

/// Nothing is missing.
pub const WHOLE: u32 = ChunkStatus::Whole as u32;

const FAULT: u32 = ChunkStatus::Fault as u32;

/// Reads `size_bytes` at `address`, at most a page; the [`ChunkStatus`] tells why it could not.
///
/// # Safety
/// `to` has room for as much.
#[inline(always)]
pub unsafe fn read(to: *mut c_void, size_bytes: u32, address: u64) -> u32 {
    // SAFETY: the caller's promise.
    unsafe {
        if bpf_probe_read_user(to, size_bytes, address as *const _) == 0 {
            return WHOLE;
        }
        let why = bring(address, u64::from(size_bytes));
        if why == WHOLE && bpf_probe_read_user(to, size_bytes, address as *const _) != 0 {
            return FAULT;
        }
        why
    }
}

/// Reads up to a NUL, which is counted, or to `size_bytes`, which are then cut by one for it. The number of bytes, or a
/// negative [`ChunkStatus`].
///
/// # Safety
/// `to` has room for as much.
#[inline(always)]
pub unsafe fn read_text(to: *mut c_void, size_bytes: u32, address: u64) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        let mut copied = bpf_probe_read_user_str(to, size_bytes, address as *const _);
        let mut from = address;
        // The page where it begins, and the next one if it goes on there.
        for _ in 0..2 {
            if copied > 0 {
                return copied;
            }
            let why = bring(from, 1);
            if why != WHOLE {
                return -i64::from(why);
            }
            copied = bpf_probe_read_user_str(to, size_bytes, address as *const _);
            from = (address & !(PAGE_BYTES - 1)).wrapping_add(PAGE_BYTES);
        }
        if copied > 0 { copied } else { -i64::from(FAULT) }
    }
}

/// Has the kernel bring in those pages of at most a page's bytes that are missing.
// A global function, which the verifier looks at once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn bring(address: u64, size_bytes: u64) -> u32 {
    if FAULT_IN.load() == 0 || size_bytes == 0 {
        return FAULT;
    }
    // SAFETY: takes nothing.
    let start_ns = unsafe { bpf_ktime_get_ns() };
    let last = address.wrapping_add(size_bytes - 1);
    let mut why = bring_page(address);
    if why == WHOLE && last & !(PAGE_BYTES - 1) != address & !(PAGE_BYTES - 1) {
        why = bring_page(last);
    }
    if let Some(control) = CONTROL.get(Scope::Target as u32) {
        // SAFETY: as above.
        budget::add(&control.waited_ns, unsafe { bpf_ktime_get_ns() }.wrapping_sub(start_ns));
    }
    why
}

/// By `bpf_copy_from_user_task`, not `bpf_copy_from_user`: the kernel then does not retry a fault, so that one which
/// comes to userfaultfd after all (registered since the mapping was judged) fails instead of waiting.
#[inline(never)]
fn bring_page(address: u64) -> u32 {
    let mut byte = 0u8;
    let to = (&raw mut byte).cast::<c_void>();
    // SAFETY: one byte into one; the task is the current one; the callback has the form that the helper calls.
    unsafe {
        if bpf_probe_read_user(to, 1, address as *const _) == 0 {
            return WHOLE;
        }
        let mut why = FAULT;
        let found = bpf_find_vma(
            bpf_get_current_task_btf(),
            address,
            (judge as unsafe extern "C" fn(*mut task_struct, *mut c_void, *mut u32) -> i64) as *mut c_void,
            (&raw mut why).cast(),
            0,
        );
        match found {
            0 if why != WHOLE => why,
            0 if bpf_copy_from_user_task(to, 1, address as *const _, bpf_get_current_task_btf(), 0) == 0 => WHOLE,
            NO_MAPPING => ChunkStatus::Unmapped as u32,
            _ => FAULT,
        }
    }
}

/// `-ENOENT`.
const NO_MAPPING: i64 = -2;

/// File systems by `s_magic` (linux/magic.h), and `FS_REQUIRES_DEV`: one that lives on a block device.
const FUSE: u64 = 0x6573_5546;
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;
const HUGETLBFS: u64 = 0x9584_58f6;
const ON_BLOCK_DEVICE: u64 = 1;

/// `S_IFMT` and `S_IFREG`.
const FILE_KIND: u64 = 0o170_000;
const REGULAR_FILE: u64 = 0o100_000;

/// Called by the kernel with the mapping of the address: whether a fault there ends by itself.
#[inline(never)]
unsafe extern "C" fn judge(_task: *mut task_struct, mapping: *mut c_void, why: *mut u32) -> i64 {
    // SAFETY: the kernel hands a valid mapping and our own word; all reads of the kernel's memory are checked by it.
    unsafe { *why = verdict(mapping as u64) };
    0
}

#[inline(always)]
fn verdict(mapping: u64) -> u32 {
    let layout = MAPPING.load();
    if layout.userfaultfd != NO_USERFAULTFD && word(mapping, layout.userfaultfd) != 0 {
        return ChunkStatus::Userfaultfd as u32;
    }
    if word(mapping, layout.operations) == 0 {
        return WHOLE;
    }
    let file = word(mapping, layout.file);
    let inode = word(file, layout.inode);
    if file == 0 || word(inode, layout.mode) & FILE_KIND != REGULAR_FILE {
        return ChunkStatus::Foreign as u32;
    }
    let super_block = word(inode, layout.super_block);
    let magic = word(super_block, layout.magic);
    if magic == FUSE {
        return ChunkStatus::Fuse as u32;
    }
    let is_memory = magic == TMPFS || magic == RAMFS || magic == HUGETLBFS;
    let flags = word(word(super_block, layout.file_system), layout.file_system_flags);
    if is_memory || (flags != UNREADABLE && flags & ON_BLOCK_DEVICE != 0) {
        return WHOLE;
    }
    ChunkStatus::Foreign as u32
}

/// No value of a word above that allows anything.
const UNREADABLE: u64 = u64::MAX;

/// Eight bytes of the kernel's memory.
#[inline(always)]
fn word(base: u64, offset: u32) -> u64 {
    let mut value = 0u64;
    let address = base.wrapping_add(u64::from(offset));
    // SAFETY: eight bytes into eight.
    let failed = unsafe { bpf_probe_read_kernel((&raw mut value).cast(), 8, address as *const _) };
    if failed == 0 { value } else { UNREADABLE }
}
