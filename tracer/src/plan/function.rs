//! One function → its sites, what is copied there, and what the copy means.

use rayon::prelude::*;
use tracer_ebpf::abi::cookie::SiteCost;
use tracer_ebpf::abi::plan::{
    ALWAYS, KEEP_NOTHING, PLAN_EXITS_INCOMPLETE, PLAN_FRAME, PLAN_MAY_TAIL_CALL, PLAN_TAIL_JUMP, Plan,
};

use super::builder::{NewPoint, PlanBuilder};
use super::calling_convention::{environment_location, parameter_locations, return_location};
use super::capture::compile;
use super::capture_plan::CapturePlan;
use super::description::{Description, DescriptionKind, Parameter, ResultDescription};
use super::exits::{EntrySite, Exit, ExitKind, FunctionSites, Part, SiteFinder};
use super::inlined::InlinedCopies;
use super::probe_plan::Program;
use super::selection::Selected;
use super::site::{self, Position, SiteClass};
use crate::target::address::LinkAddress;
use crate::target::debug_info::{FunctionKind, Signature};
use crate::target::demangle::Fragment;
use crate::target::image::Image;
use crate::value::Limits;
use crate::value::layout::Types;
use crate::value::place::Register;

/// How the end of a call is seen: `--returns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Exits. A uretprobe is cheaper in a function that no unwinder can be inside of, but it also breaks functions that
    /// read, move or lack their return address (`setjmp`, stack switches), which no code analysis rules out.
    Auto,
    /// A probe on each way out.
    Exits,
    /// The kernel's return trampoline: it turns a panic or exception that passes the frame into an abort.
    Trampoline,
    /// Not at all.
    Off,
}

/// What holds for all functions of a session.
#[derive(Clone, Copy, Debug)]
pub struct FunctionOptions {
    pub returns: Returns,
    pub inlined: InlinedCopies,
    pub limits: Limits,
    /// The running kernel patches 5-byte nops into calls, which harms a target that forks.
    pub patches_nops: bool,
}

/// What the plan could not do for a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// No probe can stand at its entry; it is left out.
    NotProbed(String),
    /// An inlined copy of it is left out.
    CopyNotProbed(String),
    /// A line without code: the nearest is probed.
    OtherLine(String),
    /// Several probes mean it, and do not ask for the same.
    Joined(String),
    /// Its calls are seen, but not every return.
    ReturnsIncomplete(String),
}

/// What a function's code says about probing it.
pub struct Found {
    sites: FunctionSites,
    /// Its very first instruction.
    first: LinkAddress,
    /// An instruction amid a function: nothing there begins, so nothing ends.
    is_place: bool,
    /// Why not every way out of it is known.
    shortfall: Option<Shortfall>,
}

/// Looks at the code of one function, apart from all others.
///
/// # Errors
/// The function is left out.
pub fn find(image: &Image<'_>, finder: &mut SiteFinder<'_, '_>, selected: &Selected) -> Result<Found, Shortfall> {
    let parts: Vec<Part<'_>> =
        selected.ranges.iter().filter_map(|range| Some(Part { range: *range, code: image.code(*range)? })).collect();
    let Some(first) = parts.first() else {
        return Err(Shortfall::NotProbed("its code is not in the file".into()));
    };
    if selected.is_place {
        let sites = entry_only(first, Position::Inside);
        return Ok(Found { sites, first: first.range.start, is_place: true, shortfall: None });
    }
    let (sites, mut shortfall) = match finder.find(&parts) {
        Ok(sites) => (sites, None),
        Err(error) => {
            (entry_only(first, Position::FunctionStart), Some(Shortfall::ReturnsIncomplete(error.to_string())))
        }
    };
    if sites.may_miss_exits() && shortfall.is_none() {
        shortfall = Some(Shortfall::ReturnsIncomplete("not every way out of it can be probed".into()));
    }
    Ok(Found { sites, first: first.range.start, is_place: false, shortfall })
}

impl PlanBuilder {
    /// Reads what the functions take and give, all at once: units are parsed once for all functions in them.
    pub fn signatures(&mut self, image: &Image<'_>, selected: &[&Selected], limits: &Limits) -> Vec<Option<Signature>> {
        // A pointer that the limits let the decoder follow must have its target loaded.
        self.types.pointer_depth_max = limits.pointers_max.min(u32::from(u8::MAX)) as u8;
        let Ok(debug_info) = image.debug_info() else { return vec![None; selected.len()] };
        let known = selected.iter().filter_map(|selected| selected.function.as_ref());
        let mut signatures = debug_info.signatures(known, &mut self.types).into_iter();
        self.pointed_to(image, debug_info);
        let signature = |selected: &&Selected| selected.function.is_some().then(|| signatures.next()?.ok())?;
        selected.iter().map(signature).collect()
    }

    /// Adds the functions' sites. What no other function matters for is done side by side, some functions at a time.
    pub fn functions<'s>(
        &mut self,
        image: &Image<'_>,
        mut known: impl Iterator<Item = (&'s Selected, Result<Found, Shortfall>, Option<Signature>)>,
        options: &FunctionOptions,
    ) -> Vec<(String, Shortfall)> {
        let mut shortfalls = Vec::new();
        loop {
            let share: Vec<_> = known.by_ref().take(SHARE).collect();
            if share.is_empty() {
                return shortfalls;
            }
            let draft = |(selected, found, signature)| (selected, self.draft(selected, found, signature, options));
            let drafts: Vec<(&Selected, _)> = share.into_par_iter().map(draft).collect();
            for (selected, draft) in drafts {
                self.obey(&selected.probes);
                if let Some(shortfall) = draft.map_or_else(Some, |draft| self.add(image, draft, options)) {
                    shortfalls.push((selected.name.clone(), shortfall));
                }
            }
        }
    }

    /// What is known of a function before anyone asks what the probes want of it.
    fn draft(
        &self,
        selected: &Selected,
        found: Result<Found, Shortfall>,
        signature: Option<Signature>,
        options: &FunctionOptions,
    ) -> Result<Draft, Shortfall> {
        let Found { sites, first, is_place, shortfall } = found?;
        let entry = sites.entry.map_err(|refusal| Shortfall::NotProbed(refusal.to_string()))?;
        if entry.site.class == SiteClass::Optimised && options.patches_nops {
            return Err(Shortfall::NotProbed(NOP_HAZARD.into()));
        }
        let ways = if is_place { Ways::None } else { ways(&sites, &entry, first, options) };
        let mut values = self.values(selected, signature);
        values.description.mask(&self.types.types.redaction);
        let unseen = match ways {
            Ways::None if is_place => Some("nothing returns amid a function"),
            Ways::None if options.returns == Returns::Off => Some("leave out --returns off"),
            Ways::None => Some("the function is one instruction"),
            Ways::Exits | Ways::Trampoline(_) => None,
        };
        let mut draft = Draft { entry, sites, ways, values, unseen, shortfall, plans: None };
        if !self.has_rules(&selected.probes) {
            draft.plans = Some(draft.compiled(&self.types.types, options));
        }
        Ok(draft)
    }

    /// Adds the function's sites; what is missing.
    fn add(&mut self, image: &Image<'_>, mut draft: Draft, options: &FunctionOptions) -> Option<Shortfall> {
        let filtered = match self.filtered(&mut draft.values.description, draft.unseen) {
            Ok(filtered) => filtered,
            Err(shortfall) => return Some(shortfall),
        };
        let plans = draft.plans.take().unwrap_or_else(|| draft.compiled(&self.types.types, options));
        let Draft { entry, sites, ways, values, shortfall, .. } = draft;
        let [entry_plan, exit_plan] = plans;
        self.describe(values.description);
        let object = self.object(image.object.attach_path());
        let mut add = |address: LinkAddress, program, cost, plan| {
            if let Some(offset) = image.object.file_offset(address) {
                self.point(NewPoint { object, offset, program, semaphore: None, cost, plan });
            }
        };
        add(entry.address, Program::Entry, entry.site.class.into(), filtered.entry(entry_plan));
        match ways {
            Ways::None => {}
            Ways::Trampoline(address) => {
                add(address, Program::ReturnTrampoline, SiteCost::ReturnTrampoline, filtered.exit(exit_plan))
            }
            Ways::Exits => {
                for exit in &sites.exits {
                    if let Some(plan) = plan_of(exit, &exit_plan) {
                        add(exit.address, Program::Exit, exit.site.class.into(), filtered.exit(plan));
                    }
                }
            }
        }
        shortfall.filter(|_| options.returns != Returns::Off)
    }

    /// Names, types and places of what goes in and comes out.
    fn values(&self, selected: &Selected, signature: Option<Signature>) -> Values {
        let kind = match selected.kind {
            FunctionKind::AsyncFn | FunctionKind::AsyncBlock => DescriptionKind::Poll,
            _ => DescriptionKind::Function,
        };
        let describe = |arguments, result| Description::new(selected.name.clone(), kind, arguments, result);
        let Some(mut signature) = signature else {
            return Values { description: describe(Vec::new(), ResultDescription::Untyped), kept: None };
        };
        let is_nocall = signature.is_nocall;
        // GCC changes a copy's convention without a word in DWARF; only the symbol tells.
        signature.is_nocall |= matches!(selected.fragment, Fragment::Reshaped | Fragment::Part);
        let (result, kept) = self.result(&signature);
        signature.is_nocall = is_nocall || selected.fragment != Fragment::Whole;
        Values { description: describe(self.arguments(&signature, selected.kind), result), kept }
    }

    fn arguments(&self, signature: &Signature, kind: FunctionKind) -> Vec<Parameter> {
        let types = &self.types.types;
        if let Some(environment) = signature.poll.as_ref().and_then(|poll| poll.environment) {
            let location = environment_location(types, signature).unwrap_or_default();
            return vec![Parameter::whole("environment", environment, location)];
        }
        let locations = parameter_locations(types, signature, kind);
        signature
            .parameters
            .iter()
            .zip(locations)
            .enumerate()
            .map(|(index, (parameter, location))| {
                let name = parameter.name.clone().unwrap_or_else(|| format!("arg{index}"));
                Parameter::whole(name, parameter.ty, location)
            })
            .collect()
    }

    fn result(&self, signature: &Signature) -> (ResultDescription, Option<Register>) {
        let Some(ty) = signature.return_type else { return (ResultDescription::Nothing, None) };
        let types = &self.types.types;
        let returned = return_location(types, ty, signature.language, signature.is_nocall);
        (ResultDescription::Value(Parameter::whole("", ty, returned.location)), returned.keep)
    }
}

const NOP_HAZARD: &str = "it begins with a 5-byte nop, which this kernel patches so that forked children crash there";

/// Functions that are drafted before they are added.
const SHARE: usize = 1024;

/// A function whose calls are seen.
struct Draft {
    entry: EntrySite,
    sites: FunctionSites,
    ways: Ways,
    values: Values,
    /// Why its returns are not.
    unseen: Option<&'static str>,
    shortfall: Option<Shortfall>,
    /// What is copied at its entry, and at a return, unless a probe asks for something.
    plans: Option<[CapturePlan; 2]>,
}

impl Draft {
    fn compiled(&self, types: &Types, options: &FunctionOptions) -> [CapturePlan; 2] {
        let description = &self.values.description;
        let [mut entry, mut exit] = [description.wanted_at_entry(), description.wanted_at_end()]
            .map(|wanted| compile(types, &wanted, &options.limits).plan);
        entry.head.flags = self.ways.entry_flags(&self.sites);
        entry.head.kept_register =
            self.values.kept.filter(|_| self.ways != Ways::None).map_or(KEEP_NOTHING, |kept| kept.0);
        exit.head.flags = PLAN_FRAME;
        [entry, exit]
    }
}

/// What a function takes and gives.
struct Values {
    description: Description,
    /// The register to remember at entry for the result's sake.
    kept: Option<Register>,
}

/// How the ends of one function's calls are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ways {
    None,
    Exits,
    /// At the function's very first instruction.
    Trampoline(LinkAddress),
}

impl Ways {
    fn entry_flags(self, sites: &FunctionSites) -> u8 {
        if self == Self::None {
            return 0;
        }
        let may_tail_call = sites.exits.iter().any(|exit| exit.kind == ExitKind::IndirectJump);
        PLAN_FRAME
            | if may_tail_call { PLAN_MAY_TAIL_CALL } else { 0 }
            | if sites.may_miss_exits() || sites.exits.is_empty() { PLAN_EXITS_INCOMPLETE } else { 0 }
    }
}

fn ways(sites: &FunctionSites, entry: &EntrySite, first: LinkAddress, options: &FunctionOptions) -> Ways {
    // The whole function is one instruction: it ends where it begins, and two probes there have no certain order.
    let is_instant = sites.exits.iter().any(|exit| exit.address == entry.address);
    match options.returns {
        Returns::Off => Ways::None,
        Returns::Trampoline => Ways::Trampoline(first),
        Returns::Auto | Returns::Exits if is_instant => Ways::None,
        Returns::Auto | Returns::Exits => Ways::Exits,
    }
}

/// The plan of one exit; `None` for a jump that may stay inside, which only marks the frame.
fn plan_of(exit: &Exit, with_value: &CapturePlan) -> Option<CapturePlan> {
    let jump = |condition| CapturePlan::bare(Plan { flags: PLAN_FRAME | PLAN_TAIL_JUMP, condition, ..Plan::EMPTY });
    match exit.kind {
        ExitKind::Return => Some(with_value.clone()),
        ExitKind::TailJump => Some(jump(ALWAYS)),
        ExitKind::ConditionalTailJump { condition } => Some(jump(condition)),
        ExitKind::IndirectJump => None,
    }
}

/// For code that cannot be decoded to its end: the entry alone.
fn entry_only(first: &Part<'_>, position: Position) -> FunctionSites {
    let entry = site::inspect(first.code, first.range.start, position)
        .map(|site| EntrySite { address: first.range.start, site });
    FunctionSites { entry, exits: Vec::new(), refused_exits: Vec::new(), unknown_jumps: 0, contains_call: true }
}
