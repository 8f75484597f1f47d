//! DWARF of arbitrary bytes, in the object and in split files, through everything that reads it.
//!
//! Input: sections, each as the index of its name in [`SECTIONS`] (1 byte), its length (4 bytes, little endian) and
//! its bytes; a length beyond the end means up to the end.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use tracer::plan::unwind_rows::{UnwindRows, UnwindScratch};
use tracer::target::address::{LinkAddress, LoadBias};
use tracer::target::debug_info::{
    DebugInfo, LoadedTypes, SectionBytes, SourceLine, SplitFiles, SplitSections, Standpoint, TypeReader, Variables,
    Wanted,
};
use tracer::value::layout::TypeId;

use super::choices::Choices;

/// Names of sections; the index is what the input says.
pub const SECTIONS: [&str; 30] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line",
    ".debug_line_str",
    ".debug_rnglists",
    ".debug_ranges",
    ".debug_loclists",
    ".debug_loc",
    ".debug_aranges",
    ".debug_addr",
    ".debug_str_offsets",
    ".debug_types",
    ".eh_frame",
    ".debug_info.dwo",
    ".debug_abbrev.dwo",
    ".debug_str.dwo",
    ".debug_line.dwo",
    ".debug_rnglists.dwo",
    ".debug_loclists.dwo",
    ".debug_loc.dwo",
    ".debug_str_offsets.dwo",
    ".debug_types.dwo",
    ".debug_cu_index",
    ".debug_tu_index",
    ".debug_macro",
    ".debug_macro.dwo",
    ".debug_names",
    ".gnu_debugaltlink",
    ".debug_frame",
];

/// Functions and addresses of one input that are looked at closely.
const LOOKED_AT_MAX: usize = 64;

type Sections = HashMap<&'static str, Vec<u8>>;

fn sections(input: &[u8]) -> Sections {
    let mut choices = Choices(input);
    let mut found = Sections::new();
    while !choices.is_empty() {
        let name = SECTIONS[usize::from(choices.byte()) % SECTIONS.len()];
        let length = choices.bytes(4).iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        found.insert(name, choices.bytes(length).to_vec());
    }
    found
}

/// Split files whose sections are those of the input.
struct Files(Sections);

impl SplitFiles for Files {
    fn packages(&self) -> Vec<PathBuf> {
        let has_index = self.0.contains_key(".debug_cu_index");
        has_index.then(|| "package.dwp".into()).into_iter().collect()
    }

    fn candidates(&self, _directory: &Path, _name: &Path) -> Vec<PathBuf> {
        vec!["file.dwo".into()]
    }

    fn open(&self, _path: &Path) -> Option<SplitSections> {
        let sections = self.0.clone();
        Some(Box::new(move |name| sections.get(name).cloned().map_or(SectionBytes::Empty, SectionBytes::Owned)))
    }
}

pub fn run(input: &[u8]) {
    let sections = sections(input);
    let section = |name: &str| Cow::Borrowed(sections.get(name).map(Vec::as_slice).unwrap_or_default());
    let Ok(info) = DebugInfo::load(section) else { return };
    let info = info.with_split_files(Files(sections.clone()));
    let _ = info.summary();
    let functions = info.functions(|_| true);
    let near = || functions.iter().take(LOOKED_AT_MAX);
    let mut loaded = LoadedTypes::default();
    let _ = info.signatures(near(), &mut loaded);
    let _ = info.interfaces(&near().cloned().collect::<Vec<_>>());
    let copies = info.inlined(Some("a"), |_| true);
    for function in near().take(4) {
        let _ = info.inlined_copies(function);
    }
    for variable in info.variables(|_| true).iter().take(LOOKED_AT_MAX) {
        let _ = info.variable_type(variable, &mut loaded);
    }
    let _ = info.source_files();
    let rows = info.source_rows(|_| true);
    let of_copies = copies.iter().flat_map(|(_, copies)| copies).flat_map(|copy| &copy.ranges).map(|range| range.start);
    let of_rows = rows.iter().map(|row| row.range.start);
    let mut addresses: Vec<LinkAddress> = near().filter_map(|function| function.entry).collect();
    addresses.extend(of_copies.take(LOOKED_AT_MAX).chain(of_rows.take(LOOKED_AT_MAX)));
    let _ = info.functions_at(&addresses);
    locals(&info, &addresses, &mut loaded);
    let traits = BTreeSet::from(["a::Trait".to_owned()]);
    let _ = info.dynamic_types(&traits, &mut loaded);
    readers(&info, &loaded, near().map(|function| function.id).next());
    rows_of_frames(&section(".eh_frame"), &addresses);
    assert!(info.problems().iter().all(|problem| !problem.to_string().is_empty()));
    if let Some(lack) = info.split_lack() {
        assert!(!lack.to_string().is_empty());
    }
}

fn locals(info: &DebugInfo<'_>, addresses: &[LinkAddress], loaded: &mut LoadedTypes) {
    for (address, activations) in addresses.iter().zip(info.activations_at(addresses)) {
        let Some(activations) = activations else { continue };
        let wanted = |activation: &tracer::target::debug_info::Activation| Wanted {
            function: activations.function.id,
            activation: activation.id,
            standpoint: Standpoint {
                address: *address,
                view: None,
                cfa: None,
                is_settled: true,
                is_entry: false,
                bias: LoadBias(0x1000),
            },
            what: Variables::InScope(SourceLine { file: String::new(), line: 1000 }),
        };
        let wanted: Vec<Wanted> = activations.nested.iter().take(8).map(wanted).collect();
        let _ = info.locals(&wanted, loaded);
    }
}

fn readers(info: &DebugInfo<'_>, loaded: &LoadedTypes, function: Option<tracer::target::debug_info::DieId>) {
    let mut reader = TypeReader::new(info);
    let _ = reader.type_of_vtable(0x1000);
    let _ = reader.thread_locals(|_| true);
    if let Some(function) = function {
        let _ = reader.variable_type(function, "self");
        let _ = reader.template_argument(function, "T");
    }
    let entries = (0..loaded.types.len().min(LOOKED_AT_MAX)).map(|id| loaded.entry_of(TypeId(id as u32)));
    for entry in entries.flatten() {
        let mut own = LoadedTypes::with_pointer_depth(0);
        if let Some(ty) = reader.load_into(entry, &mut own) {
            let _ = (own.types.get(ty), own.entry_of(ty));
        }
    }
    for id in 0..reader.types().len().min(LOOKED_AT_MAX) {
        let _ = reader.follow(TypeId(id as u32));
        let _ = reader.element(TypeId(id as u32));
    }
}

fn rows_of_frames(eh_frame: &[u8], addresses: &[LinkAddress]) {
    let rows = UnwindRows::new(eh_frame, LinkAddress(0x1000));
    let mut scratch = UnwindScratch::default();
    let _ = rows.frame_count();
    for address in addresses.iter().copied().chain((0..16).map(|at| LinkAddress(0x1000 + at * 8))) {
        let _ = (rows.depth(address, &mut scratch), rows.frame(address, &mut scratch));
    }
}
