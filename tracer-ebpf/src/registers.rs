//! The target's registers at the hit, by DWARF number.

use aya_ebpf::bindings::pt_regs;
use tracer_ebpf::abi::plan::REGISTER_RESULT_POINTER;
use tracer_ebpf::abi::thread::Thread;

/// Value of the register; 0 for a number that user space never sends (vector registers).
// The context cannot be indexed by a variable offset, so this is a jump table. Not inlined: one copy for the verifier.
#[inline(never)]
pub fn read(context: *const pt_regs, thread: *const Thread, number: u8) -> u64 {
    if context.is_null() || thread.is_null() {
        return 0;
    }
    // SAFETY: the verifier checks both pointers.
    unsafe {
        match number {
            0 => (*context).rax,
            1 => (*context).rdx,
            2 => (*context).rcx,
            3 => (*context).rbx,
            4 => (*context).rsi,
            5 => (*context).rdi,
            6 => (*context).rbp,
            7 => (*context).rsp,
            8 => (*context).r8,
            9 => (*context).r9,
            10 => (*context).r10,
            11 => (*context).r11,
            12 => (*context).r12,
            13 => (*context).r13,
            14 => (*context).r14,
            15 => (*context).r15,
            16 => (*context).rip,
            REGISTER_RESULT_POINTER => (*thread).result_pointer,
            _ => 0,
        }
    }
}
