//! Options that several commands share, and how their values are written.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::verbose;
use crate::report::color::{ColorChoice, Palette};
use crate::value::Limits;
use crate::value::redaction::{NameGlob, Redaction};
use crate::value::text::Style;

#[derive(Debug, Args)]
pub struct TargetOptions {
    /// The process to look into: its pid, or its name if only one process has it
    #[arg(short, long = "pid", value_name = "PID|NAME")]
    pub process: String,
}

#[derive(Debug, Args)]
pub struct OutputOptions {
    /// Print JSON Lines instead of text
    #[arg(long)]
    pub json: bool,
    /// When to use colors: `auto` does so in a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Say more: all that was left out and why, types in full
    #[arg(short, long)]
    pub verbose: bool,
}

impl OutputOptions {
    /// To be called first: from here on `-v` shows what is logged.
    pub fn set_up(&self) {
        if self.verbose {
            verbose::enable();
        }
    }

    /// The colors for standard output.
    pub fn palette(&self) -> Palette {
        use std::io::IsTerminal as _;
        let choice = match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let no_color = std::env::var("NO_COLOR").ok();
        let term = std::env::var("TERM").ok();
        choice.resolve(std::io::stdout().is_terminal(), no_color.as_deref(), term.as_deref())
    }
}

/// How much of a value is copied, and how it is shown: for every command that shows values.
#[derive(Debug, Args)]
#[command(next_help_heading = "Values")]
pub struct ValueOptions {
    /// Show values over several lines, as `{:#?}` does
    #[arg(long, conflicts_with = "json")]
    pub pretty: bool,
    /// Show type names with their modules and generic arguments
    #[arg(long)]
    pub full_types: bool,
    /// Follow at most N pointers, one behind the other; 0 to 16
    #[arg(long, value_name = "N", default_value_t = Limits::default().pointers_max,
          value_parser = clap::value_parser!(u32).range(..=i64::from(Limits::POINTERS_MOST)))]
    pub max_depth: u32,
    /// Show at most N elements of each array, vector or map; 0 to 1024, as far as they fit into 1024 bytes
    #[arg(long, value_name = "N", default_value_t = Limits::default().items_max,
          value_parser = clap::value_parser!(u64).range(..=Limits::ITEMS_MOST))]
    pub max_items: u64,
    /// Show at most BYTES of each string; 0 to 1023
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().string_bytes_max,
          value_parser = clap::value_parser!(u64).range(..=Limits::STRING_BYTES_MOST))]
    pub max_string: u64,
    /// Never read what goes by a name like GLOB ('*password*'): fields at any depth, arguments, string keys of maps,
    /// results of functions; may be repeated, case does not matter
    #[arg(long, value_name = "GLOB")]
    pub redact: Vec<NameGlob>,
}

impl ValueOptions {
    pub fn limits(&self) -> Limits {
        Limits {
            string_bytes_max: self.max_string,
            items_max: self.max_items,
            pointers_max: self.max_depth,
            ..Limits::default()
        }
    }

    pub fn style(&self) -> Style {
        Style { pretty: self.pretty, full_types: self.full_types }
    }

    pub fn redaction(&self) -> Redaction {
        Redaction(self.redact.clone())
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// What keeps a session safe.
#[derive(Debug, Args)]
pub struct SafetyOptions {
    /// End when the probes cost the target more than PERCENT of its time; 100 turns this guard off
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent)]
    pub max_overhead: f64,
    /// How probes are attached
    #[arg(long, value_enum, default_value_t = Attach::Auto, value_name = "WAY", hide_short_help = true)]
    pub attach: Attach,
}

impl SafetyOptions {
    /// The guard as a share of 1, `None` if it is off.
    pub fn max_overhead(&self) -> Option<f64> {
        (self.max_overhead < 100.0).then_some(self.max_overhead / 100.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attach {
    /// The best way that this kernel has
    Auto,
    /// By uprobe_multi links, from Linux 6.6 on
    Multi,
    /// By one perf event for each site, from Linux 5.15 on: slow, and needs CAP_SYS_ADMIN
    PerfEvent,
}

/// A length of time; `0` lifts the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let duration = duration(text)?;
        Ok(Self((!duration.is_zero()).then_some(duration)))
    }
}

/// `2s`, `500ms`, `1m 30s`; a bare number means seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text} is no length of time"));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}, write 2s, 500ms or 1m"))
}

/// Like [`duration`], but not nothing.
pub fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        duration => Ok(duration),
    }
}

/// `100/s` or `100`.
pub fn rate(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match number.parse() {
        Ok(0) => Err("a rate of 0 admits nothing".into()),
        Ok(rate) => Ok(rate),
        Err(_) => Err("write a rate as 100/s".into()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        Ok(_) => Err("it must be more than 0, and 100 at most".into()),
        Err(_) => Err("write a percentage as 5".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_with_or_without_unit() {
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!("0".parse(), Ok(Limit(None)));
        assert_eq!("15s".parse(), Ok(Limit(Some(Duration::from_secs(15)))));
        for wrong in ["", "x", "-1", "1 parsec", "nan", "inf"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(interval("0").is_err());
    }

    #[test]
    fn rates_and_percentages_are_bounded() {
        assert_eq!((rate("100/s"), rate("7")), (Ok(100), Ok(7)));
        assert!(rate("0").is_err() && rate("100/m").is_err());
        assert_eq!(percent("5%"), Ok(5.0));
        assert!(percent("0").is_err() && percent("101").is_err() && percent("x").is_err());
    }

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        output: OutputOptions,
        #[command(flatten)]
        values: ValueOptions,
    }

    #[test]
    fn limits_have_safe_defaults_and_bounds() {
        use clap::Parser as _;
        let parse = |words: &[&str]| Command::try_parse_from([&["x"], words].concat()).map(|command| command.values);
        let defaults = parse(&[]).unwrap();
        assert_eq!(defaults.limits(), Limits::default());
        assert!(defaults.redaction().is_empty() && !defaults.style().pretty);
        let most = ["--max-depth=16", "--max-items=1024", "--max-string=1023"];
        assert_eq!(parse(&most).unwrap().limits().items_max, 1024);
        assert_eq!(parse(&["--max-depth=0", "--max-items=0", "--max-string=0"]).unwrap().limits().pointers_max, 0);
        for beyond in ["--max-depth=17", "--max-items=1025", "--max-string=1024"] {
            assert!(parse(&[beyond]).is_err(), "{beyond}");
        }
        assert!(parse(&["--redact="]).is_err());
        assert!(parse(&["--redact=a*", "--redact=b"]).unwrap().redaction().masks("B"));
        assert!(parse(&["--pretty", "--json"]).is_err());
    }
}
