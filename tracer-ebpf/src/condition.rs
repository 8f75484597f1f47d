//! Decides filters: terms from registers alone, the rest by operations on the thread's scratch.

use core::arch::asm;
use core::ptr;

use aya_ebpf::bindings::pt_regs;
use tracer_ebpf::abi::control::Control;
use tracer_ebpf::abi::filter::{Filter, PARTS_MAX, TERM_OR, TERMS_MAX, Term, VALUES};
use tracer_ebpf::abi::thread::Thread;

use crate::{budget, interpret, maps, memory};

/// Whether a hit counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    No,
    Yes,
    /// Something that it depends on could not be read.
    Undecided,
}

/// The registers, and what the hit's moment adds.
#[repr(C)]
pub struct Values(pub [u64; VALUES]);

/// What terms look at beside the registers.
pub struct Moment {
    pub thread_id: u64,
    pub duration_ns: u64,
    pub parts: u64,
    pub result_pointer: u64,
}

/// The values that terms look at. All of them: the context cannot be indexed by a variable, and as many moves cost
/// less than one search.
#[inline(always)]
pub fn values(context: *const pt_regs, moment: &Moment) -> Values {
    // SAFETY: the context is the program's own.
    unsafe {
        Values([
            (*context).rax,
            (*context).rdx,
            (*context).rcx,
            (*context).rbx,
            (*context).rsi,
            (*context).rdi,
            (*context).rbp,
            (*context).rsp,
            (*context).r8,
            (*context).r9,
            (*context).r10,
            (*context).r11,
            (*context).r12,
            (*context).r13,
            (*context).r14,
            (*context).r15,
            (*context).rip,
            moment.thread_id,
            moment.duration_ns,
            moment.parts,
            moment.result_pointer,
        ])
    }
}

/// Whether the first term alone makes the filter fail, as far as one of the registers that arguments come in tells.
/// Most hits end here, at a few nanoseconds: all values are not gathered for one.
#[inline(always)]
pub fn fails_at_once(filter: &Filter, context: *const pt_regs) -> bool {
    let term = &filter.terms[0];
    if filter.term_count == 0 || term.size_bytes != 0 || term.flags & TERM_OR != 0 {
        return false;
    }
    // Not by fields: LLVM would make one load of them at a variable offset, which the verifier refuses (Linux 6.18).
    macro_rules! load {
        ($offset:literal) => {{
            let value: u64;
            // SAFETY: a register in the program's own context, `struct pt_regs` of x86-64.
            unsafe {
                asm!(
                    concat!("{value} = *(u64 *)({context} + ", $offset, ")"),
                    value = out(reg) value,
                    context = in(reg) context,
                );
            }
            value
        }};
    }
    let value = match term.value {
        5 => load!("112"),
        4 => load!("104"),
        1 => load!("96"),
        2 => load!("88"),
        8 => load!("72"),
        9 => load!("64"),
        _ => return false,
    };
    (value >> (term.shift & 63)).wrapping_sub(term.low) & term.mask > term.span
}

/// Whether all terms hold.
#[inline(always)]
pub fn terms(filter: &Filter, values: &Values) -> Verdict {
    match all_hold(filter, values) {
        1 => Verdict::Yes,
        0 => Verdict::No,
        _ => Verdict::Undecided,
    }
}

/// 1 if all terms hold, 0 if not, 2 if that could not be read.
// A global function, which the verifier looks at once: inlined, it follows every way through every term.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn all_hold(filter: *const Filter, values: *const Values) -> u32 {
    if filter.is_null() || values.is_null() {
        return 0;
    }
    let (mut holds, mut unread, mut undecided) = (0u32, 0u32, 0u32);
    for index in 0..TERMS_MAX {
        // SAFETY: checked for null above; the index is below the array's size.
        let term = unsafe {
            if index as u32 >= (*filter).term_count {
                break;
            }
            &*(&raw const (*filter).terms).cast::<Term>().add(index)
        };
        let mut value = 0u64;
        if look(term, values, &mut value) {
            let is_inside = (value >> (term.shift & 63)).wrapping_sub(term.low) & term.mask <= term.span;
            holds |= u32::from(is_inside);
        } else {
            unread = 1;
        }
        if term.flags & TERM_OR != 0 {
            continue;
        }
        if holds | unread == 0 {
            return 0;
        }
        undecided |= unread & !holds;
        (holds, unread) = (0, 0);
    }
    if undecided & 1 != 0 { 2 } else { 1 }
}

/// What a term looks at; whether it could be read.
#[inline(always)]
fn look(term: &Term, values: *const Values, word: &mut u64) -> bool {
    let index = usize::from(term.value);
    if index >= VALUES {
        return false;
    }
    // SAFETY: the index was compared with the array's size.
    let value = unsafe { values.cast::<u64>().add(index).read_volatile() };
    let size = u32::from(term.size_bytes);
    if size == 0 {
        *word = value;
        return true;
    }
    let address = value.wrapping_add(i64::from(term.displacement) as u64);
    let size = if size > 8 { 8 } else { size };
    // SAFETY: at most eight bytes into eight.
    unsafe { memory::read(ptr::from_mut(word).cast(), size, address) == memory::WHOLE }
}

/// What the operations of the plan with that index + 1 say. The thread's registers must be those of the hit.
#[inline(always)]
pub fn operations(control: &Control, thread: *const Thread, plan: u32) -> Verdict {
    let Some(plan) = maps::PLANS.get(plan.wrapping_sub(1)) else { return Verdict::Undecided };
    let scratch = maps::SCRATCH.current();
    if scratch.is_null() {
        return Verdict::Undecided;
    }
    // SAFETY: checked for null above. A fault leaves a chunk in the record, which moves the cursor.
    unsafe {
        ptr::write_volatile(&mut (*scratch).accumulator, 0);
        ptr::write_volatile(&mut (*scratch).cursor, 0);
        interpret::run(control, thread, scratch, plan);
        if ptr::read_volatile(&(*scratch).accumulator) == 1 {
            Verdict::Yes
        } else if ptr::read_volatile(&(*scratch).cursor) != 0 {
            Verdict::Undecided
        } else {
            Verdict::No
        }
    }
}

/// Whether the hit counts, after its terms said `verdict`.
#[inline(always)]
pub fn counts(control: &Control, thread: *const Thread, filter: &Filter, verdict: Verdict) -> bool {
    let mut verdict = verdict;
    if filter.plan != 0 {
        match operations(control, thread, filter.plan) {
            Verdict::Yes => {}
            other => verdict = other,
        }
    }
    note(control, verdict);
    verdict == Verdict::Yes
}

/// The filter with that index + 1.
#[inline(always)]
pub fn filter(number: u32) -> Option<&'static Filter> {
    if maps::HAS_FILTERS.load() == 0 || number == 0 { None } else { maps::FILTERS.get(number.wrapping_sub(1)) }
}

/// A bit for each part of the condition that is true.
#[inline(always)]
pub fn parts(control: &Control, thread: *const Thread, filter: &Filter) -> u16 {
    let mut bits = 0;
    for (index, plan) in filter.parts.iter().enumerate().take(PARTS_MAX) {
        if *plan == 0 {
            break;
        }
        if operations(control, thread, *plan) == Verdict::Yes {
            bits |= 1 << index;
        }
    }
    bits
}

/// Counts a hit that does not count because nobody knows whether it should.
#[inline(always)]
pub fn note(control: &Control, verdict: Verdict) {
    if verdict == Verdict::Undecided {
        budget::add(&control.undecided, 1);
    }
}
