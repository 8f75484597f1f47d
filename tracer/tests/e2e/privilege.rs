//! PRIVILEGE: two capabilities are enough, and without them one sentence says so.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::session::{Session, TRACER};
use crate::harness::target::Target;
use crate::harness::{build, turn};

/// Debian's `nobody`.
const NOBODY: &str = "65534";

/// A folder that `nobody` can run the tracer and a fixture from.
fn public_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    for (program, name) in [(Path::new(TRACER), "tracer"), (&build::c("hammer"), "hammer")] {
        fs::copy(program, folder.path().join(name)).unwrap();
        fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn as_nobody(capabilities: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).args(capabilities);
    command
}

#[test]
fn another_users_process_is_refused() {
    let _turn = turn();
    let folder = public_folder();
    let target = Target::start(build::c("hammer"));
    let mut tracer = as_nobody(&[]);
    tracer.arg(folder.path().join("tracer")).args(["trace", "-p", &target.p(), "hit"]);
    let outcome = Session::command(&mut tracer).outcome();
    outcome.refused(1, &["of user root may not be inspected", "CAP_SYS_PTRACE"]);
    assert_eq!(outcome.errors.len(), 1, "{outcome:#?}");
}

#[test]
fn the_missing_capabilities_are_named() {
    let _turn = turn();
    let folder = public_folder();
    let target = Target::command(as_nobody(&[]).arg(folder.path().join("hammer")));
    let mut tracer = as_nobody(&[]);
    tracer.arg(folder.path().join("tracer")).args(["trace", "-p", &target.p(), "hit"]);
    let outcome = Session::command(&mut tracer).outcome();
    outcome.refused(1, &["CAP_BPF and CAP_PERFMON"]);
    assert_eq!(outcome.errors.len(), 1, "{outcome:#?}");
}

#[test]
fn two_capabilities_are_enough_for_ones_own_process() {
    let _turn = turn();
    let folder = public_folder();
    let mut target = Target::command(as_nobody(&[]).arg(folder.path().join("hammer")));
    let mut tracer = as_nobody(&["--inh-caps", "+bpf,+perfmon", "--ambient-caps", "+bpf,+perfmon"]);
    tracer.arg(folder.path().join("tracer")).args(["trace", "--json", "-n", "0", "-p", &target.p(), "hit"]);
    let mut session = Session::command(&mut tracer);
    session.armed();
    assert_eq!(target.number("run 1 5"), 5);
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    assert_eq!(outcome.calls("hit").len(), 5);
}
