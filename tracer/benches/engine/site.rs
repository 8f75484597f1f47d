//! The function of this program that carries the probes. Like most functions it begins with an instruction that the
//! kernel emulates and ends with a `ret`, which the kernel steps over.

use tracer::kernel::calibrate::own_offset;
use tracer::plan::probe_plan::FileOffset;

std::arch::global_asm!(
    ".pushsection .text.tracer_bench,\"ax\",@progbits",
    ".balign 64",
    ".type tracer_bench_site, @function",
    "tracer_bench_site:",
    "push rbp",
    "pop rbp",
    "tracer_bench_site_ret:",
    "ret",
    ".size tracer_bench_site, . - tracer_bench_site",
    ".popsection",
);

unsafe extern "C" {
    fn tracer_bench_site(first: *const u8, second: u64);
    fn tracer_bench_site_ret();
}

/// The function's symbol.
pub const NAME: &str = "tracer_bench_site";

/// What the site's first argument points to.
static TEXT: [u8; 64] = *b"thirty-one characters in a text\0and thirty-one after its end...\0";

/// One hit of each probe.
pub fn call() {
    // SAFETY: the function changes nothing and returns.
    unsafe { tracer_bench_site(TEXT.as_ptr(), 42) }
}

/// Where the function begins, and where its `ret` is.
pub fn offsets() -> Option<(FileOffset, FileOffset)> {
    Some((own_offset(tracer_bench_site as *const () as u64)?, own_offset(tracer_bench_site_ret as *const () as u64)?))
}
