//! The root of the BPF programs, built for `bpfel-unknown-none` by `cargo xtask ebpf`.
//! On the host it is an empty program, so that the workspace builds and lints on stable Rust.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
use aya_ebpf::{macros::uprobe, programs::ProbeContext};

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[uprobe]
fn entry(context: ProbeContext) -> u32 {
    aya_log_ebpf::debug!(&context, "entry");
    0
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}
