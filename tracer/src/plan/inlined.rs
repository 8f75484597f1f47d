//! Inlined copies of functions → their sites: the first instruction of each copy, where that tells one call apart
//! from the next. Arguments are where debug information has them there; the end of such a call is not seen.

use std::collections::{BTreeMap, HashMap};

use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind};
use rayon::prelude::*;

use super::builder::{NewPoint, PlanBuilder};
use super::capture::compile;
use super::description::{Description, DescriptionKind, Parameter, ResultDescription};
use super::exits::Part;
use super::flow::Flow;
use super::function::{FunctionOptions, Shortfall};
use super::pattern::Pattern;
use super::probe_plan::Program;
use super::site::{self, Position, Site};
use super::unwind_rows::{UnwindRows, UnwindScratch};
use crate::target::address::{LinkAddress, LinkRange};
use crate::target::debug_info::{DieId, Function, FunctionKind, InlinedCopy, Local, Standpoint, Variables, Wanted};
use crate::target::image::Image;
use crate::value::place::{MemoryPlace, Missing, Place, Register};

/// Which copies of a function are probed: `--inlined`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InlinedCopies {
    /// Those too.
    Auto,
    /// The out-of-line ones alone.
    Off,
    /// The inlined ones alone.
    Only,
}

/// One inlined copy that a probe means.
#[derive(Clone, Debug)]
pub struct SelectedCopy {
    /// Of the function that was inlined.
    pub name: String,
    kind: FunctionKind,
    copy: InlinedCopy,
    /// The out-of-line function that holds the copy.
    holder: Function,
    /// The numbers of the probes that mean it.
    pub probes: Vec<usize>,
}

impl SelectedCopy {
    /// What tells copies apart.
    pub fn id(&self) -> DieId {
        self.copy.id
    }
}

/// The inlined copies of one object that the pattern means.
pub fn copies(image: &Image<'_>, pattern: &Pattern, closures: bool) -> Vec<SelectedCopy> {
    let Ok(debug_info) = image.debug_info() else { return Vec::new() };
    let is_wanted = |kind| match kind {
        FunctionKind::Plain | FunctionKind::AsyncFn => true,
        FunctionKind::AsyncConstructor => false,
        FunctionKind::AsyncBlock | FunctionKind::Closure => closures,
    };
    let found = debug_info.inlined(pattern.required_word(), |name| pattern.matches(name, closures)).into_iter();
    let found: Vec<(String, FunctionKind, InlinedCopy)> = found
        .filter(|(function, _)| is_wanted(function.kind))
        .flat_map(|(Function { name, kind, .. }, copies)| {
            copies.into_iter().map(move |copy| (name.clone(), kind, copy))
        })
        .collect();
    let starts: Vec<LinkAddress> = found.iter().filter_map(|(_, _, copy)| Some(copy.ranges.first()?.start)).collect();
    let holders = debug_info.functions_at(&starts);
    let with_holder = |((name, kind, copy), holder): (_, Option<Function>)| {
        Some(SelectedCopy { name, kind, copy, holder: holder?, probes: Vec::new() })
    };
    found.into_iter().zip(holders).filter_map(with_holder).collect()
}

/// Where a copy begins, or why that cannot be told.
fn entry(copy: &SelectedCopy, flow: Option<&Flow>, parts: &[Part<'_>]) -> Result<(LinkAddress, Site), String> {
    if matches!(copy.kind, FunctionKind::AsyncFn | FunctionKind::AsyncBlock) {
        return Err("an inlined async body is entered anew at each resumption, so its calls cannot be counted".into());
    }
    let flow = flow.ok_or("the code around it cannot be decoded with certainty")?;
    let ranges = &copy.copy.ranges;
    let is_inside = |at: LinkAddress| ranges.iter().any(|range| range.contains(at));
    let mut reason = "no instruction of it is passed by each of its calls";
    for start in ranges.iter().filter_map(|range| flow.first_of(*range)) {
        if flow.can_reach(false, &[start], is_inside) {
            continue;
        }
        if flow.reenters(start, ranges) {
            reason = "the compiler has moved its beginning out of a loop, so its calls cannot be counted";
            continue;
        }
        if flow.loops_within(start, ranges) {
            reason = "it begins with a loop, each turn of which would count as a call";
            continue;
        }
        let site = inspect(parts, start).map_err(|refusal| refusal.to_string())?;
        return Ok((start, site));
    }
    Err(reason.into())
}

/// Judges an instruction amid a function.
pub(super) fn inspect(parts: &[Part<'_>], address: LinkAddress) -> Result<Site, site::Refusal> {
    let part = parts.iter().find(|part| part.range.contains(address));
    let bytes = part.and_then(|part| part.code.get((address.0 - part.range.start.0) as usize..));
    site::inspect(bytes.unwrap_or_default(), address, Position::Inside)
}

/// A function's code.
pub(super) fn parts<'data>(image: &Image<'data>, ranges: &[LinkRange]) -> Vec<Part<'data>> {
    ranges.iter().filter_map(|range| Some(Part { range: *range, code: image.code(*range)? })).collect()
}

impl PlanBuilder {
    /// Adds the sites of inlined copies of one object, in any order.
    pub fn inlined(
        &mut self,
        image: &Image<'_>,
        rows: Option<&UnwindRows<'_>>,
        copies: &BTreeMap<DieId, SelectedCopy>,
        options: &FunctionOptions,
    ) -> Vec<(String, Shortfall)> {
        let Ok(debug_info) = image.debug_info() else { return Vec::new() };
        let holders: HashMap<DieId, &Function> = copies.values().map(|copy| (copy.holder.id, &copy.holder)).collect();
        let code = |(id, holder): (DieId, &Function)| {
            let parts = parts(image, &holder.ranges);
            let flow = Flow::of(&parts);
            (id, (parts, flow))
        };
        let flows: HashMap<DieId, (Vec<Part<'_>>, Option<Flow>)> = holders.into_par_iter().map(code).collect();
        let find = |scratch: &mut UnwindScratch, copy: &'_ SelectedCopy| {
            let (parts, flow) = flows.get(&copy.holder.id).ok_or("its code is not in the file")?;
            let (address, site) = entry(copy, flow.as_ref(), parts)?;
            let row = rows.and_then(|rows| rows.frame(address, scratch));
            let is_first = copy.copy.ranges.first().is_some_and(|range| range.start == address);
            let standpoint = Standpoint {
                address,
                view: is_first.then_some(copy.copy.entry_view),
                cfa: row.map(|row| row.cfa),
                is_settled: row.is_none_or(|row| row.is_usual),
                is_entry: copy.holder.entry == Some(address),
                bias: image.bias,
            };
            Ok((address, site, standpoint, written_slots(parts, &copy.copy.ranges)))
        };
        // The kernel runs probes of one address in the reverse order: the innermost copy's last.
        let ordered: Vec<&SelectedCopy> = copies.values().rev().collect();
        let found: Vec<Result<_, String>> =
            ordered.par_iter().map_init(UnwindScratch::default, |scratch, copy| find(scratch, copy)).collect();
        let (mut sites, mut shortfalls) = (Vec::new(), Vec::new());
        for (copy, found) in ordered.into_iter().zip(found) {
            match found {
                Ok((address, site, standpoint, undated)) => sites.push((copy, address, site, standpoint, undated)),
                Err(reason) => shortfalls.push((copy.name.clone(), Shortfall::CopyNotProbed(reason))),
            }
        }
        self.types.pointer_depth_max = options.limits.pointers_max.min(u32::from(u8::MAX)) as u8;
        let wanted: Vec<Wanted> = sites
            .iter()
            .map(|(copy, _, _, standpoint, _)| Wanted {
                function: copy.holder.id,
                activation: copy.copy.id,
                standpoint: *standpoint,
                what: Variables::Parameters,
            })
            .collect();
        let locals = debug_info.locals(&wanted, &mut self.types);
        for ((copy, address, site, _, slots), locals) in sites.into_iter().zip(locals) {
            let arguments: Vec<Parameter> = locals.into_iter().map(|local| argument(local, &slots)).collect();
            let knows_parameters =
                || debug_info.interfaces(std::slice::from_ref(&copy.holder)).pop().flatten().is_some();
            let is_typed = !arguments.is_empty() || knows_parameters();
            let result = if is_typed { ResultDescription::Nothing } else { ResultDescription::Untyped };
            let name = copy.name.clone();
            let description = Description::new(name, DescriptionKind::Inlined, arguments, result);
            self.obey(&copy.probes);
            shortfalls.extend(self.place(image, description, (address, site), options));
        }
        shortfalls
    }

    /// Adds a site amid a function, which emits a record with these values.
    pub(super) fn place(
        &mut self,
        image: &Image<'_>,
        mut description: Description,
        (address, site): (LinkAddress, Site),
        options: &FunctionOptions,
    ) -> Option<(String, Shortfall)> {
        let filtered = match self.filtered(&mut description, Some("nothing returns amid a function")) {
            Ok(filtered) => filtered,
            Err(shortfall) => return Some((description.name, shortfall)),
        };
        let plan = compile(&self.types.types, &description.wanted_at_entry(), &options.limits).plan;
        self.describe(description);
        let object = self.object(image.object.attach_path());
        if let Some(offset) = image.object.file_offset(address) {
            let cost = site.class.into();
            self.point(NewPoint {
                object,
                offset,
                program: Program::Entry,
                semaphore: None,
                cost,
                plan: filtered.entry(plan),
            });
        }
        None
    }
}

/// An argument of an inlined call. One whose place in the frame is the same all over the copy, and which the copy's own
/// code fills, may not be there yet when the copy begins.
fn argument(local: Local, slots: &[Slot]) -> Parameter {
    let mut location = local.location;
    for piece in location.pieces.iter_mut().filter(|_| local.is_undated) {
        if let Place::Memory(MemoryPlace { base: Some(base), displacement, indirect, .. }) = piece.place {
            let size_bytes = if indirect.is_some() { 8 } else { piece.size_bytes };
            let place = Slot { base, start: displacement, end: displacement.saturating_add_unsigned(size_bytes) };
            if slots.iter().any(|slot| slot.overlaps(&place)) {
                piece.place = Place::Missing(Missing::AmbiguousLocation);
            }
        }
    }
    Parameter::whole(local.name, local.ty, location)
}

/// Bytes of the frame, relative to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    base: Register,
    start: i64,
    end: i64,
}

impl Slot {
    fn overlaps(&self, other: &Self) -> bool {
        self.base == other.base && self.start < other.end && other.start < self.end
    }
}

/// The places in the frame that the code of `ranges` writes to, or whose address it takes.
fn written_slots(parts: &[Part<'_>], ranges: &[LinkRange]) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut instruction = Instruction::default();
    for range in ranges {
        let part = parts.iter().find(|part| part.range.contains(range.start));
        let code = part.and_then(|part| part.code.get((range.start.0 - part.range.start.0) as usize..));
        let code = code.and_then(|code| code.get(..range.size() as usize)).unwrap_or_default();
        let mut decoder = Decoder::with_ip(64, code, range.start.0, DecoderOptions::NONE);
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            let base = match instruction.memory_base() {
                iced_x86::Register::RSP => Register::RSP,
                iced_x86::Register::RBP => Register::RBP,
                _ => continue,
            };
            // Of an instruction with two operands the second is read only.
            let is_write = instruction.op0_kind() == OpKind::Memory;
            let takes_address = instruction.mnemonic() == iced_x86::Mnemonic::Lea;
            if is_write || takes_address {
                let start = instruction.memory_displacement64() as i64;
                let size = instruction.memory_size().size().max(1) as i64;
                // What an address leads to may be written up to any length.
                let end = if takes_address { i64::MAX } else { start.saturating_add(size) };
                slots.push(Slot { base, start, end });
            }
        }
    }
    slots
}
