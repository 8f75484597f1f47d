//! Probes of real programs, compared with what `readelf -n` prints, and damaged notes.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::target::files::Files;

/// Provider, name, location, base and semaphore as the note has them, arguments: what readelf prints.
type Printed = (String, String, u64, u64, u64, String);

fn readelf(path: &Path) -> Vec<Printed> {
    let output = Command::new("readelf").arg("-n").arg(path).output().expect("readelf runs");
    let text = String::from_utf8(output.stdout).expect("readelf prints text");
    let mut printed = Vec::new();
    let (mut provider, mut name) = (String::new(), String::new());
    let mut addresses = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(value) = line.strip_prefix("Provider: ") {
            provider = value.to_owned();
        } else if let Some(value) = line.strip_prefix("Name: ") {
            name = value.to_owned();
        } else if line.starts_with("Location: ") {
            let number = |word: &str| u64::from_str_radix(word.trim_end_matches(',').strip_prefix("0x")?, 16).ok();
            addresses = line.split(' ').filter_map(number).collect();
        } else if let Some(arguments) = line.strip_prefix("Arguments:") {
            let [location, base, semaphore] = addresses[..] else { panic!("no addresses before {line}") };
            let arguments = arguments.trim().to_owned();
            printed.push((provider.clone(), name.clone(), location, base, semaphore, arguments));
        }
    }
    printed
}

fn agrees_with_readelf(path: &Path) -> Vec<UsdtProbe> {
    let files = Files::new();
    let object = Object::open(path, &files).expect("an ELF file");
    let found = probes(&object, None).expect("sound notes");
    let base_now = object.section_range(".stapsdt.base").map(|range| range.start.0);
    let expected = readelf(path);
    assert_eq!(found.len(), expected.len(), "{}", path.display());
    for (probe, (provider, name, location, base, semaphore, arguments)) in found.iter().zip(expected) {
        let moved = base_now.expect("a base section").wrapping_sub(base);
        assert_eq!((&probe.provider, &probe.name), (&provider, &name));
        assert_eq!(probe.address, LinkAddress(location.wrapping_add(moved)));
        assert_eq!(probe.semaphore.map_or(0, |found| found.address.0.wrapping_sub(moved)), semaphore);
        let texts: Vec<&str> = probe.arguments.iter().map(|argument| argument.text.as_str()).collect();
        assert_eq!(texts.join(" "), arguments);
        assert!(object.is_code(probe.address), "{provider}:{name} is not code");
        assert!(probe.semaphore.is_none_or(|semaphore| semaphore.offset.is_some()), "{provider}:{name}");
    }
    found
}

/// The first that exists: each distribution and version has its own place.
fn installed(paths: &[&'static str]) -> Option<&'static Path> {
    paths.iter().copied().map(Path::new).find(|path| path.exists())
}

#[test]
fn postgres_has_the_probes_that_readelf_prints() {
    let Some(path) = installed(&["/usr/local/bin/postgres", "/usr/lib/postgresql/15/bin/postgres"]) else {
        eprintln!("skipped: PostgreSQL is not installed");
        return;
    };
    let probes = agrees_with_readelf(path);
    let start = probes.iter().find(|probe| probe.name == "query__start").expect("postgresql:query__start");
    assert_eq!(start.provider, "postgresql");
    for probe in &probes {
        let unsupported: Vec<_> = probe.arguments.iter().filter(|argument| !argument.is_supported()).collect();
        assert!(unsupported.is_empty(), "{}: {unsupported:?}", probe.name);
    }
}

#[test]
fn libraries_have_the_probes_that_readelf_prints() {
    let places = ["/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/lib64/libstdc++.so.6", "/usr/lib/libstdc++.so.6"];
    let Some(path) = installed(&places) else {
        eprintln!("skipped: libstdc++ is not installed");
        return;
    };
    assert!(!agrees_with_readelf(path).is_empty());
}

const FIXTURE: &str = r#"
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#define COUNTER __attribute__((section(".probes")))
unsigned short fixture_bare_semaphore COUNTER, fixture_counted_semaphore COUNTER;
unsigned short fixture_floats_semaphore COUNTER, fixture_hidden_semaphore COUNTER;
struct { int a; long b[4]; } state = { 1, { 2, 3, 4, 5 } };
static short hidden = 6;
__attribute__((noinline)) void work(const char *text, long *table, unsigned char index, double ratio, float small) {
    DTRACE_PROBE(fixture, bare);
    DTRACE_PROBE5(fixture, counted, text, table[index], index, state.b[2], (short)-7);
    DTRACE_PROBE3(fixture, floats, ratio, small, &state);
    hidden++;
    DTRACE_PROBE1(fixture, hidden, hidden);
}
int main(int count, char **arguments) {
    long table[3] = { count, 2, 3 };
    work(arguments[0], table, (unsigned char)count, count * 0.5, (float)count);
    return 0;
}
"#;

fn compiled(directory: &Path, level: &str) -> Option<std::path::PathBuf> {
    let (source, program) = (directory.join("fixture.c"), directory.join(format!("fixture{level}")));
    let header = b"#include <sys/sdt.h>\nint main(void) { return 0; }\n";
    std::fs::write(&source, header).expect("a writable directory");
    let build = || {
        let command = Command::new("cc").args([level, "-w", "-o"]).arg(&program).arg(&source).output();
        command.map(|output| output.status.success()).unwrap_or(false)
    };
    if !build() {
        eprintln!("skipped: there is no C compiler with sys/sdt.h");
        return None;
    }
    std::fs::write(&source, FIXTURE).expect("a writable directory");
    assert!(build(), "the fixture compiles");
    Some(program)
}

#[test]
fn a_compiled_fixture_has_the_probes_that_readelf_prints() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for level in ["-O0", "-O2"] {
        let Some(program) = compiled(directory.path(), level) else { return };
        let probes = agrees_with_readelf(&program);
        assert_eq!(probes.len(), 4);
        let by_name = |name: &str| probes.iter().find(|probe| probe.name == name).expect("a probe");
        assert_eq!(by_name("bare").arguments, []);
        let sizes: Vec<_> = by_name("counted").arguments.iter().map(|found| (found.size_bytes, found.signed)).collect();
        assert_eq!(sizes, [(8, false), (8, true), (1, false), (8, true), (2, true)], "{level}");
        let floats: Vec<_> = by_name("floats").arguments.iter().map(|found| (found.size_bytes, found.float)).collect();
        assert_eq!((floats[0].0, floats[1].0, floats[2].0), (8, 4, 8), "{level}");
        for argument in probes.iter().flat_map(|probe| &probe.arguments) {
            assert!(argument.is_supported(), "{level}: {argument}");
        }
    }
}

fn note(address: u64, base: u64, semaphore: u64, texts: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [address, base, semaphore] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(texts);
    bytes
}

#[test]
fn a_moved_object_moves_its_probes_and_semaphores() {
    let bytes = note(0x1000, 0x5000, 0x8000, b"p\0n\0-4@%eax\0");
    let adjusted = RawProbe::parse(&bytes).expect("a sound note").adjusted(Some(LinkAddress(0x4ff0)));
    assert_eq!((adjusted.address, adjusted.semaphore), (0xff0, 0x7ff0));
    let bytes = note(0x1000, 0x5000, 0, b"p\0n\0\0");
    let adjusted = RawProbe::parse(&bytes).expect("a sound note").adjusted(Some(LinkAddress(0x6000)));
    assert_eq!((adjusted.address, adjusted.semaphore, adjusted.arguments), (0x2000, 0, ""));
}

#[test]
fn a_note_that_is_cut_off_is_refused() {
    let whole = note(1, 2, 3, b"provider\0name\0-4@%eax\0");
    assert!(RawProbe::parse(&whole).is_some());
    for end in 0..whole.len() {
        assert_eq!(RawProbe::parse(&whole[..end]), None, "{end} bytes");
    }
    assert_eq!(RawProbe::parse(&note(1, 2, 3, b"\xff\0name\0\0")), None);
}

proptest! {
    #[test]
    fn no_note_makes_it_panic(bytes: Vec<u8>, texts in "[a-z%@$0-9\0 ]{0,40}") {
        let _ = RawProbe::parse(&bytes);
        let _ = RawProbe::parse(&note(1, 2, 3, texts.as_bytes()));
    }
}
