//! Every form of probe, and every way to get one wrong.

use super::*;

fn place(text: &str) -> Place {
    Probe::parse(text).unwrap_or_else(|error| panic!("{error}")).place
}

fn mistake(text: &str) -> (usize, Mistake) {
    let error = Probe::parse(text).expect_err(text);
    (error.at, error.what)
}

#[test]
fn forms() {
    assert!(matches!(place("audit_log::*"), Place::Function { object: None, .. }));
    assert!(matches!(place("usdt::register"), Place::Function { object: None, .. }));
    assert!(matches!(place("0x11a0"), Place::Address { object: None, address: LinkAddress(0x11a0) }));
    assert!(matches!(place("libc.so.6!0x11a0"), Place::Address { object: Some(_), .. }));
    assert!(matches!(place("libfoo.so!*"), Place::Function { object: Some(_), .. }));
}

#[test]
fn objects_are_chosen_by_file_name_or_path() {
    let meant = |probe: &str, path: &str| match place(probe) {
        Place::Function { object: Some(object), pattern } => object.matches(path) && pattern.matches("malloc", false),
        _ => false,
    };
    assert!(meant("libc.so.6!malloc", "/usr/lib/libc.so.6"));
    assert!(meant("libc.so*!/^mall/", "/usr/lib/libc.so.6"));
    assert!(meant("*!malloc", "/usr/bin/anything"));
    assert!(meant("/usr/lib/libc.so.6!malloc", "/usr/lib/libc.so.6"));
    assert!(meant("[!x]ibc.so.6!malloc", "/usr/lib/libc.so.6"));
    assert!(!meant("libc.so!malloc", "/usr/lib/libc.so.6"));
    assert!(!meant("/lib/libc.so.6!malloc", "/usr/lib/libc.so.6"));
}

#[test]
fn usdt_takes_a_glob_in_each_part() {
    let Place::Usdt { provider, name } = place("usdt:*:{send,rec*}") else { panic!("no USDT probe") };
    assert!(provider.matches("mailbox") && name.matches("receive") && name.matches("send"));
    assert!(!name.matches("level"));
}

#[test]
fn lines_follow_a_file() {
    let line = |probe: &str, path: &str| match place(probe) {
        Place::Line { object, file, lines } if file.matches(path) => Some((object.is_some(), lines.first, lines.last)),
        _ => None,
    };
    assert_eq!(line("audit_log.rs:42", "/app/src/audit_log.rs"), Some((false, 42, 42)));
    assert_eq!(line("/app/src/audit_log.rs:42", "/app/src/audit_log.rs"), Some((false, 42, 42)));
    assert_eq!(line("libfoo.so!foo.c:40-60", "/foo.c"), Some((true, 40, 60)));
    assert_eq!(line("src/foo.c", "/src/foo.c"), Some((false, 1, u64::MAX)));
    assert_eq!(line("src/foo.c:3", "/lib/foo.c"), None);
    assert!(matches!(place("/rs:42/"), Place::Function { .. }));
}

#[test]
fn regexes_are_searched_for() {
    let Place::Function { pattern, .. } = place("/^app::.*(save|load)$/") else { panic!("no function") };
    assert!(pattern.matches("app::store::save", false));
    assert!(!pattern.matches("app::store::saved", false));
}

#[test]
fn mistakes_are_named_and_placed() {
    for (text, at, what) in [
        ("", 0, Mistake::Empty),
        ("   ", 0, Mistake::Empty),
        ("*", 0, Mistake::MatchesEverything),
        ("**", 0, Mistake::MatchesEverything),
        ("*::*", 0, Mistake::MatchesEverything),
        ("?*", 0, Mistake::MatchesEverything),
        ("{a,*}", 0, Mistake::MatchesEverything),
        ("*!*", 2, Mistake::MatchesEverything),
        ("/.*/", 1, Mistake::MatchesEverything),
        ("//", 1, Mistake::MatchesEverything),
        ("src/audit_log.rs:0", 17, Mistake::Line),
        ("libfoo.so!foo.c:9-3", 16, Mistake::Line),
        ("a::::b", 0, Mistake::EmptySegment),
        ("a::", 0, Mistake::EmptySegment),
        ("a[b", 1, Mistake::OpenClass),
        ("  a{b,c", 3, Mistake::OpenBrace),
        ("/abc", 4, Mistake::OpenRegex),
        ("usdt:mailbox", 12, Mistake::Usdt),
        ("usdt::", 0, Mistake::EmptySegment),
        ("usdt:a:b:c", 5, Mistake::Usdt),
        ("0x", 2, Mistake::Address),
        ("0xyz", 2, Mistake::Address),
        ("!name", 0, Mistake::Object),
        ("libc.so!", 8, Mistake::Empty),
        ("main()", 4, Mistake::Parameters),
        ("**::a::**::b::**::c::**::d::**", 0, Mistake::TooComplex),
    ] {
        assert_eq!(mistake(text), (at, what), "{text:?}");
    }
    assert!(matches!(mistake("/a(/"), (1, Mistake::Regex(reason)) if reason == "unclosed group"));
}

#[test]
fn the_pointer_stands_under_the_place() {
    let error = Probe::parse("é::a[b").expect_err("an open class");
    assert_eq!(error.pointer().to_string(), "  é::a[b\n      ^");
    assert!(error.to_string().starts_with("the probe \"é::a[b\" is not understood at byte 5: `[` is not closed"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".{0,60}") {
        if let Err(error) = Probe::parse(&text) {
            proptest::prop_assert!(error.at <= text.len());
            let _ = error.pointer().to_string();
        }
    }

    #[test]
    fn no_syntax_panics(text in "[a-c:!/*?{},\\[\\]\\\\ x0-9<>]{0,30}") {
        if let Err(error) = Probe::parse(&text) {
            proptest::prop_assert!(error.at <= text.len(), "{} {:?}", text, error);
        }
    }
}
