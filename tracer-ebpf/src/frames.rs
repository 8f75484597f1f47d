//! The calls under way on a thread, by stack pointer.
//!
//! At a function's first instruction and at its `ret` the stack pointer is the same, so an exit finds its entry
//! however many were lost between. Stacks grow down: a frame below the current stack pointer is gone, whatever
//! took it away (panic, exception, longjmp).

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::{bpf_find_vma, bpf_get_current_task_btf, bpf_probe_read_kernel};
use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::cookie::Cookie;
use tracer_ebpf::abi::filter::{FILTER_DROPS_UNSEEN, VALUE_DURATION, VALUE_PARTS, VALUE_THREAD_ID, VALUES};
use tracer_ebpf::abi::plan::{PLAN_EXITS_INCOMPLETE, PLAN_MAY_TAIL_CALL};
use tracer_ebpf::abi::record::{Kind, Outcome, RECORD_HELD_SHIFT};
use tracer_ebpf::abi::thread::{FRAME_HELD, FRAME_PARTS_SHIFT, FRAMES_MAX, Frame, STACKS_MAX, Stack, Thread};

use crate::condition::{self, Values, Verdict};
use crate::maps::{self, HAS_FIND_VMA};
use crate::{budget, emit};

/// Half the width of a stack whose mapping the kernel could not tell (it was busy): better than mixing two stacks.
const UNKNOWN_STACK_BYTES: u64 = 64 * 1024;

/// The frame numbered `index + 1`, 0 for none.
#[inline(always)]
pub fn frame(thread: *mut Thread, index: u32) -> *mut Frame {
    // SAFETY: the mask keeps the index inside the array.
    unsafe { (&raw mut (*thread).frames).cast::<Frame>().add(index.wrapping_sub(1) as usize & (FRAMES_MAX - 1)) }
}

#[inline(always)]
fn stack(thread: *mut Thread, index: u32) -> *mut Stack {
    // SAFETY: the mask keeps the index inside the array.
    unsafe { (&raw mut (*thread).stacks).cast::<Stack>().add(index as usize & (STACKS_MAX - 1)) }
}

/// The stack that `stack_pointer` lies on, opened if it is new.
#[inline(always)]
pub fn current_stack(control: &Control, thread: *mut Thread, stack_pointer: u64) -> *mut Stack {
    // SAFETY: `thread` was checked for null by the caller, `stack` stays inside the array.
    unsafe {
        let current = stack(thread, (*thread).stack);
        if (*current).low <= stack_pointer && stack_pointer < (*current).high {
            return current;
        }
        switch_stack(control, thread, stack_pointer);
        stack(thread, (*thread).stack)
    }
}

// A global function, which the verifier looks at once.
#[unsafe(no_mangle)]
pub extern "C" fn switch_stack(control: *const Control, thread: *mut Thread, stack_pointer: u64) -> i32 {
    if !control.is_null() && !thread.is_null() {
        // SAFETY: checked for null.
        find_stack(unsafe { &*control }, thread, stack_pointer);
    }
    0
}

#[inline(always)]
fn find_stack(control: &Control, thread: *mut Thread, stack_pointer: u64) {
    // SAFETY: as in `current_stack`.
    unsafe {
        for index in 0..STACKS_MAX as u32 {
            let known = stack(thread, index);
            if (*known).low <= stack_pointer && stack_pointer < (*known).high {
                (*thread).stack = index;
                return;
            }
        }
        let mut range = Range { low: 0, high: 0 };
        let found = if HAS_FIND_VMA.load() != 0 {
            bpf_find_vma(
                bpf_get_current_task_btf(),
                stack_pointer,
                (mapping_found as unsafe extern "C" fn(*mut task_struct, *mut c_void, *mut Range) -> i64)
                    as *mut c_void,
                (&raw mut range).cast(),
                0,
            )
        } else {
            -1
        };
        if found != 0 || range.high == 0 {
            range.low = stack_pointer.saturating_sub(UNKNOWN_STACK_BYTES);
            range.high = stack_pointer.saturating_add(UNKNOWN_STACK_BYTES);
        }
        // The main thread's stack grows: the same end means the same stack.
        for index in 0..STACKS_MAX as u32 {
            let known = stack(thread, index);
            if (*known).high == range.high {
                (*known).low = range.low;
                (*thread).stack = index;
                return;
            }
        }
        for index in 0..STACKS_MAX as u32 {
            let known = stack(thread, index);
            if (*known).top == 0 {
                open(known, &range);
                (*thread).stack = index;
                return;
            }
        }
        // All are in use: the one after the current makes room. The ends of its calls will not be seen.
        let oldest = (*thread).stack.wrapping_add(1) & (STACKS_MAX as u32 - 1);
        give_up(control, thread, stack(thread, oldest));
        open(stack(thread, oldest), &range);
        (*thread).stack = oldest;
    }
}

/// Takes all frames off a stack, without records: there would be too many for one hit.
#[inline(always)]
unsafe fn give_up(control: &Control, thread: *mut Thread, stack: *mut Stack) {
    for _ in 0..FRAMES_MAX {
        // SAFETY: as in `current_stack`.
        if unsafe { ptr::read_volatile(&(*stack).top) } == 0 {
            return;
        }
        pop(control, thread, stack);
        budget::add(&control.lost_stacks, 1);
    }
}

#[inline(always)]
unsafe fn open(stack: *mut Stack, range: &Range) {
    // SAFETY: `stack` is an element of the thread's array.
    unsafe {
        (*stack).low = range.low;
        (*stack).high = range.high;
        (*stack).top = 0;
    }
}

struct Range {
    low: u64,
    high: u64,
}

/// Called by the kernel with the mapping of the stack pointer. `vm_start` and `vm_end` are the first two words of
/// `struct vm_area_struct` in every kernel so far.
#[inline(never)]
unsafe extern "C" fn mapping_found(_task: *mut task_struct, mapping: *mut c_void, range: *mut Range) -> i64 {
    let mut ends = [0u64; 2];
    // SAFETY: the kernel hands a valid mapping and our own range.
    unsafe {
        if bpf_probe_read_kernel(ends.as_mut_ptr().cast(), 16, mapping) == 0 {
            (*range).low = ends[0];
            (*range).high = ends[1];
        }
    }
    0
}

/// Whether the thread has no free frame left, which is counted.
#[inline(always)]
pub fn exhausted(control: &Control, thread: *mut Thread) -> bool {
    // SAFETY: as in `current_stack`.
    let exhausted = unsafe { (*thread).free == 0 && (*thread).frames_used >= FRAMES_MAX as u32 };
    if exhausted {
        budget::add(&control.lost_frames, 1);
    }
    exhausted
}

/// Opens a frame on top of `stack` and returns it, for the caller to fill. There must be a free one.
#[inline(always)]
pub fn push(thread: *mut Thread, stack: *mut Stack) -> *mut Frame {
    // SAFETY: as in `current_stack`.
    unsafe {
        let free = (*thread).free;
        let number = if free != 0 {
            (*thread).free = (*frame(thread, free)).below;
            free
        } else {
            (*thread).frames_used += 1;
            (*thread).frames_used
        };
        let new = frame(thread, number);
        (*new).below = (*stack).top;
        (*stack).top = number;
        new
    }
}

/// Takes the innermost frame off.
#[inline(always)]
pub fn pop(control: &Control, thread: *mut Thread, stack: *mut Stack) {
    // SAFETY: as in `current_stack`; the caller saw that `top` is not 0.
    unsafe {
        let number = (*stack).top;
        let gone = frame(thread, number);
        (*stack).top = (*gone).below;
        (*gone).below = (*thread).free;
        (*thread).free = number;
        // One that is held back was not counted when it opened.
        if (*gone).flags & FRAME_HELD != 0 {
            return;
        }
    }
    budget::add(&control.frames_closed, 1);
}

/// Counts a held frame at its end, which decided that it counts; its number, or `None` if a limit forbids it.
#[inline(always)]
pub fn release(control: &Control, held: *mut Frame, time_ns: u64) -> Option<u64> {
    let call_id = budget::admit(control, time_ns)?;
    budget::add(&control.frames_opened, 1);
    // SAFETY: the caller's frame.
    unsafe {
        (*held).call_id = call_id;
        (*held).flags &= !FRAME_HELD;
    }
    Some(call_id)
}

/// Whether an end of a held frame that no exit saw counts; then the frame is released.
#[inline(always)]
fn counts_unseen(control: &Control, gone: *mut Frame, outcome: Outcome, hit: &Hit) -> bool {
    // SAFETY: as in `current_stack`.
    unsafe {
        let Some(plan) = maps::PLANS.get(Cookie((*gone).cookie).plan()) else { return false };
        let Some(entry) = condition::filter(plan.filter) else { return false };
        if entry.flags & FILTER_DROPS_UNSEEN != 0 {
            return false;
        }
        let mut verdict = Verdict::Yes;
        if outcome as u8 == Outcome::Unknown as u8 {
            verdict = Verdict::Undecided;
        } else if let Some(filter) = condition::filter(entry.unseen) {
            let mut values = Values([0; VALUES]);
            values.0[usize::from(VALUE_THREAD_ID)] = hit.pid_tgid & 0xffff_ffff;
            values.0[usize::from(VALUE_DURATION)] = hit.time_ns - (*gone).time_ns;
            values.0[usize::from(VALUE_PARTS)] = u64::from((*gone).flags >> FRAME_PARTS_SHIFT);
            verdict = condition::terms(filter, &values);
        }
        condition::note(control, verdict);
        verdict == Verdict::Yes && release(control, gone, hit.time_ns).is_some()
    }
}

/// Closes the frames that are gone: those below `stack_pointer`, and at an entry the one at it.
#[inline(always)]
pub fn close_stale(
    control: &Control,
    thread: *mut Thread,
    stack: *mut Stack,
    stack_pointer: u64,
    time_ns: u64,
    pid_tgid: u64,
) {
    // SAFETY: as in `current_stack`.
    unsafe {
        if (*stack).top != 0 && (*frame(thread, (*stack).top)).stack_pointer < stack_pointer {
            let hit = Hit { stack_pointer, time_ns, pid_tgid };
            close_below(control, thread, &hit);
        }
    }
}

/// What a closing record needs of the hit. (A BPF function takes at most five arguments.)
#[repr(C)]
pub struct Hit {
    pub stack_pointer: u64,
    pub time_ns: u64,
    pub pid_tgid: u64,
}

#[unsafe(no_mangle)]
pub extern "C" fn close_below(control: *const Control, thread: *mut Thread, hit: *const Hit) -> i32 {
    if control.is_null() || thread.is_null() || hit.is_null() {
        return 0;
    }
    // SAFETY: checked for null above.
    let (control, hit) = unsafe { (&*control, &*hit) };
    for _ in 0..FRAMES_MAX {
        // SAFETY: as in `current_stack`.
        unsafe {
            let stack = stack(thread, (*thread).stack);
            let top = ptr::read_volatile(&(*stack).top);
            if top == 0 || (*frame(thread, top)).stack_pointer >= hit.stack_pointer {
                return 0;
            }
        }
        close_gone(control, thread, hit);
    }
    0
}

/// Closes the innermost frame, which was left in a way that no probe saw.
#[unsafe(no_mangle)]
pub extern "C" fn close_gone(control: *const Control, thread: *mut Thread, hit: *const Hit) -> i32 {
    if control.is_null() || thread.is_null() || hit.is_null() {
        return 0;
    }
    // SAFETY: checked for null above; the rest as in `current_stack`.
    unsafe {
        let (control, hit) = (&*control, &*hit);
        let stack = stack(thread, (*thread).stack);
        let gone = frame(thread, (*stack).top);
        let flags = (*gone).flags as u8;
        let outcome = if flags & PLAN_EXITS_INCOMPLETE != 0 {
            Outcome::Unknown
        } else if flags & PLAN_MAY_TAIL_CALL != 0 {
            Outcome::TailCalled
        } else {
            Outcome::Unwound
        };
        if (*gone).flags & FRAME_HELD != 0 {
            if counts_unseen(control, gone, outcome, hit) {
                closing_record(thread, gone, outcome, hit);
                (*thread).header.flags = ((*stack).top as u8) << RECORD_HELD_SHIFT;
                pop(control, thread, stack);
                emit::record(control, thread);
            } else {
                pop(control, thread, stack);
            }
            return 0;
        }
        closing_record(thread, gone, outcome, hit);
        pop(control, thread, stack);
        emit::record(control, thread);
    }
    0
}

/// Starts the exit record of a frame.
#[inline(always)]
pub unsafe fn closing_record(thread: *mut Thread, gone: *const Frame, outcome: Outcome, hit: &Hit) {
    // SAFETY: the caller checked both pointers.
    unsafe {
        emit::header(thread, Kind::Exit, (*gone).cookie, hit.time_ns, hit.pid_tgid);
        let header = &raw mut (*thread).header;
        (*header).outcome = outcome as u8;
        (*header).depth = u32::from((*gone).depth);
        (*header).call_id = (*gone).call_id;
        (*header).context = (*gone).time_ns;
    }
}

/// Closes the frame at exactly this stack pointer, found where a new call begins or another function returns.
#[inline(always)]
pub fn close_replaced(control: &Control, thread: *mut Thread, stack: *mut Stack, hit: &Hit) {
    // SAFETY: as in `current_stack`.
    unsafe {
        if (*stack).top != 0 && (*frame(thread, (*stack).top)).stack_pointer == hit.stack_pointer {
            close_gone(control, thread, hit);
        }
    }
}
