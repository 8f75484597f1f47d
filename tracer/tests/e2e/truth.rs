//! TRUTH: what the tracer shows is what the program itself printed.

use std::path::PathBuf;

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, turn};

/// The lines of a text trace without time, thread and duration, and those that the program printed.
fn both(program: PathBuf, functions: &[&str]) -> (Vec<String>, Vec<String>) {
    let _turn = turn();
    let mut target = Target::start(program);
    let pid = target.p();
    let mut session = Session::start(&[&["trace", "-n", "0", "--max-overhead", "100", "-p", &pid], functions].concat());
    session.armed();
    target.send("go");
    let printed: Vec<String> = std::iter::from_fn(|| target.lines.next().filter(|line| line != "end")).collect();
    let mut traced = session.interrupt().output;
    traced.pop();
    let thread = format!(" {pid}  ");
    let call = |line: &String| {
        let start = line.find(&thread).unwrap() + thread.len();
        line[start..].rsplit_once("  ").unwrap().0.to_owned()
    };
    (traced.iter().map(call).collect(), printed)
}

const RUST: [&str; 13] = [
    "integers",
    "wide",
    "flag_and_letter",
    "text",
    "owned",
    "point",
    "moved",
    "specie",
    "maybe",
    "failing",
    "six",
    "nothing",
    "bytes",
];

#[test]
fn values_of_an_optimised_rust_program() {
    let functions = RUST.map(|name| format!("values::{name}"));
    let (traced, printed) = both(build::rust("values"), &functions.each_ref().map(String::as_str));
    assert_eq!(printed.len(), 17);
    assert_eq!(traced, printed);
}

#[test]
fn values_of_an_unoptimised_rust_program() {
    let functions = RUST.map(|name| format!("values::{name}"));
    let (traced, printed) = both(build::rust_dev("values"), &functions.each_ref().map(String::as_str));
    assert_eq!(printed.len(), 17);
    assert_eq!(traced, printed);
}

#[test]
fn values_of_an_optimised_c_program() {
    let (traced, printed) = both(build::c("values"), &["integers", "string", "colour", "by_pointer"]);
    assert_eq!(printed.len(), 4);
    assert_eq!(traced, printed);
}

#[test]
fn values_of_an_unoptimised_c_program() {
    let program = build::c_with("values", "values-dev", &["-g", "-O0"]);
    let (traced, printed) = both(program, &["integers", "string", "colour", "by_pointer"]);
    assert_eq!(printed.len(), 4);
    assert_eq!(traced, printed);
}
