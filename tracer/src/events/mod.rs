//! Ring-buffer bytes → events: parse, order, decode, pair, count what was lost.
//! Everything here can be replayed from recorded bytes: no kernel, no files, no printing.

#[cfg(test)]
pub(crate) mod bytes;
pub mod clock;
pub mod decode;
pub mod event;
mod held;
mod hidden;
pub mod loss;
pub mod mailbox;
pub mod order;
pub mod pair;
pub mod record;
#[cfg(test)]
pub(crate) mod samples;
pub mod stacks;
pub mod stream;

pub use crate::plan::description;
