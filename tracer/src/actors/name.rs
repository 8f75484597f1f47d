//! Names of futures as people write them: the path of the `async fn` or block, without the compiler's own segments.

/// `a::b::{impl#0}::run::{async_fn_env#0}<T>` → `a::b::run`; `a::b::{async_fn#0}::{async_block_env#1}` →
/// `a::b::{async_block#1}`; `a::f::{closure_env#2}` → `a::f::{closure#2}`. Generic arguments of the last segment go,
/// as do those of the ones before.
pub fn function_of(type_name: &str) -> String {
    let mut path = String::new();
    for segment in segments(type_name) {
        let segment = segment.split('<').next().unwrap_or(segment);
        let is_own = segment.starts_with("{impl#") || segment.starts_with("{async_fn");
        if is_own || segment.is_empty() {
            continue;
        }
        if !path.is_empty() {
            path.push_str("::");
        }
        path.push_str(&segment.replace("_env#", "#"));
    }
    path
}

/// Splits a path at its outer `::`.
fn segments(path: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    let bytes = path.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if at > 0 && bytes.get(at - 1) == Some(&b'-') => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                found.push(path.get(start..at).unwrap_or_default());
                at += 1;
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    found.push(path.get(start..).unwrap_or_default());
    found
}

/// Whether the source file belongs to a library: a registry's checkout, a git checkout of cargo, the compiler's own.
pub fn is_library_file(file: &str) -> bool {
    ["/.cargo/registry/", "/.cargo/git/", "/rustc/", "/cargo/registry/", "/rustlib/", "/vendor/"]
        .iter()
        .any(|part| file.contains(part))
}

/// The last component of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn futures_have_the_names_of_their_functions() {
        assert_eq!(function_of("a::b::{impl#0}::run::{async_fn_env#0}<u8, c::D>"), "a::b::run");
        assert_eq!(function_of("a::main::{async_fn#0}::{async_block_env#1}"), "a::main::{async_block#1}");
        assert_eq!(function_of("a::f<T>::{closure_env#2}<fn(u8) -> u8>"), "a::f::{closure#2}");
        assert_eq!(function_of("tokio::time::sleep::Sleep"), "tokio::time::sleep::Sleep");
        assert_eq!(function_of("alloc::boxed::Box<dyn a::B<Output=()>>"), "alloc::boxed::Box");
    }

    #[test]
    fn libraries_are_told_by_their_place() {
        assert!(is_library_file("/builder/.cargo/registry/src/index-1/tokio-1.54.1/src/sync/mutex.rs"));
        assert!(is_library_file("/rustc/abc/library/core/src/future/poll_fn.rs"));
        assert!(!is_library_file("src/main.rs") && !is_library_file("/home/me/cargo/src/main.rs"));
        assert_eq!(file_name("src/a/b.rs"), "b.rs");
    }
}
