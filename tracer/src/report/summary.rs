//! Why the session ended and what it saw: the last line of every trace, and the exit code.

use std::time::Duration;

use serde_json::json;

use super::units;
use crate::events::loss::Losses;

/// Why no more events come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StopReason {
    /// `-n` calls were seen.
    Calls(u64),
    /// More than `--rate` calls came within a second.
    Rate(u64),
    /// `--for` passed.
    Time(Duration),
    /// Ctrl-C, or SIGTERM.
    Interrupted,
    TargetExited,
    /// The probes cost the target more than `--max-overhead`, a share of 1.
    Overload {
        max_overhead: f64,
    },
}

impl StopReason {
    /// The JSON word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Calls(_) | Self::Rate(_) => "limit",
            Self::Time(_) => "time",
            Self::Interrupted => "interrupted",
            Self::TargetExited => "target-exited",
            Self::Overload { .. } => "overload",
        }
    }
}

/// The end of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub reason: StopReason,
    /// Calls and USDT events.
    pub calls: u64,
    pub returns: u64,
    /// Calls that a condition left out because a part of it could not be read.
    pub undecided: u64,
    /// Calls whose condition was decided outside of the kernel; `None` if the kernel decided all of it.
    pub judged: Option<u64>,
    pub losses: Losses,
    /// Share of the target's time that the probes took, 1 is all of it; `None` if it could not be measured.
    pub overhead: Option<f64>,
}

impl Summary {
    /// Of a target that exited before anything was attached to it.
    pub fn exited_early() -> Self {
        let reason = StopReason::TargetExited;
        Self { reason, calls: 0, returns: 0, undecided: 0, judged: None, losses: Losses::default(), overhead: None }
    }

    /// 0 done, 3 done but events were lost, 4 ended by a safety guard.
    pub fn exit_code(&self) -> u8 {
        match self.reason {
            StopReason::Overload { .. } => 4,
            _ if self.losses.any() => 3,
            _ => 0,
        }
    }

    /// The last line for people, without line feed.
    pub fn text(&self) -> String {
        let mut parts = vec![
            format!("stopped: {}", self.why()),
            format!(
                "{}, {}, {} lost{}",
                units::counted(self.calls, "call"),
                units::counted(self.returns, "return"),
                units::count(self.losses.total()),
                self.lost_where(),
            ),
        ];
        if let Some(judged) = self.judged {
            parts.push(format!("condition decided on the records of {}", units::counted(judged, "call")));
        }
        if self.undecided > 0 {
            parts.push(format!("condition could not be decided: {}", units::count(self.undecided)));
        }
        parts.push(match self.overhead {
            Some(share) => format!("overhead {}", units::percent(share)),
            None => "overhead not measured".to_owned(),
        });
        parts.extend(self.lift().map(str::to_owned));
        parts.join(" · ")
    }

    /// The last line of `tracer queues`, without line feed: there are no calls to count. The one window that is
    /// measured when nobody asks for more is no limit.
    pub fn queues_text(&self, is_one_window: bool) -> String {
        let lost = format!("{} lost{}", units::count(self.losses.total()), self.lost_where());
        let overhead = self
            .overhead
            .map_or("overhead not measured".to_owned(), |share| format!("overhead {}", units::percent(share)));
        match self.reason {
            StopReason::Time(_) if is_one_window => format!("done: one window · {lost} · {overhead}"),
            _ => format!("stopped: {} · {lost} · {overhead}", self.why()),
        }
    }

    /// The last line for tools.
    pub fn json(&self) -> String {
        let mut object = json!({
            "kind": "stopped",
            "reason": self.reason.word(),
            "calls": self.calls,
            "returns": self.returns,
            "lost": self.losses.total(),
            "overhead": self.overhead,
        });
        if let Some(object) = object.as_object_mut().filter(|_| self.losses.any()) {
            let counts = self.losses.nonzero().map(|(name, count)| (name.to_owned(), count.into())).collect();
            object.insert("lost_by".to_owned(), serde_json::Value::Object(counts));
        }
        if let Some(object) = object.as_object_mut().filter(|_| self.undecided > 0) {
            object.insert("undecided".to_owned(), self.undecided.into());
        }
        if let (Some(object), Some(judged)) = (object.as_object_mut(), self.judged) {
            object.insert("judged".to_owned(), judged.into());
        }
        object.to_string()
    }

    fn why(&self) -> String {
        match self.reason {
            StopReason::Calls(max) => format!("limit of {} reached", units::counted(max, "call")),
            StopReason::Rate(max) => format!("rate of {} per second exceeded", units::counted(max, "call")),
            StopReason::Time(limit) => {
                let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
                format!("time limit of {} reached", round(units::duration(limit_ns)))
            }
            StopReason::Interrupted => "interrupted".to_owned(),
            StopReason::TargetExited => "the target exited".to_owned(),
            StopReason::Overload { max_overhead } => {
                format!("the probes cost the target more than {}", round(units::percent(max_overhead)))
            }
        }
    }

    fn lost_where(&self) -> String {
        let places: Vec<String> =
            self.losses.nonzero().map(|(name, count)| format!("{name}: {}", units::count(count))).collect();
        if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) }
    }

    fn lift(&self) -> Option<&'static str> {
        match self.reason {
            StopReason::Calls(_) => Some("lift with -n N"),
            StopReason::Rate(_) => Some("lift with --rate N"),
            StopReason::Time(_) => Some("lift with --for DURATION"),
            StopReason::Overload { .. } => Some("narrow the pattern, or lift with --max-overhead PERCENT"),
            StopReason::Interrupted | StopReason::TargetExited => None,
        }
    }
}

/// What the user set needs no decimals that are 0: `15 s`, `5 %`.
fn round(number: String) -> String {
    number.replacen(".0 ", " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(reason: StopReason) -> Summary {
        Summary {
            reason,
            calls: 10,
            returns: 10,
            undecided: 0,
            judged: None,
            losses: Losses::default(),
            overhead: Some(0.003),
        }
    }

    #[test]
    fn text_says_why_what_and_how_to_lift_it() {
        let reasons = [
            StopReason::Calls(10),
            StopReason::Rate(1_000),
            StopReason::Time(Duration::from_secs(15)),
            StopReason::Interrupted,
            StopReason::TargetExited,
            StopReason::Overload { max_overhead: 0.05 },
        ];
        let text: Vec<String> = reasons.into_iter().map(|reason| summary(reason).text()).collect();
        insta::assert_snapshot!(text.join("\n"), @"
        stopped: limit of 10 calls reached · 10 calls, 10 returns, 0 lost · overhead 0.3 % · lift with -n N
        stopped: rate of 1,000 calls per second exceeded · 10 calls, 10 returns, 0 lost · overhead 0.3 % · lift with --rate N
        stopped: time limit of 15 s reached · 10 calls, 10 returns, 0 lost · overhead 0.3 % · lift with --for DURATION
        stopped: interrupted · 10 calls, 10 returns, 0 lost · overhead 0.3 %
        stopped: the target exited · 10 calls, 10 returns, 0 lost · overhead 0.3 %
        stopped: the probes cost the target more than 5 % · 10 calls, 10 returns, 0 lost · overhead 0.3 % · narrow the pattern, or lift with --max-overhead PERCENT
        ");
    }

    #[test]
    fn one_window_of_queues_is_no_limit() {
        let over = summary(StopReason::Time(Duration::from_secs(2)));
        insta::assert_snapshot!(format!("{}\n{}", over.queues_text(true), over.queues_text(false)), @"
        done: one window · 0 lost · overhead 0.3 %
        stopped: time limit of 2 s reached · 0 lost · overhead 0.3 %
        ");
        let interrupted = summary(StopReason::Interrupted).queues_text(true);
        assert_eq!(interrupted, "stopped: interrupted · 0 lost · overhead 0.3 %");
    }

    #[test]
    fn losses_are_named_and_change_the_exit_code() {
        let losses = Losses { ring_buffer_full: 1_200, malformed: 1, ..Losses::default() };
        let lossy = Summary { losses, overhead: None, ..summary(StopReason::Interrupted) };
        insta::assert_snapshot!(format!("{}\n{}", lossy.text(), lossy.json()), @r#"
        stopped: interrupted · 10 calls, 10 returns, 1,201 lost (ring buffer full: 1,200, malformed records: 1) · overhead not measured
        {"kind":"stopped","reason":"interrupted","calls":10,"returns":10,"lost":1201,"overhead":null,"lost_by":{"ring buffer full":1200,"malformed records":1}}
        "#);
        assert_eq!(lossy.exit_code(), 3);
        assert_eq!(Summary { reason: StopReason::Overload { max_overhead: 0.05 }, ..lossy }.exit_code(), 4);
        assert_eq!(summary(StopReason::Calls(10)).exit_code(), 0);
    }

    #[test]
    fn what_no_condition_could_decide_is_told() {
        let undecided = Summary { undecided: 1_200, ..summary(StopReason::Interrupted) };
        insta::assert_snapshot!(format!("{}\n{}", undecided.text(), undecided.json()), @r#"
        stopped: interrupted · 10 calls, 10 returns, 0 lost · condition could not be decided: 1,200 · overhead 0.3 %
        {"kind":"stopped","reason":"interrupted","calls":10,"returns":10,"lost":0,"overhead":0.003,"undecided":1200}
        "#);
    }

    #[test]
    fn json_is_the_contracts() {
        insta::assert_snapshot!(summary(StopReason::Calls(10)).json(), @r#"{"kind":"stopped","reason":"limit","calls":10,"returns":10,"lost":0,"overhead":0.003}"#);
    }
}
