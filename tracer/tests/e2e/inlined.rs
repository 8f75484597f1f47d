//! Inlined copies: each call is seen once, with the arguments that the program itself printed, or with the reason why
//! one is not known.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::session::{Session, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{build, eventually, turn};

/// What the tracer saw of the functions, and what the program printed: `name`, then `argument=value` each after a tab.
fn both(program: PathBuf, functions: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut target = Target::start(program);
    let pid = target.p();
    let mut session = Session::start(&[&["trace", "-n", "0", "--max-overhead", "100", "-p", &pid], functions].concat());
    session.armed();
    target.send("go");
    let printed = std::iter::from_fn(|| target.lines.next().filter(|line| line != "end")).collect();
    let mut traced = session.interrupt().output;
    traced.pop();
    let thread = format!(" {pid}  inlined ");
    let seen = |line: &String| {
        let start = line.find(&thread).unwrap_or_else(|| panic!("{line} is no inlined call")) + thread.len();
        line[start..].trim_start_matches("inlined::").to_owned()
    };
    (traced.iter().map(seen).collect(), printed)
}

/// The same calls in the same order; every argument that is located is the one printed. Returns how many are.
fn compare(traced: &[String], printed: &[String]) -> usize {
    assert_eq!(traced.len(), printed.len(), "{traced:#?}");
    let mut located = 0;
    for (traced, printed) in traced.iter().zip(printed) {
        let mut parts = printed.split('\t');
        let arguments = traced.strip_prefix(parts.next().unwrap()).unwrap_or_else(|| panic!("{traced} for {printed}"));
        for argument in parts {
            let name = argument.split_once('=').unwrap().0;
            let has = |text: &str| ["(", ", "].iter().any(|before| arguments.contains(&format!("{before}{text}")));
            located += usize::from(has(argument));
            let is_unknown = has(&format!("{name}=<")) || !has(&format!("{name}="));
            assert!(has(argument) || is_unknown, "{traced} for {printed}");
        }
    }
    located
}

const RUST: [&str; 4] = ["inlined::weigh", "inlined::describe", "inlined::step", "inlined::outer"];

#[test]
fn copies_in_an_optimised_rust_program() {
    let _turn = turn();
    for (name, flags) in [("o", &["-g", "-O"][..]), ("fat", &["-g", "-Clto=fat", "-Copt-level=3", "-Ccodegen-units=1"])]
    {
        let (traced, printed) = both(build::rust_with("inlined", name, flags), &RUST);
        assert_eq!(printed.len(), 9);
        assert!(compare(&traced, &printed) >= 8, "{name}: {traced:#?}");
    }
}

#[test]
fn copies_in_an_unoptimised_rust_program() {
    let _turn = turn();
    let (traced, printed) = both(build::rust_dev("inlined"), &RUST);
    assert_eq!(printed.len(), 9);
    assert!(compare(&traced, &printed) >= 16, "{traced:#?}");
}

#[test]
fn copies_in_c_programs() {
    let _turn = turn();
    let builds = [("o2", &["-g", "-O2"][..], 12), ("o0", &["-g", "-O0"], 0), ("o3", &["-g", "-O3", "-flto"], 5)];
    for (name, flags, located_min) in builds {
        let program = build::c_with("inlined", &format!("inlined-{name}"), flags);
        let (traced, printed) = both(program, &["scale", "measure", "turn"]);
        assert_eq!(printed.len(), 7);
        assert!(compare(&traced, &printed) >= located_min, "{name}: {traced:#?}");
    }
}

#[test]
fn a_function_that_exists_only_inlined_is_traced_there() {
    let _turn = turn();
    let mut command = Command::new(build::registry(&["inlinable"]));
    let mut target = Target::spawn(command.args(["register-random-trees", "1", "10"]).stderr(Stdio::null()));
    let name = "audit_log::store_to_the_blockchain";
    let outcome = Session::trace(&target.p(), &[name, "-n", "3", "--for", "1m"]).outcome();
    let planned = tracer(&["trace", "--dry-run", "--json", "-p", &target.p(), name]);
    let off = tracer(&["trace", "--inlined", "off", "-p", &target.p(), name]);
    signal(target.pid(), libc::SIGTERM);
    eventually("the app ends", || !target.is_alive());
    let stopped = outcome.stopped();
    assert_eq!((&stopped["calls"], &stopped["returns"]), (&3.into(), &0.into()), "{outcome:#?}");
    for call in outcome.of_kind("call") {
        assert_eq!(
            (&call["function"], &call["inlined"]),
            (&"target_app::audit_log::store_to_the_blockchain".into(), &true.into())
        );
    }
    let planned = &planned.json()[0];
    assert_eq!((&planned["copies"], &planned["inlined_copies"]), (&0.into(), &1.into()), "{planned}");
    off.refused(1, &["inlined", "--inlined"]);
}
