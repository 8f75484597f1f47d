//! Type names as people read them: without the modules, and for a struct without the generic arguments.

/// Each path in the name cut to its last segment: `Option<alloc::string::String>` → `Option<String>`.
pub fn without_modules(name: &str) -> String {
    let name = &*name.replace("(anonymous namespace)::", "");
    let mut short = String::with_capacity(name.len());
    let mut segment_start = 0;
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("::") {
            short.truncate(segment_start);
            rest = after;
            continue;
        }
        short.push(character);
        if !(character.is_alphanumeric() || character == '_') {
            segment_start = short.len();
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    short
}

/// The name that `{:?}` gives a struct: `alloc::vec::Vec<u8>` → `Vec`.
pub fn of_struct(name: &str) -> String {
    without_modules(base(name))
}

/// What a type without a name is, by the name that it goes by: `a::(anonymous union)` → `union`.
pub(crate) fn kind_of_anonymous(name: &str) -> Option<&str> {
    let (_, kind) = name.strip_suffix(')')?.rsplit_once("(anonymous ")?;
    Some(kind)
}

/// The path in front of the generic arguments: `core::option::Option<u8>` → `core::option::Option`.
pub(crate) fn base(name: &str) -> &str {
    match name.find('<') {
        Some(at) if at > 0 => name.get(..at).unwrap_or(name),
        _ => name,
    }
}

/// What a pointer type's name says it points to: `&mut [u8]` → `[u8]`, `alloc::boxed::Box<str, A>` → `str`.
pub(crate) fn behind_pointer(name: &str) -> Option<&str> {
    match name.strip_prefix("alloc::boxed::Box<") {
        Some(arguments) => Some(first_argument(arguments)),
        None => ["&mut ", "&", "*const ", "*mut "].iter().find_map(|mark| name.strip_prefix(mark)),
    }
}

/// The type that `Rc` and `Arc` keep behind their counters: `alloc::rc::RcInner<str>` → `str`.
pub(crate) fn counted(name: &str) -> Option<&str> {
    const INNER: [&str; 3] = ["alloc::rc::RcInner<", "alloc::rc::RcBox<", "alloc::sync::ArcInner<"];
    INNER.iter().find_map(|inner| name.strip_prefix(inner)).map(first_argument)
}

/// The trait of a trait object, by the name of the pointer to it: `&dyn a::B + core::marker::Send` → `a::B`.
pub(crate) fn trait_of_object(name: &str) -> Option<&str> {
    let (_, name) = name.split_once("dyn ")?;
    let first = first_argument(name);
    Some(first.split(" + ").next().unwrap_or(first))
}

/// The trait of a table of functions: `<a::C as a::B>::{vtable_type}` → `a::B`.
pub(crate) fn trait_of_table(name: &str) -> Option<&str> {
    let name = name.strip_suffix(">::{vtable_type}")?;
    name.rsplit_once(" as ").map(|(_, name)| name)
}

/// The first of generic arguments, up to the comma or bracket that ends it.
fn first_argument(arguments: &str) -> &str {
    let mut open = 0_u32;
    let end = arguments.find(|character| {
        match character {
            '<' | '(' | '[' => open += 1,
            ',' | '>' | ')' | ']' if open == 0 => return true,
            '>' | ')' | ']' => open -= 1,
            _ => {}
        }
        false
    });
    end.and_then(|end| arguments.get(..end)).unwrap_or(arguments)
}

/// A type without known size whose bytes are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextKind {
    Str,
    /// Bytes that need not be UTF-8.
    Os,
    /// With a NUL that the length counts.
    CStr,
}

/// Which text the type of that name is.
pub(crate) fn text(name: &str) -> Option<TextKind> {
    match name {
        "str" => Some(TextKind::Str),
        "std::path::Path" | "std::ffi::os_str::OsStr" => Some(TextKind::Os),
        "core::ffi::c_str::CStr" => Some(TextKind::CStr),
        _ => None,
    }
}

/// Whether the type belongs to the language's libraries: its fields of no size are its own business.
pub(crate) fn is_library(name: &str) -> bool {
    ["core::", "alloc::", "std::", "hashbrown::", "__gnu_cxx::"].iter().any(|library| name.starts_with(library))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_are_found_in_names() {
        assert_eq!(trait_of_object("&dyn a::B"), Some("a::B"));
        assert_eq!(
            trait_of_object("alloc::boxed::Box<dyn a::B<u8, c::D> + core::marker::Send, e::F>"),
            Some("a::B<u8, c::D>")
        );
        assert_eq!(trait_of_object("*const alloc::rc::RcInner<dyn a::B>"), Some("a::B"));
        assert_eq!(trait_of_object("&a::B"), None);
        assert_eq!(trait_of_table("<a::C<u8> as a::B<u8>>::{vtable_type}"), Some("a::B<u8>"));
    }

    #[test]
    fn names_lose_their_modules() {
        assert_eq!(without_modules("core::option::Option<alloc::string::String>"), "Option<String>");
        assert_eq!(without_modules("&mut [my_crate::a::B; 3]"), "&mut [B; 3]");
        assert_eq!(without_modules("(u8, std::path::PathBuf)"), "(u8, PathBuf)");
        assert_eq!(without_modules("u64"), "u64");
        assert_eq!(of_struct("alloc::vec::Vec<a::B, c::D>"), "Vec");
        assert_eq!(behind_pointer("alloc::boxed::Box<[(u8, a::B<c>)], alloc::alloc::Global>"), Some("[(u8, a::B<c>)]"));
        assert_eq!(behind_pointer("*mut str"), Some("str"));
        assert_eq!(behind_pointer("u8"), None);
        assert_eq!(counted("alloc::sync::ArcInner<std::path::Path>"), Some("std::path::Path"));
        assert_eq!(of_struct("std::vector<int, std::allocator<int> >"), "vector");
    }
}
