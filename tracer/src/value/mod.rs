//! Bytes + type layout → value → text. Pure: no files, no processes, no DWARF.

pub mod image;
pub mod layout;
pub mod place;
