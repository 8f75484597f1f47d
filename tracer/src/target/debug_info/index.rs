//! Finds functions: by name over the whole object, or by address in the few units that hold the address.
//! Says nothing of their parameters.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use super::lines::shown_path;
use super::name::{self, Named};
use super::scan::{FunctionEntry, InlinedEntry};
use super::unit::{Die, Position, View, die_ranges, link_range};
use super::{DebugInfo, DieId, Function, FunctionKind, InlinedCopy, SourceLine};
use crate::target::address::{LinkAddress, LinkRange};

/// A function whose name passed, with what is needed to count its inlined copies.
struct Candidate {
    function: Function,
    origin: Position,
}

/// What makes two entries the same function: the symbol's name, or where it is declared.
#[derive(PartialEq, Eq, Hash, Clone)]
enum Identity {
    Symbol(String),
    Declared(String, Option<SourceLine>),
}

impl DebugInfo<'_> {
    /// All functions whose [`name`](Function::name) passes `filter`: out-of-line copies by address, then those that
    /// exist only inlined, by name. Reads all units, in parallel, the first time; later calls only resolve names.
    pub fn functions(&self, filter: impl Fn(&str) -> bool + Sync) -> Vec<Function> {
        let view = View::new(self);
        view.scan_all();
        let candidates = candidates(&view, &filter);
        let copies = count_inlined(&view, &candidates);
        merge(candidates, &copies)
    }

    /// For each address the function whose out-of-line code holds it. Reads only the units that cover the addresses.
    pub fn functions_at(&self, addresses: &[LinkAddress]) -> Vec<Option<Function>> {
        let view = View::new(self);
        addresses.par_iter().map(|&address| function_at(&view, address)).collect()
    }

    /// The functions whose [`name`](Function::name) passes `filter`, each with its inlined copies all over the object;
    /// a function that several units know comes once for each. `word` is in every name that passes, if it is known:
    /// to build a name takes long.
    pub fn inlined(
        &self,
        word: Option<&str>,
        filter: impl Fn(&str) -> bool + Sync,
    ) -> Vec<(Function, Vec<InlinedCopy>)> {
        let view = View::new(self);
        view.scan_all();
        let word = word.map(memchr::memmem::Finder::new);
        // Without a word it pays to look first which functions were inlined at all.
        let copied = word.is_none().then(|| inlined_origins(&view));
        let in_unit = |unit: usize| {
            let is_copied = |entry: &FunctionEntry| {
                copied.as_ref().is_none_or(|all| all.contains(&Position { unit, offset: entry.offset as usize }))
            };
            let may_pass = |entry: &FunctionEntry| {
                is_copied(entry) && word.as_ref().is_none_or(|word| name::may_contain(&view, unit, entry, word))
            };
            let named = |entry: FunctionEntry| {
                let named = name::function(&view, unit, &entry).filter(|named| filter(&named.name))?;
                Some((Position { unit, offset: entry.offset as usize }, (entry, named)))
            };
            let wanted: Vec<FunctionEntry> =
                view.scan(unit).functions.iter().filter(|entry| may_pass(entry)).copied().collect();
            wanted.into_par_iter().with_min_len(256).filter_map(named).collect::<Vec<_>>()
        };
        let wanted: HashMap<Position, _> = (0..self.units.len()).into_par_iter().flat_map(in_unit).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let copies_in = |unit: usize| {
            let copy = |entry: &InlinedEntry| {
                let origin = name::resolve(&view, unit, entry.origin).filter(|origin| wanted.contains_key(origin))?;
                Some((origin, inlined_copy(&view, Position { unit, offset: entry.offset as usize })?))
            };
            view.scan(unit).inlined.iter().filter_map(copy).collect::<Vec<_>>()
        };
        let found: Vec<_> = (0..self.units.len()).into_par_iter().flat_map_iter(copies_in).collect();
        let mut copies: HashMap<Position, Vec<InlinedCopy>> = HashMap::new();
        for (origin, copy) in found {
            copies.entry(origin).or_default().push(copy);
        }
        let described = |(origin, (entry, named)): (Position, (FunctionEntry, Named<'_>))| {
            let copies = copies.get(&origin)?.clone();
            Some((candidate(&view, origin.unit, &entry, named)?.function, copies))
        };
        wanted.into_iter().filter_map(described).collect()
    }

    /// The inlined copies of a function, all over the object.
    pub fn inlined_copies(&self, function: &Function) -> Vec<InlinedCopy> {
        let view = View::new(self);
        view.scan_all();
        let wanted = identity(function);
        let candidates: HashMap<Position, ()> = candidates(&view, &|name: &str| name == function.name)
            .into_iter()
            .filter(|candidate| identity(&candidate.function) == wanted)
            .map(|candidate| (candidate.origin, ()))
            .collect();
        let in_unit = |unit: usize| {
            let scan = view.scan(unit);
            let is_wanted = |origin| name::resolve(&view, unit, origin).is_some_and(|at| candidates.contains_key(&at));
            let found: Vec<u32> =
                scan.inlined.iter().filter(|copy| is_wanted(copy.origin)).map(|copy| copy.offset).collect();
            found
                .into_iter()
                .filter_map(|offset| inlined_copy(&view, Position { unit, offset: offset as usize }))
                .collect::<Vec<_>>()
        };
        (0..self.units.len()).into_par_iter().flat_map_iter(in_unit).collect()
    }
}

/// The entries that inlined copies name.
fn inlined_origins(view: &View<'_>) -> HashSet<Position> {
    let in_unit = |unit: usize| {
        let scan = view.scan(unit);
        let mut origins: Vec<Position> =
            scan.inlined.iter().filter_map(|copy| name::resolve(view, unit, copy.origin)).collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    };
    (0..view.info.units.len()).into_par_iter().flat_map_iter(in_unit).collect()
}

fn candidates(view: &View<'_>, filter: &(impl Fn(&str) -> bool + Sync)) -> Vec<Candidate> {
    let in_unit = |unit: usize| {
        let scan = view.scan(unit);
        let wanted: Vec<FunctionEntry> =
            scan.functions.iter().filter(|entry| entry.has_code() || entry.is_abstract).copied().collect();
        wanted.into_par_iter().with_min_len(256).filter_map(move |entry| {
            let named = name::function(view, unit, &entry).filter(|named| filter(&named.name))?;
            candidate(view, unit, &entry, named)
        })
    };
    (0..view.info.units.len()).into_par_iter().flat_map(in_unit).collect()
}

fn candidate(view: &View<'_>, unit: usize, entry: &FunctionEntry, named: Named<'_>) -> Option<Candidate> {
    let at = Position { unit, offset: entry.offset as usize };
    let ranges = if entry.has_code() { code_ranges(view, at) } else { Vec::new() };
    if entry.has_code() && ranges.is_empty() {
        return None;
    }
    let abstract_at = match entry.origin {
        Some(origin) if !entry.is_abstract => name::resolve(view, unit, origin)?,
        _ => at,
    };
    let kind = match named.kind {
        FunctionKind::Plain if builds_a_future(view, &[at, abstract_at, named.origin]) => {
            FunctionKind::AsyncConstructor
        }
        kind => kind,
    };
    let function = Function {
        id: view.id(at),
        name: named.name,
        linkage_name: named.linkage_name.map(|name| name.into_owned()),
        kind,
        language: view.language(unit),
        entry: ranges.first().map(|range| range.start),
        ranges,
        declared: declared(view, &[at, abstract_at, named.origin]),
        inlined_copies: None,
    };
    Some(Candidate { function, origin: abstract_at })
}

/// The function's code, the range with its entry first; without what the linker dropped.
pub(super) fn code_ranges(view: &View<'_>, at: Position) -> Vec<LinkRange> {
    /// More parts than any compiler splits a function into.
    const RANGES_MAX: usize = 1024;
    let (Some(unit), Some(die)) = (view.unit(at.unit), view.entry(at)) else { return Vec::new() };
    let mut found = Vec::new();
    match die_ranges(view.dwarf(at.unit), unit, &die) {
        Ok(mut ranges) => {
            while let (Ok(Some(range)), true) = (ranges.next(), found.len() < RANGES_MAX) {
                if range.begin > 1 && range.begin < range.end {
                    found.push(link_range(range.begin, range.end));
                }
            }
        }
        Err(source) => view.damaged(at.unit, source),
    }
    let entry = die.attr_value(gimli::DW_AT_entry_pc).or_else(|| die.attr_value(gimli::DW_AT_low_pc));
    if let Some(value) = entry
        && let Ok(Some(entry)) = view.dwarf(at.unit).attr_address(unit, value)
        && let Some(first) = found.iter().position(|range| range.start == LinkAddress(entry))
    {
        found.swap(0, first);
    }
    found
}

/// Whether a function returns the environment of an `async fn`: then it is the part of that `async fn` that runs when
/// it is called, before it is awaited.
fn builds_a_future(view: &View<'_>, chain: &[Position]) -> bool {
    let returned = chain.iter().find_map(|&at| {
        let die = view.entry(at)?;
        view.reference(at.unit, die.attr_value(gimli::DW_AT_type)?)
    });
    returned.and_then(|at| view.name(at.unit, &view.entry(at)?)).is_some_and(|name| name.starts_with("{async_fn_env#"))
}

fn declared(view: &View<'_>, chain: &[Position]) -> Option<SourceLine> {
    chain.iter().find_map(|&at| {
        let die = view.entry(at)?;
        source_line(view, at.unit, &die, gimli::DW_AT_decl_file, gimli::DW_AT_decl_line)
    })
}

/// The file and line that two attributes of an entry name.
pub(super) fn source_line(
    view: &View<'_>,
    unit: usize,
    die: &Die<'_>,
    file: gimli::DwAt,
    line: gimli::DwAt,
) -> Option<SourceLine> {
    let line = die.attr_value(line)?.udata_value()?;
    let index = match die.attr_value(file)? {
        gimli::AttributeValue::FileIndex(index) => index,
        other => other.udata_value()?,
    };
    Some(SourceLine { file: shown_path(view.lines(unit)?, index)?, line })
}

fn count_inlined(view: &View<'_>, candidates: &[Candidate]) -> HashMap<Position, u32> {
    let mut counts: HashMap<Position, u32> = candidates.iter().map(|candidate| (candidate.origin, 0)).collect();
    if counts.is_empty() {
        return counts;
    }
    let in_unit = |unit: usize| {
        let mut found: HashMap<Position, u32> = HashMap::new();
        for copy in &view.scan(unit).inlined {
            if let Some(origin) = name::resolve(view, unit, copy.origin)
                && counts.contains_key(&origin)
            {
                *found.entry(origin).or_default() += 1;
            }
        }
        found
    };
    let found: Vec<_> = (0..view.info.units.len()).into_par_iter().map(in_unit).collect();
    for (origin, count) in found.into_iter().flatten() {
        if let Some(total) = counts.get_mut(&origin) {
            *total = total.saturating_add(count);
        }
    }
    counts
}

fn identity(function: &Function) -> Identity {
    match &function.linkage_name {
        Some(symbol) => Identity::Symbol(symbol.clone()),
        None => Identity::Declared(function.name.clone(), function.declared.clone()),
    }
}

/// Each unit has its own abstract entry of a function that it inlines: put together what is one function.
fn merge(candidates: Vec<Candidate>, copies: &HashMap<Position, u32>) -> Vec<Function> {
    struct Group {
        out_of_line: Vec<Function>,
        abstract_entry: Option<Function>,
        counted: Vec<Position>,
        inlined_copies: u32,
    }
    let mut groups: HashMap<Identity, Group> = HashMap::new();
    for Candidate { function, origin } in candidates {
        let group = groups.entry(identity(&function)).or_insert_with(|| Group {
            out_of_line: Vec::new(),
            abstract_entry: None,
            counted: Vec::new(),
            inlined_copies: 0,
        });
        if !group.counted.contains(&origin) {
            group.counted.push(origin);
            group.inlined_copies += copies.get(&origin).copied().unwrap_or_default();
        }
        match function.entry {
            Some(_) => group.out_of_line.push(function),
            None => {
                group.abstract_entry.get_or_insert(function);
            }
        }
    }
    let finish = |group: Group| {
        let Group { mut out_of_line, abstract_entry, inlined_copies, .. } = group;
        if out_of_line.is_empty() && inlined_copies > 0 {
            out_of_line.extend(abstract_entry);
        }
        out_of_line.into_iter().map(move |function| Function { inlined_copies: Some(inlined_copies), ..function })
    };
    let mut functions: Vec<Function> = groups.into_values().flat_map(finish).collect();
    functions.par_sort_by(|a, b| order(a).cmp(&order(b)));
    functions
}

fn order(function: &Function) -> (bool, Option<LinkAddress>, &str, DieId) {
    (function.entry.is_none(), function.entry, &function.name, function.id)
}

pub(super) fn function_at(view: &View<'_>, address: LinkAddress) -> Option<Function> {
    view.units_at(address).into_iter().find_map(|unit| {
        let scan = view.scan(unit);
        let holds = |entry: &&FunctionEntry| {
            let at = Position { unit, offset: entry.offset as usize };
            code_ranges(view, at).iter().any(|range| range.contains(address))
        };
        let entry = scan.near(address.0).find(holds)?;
        let named = name::function(view, unit, entry)?;
        Some(candidate(view, unit, entry, named)?.function)
    })
}

fn inlined_copy(view: &View<'_>, at: Position) -> Option<InlinedCopy> {
    let ranges = code_ranges(view, at);
    if ranges.is_empty() {
        return None;
    }
    let die = view.entry(at)?;
    let called_at = source_line(view, at.unit, &die, gimli::DW_AT_call_file, gimli::DW_AT_call_line);
    let entry_view = die.attr_value(gimli::DW_AT_GNU_entry_view).and_then(|view| view.udata_value()).unwrap_or(0);
    Some(InlinedCopy { id: view.id(at), ranges, entry_view, called_at })
}
