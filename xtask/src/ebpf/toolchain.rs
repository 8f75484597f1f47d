//! Chooses the compiler for the BPF object: one that is ready, otherwise one that can be installed.
//! Knows the two ways by their answers only; each is described in its own file.

use std::path::PathBuf;

use anyhow::Result;

use super::{debian, nightly};

/// The two ways to get a compiler with a `core` library for BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Way {
    /// rustup's nightly with rust-src; builds `core` itself
    Nightly,
    /// Debian's rustc-web with its prebuilt `core`
    Debian,
}

/// A compiler that can build the BPF object.
pub(crate) struct Toolchain {
    pub(crate) way: Way,
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The folder of the compiler's own LLVM, which bpf-linker loads.
    pub(crate) llvm: PathBuf,
    /// Where this machine keeps the source of `core`, if it is built from there.
    pub(crate) core_source: Option<PathBuf>,
    /// `rustc --version`.
    pub(crate) compiler: String,
}

/// Finds the toolchain, installing it where need be after saying so.
///
/// Debian's comes first: its version is fixed, so that a rebuild gives the same bytes.
pub(crate) fn choose(wanted: Option<Way>) -> Result<Toolchain> {
    match wanted {
        Some(Way::Debian) => debian::find_or_install(),
        Some(Way::Nightly) => nightly::find_or_install(),
        None => {
            if let Some(toolchain) = debian::find().or_else(nightly::find) {
                Ok(toolchain)
            } else if debian::is_offered() {
                debian::find_or_install()
            } else {
                nightly::find_or_install()
            }
        }
    }
}
