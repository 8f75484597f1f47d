//! Why the actors of a process cannot be told.

use std::path::PathBuf;

use thiserror::Error;

use crate::target::TargetError;

#[derive(Debug, Error)]
pub enum ActorsError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(
        "{} runs tokio, but has no debug information that says how its tasks are laid out: build it with \
         `debug = \"full\"` in its Cargo profile, or put its debug file beside it",
        path.display()
    )]
    NoTypes { path: PathBuf },
    #[error(
        "{} runs tokio {version}, but is stripped of the symbols that lead to its tasks: build it with \
         `debug = \"full\"` and without `strip` in its Cargo profile, or put its debug file beside it",
        path.display()
    )]
    Stripped { path: PathBuf, version: String },
}
