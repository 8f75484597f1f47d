//! The project's own commands, run as `cargo xtask <command>`.
//! They drive cargo and the built binaries; nothing of the tracer is linked here.

mod apt;
mod bench;
mod demo;
mod ebpf;
mod run;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure what the engine costs, against baselines of the same run; needs root
    Bench(bench::Arguments),
    /// Find the bottleneck of the registry app under load with the tracer's own commands; needs root
    Demo,
    /// Build the BPF object, or check that the committed one matches its source
    Ebpf(ebpf::Arguments),
    /// Check and test everything; the end-to-end part needs root
    Test(test::Arguments),
    /// Check the habits that neither the compiler nor clippy looks after
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Demo => demo::run(),
        Command::Ebpf(arguments) => ebpf::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
