//! The saved records, replayed: what the text and JSON tests of a trace share.

use std::convert::Infallible;

use crate::events::clock::Clock;
use crate::events::event::Event;
use crate::events::samples;
use crate::events::stream::Stream;
use crate::value::Limits;

/// Monotonic 0 is 2026-01-01T10:15:02Z.
pub(crate) const CLOCK: Clock = Clock { realtime_offset_ns: 1_767_262_502_000_000_000 };

/// All of `tests/records`, pushed in the order of their names, as the events that they tell.
pub(crate) fn corpus() -> (Stream, Vec<Event>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut stream = Stream::new(samples::descriptions(), Limits::default());
    // The thread's record is committed right before its first call's.
    paths.sort_by_key(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("thread")));
    for path in paths {
        stream.push(&std::fs::read(path).unwrap());
    }
    let mut events = Vec::new();
    let Ok(()) = stream.finish(100_000_000, |event| {
        events.push(event);
        Ok::<(), Infallible>(())
    });
    (stream, events)
}
