//! What is there: the process, its objects, their symbols, debug information and USDT probes, its memory.
//! The only part that opens files and reads /proc. Needs no BPF and changes nothing.

pub mod address;
pub mod debug_file;
pub mod debug_info;
pub mod demangle;
pub mod error;
pub mod files;
mod growing;
pub mod image;
pub mod load;
pub mod mapping;
pub mod memory;
pub mod memory_scan;
pub mod object;
pub mod operand;
pub mod process;
pub mod procfs;
pub mod socket;
mod split_files;
pub mod symbol;
pub mod thread;
pub mod thread_local;
pub mod unwind;
pub mod usdt;

pub use error::TargetError;
