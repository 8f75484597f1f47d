//! LOSS: what does not reach the user is counted, and the counts add up.

use serde_json::Value;

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, turn};

/// More records than the ring buffer holds, while nobody reads them.
const CALLS: u64 = 250_000;

#[test]
fn a_reader_that_stands_still_loses_records_and_says_how_many() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    let limits = ["-n", "0", "--for", "0", "--max-overhead", "100", "--returns", "off"];
    let session = Session::trace(&target.p(), &[&["hit"][..], &limits].concat());
    session.signal(libc::SIGSTOP);
    assert_eq!(target.number(&format!("run 1 {CALLS}")), CALLS);
    session.signal(libc::SIGCONT);
    let outcome = session.interrupt();
    let stopped = outcome.stopped();
    assert_eq!(outcome.code, Some(3), "{stopped}");
    let number = |key: &str| stopped[key].as_u64().unwrap();
    assert!(number("lost") > 0, "{stopped}");
    assert_eq!(number("calls") + number("lost"), CALLS, "{stopped}");
    let lines = |kind: &'static str| outcome.output.iter().filter(move |line| line.starts_with(kind));
    assert_eq!(lines(r#"{"kind":"call""#).count() as u64, number("calls"));
    assert_eq!(stopped["lost_by"]["ring buffer full"], stopped["lost"]);
    let told = lines(r#"{"kind":"lost""#).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: u64 = told.map(|line| line["lost"].as_u64().unwrap()).sum();
    assert!(told <= number("lost"), "{stopped}");
}

#[test]
fn nothing_is_lost_while_the_reader_keeps_up() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    let session = Session::trace(&target.p(), &["hit", "-n", "0", "--for", "0", "--max-overhead", "100"]);
    assert_eq!(target.number("run 4 5000"), 20_000);
    let stopped = session.interrupt().ended_well("interrupted");
    assert_eq!((&stopped["calls"], &stopped["returns"]), (&20_000.into(), &20_000.into()));
}
