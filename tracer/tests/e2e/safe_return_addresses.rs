//! SAFE where a function's return address is not what it seems, SCOPE for children, and a reader that stands still.

use std::io::PipeWriter;
use std::process::{Command, Stdio};

use crate::harness::session::{Session, TRACER};
use crate::harness::target::Target;
use crate::harness::{build, eventually, memory, turn};

const UNLIMITED: [&str; 4] = ["-n", "0", "--max-overhead", "100"];

/// 0 + 1 + … + 99, each with itself and one more.
const PLACE_SUM: &str = "sum 10000";

#[test]
fn a_place_amid_a_function_keeps_what_is_on_the_stack() {
    let _turn = turn();
    for returns in ["auto", "exits", "uretprobe"] {
        let mut target = Target::start(build::c("odd"));
        let place = target.ask("where");
        let arguments = [&[place.as_str(), "--returns", returns][..], &UNLIMITED].concat();
        let session = Session::trace(&target.p(), &arguments);
        assert_eq!(target.ask("place"), PLACE_SUM, "{returns}");
        let outcome = session.interrupt();
        assert_eq!(outcome.of_kind("call").len(), 100, "{returns}");
        assert_eq!(outcome.of_kind("return").len(), 0, "{returns}");
        assert_eq!(target.end().code(), Some(0), "{returns}");
    }
}

#[test]
fn a_function_that_reads_its_return_address_finds_its_own() {
    let _turn = turn();
    let mut target = Target::start(build::c("odd"));
    let session = Session::trace(&target.p(), &[&["save_and_return"][..], &UNLIMITED].concat());
    assert_eq!(target.ask("save"), "own addresses 100");
    let outcome = session.interrupt();
    assert_eq!(outcome.ended("save_and_return", "returned"), 100);
    assert_eq!(target.end().code(), Some(0));
}

#[test]
fn a_traced_stack_switch_goes_where_it_should() {
    let _turn = turn();
    let mut target = Target::start(build::c("stacks"));
    let session = Session::trace(&target.p(), &[&["libc.so.6!swapcontext"][..], &UNLIMITED].concat());
    assert_eq!(target.ask("coroutines"), "coroutines 4406");
    session.interrupt();
    assert_eq!(target.end().code(), Some(0));
}

#[test]
fn a_forked_child_loses_the_breakpoints_that_it_inherited() {
    let _turn = turn();
    let program = build::c("odd");
    let mut target = Target::start(&program);
    let before = memory::code(target.pid(), &program);
    let session = Session::trace(&target.p(), &[&["hit"][..], &UNLIMITED].concat());
    let child = u32::try_from(target.number("fork")).unwrap();
    eventually("the child's code is its own again", || memory::code(child, &program) == before);
    assert_ne!(memory::code(target.pid(), &program), before, "the target is still traced");
    session.interrupt();
    assert_eq!(memory::code(target.pid(), &program), before);
    assert_eq!(target.number("reap"), 1);
    assert_eq!(target.end().code(), Some(0));
}

#[test]
fn a_reader_that_takes_nothing_does_not_keep_the_probes() {
    let _turn = turn();
    let program = build::c("hammer");
    let mut target = Target::start(&program);
    let before = memory::code(target.pid(), &program);
    target.ask("spin 1 10000");
    let (_reader, writer): (_, PipeWriter) = std::io::pipe().unwrap();
    let arguments = ["trace", "-p", &target.p(), "hit", "-n", "0", "--for", "2s", "--max-overhead", "100"];
    let mut tracer =
        Command::new(TRACER).args(arguments).stdout(writer).stderr(Stdio::null()).spawn().expect("the tracer");
    eventually("the target is traced", || memory::code(target.pid(), &program) != before);
    eventually("the target is left alone", || memory::code(target.pid(), &program) == before);
    assert_ne!(tracer.wait().unwrap().code(), Some(0), "its lines did not arrive");
    assert!(target.number("stop") > 0);
    assert_eq!(target.end().code(), Some(0));
}
