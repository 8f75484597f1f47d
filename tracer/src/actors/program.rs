//! What one program's symbols and debug information say of its tokio tasks: one kind of task per copy of
//! `tokio::runtime::task::raw::poll`, with the layout of its memory, by field names. Reads no heap.

use std::cell::RefCell;
use std::collections::HashMap;

use super::error::ActorsError;
use super::graph::{Graph, Part};
use super::name;
use crate::target::address::{LinkAddress, LinkRange};
use crate::target::debug_info::{DieId, TypeReader};
use crate::target::image::Image;
use crate::target::symbol::SymbolSource;
use crate::value::image::Memory;
use crate::value::layout::{Shape, TypeId};

/// Path of the function that polls a task, as both manglings spell it.
const POLL_SYMBOL: &str = "5tokio7runtime4task3raw4poll";
const CONTEXT_SYMBOL: &str = "5tokio7runtime7context7CONTEXT";

/// A program (or library) with tokio in it.
pub struct Program<'i> {
    pub graph: Graph<'i>,
    pub kinds: Vec<TaskKind>,
    /// Where in a task's header its table of functions is named.
    pub vtable_offset: u64,
    pub context: Option<ContextLayout>,
    /// Why kinds of tasks are missing, for the user.
    pub notes: Vec<String>,
    by_vtable: HashMap<u64, usize>,
    polled_at: RefCell<HashMap<u64, Option<usize>>>,
}

/// All tasks of one future type and scheduler.
#[derive(Clone, Debug)]
pub struct TaskKind {
    /// Runtime address of the table of functions.
    pub vtable: u64,
    /// The function whose future it is.
    pub name: String,
    pub future: TypeId,
    pub is_blocking: bool,
    pub size_bytes: u64,
    pub layout: TaskLayout,
}

/// Places in a task's memory, from its start.
#[derive(Clone, Copy, Debug)]
pub struct TaskLayout {
    pub state: u64,
    pub owner_id: u64,
    pub id: u64,
    pub scheduler: Part,
    /// Running, finished, or consumed.
    pub stage: Part,
    pub previous: u64,
    pub next: u64,
}

/// tokio's thread-local context.
#[derive(Clone, Copy, Debug)]
pub struct ContextLayout {
    /// Below the thread pointer.
    pub distance: u64,
    pub ty: TypeId,
}

/// Whether a program or library has tokio's tasks in it, by its symbols.
pub fn has_tasks(image: &Image<'_>) -> bool {
    image.symbols().functions().iter().any(|symbol| symbol.name.contains(POLL_SYMBOL))
}

/// Whether a program or library has queues in it that are found by what they look like, by its symbols.
pub fn has_queues(image: &Image<'_>) -> bool {
    /// Paths of their modules, as both manglings spell them.
    const MODULES: [&str; 2] = ["17crossbeam_channel", "4sync4mpmc"];
    let has = |name: &str| MODULES.iter().any(|module| name.contains(module));
    image.symbols().functions().iter().any(|symbol| has(symbol.name))
}

impl<'i> Program<'i> {
    /// `None` if there is no tokio in it.
    ///
    /// # Errors
    /// There is, but nothing says how its tasks are laid out.
    pub fn of(image: &'i Image<'_>, memory: &dyn Memory) -> Result<Option<Self>, ActorsError> {
        let symbols = image.symbols().functions().iter();
        let polls: Vec<LinkAddress> =
            symbols.filter(|symbol| symbol.name.contains(POLL_SYMBOL)).map(|symbol| symbol.address).collect();
        if polls.is_empty() {
            return match version_in_text(image).filter(|_| image.symbols().source() != SymbolSource::Full) {
                Some(version) => Err(ActorsError::Stripped { path: image.object.path().to_owned(), version }),
                None => Ok(None),
            };
        }
        let info = image.debug_info().ok().filter(|info| !info.is_empty());
        let Some(info) = info else { return Err(ActorsError::NoTypes { path: image.object.path().to_owned() }) };
        let mut program = Self::new(Graph::new(TypeReader::new(info), image.bias));
        let mut layouts = HashMap::new();
        let mut unknown = 0_usize;
        for (address, function) in polls.iter().zip(info.functions_at(&polls)) {
            let found = function.and_then(|function| Some((program.kind(function.id)?, function)));
            match found {
                Some((kind, _)) => {
                    layouts.insert(image.bias.runtime(*address).0, kind);
                }
                None => unknown += 1,
            }
        }
        if unknown > 0 {
            program.notes.push(format!(
                "{unknown} kinds of tasks are not known: of a tokio before 1.0, or no types in the debug information"
            ));
        }
        program.find_vtables(image, memory, &layouts);
        program.context = program.find_context(image);
        Ok(Some(program))
    }

    /// A program of which only queues are told: it has no tokio. `None` if its types are not known.
    pub fn without_tasks(image: &'i Image<'_>) -> Option<Self> {
        let info = image.debug_info().ok().filter(|info| !info.is_empty())?;
        Some(Self::new(Graph::new(TypeReader::new(info), image.bias)))
    }

    fn new(graph: Graph<'i>) -> Self {
        Self {
            graph,
            kinds: Vec::new(),
            vtable_offset: 0,
            context: None,
            notes: Vec::new(),
            by_vtable: HashMap::new(),
            polled_at: RefCell::default(),
        }
    }

    pub fn kind_of(&self, vtable: u64) -> Option<usize> {
        self.by_vtable.get(&vtable).copied()
    }

    /// The first kind of the task that is being polled by the function with code at that address, if that function is
    /// a generic one of tokio's for tasks: its type argument is the task's future.
    pub fn kind_polled_at(&self, address: u64) -> Option<usize> {
        if let Some(known) = self.polled_at.borrow().get(&address) {
            return *known;
        }
        let link = self.graph.link(address);
        let future = self.graph.with_reader(|reader| {
            let function = reader.function_at(link)?;
            reader.template_argument(function, "T")
        });
        let kind = future.and_then(|future| self.first_of(future));
        self.polled_at.borrow_mut().insert(address, kind);
        kind
    }

    /// The first kind with that future: there is one for each kind of runtime that can run it.
    pub fn first_of(&self, future: TypeId) -> Option<usize> {
        // Each unit of the debug information has types of its own.
        let name = &self.graph.get(future).name;
        self.kinds.iter().position(|kind| self.graph.get(kind.future).name == *name)
    }

    /// The kind that a copy of `poll` belongs to; its table is not known yet.
    fn kind(&mut self, function: DieId) -> Option<(TaskKind, VtableLayout)> {
        let graph = &self.graph;
        let future = graph.with_reader(|reader| reader.template_argument(function, "T"))?;
        let harness = graph.with_reader(|reader| reader.variable_type(function, "harness"))?;
        let (_, cell) = graph.pointer(harness)?;
        let header = graph.field(cell, "header")?;
        let (vtable, vtable_type) = graph.pointer_named(header.ty, "vtable")?;
        let vtable_offset = header.offset + vtable.offset;
        let core = graph.field(cell, "core")?;
        let trailer = graph.field(cell, "trailer")?;
        let owned = graph.field(trailer.ty, "owned")?;
        let in_header = |name: &str| Some(header.offset + graph.number_named(header.ty, name)?.offset);
        let in_owned = |name: &str| Some(trailer.offset + owned.offset + graph.pointer_named(owned.ty, name)?.0.offset);
        let in_core = |name: &str| {
            let part = graph.field(core.ty, name)?;
            Some(Part { offset: core.offset + part.offset, ty: part.ty })
        };
        let stage_cell = in_core("stage")?;
        let stage = graph.first(stage_cell.ty, &|_, ty| {
            matches!(&ty.shape, Shape::Enum(stages) if stages.variants.iter().any(|stage| stage.name == "Running"))
        })?;
        let id = in_core("task_id")?;
        let layout = TaskLayout {
            state: in_header("state")?,
            owner_id: in_header("owner_id")?,
            id: id.offset + graph.number(id.ty)?.offset,
            scheduler: in_core("scheduler")?,
            stage: Part { offset: stage_cell.offset + stage.offset, ty: stage.ty },
            previous: in_owned("prev")?,
            next: in_owned("next")?,
        };
        let type_name = graph.get(future).name.clone();
        let blocking = type_name.strip_prefix("tokio::runtime::blocking::task::BlockingTask<");
        let kind = TaskKind {
            vtable: 0,
            name: name::function_of(blocking.and_then(|inner| inner.strip_suffix('>')).unwrap_or(&type_name)),
            future,
            is_blocking: blocking.is_some(),
            size_bytes: graph.get(cell).size_bytes,
            layout,
        };
        // Copies of an older tokio beside this one have other headers, which end above.
        self.vtable_offset = vtable_offset;
        let vtable = VtableLayout {
            poll: graph.field(vtable_type, "poll")?.offset,
            id_offset: graph.number_named(vtable_type, "id_offset").map(|part| part.offset),
            size_bytes: graph.get(vtable_type).size_bytes,
        };
        Some((kind, vtable))
    }

    /// Tables are constants: words in the object's data that hold the address of a `poll`.
    fn find_vtables(
        &mut self,
        image: &Image<'_>,
        memory: &dyn Memory,
        layouts: &HashMap<u64, (TaskKind, VtableLayout)>,
    ) {
        for section in [".data.rel.ro", ".rodata", ".data"] {
            let Some(range) = image.object.section_range(section) else { continue };
            for (address, word) in words(image, memory, range) {
                let Some((kind, table)) = layouts.get(&word) else { continue };
                let Some(start) = address.checked_sub(table.poll) else { continue };
                let id_offset = table.id_offset.and_then(|offset| memory.read(start + offset, 8).ok());
                let is_table = match (table.id_offset, id_offset) {
                    (Some(_), Some(bytes)) => bytes == kind.layout.id.to_le_bytes(),
                    (Some(_), None) => false,
                    (None, _) => memory.read(start, table.size_bytes).is_ok(),
                };
                if is_table && !self.by_vtable.contains_key(&start) {
                    self.by_vtable.insert(start, self.kinds.len());
                    self.kinds.push(TaskKind { vtable: start, ..kind.clone() });
                }
            }
        }
    }

    fn find_context(&self, image: &Image<'_>) -> Option<ContextLayout> {
        let (size, align) = image.object.thread_local_block()?;
        if !image.is_executable {
            return None;
        }
        let locals = self.graph.with_reader(|reader| reader.thread_locals(|name| name.contains(CONTEXT_SYMBOL)));
        // The executable's block lies right below the thread pointer (x86-64 ABI, variant II).
        let block = size.checked_next_multiple_of(align)?;
        locals.into_iter().find_map(|(local, ty)| {
            let part = self.graph.typed(ty, "tokio::runtime::context::Context")?;
            Some(ContextLayout { distance: block.checked_sub(local.offset + part.offset)?, ty: part.ty })
        })
    }
}

/// Places in tokio's table of functions of a task.
#[derive(Clone, Copy, Debug)]
struct VtableLayout {
    poll: u64,
    id_offset: Option<u64>,
    size_bytes: u64,
}

/// tokio's version as its panic messages spell it, in a path of its sources: what a stripped program still tells.
fn version_in_text(image: &Image<'_>) -> Option<String> {
    let text = image.object.section_data(".rodata").ok()?;
    let after = memchr::memmem::find_iter(&text, "/tokio-").map(|at| at + "/tokio-".len());
    after.into_iter().find_map(|at| {
        let rest = text.get(at..)?;
        let version: Vec<u8> =
            rest.iter().copied().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').take(16).collect();
        let is_version = version.first().is_some_and(u8::is_ascii_digit);
        is_version.then(|| String::from_utf8_lossy(&version).trim_end_matches('.').to_owned())
    })
}

/// The words of a section as they are in memory, with their addresses; from the file where a page is not resident and
/// nothing is relocated.
fn words(image: &Image<'_>, memory: &dyn Memory, range: LinkRange) -> Vec<(u64, u64)> {
    const STRETCH_BYTES: u64 = 1 << 16;
    let mut found = Vec::new();
    let mut at = range.start.0.next_multiple_of(8);
    while at < range.end.0 {
        let stretch = STRETCH_BYTES.min(range.end.0 - at);
        let address = image.bias.runtime(LinkAddress(at)).0;
        let from_file = || {
            let whole = LinkRange { start: LinkAddress(at), end: LinkAddress(at + stretch) };
            image.code(whole).filter(|_| image.bias.0 == 0).map(<[u8]>::to_vec)
        };
        let bytes = memory.read(address, stretch).ok().or_else(from_file);
        let bytes = bytes.unwrap_or_else(|| by_page(memory, address, stretch));
        let (chunks, _) = bytes.as_chunks::<8>();
        found.extend((address..).step_by(8).zip(chunks.iter().map(|word| u64::from_le_bytes(*word))));
        at += stretch;
    }
    found
}

/// What is resident; zeroes stand for the rest.
fn by_page(memory: &dyn Memory, address: u64, size_bytes: u64) -> Vec<u8> {
    const PAGE_BYTES: u64 = 4096;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size_bytes {
        let at = address + bytes.len() as u64;
        let wanted = (PAGE_BYTES - at % PAGE_BYTES).min(size_bytes - bytes.len() as u64);
        let mut page = memory.read(at, wanted).unwrap_or_default();
        page.resize(usize::try_from(wanted).unwrap_or(0), 0);
        bytes.append(&mut page);
    }
    bytes
}
