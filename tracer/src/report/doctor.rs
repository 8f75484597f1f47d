//! `tracer doctor`: what this kernel, this user and this target allow; each line with what to do about it.

use std::fmt::Write as _;

use serde_json::json;

use super::color::{Paint, Palette, printable};
use super::units;

/// Whom a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Kernel,
    User,
    Target,
}

impl Subject {
    fn word(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::User => "user",
            Self::Target => "target",
        }
    }
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Good,
    /// Something does not work, or costs more.
    Limited,
    /// Nothing can be traced before this is solved.
    Missing,
    /// It could not be found out.
    Unknown,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }

    fn paint(self) -> Paint {
        match self {
            Self::Good => Paint::Good,
            Self::Limited | Self::Unknown => Paint::Warning,
            Self::Missing => Paint::Bad,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub subject: Subject,
    /// `uprobe_multi links`, `CAP_PERFMON`, `debug information`.
    pub name: String,
    pub state: State,
    /// What is there: `6.18.0`, `full`, `none`.
    pub found: String,
    /// What does not work because of it.
    pub costs: Option<String>,
    /// How to get it.
    pub remedy: Option<String>,
}

/// All checks, in the order that they are shown within their subject.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Diagnosis {
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Whether anything is missing without which nothing can be traced.
    pub fn is_ready(&self) -> bool {
        self.count(State::Missing) == 0
    }

    /// A block of lines for each subject, and the verdict as the last line.
    pub fn text(&self, palette: Palette) -> String {
        let mut out = String::new();
        let name_width = self.checks.iter().map(|check| printable(&check.name).chars().count()).max().unwrap_or(0);
        for subject in [Subject::Kernel, Subject::User, Subject::Target] {
            let mut checks = self.checks.iter().filter(|check| check.subject == subject).peekable();
            if checks.peek().is_some() {
                palette.paint(&mut out, Paint::Strong, subject.word());
                out.push('\n');
            }
            for check in checks {
                check.text(&mut out, palette, name_width);
            }
        }
        let (paint, verdict) = self.verdict();
        palette.paint(&mut out, paint, &verdict);
        out.push('\n');
        out
    }

    /// JSON Lines: `{"kind":"check",…}`.
    pub fn json(&self) -> String {
        let mut out = String::new();
        for check in &self.checks {
            let line = json!({
                "kind": "check",
                "subject": check.subject.word(),
                "name": check.name,
                "state": check.state.word(),
                "found": check.found,
                "costs": check.costs,
                "remedy": check.remedy,
            });
            let _ = writeln!(out, "{line}");
        }
        out
    }

    fn verdict(&self) -> (Paint, String) {
        let limited = self.count(State::Limited) + self.count(State::Unknown);
        match (self.count(State::Missing), limited) {
            (0, 0) => (Paint::Good, "ready: everything works here".to_owned()),
            (0, limited) => (Paint::Good, format!("ready, with {}", units::counted(limited, "limitation"))),
            (1, _) => (Paint::Bad, "not ready: 1 thing is missing".to_owned()),
            (missing, _) => (Paint::Bad, format!("not ready: {} are missing", units::counted(missing, "thing"))),
        }
    }

    fn count(&self, state: State) -> u64 {
        self.checks.iter().filter(|check| check.state == state).count() as u64
    }
}

impl Check {
    fn text(&self, out: &mut String, palette: Palette, name_width: usize) {
        let name = printable(&self.name);
        let space = " ".repeat(name_width - name.chars().count());
        out.push_str("  ");
        palette.paint(out, self.state.paint(), &format!("{:<7}", self.state.word()));
        let line = format!("  {name}{space}  {}", printable(&self.found));
        out.push_str(line.trim_end());
        out.push('\n');
        let advice = [("costs", &self.costs), ("do", &self.remedy)];
        for (label, text) in advice.into_iter().filter_map(|(label, text)| Some((label, text.as_deref()?))) {
            let _ = write!(out, "{:11}", "");
            palette.paint(out, Paint::Dim, &format!("{label}: "));
            out.push_str(&printable(text));
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: Subject, name: &str, state: State, found: &str) -> Check {
        Check { subject, name: name.to_owned(), state, found: found.to_owned(), costs: None, remedy: None }
    }

    fn diagnosis() -> Diagnosis {
        let limited = Check {
            costs: Some("arguments and return values are not shown".to_owned()),
            remedy: Some("build with `debug = \"full\"` in the profile".to_owned()),
            ..check(Subject::Target, "debug information", State::Limited, "none")
        };
        Diagnosis {
            checks: vec![
                check(Subject::Kernel, "release", State::Good, "6.18.0"),
                limited,
                Check {
                    remedy: Some("run as root, or `setcap cap_bpf,cap_perfmon+ep` on the tracer".to_owned()),
                    ..check(Subject::User, "CAP_PERFMON", State::Missing, "")
                },
                check(Subject::Kernel, "uprobe_multi", State::Unknown, "not tried"),
            ],
        }
    }

    #[test]
    fn text_groups_by_subject_and_ends_with_the_verdict() {
        insta::assert_snapshot!(diagnosis().text(Palette::OFF), @r#"
        kernel
          ok       release            6.18.0
          unknown  uprobe_multi       not tried
        user
          missing  CAP_PERFMON
                   do: run as root, or `setcap cap_bpf,cap_perfmon+ep` on the tracer
        target
          limited  debug information  none
                   costs: arguments and return values are not shown
                   do: build with `debug = "full"` in the profile
        not ready: 1 thing is missing
        "#);
    }

    #[test]
    fn json_has_one_check_per_line() {
        insta::assert_snapshot!(diagnosis().json(), @r#"
        {"kind":"check","subject":"kernel","name":"release","state":"ok","found":"6.18.0","costs":null,"remedy":null}
        {"kind":"check","subject":"target","name":"debug information","state":"limited","found":"none","costs":"arguments and return values are not shown","remedy":"build with `debug = \"full\"` in the profile"}
        {"kind":"check","subject":"user","name":"CAP_PERFMON","state":"missing","found":"","costs":null,"remedy":"run as root, or `setcap cap_bpf,cap_perfmon+ep` on the tracer"}
        {"kind":"check","subject":"kernel","name":"uprobe_multi","state":"unknown","found":"not tried","costs":null,"remedy":null}
        "#);
    }

    #[test]
    fn the_verdict_follows_the_worst_check() {
        let mut diagnosis = diagnosis();
        assert!(!diagnosis.is_ready());
        diagnosis.checks.retain(|check| check.state != State::Missing);
        assert!(diagnosis.is_ready());
        assert!(diagnosis.text(Palette::OFF).ends_with("ready, with 2 limitations\n"));
        diagnosis.checks.retain(|check| check.state == State::Good);
        assert!(diagnosis.text(Palette::OFF).ends_with("ready: everything works here\n"));
    }
}
