//! TRUTH of backtraces: frame by frame what gdb says of the same process at the same place.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::lines::Lines;
use crate::harness::session::{Outcome, Session};
use crate::harness::target::Target;
use crate::harness::{build, turn};

/// One frame: address, function, line if there is one, whether it is inlined.
#[derive(Debug)]
struct Frame {
    address: u64,
    function: String,
    line: u64,
    is_inlined: bool,
}

/// Prints each frame of the stack; tail-called frames are left out, which are guessed and not on the stack.
const GDB_FRAMES: &str = "python\n\
    frame = gdb.newest_frame()\n\
    while frame:\n\
    \x20 if frame.type() != gdb.TAILCALL_FRAME:\n\
    \x20   name = '<signal handler called>' if frame.type() == gdb.SIGTRAMP_FRAME else frame.name()\n\
    \x20   sal = frame.find_sal()\n\
    \x20   inlined = frame.type() == gdb.INLINE_FRAME\n\
    \x20   print('frame|%d|%d|%d|%s' % (frame.pc(), sal.line if sal.symtab else 0, inlined, name))\n\
    \x20 frame = frame.older()\n\
    end\n";

/// What gdb says of the stack when the process runs into `address`.
#[track_caller]
fn gdb(target: &mut Target, address: u64, command: &str) -> Vec<Frame> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("frames");
    std::fs::write(&script, GDB_FRAMES).unwrap();
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-p", &target.p()]);
    for line in [
        "set backtrace past-main on",
        "set backtrace past-entry on",
        "set backtrace limit unlimited",
        "handle SIGUSR1 SIGUSR2 nostop noprint pass",
        &format!("tbreak *{address:#x}"),
        "echo armed\\n",
        "continue",
    ] {
        gdb.args(["-ex", line]);
    }
    gdb.arg("-x").arg(&script);
    let mut gdb = gdb.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("gdb");
    let mut lines = Lines::of(gdb.stdout.take().unwrap());
    lines.find("armed", |line| line.contains("armed"));
    target.send(command);
    let frames = lines.all();
    gdb.wait().unwrap();
    assert_eq!(target.lines.next().as_deref(), Some("done"));
    let frames: Vec<Frame> = frames
        .iter()
        .filter_map(|line| line.strip_prefix("frame|"))
        .map(|line| {
            let mut fields = line.splitn(4, '|');
            let mut number = || fields.next().unwrap().parse::<u64>().unwrap();
            let (address, line, is_inlined) = (number(), number(), number() == 1);
            Frame { address, line, is_inlined, function: fields.next().unwrap().to_owned() }
        })
        .collect();
    assert!(!frames.is_empty(), "gdb says nothing");
    frames
}

fn frames(call: &Value) -> Vec<Frame> {
    let frame = |frame: &Value| Frame {
        address: u64::from_str_radix(&frame["address"].as_str().unwrap()[2..], 16).unwrap(),
        function: frame["function"].as_str().unwrap_or("None").to_owned(),
        line: frame["line"].as_u64().unwrap_or(0),
        is_inlined: frame["inlined"].as_bool().unwrap(),
    };
    call["backtrace"].as_array().unwrap_or_else(|| panic!("no backtrace: {call}")).iter().map(frame).collect()
}

/// Traces the probe while the target obeys one command.
#[track_caller]
fn traced(target: &mut Target, probe: &str, command: &str, more: &[&str]) -> Outcome {
    let arguments = [&[probe, "--backtrace", "-n", "1", "--returns", "off"], more].concat();
    let session = Session::trace(&target.p(), &arguments);
    assert_eq!(target.ask(command), "done");
    session.outcome()
}

/// The function's own name, without path, template arguments and what a compiler appends.
fn own_name(function: &str) -> &str {
    let end = function.find("{{vtable").unwrap_or(function.len());
    let mut depth = 0;
    let start = function[..end].char_indices().rev().find_map(|(at, character)| {
        depth += i32::from(character == '>') - i32::from(character == '<');
        (depth == 0 && character == ':').then_some(at + 1)
    });
    let name = &function[start.unwrap_or(0)..end];
    let name = name.trim_start_matches("{{").trim_start_matches("__GI_");
    name.split(['<', '(', '{', '}']).next().unwrap()
}

/// Compares all frames but the inlined ones at the probe itself, of which gdb shows none or all, as it likes.
#[track_caller]
fn compare(ours: &[Frame], theirs: &[Frame], is_complete: bool) {
    let callers = |frames: &[Frame]| frames.iter().position(|frame| !frame.is_inlined).unwrap();
    let (ours, theirs) = (&ours[callers(ours)..], &theirs[callers(theirs)..]);
    for (index, (own, other)) in ours.iter().zip(theirs).enumerate() {
        let same = own.address == other.address
            && own.is_inlined == other.is_inlined
            && (other.function.contains(own_name(&own.function)) || other.function == "None");
        let line = own.line == other.line || index == 0 || own.line == 0 || other.line == 0;
        assert!(same && line, "frame {index}: {own:x?}, but gdb says {other:x?}\n{ours:#x?}\n{theirs:#x?}");
    }
    if is_complete {
        assert_eq!(ours.len(), theirs.len(), "{ours:#x?}\n{theirs:#x?}");
    }
}

/// The address at which the probe is, and its backtrace, compared with gdb's.
#[track_caller]
fn agrees(program: PathBuf, probe: &str, commands: &[&str]) {
    let _turn = turn();
    let mut target = Target::start(program);
    for command in commands {
        let outcome = traced(&mut target, probe, command, &[]);
        let [call] = &outcome.of_kind("call")[..] else { panic!("{outcome:#?}") };
        let ours = frames(call);
        assert_eq!(call["backtrace_end"], Value::Null, "{command}: {call}");
        let theirs = gdb(&mut target, ours[0].address, command);
        compare(&ours, &theirs, true);
    }
}

const C: [&str; 6] = ["callback", "deep 5", "deep 300", "sized 1000", "signal", "thread"];

#[test]
fn an_optimised_c_program() {
    let program = build::c_with("calls", "calls-release", &["-g", "-O2", "-pthread", "-fomit-frame-pointer"]);
    agrees(program, "leaf", &C);
}

#[test]
fn an_unoptimised_c_program() {
    agrees(build::c_with("calls", "calls-dev", &["-g", "-O0", "-pthread"]), "leaf", &C);
}

#[test]
fn an_optimised_cpp_program() {
    agrees(build::cpp("calls"), "app::leaf", &["virtual", "unwinding"]);
}

const RUST: [&str; 5] = ["dyn", "deep", "sort", "panic", "thread"];

#[test]
fn an_optimised_rust_program() {
    agrees(build::rust("calls"), "calls::leaf", &RUST);
}

#[test]
fn a_rust_program_with_split_debug_files() {
    let program = build::rust_with("calls", "split", &["-g", "-O", "-Csplit-debuginfo=unpacked"]);
    agrees(program, "calls::leaf", &RUST);
}

#[test]
fn an_unoptimised_rust_program() {
    agrees(build::rust_dev("calls"), "calls::leaf", &RUST);
}

fn stripped(program: &Path) -> PathBuf {
    let stripped = program.with_extension("stripped");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(program).status().expect("strip");
    assert!(status.success());
    stripped
}

#[test]
fn a_stripped_program_has_frames_without_names() {
    let program = build::c_with("calls", "calls-release", &["-g", "-O2", "-pthread", "-fomit-frame-pointer"]);
    // Called by the fixture after each command.
    agrees(stripped(&program), "libc.so.6!puts", &["deep 1", "callback"]);
}

#[test]
fn unwind_information_in_debug_frame_alone() {
    let flags = ["-g", "-O2", "-pthread", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    agrees(build::c_with("calls", "calls-debug-frame", &flags), "leaf", &["callback", "deep 5", "sized 64"]);
}

#[test]
fn what_cannot_be_unwound_says_why() {
    let _turn = turn();
    let program = build::c_with("calls", "calls-release", &["-g", "-O2", "-pthread", "-fomit-frame-pointer"]);
    let mut target = Target::start(program);
    let outcome = traced(&mut target, "leaf", "deep 5000", &["--stack-bytes", "8k"]);
    let [call] = &outcome.of_kind("call")[..] else { panic!("{outcome:#?}") };
    assert_eq!(call["backtrace_end"], "stack snapshot ended after 8 kB", "{call}");
    let ours = frames(call);
    assert!(ours.len() > 200, "{}", ours.len());
    let theirs = gdb(&mut target, ours[0].address, "deep 5000");
    compare(&ours, &theirs, false);
    let outcome = traced(&mut target, "leaf", "signal stack", &[]);
    let [call] = &outcome.of_kind("call")[..] else { panic!("{outcome:#?}") };
    assert_eq!(call["backtrace_end"], "goes on on another stack", "{call}");
    assert!(frames(call).iter().any(|frame| frame.function == "<signal handler called>"), "{call}");
    let outcome = traced(&mut target, "leaf", "coroutine", &[]);
    let [call] = &outcome.of_kind("call")[..] else { panic!("{outcome:#?}") };
    let names: Vec<String> = frames(call).into_iter().map(|frame| frame.function).collect();
    assert!(names.contains(&"coroutine".to_owned()), "{names:?}");
}

#[test]
fn text_folds_what_runs_the_program() {
    let _turn = turn();
    let mut target = Target::start(build::rust("calls"));
    let pid = target.p();
    for (detail, is_folded) in [("--backtrace", true), ("--backtrace=full", false)] {
        let mut session = Session::start(&["trace", "-p", &pid, "calls::leaf", "-n", "1", detail]);
        session.armed();
        assert_eq!(target.ask("thread"), "done");
        let output = session.outcome().output.join("\n");
        assert!(output.contains("calls::inlined") && output.contains("calls.rs:"), "{output}");
        assert_eq!(output.contains("frames of"), is_folded, "{output}");
    }
}

#[test]
fn a_library_that_was_loaded_later_is_unwound() {
    let _turn = turn();
    let program = build::c_with("loads", "loads", &["-g", "-O2", "-rdynamic"]);
    let library = build::c_with("loaded", "loaded.so", &["-g", "-O2", "-shared", "-fPIC"]);
    let mut target = Target::start(program);
    let session = Session::trace(&target.p(), &["called_back", "--backtrace", "-n", "1"]);
    assert_eq!(target.ask(library.to_str().unwrap()), "done");
    let outcome = session.outcome();
    let [call] = &outcome.of_kind("call")[..] else { panic!("{outcome:#?}") };
    let names: Vec<String> = frames(call).into_iter().map(|frame| frame.function).collect();
    assert!(names.contains(&"in_library".to_owned()) && names.contains(&"main".to_owned()), "{names:?}");
    assert_eq!(call["backtrace_end"], Value::Null, "{call}");
}
