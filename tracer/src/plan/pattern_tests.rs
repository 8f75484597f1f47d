//! What patterns find, on names as compilers and demanglers print them.

use super::*;
use crate::plan::nearest::nearest;

#[track_caller]
fn finds(pattern: &str, path: &str) -> bool {
    Pattern::glob(pattern).expect("a pattern").matches(path, false)
}

#[test]
fn from_the_right_at_segment_borders() {
    let path = "target_app::audit_log::AuditLog::handle_call";
    for pattern in [
        "handle_call",
        "AuditLog::handle_call",
        "target_app::audit_log::AuditLog::handle_call",
        "::target_app::audit_log::AuditLog::handle_call",
        "audit_log::*",
        "target_app::*",
        "AuditLog::*",
        "handle_*",
        "AuditLog::handle_{call,cast}",
        "target_app::**::handle_call",
        "audit_log::*::handle_call",
        "*::AuditLog::handle_*",
    ] {
        assert!(finds(pattern, path), "{pattern}");
    }
    for pattern in [
        "Log::handle_call",
        "handle",
        "audit_log",
        "audit_log::handle_call",
        "handle_call::*",
        "target_app::*::handle_call",
        "::AuditLog::handle_call",
        "AuditLog*call",
    ] {
        assert!(!finds(pattern, path), "{pattern}");
    }
}

#[test]
fn generics_and_impls_are_seen_through() {
    let handle = "<target_app::store::Store as target_app::actor::Actor>::handle";
    for pattern in ["Store::handle", "Actor::handle", "store::*", "target_app::store::Store::handle", "actor::*"] {
        assert!(finds(pattern, handle), "{pattern}");
    }
    assert!(finds("Vec::push", "alloc::vec::Vec<T,A>::push"));
    assert!(finds("vec::*", "<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop"));
    assert!(finds("u32::fmt", "core::fmt::num::<impl core::fmt::Display for u32>::fmt"));
    assert!(finds("Display::fmt", "core::fmt::num::<impl core::fmt::Display for u32>::fmt"));
    assert!(finds("num::*", "core::fmt::num::<impl core::fmt::Display for u32>::fmt"));
    // What a generic is filled with is no place of its own.
    assert!(!finds("audit_log::*", "core::ptr::drop_in_place<target_app::audit_log::AuditLog>"));
    assert!(finds("drop_in_place", "core::ptr::drop_in_place<target_app::audit_log::AuditLog>"));
}

#[test]
fn a_pattern_with_generics_sees_the_printed_name() {
    assert!(finds("Vec<u8>::push", "alloc::vec::Vec<u8>::push"));
    assert!(!finds("Vec<u8>::push", "alloc::vec::Vec<u16>::push"));
    assert!(finds("Vec<*>::push", "alloc::vec::Vec<core::option::Option<u8>>::push"));
    assert!(finds("<a::Store as b::Actor>::handle", "<a::Store as b::Actor>::handle"));
    assert!(finds("drop_in_place<*AuditLog>", "core::ptr::drop_in_place<target_app::audit_log::AuditLog>"));
}

#[test]
fn closures_are_left_out_unless_asked_for() {
    let closure = "app::hot::loops::{{closure}}";
    assert!(!finds("hot::*", closure));
    assert!(finds("loops::{{closure}}", closure));
    assert!(finds("loops::{closure#0}", "app::hot::loops::{closure#0}"));
    assert!(Pattern::glob("hot::*").expect("a pattern").matches(closure, true));
    let regex = |source| Pattern::regex(Regex::new(source).expect("a regex"));
    assert!(!regex("hot").matches(closure, false));
    assert!(regex("hot").matches(closure, true));
    assert!(regex(r"\{closure").matches(closure, false));
}

#[test]
fn an_async_fn_goes_by_its_own_name() {
    let body = FunctionName { path: "app::audit_log::run::{{closure}}", is_async_body: true };
    for pattern in ["run", "audit_log::run", "audit_log::*"] {
        assert!(Pattern::glob(pattern).expect("a pattern").matches(body, false), "{pattern}");
    }
    let inner = FunctionName { path: "app::audit_log::run::{{closure}}::{{closure}}", is_async_body: true };
    assert!(!Pattern::glob("audit_log::*").expect("a pattern").matches(inner, false));
}

#[test]
fn suggestions_are_the_nearest_names() {
    let names =
        ["app::store::Store::save", "app::store::Store::load", "app::main", "core::fmt::write", "app::saved_all"];
    let near = |pattern: &str| nearest(&Pattern::glob(pattern).expect("a pattern"), names);
    assert_eq!(near("Store::svae"), ["app::store::Store::save"]);
    assert_eq!(near("Store::sav"), ["app::store::Store::save", "app::saved_all"]);
    assert_eq!(near("mian_"), Vec::<&str>::new());
    assert_eq!(near("WRITE"), ["core::fmt::write"]);
}

proptest::proptest! {
    #[test]
    fn a_name_finds_itself(name in "[a-zA-Z_:<>{}#0-9 ,&*\\[\\]()!?/\\\\.é-]{1,40}") {
        if let Ok(probe) = crate::plan::probe::Probe::parse(&Pattern::escape(&name)) {
            let crate::plan::probe::Place::Function { pattern, .. } = probe.place else { panic!("no function") };
            proptest::prop_assert!(pattern.matches(name.as_str(), true), "{}", name);
        }
    }

    #[test]
    fn a_real_path_parses_and_finds_itself(name in "(<)?([a-z]{1,6}::){0,4}[a-zA-Z_]{1,8}(<[a-z]{1,5}>)?(::\\{\\{closure\\}\\})?") {
        let probe = crate::plan::probe::Probe::parse(&Pattern::escape(&name));
        let crate::plan::probe::Place::Function { pattern, .. } = probe.expect("a probe").place else {
            panic!("no function")
        };
        proptest::prop_assert!(pattern.matches(name.as_str(), false));
    }

    #[test]
    fn no_name_panics(name in ".{0,60}", pattern in "[a-z:<>*{}]{1,10}") {
        if let Ok(pattern) = Pattern::glob(&pattern) {
            let _ = pattern.matches(name.as_str(), false);
            let _ = nearest(&pattern, [name.as_str()]);
        }
    }
}
