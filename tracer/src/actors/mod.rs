//! The actor system from outside: tokio's tasks and channels found in the target's memory, what each task waits for,
//! and who waits for whom. Reads through `value::image::Memory`; attaches nothing, stops nothing, prints nothing.

pub mod age;
pub mod awaiting;
mod bottleneck;
pub mod card;
pub mod channel;
pub mod error;
pub mod execution;
pub mod graph;
pub mod holdings;
pub mod look;
pub mod messages;
pub mod name;
pub mod polls;
pub mod program;
pub mod queued;
pub mod reader;
pub mod row;
pub mod task;
pub mod verdict;
pub mod waits;
pub mod worker;
pub mod worker_row;

pub use error::ActorsError;
