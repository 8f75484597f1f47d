//! Exit codes, and the errors that end a command, each with its code.

use std::error::Error;
use std::fmt;

use crate::actors::ActorsError;
use crate::kernel::error::KernelError;
use crate::plan::probe::PatternError;
use crate::report::output::OutputError;
use crate::target::TargetError;

/// Done: a limit was reached, time is up, Ctrl-C, or the target exited.
pub const DONE: u8 = 0;
/// It could not be done.
pub const FAILED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;

/// What ends a command early.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    message: String,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    /// The error with its causes, joined by colons.
    fn chain(error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::chain(&error)
    }
}

impl From<ActorsError> for Failure {
    fn from(error: ActorsError) -> Self {
        Self::chain(&error)
    }
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        Self::chain(&error)
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self { code: error.exit_code(), ..Self::chain(&error) }
    }
}

impl From<PatternError> for Failure {
    fn from(error: PatternError) -> Self {
        Self::usage(format!("{error}\n{}", error.pointer()))
    }
}
