//! What the kernel side sends: arbitrary bytes as records, through parsing, order, decoding and pairing.
//!
//! Input: records, each its length (2 bytes, little endian) and its bytes.

use std::sync::Arc;

use tracer::events::description::Descriptions;
use tracer::events::record::Record;
use tracer::events::stream::Stream;
use tracer::value::Limits;

use super::choices::Choices;

pub fn run(input: &[u8]) {
    let mut choices = Choices(input);
    let mut stream = Stream::new(Arc::new(descriptions()), Limits::default());
    let mut now_ns = 0;
    while !choices.is_empty() {
        let length = usize::from(choices.byte()) | usize::from(choices.byte()) << 8;
        let bytes = choices.bytes(length);
        if let Err(malformed) = Record::parse(bytes) {
            assert!(!malformed.to_string().is_empty());
        }
        stream.push(bytes);
        now_ns += 1_000_000;
        let _ = stream.drain(now_ns, |event| drop_shown(&event));
    }
    let _ = stream.finish(now_ns, |event| drop_shown(&event));
}

fn drop_shown(event: &tracer::events::event::Event) -> Result<(), ()> {
    let _ = format!("{event:?}");
    Ok(())
}

/// Descriptions of functions with arguments of some kinds, and results.
fn descriptions() -> Descriptions {
    Descriptions::default()
}
