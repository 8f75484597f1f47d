//! Real objects compared with what binutils print, and damaged ones.

use std::collections::BTreeSet;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::target::demangle::{Demangled, Fragment};
use crate::target::symbol::{Excluded, SymbolSource, SymbolTable, address_of};
use crate::target::usdt;

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("the test's own path")
}

/// Address, size and name of each function that readelf prints for the section.
fn readelf_functions(path: &Path, dynamic: &str, kind: &str) -> BTreeSet<(u64, u64, String)> {
    let text = printed("readelf", &[dynamic, "--wide", path.to_str().expect("a plain path")]);
    let function = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, value, size, found, _, _, section, name, ..] = fields[..] else { return None };
        let size =
            size.strip_prefix("0x").map_or_else(|| size.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())?;
        (found == kind && section != "UND")
            .then(|| Some((u64::from_str_radix(value, 16).ok()?, size, name.to_owned())))?
    };
    text.lines().filter_map(function).collect()
}

#[test]
fn functions_are_those_that_readelf_prints() {
    let path = this_program();
    let files = Files::new();
    let object = Object::open(&path, &files).expect("an ELF file");
    let table = SymbolTable::read(&object, None);
    assert_eq!(table.source(), SymbolSource::Full);
    let mut expected = readelf_functions(&path, "-s", "FUNC");
    expected.retain(|(address, _, _)| object.is_code(LinkAddress(*address)));
    let sized = |(_, size, _): &&(u64, u64, String)| *size > 0;
    let found: BTreeSet<_> =
        table.functions().iter().map(|found| (found.address.0, found.size_bytes, found.name.to_owned())).collect();
    let missing: Vec<_> = expected.iter().filter(sized).filter(|entry| !found.contains(*entry)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(expected.len() > 1000 && expected.len() >= found.len());
    assert!(table.functions().is_sorted_by_key(|symbol| symbol.address));
    assert!(table.functions().iter().all(|symbol| symbol.size_bytes > 0));
}

#[test]
fn names_are_those_that_people_write() {
    let files = Files::new();
    let object = Object::open(&this_program(), &files).expect("an ELF file");
    let table = SymbolTable::read(&object, None);
    let wanted = "tracer::target::object::tests::names_are_those_that_people_write";
    let names = table.demangled();
    let found = names.iter().zip(table.functions()).find(|(name, _)| name.path == wanted);
    let (name, symbol) = found.expect("this very function");
    assert_eq!(name.fragment, Fragment::Whole);
    assert_eq!(table.containing(LinkAddress(symbol.address.0 + symbol.size_bytes / 2)), Some(symbol));
    assert_eq!(table.at(symbol.address).first(), Some(symbol));
    assert_eq!(address_of(&object, None, symbol.name), Some(symbol.address));
    assert_eq!(address_of(&object, None, "no such symbol"), None);
}

/// No word may hide a function: what the raw names give must be what all demangled names give.
#[test]
fn a_words_functions_are_those_whose_path_contains_it() {
    let files = Files::new();
    let object = Object::open(&this_program(), &files).expect("an ELF file");
    let table = SymbolTable::read(&object, None);
    let all = table.demangled();
    let mut words: BTreeSet<&str> = BTreeSet::new();
    for name in all.iter().step_by(97) {
        words.extend(name.path.split(|found: char| !found.is_alphanumeric() && found != '_'));
    }
    assert!(words.len() > 100);
    let mut checked = 0;
    for word in words.into_iter().filter(|word| word.len() >= 6).step_by(9).take(30) {
        let has_word = |name: &&Demangled| name.path.contains(word);
        let found = table.mentioning(word);
        let found = found.iter().map(|(_, name)| name).filter(has_word).count();
        assert_eq!(found, all.iter().filter(has_word).count(), "{word}");
        checked += found;
    }
    assert!(checked > 30);
}

#[test]
fn a_library_without_symbol_table_shows_its_exports_and_not_its_indirect_functions() {
    let path = Path::new("/lib/x86_64-linux-gnu/libc.so.6");
    if !path.exists() {
        eprintln!("skipped: there is no glibc at its Debian place");
        return;
    }
    let files = Files::new();
    let object = Object::open(path, &files).expect("an ELF file");
    let table = SymbolTable::read(&object, None);
    assert_eq!(table.source(), SymbolSource::Dynamic);
    let found: BTreeSet<u64> = table.functions().iter().map(|symbol| symbol.address.0).collect();
    let expected = readelf_functions(path, "--dyn-syms", "FUNC").into_iter().map(|(address, _, _)| address);
    assert_eq!(found, expected.collect());
    let indirect: BTreeSet<u64> = table.excluded().iter().map(|(_, address, _)| address.0).collect();
    let expected = readelf_functions(path, "--dyn-syms", "IFUNC").into_iter().map(|(address, _, _)| address);
    assert_eq!(indirect, expected.collect());
    assert!(table.excluded().iter().all(|(_, _, reason)| *reason == Excluded::Indirect));
    assert!(table.functions().iter().any(|symbol| symbol.demangle().path == "malloc"));
}

#[test]
fn offsets_and_addresses_convert_as_the_program_headers_say() {
    let path = this_program();
    let files = Files::new();
    let object = Object::open(&path, &files).expect("an ELF file");
    let text = object.section_range(".text").expect("code");
    let sections = printed("readelf", &["-S", "--wide", path.to_str().expect("a plain path")]);
    let line = sections.lines().find(|line| line.contains(" .text ")).expect("a .text line");
    let fields: Vec<&str> = line.split(".text").nth(1).expect("fields").split_ascii_whitespace().collect();
    let offset = FileOffset(u64::from_str_radix(fields[2], 16).expect("an offset"));
    assert_eq!(text.start, LinkAddress(u64::from_str_radix(fields[1], 16).expect("an address")));
    assert_eq!(object.file_offset(text.start), Some(offset));
    assert_eq!(object.link_address(offset), Some(text.start));
    assert_eq!(object.bytes_at(text.start, 16), object.data().get(offset.0 as usize..offset.0 as usize + 16));
    assert_eq!(object.bytes_at(text.start, u64::MAX), None);
    assert_eq!(object.file_offset(LinkAddress(u64::MAX)), None);
    assert!(object.code_end(text.start) >= Some(text.end));
    let data = object.section_range(".data").expect("data").start;
    assert_eq!((object.file_offset(data), object.writable_file_offset(text.start)), (None, None));
    assert!(object.writable_file_offset(data).is_some() && object.data_file_offset(data).is_some());
    assert!(object.is_pie() && object.has_debug_info() && object.has_symbol_table() && object.has_dynamic_symbols());
}

fn refused(bytes: &[u8]) -> TargetError {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("damaged");
    std::fs::write(&path, bytes).expect("a writable directory");
    match Object::open(&path, &Files::new()) {
        Err(error) => error,
        Ok(_) => panic!("a damaged file was accepted"),
    }
}

fn small_program() -> Vec<u8> {
    std::fs::read("/bin/true").expect("a small program")
}

#[test]
fn what_is_no_program_for_this_machine_is_refused_with_the_reason() {
    assert!(matches!(refused(b""), TargetError::EmptyFile { .. }));
    assert!(matches!(refused(b"#!/bin/sh\n"), TargetError::NotElf { .. }));
    assert!(matches!(refused(b"\x7fELF"), TargetError::DamagedElf { .. }));
    let changed = |at: usize, to: u8| {
        let mut bytes = small_program();
        bytes[at] = to;
        refused(&bytes).to_string()
    };
    assert!(changed(4, 1).contains("32-bit"));
    assert!(changed(5, 2).contains("big-endian"));
    assert!(changed(18, 183).contains("64-bit ARM"));
    let files = Files::new();
    assert!(matches!(Object::open(Path::new("/nowhere"), &files), Err(TargetError::Open { .. })));
    assert!(matches!(Object::open(Path::new("/"), &files), Err(TargetError::NotElf { .. })));
}

/// Uses every part of an object that was accepted, damaged as it may be.
fn exercise(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("mutated");
    std::fs::write(&path, bytes).expect("a writable directory");
    let files = Files::new();
    let Ok(object) = Object::open(&path, &files) else { return };
    let table = SymbolTable::read(&object, Some(&object));
    let _ = (table.demangled(), object.build_id(), usdt::probes(&object, Some(&object)));
    for symbol in table.functions() {
        let _ = (object.bytes_in(symbol.range()), object.code_end(symbol.address), table.containing(symbol.address));
    }
    for section in [".debug_info", ".text", ".stapsdt.base", ".note.stapsdt"] {
        let _ = (object.section_data(section), object.section_range(section), object.has_section(section));
    }
    let _ = crate::target::debug_file::find(&object, directory.path(), &files);
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let bytes = small_program();
    for end in [1, 5, 17, 63, 64, 65, 200, 1000, 4096, bytes.len() / 2, bytes.len() - 1] {
        let error = refused(&bytes[..end]).to_string();
        assert!(
            error.contains("damaged") || error.contains("cut off") || error.contains("not an ELF"),
            "{end}: {error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_damage_makes_it_panic(
        changes in proptest::collection::vec((0..0x1_0000_usize, any::<u8>()), 1..40),
        in_header in proptest::collection::vec((0..64_usize, any::<u8>()), 0..3),
        in_sections in proptest::collection::vec((0..2000_usize, any::<u8>()), 0..8),
    ) {
        let mut bytes = small_program();
        let length = bytes.len();
        let in_sections = in_sections.into_iter().map(|(back, to)| (length.saturating_sub(back + 1), to));
        for (at, to) in changes.into_iter().chain(in_header.into_iter().filter(|(at, _)| *at > 20)).chain(in_sections) {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
        }
        exercise(&bytes);
    }
}
