//! A capture plan with its operations, before the loader places them among those of all plans.

use std::sync::Arc;

use tracer_ebpf::abi::plan::{Op, Plan};

/// What one kind of probe does when it fires. Cheap to clone: a function's exits share their operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CapturePlan {
    /// Registers, flags, condition; where the operations are is left to [`placed`](Self::placed).
    pub head: Plan,
    pub ops: Arc<[Op]>,
}

impl CapturePlan {
    /// A plan without operations.
    pub fn bare(head: Plan) -> Self {
        Self { head, ops: Arc::default() }
    }

    /// The plan as the kernel gets it, its operations from `first_op` on.
    pub fn placed(&self, first_op: u32) -> Plan {
        Plan { first_op, op_count: self.ops.len() as u32, ..self.head }
    }
}
