//! What DWARF says of an object: its functions, their signatures, the layouts of their types.
//! Reads sections that it is given, never a process, and knows nothing of symbols or calling conventions.

mod function;
mod signature;

pub use function::{DieId, Function, FunctionKind, InlinedCopy, Language, SourceLine};
pub use signature::{EntryLocation, LoadedTypes, Parameter, Poll, Signature};
