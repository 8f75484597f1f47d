//! What people and tools read: text and JSON Lines, written to a `Write` that is passed in.
//! Must not know the kernel, DWARF or /proc.

pub mod actors;
pub mod backtrace;
pub mod color;
pub mod doctor;
pub mod info;
pub mod json;
pub mod list;
pub mod messages;
pub mod moment;
pub mod output;
pub mod pipe;
pub mod plan;
pub mod print;
pub mod queues;
#[cfg(test)]
mod replay;
pub mod summary;
mod table;
pub mod text;
pub mod trace;
mod type_name;
pub mod units;
pub mod why;
pub mod width;
pub mod workers;
