//! A demangled function path as lists of plain segments, without generics, in each way that a person may name it.
//! Knows no patterns.

/// Types nest; deeper ones than this are kept as one segment.
const NESTING_MAX: usize = 8;

/// The ways to read `path`, each a list of segments. `<store::Store as Actor>::handle` reads as
/// `store::Store::handle` and as `Actor::handle`; `fmt::num::<impl Display for u32>::fmt` as `fmt::num::u32::fmt` and
/// as `fmt::num::Display::fmt`. There is always at least one.
pub(super) fn readings(path: &str) -> Vec<Vec<&str>> {
    let mut readings = vec![Vec::new()];
    extend(&mut readings, path, 0);
    readings
}

/// Whether the segment is a closure of Rust or a lambda of C++.
pub(super) fn is_closure(segment: &str) -> bool {
    ["{{closure", "{closure", "{lambda", "'lambda"].iter().any(|start| segment.starts_with(start))
}

fn extend<'p>(readings: &mut Vec<Vec<&'p str>>, path: &'p str, nesting: usize) {
    for (index, segment) in split(path).enumerate() {
        match segment.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')) {
            Some(inner) if nesting < NESTING_MAX && (index == 0 || inner.starts_with("impl")) => {
                fork(readings, inner, nesting);
            }
            // `drop_in_place::<T>`: arguments, not a name.
            Some(_) if index > 0 => {}
            _ => readings.iter_mut().for_each(|reading| reading.push(without_arguments(segment))),
        }
    }
}

/// Reads `Type`, `Type as Trait`, `impl Type` or `impl Trait for Type`: the type first, then the trait.
fn fork<'p>(readings: &mut Vec<Vec<&'p str>>, inner: &'p str, nesting: usize) {
    let inner = match inner.strip_prefix("impl") {
        Some(rest) if rest.starts_with('<') => end_of_group(rest).and_then(|end| rest.get(end..)).unwrap_or(rest),
        Some(rest) if rest.starts_with(' ') => rest,
        _ => inner,
    };
    let names = match (cut(inner, " as "), cut(inner, " for ")) {
        (Some((of_type, of_trait)), _) => [Some(of_type), Some(of_trait)],
        (None, Some((of_trait, of_type))) => [Some(of_type), Some(of_trait)],
        (None, None) => [Some(inner), None],
    };
    let mut forked = Vec::with_capacity(readings.len() * 2);
    for name in names.into_iter().flatten() {
        let mut branch = readings.clone();
        extend(&mut branch, without_sigils(name.trim()), nesting + 1);
        forked.append(&mut branch);
    }
    *readings = forked;
}

fn without_sigils(mut name: &str) -> &str {
    while let Some(rest) = ["&", "*const ", "*mut ", "mut ", "dyn "].iter().find_map(|sigil| name.strip_prefix(sigil)) {
        name = rest.trim_start();
    }
    name
}

/// `Vec<T>` as `Vec`; `operator<` stays.
fn without_arguments(segment: &str) -> &str {
    if segment.starts_with("operator") || segment.starts_with(['<', '{', '(', '[']) {
        return segment;
    }
    match segment.find('<') {
        Some(at) => segment.get(..at).unwrap_or(segment),
        None => segment,
    }
}

/// Splits at each `::` that stands outside of all brackets.
fn split(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((segment, after)) = cut(text, "::") else {
            rest = None;
            return Some(text);
        };
        rest = Some(after);
        Some(segment)
    })
}

/// Cuts `text` at the first `separator` outside of all brackets.
fn cut<'p>(text: &'p str, separator: &str) -> Option<(&'p str, &'p str)> {
    let at = scan(text, |rest, depth| depth == 0 && rest.starts_with(separator.as_bytes()))?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// Where the bracket that opens `text` is closed: the position after it.
fn end_of_group(text: &str) -> Option<usize> {
    let inside = text.get(1..)?;
    scan(inside, |rest, depth| depth == 0 && rest.first() == Some(&b'>')).map(|at| at + 2)
}

/// The first position at which `stop` holds, given the bytes from there on and the depth of brackets.
fn scan(text: &str, stop: impl Fn(&[u8], usize) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if stop(rest, depth) {
            return Some(at);
        }
        if depth == 0 && rest.starts_with(b"operator") {
            at += "operator".len() + operator_length(rest.get("operator".len()..).unwrap_or_default());
            continue;
        }
        match rest {
            // The arrows of `fn(A) -> B` and of closures close nothing.
            [b'-' | b'=', b'>', ..] => at += 1,
            [b'<' | b'(' | b'[' | b'{', ..] => depth += 1,
            [b'>' | b')' | b']' | b'}', ..] => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// How many bytes after `operator` belong to a C++ operator's name and are no brackets.
fn operator_length(rest: &[u8]) -> usize {
    let names: [&[u8]; 13] =
        [b"<=>", b"<<=", b">>=", b"->*", b"()", b"[]", b"<<", b">>", b"->", b"<=", b">=", b"<", b">"];
    names.iter().find(|name| rest.starts_with(name)).map_or(0, |name| name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(path: &str, expected: &[&str]) {
        let joined: Vec<_> = readings(path).iter().map(|reading| reading.join("::")).collect();
        assert_eq!(joined, expected, "{path}");
    }

    #[test]
    fn rust_paths() {
        reads("app::run", &["app::run"]);
        reads("alloc::vec::Vec<T,A>::push", &["alloc::vec::Vec::push"]);
        reads("<app::store::Store>::handle", &["app::store::Store::handle"]);
        reads("core::ptr::drop_in_place::<alloc::vec::Vec<u8>>", &["core::ptr::drop_in_place"]);
        reads("core::ptr::drop_in_place<alloc::vec::Vec<u8>>", &["core::ptr::drop_in_place"]);
        reads("<app::Store as app::Actor<u8>>::handle", &["app::Store::handle", "app::Actor::handle"]);
        reads("<&mut alloc::vec::Vec<T> as a::B>::f", &["alloc::vec::Vec::f", "a::B::f"]);
        reads("alloc::slice::<impl [T]>::to_vec", &["alloc::slice::[T]::to_vec"]);
        reads("num::<impl fmt::Display for u32>::fmt", &["num::u32::fmt", "num::fmt::Display::fmt"]);
        reads("a::<impl<T> b::C for d::E<T>>::f", &["a::d::E::f", "a::b::C::f"]);
        reads("<F as a::Call<(A,)>>::call::{{closure}}", &["F::call::{{closure}}", "a::Call::call::{{closure}}"]);
        reads("<fn(a::A) -> b::B as c::D>::f", &["fn(a::A) -> b::B::f", "c::D::f"]);
        reads("<<a::B as c::D>::E as f::G>::h", &["a::B::E::h", "c::D::E::h", "f::G::h"]);
    }

    #[test]
    fn cpp_paths() {
        reads("std::vector<int, std::allocator<int> >::push_back", &["std::vector::push_back"]);
        reads("(anonymous namespace)::f", &["(anonymous namespace)::f"]);
        reads("ns::A::operator<", &["ns::A::operator<"]);
        reads("ns::A::operator->", &["ns::A::operator->"]);
        reads("ns::operator<< ::f", &["ns::operator<< ::f"]);
        reads("ns::A::operator()", &["ns::A::operator()"]);
    }
}
