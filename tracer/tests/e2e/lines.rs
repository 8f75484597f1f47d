//! Source lines: each time a line is reached it is seen once, in every copy of its code, with the locals that the
//! program itself printed there, or with the reason why one is not known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::{Session, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{build, turn};

/// The marked lines of a fixture: `file:line`, and the word that the program prints when it comes by.
fn marked(file: &str) -> BTreeMap<String, String> {
    let source = std::fs::read_to_string(format!("{}/tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mark = |(number, line): (usize, &str)| {
        let name = line.split_once("// line: ")?.1;
        Some((format!("{file}:{}", number + 1), name.to_owned()))
    };
    source.lines().enumerate().filter_map(mark).collect()
}

/// What the tracer saw at the marked lines of a fixture, and what the program printed: a word, then `local=value`, each
/// after a tab. The tracer's lines begin with the word too.
fn both(program: PathBuf, file: &str) -> (Vec<String>, Vec<String>) {
    let mut target = Target::start(program);
    let pid = target.p();
    let marked = marked(file);
    let probes: Vec<&str> = marked.keys().map(String::as_str).collect();
    let mut session =
        Session::start(&[&["trace", "-n", "0", "--max-overhead", "100", "-p", &pid], &probes[..]].concat());
    session.armed();
    target.send("go");
    let printed = std::iter::from_fn(|| target.lines.next().filter(|line| line != "end")).collect();
    let mut traced = session.interrupt().output;
    traced.pop();
    let seen = |line: &String| {
        let (place, name) = marked.iter().find(|(place, _)| line.contains(&format!("/{place} "))).unwrap();
        let locals = line[line.find(place).unwrap()..].split_once("  ").unwrap().1;
        format!("{name}, {locals},")
    };
    (traced.iter().map(seen).collect(), printed)
}

/// The same lines in the same order; every local that is located is the one printed. Returns how many are.
fn compare(build: &str, (traced, printed): (Vec<String>, Vec<String>)) -> usize {
    assert_eq!(traced.len(), printed.len(), "{build}: {traced:#?}");
    let mut located = 0;
    for (traced, printed) in traced.iter().zip(&printed) {
        let mut parts = printed.split('\t');
        assert!(traced.starts_with(&format!("{},", parts.next().unwrap())), "{build}: {traced} for {printed}");
        for local in parts {
            let name = local.split_once('=').unwrap().0;
            let is_located = traced.contains(&format!(", {local},"));
            let is_unknown = traced.contains(&format!(", {name}=<")) || !traced.contains(&format!(", {name}="));
            assert!(is_located || is_unknown, "{build}: {traced} for {printed}");
            located += usize::from(is_located);
        }
    }
    located
}

#[test]
fn locals_in_rust_programs() {
    let _turn = turn();
    let fat = ["-g", "-Clto=fat", "-Copt-level=3", "-Ccodegen-units=1"];
    let builds = [("o", &["-g", "-O"][..], 20), ("fat", &fat, 15), ("size", &["-g", "-Copt-level=s"], 15)];
    for (name, flags, located_min) in builds {
        let located = compare(name, both(build::rust_with("lines", name, flags), "lines.rs"));
        assert!(located >= located_min, "{name}: {located}");
    }
    assert_eq!(compare("dev", both(build::rust_dev("lines"), "lines.rs")), 25, "a dev build has all");
}

#[test]
fn locals_in_c_programs() {
    let _turn = turn();
    for (name, flags, located_min) in [("o0", ["-g", "-O0"], 16), ("o2", ["-g", "-O2"], 16), ("o3", ["-g", "-O3"], 12)]
    {
        let program = build::c_with("lines", &format!("lines-{name}"), &flags);
        let located = compare(name, both(program, "lines.c"));
        assert!(located >= located_min, "{name}: {located}");
    }
}

#[test]
fn locals_are_those_of_gdb() {
    let _turn = turn();
    if Command::new("gdb").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("gdb is not installed: not compared");
        return;
    }
    for flags in [["-g", "-O0"], ["-g", "-O2"]] {
        let program = build::c_with("lines", &format!("lines-gdb{}", flags[1]), &flags);
        let input = program.with_extension("input");
        std::fs::write(&input, "go\n").unwrap();
        let (place, _) = marked("lines.c").into_iter().find(|(_, name)| name == "looped").unwrap();
        let mut gdb = Command::new("gdb");
        gdb.args(["-nx", "-batch", "-ex", &format!("break {place}"), "-ex"]).arg(format!("run < {}", input.display()));
        let gdb = gdb.args(["-ex", "info args", "-ex", "info locals"]).arg(&program).output().unwrap();
        let gdb = String::from_utf8_lossy(&gdb.stdout).into_owned();
        let theirs = |name: &str| gdb.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));

        let mut target = Target::start(&program);
        let session = Session::trace(&target.p(), &["-n", "1", &place]);
        target.send("go");
        let hit = session.outcome().of_kind("line").remove(0);
        for (name, value) in hit["locals"].as_object().unwrap() {
            match theirs(name) {
                Some("<optimized out>") => assert_eq!(value["$unreadable"], "optimized out", "{name}: {hit}"),
                theirs => assert_eq!(theirs, Some(value.to_string().as_str()), "{name}: {hit}\n{gdb}"),
            }
        }
        assert_eq!(hit["locals"].as_object().unwrap().len(), 3, "{hit}");
    }
}

#[test]
fn an_inlined_line_says_so_and_a_line_without_code_is_moved() {
    let _turn = turn();
    let mut target = Target::start(build::rust_with("lines", "o", &["-g", "-O"]));
    let marked = marked("lines.rs");
    let (grown, _) = marked.iter().find(|(_, name)| *name == "grown").unwrap();
    let session = Session::trace(&target.p(), &["-n", "2", grown]);
    target.send("go");
    let outcome = session.outcome();
    let hits = outcome.of_kind("line");
    assert_eq!(outcome.stopped()["calls"], 2);
    for (hit, by) in hits.iter().zip([1, 2]) {
        assert_eq!((&hit["function"], &hit["inlined"]), (&Value::from("lines::grown"), &Value::from(true)), "{hit}");
        assert_eq!((&hit["locals"]["by"], &hit["locals"]["moisture"]), (&by.into(), &(5 + by).into()), "{hit}");
        assert!(hit["file"].as_str().unwrap().ends_with("fixtures/lines.rs"), "{hit}");
        assert_eq!(format!("lines.rs:{}", hit["line"]), *grown);
    }
    // The comment at the file's top.
    let moved = tracer(&["trace", "--dry-run", "-p", &target.p(), "lines.rs:1"]);
    assert!(moved.output.iter().any(|line| line.starts_with("lines.rs:1: no code there")), "{moved:#?}");
}

#[test]
fn lines_that_mean_nothing_are_refused() {
    let _turn = turn();
    let target = Target::start(build::rust_with("lines", "o", &["-g", "-O"]));
    let pid = target.p();
    tracer(&["trace", "-p", &pid, "my_lines.rs:28"]).refused(1, &["no source file of that name", "lines.rs"]);
    tracer(&["trace", "-p", &pid, "mod.rs:28"]).refused(1, &["several source files", "more of the path"]);
    tracer(&["trace", "-p", &pid, "lines.rs:28-30"]).refused(2, &["several lines", "tracer list"]);
    tracer(&["trace", "-p", &pid, "lines.rs:0"]).refused(2, &["file.rs:42"]);
    tracer(&["trace", "-p", &pid, "nothing.so!lines.rs:28"]).refused(1, &["no such library"]);
    let bare = build::c_with("values", "values-bare", &["-O2"]);
    let bare = Target::start(bare);
    tracer(&["trace", "-p", &bare.p(), "values.c:28"]).refused(1, &["no debug information"]);
}

#[test]
fn lines_with_code_are_listed() {
    let _turn = turn();
    let program = build::rust_with("lines", "o", &["-g", "-O"]);
    let list = tracer(&["list", "--json", &program.to_string_lossy(), "lines.rs"]);
    let lines = list.of_kind("source-line");
    for (place, name) in marked("lines.rs") {
        let is_there = |line: &&Value| place == format!("lines.rs:{}", line["line"]);
        let line = lines.iter().find(is_there).unwrap_or_else(|| panic!("{place} is missing: {lines:#?}"));
        assert!(line["functions"].to_string().contains(&format!("lines::{name}")), "{line}");
        let copies = if matches!(name.as_str(), "grown" | "generic") { 2 } else { 1 };
        assert_eq!(line["sites"], copies, "{line}");
    }
    let some = tracer(&["list", &program.to_string_lossy(), "lines.rs:20-30", "-n", "2"]);
    assert_eq!((some.code, some.output.len()), (Some(0), 3), "{some:#?}");
}

#[test]
fn a_line_of_an_async_handler_in_the_registry_app() {
    let _turn = turn();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../target-app/src/audit_log.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let number = source.lines().position(|line| line.contains("waste_electricity_and_pollute(uuid)")).unwrap() + 1;
    for features in [&[][..], &["inlinable"]] {
        let mut command = Command::new(build::registry(features));
        let mut target = Target::spawn(command.args(["register-random-trees", "1", "10"]).stderr(Stdio::null()));
        let place = format!("audit_log.rs:{number}");
        let outcome = Session::trace(&target.p(), &["-n", "2", "--for", "1m", &place]).outcome();
        assert!(target.is_alive());
        signal(target.pid(), libc::SIGTERM);
        assert_eq!(target.wait().code(), Some(0));
        for hit in outcome.of_kind("line") {
            assert!(hit["function"].as_str().unwrap().contains("store_to_the_blockchain"), "{hit}");
            let uuid = &hit["locals"]["uuid"];
            assert!(uuid.as_str().is_some_and(|uuid| uuid.len() == 36) || uuid["$unreadable"].is_string(), "{hit}");
        }
        assert_eq!(outcome.of_kind("line").len(), 2, "{outcome:#?}");
    }
}
