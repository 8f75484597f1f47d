//! The parser against the ABI's own structs, a corpus of saved bytes, and arbitrary bytes.

use proptest::prelude::*;
use tracer_ebpf::abi::cookie::{Scope, SiteCost};

use super::*;
use crate::events::bytes::{self, RecordBytes};

/// Records kept as files: one of each kind as the programs send them, and broken ones. `name` starts with what the
/// parser must say.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records");

#[test]
fn every_field_of_an_entry_is_found() {
    let bytes = RecordBytes::new(Kind::Entry)
        .cookie(Cookie::new(3, Scope::Target, SiteCost::Emulated, 5))
        .call(7, 2)
        .context(6)
        .time_ns(1_000)
        .thread(41, 42)
        .registers(&[10, 11])
        .chunk(0x1000, 3, b"abc", ChunkStatus::Whole)
        .chunk(0x2000, 100, b"12345678", ChunkStatus::Cut)
        .chunk(0x3000, 8, b"", ChunkStatus::Fault)
        .bytes();
    let record = Record::parse(&bytes).unwrap();
    let chunk =
        |address, asked_bytes, bytes: &[u8], missing| Chunk { address, asked_bytes, bytes: bytes.to_vec(), missing };
    assert_eq!(
        record,
        Record {
            held: 0,
            what: What::Entry { parent: Some(6) },
            has_stack: false,
            depth: 2,
            cookie: Cookie::new(3, Scope::Target, SiteCost::Emulated, 5),
            time_ns: 1_000,
            pid: 41,
            tid: 42,
            call_id: 7,
            registers: vec![10, 11],
            chunks: vec![
                chunk(0x1000, 3, b"abc", None),
                chunk(0x2000, 100, b"12345678", Some(Missing::NotCaptured)),
                chunk(0x3000, 8, b"", Some(Missing::NotResident)),
            ],
        }
    );
}

#[test]
fn the_header_is_read_where_the_abi_puts_it() {
    let header = Header {
        kind: Kind::Exit as u8,
        outcome: Outcome::Unwound as u8,
        register_count: 0,
        flags: 0,
        depth: 1,
        cookie: 2,
        time_ns: 3,
        pid_tgid: 4 << 32 | 5,
        call_id: 6,
        context: 7,
    };
    // SAFETY: Header is repr(C) without padding (its size is asserted to be the sum of its fields) and any bytes of
    // it are initialised.
    let bytes = unsafe { std::slice::from_raw_parts((&raw const header).cast::<u8>(), size_of::<Header>()) };
    let record = Record::parse(bytes).unwrap();
    assert_eq!(record.what, What::Exit { outcome: Outcome::Unwound, entry_time_ns: 7 });
    assert_eq!((record.depth, record.cookie, record.time_ns), (1, Cookie(2), 3));
    assert_eq!((record.pid, record.tid, record.call_id), (4, 5, 6));
}

#[test]
fn names_and_limits_are_read() {
    let name = Record::parse(&bytes::thread_name(1, 2, 0, b"tokio-rt-worker\0")).unwrap();
    assert_eq!(name.what, What::ThreadName("tokio-rt-worker".to_owned()));
    let limit = Record::parse(&RecordBytes::new(Kind::Limit).outcome(Tripped::Rate as u8).bytes()).unwrap();
    assert_eq!(limit.what, What::Limit(Tripped::Rate));
}

#[test]
fn lies_are_named() {
    let event = || RecordBytes::new(Kind::Event);
    let lies: [(Vec<u8>, Malformed); 9] = [
        (Vec::new(), Malformed::Short(0, "header")),
        (event().bytes()[..47].to_vec(), Malformed::Short(47, "header")),
        (event().kind(9).bytes(), Malformed::Kind(9)),
        (RecordBytes::new(Kind::Exit).outcome(0).bytes(), Malformed::Outcome(0)),
        (RecordBytes::new(Kind::Limit).outcome(9).bytes(), Malformed::Limit(9)),
        (event().registers(&[1]).register_count(2).bytes(), Malformed::Short(56, "registers")),
        (event().chunk(0, 8, b"1234", ChunkStatus::Whole).bytes()[..66].to_vec(), Malformed::Short(66, "chunk")),
        (event().raw_chunk(0, 4, 5, 0).bytes(), Malformed::ChunkLength { copied_bytes: 5, asked_bytes: 4 }),
        (event().raw_chunk(0, 0, 0, 77).bytes(), Malformed::ChunkStatus(77)),
    ];
    for (bytes, malformed) in lies {
        assert_eq!(Record::parse(&bytes), Err(malformed));
    }
}

#[test]
fn the_corpus_still_says_what_it_said() {
    let mut seen = 0;
    for entry in std::fs::read_dir(CORPUS).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let said = match Record::parse(&std::fs::read(&path).unwrap()) {
            Ok(record) => match record.what {
                What::Entry { .. } => "entry",
                What::Exit { .. } => "exit",
                What::Event { .. } => "event",
                What::ThreadName(_) => "thread",
                What::Limit(_) => "limit",
                What::Stack { .. } => "stack",
            },
            Err(_) => "malformed",
        };
        assert_eq!(name.split('-').next(), Some(said), "{name}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} records in {CORPUS}");
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_malformed(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::parse(&bytes);
    }

    /// Bytes that get past the kind: the interesting half of the parser.
    #[test]
    fn a_damaged_record_never_panics_and_never_grows(
        kind in 0_u8..7,
        outcome in 0_u8..6,
        register_count in 0_u8..20,
        body in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..400),
    ) {
        let mut bytes = RecordBytes::new(Kind::Event).kind(kind).outcome(outcome).register_count(register_count).bytes();
        bytes.extend(&body);
        if let Ok(record) = Record::parse(&bytes) {
            let copied: usize = record.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
            prop_assert!(copied + record.registers.len() * 8 <= body.len());
        }
    }

    #[test]
    fn what_was_written_is_read_back(
        registers in prop::collection::vec(any::<u64>(), 0..17),
        chunks in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5),
    ) {
        let mut bytes = RecordBytes::new(Kind::Event).registers(&registers);
        for (address, content) in &chunks {
            bytes = bytes.chunk(*address, content.len() as u32, content, ChunkStatus::Whole);
        }
        let record = Record::parse(&bytes.bytes()).unwrap();
        prop_assert_eq!(record.registers, registers);
        let read: Vec<(u64, Vec<u8>)> = record.chunks.into_iter().map(|chunk| (chunk.address, chunk.bytes)).collect();
        prop_assert_eq!(read, chunks);
    }
}
