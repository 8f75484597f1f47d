//! Loads the BPF object: aya creates the maps, this file loads the programs, for `uprobe_multi` links or for perf
//! events. Nothing is attached here.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::maps::{Array, HashMap as BpfHashMap, Map, MapData, RingBuf};
use aya::{Ebpf, EbpfLoader, Pod};
use aya_obj::Object;
use tracer_ebpf::abi::mailbox::Mailbox;
use tracer_ebpf::abi::plan::Plan;

use super::control::ControlBlocks;
use super::error::KernelError;
use super::sys::{self, ProgramSource};
use crate::plan::probe_plan::Program;

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

/// Mailbox statistics by mailbox id.
pub type Mailboxes = BpfHashMap<MapData, u64, Wire<Mailbox>>;

/// Loaded programs and their maps.
pub struct Loaded {
    pub mode: AttachMode,
    pub control: ControlBlocks,
    pub mailboxes: Mailboxes,
    programs: HashMap<Program, OwnedFd>,
    /// Keeps the maps that only programs use.
    _object: Ebpf,
}

/// What to load.
pub struct LoadRequest<'a> {
    pub mode: AttachMode,
    pub plans: &'a [Plan],
    /// Only the programs that the plan uses are loaded.
    pub programs: &'a [Program],
    pub ring_bytes: u32,
}

impl Loaded {
    /// Creates the maps, fills in the plans, loads the programs. The ring buffer comes apart: it has one reader.
    pub fn new(request: &LoadRequest<'_>) -> Result<(Self, RingBuf<MapData>), KernelError> {
        let mut maps = EbpfLoader::new()
            .allow_unsupported_maps()
            .map_max_entries("PLANS", request.plans.len().max(1) as u32)
            .map_max_entries("RECORDS", request.ring_bytes)
            .load(OBJECT)
            .map_err(KernelError::Maps)?;
        let programs = load_programs(&maps, request)?;
        let mut plans: Array<_, Wire<Plan>> = take(&mut maps, "PLANS")?;
        for (index, plan) in request.plans.iter().enumerate() {
            plans.set(index as u32, Wire(*plan), 0).map_err(|source| KernelError::Map { map: "PLANS", source })?;
        }
        let control = maps.map("CONTROL").and_then(map_data).ok_or(KernelError::MapMissing("CONTROL"))?;
        let control = ControlBlocks::map(control.fd().as_fd()).map_err(KernelError::ControlMapping)?;
        let records = take(&mut maps, "RECORDS")?;
        let loaded =
            Self { mode: request.mode, control, mailboxes: take(&mut maps, "MAILBOXES")?, programs, _object: maps };
        Ok((loaded, records))
    }

    /// The loaded program, if the request named it.
    pub(super) fn program(&self, program: Program) -> Option<&OwnedFd> {
        self.programs.get(&program)
    }
}

fn take<T>(maps: &mut Ebpf, name: &'static str) -> Result<T, KernelError>
where
    T: TryFrom<Map, Error = aya::maps::MapError>,
{
    let map = maps.take_map(name).ok_or(KernelError::MapMissing(name))?;
    T::try_from(map).map_err(|source| KernelError::Map { map: name, source })
}

/// The descriptor and definition behind a map of one of the kinds that the object has.
fn map_data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::HashMap(data) | Map::RingBuf(data) | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}

/// Name of the program in the BPF object.
fn name(program: Program) -> &'static str {
    match program {
        Program::Entry => "entry",
        Program::Exit => "exit",
        Program::ReturnTrampoline => "uretprobe",
        Program::Mailbox => "mailbox",
    }
}

fn load_programs(maps: &Ebpf, request: &LoadRequest<'_>) -> Result<HashMap<Program, OwnedFd>, KernelError> {
    let mut object = Object::parse(OBJECT).map_err(KernelError::Object)?;
    let features = aya::features();
    let btf_features = features.btf().ok_or(KernelError::BtfLoad(std::io::ErrorKind::Unsupported.into()))?;
    let btf = object
        .fixup_and_sanitize_btf(btf_features)
        .map_err(KernelError::Btf)?
        .map(|btf| sys::btf_load(&btf.to_bytes()))
        .ok_or(KernelError::BtfLoad(std::io::ErrorKind::NotFound.into()))?
        .map_err(KernelError::BtfLoad)?;
    let text_sections = object.functions.keys().map(|(section, _)| *section).collect();
    let definitions = object.maps.clone();
    let relocations = definitions.iter().filter_map(|(name, definition)| {
        let data = maps.map(name).and_then(map_data)?;
        Some((name.as_str(), data.fd().as_fd().as_raw_fd(), definition))
    });
    object.relocate_maps(relocations, &text_sections).map_err(KernelError::Relocation)?;
    object.relocate_calls(&text_sections).map_err(KernelError::Relocation)?;
    request.programs.iter().map(|program| Ok((*program, load(&object, *program, &btf, request.mode)?))).collect()
}

fn load(object: &Object, program: Program, btf: &OwnedFd, mode: AttachMode) -> Result<OwnedFd, KernelError> {
    let name = name(program);
    let missing =
        || KernelError::Program { program: name, source: std::io::ErrorKind::NotFound.into(), log: String::new() };
    let definition = object.programs.get(name).ok_or_else(missing)?;
    let function = object.functions.get(&definition.function_key()).ok_or_else(missing)?;
    let records = function.func_info.func_info_bytes();
    let source = ProgramSource {
        name,
        instructions: &function.instructions,
        license: &definition.license,
        btf: Some(btf.as_fd()),
        functions: (&records, function.func_info_rec_size),
        multi: mode == AttachMode::Multi,
    };
    sys::program_load(&source, &mut []).map_err(|error| {
        let mut log = vec![0; VERIFIER_LOG_BYTES];
        // Again, for the words: the log is too large to ask for each time.
        let _ = sys::program_load(&source, &mut log);
        let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
        KernelError::Program { program: name, source: error, log: String::from_utf8_lossy(text).into_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_passes_the_verifier_for_both_ways_to_attach() {
        let programs = [Program::Entry, Program::Exit, Program::ReturnTrampoline, Program::Mailbox];
        for mode in [AttachMode::Multi, AttachMode::PerfEvent] {
            let request = LoadRequest { mode, plans: &[Plan::EMPTY], programs: &programs, ring_bytes: 1 << 20 };
            match Loaded::new(&request) {
                Ok((loaded, _)) => assert!(programs.iter().all(|program| loaded.program(*program).is_some())),
                Err(KernelError::Program { program, source, log }) => panic!("{program}: {source}\n{log}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
