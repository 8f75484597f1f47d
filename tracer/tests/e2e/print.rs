//! TRUTH of `tracer print`: what is in memory, by the fixtures' own sources; and that looking changes nothing.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::session::{Outcome, tracer};
use crate::harness::target::Target;
use crate::harness::{build, turn};

fn print(target: &Target, arguments: &[&str]) -> Outcome {
    tracer(&[&["print", "-p", &target.p()], arguments].concat())
}

/// The only value of an expression.
#[track_caller]
fn value(target: &Target, expression: &str) -> Value {
    let outcome = print(target, &["--json", expression]);
    assert_eq!(outcome.code, Some(0), "{expression}: {outcome:#?}");
    let [line] = &outcome.json()[..] else { panic!("{expression}: {outcome:#?}") };
    assert_eq!((&line["kind"], &line["expression"]), (&json!("value"), &json!(expression)));
    line["value"].clone()
}

/// The values of a thread local by thread, names ascending.
#[track_caller]
fn by_thread(target: &Target, arguments: &[&str]) -> Vec<(String, Value)> {
    let outcome = print(target, &[&["--json"], arguments].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let thread = |line: Value| (line["thread"].as_str().unwrap().to_owned(), line["value"].clone());
    let mut values: Vec<_> = outcome.json().into_iter().map(thread).collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values
}

fn unreadable(reason: &str) -> Value {
    json!({ "$unreadable": reason })
}

fn rust_statics(program: std::path::PathBuf) {
    let _turn = turn();
    let mut target = Target::start(&program);
    for (expression, expected) in [
        ("config::LIMITS", json!({"depth": 7, "names": ["left", "right"], "ratio": 0.5})),
        ("LIMITS.names[1]", json!("right")),
        ("USERS[0].name", json!("ann")),
        ("USERS[1].age", json!("None")),
        ("USERS.len()", json!(2)),
        ("USERS[9]", unreadable("not there")),
        ("BOXED.name", json!("cy")),
        ("next::CALLS", json!(101)),
        ("other::COUNT", json!(2)),
        ("TREE[2]", json!(20)),
        ("TREE[3]", unreadable("not there")),
        ("TREE.len()", json!(2)),
    ] {
        assert_eq!(value(&target, expression), expected, "{expression}");
    }
    let main = program.file_name().unwrap().to_string_lossy()[..15].to_owned();
    let both = |first: Value, second: Value| vec![(main.clone(), first), ("worker".to_owned(), second)];
    assert_eq!(by_thread(&target, &["SEEN"]), both(json!({"value": 42}), json!({"value": 45})));
    assert_eq!(by_thread(&target, &["NOTES[1]"]), both(json!("note 2"), json!("note 5")));
    let never = unreadable("not initialised");
    assert_eq!(by_thread(&target, &["UNUSED"]), both(never.clone(), never));
    assert_eq!(by_thread(&target, &["SEEN", "--thread", "worker"]).len(), 1);
    assert_eq!(by_thread(&target, &["SEEN", "--thread", &target.p()]), [(main, json!({"value": 42}))]);
    assert_eq!(target.ask("still alive"), "done");
}

#[test]
fn statics_and_thread_locals_of_an_optimised_rust_program() {
    rust_statics(build::rust("globals"));
}

#[test]
fn statics_and_thread_locals_of_an_unoptimised_rust_program() {
    rust_statics(build::rust_dev("globals"));
}

#[test]
fn statics_of_a_program_with_split_debug_files() {
    rust_statics(build::rust_with("globals", "split", &["-g", "-O", "-Csplit-debuginfo=unpacked"]));
}

#[test]
fn globals_of_a_c_program_and_thread_locals_of_its_library() {
    let library = build::c_with("kept", "kept.so", &["-g", "-O2", "-shared", "-fPIC"]);
    c_globals(&build::c_with("globals", "globals-c", &["-g", "-O2", "-pthread"]), &library);
}

#[test]
fn globals_of_a_c_program_with_split_debug_files() {
    let library = build::c_with("kept", "kept-split.so", &["-gsplit-dwarf", "-g", "-O2", "-shared", "-fPIC"]);
    let flags = ["-gsplit-dwarf", "-fdebug-types-section", "-g", "-O2", "-pthread"];
    c_globals(&build::c_with("globals", "globals-split-c", &flags), &library);
}

fn c_globals(program: &Path, library: &Path) {
    let _turn = turn();
    let mut target = Target::command(Command::new(program).arg(library));
    for (expression, expected) in [
        ("head.name", json!("first")),
        ("head.next.name", json!("last")),
        ("corners[2].y", json!(-6)),
        ("corners[1]", json!({"x": 3, "y": 4})),
        ("colour", json!("GREEN")),
        ("title", json!("a title")),
        ("ratio", json!(0.25)),
        ("ticks", json!(8)),
        ("count::calls", json!(41)),
        ("*head.next", json!({"name": "last", "next": "0x0"})),
    ] {
        assert_eq!(value(&target, expression), expected, "{expression}");
    }
    let three = |values: [Value; 3]| {
        let names = ["tracer-globals-", "worker-1", "worker-2"].map(str::to_owned);
        names.into_iter().zip(values).collect::<Vec<_>>()
    };
    assert_eq!(by_thread(&target, &["per_thread"]), three([json!(10), json!(11), json!(12)]));
    assert_eq!(by_thread(&target, &["where.x"]), three([json!(1), json!(100), json!(200)]));
    let unused = || unreadable("not initialised");
    assert_eq!(by_thread(&target, &["kept.number"]), three([unused(), json!(77), unused()]));
    assert_eq!(target.ask("still alive"), "0 1");
}

#[test]
fn globals_of_a_cpp_program() {
    let _turn = turn();
    let mut target = Target::start(build::cpp("globals"));
    for (expression, expected) in [
        ("config::limit", json!(12)),
        ("app::config::name", json!("a name that does not fit into the object itself")),
        ("Registry::registered", json!(8)),
        ("app::registry.id", json!(3)),
        ("next::calls", json!(61)),
        ("hidden", json!(9)),
        ("app::per_thread", json!(5)),
    ] {
        assert_eq!(value(&target, expression), expected, "{expression}");
    }
    assert!(target.ask("still alive").starts_with("9 3 a name"));
}

#[test]
fn memory_is_shown_as_what_it_is_said_to_hold() {
    let _turn = turn();
    let target = Target::start(build::rust("globals"));
    let at = value(&target, "WHERE").as_u64().unwrap();
    assert_eq!(value(&target, &format!("{at:#x} as config::Limits"))["depth"], 7);
    assert_eq!(value(&target, &format!("({at:#x} as Limits).names[1]")), "right");
    assert_eq!(value(&target, "0x10 as [u32; 2]"), unreadable("not mapped"));
    print(&target, &["0x10 as Limit"]).refused(1, &["no type \"Limit\"", "^^^^^"]);
    print(&target, &["0x10"]).refused(2, &["as TYPE"]);
}

#[test]
fn text_says_name_type_and_value() {
    let _turn = turn();
    let target = Target::start(build::rust("globals"));
    let outcome = print(&target, &["LIMITS.depth", "SEEN"]);
    assert_eq!(outcome.output[0], "LIMITS.depth: u32 = 7", "{outcome:#?}");
    assert_eq!(outcome.output[1], "SEEN: Cell<u32>", "{outcome:#?}");
    assert_eq!(outcome.output[2].split_whitespace().collect::<Vec<_>>(), ["THREAD", "TID", "VALUE"]);
    assert_eq!(outcome.output.len(), 5, "{outcome:#?}");
}

#[test]
fn what_means_nothing_is_refused_with_what_there_is() {
    let _turn = turn();
    let target = Target::start(build::rust("globals"));
    print(&target, &["LIMIT"]).refused(1, &["LIMIT", "globals::config::LIMITS"]);
    print(&target, &["COUNT"]).refused(1, &["config::COUNT", "other::COUNT"]);
    print(&target, &["LIMITS.deep"]).refused(1, &["depth", "^^^^"]);
    print(&target, &["LIMITS..x"]).refused(2, &["^"]);
    print(&target, &["*"]).refused(2, &["name what to show"]);
    print(&target, &["SEEN", "--thread", "nobody"]).refused(1, &["nobody", "worker"]);
}
