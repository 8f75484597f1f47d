//! Gathers attach points, capture plans and descriptions into one plan; equal capture plans are shared.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tracer_ebpf::abi::cookie::{Cookie, Scope, SiteCost};

use super::capture_plan::CapturePlan;
use super::description::{Description, Descriptions};
use super::probe_plan::{AttachPlan, AttachPoint, Program};
use super::rules::Rules;
use super::site::SiteClass;
use crate::target::address::FileOffset;
use crate::target::debug_info::LoadedTypes;
use crate::value::place::Register;

/// Grows while probes are planned.
#[derive(Default)]
pub struct PlanBuilder {
    pub(super) attach: AttachPlan,
    pub(super) rules: Rules,
    by_plan: HashMap<CapturePlan, u32>,
    functions: Vec<Arc<Description>>,
    pub(super) types: LoadedTypes,
}

/// A site to attach to, for the function that was described last.
pub(super) struct NewPoint {
    pub object: usize,
    pub offset: FileOffset,
    pub program: Program,
    pub semaphore: Option<FileOffset>,
    pub cost: SiteCost,
    pub plan: CapturePlan,
}

impl PlanBuilder {
    /// A plan that obeys these rules.
    pub(super) fn with_rules(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Index of the object that is attached to through `path`.
    pub(super) fn object(&mut self, path: &Path) -> usize {
        let objects = &mut self.attach.objects;
        objects.iter().position(|known| known == path).unwrap_or_else(|| {
            objects.push(path.to_owned());
            objects.len() - 1
        })
    }

    /// Adds a function or USDT site; the points that follow are its own.
    pub(super) fn describe(&mut self, mut description: Description) {
        description.mask(&self.types.types.redaction);
        self.functions.push(Arc::new(description));
    }

    /// Index of the plan, which equal ones share.
    pub(super) fn plan(&mut self, plan: CapturePlan) -> u32 {
        let plans = &mut self.attach.plans;
        *self.by_plan.entry(plan).or_insert_with_key(|plan| {
            plans.push(plan.clone());
            plans.len() as u32 - 1
        })
    }

    /// Adds a site of the function that was described last.
    pub(super) fn point(&mut self, new: NewPoint) {
        let plan = self.plan(new.plan);
        let function = self.functions.len().saturating_sub(1) as u32;
        self.attach.points.push(AttachPoint {
            object: new.object,
            offset: new.offset,
            program: new.program,
            semaphore: new.semaphore,
            cookie: Cookie::new(function, Scope::Target, new.cost, plan),
        });
    }

    /// Functions and USDT sites so far.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// What the kernel gets, and what the decoder needs.
    pub fn finish(self) -> (AttachPlan, Descriptions) {
        let plan_registers = self
            .attach
            .plans
            .iter()
            .map(|plan| {
                let head = &plan.head;
                head.registers.iter().take(head.register_count.into()).map(|number| Register(*number)).collect()
            })
            .collect();
        let descriptions = Descriptions { types: self.types.types, functions: self.functions, plan_registers };
        (self.attach, descriptions)
    }
}

impl From<SiteClass> for SiteCost {
    fn from(class: SiteClass) -> Self {
        match class {
            SiteClass::Emulated => Self::Emulated,
            SiteClass::SingleStepped => Self::SingleStepped,
            SiteClass::Optimised => Self::Optimised,
        }
    }
}
