//! Loads the BPF object: aya creates the maps, this file loads the programs, for `uprobe_multi` links or for perf
//! events. Nothing is attached here.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use aya::Pod;
use aya::maps::{Array, HashMap as BpfHashMap, Map, MapData, PerCpuArray, RingBuf};
use aya_log::Level;
use aya_obj::btf::BtfFeatures;
use aya_obj::generated::bpf_func_id;
use aya_obj::{EbpfSectionKind, Object};
use tracer_ebpf::abi::cookie::{SITE_COSTS, Scope};
use tracer_ebpf::abi::cpu::Cpu;
use tracer_ebpf::abi::filter::{Filter, Text};
use tracer_ebpf::abi::mailbox::Mailbox;
use tracer_ebpf::abi::mapping::MappingLayout;
use tracer_ebpf::abi::plan::{Op, PLAN_EXITS_INCOMPLETE, Plan};

use super::control::ControlBlocks;
use super::error::KernelError;
pub use super::sys::ProgramFacts;
use super::sys::{self, ProgramSource};
use crate::plan::capture_plan::CapturePlan;
use crate::plan::probe_plan::{Filters, Program};

/// The object that was built from `tracer-ebpf` and committed with it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("TRACER_BPF_OBJECT"));

const VERIFIER_LOG_BYTES: usize = 1 << 20;

/// How sites are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// One `uprobe_multi` link for many sites, Linux 6.6.
    Multi,
    /// One perf event per site, Linux 5.15.
    PerfEvent,
}

/// A map value of the ABI, as bytes that aya may copy.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Wire<T>(pub T);

// SAFETY: the ABI's types are `repr(C)` integers with explicit padding.
unsafe impl Pod for Wire<Plan> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Mailbox> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Filter> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Text> {}
// SAFETY: as above.
unsafe impl Pod for Wire<Cpu> {}

/// Elements that programs find by their numbers.
type Table<T> = Array<MapData, Wire<T>>;

/// Mailbox statistics by mailbox id.
pub type Mailboxes = BpfHashMap<MapData, u64, Wire<Mailbox>>;

/// The maps, and the programs as they are needed.
pub struct Loaded {
    pub mode: AttachMode,
    sleepable: bool,
    pub control: ControlBlocks,
    pub mailboxes: Mutex<Mailboxes>,
    object: Object,
    btf: OwnedFd,
    programs: [OnceLock<OwnedFd>; PROGRAMS],
    plans: Mutex<Table<Plan>>,
    cpus: PerCpuArray<MapData, Wire<Cpu>>,
    /// Programs are loaded by the maps' descriptors, so these stay open. The ring buffer's reader keeps that one.
    _filters: Table<Filter>,
    _texts: Table<Text>,
    _maps: Vec<MapData>,
}

/// Number of [`Program`]s.
const PROGRAMS: usize = 7;

/// What to load.
pub struct LoadRequest<'a> {
    pub mode: AttachMode,
    pub plans: &'a [CapturePlan],
    pub filters: &'a Filters,
    pub ring_bytes: u32,
    /// See [`SessionRequest`](super::session::SessionRequest).
    pub record_bytes_max: u32,
    /// Let the programs say what they do, through aya-log. Costs nothing when off: the verifier drops the code.
    pub diagnostics: bool,
    /// Use `bpf_find_vma`, Linux 5.17: without it stacks are told apart by distance.
    pub find_vma: bool,
    /// Bytes of stack that a probe sends whose plan asks for it, 0 if none does.
    pub stack_bytes: u32,
    /// Load programs that may sleep, and fault in what is not resident where this shows that the target's thread will
    /// not wait for anybody.
    pub fault_in: Option<MappingLayout>,
    /// Links watch all processes: the programs ask first whose hit it is.
    pub sees_others: bool,
}

impl Loaded {
    /// Creates the maps and fills in the plans. The ring buffer comes apart: it has one reader.
    pub fn new(request: &LoadRequest<'_>) -> Result<(Self, RingBuf<MapData>), KernelError> {
        let mut object = Object::parse(OBJECT).map_err(KernelError::Object)?;
        let level = [if request.diagnostics { Level::Debug as u8 } else { 0 }];
        let has_find_vma = [u8::from(request.find_vma)];
        let has_filters = [u8::from(!request.filters.filters.is_empty())];
        let sees_others = [u8::from(request.sees_others)];
        let stack_bytes = request.stack_bytes.to_le_bytes();
        let fault_in = [u8::from(request.fault_in.is_some())];
        let mapping = mapping_bytes(&request.fault_in.unwrap_or(MappingLayout::UNKNOWN));
        let record_bytes_max = request.record_bytes_max.to_le_bytes();
        let globals = [
            (LOG_LEVEL, (&level[..], true)),
            (HAS_FIND_VMA, (&has_find_vma[..], true)),
            (RECORD_LIMIT, (&record_bytes_max[..], true)),
            (HAS_FILTERS, (&has_filters[..], true)),
            (SEES_OTHERS, (&sees_others[..], true)),
            (STACK_BYTES, (&stack_bytes[..], true)),
            (FAULT_IN, (&fault_in[..], true)),
            (MAPPING, (&mapping[..], true)),
        ];
        object.patch_map_data(HashMap::from(globals)).map_err(KernelError::Object)?;
        let btf = load_btf(&mut object)?;
        let mut maps = create_maps(&object, btf.as_fd(), request)?;
        relocate(&mut object, &maps)?;
        if request.fault_in.is_none() {
            drop_sleeping_calls(&mut object);
        }
        let ops = maps.get(OPS).ok_or(KernelError::MapMissing(OPS))?.fd().as_fd();
        let all_ops: Vec<Op> = request.plans.iter().flat_map(|plan| plan.ops.iter().copied()).collect();
        sys::fill_array(ops, &all_ops).map_err(KernelError::OpsMapping)?;
        let mut first_op = 0;
        let placed = request.plans.iter().map(|plan| {
            let placed = Wire(plan.placed(first_op));
            first_op += plan.ops.len() as u32;
            placed
        });
        let plans = fill(&mut maps, PLANS, placed)?;
        let filters = fill(&mut maps, FILTERS, request.filters.filters.iter().map(|filter| Wire(*filter)))?;
        let texts = fill(&mut maps, TEXTS, request.filters.texts.iter().map(|text| Wire(*text)))?;
        let control = maps.get(CONTROL).ok_or(KernelError::MapMissing(CONTROL))?.fd().as_fd();
        let control = ControlBlocks::map(control).map_err(KernelError::ControlMapping)?;
        let records = typed(&mut maps, RECORDS, Map::RingBuf)?;
        let cpus = typed(&mut maps, CPUS, Map::PerCpuArray)?;
        let mailboxes = Mutex::new(typed(&mut maps, MAILBOXES, Map::HashMap)?);
        let mode = request.mode;
        let _maps = maps.into_values().collect();
        Ok((
            Self {
                mode,
                sleepable: request.fault_in.is_some(),
                control,
                mailboxes,
                object,
                btf,
                programs: Default::default(),
                plans: Mutex::new(plans),
                cpus,
                _filters: filters,
                _texts: texts,
                _maps,
            },
            records,
        ))
    }

    /// Lets calls of this plan that end unseen show an unknown end rather than an unwound one. Calls of other
    /// functions with an equal plan do so too.
    pub fn mark_exits_incomplete(&self, plan: u32) -> Result<(), KernelError> {
        let failed = |source| KernelError::Map { map: PLANS, source };
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let Wire(mut head) = plans.get(&plan, 0).map_err(failed)?;
        head.flags |= PLAN_EXITS_INCOMPLETE;
        plans.set(plan, Wire(head), 0).map_err(failed)
    }

    /// Hits so far by what they cost, over all CPUs.
    pub fn hits(&self, scope: Scope) -> Result<[u64; SITE_COSTS], KernelError> {
        let cpus = self.cpus.get(&(scope as u32), 0).map_err(|source| KernelError::Map { map: CPUS, source })?;
        let mut sums = [0; SITE_COSTS];
        for Wire(cpu) in cpus.iter() {
            for (sum, hits) in sums.iter_mut().zip(cpu.hits) {
                *sum += hits;
            }
        }
        Ok(sums)
    }

    /// Loads these programs at the same time: the verifier takes some milliseconds for each.
    pub(super) fn load(&self, programs: &[Program]) -> Result<(), KernelError> {
        std::thread::scope(|scope| {
            let loads: Vec<_> = programs.iter().map(|program| scope.spawn(|| self.program(*program))).collect();
            loads.into_iter().try_for_each(|load| match load.join() {
                Ok(loaded) => loaded.map(|_| ()),
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    /// What the kernel tells of the programs loaded so far.
    pub fn facts(&self) -> Vec<ProgramFacts> {
        let loaded = self.programs.iter().filter_map(OnceLock::get);
        loaded.filter_map(|program| sys::program_facts(program.as_fd()).ok()).collect()
    }

    /// The program, loaded when it is first asked for.
    pub(super) fn program(&self, program: Program) -> Result<&OwnedFd, KernelError> {
        let slot = match program {
            Program::Entry => &self.programs[0],
            Program::Exit => &self.programs[1],
            Program::ReturnTrampoline => &self.programs[2],
            Program::Mailbox => &self.programs[3],
            Program::Empty => &self.programs[4],
            Program::Handwritten => &self.programs[5],
            Program::HandwrittenCondition => &self.programs[6],
        };
        match slot.get() {
            Some(loaded) => Ok(loaded),
            None => {
                let loaded = self.verified(program)?;
                Ok(slot.get_or_init(|| loaded))
            }
        }
    }

    /// Hands the program to the verifier.
    fn verified(&self, program: Program) -> Result<OwnedFd, KernelError> {
        let name = name(program);
        let missing =
            || KernelError::Program { program: name, source: std::io::ErrorKind::NotFound.into(), log: String::new() };
        let definition = self.object.programs.get(name).ok_or_else(missing)?;
        let function = self.object.functions.get(&definition.function_key()).ok_or_else(missing)?;
        let records = function.func_info.func_info_bytes();
        let source = ProgramSource {
            name,
            instructions: &function.instructions,
            license: &definition.license,
            btf: Some(self.btf.as_fd()),
            functions: (&records, function.func_info_rec_size),
            multi: self.mode == AttachMode::Multi,
            sleepable: self.sleepable,
        };
        sys::program_load(&source, &mut []).map_err(|error| {
            let mut log = vec![0; VERIFIER_LOG_BYTES];
            // Again, for the words: the log is too large to ask for each time.
            let _ = sys::program_load(&source, &mut log);
            let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
            KernelError::Program { program: name, source: error, log: String::from_utf8_lossy(text).into_owned() }
        })
    }
}

const PLANS: &str = "PLANS";
const OPS: &str = "OPS";
const FILTERS: &str = "FILTERS";
const TEXTS: &str = "TEXTS";
const CONTROL: &str = "CONTROL";
const CPUS: &str = "CPUS";
const RECORDS: &str = "RECORDS";
const MAILBOXES: &str = "MAILBOXES";
/// aya-log's: which of its messages are compiled in.
const LOG_LEVEL: &str = "AYA_LOG_LEVEL";
const HAS_FIND_VMA: &str = "HAS_FIND_VMA";
const HAS_FILTERS: &str = "HAS_FILTERS";
const SEES_OTHERS: &str = "SEES_OTHERS";
const STACK_BYTES: &str = "STACK_BYTES";
const RECORD_LIMIT: &str = "RECORD_LIMIT";
const FAULT_IN: &str = "FAULT_IN";
const MAPPING: &str = "MAPPING";

fn load_btf(object: &mut Object) -> Result<OwnedFd, KernelError> {
    let unsupported = || KernelError::BtfLoad(std::io::ErrorKind::Unsupported.into());
    // Without privilege the probe finds no feature at all; the kernel's own answer then says why.
    let none = BtfFeatures::default();
    let features = aya::features().btf().unwrap_or(&none);
    let btf = object.fixup_and_sanitize_btf(features).map_err(KernelError::Btf)?.ok_or_else(unsupported)?;
    sys::btf_load(&btf.to_bytes()).map_err(KernelError::BtfLoad)
}

/// Every map of the object. Not by aya's own loader, which parses all of the kernel's type information first (4 MB,
/// 15 ms and more): these programs are not relocated against it.
fn create_maps(
    object: &Object,
    btf: BorrowedFd<'_>,
    request: &LoadRequest<'_>,
) -> Result<HashMap<String, MapData>, KernelError> {
    let mut maps = HashMap::new();
    for (name, definition) in &object.maps {
        let mut definition = definition.clone();
        match name.as_str() {
            PLANS => definition.set_max_entries(request.plans.len().max(1) as u32),
            OPS => {
                definition.set_max_entries(request.plans.iter().map(|plan| plan.ops.len() as u32).sum::<u32>().max(1))
            }
            FILTERS => definition.set_max_entries(request.filters.filters.len().max(1) as u32),
            TEXTS => definition.set_max_entries(request.filters.texts.len().max(1) as u32),
            RECORDS => definition.set_max_entries(request.ring_bytes),
            _ => {}
        }
        let section = definition.section_kind();
        let data = definition.data().to_vec();
        let map = MapData::create(definition, name, Some(btf))
            .map_err(|source| KernelError::MapCreate { map: name.clone(), source })?;
        if matches!(section, EbpfSectionKind::Rodata | EbpfSectionKind::Data) {
            sys::fill_data_map(map.fd().as_fd(), &data, section == EbpfSectionKind::Rodata)
                .map_err(|source| KernelError::DataMap { map: name.clone(), source })?;
        }
        maps.insert(name.clone(), map);
    }
    Ok(maps)
}

fn typed<T>(maps: &mut HashMap<String, MapData>, name: &'static str, kind: fn(MapData) -> Map) -> Result<T, KernelError>
where
    T: TryFrom<Map, Error = aya::maps::MapError>,
{
    let map = maps.remove(name).ok_or(KernelError::MapMissing(name))?;
    T::try_from(kind(map)).map_err(|source| KernelError::Map { map: name, source })
}

/// Sets the first elements of an array.
fn fill<T>(
    maps: &mut HashMap<String, MapData>,
    name: &'static str,
    elements: impl Iterator<Item = Wire<T>>,
) -> Result<Table<T>, KernelError>
where
    Wire<T>: Pod,
{
    let mut array: Table<T> = typed(maps, name, Map::Array)?;
    for (index, element) in elements.enumerate() {
        array.set(index as u32, element, 0).map_err(|source| KernelError::Map { map: name, source })?;
    }
    Ok(array)
}

/// Puts the maps' descriptors and the calls between functions into the instructions.
fn relocate(object: &mut Object, maps: &HashMap<String, MapData>) -> Result<(), KernelError> {
    let text_sections = object.functions.keys().map(|(section, _)| *section).collect();
    let definitions = object.maps.clone();
    let relocations = definitions
        .iter()
        .filter_map(|(name, definition)| Some((name.as_str(), maps.get(name)?.fd().as_fd().as_raw_fd(), definition)));
    object.relocate_maps(relocations, &text_sections).map_err(KernelError::Relocation)?;
    object.relocate_calls(&text_sections).map_err(KernelError::Relocation)
}

/// Name of the program in the BPF object.
fn name(program: Program) -> &'static str {
    match program {
        Program::Entry => "entry",
        Program::Exit => "exit",
        Program::ReturnTrampoline => "uretprobe",
        Program::Mailbox => "mailbox",
        Program::Empty => "empty",
        Program::Handwritten => "handwritten",
        Program::HandwrittenCondition => "handwritten_condition",
    }
}

/// The layout as the programs have it in memory.
fn mapping_bytes(layout: &MappingLayout) -> Vec<u8> {
    let MappingLayout {
        operations,
        file,
        userfaultfd,
        inode,
        mode,
        super_block,
        magic,
        file_system,
        file_system_flags,
    } = *layout;
    [operations, file, userfaultfd, inode, mode, super_block, magic, file_system, file_system_flags]
        .iter()
        .flat_map(|offset| offset.to_le_bytes())
        .collect()
}

/// Puts `r0 = -1` in the place of calls that only programs that may sleep can make. No program reaches them without
/// FAULT_IN; but the kernel refuses a function that has one, reached or not, in a program that may not sleep (Linux
/// 6.15).
fn drop_sleeping_calls(object: &mut Object) {
    const CALL: u8 = 0x85;
    const MOVE_IMMEDIATE: u8 = 0xb7;
    for function in object.functions.values_mut() {
        for instruction in &mut function.instructions {
            let is_helper = instruction.code == CALL && instruction.src_reg() == 0;
            if is_helper && instruction.imm == bpf_func_id::BPF_FUNC_copy_from_user_task as i32 {
                (instruction.code, instruction.imm) = (MOVE_IMMEDIATE, -1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fault_in;
    use tracer_ebpf::abi::stack::STACK_BYTES_MAX;

    #[test]
    fn every_program_passes_the_verifier_for_both_ways_to_attach() {
        let programs = [
            Program::Entry,
            Program::Exit,
            Program::ReturnTrampoline,
            Program::Mailbox,
            Program::Empty,
            Program::Handwritten,
            Program::HandwrittenCondition,
        ];
        let conditions = Filters { filters: vec![Filter::default()], ..Filters::default() };
        let mapping = fault_in::layout().unwrap();
        for (mode, find_vma, stack_bytes, filters, fault_in) in [
            (AttachMode::Multi, true, 0, &Filters::default(), None),
            (AttachMode::Multi, true, STACK_BYTES_MAX, &conditions, None),
            (AttachMode::Multi, true, STACK_BYTES_MAX, &conditions, Some(mapping)),
            (AttachMode::PerfEvent, false, 1, &conditions, None),
        ] {
            let (plans, ring_bytes) = (&[CapturePlan::bare(Plan::EMPTY)][..], 1 << 20);
            let request = LoadRequest {
                mode,
                plans,
                filters,
                ring_bytes,
                record_bytes_max: 6144,
                diagnostics: true,
                find_vma,
                stack_bytes,
                fault_in,
                sees_others: mode == AttachMode::PerfEvent,
            };
            match Loaded::new(&request).and_then(|(loaded, _records)| loaded.load(&programs)) {
                Ok(()) => {}
                Err(KernelError::Program { program, source, log }) => panic!("{program}: {source}\n{log}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
