//! Everything that crosses the boundary between the BPF programs and user space.
//! `repr(C)`, explicit padding, sizes asserted; no dependencies, no std.

pub mod control;
pub mod cookie;
pub mod cpu;
pub mod filter;
pub mod mailbox;
pub mod mapping;
pub mod plan;
pub mod record;
pub mod stack;
pub mod thread;
