//! The kernel's side of a session: features, loading, links, limits, records.
//! The only part that knows aya and bpf(2). Dropping a session detaches everything.

pub mod calibrate;
pub mod control;
pub mod diagnostics;
pub mod error;
mod fault_in;
pub mod feature;
mod kernel_types;
pub mod link;
pub mod load;
pub mod overhead;
pub mod sampling;
pub mod session;
mod sys;
pub mod thread_pointers;
