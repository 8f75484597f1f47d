//! Puts a plan into the words of its report, for `--dry-run`: copies of a function together, sites by kind.

use std::collections::BTreeMap;

use tracer_ebpf::abi::plan::PLAN_STACK;

use crate::plan::description::{Description, DescriptionKind, Parameter, ResultDescription};
use crate::plan::probe_plan::Program;
use crate::plan::request::Planned;
use crate::report::plan::{PlanReport, PlannedCondition, PlannedFunction, PlannedValue};
use crate::value::walk::Part;

/// The plan as it is shown.
pub fn report(planned: &Planned) -> PlanReport {
    let mut functions: BTreeMap<String, PlannedFunction> = BTreeMap::new();
    for description in &planned.descriptions.functions {
        let function = functions.entry(title(description)).or_insert_with(|| described(planned, description));
        match &description.kind {
            DescriptionKind::Inlined => function.inlined += 1,
            DescriptionKind::Line(line) if line.is_inlined => function.inlined += 1,
            _ => function.copies += 1,
        }
    }
    for point in &planned.attach.points {
        let description = planned.descriptions.function(point.cookie);
        let Some(function) = description.and_then(|description| functions.get_mut(&title(description))) else {
            continue;
        };
        match point.program {
            Program::Entry
            | Program::Mailbox
            | Program::Empty
            | Program::Handwritten
            | Program::HandwrittenCondition => {
                let plan = planned.attach.plans.get(point.cookie.plan() as usize);
                function.has_stack |= plan.is_some_and(|plan| plan.head.flags & PLAN_STACK != 0);
                function.entries += 1;
            }
            Program::Exit => function.exits += 1,
            Program::ReturnTrampoline => function.trampolines += 1,
        }
    }
    PlanReport {
        functions: functions.into_values().collect(),
        notes: planned.notes(true),
        sites: planned.attach.points.len() as u64,
        capture_plans: planned.attach.plans.len() as u64,
    }
}

/// A line is one thing, however many functions it is in.
fn title(description: &Description) -> String {
    description.kind.source_line().unwrap_or_else(|| description.name.clone())
}

fn described(planned: &Planned, description: &Description) -> PlannedFunction {
    let types = &planned.descriptions.types;
    let value = |parameter: &Parameter| PlannedValue {
        name: parameter.name.to_string(),
        type_name: match parameter.part.as_ref().map(|way| way.part) {
            None => types.get(parameter.ty).name.clone(),
            Some(Part::Value { ty, .. }) => types.get(ty).name.clone(),
            Some(Part::Length(_) | Part::Bytes(_) | Part::Text(_)) => "usize".to_owned(),
        },
        location: parameter.location.clone(),
        is_part: parameter.part.is_some(),
    };
    let parts = match &description.result {
        ResultDescription::Parts(parts) => parts.as_slice(),
        _ => &[],
    };
    PlannedFunction {
        name: title(description),
        is_poll: description.kind == DescriptionKind::Poll,
        is_usdt: description.kind == DescriptionKind::Usdt,
        is_line: matches!(description.kind, DescriptionKind::Line(_)),
        is_untyped: description.is_untyped(),
        arguments: description.arguments.iter().map(value).collect(),
        result: match &description.result {
            ResultDescription::Value(result) => Some(value(result)),
            _ => None,
        },
        results: parts.iter().map(value).collect(),
        condition: description.condition.as_ref().map(|condition| PlannedCondition {
            in_kernel: condition.in_kernel.clone(),
            afterwards: condition.afterwards.iter().map(|(text, why)| (text.clone(), (*why).to_owned())).collect(),
        }),
        ..PlannedFunction::default()
    }
}
