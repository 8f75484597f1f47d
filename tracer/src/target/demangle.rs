//! From a raw symbol name to the path that a person would write: Rust (both manglings), C++ and C.
//! It knows nothing of symbol tables.

use cpp_demangle::DemangleOptions;

/// What the compiler made of a function when it wrote this symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fragment {
    /// The whole function.
    Whole,
    /// A copy with constant parameters (`.constprop.0`): called, but with other arguments.
    Specialised,
    /// A copy with removed or split parameters, perhaps without its result (`.isra.0`).
    Reshaped,
    /// A part split off into a function of its own (`.part.0`): called from the rest, with other arguments.
    Part,
    /// The unlikely half (`.cold`): jumped to, never called.
    Cold,
}

/// A symbol's name as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Demangled {
    /// The path, as in `alloc::vec::Vec<T>::push` or `main`: no hash, no parameter list, no version.
    pub path: String,
    pub fragment: Fragment,
}

/// Demangles any symbol name. A name that is not mangled, or wrongly, stays as it is.
pub fn demangle(raw: &str) -> Demangled {
    let (name, fragment) = without_suffixes(raw);
    let path = rust(name).or_else(|| cpp(name)).unwrap_or_else(|| name.to_owned());
    Demangled { path, fragment }
}

/// The symbol's name without version (`@GLIBC_2.34`) and without what compilers append to a function's name.
pub fn without_suffixes(raw: &str) -> (&str, Fragment) {
    let mut name = match raw.find('@') {
        Some(at) if at > 0 => raw.get(..at).unwrap_or(raw),
        _ => raw,
    };
    let mut fragment = Fragment::Whole;
    while let Some((rest, of_suffix)) = split_suffix(name) {
        name = rest;
        fragment = fragment.max(of_suffix);
    }
    (name, fragment)
}

/// Splits off one suffix, `.word` or `.word.number`, of the ones that GCC and LLVM use.
fn split_suffix(name: &str) -> Option<(&str, Fragment)> {
    let (rest, last) = name.rsplit_once('.')?;
    if let Some(fragment) = suffix_word(last) {
        return (!rest.is_empty()).then_some((rest, fragment));
    }
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (rest, word) = rest.rsplit_once('.')?;
    let fragment = suffix_word(word)?;
    (is_number && !rest.is_empty()).then_some((rest, fragment))
}

fn suffix_word(word: &str) -> Option<Fragment> {
    match word {
        "cold" => Some(Fragment::Cold),
        "part" => Some(Fragment::Part),
        "constprop" => Some(Fragment::Specialised),
        "isra" => Some(Fragment::Reshaped),
        "llvm" | "lto_priv" | "localalias" | "warm" => Some(Fragment::Whole),
        _ => None,
    }
}

fn rust(name: &str) -> Option<String> {
    rustc_demangle::try_demangle(name).ok().map(|demangled| format!("{demangled:#}"))
}

fn cpp(name: &str) -> Option<String> {
    if !name.starts_with("_Z") {
        return None;
    }
    let symbol = cpp_demangle::Symbol::new(name).ok()?;
    symbol.demangle_with_options(&DemangleOptions::new().no_params().no_return_type()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(raw: &str) -> String {
        demangle(raw).path
    }

    #[test]
    fn both_rust_manglings_give_the_path_without_hash() {
        assert_eq!(path("_ZN10target_app5audit3log17h0123456789abcdefE"), "target_app::audit::log");
        assert_eq!(
            path("_ZN10target_app5audit3log17h0123456789abcdefE.llvm.1234567890ABCDEF"),
            "target_app::audit::log"
        );
        assert_eq!(
            path("_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE"),
            "core::ptr::drop_in_place<alloc::string::String>"
        );
        assert_eq!(path("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(path("_RNvCs1234_7mycrate3foo.llvm.987"), "mycrate::foo");
    }

    #[test]
    fn cpp_names_lose_their_parameters() {
        assert_eq!(path("_ZN3foo3barEiPKc"), "foo::bar");
        assert_eq!(path("_Z3addii"), "add");
        assert_eq!(demangle("_Z3addii.cold").fragment, Fragment::Cold);
    }

    #[test]
    fn c_names_lose_version_and_clone_suffixes_only() {
        assert_eq!(path("main"), "main");
        assert_eq!(path("memcpy@@GLIBC_2.14"), "memcpy");
        assert_eq!(path("read@GLIBC_2.2.5"), "read");
        for (raw, fragment) in [
            ("work.cold", Fragment::Cold),
            ("work.part.0", Fragment::Part),
            ("work.part.0.cold", Fragment::Cold),
            ("work.constprop.0", Fragment::Specialised),
            ("work.isra.0.constprop.1", Fragment::Reshaped),
            ("work.lto_priv.3", Fragment::Whole),
        ] {
            assert_eq!(demangle(raw), Demangled { path: "work".to_owned(), fragment }, "{raw}");
        }
        for raw in ["", ".cold", "@plt", "a.b", "_ZZZ", "x.42"] {
            assert_eq!(demangle(raw), Demangled { path: raw.to_owned(), fragment: Fragment::Whole }, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in "(_ZN|_R|_Z)?[ -~]{0,40}(\\.cold|\\.llvm\\.[0-9]{0,4}|@.{0,4})?") {
            let _ = demangle(&name);
        }
    }
}
