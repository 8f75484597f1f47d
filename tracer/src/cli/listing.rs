//! Gathers what `tracer list` shows of a target's objects: functions by debug information and by symbols, put
//! together under their names, and USDT probes.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;

use crate::plan::line::{self, CodeLine};
use crate::plan::pattern::Pattern;
use crate::plan::probe::{Place, Probe};
use crate::plan::selection::{at, is_wanted, may_match};
use crate::plan::source_line::{FileSuffix, Lines};
use crate::plan::usdt::operand_type;
use crate::report::list::{ListedFunction, ListedLine, ListedUsdt, Listing, Signature, UsdtArgument};
use crate::target::address::LinkAddress;
use crate::target::debug_info::{Function, FunctionKind, Interface};
use crate::target::demangle::Fragment;
use crate::target::image::Image;
use crate::target::symbol::SymbolSource;

/// Everything that the probe means; without one all of the executable that can be probed.
pub fn gather(images: &[Image<'_>], probe: Option<&Probe>, closures: bool) -> Listing {
    let mut listing = Listing::default();
    let place = probe.map(|probe| &probe.place);
    for image in images {
        let is_meant = |object: &Option<crate::plan::probe::ObjectPattern>| match object {
            Some(object) => object.matches(&image.object.path().to_string_lossy()),
            None => image.is_executable,
        };
        match place {
            None if image.is_executable => {
                let all = functions(image, &Pattern::all(), closures, false);
                let (with_code, inlined): (Vec<_>, Vec<_>) = all.into_iter().partition(|function| function.copies > 0);
                listing.hidden_inlined = inlined.len();
                listing.functions.extend(with_code);
                listing.usdt.extend(usdt(image, |_, _| true));
            }
            None => {}
            Some(Place::Function { object, pattern }) if is_meant(object) => {
                listing.functions.extend(functions(image, pattern, closures, true));
            }
            Some(Place::Address { object, address }) if is_meant(object) => {
                listing.functions.extend(function_at(image, *address));
            }
            Some(Place::Line { object, file, lines }) if is_meant(object) => {
                listing.lines.extend(source_lines(image, file, *lines));
            }
            Some(Place::Function { .. } | Place::Address { .. } | Place::Line { .. }) => {}
            Some(Place::Usdt { provider, name }) => {
                let found = usdt(image, |of, named| provider.matches(of) && name.matches(named));
                listing.usdt.extend(found);
            }
        }
    }
    listing
}

/// What the user should know of the listing: where names or signatures are missing, and how to get them.
pub fn notes(images: &[Image<'_>]) -> Vec<String> {
    let Some(image) = images.iter().find(|image| image.is_executable) else { return Vec::new() };
    let name = image.object.name();
    let has_debug_info = image.debug_info().is_ok_and(|debug_info| !debug_info.is_empty());
    match image.symbols().source() {
        _ if has_debug_info => Vec::new(),
        SymbolSource::Full => vec![format!("{name} has no debug information, so signatures are not known")],
        SymbolSource::Dynamic => vec![format!("{name} is stripped: only what it exports has a name")],
        SymbolSource::Nothing => vec![format!("{name} is stripped: its functions have no names")],
    }
}

/// A function before its copies are put together.
struct Copy {
    name: String,
    is_async: bool,
    has_code: bool,
    inlined_copies: u32,
    interface: Option<Interface>,
}

/// `with_inlined`: those that exist only inlined have signatures too.
fn functions(image: &Image<'_>, pattern: &Pattern, closures: bool, with_inlined: bool) -> Vec<ListedFunction> {
    let mut described: Vec<Function> = match image.debug_info() {
        Ok(debug_info) => debug_info.functions(|name| pattern.matches(name, closures)),
        Err(_) => Vec::new(),
    };
    let known: HashSet<LinkAddress> = described.iter().filter_map(|function| function.entry).collect();
    let mut copies = Vec::new();
    let others = others(image, pattern, closures, &known);
    let addresses: Vec<LinkAddress> = others.iter().map(|(address, _)| *address).collect();
    let found = match image.debug_info() {
        Ok(debug_info) if !debug_info.is_empty() => debug_info.functions_at(&addresses),
        _ => vec![None; addresses.len()],
    };
    for ((address, name), function) in others.into_iter().zip(found) {
        match function.filter(|function| function.entry == Some(address)) {
            // In C a function can have more names than its debug information knows.
            Some(function)
                if function.kind == FunctionKind::Plain && !pattern.matches(function.name.as_str(), closures) =>
            {
                described.push(Function { name, ..function });
            }
            Some(function) => described.push(function),
            None if closures || !name.ends_with("{{closure}}") => {
                copies.push(Copy { name, is_async: false, has_code: true, inlined_copies: 0, interface: None });
            }
            None => {}
        }
    }
    copies.extend(with_interfaces(image, described, closures, with_inlined));
    together(copies, &image.object.name())
}

/// Functions that the pattern means by their symbols, at addresses that are not `known`: each address once.
fn others(
    image: &Image<'_>,
    pattern: &Pattern,
    closures: bool,
    known: &HashSet<LinkAddress>,
) -> Vec<(LinkAddress, String)> {
    let symbols = image.symbols().functions().par_iter().with_min_len(512);
    let mut others: Vec<(LinkAddress, String)> = symbols
        .filter(|symbol| !known.contains(&symbol.address))
        .map(|symbol| (symbol.address, symbol.demangle()))
        .filter(|(_, name)| name.fragment != Fragment::Cold && may_match(pattern, &name.path, closures))
        .map(|(address, name)| (address, name.path))
        .collect();
    others.dedup_by_key(|(address, _)| *address);
    others
}

/// The functions that can be traced, each with its interface.
fn with_interfaces(image: &Image<'_>, mut functions: Vec<Function>, closures: bool, with_inlined: bool) -> Vec<Copy> {
    let Ok(debug_info) = image.debug_info() else { return Vec::new() };
    functions.retain(|function| is_wanted(function.kind, closures));
    let (described, bare): (Vec<_>, Vec<_>) =
        functions.into_iter().partition(|function| with_inlined || function.entry.is_some());
    let interfaces = debug_info.interfaces(&described);
    let copy = |(function, interface): (Function, Option<Interface>)| Copy {
        is_async: function.kind == FunctionKind::AsyncFn,
        has_code: function.entry.is_some(),
        inlined_copies: function.inlined_copies.unwrap_or(0),
        interface,
        name: function.name,
    };
    let bare = bare.into_iter().map(|function| (function, None));
    described.into_iter().zip(interfaces).chain(bare).map(copy).collect()
}

/// One line for each name: its copies counted, the first known interface shown.
fn together(copies: Vec<Copy>, object: &str) -> Vec<ListedFunction> {
    let mut by_name: BTreeMap<String, ListedFunction> = BTreeMap::new();
    for copy in copies {
        let listed = by_name.entry(copy.name).or_insert_with_key(|name| ListedFunction {
            name: name.clone(),
            object: object.to_owned(),
            signature: None,
            copies: 0,
            inlined_copies: 0,
            is_async: copy.is_async,
        });
        listed.copies += u32::from(copy.has_code);
        // Each copy tells the number of all.
        listed.inlined_copies = listed.inlined_copies.max(copy.inlined_copies);
        if listed.signature.is_none() {
            listed.signature = copy.interface.map(signature);
        }
    }
    by_name.into_values().collect()
}

fn signature(interface: Interface) -> Signature {
    let named = |(name, ty): (Option<String>, String)| (name.unwrap_or_else(|| "_".to_owned()), ty);
    Signature { parameters: interface.parameters.into_iter().map(named).collect(), result: interface.result }
}

fn function_at(image: &Image<'_>, address: LinkAddress) -> Vec<ListedFunction> {
    let Some(selected) = at(image, address) else { return Vec::new() };
    let interface = selected.function.and_then(|function| {
        let debug_info = image.debug_info().ok()?;
        debug_info.interfaces(&[function]).pop().flatten()
    });
    let is_async = selected.kind == FunctionKind::AsyncFn;
    let copy = Copy { name: selected.name, is_async, has_code: true, inlined_copies: 0, interface };
    together(vec![copy], &image.object.name())
}

fn source_lines(image: &Image<'_>, file: &FileSuffix, lines: Lines) -> impl Iterator<Item = ListedLine> {
    let object = image.object.name().into_owned();
    line::lines(image, file, lines).into_iter().map(move |found| {
        let CodeLine { file, line, functions, sites } = found;
        ListedLine { file, line, object: object.clone(), functions, sites }
    })
}

fn usdt(image: &Image<'_>, is_wanted: impl Fn(&str, &str) -> bool) -> Vec<ListedUsdt> {
    let mut listed: Vec<ListedUsdt> = Vec::new();
    let probes = image.usdt_probes().unwrap_or_default();
    for probe in probes.into_iter().filter(|probe| is_wanted(&probe.provider, &probe.name)) {
        if let Some(known) =
            listed.iter_mut().find(|known| known.provider == probe.provider && known.name == probe.name)
        {
            known.sites += 1;
            continue;
        }
        let argument = |operand: &crate::target::operand::Operand| UsdtArgument {
            type_name: operand_type(operand).1,
            operand: operand.text.clone(),
        };
        listed.push(ListedUsdt {
            arguments: probe.arguments.iter().map(argument).collect(),
            provider: probe.provider,
            name: probe.name,
            object: image.object.name().into_owned(),
            sites: 1,
            has_semaphore: probe.semaphore.is_some(),
        });
    }
    listed.sort_by(|a, b| (&a.provider, &a.name).cmp(&(&b.provider, &b.name)));
    listed
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
