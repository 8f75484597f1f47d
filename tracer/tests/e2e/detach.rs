//! DETACH: nothing of the tracer stays, however it ended.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, eventually, kernel, memory, turn};

const UNLIMITED: [&str; 6] = ["-n", "0", "--for", "0", "--max-overhead", "100"];

/// Sees to it that a session is traced under load, ends it, and looks for what it left.
fn leaves_nothing(attach: &str, end: impl FnOnce(Session)) {
    let _turn = turn();
    let program = build::c("hammer");
    let mut target = Target::start(&program);
    let before = memory::code(target.pid(), &program);
    let speed = target.number("speed");
    let session = Session::trace(&target.p(), &[&["hit", "--attach", attach][..], &UNLIMITED].concat());
    target.ask("spin 1 0");
    eventually("the probes are in the code", || memory::code(target.pid(), &program) != before);
    let objects = kernel::held_by(session.pid());
    assert!(objects.iter().any(|object| object.is_link()) || attach == "perf-event", "{objects:?}");
    assert!(objects.len() > 2 && objects.iter().all(|object| object.exists()), "{objects:?}");
    std::thread::sleep(std::time::Duration::from_millis(300));
    end(session);
    assert!(target.number("stop") > 1000, "the target went on");
    eventually("programs, maps and links are gone", || objects.iter().all(|object| !object.exists()));
    eventually("the original code is back", || memory::code(target.pid(), &program) == before);
    // A probe that is left makes a call at least ten times slower.
    let after = target.number("speed");
    assert!(after > speed / 4, "the target made {speed} calls before, {after} after");
    assert_eq!(target.end().code(), Some(0));
}

#[test]
fn ctrl_c_leaves_nothing() {
    leaves_nothing("auto", |session| {
        let outcome = session.interrupt();
        assert!(matches!(outcome.code, Some(0 | 3)), "{:?}", outcome.errors);
        assert_eq!(outcome.stopped()["reason"], "interrupted");
    });
}

#[test]
fn sigkill_leaves_nothing() {
    leaves_nothing("auto", |session| {
        session.signal(libc::SIGKILL);
        assert_eq!(session.outcome().code, None);
    });
}

#[test]
fn sigkill_leaves_nothing_of_perf_events() {
    leaves_nothing("perf-event", |session| {
        session.signal(libc::SIGKILL);
        assert_eq!(session.outcome().code, None);
    });
}

#[test]
fn a_reached_limit_leaves_nothing() {
    let _turn = turn();
    let program = build::c("hammer");
    let mut target = Target::start(&program);
    let before = memory::code(target.pid(), &program);
    target.ask("spin 2 1000");
    let session = Session::trace(&target.p(), &["hit"]);
    session.outcome().ended_well("limit");
    assert_eq!(memory::code(target.pid(), &program), before);
    target.number("stop");
    assert_eq!(target.end().code(), Some(0));
}

#[test]
fn semaphores_of_usdt_probes_go_back_to_zero() {
    let _turn = turn();
    let program = build::registry(&[]);
    let mut command = Command::new(&program);
    let target = Target::spawn(command.args(["register-random-trees", "2", "100"]).stderr(Stdio::null()));
    let semaphores = semaphores(&program);
    assert!(!semaphores.is_empty());
    let counts = || semaphores.iter().map(|address| memory::half_word(target.pid(), &program, *address));
    assert!(counts().all(|count| count == 0));
    for number in [libc::SIGINT, libc::SIGKILL] {
        let session = Session::trace(&target.p(), &["usdt:mailbox:*", "-n", "0", "--for", "0"]);
        assert!(counts().all(|count| count > 0), "{:?}", counts().collect::<Vec<_>>());
        session.signal(number);
        drop(session.outcome());
        eventually("semaphores are 0", || counts().all(|count| count == 0));
    }
}

/// Link addresses of the semaphores of the provider `mailbox`, as readelf sees them.
fn semaphores(program: &Path) -> Vec<u64> {
    let notes = Command::new("readelf").arg("-n").arg(program).output().unwrap();
    let notes = String::from_utf8(notes.stdout).unwrap();
    let lines: Vec<&str> = notes.lines().collect();
    let of_mailboxes = lines.windows(3).filter(|lines| lines[0].trim() == "Provider: mailbox");
    let mut addresses: Vec<u64> = of_mailboxes
        .filter_map(|lines| lines[2].rsplit("Semaphore: 0x").next())
        .map(|address| u64::from_str_radix(address, 16).unwrap())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
