//! Everything that can go wrong while looking at a process and its files, as the user reads it.
//! It knows no probe and no kernel feature.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("cannot open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot map {} into memory", path.display())]
    Map { path: PathBuf, source: io::Error },
    #[error("{} is empty, so it is no program", path.display())]
    EmptyFile { path: PathBuf },
    #[error("{} is not an ELF file", path.display())]
    NotElf { path: PathBuf },
    #[error("{} is damaged or cut off", path.display())]
    DamagedElf { path: PathBuf, source: object::Error },
    #[error("{} is cut off: its headers speak of {needed_bytes} bytes and it has {present_bytes}", path.display())]
    Truncated { path: PathBuf, needed_bytes: u64, present_bytes: u64 },
    #[error("{} is for {found}: only 64-bit x86-64 programs can be traced", path.display())]
    OtherMachine { path: PathBuf, found: String },
    #[error("section {section} of {} cannot be read", path.display())]
    Section { path: PathBuf, section: String, source: object::Error },
    #[error(
        "section {section} of {} claims to be {claimed_bytes} bytes when decompressed, more than the {limit_bytes} allowed",
        path.display()
    )]
    SectionTooLarge { path: PathBuf, section: String, claimed_bytes: u64, limit_bytes: u64 },
}
