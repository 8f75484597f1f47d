//! Which threads run tasks, and which task each runs now: tokio's thread-local context, read at each thread's pointer.

use super::awaiting::active;
use super::program::Program;
use super::reader::Reader;
use crate::target::thread::ThreadState;
use crate::value::layout::{Shape, TypeId};

/// What a thread is to tokio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Worker of a multi-thread runtime, by its index there.
    Worker(Option<u64>),
    /// Runs a current-thread runtime or a `LocalSet`.
    CurrentThread,
    /// Outside of every scheduler: a thread of the blocking pool, or none of tokio's.
    Other,
}

/// One thread's part in the actor system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub role: Role,
    /// The id of the task that it runs.
    pub task: Option<u64>,
}

/// A thread, with its part in the actor system, if that is known.
#[derive(Clone, Debug)]
pub struct ThreadSight {
    pub thread: ThreadState,
    pub sight: Option<Sight>,
}

impl ThreadSight {
    /// Whether it runs tasks.
    pub fn is_worker(&self) -> bool {
        self.sight.is_some_and(|sight| sight.role != Role::Other)
    }
}

/// What the thread with that thread pointer does for tokio; `None` if the program's context is not known.
pub fn sight(program: &Program<'_>, reader: &Reader<'_>, thread_pointer: u64) -> Option<Sight> {
    let context = program.context?;
    let at = thread_pointer.checked_sub(context.distance)?;
    let graph = &program.graph;
    let id = graph.number_named(context.ty, "current_task_id")?;
    let task = reader.word(at + id.offset).filter(|&id| id != 0);
    let (scheduler, target) = graph.pointer_named(context.ty, "scheduler")?;
    let role = match reader.pointer(at + scheduler.offset) {
        Some(scheduler) => role(program, reader, target, scheduler),
        None => Role::Other,
    };
    Some(Sight { role, task })
}

/// The scheduler's context is an enum of the kinds of runtime.
fn role(program: &Program<'_>, reader: &Reader<'_>, ty: TypeId, address: u64) -> Role {
    let graph = &program.graph;
    let known = graph.get(ty);
    let Shape::Enum(kinds) = &known.shape else {
        // Without the multi-thread runtime there is only one kind.
        return Role::CurrentThread;
    };
    let Some(kind) = active(reader, kinds, address) else { return Role::Other };
    if kind.name != "MultiThread" {
        return Role::CurrentThread;
    }
    let index = kind.fields.iter().find_map(|field| {
        let worker = graph.field(field.ty, "worker")?;
        let (pointer, value) = graph.shared(worker.ty)?;
        let index = graph.number_named(value.ty, "index")?;
        let shared = reader.pointer(address + field.offset + worker.offset + pointer.offset)?;
        reader.word(shared + value.offset + index.offset)
    });
    Role::Worker(index)
}
