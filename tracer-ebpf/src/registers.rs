//! The target's registers at the hit, by DWARF number.
//! Copied whole at each hit: the program's context cannot be indexed by a variable, and seventeen moves cost less
//! than one search through a jump table.

use core::arch::asm;

use aya_ebpf::bindings::pt_regs;
use tracer_ebpf::abi::plan::REGISTER_RESULT_POINTER;
use tracer_ebpf::abi::thread::{REGISTERS, Thread};

/// Fills the thread's registers from the program's context.
#[inline(always)]
pub fn save(context: *const pt_regs, thread: *mut Thread) {
    // SAFETY: the context is the program's own, `thread` was checked for null by the caller.
    unsafe {
        let to = &raw mut (*thread).registers;
        (*to)[0] = (*context).rax;
        (*to)[1] = (*context).rdx;
        (*to)[2] = (*context).rcx;
        (*to)[3] = (*context).rbx;
        (*to)[4] = (*context).rsi;
        (*to)[5] = (*context).rdi;
        (*to)[6] = (*context).rbp;
        (*to)[7] = (*context).rsp;
        (*to)[8] = (*context).r8;
        (*to)[9] = (*context).r9;
        (*to)[10] = (*context).r10;
        (*to)[11] = (*context).r11;
        (*to)[12] = (*context).r12;
        (*to)[13] = (*context).r13;
        (*to)[14] = (*context).r14;
        (*to)[15] = (*context).r15;
        (*to)[16] = (*context).rip;
    }
}

/// 0, of which LLVM does not know it: neighbouring zeroes would be written by a loop over bytes.
#[inline(always)]
pub fn zero() -> u64 {
    let value: u64;
    // SAFETY: sets one register.
    unsafe { asm!("{value} = 0", value = out(reg) value, options(pure, nomem, nostack)) };
    value
}

/// Sets the pseudo register that an exit's plan finds the result by.
#[inline(always)]
pub fn set_result_pointer(thread: *mut Thread, value: u64) {
    // SAFETY: a constant index below the array's size.
    unsafe { (&raw mut (*thread).registers).cast::<u64>().add(REGISTER_RESULT_POINTER as usize).write(value) }
}

/// Sets a pseudo register.
#[inline(always)]
pub fn set(thread: *mut Thread, number: u8, value: u64) {
    let index = usize::from(number);
    if index < REGISTERS {
        // SAFETY: the index was compared with the array's size.
        unsafe { (&raw mut (*thread).registers).cast::<u64>().add(index).write(value) }
    }
}

/// Value of a saved register; 0 for a number that user space never sends (vector registers).
#[inline(always)]
pub fn read(thread: *const Thread, number: u8) -> u64 {
    let index = usize::from(number);
    if index >= REGISTERS {
        return 0;
    }
    // SAFETY: the index was compared with the array's size.
    unsafe { (&raw const (*thread).registers).cast::<u64>().add(index).read_volatile() }
}
