//! Options that several commands share, and how their values are written.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::verbose;
use crate::report::color::{ColorChoice, Palette};

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
}
