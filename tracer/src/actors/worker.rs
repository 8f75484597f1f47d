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
    /// Which runtime it belongs to: the address of what the runtime's threads share.
    pub runtime: Option<u64>,
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
    let id = program.graph.number_named(context.ty, "current_task_id")?;
    let task = reader.word(at + id.offset).filter(|&id| id != 0);
    program.graph.pointer_named(context.ty, "scheduler")?;
    let scheduler = scheduler_context(program, reader, thread_pointer);
    let role = scheduler.map_or(Role::Other, |scheduler| scheduler.role);
    Some(Sight { role, task, runtime: scheduler.and_then(|scheduler| Some(scheduler.handle?.address)) })
}

/// What a scheduler's context says of its thread.
#[derive(Clone, Copy)]
struct SchedulerContext {
    role: Role,
    /// What the threads of its runtime share.
    handle: Option<Shared>,
}

/// A value behind an `Arc`.
#[derive(Clone, Copy)]
struct Shared {
    address: u64,
    ty: TypeId,
}

/// `None` outside of every scheduler.
fn scheduler_context(program: &Program<'_>, reader: &Reader<'_>, thread_pointer: u64) -> Option<SchedulerContext> {
    let context = program.context?;
    let at = thread_pointer.checked_sub(context.distance)?;
    let graph = &program.graph;
    let (scheduler, target) = graph.pointer_named(context.ty, "scheduler")?;
    let address = reader.pointer(at + scheduler.offset)?;
    let shared = |ty: TypeId, address: u64, name: &str| {
        let field = graph.field(ty, name)?;
        let (pointer, value) = graph.shared(field.ty)?;
        let target = reader.pointer(address + field.offset + pointer.offset)?;
        Some(Shared { address: target + value.offset, ty: value.ty })
    };
    let known = graph.get(target);
    // The scheduler's context is an enum of the kinds of runtime; without the multi-thread one there is only one kind.
    let part = match &known.shape {
        Shape::Enum(kinds) => {
            let kind = active(reader, kinds, address)?;
            let part = kind.fields.first().map(|field| (field.ty, address + field.offset));
            if kind.name == "MultiThread" {
                let worker = part.and_then(|(ty, address)| shared(ty, address, "worker"));
                let index = worker.and_then(|worker| {
                    let index = graph.number_named(worker.ty, "index")?;
                    reader.word(worker.address + index.offset)
                });
                let handle = worker.and_then(|worker| shared(worker.ty, worker.address, "handle"));
                return Some(SchedulerContext { role: Role::Worker(index), handle });
            }
            part
        }
        _ => Some((target, address)),
    };
    let handle = part.and_then(|(ty, address)| shared(ty, address, "handle"));
    Some(SchedulerContext { role: Role::CurrentThread, handle })
}

/// What tokio itself counts of a worker, as far as this version and this build of it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Times that it went to sleep for want of work.
    pub parks: Option<u64>,
    /// Tasks that it took from other workers; only counted by builds with `tokio_unstable`.
    pub steals: Option<u64>,
    /// Tasks polled; only counted by builds with `tokio_unstable`.
    pub polls: Option<u64>,
}

/// The metrics of the worker that has that thread pointer.
pub fn metrics(program: &Program<'_>, reader: &Reader<'_>, thread_pointer: u64) -> Option<Metrics> {
    let graph = &program.graph;
    let context = scheduler_context(program, reader, thread_pointer)?;
    let (handle, role) = (context.handle?, context.role);
    let all = graph.named(handle.ty, "worker_metrics")?;
    let (address, ty) = match graph.get(all.ty).shape {
        Shape::Slice { pointer_offset, length_offset, .. } => {
            let Role::Worker(Some(index)) = role else { return None };
            let element = graph.element(all.ty)?;
            let start = reader.pointer(handle.address + all.offset + pointer_offset)?;
            let count = reader.word(handle.address + all.offset + length_offset)?;
            (index < count).then(|| (start + index * graph.get(element).size_bytes, element))?
        }
        _ => (handle.address + all.offset, all.ty),
    };
    let number = |name: &str| {
        let part = graph.number_named(ty, name)?;
        reader.number(address + part.offset, graph.get(part.ty).size_bytes)
    };
    Some(Metrics { parks: number("park_count"), steals: number("steal_count"), polls: number("poll_count") })
}
