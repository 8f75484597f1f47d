//! Routines: the types whose pointers are followed by operations of their own, which the plan calls. A type that
//! leads to itself has to be one, and one that takes many operations should be if the plan gets too long.

use std::collections::{BTreeMap, BTreeSet};

use tracer_ebpf::abi::plan::OpCode;

use super::super::assembler::Address;
use super::place::Base;
use super::{Compiler, Depth, Step};
use crate::value::layout::TypeId;

/// A call takes three operations: a type that takes fewer than some times that is not worth one.
const WORTH_OPS: usize = 12;

pub(super) struct Routines {
    shared: BTreeSet<TypeId>,
    /// Types that are being compiled in line, outermost first.
    path: Vec<TypeId>,
    /// Types that lead to themselves, found while they were compiled in line.
    cyclic: BTreeSet<TypeId>,
    /// Types compiled in line that took many operations, and how often.
    inlined: BTreeMap<TypeId, u32>,
    /// Calls by their operation, in the order in which they were emitted.
    calls: Vec<(usize, TypeId)>,
    is_inside: bool,
}

impl Routines {
    pub(super) fn new(shared: BTreeSet<TypeId>) -> Self {
        let (path, cyclic, inlined, calls) = Default::default();
        Self { shared, path, cyclic, inlined, calls, is_inside: false }
    }

    /// Whether a routine is being compiled, not the plan itself.
    pub(super) fn is_inside(&self) -> bool {
        self.is_inside
    }

    /// The operations from that one on were taken back.
    pub(super) fn forget_from(&mut self, len: usize) {
        self.calls.retain(|(index, _)| *index < len);
    }

    /// Types that should be routines.
    pub(super) fn wanted(self, is_too_long: bool) -> BTreeSet<TypeId> {
        let repeated = self.inlined.into_iter().filter(|(_, times)| is_too_long && *times > 1).map(|(ty, _)| ty);
        self.cyclic.into_iter().chain(repeated).collect()
    }
}

impl Compiler<'_> {
    /// Follows the pointers of a value in memory, in line or by a call.
    pub(super) fn enter(&mut self, ty: TypeId, address: Address, depth: Depth) -> Step {
        if !self.leads_further(ty) {
            return Ok(());
        }
        if self.routines.shared.contains(&ty) {
            return self.call(ty, address, depth);
        }
        if self.routines.path.contains(&ty) {
            self.routines.cyclic.insert(ty);
            return Ok(());
        }
        let start = self.assembler.len();
        self.routines.path.push(ty);
        let result = self.chase(ty, Base::Memory(address), depth);
        self.routines.path.pop();
        if self.assembler.len() - start > WORTH_OPS {
            *self.routines.inlined.entry(ty).or_default() += 1;
        }
        result
    }

    fn call(&mut self, ty: TypeId, address: Address, depth: Depth) -> Step {
        let limit = self.limits.pointers_max;
        let displacement = self.assembler.load_base(address)?;
        self.assembler.add(displacement)?;
        let (index, slots) = (self.assembler.len(), self.assembler.slots());
        self.assembler.emit(OpCode::Call, |op| {
            (op.register, op.immediate, op.b) = (slots, depth.pointers, limit.into());
        })?;
        self.routines.calls.push((index, ty));
        Ok(())
    }

    /// Appends the routines that are called, and those that they call, behind the plan itself.
    pub(super) fn compile_routines(&mut self) {
        if self.routines.calls.is_empty() || self.assembler.emit(OpCode::Return, |_| {}).is_err() {
            return;
        }
        let nothing = self.assembler.here() - 1;
        self.routines.is_inside = true;
        let mut known = BTreeMap::new();
        let mut done = 0;
        while let Some(&(index, ty)) = self.routines.calls.get(done) {
            let (target, slots) = *known.entry(ty).or_insert_with(|| self.routine(ty).unwrap_or((nothing, 0)));
            if let Some(op) = self.assembler.op_mut(index) {
                (op.target, op.a) = (target, slots);
            }
            done += 1;
        }
    }

    /// Where the routine starts, and how many slots it takes; `None` if there is no room for it.
    fn routine(&mut self, ty: TypeId) -> Option<(u16, u64)> {
        let start = self.assembler.here();
        self.assembler.begin_call();
        let ops_max = self.assembler.ops_max;
        // One operation is kept for the return.
        self.assembler.ops_max = ops_max.saturating_sub(1);
        self.attempt(|compiler| {
            let slot = compiler.assembler.save()?;
            compiler.chase(ty, Base::Memory(Address::Slot(slot, 0)), Depth::default())
        });
        self.assembler.ops_max = ops_max;
        self.assembler.emit(OpCode::Return, |_| {}).ok()?;
        Some((start, self.assembler.slots_max as u64))
    }
}
