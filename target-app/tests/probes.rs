//! The mailbox probes as a listener finds them in the built binary, against docs/mailbox-probes.md.

use std::collections::BTreeMap;

use object::{Object, ObjectSection};

/// Where a `.note.stapsdt` note points, and what it says.
struct Note {
    location: u64,
    semaphore: u64,
    name: String,
    arguments: String,
}

#[test]
fn the_binary_carries_the_documented_probes() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_target-app")).unwrap();
    let file = object::File::parse(&*binary).unwrap();
    let probes = mailbox_probes(file.section_by_name(".note.stapsdt").unwrap().data().unwrap());

    let counts: Vec<(&str, usize)> =
        probes.iter().map(|(name, note)| (name.as_str(), note.arguments.split(' ').count())).collect();
    assert_eq!(counts, [("close", 6), ("handled", 6), ("level", 6), ("open", 5), ("receive", 6), ("send", 6)]);

    let semaphores = file.section_by_name(".probes").unwrap();
    let semaphores = semaphores.address()..semaphores.address() + semaphores.size();
    let text = file.section_by_name(".text").unwrap();
    for (name, note) in &probes {
        assert!(note.arguments.split(' ').all(|argument| argument.starts_with("8@%r")), "{name}: {}", note.arguments);
        assert!(semaphores.contains(&note.semaphore), "{name}: semaphore at {:#x}", note.semaphore);
        let site = text.data_range(note.location, 1).unwrap();
        assert_eq!(site, Some(&[0x90][..]), "{name}: no nop at {:#x}", note.location);
    }
}

/// The notes of provider `mailbox` by probe name; each has one site.
fn mailbox_probes(mut notes: &[u8]) -> BTreeMap<String, Note> {
    let mut probes = BTreeMap::new();
    while !notes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(notes[at..at + 4].try_into().unwrap()) as usize;
        let (owner_bytes, description_bytes) = (word(0), word(4));
        let begin = 12 + owner_bytes.next_multiple_of(4);
        let (provider, note) = parse(&notes[begin..begin + description_bytes]);
        if provider == "mailbox" {
            assert!(probes.insert(note.name.clone(), note).is_none(), "a probe with two sites");
        }
        notes = &notes[begin + description_bytes.next_multiple_of(4)..];
    }
    probes
}

fn parse(description: &[u8]) -> (String, Note) {
    let address = |index: usize| u64::from_le_bytes(description[index * 8..][..8].try_into().unwrap());
    let mut texts = description[24..].split(|byte| *byte == 0).map(|text| String::from_utf8(text.to_vec()).unwrap());
    let provider = texts.next().unwrap();
    let (name, arguments) = (texts.next().unwrap(), texts.next().unwrap());
    (provider, Note { location: address(0), semaphore: address(2), name, arguments })
}
