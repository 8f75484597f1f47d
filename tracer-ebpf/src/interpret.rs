//! Interprets a capture plan: registers first, then operation by operation.
//!
//! What the loop carries (counter, accumulator, cursor) lives in memory, so that the verifier forgets its ranges
//! between steps; kept in registers it follows every combination and gives up after a million instructions
//! (Linux 6.18).

use core::ptr;

use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::plan::{Op, OpCode, Plan, REGISTERS_MAX, SLOTS, STEPS_MAX};
use tracer_ebpf::abi::thread::{Scratch, Thread};

use crate::{budget, chunks, maps, registers, text};

/// The counter of a plan that has ended.
const ENDED: u64 = u32::MAX as u64;

/// Fills the thread's record behind its header as the plan says. A plan with operations moves the record to the
/// scratch; the scratch is null if the plan has none, or if there is no memory for it.
#[inline(always)]
pub fn capture(control: &Control, thread: *mut Thread, plan: &Plan) -> *mut Scratch {
    registers_into(thread, plan);
    if plan.op_count == 0 {
        return ptr::null_mut();
    }
    let scratch = maps::SCRATCH.current();
    if scratch.is_null() {
        budget::add(&control.lost_threads, 1);
        return scratch;
    }
    begin(thread, scratch);
    run(control, thread, scratch, plan);
    scratch
}

/// The registers that the record starts with.
// A global function, like those that run the operations: the verifier looks at it once. Inlined, the rest of the program is looked
// at again for each turn at which a loop can end (226,000 instructions and 2 s instead of 5,000 and a few ms).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn registers_into(thread: *mut Thread, plan: *const Plan) -> i32 {
    if thread.is_null() || plan.is_null() {
        return 0;
    }
    // SAFETY: checked for null above; the loop's index is below the arrays' sizes.
    unsafe {
        let count = (*plan).register_count;
        (*thread).header.register_count = count;
        for (index, register) in (*plan).registers.iter().take(REGISTERS_MAX).enumerate() {
            if index >= usize::from(count) {
                break;
            }
            let value = registers::read(thread, *register);
            (&raw mut (*thread).record).cast::<u64>().add(index).write(value);
        }
        (*thread).cursor = u64::from(count) * 8;
    }
    0
}

/// Moves header and registers to where the chunks will follow.
#[inline(never)]
fn begin(thread: *const Thread, scratch: *mut Scratch) {
    if thread.is_null() || scratch.is_null() {
        return;
    }
    // SAFETY: checked for null above; a short record fits a long one.
    unsafe {
        (*scratch).header = (*thread).header;
        let cursor = (*thread).cursor;
        let (from, to) = ((&raw const (*thread).record).cast::<u64>(), (&raw mut (*scratch).record).cast::<u64>());
        for index in 0..REGISTERS_MAX {
            if index as u64 * 8 >= cursor {
                break;
            }
            to.add(index).write(from.add(index).read());
        }
        ptr::write_volatile(&mut (*scratch).cursor, cursor);
    }
}

/// Runs the plan's operations.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn run(control: *const Control, thread: *const Thread, scratch: *mut Scratch, plan: *const Plan) -> i32 {
    if control.is_null() || thread.is_null() || scratch.is_null() || plan.is_null() {
        return 0;
    }
    // SAFETY: checked for null above.
    let (control, plan) = unsafe { (&*control, &*plan) };
    // SAFETY: as above.
    unsafe {
        ptr::write_volatile(&mut (*scratch).counter, 0);
        ptr::write_volatile(&mut (*scratch).base, 0);
        ptr::write_volatile(&mut (*scratch).depth, 0);
    }
    let mut steps = 0;
    for _ in 0..STEPS_MAX / STRETCH_STEPS {
        let ran = run_stretch(thread, scratch, plan);
        steps += u64::from(ran);
        if ran < STRETCH_STEPS as u32 {
            break;
        }
    }
    budget::add(&control.steps, steps);
    0
}

/// Steps that are verified as one: the verifier looks at the stretch's turns once, and then at those of `run`.
const STRETCH_STEPS: usize = 32;

/// Runs the next operations; returns how many, fewer than a stretch if the plan has ended.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn run_stretch(thread: *const Thread, scratch: *mut Scratch, plan: *const Plan) -> u32 {
    if thread.is_null() || scratch.is_null() || plan.is_null() {
        return 0;
    }
    // SAFETY: checked for null above.
    let plan = unsafe { &*plan };
    for ran in 0..STRETCH_STEPS as u32 {
        // SAFETY: as above.
        let counter = unsafe { ptr::read_volatile(&(*scratch).counter) };
        if counter >= u64::from(plan.op_count) {
            return ran;
        }
        let Some(op) = maps::OPS.get(plan.first_op.wrapping_add(counter as u32)) else { return ran };
        // SAFETY: as above.
        unsafe { ptr::write_volatile(&mut (*scratch).counter, counter + 1) };
        step(thread, scratch, op);
    }
    STRETCH_STEPS as u32
}

/// Runs one operation.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn step(thread: *const Thread, scratch: *mut Scratch, op: *const Op) -> i32 {
    if thread.is_null() || scratch.is_null() || op.is_null() {
        return 0;
    }
    // SAFETY: checked for null above.
    interpret(thread, scratch, unsafe { &*op });
    0
}

#[inline(always)]
fn interpret(thread: *const Thread, scratch: *mut Scratch, op: &Op) {
    // SAFETY: `scratch` was checked for null.
    let acc = unsafe { ptr::read_volatile(&(*scratch).accumulator) };
    let new = match op.code {
        code if code == OpCode::LoadRegister as u8 => registers::read(thread, op.register),
        code if code == OpCode::LoadConstant as u8 => op.a,
        code if code == OpCode::Add as u8 => acc.wrapping_add(op.a),
        code if code == OpCode::AddScaled as u8 => {
            acc.wrapping_add(registers::read(thread, op.register).wrapping_mul(op.a))
        }
        code if code == OpCode::AddSlot as u8 => acc.wrapping_add(slot(scratch, op.register).wrapping_mul(op.a)),
        code if code == OpCode::Extend as u8 => extend(acc, op.immediate, op.a == 1),
        code if code == OpCode::Save as u8 => return set_slot(scratch, op.register, acc),
        code if code == OpCode::Restore as u8 => slot(scratch, op.register),
        code if code == OpCode::Least as u8 => least(acc, op.a),
        code if code == OpCode::LeastSlot as u8 => least(acc, slot(scratch, op.register)),
        code if code == OpCode::LoadMemory as u8 => return chunks::load_memory(scratch, op, acc),
        code if code == OpCode::Copy as u8 => {
            return chunks::chunk(scratch, op, acc.wrapping_add(op.a), op.b, op.b);
        }
        code if code == OpCode::CopySlice as u8 => {
            return chunks::chunk(scratch, op, acc, product(slot(scratch, op.register), op.immediate), op.b);
        }
        code if code == OpCode::CopyString as u8 => return chunks::string(scratch, op, acc),
        code if code == OpCode::FindClear as u8 => {
            return chunks::find_clear(scratch, op, acc, slot(scratch, op.register));
        }
        code if code == OpCode::MatchText as u8 => {
            return text::match_text(scratch, op, acc, slot(scratch, op.register));
        }
        code if code == OpCode::StringLength as u8 => return text::string_length(scratch, op, acc),
        code if code == OpCode::JumpUnless as u8 => return jump_if(scratch, op, acc < op.a || acc > op.b),
        code if code == OpCode::JumpIf as u8 => return jump_if(scratch, op, acc >= op.a && acc <= op.b),
        code if code == OpCode::Jump as u8 => return jump_if(scratch, op, true),
        code if code == OpCode::JumpUnlessBelow as u8 => {
            return jump_if(scratch, op, acc >= slot(scratch, op.register));
        }
        code if code == OpCode::JumpIfDeep as u8 => return jump_if(scratch, op, is_deep(scratch, op)),
        code if code == OpCode::Repeat as u8 => return repeat(scratch, op),
        code if code == OpCode::Call as u8 => return call(scratch, op),
        code if code == OpCode::Return as u8 => return leave(scratch),
        _ => return,
    };
    // SAFETY: as above.
    unsafe { ptr::write_volatile(&mut (*scratch).accumulator, new) };
}

/// A slot of the whole stack; the mask keeps the index inside the array.
#[inline(always)]
fn slot_at(scratch: *mut Scratch, index: u64) -> *mut u64 {
    // SAFETY: as said above; `scratch` was checked for null.
    unsafe { (&raw mut (*scratch).slots).cast::<u64>().add(index as usize & (SLOTS - 1)) }
}

#[inline(always)]
fn slot(scratch: *mut Scratch, number: u8) -> u64 {
    // SAFETY: inside the array.
    unsafe { slot_at(scratch, (*scratch).base.wrapping_add(u64::from(number))).read_volatile() }
}

#[inline(always)]
fn set_slot(scratch: *mut Scratch, number: u8, value: u64) {
    // SAFETY: inside the array.
    unsafe { slot_at(scratch, (*scratch).base.wrapping_add(u64::from(number))).write_volatile(value) }
}

#[inline(always)]
fn least(value: u64, other: u64) -> u64 {
    if value < other { value } else { other }
}

/// Saturating, without the 128-bit multiplication that BPF lacks.
#[inline(always)]
fn product(length: u64, element_bytes: u32) -> u64 {
    if length > u64::from(u32::MAX) { u64::MAX } else { length.wrapping_mul(u64::from(element_bytes)) }
}

/// Ends the plan.
#[inline(always)]
pub fn end(scratch: *mut Scratch) {
    // SAFETY: `scratch` was checked for null.
    unsafe { ptr::write_volatile(&mut (*scratch).counter, ENDED) };
}

#[inline(always)]
pub fn jump_if(scratch: *mut Scratch, op: &Op, condition: bool) {
    if condition {
        // SAFETY: as in `end`.
        unsafe { ptr::write_volatile(&mut (*scratch).counter, u64::from(op.target)) };
    }
}

#[inline(always)]
fn is_deep(scratch: *mut Scratch, op: &Op) -> bool {
    // SAFETY: as in `end`.
    unsafe { ptr::read_volatile(&(*scratch).depth).wrapping_add(u64::from(op.immediate)) >= op.b }
}

#[inline(always)]
fn repeat(scratch: *mut Scratch, op: &Op) {
    let item = slot(scratch, op.register).wrapping_add(op.a);
    let left = slot(scratch, op.register.wrapping_add(1)).wrapping_sub(1);
    set_slot(scratch, op.register, item);
    set_slot(scratch, op.register.wrapping_add(1), left);
    // SAFETY: as in `end`.
    unsafe { ptr::write_volatile(&mut (*scratch).accumulator, item) };
    jump_if(scratch, op, left != 0);
}

/// One slot keeps where the call was made: the counter, the base and the depth, in 16, 16 and 32 bits.
#[inline(always)]
fn call(scratch: *mut Scratch, op: &Op) {
    // SAFETY: as in `end`.
    unsafe {
        let (counter, base) = (ptr::read_volatile(&(*scratch).counter), ptr::read_volatile(&(*scratch).base));
        let depth = ptr::read_volatile(&(*scratch).depth);
        let callee = base.wrapping_add(u64::from(op.register)).wrapping_add(1);
        if is_deep(scratch, op) || callee.wrapping_add(op.a) > SLOTS as u64 {
            return;
        }
        set_slot(scratch, op.register, counter & 0xffff | (base & 0xffff) << 16 | depth << 32);
        ptr::write_volatile(&mut (*scratch).base, callee);
        ptr::write_volatile(&mut (*scratch).depth, depth.wrapping_add(u64::from(op.immediate)));
    }
    jump_if(scratch, op, true);
}

#[inline(always)]
fn leave(scratch: *mut Scratch) {
    // SAFETY: as in `end`.
    unsafe {
        let base = ptr::read_volatile(&(*scratch).base);
        if base == 0 {
            return end(scratch);
        }
        let link = slot_at(scratch, base.wrapping_sub(1)).read_volatile();
        ptr::write_volatile(&mut (*scratch).counter, link & 0xffff);
        ptr::write_volatile(&mut (*scratch).base, link >> 16 & 0xffff);
        ptr::write_volatile(&mut (*scratch).depth, link >> 32);
    }
}

#[inline(always)]
fn extend(value: u64, size_bytes: u32, signed: bool) -> u64 {
    match (size_bytes, signed) {
        (1, false) => value & 0xff,
        (2, false) => value & 0xffff,
        (4, false) => value & 0xffff_ffff,
        (1, true) => value as i8 as i64 as u64,
        (2, true) => value as i16 as i64 as u64,
        (4, true) => value as i32 as i64 as u64,
        _ => value,
    }
}
