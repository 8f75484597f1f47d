//! A line of source → the sites where it is reached, and the locals in scope there. One site for each copy of the
//! function that has the line, inlined and generic ones included; in a copy, more than one only where control can
//! reach the line's code by ways that share none of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::builder::PlanBuilder;
use super::calling_convention::parameter_locations;
use super::description::{Description, DescriptionKind, LineOf, Parameter, ResultDescription};
use super::exits::Part;
use super::flow::Flow;
use super::function::{FunctionOptions, Shortfall};
use super::inlined::{inspect, parts};
use super::source_line::{FileSuffix, Lines};
use super::unwind_rows::{UnwindRows, UnwindScratch};
use crate::target::address::LinkAddress;
use crate::target::debug_info::{
    Activation, Activations, DieId, Function, Local, SourceFile, SourceLine, SourceRow, Standpoint, Variables, Wanted,
};
use crate::target::image::Image;

/// What a file and a line mean in one object.
#[derive(Clone, Debug)]
pub enum FoundLine {
    /// No source file has such a name.
    NoFile,
    /// Several files do: their paths.
    Ambiguous(Vec<String>),
    /// The file has no code at all.
    NoCode(Arc<SourceFile>),
    Sites(LineSites),
}

/// The sites of one line.
#[derive(Clone, Debug)]
pub struct LineSites {
    pub file: Arc<SourceFile>,
    /// The line that was asked for has no code: this one is the nearest that has.
    pub line: u64,
    sites: Vec<LineSite>,
}

/// One copy of the line's code.
#[derive(Clone, Debug)]
struct LineSite {
    /// As its unit gives it.
    file: Arc<SourceFile>,
    address: LinkAddress,
    /// Which of the rows at the address it is.
    view: u64,
    holder: Function,
    activation: Activation,
    is_inlined: bool,
    /// The frame of the function stands.
    is_settled: bool,
}

impl FoundLine {
    pub fn sites(self) -> Option<LineSites> {
        match self {
            Self::Sites(sites) => Some(sites),
            Self::NoFile | Self::Ambiguous(_) | Self::NoCode(_) => None,
        }
    }

    /// Why there is nothing to probe.
    pub fn reason(&self, images: &[Image<'_>], file: &FileSuffix) -> Option<String> {
        match self {
            Self::Sites(_) => None,
            Self::NoFile => Some(no_file(images, file)),
            Self::NoCode(file) => Some(format!("{} has no line with code", file.shown)),
            Self::Ambiguous(paths) => {
                let shown: Vec<&str> = paths.iter().take(FILES_MAX).map(String::as_str).collect();
                let more = paths.len().saturating_sub(FILES_MAX);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Some(format!("several source files have that name: {}{more}; write more of the path", shown.join(", ")))
            }
        }
    }
}

impl LineSites {
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.file.path, self.line) == (&other.file.path, other.line)
    }

    /// A note, if it is another line than the one asked for.
    pub fn moved(&self, probe: &str, asked: u64) -> Option<(String, Shortfall)> {
        let reason = || format!("no code there: line {} is the nearest that has some", self.line);
        (self.line != asked).then(|| (probe.to_owned(), Shortfall::OtherLine(reason())))
    }
}

/// Files that a message lists.
const FILES_MAX: usize = 8;

fn no_file(images: &[Image<'_>], file: &FileSuffix) -> String {
    let infos = images.iter().filter_map(|image| image.debug_info().ok().filter(|info| !info.is_empty()));
    let files: BTreeSet<SourceFile> = infos.flat_map(|info| info.source_files()).collect();
    if files.is_empty() {
        return "there is no debug information that knows source lines".to_owned();
    }
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let stem = |path: &str| base(path).split('.').next().unwrap_or_default().to_owned();
    let wanted = stem(file.as_str());
    let similar = files.iter().filter(|known| {
        let known = stem(&known.shown);
        !wanted.is_empty() && !known.is_empty() && (known.contains(&wanted) || wanted.contains(&known))
    });
    match similar.take(FILES_MAX).map(|file| file.shown.as_str()).collect::<Vec<_>>().as_slice() {
        [] => "the debug information has no source file of that name".to_owned(),
        similar => format!("the debug information has no source file of that name; there is {}", similar.join(", ")),
    }
}

/// A line that has code, for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeLine {
    pub file: String,
    pub line: u64,
    /// Names of the functions that the line is in.
    pub functions: Vec<String>,
    /// Sites that a probe on the line would have.
    pub sites: usize,
}

/// Looks for the line in one object.
pub fn find(image: &Image<'_>, file: &FileSuffix, line: u64) -> FoundLine {
    let rows = rows(image, file);
    // Units of other crates give the same file another way.
    let mut files: BTreeMap<&str, &Arc<SourceFile>> = BTreeMap::new();
    for row in &rows {
        let known = files.entry(&row.file.path).or_insert(&row.file);
        if row.file.shown.len() < known.shown.len() {
            *known = &row.file;
        }
    }
    match files.values().collect::<Vec<_>>().as_slice() {
        [] => match named(image, file).into_values().collect::<Vec<_>>().as_slice() {
            [] => FoundLine::NoFile,
            [only] => FoundLine::NoCode(Arc::new(only.clone())),
            several => FoundLine::Ambiguous(several.iter().map(|file| file.path.clone()).collect()),
        },
        [only] => {
            let statements = || rows.iter().filter(|row| row.is_statement);
            let Some(nearest) = nearest(line, statements().map(|row| row.line)) else {
                return FoundLine::NoCode(Arc::clone(only));
            };
            let wanted: Vec<&SourceRow> = statements().filter(|row| row.line == nearest).collect();
            let sites = sites(image, &rows, &wanted);
            FoundLine::Sites(LineSites { file: Arc::clone(only), line: nearest, sites })
        }
        several => FoundLine::Ambiguous(several.iter().map(|file| file.path.clone()).collect()),
    }
}

/// The lines of the files that have code.
pub fn lines(image: &Image<'_>, file: &FileSuffix, lines: Lines) -> Vec<CodeLine> {
    let rows = rows(image, file);
    let mut by_line: BTreeMap<(&str, u64), Vec<&SourceRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.is_statement && lines.contains(row.line)) {
        by_line.entry((row.file.path.as_str(), row.line)).or_default().push(row);
    }
    let addresses: Vec<LinkAddress> = by_line.values().flatten().map(|row| row.range.start).collect();
    let known = activations(image, &addresses);
    let code_line = |((_, line), rows): ((&str, u64), Vec<&SourceRow>)| {
        let sites = chosen(&rows, &known);
        let names: BTreeSet<String> = sites.values().map(|(_, activation)| activation.name.clone()).collect();
        let functions: Vec<String> = names.into_iter().collect();
        let file = rows.iter().map(|row| &row.file.shown).min_by_key(|shown| shown.len())?.clone();
        let sites = sites.len();
        (sites > 0).then_some(CodeLine { file, line, functions, sites })
    };
    by_line.into_iter().filter_map(code_line).collect()
}

fn rows(image: &Image<'_>, file: &FileSuffix) -> Vec<SourceRow> {
    let is_wanted = |known: &SourceFile| file.matches(&known.path) || file.matches(&known.shown);
    image.debug_info().map(|debug_info| debug_info.source_rows(is_wanted)).unwrap_or_default()
}

/// Files of the name, code or not.
fn named(image: &Image<'_>, file: &FileSuffix) -> BTreeMap<String, SourceFile> {
    let files = image.debug_info().map(|debug_info| debug_info.source_files()).unwrap_or_default();
    files.into_iter().filter(|known| file.matches(&known.path)).map(|file| (file.path.clone(), file)).collect()
}

/// The line itself, or the next one that has code, or the last one before.
fn nearest(line: u64, known: impl Iterator<Item = u64>) -> Option<u64> {
    known.min_by_key(|known| if *known >= line { (0, known - line) } else { (1, line - known) })
}

type Known = HashMap<LinkAddress, Arc<Activations>>;

fn activations(image: &Image<'_>, addresses: &[LinkAddress]) -> Known {
    let Ok(debug_info) = image.debug_info() else { return Known::new() };
    let addresses: Vec<LinkAddress> = addresses.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let found = debug_info.activations_at(&addresses);
    addresses.into_iter().zip(found).filter_map(|(address, found)| Some((address, Arc::new(found?)))).collect()
}

/// Which of the functions under way at a row the row's line belongs to: the innermost, but not one that was called
/// from this very line, whose code may begin at the same address.
fn owner<'k>(activations: &'k Activations, row: &SourceRow) -> Option<(usize, &'k Activation)> {
    let is_call = |activation: &Activation| {
        let own = |declared: &SourceLine| declared.file == row.file.shown && declared.line == row.line;
        activation.called_at.as_ref().is_some_and(|line| line.file == row.file.shown && line.line == row.line)
            && !activation.declared.as_ref().is_some_and(own)
    };
    let end = activations.nested.iter().position(is_call).unwrap_or(activations.nested.len());
    let index = end.checked_sub(1)?;
    Some((index, activations.nested.get(index)?))
}

/// The rows by the copy of the function that they are in, first the one to probe: a row with code of its own, the
/// lowest.
fn chosen<'r, 'k>(rows: &[&'r SourceRow], known: &'k Known) -> BTreeMap<DieId, (Vec<&'r SourceRow>, &'k Activation)> {
    let mut copies: BTreeMap<DieId, (Vec<&SourceRow>, &Activation)> = BTreeMap::new();
    for row in rows {
        let Some((_, activation)) = known.get(&row.range.start).and_then(|found| owner(found, row)) else { continue };
        copies.entry(activation.id).or_insert_with(|| (Vec::new(), activation)).0.push(row);
    }
    for (rows, _) in copies.values_mut() {
        rows.sort_by_key(|row| (row.range.size() == 0, row.range.start, row.view));
    }
    copies
}

fn sites(image: &Image<'_>, all: &[SourceRow], wanted: &[&SourceRow]) -> Vec<LineSite> {
    let known = activations(image, &wanted.iter().map(|row| row.range.start).collect::<Vec<_>>());
    let mut flows: HashMap<DieId, Option<Flow>> = HashMap::new();
    let mut sites = Vec::new();
    for (rows, activation) in chosen(wanted, &known).into_values() {
        let Some(found) = rows.first().and_then(|row| known.get(&row.range.start)) else { continue };
        let holder = &found.function;
        let flow = flows.entry(holder.id).or_insert_with(|| Flow::of(&parts(image, &holder.ranges)));
        let prologue_end = prologue_end(all, holder);
        for row in apart(&rows, flow.as_ref()) {
            let address = row.range.start;
            sites.push(LineSite {
                file: Arc::clone(&row.file),
                address,
                view: row.view,
                holder: holder.clone(),
                activation: activation.clone(),
                is_inlined: activation.id != holder.id,
                is_settled: prologue_end.is_none_or(|end| address >= end),
            });
        }
    }
    sites
}

/// The first row, and those that control can reach past all rows chosen before.
fn apart<'r>(rows: &[&'r SourceRow], flow: Option<&Flow>) -> Vec<&'r SourceRow> {
    let mut chosen: Vec<&SourceRow> = rows.first().copied().into_iter().collect();
    let Some(flow) = flow else { return chosen };
    for row in rows.iter().skip(1).filter(|row| row.range.size() > 0) {
        let walls: Vec<LinkAddress> = chosen.iter().map(|row| row.range.start).collect();
        if !walls.contains(&row.range.start) && flow.can_reach(true, &walls, |at| at == row.range.start) {
            chosen.push(row);
        }
    }
    chosen
}

/// Where the frame of a function stands, by the line table.
fn prologue_end(rows: &[SourceRow], holder: &Function) -> Option<LinkAddress> {
    let range = holder.ranges.first()?;
    let first = rows.partition_point(|row| row.range.start < range.start);
    let inside = rows.get(first..)?.iter().take_while(|row| range.contains(row.range.start));
    inside.filter(|row| row.is_prologue_end).map(|row| row.range.start).next()
}

impl PlanBuilder {
    /// Adds the sites of a line.
    pub fn line(
        &mut self,
        image: &Image<'_>,
        rows: Option<&UnwindRows<'_>>,
        line: &LineSites,
        options: &FunctionOptions,
    ) -> Vec<(String, Shortfall)> {
        let Ok(debug_info) = image.debug_info() else { return Vec::new() };
        let source = SourceLine { file: line.file.shown.clone(), line: line.line };
        let mut scratch = UnwindScratch::default();
        self.types.pointer_depth_max = options.limits.pointers_max.min(u32::from(u8::MAX)) as u8;
        let wanted: Vec<Wanted> = line
            .sites
            .iter()
            .map(|site| {
                let row = rows.and_then(|rows| rows.frame(site.address, &mut scratch));
                let standpoint = Standpoint {
                    address: site.address,
                    view: Some(site.view),
                    cfa: row.map(|row| row.cfa),
                    is_settled: site.is_settled && row.is_none_or(|row| row.is_usual),
                    is_entry: site.holder.entry == Some(site.address),
                    bias: image.bias,
                };
                let what = Variables::InScope(SourceLine { file: site.file.shown.clone(), line: line.line });
                Wanted { function: site.holder.id, activation: site.activation.id, standpoint, what }
            })
            .collect();
        let locals = debug_info.locals(&wanted, &mut self.types);
        let mut shortfalls = Vec::new();
        for (site, locals) in line.sites.iter().zip(locals) {
            let code: Vec<Part<'_>> = parts(image, &site.holder.ranges);
            let judged = match inspect(&code, site.address) {
                Ok(judged) => judged,
                Err(refusal) => {
                    let name = format!("{}:{} in {}", source.file, source.line, site.activation.name);
                    shortfalls.push((name, Shortfall::NotProbed(refusal.to_string())));
                    continue;
                }
            };
            let (file, is_inlined) = (source.file.clone(), site.is_inlined);
            let kind = DescriptionKind::Line(Arc::new(LineOf { file, line: source.line, is_inlined }));
            let locals = self.at_entry(image, site, locals);
            let description = Description::new(site.activation.name.clone(), kind, locals, ResultDescription::Nothing);
            shortfalls.extend(self.place(image, description, (site.address, judged), options));
        }
        shortfalls
    }

    /// The locals as the line has them. At a function's first instruction the arguments are where the calling
    /// convention has them.
    fn at_entry(&mut self, image: &Image<'_>, site: &LineSite, locals: Vec<Local>) -> Vec<Parameter> {
        let mut parameters: Vec<Parameter> =
            locals.into_iter().map(|local| Parameter::whole(local.name, local.ty, local.location)).collect();
        if site.is_inlined || site.holder.entry != Some(site.address) {
            return parameters;
        }
        let signature = image.debug_info().ok().and_then(|info| info.signature(&site.holder, &mut self.types).ok());
        let Some(signature) = signature.filter(|signature| signature.poll.is_none()) else { return parameters };
        let places = parameter_locations(&self.types.types, &signature, site.holder.kind);
        for (known, location) in signature.parameters.iter().zip(places) {
            let name = known.name.as_deref();
            if let Some(parameter) = parameters.iter_mut().find(|parameter| Some(&*parameter.name) == name) {
                (parameter.ty, parameter.location) = (known.ty, location);
            }
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_line_is_the_next_with_code_or_the_last_before() {
        let lines = || [10, 12, 20].into_iter();
        assert_eq!(nearest(12, lines()), Some(12));
        assert_eq!(nearest(11, lines()), Some(12));
        assert_eq!(nearest(13, lines()), Some(20));
        assert_eq!(nearest(99, lines()), Some(20));
        assert_eq!(nearest(1, std::iter::empty()), None);
    }
}
