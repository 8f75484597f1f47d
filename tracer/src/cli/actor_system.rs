//! Opens the actor system of a process: its program with tokio, one scan of its memory, and what each look takes.
//! Shared by the commands that show actors.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::exit::Failure;
use super::target::images;
use crate::actors::channel::Level;
use crate::actors::channel::shape::Shapes;
use crate::actors::look::{Channel, Look, System};
use crate::actors::program::{Program, has_queues};
use crate::actors::reader::Reader;
use crate::actors::worker::{Metrics, Sight, ThreadSight, metrics, sight};
use crate::target::address::RuntimeAddress;
use crate::target::files::Files;
use crate::target::memory::ProcessMemory;
use crate::target::memory_scan::{self, WantedWords};
use crate::target::process::Process;
use crate::target::thread;

/// Between two samples of who runs.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

/// What a command works with.
pub struct Opened<'a, 'i> {
    pub process: &'a Process,
    pub memory: &'a ProcessMemory<'a>,
    /// `None`: the process runs no tokio.
    pub system: Option<System<'a, 'i>>,
    thread_pointers: HashMap<u32, u64>,
    pub scan: ScanSummary,
}

/// What the scan cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScanSummary {
    pub bytes: u64,
    pub is_cut: bool,
}

/// What a window showed.
#[derive(Debug, Default)]
pub struct Watch {
    /// The first at its start, the last at its end.
    pub looks: Vec<Look>,
    /// By task id: share of samples in which it ran.
    pub busy: HashMap<u64, f64>,
    pub samples: u64,
    pub length: Duration,
}

/// Looks `count` times, evenly within the window, and samples who runs between; `each` is called with every sample, and
/// gets the last look.
pub fn watch(
    opened: &mut Opened<'_, '_>,
    length: Duration,
    count: u32,
    mut each: impl FnMut(&Opened<'_, '_>, &Look),
) -> Result<Watch, Failure> {
    let began = Instant::now();
    let mut watch = Watch { looks: vec![opened.look()], ..Watch::default() };
    let mut ran: HashMap<u64, u64> = HashMap::new();
    for look in 1..count.max(2) {
        let until = length * look / (count.max(2) - 1);
        while began.elapsed() < until {
            std::thread::sleep(SAMPLE_EVERY.min(until.saturating_sub(began.elapsed())));
            opened.process.checked(())?;
            watch.samples += 1;
            if let Some(look) = watch.looks.last() {
                each(opened, look);
            }
            for id in watch.looks.last().map(|look| opened.running(look)).unwrap_or_default() {
                *ran.entry(id).or_default() += 1;
            }
        }
        watch.looks.push(opened.look());
    }
    watch.length = began.elapsed();
    let samples = watch.samples.max(1) as f64;
    let tasks = watch.looks.last().into_iter().flat_map(|look| &look.actors).filter(|actor| !actor.is_blocking);
    watch.busy =
        tasks.map(|actor| (actor.task.id, ran.get(&actor.task.id).copied().unwrap_or(0) as f64 / samples)).collect();
    Ok(watch)
}

/// Finds the process's actors and hands them to `work`.
pub fn with_system<T>(
    process: &Process,
    work: impl FnOnce(&mut Opened<'_, '_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    open(process, false, work)
}

/// The same with queues that no task leads to: of threads, and of programs without tokio.
pub fn with_queues<T>(
    process: &Process,
    work: impl FnOnce(&mut Opened<'_, '_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    open(process, true, work)
}

fn open<T>(
    process: &Process,
    wants_queues: bool,
    work: impl FnOnce(&mut Opened<'_, '_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let files = Files::new();
    let memory = ProcessMemory::open(process)?;
    let mut images = images(process, &files, |_| false)?;
    let mut program = find_program(&images, &memory)?;
    if program.is_none() {
        // tokio may be in a library: a plug-in, an extension module.
        images = super::target::images(process, &files, |_| true)?;
        program = find_program(&images, &memory)?;
    }
    super::target::say_lacks(&images);
    if program.is_none() && wants_queues {
        program = images.iter().find(|image| has_queues(image)).and_then(Program::without_tasks);
    }
    let program = program.as_ref();
    let mut shapes = program.filter(|_| wants_queues).map(|program| Shapes::of(&program.graph)).unwrap_or_default();
    let vtables = program.map_or(Vec::new(), |program| program.kinds.iter().map(|kind| kind.vtable).collect());
    let mut note = |address: u64, bytes: &[u8]| shapes.look_at(address, bytes);
    let scan = memory_scan::scan(&memory, &WantedWords::new(vtables), &mut note)?;
    let tids: Vec<u32> = process.threads()?.iter().map(|thread| thread.tid).collect();
    let thread_pointers = thread::thread_pointers(&memory, &tids, &scan.self_pointers);
    let stacks = stacks(process, &thread_pointers)?;
    let queues = program.map_or(Vec::new(), |program| shapes.found(&program.graph, &Reader::new(&memory), &stacks));
    let mut system = program.map(|program| System::new(program, &memory, &scan.hits, stacks));
    if let Some(system) = &mut system {
        system.queues = queues;
    }
    let mut opened = Opened {
        process,
        memory: &memory,
        system,
        thread_pointers,
        scan: ScanSummary { bytes: scan.bytes, is_cut: scan.is_cut },
    };
    work(&mut opened)
}

/// The mappings that threads' stacks are in: a thread's control block lies at the end of its stack.
fn stacks(process: &Process, thread_pointers: &HashMap<u32, u64>) -> Result<Vec<(u64, u64)>, Failure> {
    let is_stack = |mapping: &crate::target::procfs::Mapping| {
        let is_main = mapping.path.as_ref().is_some_and(|path| path.as_os_str() == "[stack]");
        is_main || thread_pointers.values().any(|pointer| mapping.contains(RuntimeAddress(*pointer)))
    };
    let mappings = process.mappings()?;
    Ok(mappings.iter().filter(|mapping| is_stack(mapping)).map(|mapping| (mapping.start.0, mapping.end.0)).collect())
}

fn find_program<'i>(
    images: &'i [crate::target::image::Image<'_>],
    memory: &ProcessMemory<'_>,
) -> Result<Option<Program<'i>>, Failure> {
    for image in images {
        if let Some(program) = Program::of(image, memory)? {
            return Ok(Some(program));
        }
    }
    Ok(None)
}

impl Opened<'_, '_> {
    /// One look; a process without tokio has no actors.
    pub fn look(&mut self) -> Look {
        self.system.as_mut().map(System::look).unwrap_or_default()
    }

    /// The ids of the tasks of an earlier look that run now.
    pub fn running(&self, look: &Look) -> Vec<u64> {
        self.system.as_ref().map(|system| system.running(look)).unwrap_or_default()
    }

    /// The levels now of the channels of an earlier look.
    pub fn levels(&self, look: &Look) -> Vec<(u64, Level)> {
        self.system.as_ref().map(|system| system.levels(look.all_channels())).unwrap_or_default()
    }

    /// The levels now of the channels that had messages in them at an earlier look, the first few hundred.
    pub fn waiting_levels(&self, look: &Look) -> Vec<(u64, Level)> {
        const CHANNELS_MAX: usize = 200;
        let Some(system) = &self.system else { return Vec::new() };
        let has_messages = |channel: &&Channel| channel.level.is_some_and(|level| level.length > 0);
        system.levels(look.channels.values().filter(has_messages).take(CHANNELS_MAX))
    }

    /// What one thread does for tokio now.
    pub fn sight(&self, tid: u32) -> Option<Sight> {
        let system = self.system.as_ref()?;
        sight(system.program, &Reader::new(self.memory), *self.thread_pointers.get(&tid)?)
    }

    /// What tokio counts of its workers, by thread.
    pub fn metrics(&self) -> HashMap<u32, Metrics> {
        let Some(system) = &self.system else { return HashMap::new() };
        let reader = Reader::new(self.memory);
        let of = |(tid, pointer): (&u32, &u64)| Some((*tid, metrics(system.program, &reader, *pointer)?));
        self.thread_pointers.iter().filter_map(of).collect()
    }

    /// All threads now.
    pub fn threads(&self) -> Result<Vec<ThreadSight>, Failure> {
        let threads = thread::threads(self.process)?;
        let reader = Reader::new(self.memory);
        let sight_of = |tid: u32| {
            let system = self.system.as_ref()?;
            sight(system.program, &reader, *self.thread_pointers.get(&tid)?)
        };
        Ok(threads.into_iter().map(|thread| ThreadSight { sight: sight_of(thread.tid), thread }).collect())
    }
}
