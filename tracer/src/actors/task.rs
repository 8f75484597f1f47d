//! tokio tasks in the target's memory: finds them, tells live ones from what freed ones left behind, and reads their
//! state. Says nothing of what their futures wait for.

use std::collections::{HashMap, HashSet};

use super::awaiting;
use super::graph::Graph;
use super::program::{Program, TaskKind};
use super::reader::Reader;
use crate::value::layout::{Shape, TypeId};

/// Bits of a task's state word (tokio's `runtime/task/state.rs`, the same since 1.0).
const RUNNING: u64 = 1;
const COMPLETE: u64 = 1 << 1;
const NOTIFIED: u64 = 1 << 2;
const JOIN_INTEREST: u64 = 1 << 3;
const CANCELLED: u64 = 1 << 5;
const REFERENCE_SHIFT: u32 = 6;
/// References to one task; what looks like more is no state word.
const REFERENCES_MAX: u64 = 1 << 20;
/// Tasks listed; the rest is counted as a cut.
const TASKS_MAX: usize = 2_000_000;
/// Of a task's memory, what is read with many others: the header and where the future starts.
pub const HEADER_BYTES: u64 = 64;
/// Lists of one scheduler (tokio has at most 2^16 shards).
const LISTS_MAX: u64 = 1 << 16;

/// One task, as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Where its memory starts.
    pub address: u64,
    /// Index of its kind.
    pub kind: usize,
    /// As `tokio::task::Id` prints it.
    pub id: u64,
    pub state: u64,
}

impl Task {
    pub fn is_running(&self) -> bool {
        self.state & RUNNING != 0
    }

    pub fn is_complete(&self) -> bool {
        self.state & COMPLETE != 0
    }

    pub fn is_notified(&self) -> bool {
        self.state & NOTIFIED != 0
    }

    pub fn is_cancelled(&self) -> bool {
        self.state & CANCELLED != 0
    }

    /// Whether somebody holds its `JoinHandle`.
    pub fn is_joinable(&self) -> bool {
        self.state & JOIN_INTEREST != 0
    }

    pub fn references(&self) -> u64 {
        self.state >> REFERENCE_SHIFT
    }
}

/// What was found, and how sure that is.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// By id.
    pub tasks: Vec<Task>,
    /// Headers in memory that belong to no live task: freed ones.
    pub stale: usize,
    /// Tasks that the runtimes' own lists have, and how many of them the scan had found too.
    pub listed: usize,
    pub listed_and_scanned: usize,
}

/// The live tasks among `candidates` (addresses of headers, of a scan or of an earlier look) and of the runtimes' lists
/// that these lead to. A task is built on a stack and then moved to the heap: what lies in `stacks` are leftovers of that.
pub fn find(program: &Program<'_>, reader: &Reader<'_>, candidates: &[u64], stacks: &[(u64, u64)]) -> Found {
    reader.prefetch(candidates.iter().map(|&address| (address, HEADER_BYTES)));
    let mut read: HashMap<u64, Task> =
        candidates.iter().filter_map(|&address| Some((address, read_task(program, reader, address)?))).collect();
    let scanned: HashSet<u64> = read.keys().copied().collect();
    let listed = listed(program, reader, &read);
    for &address in &listed {
        if let Some(task) = read_task(program, reader, address) {
            read.entry(address).or_insert(task);
        }
    }
    let found = read.len();
    let mut tasks: Vec<Task> = read
        .into_values()
        .filter(|task| {
            let is_on_stack = stacks.iter().any(|(start, end)| (*start..*end).contains(&task.address));
            listed.contains(&task.address) || !is_on_stack && lives_without_list(program, reader, task)
        })
        .collect();
    tasks.sort_unstable_by_key(|task| (task.id, task.address));
    tasks.dedup_by_key(|task| task.id);
    tasks.truncate(TASKS_MAX);
    Found {
        stale: found - tasks.len(),
        listed: listed.len(),
        listed_and_scanned: listed.intersection(&scanned).count(),
        tasks,
    }
}

/// The task whose memory starts at `address`, if a task can be there.
pub fn read_task(program: &Program<'_>, reader: &Reader<'_>, address: u64) -> Option<Task> {
    let vtable = reader.word(address.checked_add(program.vtable_offset)?)?;
    let kind = program.kind_of(vtable)?;
    let layout = &program.kinds.get(kind)?.layout;
    let state = reader.word(address + layout.state)?;
    let id = reader.word(address + layout.id)?;
    let task = Task { address, kind, id, state };
    let is_possible = (1..REFERENCES_MAX).contains(&task.references()) && id != 0;
    (is_possible && !(task.is_running() && task.is_complete())).then_some(task)
}

/// Whether the very task that was found before runs now.
pub fn is_running_now(program: &Program<'_>, reader: &Reader<'_>, task: &Task) -> bool {
    read_task(program, reader, task.address).is_some_and(|now| now.id == task.id && now.is_running())
}

/// Tasks that no runtime lists: blocking ones, finished ones that somebody still holds. Others are in a list, so one
/// whose neighbours do not know it is what a freed task left behind.
fn lives_without_list(program: &Program<'_>, reader: &Reader<'_>, task: &Task) -> bool {
    let Some(kind) = program.kinds.get(task.kind) else { return false };
    if task.is_complete() {
        return task.is_joinable() || task.references() > 1;
    }
    if kind.is_blocking {
        // A task waits in the queue or runs: its stage holds the closure, or just its place.
        return stage(&program.graph, reader, kind, task.address).is_some_and(|stage| stage == Stage::Running);
    }
    let layout = &kind.layout;
    if reader.word(task.address + layout.owner_id).unwrap_or(0) == 0 {
        return false;
    }
    let neighbour = |offset: u64| reader.pointer(task.address + offset);
    let knows = |neighbour: u64, is_next: bool| {
        let vtable = reader.word(neighbour + program.vtable_offset);
        let kind = vtable.and_then(|vtable| program.kinds.get(program.kind_of(vtable)?));
        let back = kind.map(|kind| if is_next { kind.layout.previous } else { kind.layout.next });
        back.and_then(|back| reader.word(neighbour + back)) == Some(task.address)
    };
    match (neighbour(layout.previous), neighbour(layout.next)) {
        (None, None) => false,
        (previous, next) => {
            previous.is_none_or(|previous| knows(previous, false)) && next.is_none_or(|next| knows(next, true))
        }
    }
}

/// All tasks in the lists of the schedulers that the known tasks name.
fn listed(program: &Program<'_>, reader: &Reader<'_>, known: &HashMap<u64, Task>) -> HashSet<u64> {
    let mut schedulers = HashSet::new();
    let mut found = HashSet::new();
    for task in known.values() {
        let Some(kind) = program.kinds.get(task.kind).filter(|kind| !kind.is_blocking) else { continue };
        let scheduler = kind.layout.scheduler;
        let Some((pointer, value)) = program.graph.shared(scheduler.ty) else { continue };
        let Some(shared) = reader.pointer(task.address + scheduler.offset + pointer.offset) else { continue };
        if schedulers.insert(shared) {
            let mut heads = Vec::new();
            if let Some(owned) = program.graph.named(value.ty, "owned") {
                list_heads(&program.graph, reader, owned.ty, shared + value.offset + owned.offset, 0, &mut heads);
            }
            for head in heads {
                walk(program, reader, head, &mut found);
            }
        }
    }
    found
}

/// The first tasks of all lists in a part of a scheduler: one list, or a boxed slice of them.
fn list_heads(graph: &Graph<'_>, reader: &Reader<'_>, ty: TypeId, address: u64, depth: u32, heads: &mut Vec<u64>) {
    const NESTING_MAX: u32 = 12;
    if depth > NESTING_MAX {
        return;
    }
    if graph.is(ty, "tokio::util::linked_list::LinkedList") {
        let head = graph.pointer_named(ty, "head").and_then(|(head, _)| reader.pointer(address + head.offset));
        heads.extend(head);
        return;
    }
    if let Some((pointer_offset, length_offset, element)) = slice(graph, ty) {
        let stride = graph.get(element).size_bytes;
        let start = reader.pointer(address + pointer_offset).unwrap_or(0);
        let count = reader.word(address + length_offset).unwrap_or(0).min(LISTS_MAX);
        for index in 0..count {
            list_heads(graph, reader, element, start + index * stride, depth + 1, heads);
        }
        return;
    }
    let shape = &graph.get(ty).shape;
    let Shape::Struct { fields, .. } = shape else { return };
    for field in fields {
        list_heads(graph, reader, field.ty, address + field.offset, depth + 1, heads);
    }
}

/// The two words of a pointer to a slice, and its element.
fn slice(graph: &Graph<'_>, ty: TypeId) -> Option<(u64, u64, TypeId)> {
    let Shape::Slice { pointer_offset, length_offset, .. } = graph.get(ty).shape else { return None };
    Some((pointer_offset, length_offset, graph.element(ty)?))
}

fn walk(program: &Program<'_>, reader: &Reader<'_>, head: u64, found: &mut HashSet<u64>) {
    let mut next = Some(head);
    while let Some(address) = next
        && found.len() < TASKS_MAX
    {
        // Not a task any more: the list changed while it was walked.
        let Some(task) = read_task(program, reader, address) else { return };
        if !found.insert(address) {
            return;
        }
        next = program.kinds.get(task.kind).and_then(|kind| reader.pointer(address + kind.layout.next));
    }
}

/// What a task's memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The future.
    Running,
    /// Its result.
    Finished,
    Consumed,
}

/// The stage of the task at `address`.
pub fn stage(graph: &Graph<'_>, reader: &Reader<'_>, kind: &TaskKind, address: u64) -> Option<Stage> {
    active(graph, reader, kind, address).map(|(stage, _)| stage)
}

/// Where the future of the task at `address` is, if it is still there.
pub fn future_address(graph: &Graph<'_>, reader: &Reader<'_>, kind: &TaskKind, address: u64) -> Option<u64> {
    match active(graph, reader, kind, address)? {
        (Stage::Running, Some(offset)) => Some(address + kind.layout.stage.offset + offset),
        _ => None,
    }
}

fn active(graph: &Graph<'_>, reader: &Reader<'_>, kind: &TaskKind, address: u64) -> Option<(Stage, Option<u64>)> {
    let part = kind.layout.stage;
    let ty = graph.get(part.ty);
    let Shape::Enum(stages) = &ty.shape else { return None };
    let variant = awaiting::active(reader, stages, address + part.offset)?;
    let stage = match variant.name.as_str() {
        "Running" => Stage::Running,
        "Finished" => Stage::Finished,
        "Consumed" => Stage::Consumed,
        _ => return None,
    };
    Some((stage, variant.fields.first().map(|field| field.offset)))
}
