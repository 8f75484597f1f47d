//! `tracer list`: the functions and USDT probes of a process or of a file, as `trace` takes them.

use std::path::Path;

use clap::Args;

use super::exit::{DONE, Failure};
use super::listing;
use super::options::OutputOptions;
use super::say::say;
use super::target::{images, nothing_found, say_lacks};
use crate::plan::probe::Probe;
use crate::plan::request;
use crate::report::output::Output;
use crate::target::files::Files;
use crate::target::image::Image;
use crate::target::process::Process;

const USAGE: &str = "tracer list [OPTIONS] -p <PID|NAME> [PATTERN]\n       tracer list [OPTIONS] <FILE> [PATTERN]";

const EXAMPLES: &str = "\
Examples:
  tracer list -p myapp                         all functions and USDT probes of the executable
  tracer list -p myapp 'store::*'              the functions of a module
  tracer list ./myapp 'Store::*'               of a program that does not run
  tracer list -p myapp 'libc.so.6!mall*'       a library's functions
  tracer list -p postgres 'usdt:*:query*'      USDT probes with their arguments
  tracer list -p myapp audit_log.rs:40-60      lines of source that have code, and whose

Each line is one function, with its signature if there is debug information (`_` is a parameter without a name, or one \
that the compiler removed). Copies, as generic functions have them, are counted. A function marked `inlined only` is \
traced where it was inlined: its calls are seen, their ends are not. Without a pattern those are left out. Types are written without their modules, but with -v in full. Privilege is needed only for other users' processes. \
Nothing found: exit code 1.";

/// List functions with their signatures, and USDT probes with their arguments
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub struct Arguments {
    /// The process to look into: its pid, or its name if only one process has it
    #[arg(short, long = "pid", value_name = "PID|NAME")]
    process: Option<String>,
    /// What to list, as in `tracer trace`; all if left out. Without -p, the file to look into comes first
    #[arg(value_name = "FILE|PATTERN", num_args = 0..=2)]
    words: Vec<String>,
    /// Show at most N functions and N probes; 0 shows all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// List closures too: without it only functions that have a name in the source
    #[arg(long)]
    closures: bool,
    #[command(flatten)]
    output: OutputOptions,
}

/// What is looked into.
enum Source<'a> {
    Process(&'a str),
    File(&'a str),
}

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let (source, pattern) = source(arguments)?;
    let probe = pattern.map(|pattern| Probe::parse(pattern)).transpose()?;
    let files = Files::new();
    let (process, images) = match source {
        Source::File(path) => (None, vec![Image::of_file(Path::new(path), &files)?]),
        Source::Process(name) => {
            let process = Process::find(name)?;
            let images = images(&process, &files, |path| request::needs_object(probe.as_slice(), path))?;
            (Some(process), images)
        }
    };
    let mut listing = listing::gather(&images, probe.as_ref(), arguments.closures);
    say_lacks(&images);
    if let Some(probe) = &probe
        && listing.is_empty()
    {
        let nothing = request::nothing(&images, probe, arguments.closures);
        return Err(match &process {
            Some(process) => nothing_found(nothing, process, &files, std::slice::from_ref(probe), arguments.closures),
            None => Failure::new(nothing.to_string()),
        });
    }
    for note in listing::notes(&images) {
        say(note);
    }
    listing.shorten(if arguments.limit == 0 { usize::MAX } else { arguments.limit });
    let text = if arguments.output.json {
        listing.json()
    } else {
        listing.text(arguments.output.palette(), arguments.output.verbose)
    };
    let mut output = Output::new(std::io::stdout());
    if let Some(lines) = text.strip_suffix('\n') {
        output.line(|bytes| bytes.extend_from_slice(lines.as_bytes()))?;
    }
    output.flush()?;
    Ok(DONE)
}

fn source(arguments: &Arguments) -> Result<(Source<'_>, Option<&String>), Failure> {
    match (&arguments.process, arguments.words.as_slice()) {
        (Some(process), []) => Ok((Source::Process(process), None)),
        (Some(process), [pattern]) => Ok((Source::Process(process), Some(pattern))),
        (Some(_), [_, extra, ..]) => {
            Err(Failure::usage(format!("with -p there is one pattern at most: {extra:?} is one too many")))
        }
        (None, [number, ..]) if number.parse::<u32>().is_ok() && !Path::new(number).exists() => {
            Err(Failure::usage(format!("there is no file {number:?}; if it is a process, write -p {number}")))
        }
        (None, [file]) => Ok((Source::File(file), None)),
        (None, [file, pattern, ..]) => Ok((Source::File(file), Some(pattern))),
        (None, []) => Err(Failure::usage("name a process with -p, or give the path of a program")),
    }
}
