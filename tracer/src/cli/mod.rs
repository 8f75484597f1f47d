//! The commands: one file each, from arguments through the pipeline to the report.
//! No analysis and no kernel call of its own.

mod actor_system;
mod actors;
mod backtrace;
mod completions;
mod doctor;
mod dry_run;
mod exit;
mod info;
mod inlined;
mod interrupt;
mod list;
mod listing;
mod messages;
mod messages_watch;
mod options;
mod print;
mod queues;
mod queues_memory;
mod say;
mod session;
mod stacks;
mod target;
mod trace;
mod verbose;
mod why;
mod workers;
mod workers_watch;

use clap::{CommandFactory, Parser, Subcommand};

pub use exit::Failure;
pub use say::say;

/// Look into a running, unmodified native program.
#[derive(Debug, Parser)]
#[command(name = "tracer", version = VERSION, about, long_about = LONG_ABOUT, after_help = EXAMPLES)]
#[command(max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const LONG_ABOUT: &str = "\
Look into a running, unmodified native program: trace its functions with arguments, return values and durations, \
list what can be probed, sample the lengths of its mailboxes. Nothing is changed in the program, nothing is \
restarted, and every session has limits.";

const EXAMPLES: &str = "\
Examples:
  tracer doctor -p myapp                       what can be seen of it
  tracer list -p myapp 'store::*'              functions and probes to choose from
  sudo tracer trace -p myapp 'Store::save'     10 calls, or 15 seconds
  sudo tracer print -p myapp config::LIMITS    a static as it is now
  sudo tracer queues -p myapp                  mailbox lengths over 2 seconds
  sudo tracer actors -p myapp                  its tokio tasks: what each does and waits for
  sudo tracer why -p myapp                     which of them the others wait for, and why
  sudo tracer workers -p myapp                 its threads, and the polls that block them
  sudo tracer messages -p myapp Store          what its actor Store receives, replies and changes

Exit codes: 0 done, 1 failed, 2 usage, 3 done but events were lost, 4 ended by a safety guard.";

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(doctor::Arguments),
    List(list::Arguments),
    Trace(trace::Arguments),
    Print(print::Arguments),
    Queues(queues::Arguments),
    Actors(actors::Arguments),
    Info(info::Arguments),
    Messages(messages::Arguments),
    Why(why::Arguments),
    Workers(workers::Arguments),
    Completions(completions::Completions),
    Man(completions::ManPage),
}

/// Parses nothing and prints nothing but what the command is about; returns the process's exit code.
///
/// # Errors
/// A [`Failure`] holds the sentence for standard error and the exit code.
pub fn run(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Print(arguments) => print::run(&arguments),
        Command::Queues(arguments) => queues::run(&arguments),
        Command::Actors(arguments) => actors::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Messages(arguments) => messages::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Workers(arguments) => workers::run(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments, command()),
        Command::Man(arguments) => completions::man(&arguments, command()),
    }
}

/// The command line's definition, for completions and the man page.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Version of the tracer, and which BPF object it carries.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nBPF object ", env!("TRACER_BPF_DIGEST"));

#[cfg(test)]
#[path = "help_tests.rs"]
mod help_tests;
