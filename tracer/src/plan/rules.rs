//! What the probes ask beside their places: conditions, checked against each function and turned into filters.
//! A function that lacks what a condition names is left out; if all do, the first mistake is the probe's.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracer_ebpf::abi::filter::{FILTER_DROPS_UNSEEN, FILTER_HOLDS, Filter, PARTS_MAX, Term};
use tracer_ebpf::abi::plan::{Op, PLAN_STACK, PLAN_TAIL_JUMP, Plan};

use super::builder::PlanBuilder;
use super::capture_plan::CapturePlan;
use super::clause::Field;
use super::condition::check::{Outcome, Scope};
use super::condition::judge::After;
use super::condition::logic::{Logic, Root};
use super::condition::{self, Compiled, Conjunct, Decision, NEVER, Places, Unseen};
use super::description::{Condition, Description, DescriptionKind, Parameter, ResultDescription};
use super::expression::error::Mistake;
use super::expression::{ExpressionError, Literal, PathStep, Span, StepKind};
use super::function::Shortfall;
use super::probe::{PatternError, Probe};
use crate::value::layout::Types;
use crate::value::place::{Location, Missing};
use crate::value::walk::Way;

/// The probes whose sites are being planned, and what came of all of them.
#[derive(Default)]
pub(super) struct Rules {
    /// By number; those of `current` are asked.
    probes: Vec<Probe>,
    current: Vec<usize>,
    /// Whether a function had all that the probe of that number asks for.
    is_met: Vec<bool>,
    mistakes: Vec<(usize, ExpressionError)>,
    /// Functions that several probes mean.
    joined: BTreeMap<String, Shortfall>,
}

/// What one probe asks of a function that has it all.
struct Asked {
    /// Empty if all calls count.
    conjuncts: Vec<Conjunct>,
    /// `None` for everything.
    fields: Option<Chosen>,
}

/// The values that fields name.
#[derive(Default)]
struct Chosen {
    arguments: Vec<Parameter>,
    results: Vec<Parameter>,
    has_stack: bool,
}

/// What names mean in a function.
fn scope<'s>(types: &'s Types, description: &'s Description, unseen: Option<&'static str>) -> Scope<'s> {
    Scope {
        types,
        arguments: &description.arguments,
        is_poll: description.kind == DescriptionKind::Poll,
        is_untyped: description.is_untyped(),
        result: match (unseen, &description.result) {
            (Some(why), _) => Outcome::Unseen(why),
            (None, ResultDescription::Value(result)) => Outcome::Value(result),
            (None, ResultDescription::Nothing) => Outcome::Nothing,
            (None, ResultDescription::Untyped) => Outcome::Unknown("there is no debug information"),
            (None, ResultDescription::NotAsked | ResultDescription::Parts(_)) => {
                Outcome::Unknown("it was not asked for")
            }
        },
        facts: &[],
    }
}

/// The filters of one function's plans.
#[derive(Clone, Copy, Default)]
pub(super) struct Filtered {
    entry: u32,
    returned: u32,
    /// Of exits that return nothing.
    left: u32,
    /// Whether the entry brings the stack.
    has_stack: bool,
}

impl Filtered {
    /// With the filter of an exit.
    pub(super) fn exit(self, plan: CapturePlan) -> CapturePlan {
        let filter = if plan.head.flags & PLAN_TAIL_JUMP == 0 { self.returned } else { self.left };
        with_filter(plan, filter)
    }

    /// With the filter of an entry.
    pub(super) fn entry(self, mut plan: CapturePlan) -> CapturePlan {
        if self.has_stack {
            plan.head.flags |= PLAN_STACK;
        }
        with_filter(plan, self.entry)
    }
}

/// A condition that holds if one of these does; one of no parts always holds.
fn joined(mut conditions: Vec<Vec<Conjunct>>) -> Vec<Conjunct> {
    if conditions.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    if conditions.len() == 1 {
        return conditions.remove(0);
    }
    let text = |parts: &Vec<Conjunct>| {
        let parts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        if parts.len() == 1 { parts.concat() } else { format!("({})", parts.join(" && ")) }
    };
    let texts: Vec<String> = conditions.iter().map(text).collect();
    let span = conditions.iter().flatten().map(|part| part.span).next().unwrap_or_default();
    let all = |parts: Vec<Conjunct>| Logic::all(parts.into_iter().map(|part| part.logic));
    vec![Conjunct { span, text: texts.join(" || "), logic: Logic::any(conditions.into_iter().map(all)) }]
}

/// Leaves in the description what one of the probes' fields names; whether the stack is one of them.
fn choose(description: &mut Description, fields: Vec<Option<Chosen>>) -> bool {
    let has_stack = fields.iter().flatten().any(|chosen| chosen.has_stack);
    let Some(fields) = fields.into_iter().collect::<Option<Vec<Chosen>>>() else { return has_stack };
    let (mut arguments, mut results) = (Vec::new(), Vec::new());
    for chosen in fields {
        for (list, more) in [(&mut arguments, chosen.arguments), (&mut results, chosen.results)] {
            for parameter in more {
                if !list.contains(&parameter) {
                    list.push(parameter);
                }
            }
        }
    }
    description.arguments = arguments;
    description.result = match (&description.result, results.as_slice()) {
        (ResultDescription::Value(_), [whole]) if whole.part.is_none() => ResultDescription::Value(whole.clone()),
        (ResultDescription::Value(_), []) => ResultDescription::NotAsked,
        (ResultDescription::Value(_), _) => ResultDescription::Parts(results),
        (known, []) if !matches!(description.kind, DescriptionKind::Function | DescriptionKind::Poll) => known.clone(),
        _ => ResultDescription::NotAsked,
    };
    has_stack
}

fn with_filter(mut plan: CapturePlan, filter: u32) -> CapturePlan {
    plan.head.filter = filter;
    plan
}

impl Rules {
    pub(super) fn of(probes: &[Probe]) -> Self {
        Self { probes: probes.to_vec(), is_met: vec![false; probes.len()], ..Self::default() }
    }

    /// What was joined, by the function's name.
    pub(super) fn take_joined(&mut self) -> Vec<(String, Shortfall)> {
        std::mem::take(&mut self.joined).into_iter().collect()
    }

    /// The mistake of a probe that no function met.
    pub(super) fn mistake(&self) -> Option<PatternError> {
        self.probes.iter().zip(&self.is_met).enumerate().filter(|(_, (_, is_met))| !**is_met).find_map(
            |(number, (probe, _))| {
                let mut own = self.mistakes.iter().filter(|(of, _)| *of == number).map(|(_, mistake)| mistake);
                let first = own.next()?;
                // A name that one function lacks says less than what is wrong where it is known.
                let telling = std::iter::once(first).chain(own).find(|mistake| !mistake.is_missing_name());
                Some(PatternError::of_expression(&probe.text, telling.unwrap_or(first).clone()))
            },
        )
    }
}

impl PlanBuilder {
    /// What is planned next belongs to the probes of these numbers.
    pub(super) fn obey(&mut self, probes: &[usize]) {
        self.rules.current = probes.to_vec();
    }

    /// Whether one of these probes asks for more than its place.
    pub(super) fn has_rules(&self, probes: &[usize]) -> bool {
        let mut probes = probes.iter().filter_map(|number| self.rules.probes.get(*number));
        probes.any(|probe| probe.condition.is_some() || probe.fields.is_some())
    }

    /// The filters that the current probes' conditions ask of a function, whose description is cut down to what the
    /// probes' fields name; `unseen` says why its returns are not seen. A call counts if it does for one of them.
    ///
    /// # Errors
    /// The function lacks what every condition, or a field, names: it is left out.
    pub(super) fn filtered(
        &mut self,
        description: &mut Description,
        unseen: Option<&'static str>,
    ) -> Result<Filtered, Shortfall> {
        if !self.has_rules(&self.rules.current) {
            return Ok(Filtered::default());
        }
        let numbered = |number: &usize| Some((*number, self.rules.probes.get(*number)?.clone()));
        let probes: Vec<(usize, Probe)> = self.rules.current.iter().filter_map(numbered).collect();
        let (mut asked, mut failed) = (Vec::new(), None);
        for (number, probe) in &probes {
            match self.asked(description, unseen, probe) {
                Ok(found) => asked.push((*number, found)),
                Err(error) => {
                    failed = Some(error.to_string());
                    self.rules.mistakes.push((*number, error));
                }
            }
        }
        let Some((first, _)) = asked.first() else {
            return Err(Shortfall::NotProbed(failed.unwrap_or_default()));
        };
        let (first, numbers) = (*first, asked.iter().map(|(number, _)| *number).collect::<Vec<_>>());
        self.note_joined(description, &asked);
        let (conditions, fields): (Vec<_>, Vec<_>) =
            asked.into_iter().map(|(_, asked)| (asked.conjuncts, asked.fields)).unzip();
        match self.decided(description, joined(conditions)) {
            Ok(compiled) => {
                for number in numbers {
                    if let Some(is_met) = self.rules.is_met.get_mut(number) {
                        *is_met = true;
                    }
                }
                let filtered = self.filters(compiled);
                Ok(Filtered { has_stack: choose(description, fields), ..filtered })
            }
            Err(error) => {
                let reason = error.to_string();
                self.rules.mistakes.push((first, error));
                Err(Shortfall::NotProbed(reason))
            }
        }
    }

    /// Several probes that ask for different things are one probe in the end: that is said.
    fn note_joined(&mut self, description: &Description, asked: &[(usize, Asked)]) {
        let text = |number: &usize| self.rules.probes.get(*number).map(|probe| (&probe.condition, &probe.fields));
        let first = asked.first().and_then(|(number, _)| text(number));
        if asked.iter().all(|(number, _)| text(number) == first) {
            return;
        }
        let reason = format!("{} probes mean it: a call counts if it does for one of them", asked.len());
        self.rules.joined.insert(description.name.clone(), Shortfall::Joined(reason));
    }

    /// What a probe asks of the function.
    fn asked(
        &self,
        description: &Description,
        unseen: Option<&'static str>,
        probe: &Probe,
    ) -> Result<Asked, ExpressionError> {
        let scope = scope(&self.types.types, description, unseen);
        let conjuncts = match &probe.condition {
            None => Vec::new(),
            Some(expression) => {
                let parts = scope.conjuncts(expression)?;
                if Logic::all(parts.iter().map(|(_, logic)| logic.clone())) == Logic::Constant(false) {
                    return Err(ExpressionError { span: expression.span, mistake: Mistake::NeverTrue });
                }
                let text = |span: Span| probe.text.get(span.start..span.end).unwrap_or_default().to_owned();
                parts.into_iter().map(|(span, logic)| Conjunct { span, text: text(span), logic }).collect()
            }
        };
        let fields = probe.fields.as_ref().map(|fields| self.chosen(description, &scope, fields)).transpose()?;
        Ok(Asked { conjuncts, fields: fields.flatten() })
    }

    /// What the conditions come to in this function; what is left of them goes to its description.
    fn decided(
        &mut self,
        description: &mut Description,
        conjuncts: Vec<Conjunct>,
    ) -> Result<Compiled, ExpressionError> {
        if conjuncts.is_empty() {
            return Ok(Compiled::default());
        }
        let span = conjuncts.first().map_or(Span::default(), |first| first.span);
        let result = match &description.result {
            ResultDescription::Value(result) => Some(result),
            _ => None,
        };
        let places = Places { types: &self.types.types, arguments: &description.arguments, result };
        let parted = condition::compile(conjuncts, &places, &mut self.attach.filters.texts)?;
        let unreadable = |reason| ExpressionError { span, mistake: Mistake::Unreadable(reason) };
        let after = After::new(parted.rest(), &description.arguments, result).map_err(unreadable)?;
        let afterwards = parted.after.into_iter().map(|(conjunct, reason)| (conjunct.text, reason)).collect();
        let condition = Condition { in_kernel: parted.in_kernel, afterwards, after };
        description.condition = Some(Arc::new(condition));
        Ok(parted.compiled)
    }

    /// The values that the fields name; `None` for all.
    fn chosen(
        &self,
        description: &Description,
        scope: &Scope<'_>,
        fields: &[Field],
    ) -> Result<Option<Chosen>, ExpressionError> {
        let mut chosen = Chosen::default();
        let mut is_all = false;
        for field in fields {
            let at = |mistake| ExpressionError { span: field.span, mistake };
            let Some(path) = &field.path else {
                is_all = true;
                continue;
            };
            let is_own = |name: &str| path.name == name && path.steps.is_empty() && !scope.has_argument(name);
            if is_own("stack") {
                chosen.has_stack = true;
                continue;
            }
            if is_own("locals") {
                match &description.kind {
                    DescriptionKind::Line(_) => chosen.arguments.extend(description.arguments.iter().cloned()),
                    _ => return Err(at(Mistake::NoLocals)),
                }
                continue;
            }
            let subject = scope.subject(path)?;
            let (of, list) = match subject.root {
                Root::Argument(number) => (description.arguments.get(number), &mut chosen.arguments),
                Root::Result => (description.results().first(), &mut chosen.results),
                _ => return Err(at(Mistake::AlwaysShown)),
            };
            let of = of.ok_or_else(|| at(Mistake::NoDebugInfo))?;
            let is_masked = |step: &PathStep| match &step.kind {
                StepKind::Field(name) | StepKind::Index(Literal::Text(name)) => self.types.types.redaction.masks(name),
                _ => false,
            };
            let part = (subject.way != Way::whole(of.ty)).then_some(subject.way);
            let mut parameter = Parameter { name: field.text.as_str().into(), part, ..of.clone() };
            if path.steps.iter().any(is_masked) {
                parameter.location = Location::missing(Missing::Redacted);
            }
            list.push(parameter);
        }
        if !is_all {
            return Ok(Some(chosen));
        }
        if chosen.has_stack {
            chosen.arguments = description.arguments.clone();
            chosen.results = description.results().to_vec();
            return Ok(Some(chosen));
        }
        Ok(None)
    }

    fn filters(&mut self, compiled: Compiled) -> Filtered {
        let Some(end) = compiled.end else {
            let entry = self.filter_of(&compiled.entry, |_| {});
            return Filtered { entry, ..Filtered::default() };
        };
        let mut parts = [0; PARTS_MAX];
        for (slot, ops) in parts.iter_mut().zip(&end.parts) {
            *slot = self.ops(ops);
        }
        let returned = self.filter_of(&end.returned, |_| {});
        let (drops, left) = match end.unseen {
            Unseen::Counts => (0, 0),
            Unseen::Never => (FILTER_DROPS_UNSEEN, self.filter(&[NEVER], |_| {})),
            Unseen::If(terms) => (0, self.filter(&terms, |_| {})),
        };
        let entry = self.held(&compiled.entry, parts, drops, if drops == 0 { left } else { 0 });
        Filtered { entry, returned, left, has_stack: false }
    }

    fn held(&mut self, entry: &Decision, parts: [u32; PARTS_MAX], drops: u32, unseen: u32) -> u32 {
        let plan = self.ops(&entry.ops);
        self.filter(&entry.terms, |filter| {
            (filter.flags, filter.plan, filter.unseen, filter.parts) = (FILTER_HOLDS | drops, plan, unseen, parts);
        })
    }

    /// Index + 1 of the filter; 0 for one that lets everything through.
    fn filter_of(&mut self, decision: &Decision, fill: impl FnOnce(&mut Filter)) -> u32 {
        let plan = self.ops(&decision.ops);
        self.filter(&decision.terms, |filter| {
            filter.plan = plan;
            fill(filter);
        })
    }

    fn filter(&mut self, terms: &[Term], fill: impl FnOnce(&mut Filter)) -> u32 {
        let mut filter = Filter { term_count: terms.len() as u32, ..Filter::default() };
        filter.terms.iter_mut().zip(terms).for_each(|(slot, term)| *slot = *term);
        fill(&mut filter);
        if filter == Filter::default() {
            return 0;
        }
        let filters = &mut self.attach.filters.filters;
        let known = filters.iter().rposition(|known| *known == filter);
        known.unwrap_or_else(|| {
            filters.push(filter);
            filters.len() - 1
        }) as u32
            + 1
    }

    /// Index + 1 of the plan with these operations; 0 for none.
    fn ops(&mut self, ops: &[Op]) -> u32 {
        if ops.is_empty() {
            return 0;
        }
        self.plan(CapturePlan { head: Plan::EMPTY, ops: ops.into() }) + 1
    }
}
