//! Parses the command line, runs the command, exits with its code.

use std::process::ExitCode;

use clap::Parser as _;
use tracer::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if failure.code != 0 {
                cli::say(&failure);
            }
            ExitCode::from(failure.code)
        }
    }
}
