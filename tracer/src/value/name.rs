//! Type names as people read them: without the modules, and for a struct without the generic arguments.

/// Each path in the name cut to its last segment: `Option<alloc::string::String>` → `Option<String>`.
pub fn without_modules(name: &str) -> String {
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

/// The path in front of the generic arguments: `core::option::Option<u8>` → `core::option::Option`.
pub(crate) fn base(name: &str) -> &str {
    match name.find('<') {
        Some(at) if at > 0 => name.get(..at).unwrap_or(name),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_modules() {
        assert_eq!(without_modules("core::option::Option<alloc::string::String>"), "Option<String>");
        assert_eq!(without_modules("&mut [my_crate::a::B; 3]"), "&mut [B; 3]");
        assert_eq!(without_modules("(u8, std::path::PathBuf)"), "(u8, PathBuf)");
        assert_eq!(without_modules("u64"), "u64");
        assert_eq!(of_struct("alloc::vec::Vec<a::B, c::D>"), "Vec");
        assert_eq!(of_struct("std::vector<int, std::allocator<int> >"), "vector");
    }
}
