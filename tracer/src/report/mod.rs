//! What people and tools read: text and JSON Lines, written to a `Write` that is passed in.
//! Must not know the kernel, DWARF or /proc.

pub mod color;
pub mod json;
pub mod moment;
pub mod output;
pub mod summary;
pub mod text;
pub mod units;
