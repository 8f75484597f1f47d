//! What can be wrong with debug information, said with the unit that it is wrong in.

use std::path::PathBuf;

/// Offsets are positions in `.debug_info`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DebugInfoError {
    #[error("the debug information's unit header at {offset:#x} cannot be read: later units are not seen")]
    Header {
        offset: u64,
        #[source]
        source: gimli::Error,
    },
    #[error("the debug information's unit at {offset:#x} is damaged: some of its functions are not seen")]
    Unit {
        offset: u64,
        #[source]
        source: gimli::Error,
    },
    #[error("the split debug file {} was not found", path.display())]
    SplitMissing { path: PathBuf },
    #[error("the split debug file {} does not have its unit, so it is of another build", path.display())]
    SplitOfAnotherBuild { path: PathBuf },
    #[error("a unit of the split debug file {} is damaged", path.display())]
    SplitUnit {
        path: PathBuf,
        #[source]
        source: gimli::Error,
    },
    #[error("the debug information has no entry at {offset:#x}: was the file replaced?")]
    NoEntry { offset: u64 },
    #[error("the debug information's function at {offset:#x} cannot be read")]
    Function {
        offset: u64,
        #[source]
        source: gimli::Error,
    },
}
