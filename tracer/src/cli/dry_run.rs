//! Puts a plan into the words of its report, for `--dry-run`: copies of a function together, sites by kind.

use std::collections::BTreeMap;

use crate::plan::description::{Description, DescriptionKind, Parameter, ResultDescription};
use crate::plan::probe_plan::Program;
use crate::plan::request::Planned;
use crate::report::plan::{PlanReport, PlannedFunction, PlannedValue};

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
            | Program::HandwrittenCondition => function.entries += 1,
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
    let value = |parameter: &Parameter| PlannedValue {
        name: parameter.name.to_string(),
        type_name: planned.descriptions.types.get(parameter.ty).name.clone(),
        location: parameter.location.clone(),
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
            ResultDescription::Nothing | ResultDescription::Untyped | ResultDescription::NotAsked => None,
        },
        ..PlannedFunction::default()
    }
}
