//! The command line: arguments and their help, nothing else.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Where `serve` listens unless told otherwise.
pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:4100";

const EXAMPLES: &str = r#"Examples:
  target-app register-random-trees 4 100             service and load in one process: the classic load
  target-app register-random-trees 8 100 --for 30s   too much of it, for 30 seconds
  target-app serve --load 8,100 --stats-every 1s     the same behind TCP, telling its queue lengths
  target-app serve --listen 127.0.0.1:4101           a server alone, to be loaded by
  target-app register-random-trees 8 100 --connect 127.0.0.1:4101

Requests, one JSON object per line:
  {"register":{"latitude":52.5,"longitude":13.4,"moisture":40,"specie":"tilia"}}
  {"load":"6a3d9c1e-c838-11f0-8de9-0242ac120002"}
  {"stats":true}

Log entries go to standard error, statistics and final counters to standard output.
SIGINT and SIGTERM finish the registrations in hand, print the counters and exit with 0."#;

/// A registry of trees, made of actors, to be observed from outside
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the registry over TCP
    Serve {
        /// Address to listen on; port 0 takes a free one, which is printed
        #[arg(long, value_name = "ADDR", default_value = DEFAULT_ADDRESS)]
        listen: String,
        /// Also load it, in this process and without TCP
        #[arg(long, value_name = "TASKS,SLEEP_MS")]
        load: Option<LoadShape>,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Register random trees: TASKS loops of a registration and a sleep of SLEEP_MS
    ///
    /// Starts the registry in its own process, unless told to connect to a server.
    RegisterRandomTrees {
        /// Number of concurrent tasks
        #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
        tasks: u32,
        /// Milliseconds between two registrations of a task
        sleep_ms: u64,
        /// Load the server at this address instead
        #[arg(long, value_name = "ADDR", conflicts_with = "stats_every")]
        connect: Option<String>,
        #[command(flatten)]
        run: RunArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Stop after this time, such as 30s or 5min
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) limit: Option<Duration>,
    /// Print one line per mailbox this often
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub(crate) stats_every: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoadShape {
    pub(crate) tasks: u32,
    pub(crate) sleep_ms: u64,
}

impl FromStr for LoadShape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let complaint = || "expected TASKS,SLEEP_MS with 1 to 10000 tasks, such as 4,100".to_owned();
        let (tasks, sleep_ms) = text.split_once(',').ok_or_else(complaint)?;
        let tasks = tasks.parse().ok().filter(|tasks| (1..=10_000).contains(tasks)).ok_or_else(complaint)?;
        let sleep_ms = sleep_ms.parse().map_err(|_| complaint())?;
        Ok(LoadShape { tasks, sleep_ms })
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_load_is_tasks_and_pause() {
        assert_eq!("4,100".parse(), Ok(LoadShape { tasks: 4, sleep_ms: 100 }));
        for wrong in ["4", "0,100", "4,", "4,100,1", "10001,1", "-1,2"] {
            assert!(wrong.parse::<LoadShape>().is_err(), "{wrong}");
        }
    }
}
