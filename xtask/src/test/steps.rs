//! Runs named steps, says what it does and how long each took, and sums up at the end.
//! Goes on after a failure, so that one run shows everything that is wrong.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The steps that were run so far, and those that were left out.
pub(super) struct Steps {
    started: Instant,
    done: Vec<(&'static str, Outcome)>,
}

enum Outcome {
    Passed(Duration),
    Failed(Duration, String),
    LeftOut(&'static str),
}

impl Steps {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    /// Runs a step and notes how it ended.
    pub(super) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        println!("\n=== {name}");
        let started = Instant::now();
        let outcome = match step() {
            Ok(()) => Outcome::Passed(started.elapsed()),
            Err(error) => Outcome::Failed(started.elapsed(), format!("{error:#}")),
        };
        println!("{}", describe(name, &outcome));
        self.done.push((name, outcome));
    }

    /// Notes a step that cannot be run here, which counts as a failure in the end.
    pub(super) fn left_out(&mut self, name: &'static str, reason: &'static str) {
        let outcome = Outcome::LeftOut(reason);
        println!("\n=== {name}\n{}", describe(name, &outcome));
        self.done.push((name, outcome));
    }

    /// Prints the summary.
    ///
    /// # Errors
    /// When a step failed or was left out.
    pub(super) fn finish(self) -> Result<()> {
        println!("\n=== summary");
        for (name, outcome) in &self.done {
            println!("{}", describe(name, outcome));
        }
        println!("took {}", seconds(self.started.elapsed()));
        let count = |is: fn(&Outcome) -> bool| self.done.iter().filter(|(_, outcome)| is(outcome)).count();
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(..)));
        let left_out = count(|outcome| matches!(outcome, Outcome::LeftOut(_)));
        match (failed, left_out) {
            (0, 0) => Ok(()),
            (0, _) => bail!("all that was run passed, but {left_out} of {} steps was not run", self.done.len()),
            _ => bail!("{failed} of {} steps failed, {left_out} were not run", self.done.len()),
        }
    }
}

fn describe(name: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed(duration) => format!("passed   {:>8}  {name}", seconds(*duration)),
        Outcome::Failed(duration, error) => format!("FAILED   {:>8}  {name}: {error}", seconds(*duration)),
        Outcome::LeftOut(reason) => format!("NOT RUN            {name}: {reason}"),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failure_stops_no_later_step_and_fails_the_whole() {
        let mut steps = Steps::new();
        steps.run("first", || Err(anyhow!("broken")));
        let mut ran = false;
        steps.run("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert_eq!(steps.finish().unwrap_err().to_string(), "1 of 2 steps failed, 0 were not run");
    }

    #[test]
    fn what_was_left_out_is_no_success() {
        let mut steps = Steps::new();
        steps.run("first", || Ok(()));
        assert!(Steps::new().finish().is_ok());
        steps.left_out("second", "needs root");
        let error = steps.finish().unwrap_err().to_string();
        assert_eq!(error, "all that was run passed, but 1 of 2 steps was not run");
    }

    #[test]
    fn a_line_says_how_the_step_ended() {
        let failed = Outcome::Failed(Duration::from_millis(1_250), "broken".into());
        assert_eq!(describe("tidy", &failed), "FAILED      1.2 s  tidy: broken");
    }
}
