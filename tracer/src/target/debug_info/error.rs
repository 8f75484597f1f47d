//! What can be wrong with debug information, said with the unit that it is wrong in.

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
    #[error("the debug information has no entry at {offset:#x}: was the file replaced?")]
    NoEntry { offset: u64 },
    #[error("the debug information's function at {offset:#x} cannot be read")]
    Function {
        offset: u64,
        #[source]
        source: gimli::Error,
    },
}
