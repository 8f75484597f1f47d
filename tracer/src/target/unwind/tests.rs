//! The unwinder on stacks of this very process, against the standard library's own unwinder; and on nonsense.

use std::arch::asm;

use proptest::prelude::*;

use super::*;
use crate::value::backtrace::{Cut, REGISTERS};

const BYTES: usize = 32 << 10;

/// A picture of the stack as a probe here would bring it.
#[inline(never)]
fn picture(bytes: usize) -> Picture {
    let mut registers = [0_u64; REGISTERS];
    // SAFETY: reads registers into a local array, and nothing else.
    unsafe {
        asm!(
            "mov [{to} + 24], rbx", "mov [{to} + 48], rbp", "mov [{to} + 56], rsp",
            "mov [{to} + 96], r12", "mov [{to} + 104], r13", "mov [{to} + 112], r14", "mov [{to} + 120], r15",
            "lea {pc}, [rip]", "mov [{to} + 128], {pc}",
            to = in(reg) &raw mut registers, pc = out(reg) _,
        );
    }
    let start = registers[7];
    let process = Process::open(std::process::id()).unwrap();
    let stack = process.mapping_at(RuntimeAddress(start)).unwrap().unwrap();
    let size = bytes.min((stack.end.0 - start) as usize);
    // SAFETY: the mapping of this thread's stack, from the stack pointer on; what lies there is only copied.
    let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, size) }.to_vec();
    Picture { registers, start, bytes, stack_end: stack.end.0, cut: Cut::Limit }
}

#[inline(never)]
fn deep(levels: u32, bytes: usize) -> Picture {
    if levels == 0 { picture(bytes) } else { std::hint::black_box(deep(levels - 1, bytes)) }
}

fn unwound(picture: &Picture) -> Backtrace {
    let (process, files) = (Process::open(std::process::id()).unwrap(), Files::new());
    Unwinder::new(&process, &files).unwind(picture)
}

fn names(backtrace: &Backtrace) -> Vec<String> {
    let name = |frame: &Frame| frame.function.as_deref().unwrap_or("?").to_owned();
    backtrace.frames.iter().map(name).collect()
}

/// The functions of `std::backtrace`, which has a frame on each line that starts with a number.
fn by_the_standard_library() -> Vec<String> {
    let text = std::backtrace::Backtrace::force_capture().to_string();
    let frames = text.lines().filter_map(|line| line.trim_start().split_once(": "));
    frames.filter(|(number, _)| number.parse::<u32>().is_ok()).map(|(_, name)| name.to_owned()).collect()
}

#[test]
fn a_stack_of_this_process_is_what_the_standard_library_says() {
    let thread = std::thread::spawn(|| (names(&unwound(&picture(BYTES))), by_the_standard_library()));
    let (ours, theirs) = thread.join().unwrap();
    let from = |names: &[String]| {
        let at = names.iter().position(|name| name.contains("__rust_begin_short_backtrace")).unwrap();
        names[at..].iter().filter(|name| !name.contains("call_once") && *name != "?").cloned().collect::<Vec<_>>()
    };
    let (ours, theirs) = (from(&ours), from(&theirs));
    assert!(ours.len() > 3, "{ours:#?}");
    for name in theirs.iter().filter(|name| name.contains("::") && !name.starts_with('<')) {
        let plain = name.split('<').next().unwrap();
        assert!(ours.iter().any(|own| own.starts_with(plain)), "{name} is missing: {ours:#?}\n{theirs:#?}");
    }
}

#[test]
fn every_level_of_a_recursion_is_a_frame() {
    let backtrace = unwound(&deep(17, BYTES));
    let recursive = names(&backtrace).iter().filter(|name| name.ends_with("unwind::tests::deep")).count();
    assert_eq!((recursive, &backtrace.end), (18, &End::Outermost), "{backtrace:#?}");
    let source = backtrace.frames.iter().find_map(|frame| frame.source.as_ref()).unwrap();
    assert!(source.0.ends_with("unwind/tests.rs") && source.1 > 0, "{source:?}");
}

#[test]
fn a_picture_that_is_too_small_says_so() {
    let backtrace = unwound(&deep(100, 2048));
    assert_eq!(backtrace.end, End::PictureEnded { bytes: 2048 });
    assert!(backtrace.frames.len() > 3);
}

#[test]
fn addresses_that_are_no_code_end_the_walk() {
    let mut picture = picture(BYTES);
    picture.registers[16] = picture.start;
    let backtrace = unwound(&picture);
    assert_eq!((backtrace.frames.len(), backtrace.end), (0, End::NotCode { address: picture.start }));
}

#[test]
fn a_stack_pointer_that_goes_down_is_damage() {
    let mut picture = deep(3, BYTES);
    // The frame is addressed by rbp in an unoptimised build, and by rsp otherwise; neither may lead down.
    picture.registers[6] = 0x10;
    picture.bytes.fill(0);
    let backtrace = unwound(&picture);
    assert!(backtrace.end != End::TooManyFrames, "{backtrace:?}");
    assert!(backtrace.frames.len() < 10);
}

#[test]
fn nonsense_ends_somewhere() {
    let (process, files) = (Process::open(std::process::id()).unwrap(), Files::new());
    let unwinder = std::cell::RefCell::new(Unwinder::new(&process, &files));
    let words = (prop::collection::vec((any::<u16>(), any::<u64>()), 1..40), any::<u64>());
    let nonsense = |(words, rbp): (Vec<(u16, u64)>, u64)| {
        let mut picture = picture(8 << 10);
        picture.registers[6] = rbp;
        for (at, word) in words {
            let at = usize::from(at) * 8 % picture.bytes.len();
            if let Some(bytes) = picture.bytes.get_mut(at..at + 8) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
        prop_assert!(unwinder.borrow_mut().unwind(&picture).frames.len() <= FRAMES_MAX * 64);
        Ok(())
    };
    proptest::test_runner::TestRunner::default().run(&words, nonsense).unwrap();
}
