//! Bad input: a clear sentence, the right exit code, an untouched target.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::session::{Session, TRACER, tracer};
use crate::harness::target::Target;
use crate::harness::{build, memory, turn};

/// A copy of a fixture that may be changed.
fn copy(program: PathBuf, name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(name);
    fs::copy(program, &copy).unwrap();
    (folder, copy)
}

#[test]
fn no_such_process() {
    let _turn = turn();
    tracer(&["trace", "-p", "999999999", "main"]).refused(1, &["there is no process 999999999"]);
    tracer(&["queues", "-p", "no-such-name"]).refused(1, &["no process is called no-such-name"]);
}

#[test]
fn a_name_that_fits_several_processes() {
    let _turn = turn();
    let (_folder, program) = copy(build::c("hammer"), "tracer-twins");
    let (first, second) = (Target::start(&program), Target::start(&program));
    let outcome = tracer(&["trace", "-p", "tracer-twins", "hit"]);
    outcome.refused(1, &["2 processes are called tracer-twins", &first.p(), &second.p()]);
    drop(second);
    let outcome = tracer(&["trace", "-p", "tracer-twins", "hit", "--for", "100ms", "--json"]);
    outcome.ended_well("time");
}

#[test]
fn a_kernel_thread() {
    let _turn = turn();
    // kthreadd is the process 2 of every initial pid namespace; elsewhere none is in sight.
    if fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        tracer(&["trace", "-p", "2", "main"]).refused(1, &["2 (kthreadd) is a thread of the kernel"]);
    }
}

#[test]
fn a_process_without_its_main_thread() {
    let _turn = turn();
    let mut target = Target::start(build::c_with("headless", "headless", &["-g", "-pthread"]));
    tracer(&["trace", "-p", &target.p(), "obey"]).refused(1, &["the main thread", "has ended while others run on"]);
    assert_eq!(target.ask("go"), "here");
}

#[test]
fn a_process_of_another_architecture() {
    let _turn = turn();
    let flags = ["-m32", "-nostdlib", "-static", "-ffreestanding"];
    let program = build::c_with("foreign", "foreign", &flags);
    let mut command = Command::new(program);
    // A kernel without 32-bit emulation cannot run it, so there is nothing to refuse.
    if command.stdin(Stdio::null()).spawn().map(|mut child| (child.kill(), child.wait())).is_err() {
        return;
    }
    let target = Target::spawn(&mut command);
    tracer(&["trace", "-p", &target.p(), "main"]).refused(1, &["32-bit", "only 64-bit x86-64"]);
}

#[test]
fn a_target_that_exits_while_it_is_traced() {
    let _turn = turn();
    let mut target = Target::start(build::c("hammer"));
    let session = Session::trace(&target.p(), &["hit"]);
    target.end();
    let outcome = session.outcome();
    outcome.ended_well("target-exited");
}

#[test]
fn a_target_that_exits_while_it_is_attached() {
    let _turn = turn();
    let program = build::c("hammer");
    // At another moment each time, from before the tracer starts to after it is armed.
    for moment_ms in (0..200).step_by(20) {
        let mut target = Target::start(&program);
        let session = Session::start(&["trace", "--json", "-p", &target.p(), "hit"]);
        std::thread::sleep(std::time::Duration::from_millis(moment_ms));
        target.end();
        let outcome = session.outcome();
        match outcome.code {
            Some(0) => assert_eq!(outcome.stopped()["reason"], "target-exited", "{outcome:#?}"),
            _ => outcome.refused(1, &[&target.p()]),
        }
    }
}

#[test]
fn a_stripped_program() {
    let _turn = turn();
    let (_folder, program) = copy(build::c("hammer"), "tracer-stripped");
    assert!(Command::new("strip").arg(&program).status().unwrap().success());
    let target = Target::start(&program);
    tracer(&["trace", "-p", &target.p(), "hit"]).refused(1, &["stripped"]);
}

#[test]
fn a_program_without_debug_information() {
    let _turn = turn();
    let program = build::c_with("hammer", "no-debug", &["-O2", "-pthread", "-fno-omit-frame-pointer"]);
    let mut target = Target::start(program);
    let session = Session::trace(&target.p(), &["hit", "-n", "0"]);
    target.number("run 1 5");
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    // Whether it returns something is unknown without types, and must be said.
    assert_eq!(outcome.returns("hit").len(), 5);
    assert_eq!(outcome.returns("hit")[0]["value"]["$unreadable"], "no debug information");
}

#[test]
fn a_program_without_its_split_debug_files() {
    let _turn = turn();
    let program = build::c_with("hammer", "lost-split", &["-gsplit-dwarf", "-g", "-O2", "-pthread"]);
    for entry in fs::read_dir(program.parent().unwrap()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().contains("lost-split") && entry.path() != program {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let target = Target::start(program);
    let planned = tracer(&["trace", "--dry-run", "-p", &target.p(), "main"]);
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    let is_said = |line: &String| line.contains(".dwo was not found") && line.contains("beside the program");
    assert!(planned.errors.iter().any(is_said), "{planned:#?}");
    let doctor = tracer(&["doctor", "-p", &target.p()]);
    assert!(doctor.output.iter().any(|line| line.contains(".dwo was not found")), "{doctor:#?}");
}

#[test]
fn a_program_that_was_replaced_on_disk() {
    let _turn = turn();
    let (_folder, program) = copy(build::c("hammer"), "tracer-replaced");
    let mut target = Target::start(&program);
    let other = program.with_extension("new");
    fs::copy(build::c("tail"), &other).unwrap();
    fs::rename(&other, &program).unwrap();
    let session = Session::trace(&target.p(), &["hit", "-n", "0"]);
    assert_eq!(target.number("run 1 5"), 5);
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    assert_eq!(outcome.calls("hit").len(), 5);
    assert_eq!(target.end().code(), Some(0));
}

#[test]
fn a_pattern_that_matches_nothing() {
    let _turn = turn();
    let target = Target::start(build::c("hammer"));
    tracer(&["trace", "-p", &target.p(), "hitt"]).refused(1, &["nothing to trace for \"hitt\"", "hit"]);
    tracer(&["trace", "-p", &target.p(), "usdt:none:none"]).refused(1, &["nothing to trace"]);
}

#[test]
fn patterns_that_match_everything_or_do_not_parse() {
    let _turn = turn();
    let target = Target::start(build::c("hammer"));
    for everything in ["*", "**", "/./", "/.*/"] {
        tracer(&["trace", "-p", &target.p(), everything]).refused(2, &["every function"]);
    }
    for broken in ["", "a[", "/(/", "usdt:", "::", "0xzz", "hit if"] {
        let outcome = tracer(&["trace", "-p", &target.p(), broken]);
        assert_eq!(outcome.code, Some(2), "{broken:?} {outcome:#?}");
        assert!(outcome.output.is_empty() && !outcome.errors.is_empty(), "{broken:?}");
    }
    assert_eq!(tracer(&["trace", "-p", &target.p()]).code, Some(2));
    assert_eq!(tracer(&["no-such-command"]).code, Some(2));
}

#[test]
fn functions_that_exist_only_inlined() {
    let _turn = turn();
    let program = build::registry(&["inlinable"]);
    let mut command = Command::new(program);
    let target = Target::spawn(command.args(["register-random-trees", "1", "100"]).stderr(Stdio::null()));
    let wasted = "audit_log::waste_electricity_and_pollute";
    tracer(&["trace", "-p", &target.p(), "--inlined", "off", wasted]).refused(1, &["inlined"]);
    let list = tracer(&["list", "-p", &target.p(), "audit_log::waste_electricity_and_pollute"]);
    assert!(list.output.iter().any(|line| line.contains("inlined only")), "{list:#?}");
}

#[test]
fn a_reader_that_goes_away_ends_the_session() {
    let _turn = turn();
    let program = build::c("hammer");
    let mut target = Target::start(&program);
    let before = memory::code(target.pid(), &program);
    target.ask("spin 1 1000000");
    let line = format!("{TRACER} trace -p {} hit -n 0 --for 0 | head -1; exit ${{PIPESTATUS[0]}}", target.p());
    let output = Command::new("bash").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    assert_eq!(errors.lines().count(), 1, "nothing but the armed line: {errors}");
    assert_eq!(memory::code(target.pid(), &program), before);
}

#[test]
fn a_full_disk_under_standard_output() {
    let _turn = turn();
    let program = build::c("hammer");
    let mut target = Target::start(&program);
    let before = memory::code(target.pid(), &program);
    target.ask("spin 1 1000000");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(TRACER).args(["trace", "-p", &target.p(), "hit"]).stdout(full).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("cannot write to standard output"), "{errors}");
    assert_eq!(memory::code(target.pid(), &program), before);
}

#[test]
fn queues_of_a_program_without_mailbox_probes() {
    let _turn = turn();
    let target = Target::start(build::c("hammer"));
    tracer(&["queues", "-p", &target.p()]).refused(1, &["has no mailbox probes", "docs/mailbox-probes.md"]);
}

#[test]
fn a_target_in_another_pid_namespace() {
    let _turn = turn();
    let mut unshare = Command::new("unshare");
    let mut target =
        Target::command(unshare.args(["-p", "-f", "--mount-proc", "--kill-child"]).arg(build::c("hammer")));
    target.use_only_child();
    let session = Session::trace(&target.p(), &["hit", "-n", "0"]);
    assert_eq!(target.number("run 2 5"), 10);
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    assert_eq!(outcome.calls("hit").len(), 10);
}
