//! Every map of the programs, and nothing else. Sizes given here are defaults; user space resizes at load.

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_LOCAL_STORAGE_GET_F_CREATE;
use aya_ebpf::btf_maps::{Array, HashMap, PerCpuArray, RingBuf};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_storage_get};
use aya_ebpf::macros::btf_map;
use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cpu::Cpu;
use tracer_ebpf::abi::filter::{Filter, Text};
use tracer_ebpf::abi::mailbox::{MAILBOXES_MAX, Mailbox};
use tracer_ebpf::abi::mapping::MappingLayout;
use tracer_ebpf::abi::plan::{Op, Plan};
use tracer_ebpf::abi::record::RECORD_FULL_AT;
use tracer_ebpf::abi::thread::{Scratch, Thread};

/// `BPF_F_MMAPABLE`: user space reads counters without a system call.
const MMAPABLE: usize = 1 << 10;

/// Whether the kernel has `bpf_find_vma` (Linux 5.17): set at load, so that the verifier drops the call where it has not.
#[unsafe(no_mangle)]
pub static HAS_FIND_VMA: Global<u8> = Global::new(1);

/// Whether links watch all processes that run the probed file, where the kernel cannot pick one (Linux 6.6 to 6.9): set
/// at load.
#[unsafe(no_mangle)]
pub static SEES_OTHERS: Global<u8> = Global::new(1);

/// Whether any plan has a filter: set at load, so that the verifier drops the code of a session without conditions.
#[unsafe(no_mangle)]
pub static HAS_FILTERS: Global<u8> = Global::new(1);

/// Bytes of stack that a probe with [`PLAN_STACK`](tracer_ebpf::abi::plan::PLAN_STACK) sends: set at load, so that the
/// verifier drops the code of a session that wants none.
#[unsafe(no_mangle)]
pub static STACK_BYTES: Global<u32> = Global::new(0);

/// Bytes of values in one record: the user's limit, set at load, at most [`RECORD_FULL_AT`].
#[unsafe(no_mangle)]
pub static RECORD_LIMIT: Global<u32> = Global::new(RECORD_FULL_AT as u32);

/// Whether pages that are not resident are faulted in, which takes programs that may sleep: set at load.
#[unsafe(no_mangle)]
pub static FAULT_IN: Global<u8> = Global::new(0);

/// Where the kernel's structures have what tells whether they may be: set at load.
#[unsafe(no_mangle)]
pub static MAPPING: Global<MappingLayout> = Global::new(MappingLayout::UNKNOWN);

/// One control block per [`Scope`](tracer_ebpf::abi::cookie::Scope).
#[btf_map]
pub static CONTROL: Array<Control, 2, MMAPABLE> = Array::new();

/// The capture plans, found by cookie.
#[btf_map]
pub static PLANS: Array<Plan, 1> = Array::new();

/// The operations of all plans, one behind the other.
#[btf_map]
pub static OPS: Array<Op, 1, MMAPABLE> = Array::new();

/// The filters of plans.
#[btf_map]
pub static FILTERS: Array<Filter, 1> = Array::new();

/// The texts that operations compare with.
#[btf_map]
pub static TEXTS: Array<Text, 1> = Array::new();

/// Records on their way to user space.
#[btf_map]
pub static RECORDS: RingBuf<u8, 8_388_608> = RingBuf::new();

/// Mailbox statistics by mailbox id.
#[btf_map]
pub static MAILBOXES: HashMap<u64, Mailbox, { MAILBOXES_MAX as usize }, 1> = HashMap::new();

/// What is kept for each CPU, one element per [`Scope`](tracer_ebpf::abi::cookie::Scope).
#[btf_map]
pub static CPUS: PerCpuArray<Cpu, 2> = PerCpuArray::new();

/// Thread state, one per thread of the target that hits a probe.
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "THREADS")]
pub static THREADS: TaskStorage<Thread> = TaskStorage::new();

/// The interpreter's state, one per thread that runs operations.
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "SCRATCH")]
pub static SCRATCH: TaskStorage<Scratch> = TaskStorage::new();

/// `BPF_MAP_TYPE_TASK_STORAGE` (29), which aya-ebpf 0.2 lacks: a value that belongs to a thread and goes with it.
#[repr(C)]
pub struct TaskStorage<T> {
    r#type: *const [i32; 29],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; 1],
}

// SAFETY: the fields are placeholders that carry types into BTF; the loader replaces the symbol by a map.
unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
        }
    }

    /// The current thread's value, created with zeroes at its first use; null if there is no memory for it.
    #[inline(always)]
    pub fn current(&self) -> *mut T {
        self.get(u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE))
    }

    /// The current thread's value; null if it has none.
    #[inline(always)]
    pub fn existing(&self) -> *mut T {
        self.get(0)
    }

    #[inline(always)]
    fn get(&self, flags: u64) -> *mut T {
        // SAFETY: the map is a task storage, the task is the current one, the initial value may be null.
        unsafe {
            bpf_task_storage_get(
                ptr::from_ref(self).cast_mut().cast::<c_void>(),
                bpf_get_current_task_btf(),
                ptr::null_mut(),
                flags,
            )
            .cast()
        }
    }
}
