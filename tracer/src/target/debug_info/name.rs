//! The name of a function as its user thinks of it, from DWARF's scopes and the symbol's name.
//! Knows nothing of addresses.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::scan::{FunctionEntry, Reference, Text};
use super::unit::{Position, View};
use super::{FunctionKind, Language};

/// A lying file can make a chain of references as long as it likes; real ones have at most three links.
const REFERENCES_MAX: usize = 8;
/// Deeper scopes than any program has; a longer path is cut.
const SCOPES_MAX: usize = 64;
/// How both manglings spell a closure, up to its number.
const CLOSURE: &str = "{closure";
/// A scope without a name, such as the class of a C++ lambda.
const ANONYMOUS: &str = "(anonymous)";

pub(super) struct Named<'a> {
    pub(super) name: String,
    pub(super) linkage_name: Option<Cow<'a, str>>,
    pub(super) kind: FunctionKind,
    /// The entry at the end of the chain of origins and specifications.
    pub(super) origin: Position,
}

/// The name of a function; `None` if it has none.
pub(super) fn function<'a>(view: &View<'a>, unit: usize, entry: &FunctionEntry) -> Option<Named<'a>> {
    let mut linkage_name = None;
    let mut name = None;
    let mut named_at = Position { unit, offset: entry.offset as usize };
    let mut origin = named_at;
    let mut entry = *entry;
    for _ in 0..REFERENCES_MAX {
        linkage_name = linkage_name.or_else(|| text(view, origin, entry.linkage_name, gimli::DW_AT_linkage_name));
        if name.is_none() {
            name = text(view, origin, entry.name, gimli::DW_AT_name);
            named_at = origin;
        }
        let Some(next) = entry.origin.and_then(|reference| resolve(view, origin.unit, reference)) else { break };
        let Some(next_entry) = view.scan(next.unit).function(next.offset).copied() else { break };
        (origin, entry) = (next, next_entry);
        // A declaration inside its class is where the path is; the definition is outside.
        named_at = origin;
    }
    let name = name?;
    let (path, kind) = match view.language(unit) {
        Language::Rust => {
            let demangled = linkage_name.as_deref().and_then(|linkage| rustc_demangle::try_demangle(linkage).ok());
            let demangled = demangled.map(|demangled| format!("{demangled:#}"));
            // The scopes cost more to read than all the rest, and the symbol has them for all but closures.
            let scopes = match &demangled {
                Some(path) if !name.starts_with('{') && !path.contains(CLOSURE) => Vec::new(),
                _ => scope_names(view, named_at),
            };
            rust(&name, &scopes, demangled)
        }
        _ => cpp(&name, scope_names(view, named_at)),
    };
    Some(Named { name: path, linkage_name, kind, origin })
}

/// Whether the name of a function can have a word in it, told without building the name: a symbol of Rust has each
/// segment of the path as it is written. Of what has no such symbol nothing is known.
pub(super) fn may_contain(view: &View<'_>, unit: usize, entry: &FunctionEntry, word: &Finder<'_>) -> bool {
    if view.language(unit) != Language::Rust || !word.needle().is_ascii() {
        return true;
    }
    let (mut at, mut entry) = (Position { unit, offset: entry.offset as usize }, *entry);
    for _ in 0..REFERENCES_MAX {
        if let Some(linkage_name) = text(view, at, entry.linkage_name, gimli::DW_AT_linkage_name) {
            return word.find(linkage_name.as_bytes()).is_some();
        }
        let Some(next) = entry.origin.and_then(|reference| resolve(view, at.unit, reference)) else { break };
        let Some(next_entry) = view.scan(next.unit).function(next.offset).copied() else { break };
        (at, entry) = (next, next_entry);
    }
    true
}

pub(super) fn resolve(view: &View<'_>, unit: usize, reference: Reference) -> Option<Position> {
    match reference {
        Reference::Unit(offset) => Some(Position { unit, offset: offset as usize }),
        Reference::Info(offset) => view.position_from(unit, offset),
    }
}

fn text<'a>(view: &View<'a>, at: Position, text: Text, attribute: gimli::DwAt) -> Option<Cow<'a, str>> {
    match text {
        Text::None => None,
        Text::DebugStr(offset) => {
            Some(view.dwarf(at.unit).string(gimli::DebugStrOffset(offset as usize)).ok()?.to_string_lossy())
        }
        Text::Indexed(index) => {
            let index = gimli::DebugStrOffsetsIndex(index as usize);
            view.string(at.unit, gimli::AttributeValue::DebugStrOffsetsIndex(index))
        }
        Text::InEntry => {
            let die = view.entry(at)?;
            let value = die.attr_value(attribute).or_else(|| die.attr_value(gimli::DW_AT_MIPS_linkage_name))?;
            view.string(at.unit, value)
        }
    }
}

/// The names of the scopes around an entry, innermost first. The scope of a function's definition is that of its
/// declaration.
pub(super) fn scope_names<'a>(view: &View<'a>, at: Position) -> Vec<Cow<'a, str>> {
    scopes_from(view, enclosing(view, at))
}

/// The name of a scope and of those around it, innermost first.
pub(super) fn scopes_from<'a>(view: &View<'a>, scope: Option<Position>) -> Vec<Cow<'a, str>> {
    let mut names = Vec::new();
    let mut next = scope;
    while let Some(mut scope) = next
        && names.len() < SCOPES_MAX
    {
        let Some(die) = view.entry(scope) else { break };
        let mut name = view.name(scope.unit, &die);
        if die.tag() == gimli::DW_TAG_subprogram
            && let Some(origin) = view.scan(scope.unit).function(scope.offset).and_then(|entry| entry.origin)
            && let Some(origin) = resolve(view, scope.unit, origin)
            && let Some(declaration) = view.entry(origin)
        {
            name = name.or_else(|| view.name(origin.unit, &declaration));
            scope = origin;
        }
        names.push(name.unwrap_or(match die.tag() {
            gimli::DW_TAG_namespace => Cow::Borrowed("(anonymous namespace)"),
            _ => Cow::Borrowed(ANONYMOUS),
        }));
        next = enclosing(view, scope);
    }
    names
}

fn enclosing(view: &View<'_>, at: Position) -> Option<Position> {
    let offset = view.scan(at.unit).enclosing(at.offset)?;
    Some(Position { unit: at.unit, offset })
}

/// `outer::inner::name`; Rust's `{impl#0}` says nothing to a user and is left out.
pub(super) fn joined(name: &str, scopes: &[Cow<'_, str>]) -> String {
    let mut path = String::new();
    for scope in scopes.iter().rev().filter(|scope| !scope.starts_with("{impl#")) {
        path.push_str(scope);
        path.push_str("::");
    }
    path + name
}

/// A lambda is the call operator of a class without a name (GCC, clang), or of one named `<lambda(…)>` (GCC 11).
fn cpp(name: &str, mut scopes: Vec<Cow<'_, str>>) -> (String, FunctionKind) {
    let mut kind = FunctionKind::Plain;
    if name == "operator()"
        && let Some(class) = scopes.first_mut()
        && (class == ANONYMOUS || class.starts_with("<lambda"))
    {
        *class = Cow::Borrowed("{lambda}");
        kind = FunctionKind::Closure;
    }
    (joined(name, &scopes), kind)
}

/// A Rust function's name: the path from the symbol, which resolves `impl` blocks; generic arguments and the exact
/// kind of `{{closure}}` from DWARF.
fn rust(name: &str, scopes: &[Cow<'_, str>], demangled: Option<String>) -> (String, FunctionKind) {
    // Most symbols of a program: nothing to resolve, no argument to add.
    if let Some(path) = &demangled
        && !path.starts_with('<')
        && !path.contains("::<")
        && !path.contains(CLOSURE)
        && path.strip_suffix(name).is_some_and(|scope| scope.ends_with("::"))
    {
        return (path.clone(), FunctionKind::Plain);
    }
    let mut segments: Vec<String> = match demangled {
        Some(demangled) => segments(&demangled),
        None => segments(&joined(name, scopes)),
    };
    let from_dwarf = std::iter::once(name).chain(scopes.iter().map(AsRef::as_ref));
    if !name.starts_with('{') {
        if let Some(last) = segments.last_mut()
            && name.len() > last.len()
            && name.starts_with(last.split('<').next().unwrap_or_default())
        {
            *last = name.to_owned();
        }
    } else {
        name_closures(&mut segments, from_dwarf.clone());
    }
    let kind = match from_dwarf.map(without_arguments).next() {
        Some(name) if name.starts_with("{async_fn#") => FunctionKind::AsyncFn,
        Some(name) if name.starts_with("{async_block#") || name.starts_with("{async_closure") => {
            FunctionKind::AsyncBlock
        }
        Some(name) if name.starts_with("{closure#") => FunctionKind::Closure,
        _ if scopes.iter().any(|scope| scope.starts_with("{closure#")) => FunctionKind::Closure,
        _ => FunctionKind::Plain,
    };
    (segments.join("::"), kind)
}

/// Replaces `{{closure}}` from the right by DWARF's names; `{async_fn#0}` is the function itself.
fn name_closures<'n>(segments: &mut Vec<String>, from_dwarf: impl Iterator<Item = &'n str>) {
    let mut at = segments.len();
    for name in from_dwarf.map(without_arguments) {
        let is_closure =
            |segment: &String| segment.starts_with("{{closure") || segment.starts_with("{closure") || segment == name;
        if !name.starts_with('{') || at == 0 || !segments.get(at - 1).is_some_and(is_closure) {
            return;
        }
        at -= 1;
        if name.starts_with("{async_fn#") {
            segments.remove(at);
        } else if let Some(segment) = segments.get_mut(at) {
            *segment = name.to_owned();
        }
    }
}

fn without_arguments(name: &str) -> &str {
    name.split('<').next().unwrap_or(name)
}

/// Splits a path at its outer `::`; a generic argument list stays with what it belongs to, and the brackets around
/// the type of an inherent `impl` (`<Vec<u8>>::push`, as v0 symbols print it) go.
fn segments(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let bytes = path.as_bytes();
    let mut push = |segment: &str| match segments.last_mut() {
        Some(last) if segment.starts_with('<') && !segment.starts_with("<impl") => last.push_str(segment),
        _ => segments.push(segment.to_owned()),
    };
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if at > 0 && bytes.get(at - 1) == Some(&b'-') => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                push(path.get(start..at).unwrap_or_default());
                at += 1;
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    push(path.get(start..).unwrap_or_default());
    if let Some(first) = segments.first_mut()
        && let Some(inner) = first.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'))
        && inner.starts_with(|first: char| first.is_alphanumeric() || first == '_')
        && !inner.starts_with("dyn ")
        && !has_outer_as(inner)
    {
        *first = inner.to_owned();
    }
    segments
}

/// Whether `T as Trait` stands outside of all brackets.
fn has_outer_as(text: &str) -> bool {
    let mut depth = 0_i32;
    text.char_indices().any(|(at, character)| {
        match character {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(" as "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, scopes: &[&str], linkage: Option<&str>) -> (String, FunctionKind) {
        let scopes: Vec<Cow<'_, str>> = scopes.iter().map(|scope| Cow::Borrowed(*scope)).collect();
        let demangled = linkage.map(|linkage| format!("{:#}", rustc_demangle::demangle(linkage)));
        rust(name, &scopes, demangled)
    }

    #[test]
    fn names_trait_methods_by_their_symbol() {
        let symbol = "_ZN52_$LT$fx..inner..Tree$u20$as$u20$fx..inner..Speak$GT$5speak17h51be01ed111975a1E";
        let (name, kind) = named("speak", &["{impl#0}", "inner", "fx"], Some(symbol));
        assert_eq!((name.as_str(), kind), ("<fx::inner::Tree as fx::inner::Speak>::speak", FunctionKind::Plain));
    }

    #[test]
    fn takes_generic_arguments_from_dwarf() {
        let (name, _) = named("generic<u32>", &["inner", "fx"], Some("_ZN2fx5inner7generic17h8dfbbfd00e1cedf8E"));
        assert_eq!(name, "fx::inner::generic<u32>");
    }

    #[test]
    fn an_async_fn_has_its_own_name_and_its_closures_are_numbered() {
        let symbol = "_ZN2fx6parent28_$u7b$$u7b$closure$u7d$$u7d$17he0222e1c254daabdE";
        assert_eq!(
            named("{async_fn#0}", &["parent", "fx"], Some(symbol)),
            ("fx::parent".into(), FunctionKind::AsyncFn)
        );
        let symbol = "_ZN2fx6parent28_$u7b$$u7b$closure$u7d$$u7d$28_$u7b$$u7b$closure$u7d$$u7d$17h6766c94d9ccbe0bbE";
        assert_eq!(
            named("{closure#0}", &["{async_fn#0}", "parent", "fx"], Some(symbol)),
            ("fx::parent::{closure#0}".into(), FunctionKind::Closure)
        );
    }

    #[test]
    fn splits_paths_outside_of_brackets_only() {
        assert_eq!(segments("<a::B as c::D<e::F>>::g::<h::I>"), ["<a::B as c::D<e::F>>", "g<h::I>"]);
        assert_eq!(segments("<alloc::vec::Vec<fn(u8) -> u8>>::push"), ["alloc::vec::Vec<fn(u8) -> u8>", "push"]);
        assert_eq!(segments("core::slice::<impl [T]>::len"), ["core", "slice", "<impl [T]>", "len"]);
    }
}
