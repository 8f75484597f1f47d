//! What the probes ask beside their places: conditions, checked against each function and turned into filters.
//! A function that lacks what a condition names is left out; if all do, the first mistake is the probe's.

use tracer_ebpf::abi::filter::{FILTER_DROPS_UNSEEN, FILTER_HOLDS, Filter, PARTS_MAX, Term};
use tracer_ebpf::abi::plan::{Op, PLAN_TAIL_JUMP, Plan};

use super::builder::PlanBuilder;
use super::capture_plan::CapturePlan;
use super::clause::Field;
use super::condition::check::{Outcome, Scope};
use super::condition::logic::{Logic, Root};
use super::condition::{self, Compiled, Decision, NEVER, Places, Unseen};
use super::description::{Description, DescriptionKind, Parameter, ResultDescription};
use super::expression::error::Mistake;
use super::expression::{Expression, ExpressionError};
use super::function::Shortfall;
use super::narrow::narrowed;
use super::probe::{PatternError, Probe};
use crate::value::layout::{Shape, Type, Types};
use crate::value::walk::{Length, Part, Step};

/// The probe whose sites are being planned, and what came of all of them.
#[derive(Default)]
pub(super) struct Rules {
    /// By number; those of `current` are asked.
    probes: Vec<Probe>,
    current: usize,
    /// Whether a function had all that the probe of that number asks for.
    is_met: Vec<bool>,
    mistakes: Vec<(usize, ExpressionError)>,
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
            (None, ResultDescription::NotAsked) => Outcome::Unknown("it was not asked for"),
        },
    }
}

/// The filters of one function's plans.
#[derive(Clone, Copy, Default)]
pub(super) struct Filtered {
    entry: u32,
    returned: u32,
    /// Of exits that return nothing.
    left: u32,
}

impl Filtered {
    /// With the filter of an exit.
    pub(super) fn exit(self, plan: CapturePlan) -> CapturePlan {
        let filter = if plan.head.flags & PLAN_TAIL_JUMP == 0 { self.returned } else { self.left };
        with_filter(plan, filter)
    }

    pub(super) fn entry(self, plan: CapturePlan) -> CapturePlan {
        with_filter(plan, self.entry)
    }
}

fn with_filter(mut plan: CapturePlan, filter: u32) -> CapturePlan {
    plan.head.filter = filter;
    plan
}

impl Rules {
    pub(super) fn of(probes: &[Probe]) -> Self {
        Self { probes: probes.to_vec(), is_met: vec![false; probes.len()], ..Self::default() }
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
    /// What is planned next belongs to the probe of that number.
    pub(super) fn obey(&mut self, probe: usize) {
        self.rules.current = probe;
    }

    /// The filters that the current probe's condition asks of a function, whose description is cut down to what the
    /// probe's fields name; `unseen` says why its returns are not seen.
    ///
    /// # Errors
    /// The function lacks what the condition or a field names: it is left out.
    pub(super) fn filtered(
        &mut self,
        description: &mut Description,
        unseen: Option<&'static str>,
    ) -> Result<Filtered, Shortfall> {
        let number = self.rules.current;
        let Some((condition, fields)) = self.rules.probes.get(number).map(|probe| (&probe.condition, &probe.fields))
        else {
            return Ok(Filtered::default());
        };
        let (condition, fields) = (condition.clone(), fields.clone());
        if condition.is_none() && fields.is_none() {
            return Ok(Filtered::default());
        }
        let ruled = self.compiled(description, unseen, condition.as_ref()).and_then(|compiled| {
            let fields = fields.map(|fields| self.projected(description, unseen, &fields)).transpose()?;
            Ok((compiled, fields))
        });
        match ruled {
            Ok((compiled, projected)) => {
                if let Some(is_met) = self.rules.is_met.get_mut(number) {
                    *is_met = true;
                }
                if let Some((arguments, keeps_result)) = projected {
                    description.arguments = arguments;
                    if !keeps_result {
                        description.result = ResultDescription::NotAsked;
                    }
                }
                Ok(self.filters(compiled))
            }
            Err(error) => {
                let reason = error.to_string();
                self.rules.mistakes.push((number, error));
                Err(Shortfall::NotProbed(reason))
            }
        }
    }

    /// What the condition comes to in this function.
    fn compiled(
        &mut self,
        description: &Description,
        unseen: Option<&'static str>,
        condition: Option<&Expression>,
    ) -> Result<Compiled, ExpressionError> {
        let Some(expression) = condition else { return Ok(Compiled::default()) };
        let result = match &description.result {
            ResultDescription::Value(result) => Some(result),
            _ => None,
        };
        let scope = scope(&self.types.types, description, unseen);
        let places = Places { types: &self.types.types, arguments: &description.arguments, result };
        let mut texts = std::mem::take(&mut self.attach.filters.texts);
        let compiled = scope.condition(expression).and_then(|logic| {
            let at = |mistake| ExpressionError { span: expression.span, mistake };
            match logic {
                Logic::Constant(false) => Err(at(Mistake::NeverTrue)),
                logic => condition::compile(logic, &places, &mut texts).map_err(at),
            }
        });
        self.attach.filters.texts = texts;
        compiled
    }

    /// The values that the fields name, and whether the result is one of them.
    fn projected(
        &mut self,
        description: &Description,
        unseen: Option<&'static str>,
        fields: &[Field],
    ) -> Result<(Vec<Parameter>, bool), ExpressionError> {
        let (mut chosen, mut keeps_result) = (Vec::new(), false);
        for field in fields {
            let at = |mistake| ExpressionError { span: field.span, mistake };
            let Some(path) = &field.path else {
                chosen.extend(description.arguments.iter().cloned());
                keeps_result = true;
                continue;
            };
            let subject = scope(&self.types.types, description, unseen).subject(path)?;
            let argument = match subject.root {
                Root::Argument(number) => description.arguments.get(number),
                Root::Result if path.steps.is_empty() => {
                    keeps_result = true;
                    continue;
                }
                Root::Result => return Err(at(Mistake::WholeResult)),
                _ => return Err(at(Mistake::AlwaysShown)),
            };
            let argument = argument.ok_or_else(|| at(Mistake::NoDebugInfo))?;
            let mut steps = subject.way.steps;
            let ty = match subject.way.part {
                Part::Value { ty, bits: None } => ty,
                Part::Length(Length::Word(stretch)) if stretch.terminator_bytes == 0 => {
                    steps.push(Step::Offset(stretch.length_offset));
                    let shape = Shape::Integer { signed: false };
                    self.types.types.add(Type { name: "usize".into(), size_bytes: 8, shape })
                }
                Part::Value { .. } | Part::Length(_) => return Err(at(Mistake::NotAlone)),
            };
            let size_bytes = self.types.types.get(ty).size_bytes;
            let location = narrowed(&argument.location, &steps, size_bytes).ok_or_else(|| at(Mistake::NotAlone))?;
            chosen.push(Parameter { name: field.text.as_str().into(), ty, location });
        }
        Ok((chosen, keeps_result))
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
        Filtered { entry, returned, left }
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
