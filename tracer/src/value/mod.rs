//! Bytes + type layout → value → text. Pure: no files, no processes, no DWARF.

pub mod backtrace;
pub mod difference;
pub mod image;
pub mod json;
pub mod layout;
pub mod name;
pub mod place;
pub mod redaction;
pub mod text;

mod collect;
mod decode;
mod extended;
#[cfg(test)]
pub(crate) mod fixture;
mod flags;
mod foreign;
mod limits;
mod linked;
pub(crate) mod lookup;
mod shell;
pub(crate) mod source;
mod string;
mod styled;
pub mod term;
mod told;
#[allow(clippy::module_inception)]
mod value;
pub(crate) mod view;
pub mod walk;

#[cfg(test)]
mod tests;

pub use decode::decode;
pub use limits::Limits;
pub(crate) use limits::{NESTING_MAX, OBJECT_POINTERS_MAX};
pub use value::{Omitted, Payload, Value};
