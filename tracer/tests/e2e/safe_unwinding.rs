//! SAFE: panics, exceptions and longjmp pass through traced frames as if nobody looked.

use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, turn};

/// 1,201 calls, of which 1,080 panic three frames deep. The last call returns, so that every unwound frame is seen.
fn panics(returns: &str) {
    let _turn = turn();
    let mut target = Target::start(build::rust("panics"));
    let calm = target.ask("1201");
    let functions = ["panics::outer", "panics::middle", "panics::inner"];
    let unlimited = ["--returns", returns, "-n", "0", "--for", "0", "--max-overhead", "100"];
    let session = Session::trace(&target.p(), &[&functions[..], &unlimited].concat());
    let traced = target.ask("1201");
    assert_eq!(traced, calm);
    assert!(traced.starts_with("caught 1080 "), "{traced}");
    let outcome = session.interrupt();
    assert_eq!(target.end().code(), Some(0));
    outcome.ended_well("interrupted");
    for function in ["outer", "middle", "inner"] {
        assert_eq!(outcome.calls(function).len(), 1201, "{function}");
        assert_eq!(outcome.ended(function, "unwound"), 1080, "{function}");
        assert_eq!(outcome.ended(function, "returned"), 121, "{function}");
    }
    let unwound = outcome.returns("outer").into_iter().find(|end| end["outcome"] == "unwound").unwrap();
    assert!(unwound.get("value").is_none(), "an unwound call has no value: {unwound}");
}

#[test]
fn a_thousand_panics_pass_traced_frames() {
    panics("auto");
}

#[test]
fn a_thousand_panics_pass_frames_with_exits() {
    panics("exits");
}

#[test]
fn exceptions_pass_traced_frames() {
    let _turn = turn();
    let mut target = Target::start(build::cpp("exceptions"));
    let session = Session::trace(&target.p(), &["thrower", "carrier", "-n", "0", "--max-overhead", "100"]);
    assert_eq!(target.ask("throw 201"), "caught 100 sum 10201 destroyed 201");
    let outcome = session.interrupt();
    assert_eq!(target.end().code(), Some(0));
    outcome.ended_well("interrupted");
    for function in ["thrower", "carrier"] {
        assert_eq!((outcome.ended(function, "unwound"), outcome.ended(function, "returned")), (100, 101), "{function}");
    }
}

#[test]
fn longjmp_passes_traced_frames() {
    let _turn = turn();
    let mut target = Target::start(build::cpp("exceptions"));
    let session = Session::trace(&target.p(), &["jumper", "jumped_over", "-n", "0", "--max-overhead", "100"]);
    assert_eq!(target.ask("jump 201"), "caught 100 sum 10201");
    let outcome = session.interrupt();
    assert_eq!(target.end().code(), Some(0));
    outcome.ended_well("interrupted");
    for function in ["jumper", "jumped_over"] {
        assert_eq!((outcome.ended(function, "unwound"), outcome.ended(function, "returned")), (100, 101), "{function}");
    }
}

/// Nearly every function of a program, the standard library's included, at all its exits.
#[test]
fn a_program_with_all_functions_traced_computes_the_same() {
    let _turn = turn();
    let mut target = Target::start(build::rust("checksum"));
    let calm = target.ask("20");
    let everything = ["/::/", "/^_?[a-z]/", "--closures", "-n", "0", "--for", "0", "--max-overhead", "100"];
    let session = Session::trace(&target.p(), &everything);
    assert_eq!(target.ask("20"), calm);
    let outcome = session.interrupt();
    assert_eq!(target.ask("20"), calm, "after the session");
    assert_eq!(target.end().code(), Some(0));
    let stopped = outcome.stopped();
    assert!(stopped["calls"].as_u64() > Some(10_000), "{stopped}");
    assert!(matches!(outcome.code, Some(0 | 3)), "{:?}", outcome.errors);
}
