//! `cargo xtask bench`: what the engine costs, against baselines measured in the same run. Prints a table and judges
//! it by the project's targets; writes nothing but compiled fixtures, and fails only when it cannot measure.

mod actors;
mod big;
mod bpftrace;
mod fixture;
mod hit;
mod many;
mod overload;
mod rate;
mod site;
mod table;
mod tracer;
mod values;

use std::error::Error;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures and prints a table.
type Topic = fn() -> Outcome<()>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == fixture::IDLE) {
        fixture::idle();
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` starts benches too, without this argument.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    match run(|topic| wanted.is_empty() || wanted.iter().any(|word| topic.contains(word.as_str()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(is_wanted: impl Fn(&str) -> bool) -> Outcome<()> {
    println!("{}\n", table::machine());
    let topics: [(&str, Topic); 8] = [
        ("hits", hit::run),
        ("values", values::run),
        ("rate", rate::run),
        ("many", many::run),
        ("big", big::run),
        ("overload", overload::run),
        ("bpftrace", bpftrace::run),
        ("actors", actors::run),
    ];
    for (topic, measure) in topics {
        if is_wanted(topic) {
            measure().map_err(|error| format!("{topic}: {error}"))?;
        }
    }
    Ok(())
}
