//! The whole request: every probe of the command line resolved, its functions and USDT sites planned.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;

use super::builder::PlanBuilder;
use super::description::Descriptions;
use super::exits::SiteFinder;
use super::function::{self, FunctionOptions, Shortfall};
use super::inlined::{self, InlinedCopies, SelectedCopy};
use super::line::{self, LineSites};
use super::nearest::nearest;
use super::pattern::Pattern;
use super::probe::{PatternError, Place, Probe};
use super::probe_plan::AttachPlan;
use super::rules::Rules;
use super::selection::{self, Selected};
use super::unwind_rows::UnwindRows;
use super::usdt::MAILBOX_PROVIDER;
use crate::target::address::LinkAddress;
use crate::target::debug_info::DieId;
use crate::target::image::Image;
use crate::target::symbol::SymbolSource;
use crate::target::usdt::UsdtProbe;
use crate::value::redaction::Redaction;

/// What to trace.
pub struct TraceRequest<'a> {
    pub probes: &'a [Probe],
    pub closures: bool,
    pub options: FunctionOptions,
    /// Names whose values are not read.
    pub redaction: Redaction,
}

/// What will be attached, and what could not be.
pub struct Planned {
    pub attach: AttachPlan,
    pub descriptions: Descriptions,
    /// By function name.
    pub shortfalls: Vec<(String, Shortfall)>,
}

/// A probe that found nothing, with what the user may have meant.
#[derive(Debug)]
pub struct NothingFound {
    pub probe: String,
    /// Similar names that can be traced.
    pub nearest: Vec<String>,
    /// Functions that the probe means, and that exist only inlined.
    pub inlined_only: Vec<String>,
    /// Why nothing that it means can be probed.
    pub refused: Vec<String>,
    /// The object that was searched and lost its full symbol table, if one did.
    pub stripped: Option<Stripped>,
    /// The probe as it would find something, in a library.
    pub elsewhere: Vec<String>,
    /// What is wrong with its condition or its fields, for every function that it means.
    pub mistake: Option<PatternError>,
}

/// An object without its full symbol table.
#[derive(Debug, PartialEq, Eq)]
pub struct Stripped {
    /// `the program`, or the library's file name.
    pub object: String,
    /// Functions that it exports, the only ones with names.
    pub exported: usize,
}

impl NothingFound {
    fn of(probe: String) -> Self {
        Self {
            probe,
            nearest: Vec::new(),
            inlined_only: Vec::new(),
            refused: Vec::new(),
            stripped: None,
            elsewhere: Vec::new(),
            mistake: None,
        }
    }

    /// Looks for the probe in the libraries too, which are left out unless they are named.
    pub fn look_elsewhere(&mut self, libraries: &[Image<'_>], probe: &Probe, closures: bool) {
        let Place::Function { object: None, pattern } = &probe.place else { return };
        let holds = |image: &&Image<'_>| !selection::functions(image, pattern, closures).is_empty();
        let holding = libraries.iter().filter(|image| !image.is_executable).filter(holds).take(NAMES_MAX);
        self.elsewhere = holding.map(|image| format!("'{}!{}'", image.object.name(), probe.text)).collect();
    }
}

/// Names listed in a message.
const NAMES_MAX: usize = 5;

impl fmt::Display for NothingFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing to trace for {:?}", self.probe)?;
        if let Some(refused) = self.refused.first() {
            return write!(f, ": {refused}");
        }
        if !self.inlined_only.is_empty() {
            let names: Vec<&str> = self.inlined_only.iter().take(NAMES_MAX).map(String::as_str).collect();
            return write!(
                f,
                ": {} was inlined everywhere: leave out --inlined off to see it there, or mark it #[inline(never)]",
                names.join(", ")
            );
        }
        if !self.elsewhere.is_empty() {
            return write!(f, " in the program itself, but in a library: {}", self.elsewhere.join(", "));
        }
        if let Some(stripped) = &self.stripped {
            write!(f, ": {stripped}; install its debug symbols, or trace USDT probes or addresses")?;
            if !self.nearest.is_empty() {
                write!(f, "; it exports {}", self.nearest.join(", "))?;
            }
            return Ok(());
        }
        if self.nearest.is_empty() {
            return f.write_str(": no name is similar; `tracer list` shows what there is");
        }
        write!(f, "; there is {}", self.nearest.join(", "))
    }
}

impl fmt::Display for Stripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, exported } = self;
        match exported {
            0 => write!(f, "{object} is stripped: no function in it has a name"),
            1 => write!(f, "{object} is stripped: only the 1 name that it exports can be traced"),
            _ => write!(f, "{object} is stripped: only the {exported} names that it exports can be traced"),
        }
    }
}

/// Whether some probe looks into the library at `path`.
pub fn needs_object(probes: &[Probe], path: &str) -> bool {
    probes.iter().any(|probe| match &probe.place {
        Place::Function { object, .. } | Place::Address { object, .. } | Place::Line { object, .. } => {
            object.as_ref().is_some_and(|object| object.matches(path))
        }
        Place::Usdt { .. } => true,
    })
}

/// Resolves and plans all probes; the first that finds nothing ends it.
///
/// # Errors
/// A probe means nothing that can be probed.
pub fn plan(images: &[Image<'_>], request: &TraceRequest<'_>) -> Result<Planned, Box<NothingFound>> {
    let mut builder = PlanBuilder::with_rules(Rules::of(request.probes));
    builder.types.types.redaction = request.redaction.clone();
    let mut shortfalls = Vec::new();
    let mut chosen: Vec<Chosen> = images.iter().map(|_| Chosen::default()).collect();
    let mut usdt = UsdtSites::default();
    for (number, probe) in request.probes.iter().enumerate() {
        let found = match &probe.place {
            Place::Function { object, pattern } => {
                let mut found = 0;
                for (image, chosen) in images.iter().zip(&mut chosen) {
                    if object.as_ref().map_or(image.is_executable, |object| is_in(image, object)) {
                        found += chosen.add(image, pattern, request, number);
                    }
                }
                found
            }
            Place::Address { object, address } => {
                let mut found = 0;
                for (image, chosen) in images.iter().zip(&mut chosen) {
                    let wanted = object.as_ref().map_or(image.is_executable, |object| is_in(image, object));
                    if let Some(function) = wanted.then(|| selection::at(image, *address)).flatten() {
                        found += 1;
                        chosen.functions.entry(*address).or_insert(function).probes.push(number);
                    }
                }
                found
            }
            Place::Line { object, file, lines } => {
                let mut found = 0;
                for (image, chosen) in images.iter().zip(&mut chosen) {
                    if object.as_ref().map_or(image.is_executable, |object| is_in(image, object))
                        && let Some(sites) = line::find(image, file, lines.first).sites()
                    {
                        found += 1;
                        shortfalls.extend(sites.moved(&probe.text, lines.first));
                        match chosen.lines.iter_mut().find(|(_, known)| known.is_same(&sites)) {
                            Some((numbers, _)) => numbers.push(number),
                            None => chosen.lines.push((vec![number], sites)),
                        }
                    }
                }
                found
            }
            Place::Usdt { provider, name } => add_usdt(&mut usdt, images, number, |probe| {
                provider.matches(&probe.provider) && name.matches(&probe.name)
            }),
        };
        if found == 0 {
            return Err(Box::new(nothing(images, probe, request.closures)));
        }
    }
    for ((index, _), (probe, numbers)) in usdt {
        let Some(image) = images.get(index) else { continue };
        builder.obey(&numbers);
        if let Some(shortfall) = builder.usdt(image, &probe, &request.options.limits) {
            shortfalls.push((format!("{}:{}", probe.provider, probe.name), shortfall));
        }
    }
    for (image, chosen) in images.iter().zip(&chosen) {
        let rows = image.eh_frame().map(|(bytes, address)| UnwindRows::new(bytes, address));
        // The kernel runs probes of one address in the reverse order: what is outermost is added last.
        for (numbers, line) in &chosen.lines {
            builder.obey(numbers);
            shortfalls.extend(builder.line(image, rows.as_ref(), line, &request.options));
        }
        shortfalls.extend(builder.inlined(image, rows.as_ref(), &chosen.copies, &request.options));
        let functions = chosen.functions.values();
        plan_functions(&mut builder, &mut shortfalls, image, rows.as_ref(), functions, &request.options);
    }
    shortfalls.extend(builder.rules.take_joined());
    if let Some(mistake) = builder.rules.mistake() {
        let probe = request.probes.first().map_or_else(String::new, |probe| probe.text.clone());
        return Err(Box::new(NothingFound { mistake: Some(mistake), ..NothingFound::of(probe) }));
    }
    let (attach, descriptions) = builder.finish();
    if attach.points.is_empty() {
        let refused = shortfalls.iter().map(|(name, shortfall)| format!("{name}: {}", shortfall.reason())).collect();
        let probe = request.probes.first().map_or_else(String::new, |probe| probe.text.clone());
        return Err(Box::new(NothingFound { refused, ..NothingFound::of(probe) }));
    }
    Ok(Planned { attach, descriptions, shortfalls })
}

/// What the probes mean in one object.
#[derive(Default)]
struct Chosen {
    functions: BTreeMap<LinkAddress, Selected>,
    copies: BTreeMap<DieId, SelectedCopy>,
    /// With the numbers of their probes.
    lines: Vec<(Vec<usize>, LineSites)>,
}

/// USDT sites by image and address, with the numbers of the probes that mean them.
type UsdtSites = BTreeMap<(usize, LinkAddress), (UsdtProbe, Vec<usize>)>;

impl Chosen {
    /// Adds what a pattern means; returns how much that is.
    fn add(&mut self, image: &Image<'_>, pattern: &Pattern, request: &TraceRequest<'_>, probe: usize) -> usize {
        let (closures, inlined) = (request.closures, request.options.inlined);
        let functions = || selection::functions(image, pattern, closures);
        let copies = || inlined::copies(image, pattern, closures);
        let (functions, copies) = match inlined {
            InlinedCopies::Auto => rayon::join(functions, copies),
            InlinedCopies::Off => (functions(), Vec::new()),
            InlinedCopies::Only => (Vec::new(), copies()),
        };
        let found = functions.len() + copies.len();
        for function in functions {
            if let Some(entry) = function.entry() {
                self.functions.entry(entry).or_insert(function).probes.push(probe);
            }
        }
        for copy in copies {
            self.copies.entry(copy.id()).or_insert(copy).probes.push(probe);
        }
        found
    }
}

/// Plans the mailbox probes of all objects; `None` if there is none.
pub fn mailboxes(images: &[Image<'_>]) -> Option<Planned> {
    let mut builder = PlanBuilder::default();
    let mut shortfalls = Vec::new();
    for image in images {
        let probes = image.usdt_probes().unwrap_or_default();
        for probe in probes.iter().filter(|probe| probe.provider == MAILBOX_PROVIDER) {
            if let Some(shortfall) = builder.mailbox(image, probe) {
                shortfalls.push((format!("{}:{}", probe.provider, probe.name), shortfall));
            }
        }
    }
    let (attach, descriptions) = builder.finish();
    (!attach.points.is_empty()).then_some(Planned { attach, descriptions, shortfalls })
}

fn is_in(image: &Image<'_>, object: &super::probe::ObjectPattern) -> bool {
    object.matches(&image.object.path().to_string_lossy())
}

fn plan_functions<'s>(
    builder: &mut PlanBuilder,
    shortfalls: &mut Vec<(String, Shortfall)>,
    image: &Image<'_>,
    rows: Option<&UnwindRows<'_>>,
    selected: impl Iterator<Item = &'s Selected>,
    options: &FunctionOptions,
) {
    let selected: Vec<&Selected> = selected.collect();
    // Decoding code and reading debug information take about as long, and nothing of each other.
    let (found, signatures) = rayon::join(
        || {
            let finder = || SiteFinder::new(rows);
            let find = |finder: &mut SiteFinder<'_, '_>, selected: &&Selected| function::find(image, finder, selected);
            selected.par_iter().map_init(finder, find).collect::<Vec<_>>()
        },
        || builder.signatures(image, &selected, &options.limits),
    );
    let known = selected.into_iter().zip(found).zip(signatures);
    let known = known.map(|((selected, found), signature)| (selected, found, signature));
    shortfalls.extend(builder.functions(image, known, options));
}

/// Adds the sites of the USDT probes that are wanted; returns how many.
fn add_usdt(
    sites: &mut UsdtSites,
    images: &[Image<'_>],
    number: usize,
    is_wanted: impl Fn(&UsdtProbe) -> bool,
) -> usize {
    let mut found = 0;
    for (index, image) in images.iter().enumerate() {
        let probes = image.usdt_probes().unwrap_or_default();
        for probe in probes.iter().filter(|probe| is_wanted(probe)) {
            found += 1;
            let site = sites.entry((index, probe.address)).or_insert_with(|| (probe.clone(), Vec::new()));
            site.1.push(number);
        }
    }
    found
}

/// Looks for what the user may have meant: names close by, functions that are only inlined, other USDT probes.
pub fn nothing(images: &[Image<'_>], probe: &Probe, closures: bool) -> NothingFound {
    let mut nothing = NothingFound::of(probe.text.clone());
    let (object, pattern) = match &probe.place {
        Place::Function { object, pattern } => (object, pattern),
        Place::Usdt { .. } => {
            let probes = images.iter().flat_map(|image| image.usdt_probes().unwrap_or_default());
            let mut names: Vec<String> =
                probes.map(|probe| format!("usdt:{}:{}", probe.provider, probe.name)).collect();
            names.sort();
            names.dedup();
            names.truncate(NAMES_MAX);
            if names.is_empty() {
                nothing.refused.push("neither the program nor its libraries have USDT probes".to_owned());
            }
            nothing.nearest = names;
            return nothing;
        }
        Place::Address { .. } => {
            nothing.refused.push("no function is at that address of the file".to_owned());
            return nothing;
        }
        Place::Line { object, file, lines } => {
            let searched = images
                .iter()
                .filter(|image| object.as_ref().map_or(image.is_executable, |object| is_in(image, object)));
            let found = searched.map(|image| line::find(image, file, lines.first));
            nothing.refused.extend(found.filter_map(|found| found.reason(images, file)).take(1));
            if nothing.refused.is_empty() {
                nothing.refused.push("there is no such library".to_owned());
            }
            return nothing;
        }
    };
    let searched =
        images.iter().filter(|image| object.as_ref().map_or(image.is_executable, |object| is_in(image, object)));
    let mut is_searched_in_vain = true;
    for image in searched {
        is_searched_in_vain = false;
        nothing.inlined_only.extend(inlined_only(image, pattern, closures));
        let names = image.symbols().demangled();
        if image.symbols().source() != SymbolSource::Full {
            let object = if image.is_executable { "the program".to_owned() } else { image.object.name().into_owned() };
            nothing.stripped.get_or_insert(Stripped { object, exported: names.len() });
        }
        let close = nearest(pattern, names.iter().map(|name| name.path.as_str()));
        nothing.nearest.extend(close.into_iter().map(str::to_owned));
    }
    if is_searched_in_vain {
        nothing.refused.push("there is no such library".to_owned());
    }
    nothing.nearest.truncate(NAMES_MAX);
    nothing
}

fn inlined_only(image: &Image<'_>, pattern: &Pattern, closures: bool) -> Vec<String> {
    let Ok(debug_info) = image.debug_info() else { return Vec::new() };
    let functions = debug_info.functions(|name| pattern.matches(name, closures));
    functions.into_iter().filter(|function| function.is_inlined_only()).map(|function| function.name).collect()
}

impl Shortfall {
    /// Why.
    pub fn reason(&self) -> &str {
        match self {
            Self::NotProbed(reason)
            | Self::CopyNotProbed(reason)
            | Self::ReturnsIncomplete(reason)
            | Self::OtherLine(reason)
            | Self::Joined(reason) => reason,
        }
    }
}

impl Planned {
    /// What the user should know before the first event: all shortfalls if `verbose`, else a few and their number.
    pub fn notes(&self, verbose: bool) -> Vec<String> {
        let shown = if verbose { usize::MAX } else { 3 };
        let mut notes: Vec<String> = self
            .shortfalls
            .iter()
            .take(shown)
            .map(|(name, shortfall)| match shortfall {
                Shortfall::NotProbed(reason) => format!("left out: {name}: {reason}"),
                Shortfall::OtherLine(reason) | Shortfall::Joined(reason) => format!("{name}: {reason}"),
                Shortfall::CopyNotProbed(reason) => format!("left out: an inlined copy of {name}: {reason}"),
                Shortfall::ReturnsIncomplete(reason) => format!("returns of {name} may be missing: {reason}"),
            })
            .collect();
        if let Some(more) = self.shortfalls.len().checked_sub(shown).filter(|more| *more > 0) {
            notes.push(format!("… and {more} more such functions (-v names them)"));
        }
        notes
    }
}
