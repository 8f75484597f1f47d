//! Type names as people write them in source: without the modules, and without what is always the same.

/// `&mut app::log::Log` as `&mut Log`, `alloc::vec::Vec<u8, alloc::alloc::Global>` as `Vec<u8>`. Only for reading:
/// two types can have the same short name.
pub(crate) fn short(type_name: &str) -> String {
    let mut short = String::with_capacity(type_name.len());
    let mut rest = type_name;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !is_word(c)).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
        if word.is_empty() {
            short.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        rest = rest.get(word.len()..).unwrap_or_default();
        match rest.strip_prefix("::") {
            Some(after) if after.starts_with(is_word) => rest = after,
            _ => short.push_str(word),
        }
    }
    short.replace(", Global>", ">")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_the_allocator_are_left_out() {
        let table = [
            ("&mut app::log::Log", "&mut Log"),
            ("alloc::vec::Vec<u8, alloc::alloc::Global>", "Vec<u8>"),
            ("core::result::Result<(), app::Error>", "Result<(), Error>"),
            ("&[app::tree::Tree]", "&[Tree]"),
            ("std::vector<int, std::allocator<int> >", "vector<int, allocator<int> >"),
            ("&dyn core::fmt::Write", "&dyn Write"),
            ("const char *", "const char *"),
            ("app::run::{closure_env#0}", "run::{closure_env#0}"),
            ("é::ü", "ü"),
            ("", ""),
        ];
        for (long, expected) in table {
            assert_eq!(short(long), expected, "{long}");
        }
    }
}
