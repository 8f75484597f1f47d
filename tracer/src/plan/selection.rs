//! Which functions and USDT probes of the target a probe means: names first, then only the debug information that
//! belongs to them.

use super::pattern::{FunctionName, Pattern};
use crate::target::address::{LinkAddress, LinkRange};
use crate::target::debug_info::{Function, FunctionKind};
use crate::target::demangle::{Demangled, Fragment};
use crate::target::image::Image;
use crate::target::symbol::Symbol;

/// The segment that a closure's or an async body's symbol ends in.
const CLOSURE_SEGMENT: &str = "::{{closure}}";

/// One out-of-line function that a probe means.
#[derive(Clone, Debug)]
pub struct Selected {
    /// As it is shown: by debug information if there is any, else by its symbol.
    pub name: String,
    pub kind: FunctionKind,
    /// All its code, the range of its entry first.
    pub ranges: Vec<LinkRange>,
    /// What debug information says of it.
    pub function: Option<Function>,
    /// What the compiler made of it: a specialised copy takes other arguments than its debug information says.
    pub fragment: Fragment,
    /// An instruction amid a function, asked for by its address.
    pub is_place: bool,
    /// The numbers of the probes that mean it.
    pub probes: Vec<usize>,
}

impl Selected {
    /// The first instruction.
    pub fn entry(&self) -> Option<LinkAddress> {
        self.ranges.first().map(|range| range.start)
    }
}

/// The functions of one object that the pattern means, by address; each once, however many names it has.
pub fn functions(image: &Image<'_>, pattern: &Pattern, closures: bool) -> Vec<Selected> {
    let symbols = match pattern.required_word() {
        Some(word) => image.symbols().mentioning(word),
        None => image.symbols().functions().iter().map(|symbol| (symbol, symbol.demangle())).collect(),
    };
    let mut candidates: Vec<(&Symbol<'_>, Demangled)> = symbols
        .into_iter()
        .filter(|(_, name)| name.fragment != Fragment::Cold && may_match(pattern, &name.path, closures))
        .collect();
    candidates.sort_by_key(|(symbol, _)| symbol.address);
    candidates.dedup_by_key(|(symbol, _)| symbol.address);
    let addresses: Vec<LinkAddress> = candidates.iter().map(|(symbol, _)| symbol.address).collect();
    let known = match image.debug_info() {
        Ok(debug_info) if !debug_info.is_empty() => debug_info.functions_at(&addresses),
        _ => vec![None; addresses.len()],
    };
    let mut selected: Vec<Selected> = candidates
        .into_iter()
        .zip(known)
        .filter_map(|((symbol, name), function)| select(image, pattern, closures, symbol, name, function))
        .collect();
    if selected.is_empty() {
        // Names that only debug information knows: generic arguments, functions whose symbols are gone.
        selected = by_debug_info(image, pattern, closures);
    }
    selected
}

/// Whether the pattern means the symbol's function, an async body by the name of its function included.
pub fn may_match(pattern: &Pattern, path: &str, closures: bool) -> bool {
    pattern.matches(path, closures)
        || (path.ends_with(CLOSURE_SEGMENT) && pattern.matches(FunctionName { path, is_async_body: true }, closures))
}

fn select(
    image: &Image<'_>,
    pattern: &Pattern,
    closures: bool,
    symbol: &Symbol<'_>,
    name: Demangled,
    function: Option<Function>,
) -> Option<Selected> {
    let function = function.filter(|function| function.entry == Some(symbol.address));
    let Some(function) = function else {
        // Without debug information an async body cannot be told from a closure.
        let is_closure = name.path.ends_with(CLOSURE_SEGMENT);
        (!is_closure || pattern.matches(name.path.as_str(), closures)).then_some(())?;
        let kind = if is_closure { FunctionKind::Closure } else { FunctionKind::Plain };
        let (ranges, fragment) = (symbol_ranges(image, symbol), name.fragment);
        return Some(Selected {
            ranges,
            name: name.path,
            kind,
            function: None,
            fragment,
            is_place: false,
            probes: Vec::new(),
        });
    };
    match function.kind {
        FunctionKind::AsyncFn | FunctionKind::Plain => {}
        // It only builds the future; the calls that the user means are the polls.
        FunctionKind::AsyncConstructor => return None,
        FunctionKind::AsyncBlock | FunctionKind::Closure => {
            pattern.matches(name.path.as_str(), closures).then_some(())?;
        }
    }
    let ranges = if function.ranges.is_empty() { symbol_ranges(image, symbol) } else { function.ranges.clone() };
    let (kind, fragment) = (function.kind, name.fragment);
    Some(Selected {
        name: function.name.clone(),
        kind,
        ranges,
        function: Some(function),
        fragment,
        is_place: false,
        probes: Vec::new(),
    })
}

/// The function's symbol and its cold half, if the name of that is unique.
fn symbol_ranges(image: &Image<'_>, symbol: &Symbol<'_>) -> Vec<LinkRange> {
    let mut ranges = vec![symbol.range()];
    let cold = format!("{}.cold", symbol.name);
    let mut named = image.symbols().functions().iter().filter(|other| other.name == cold);
    if let (Some(part), None) = (named.next(), named.next()) {
        ranges.push(part.range());
    }
    ranges
}

fn by_debug_info(image: &Image<'_>, pattern: &Pattern, closures: bool) -> Vec<Selected> {
    let Ok(debug_info) = image.debug_info() else { return Vec::new() };
    debug_info
        .functions(|name| pattern.matches(name, closures))
        .into_iter()
        .filter(|function| function.entry.is_some() && is_wanted(function.kind, closures))
        .map(|function| Selected {
            name: function.name.clone(),
            kind: function.kind,
            ranges: function.ranges.clone(),
            fragment: fragment_at(image, function.entry),
            function: Some(function),
            is_place: false,
            probes: Vec::new(),
        })
        .collect()
}

/// What the symbol at a function's entry says; a function without symbol is whole.
fn fragment_at(image: &Image<'_>, entry: Option<LinkAddress>) -> Fragment {
    let symbol = entry.and_then(|entry| image.symbols().containing(entry).filter(|symbol| symbol.address == entry));
    symbol.map_or(Fragment::Whole, |symbol| symbol.demangle().fragment)
}

/// Whether `trace` shows functions of this kind.
pub fn is_wanted(kind: FunctionKind, closures: bool) -> bool {
    match kind {
        FunctionKind::Plain | FunctionKind::AsyncFn => true,
        FunctionKind::AsyncConstructor => false,
        FunctionKind::AsyncBlock | FunctionKind::Closure => closures,
    }
}

/// The function that begins at `address`, or the instruction there as a place of its own.
pub fn at(image: &Image<'_>, address: LinkAddress) -> Option<Selected> {
    let symbol = image.symbols().containing(address)?;
    let function = match image.debug_info() {
        Ok(debug_info) => debug_info.functions_at(&[address]).pop().flatten(),
        Err(_) => None,
    };
    let Demangled { path, fragment } = symbol.demangle();
    let name = function.as_ref().map_or(path, |function| function.name.clone());
    if symbol.address == address {
        let kind = function.as_ref().map_or(FunctionKind::Plain, |function| function.kind);
        let ranges = match &function {
            Some(function) if !function.ranges.is_empty() => function.ranges.clone(),
            _ => symbol_ranges(image, symbol),
        };
        return Some(Selected { name, kind, ranges, function, fragment, is_place: false, probes: Vec::new() });
    }
    let range = LinkRange { start: address, end: symbol.range().end };
    is_instruction_start(image, symbol, address).then(|| Selected {
        name: format!("{name}+{:#x}", address.0 - symbol.address.0),
        kind: FunctionKind::Plain,
        ranges: vec![range],
        function: None,
        fragment,
        is_place: true,
        probes: Vec::new(),
    })
}

/// Whether decoding from the function's first instruction comes by `address`.
fn is_instruction_start(image: &Image<'_>, symbol: &Symbol<'_>, address: LinkAddress) -> bool {
    let Some(code) = image.code(symbol.range()) else { return false };
    let mut decoder = iced_x86::Decoder::with_ip(64, code, symbol.address.0, iced_x86::DecoderOptions::NONE);
    while decoder.can_decode() && decoder.ip() < address.0 {
        let _ = decoder.decode();
    }
    decoder.ip() == address.0
}
