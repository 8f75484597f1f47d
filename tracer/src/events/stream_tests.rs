//! The way from bytes to paired events, damage included.

use std::convert::Infallible;

use proptest::prelude::*;
use tracer_ebpf::abi::record::{Kind, Outcome};

use super::*;
use crate::events::bytes::RecordBytes;
use crate::events::event::Ending;
use crate::events::samples::{self, NO_REGISTERS, RDI_RSI, STORE, cookie};

fn stream() -> Stream {
    Stream::new(samples::descriptions(), Limits::default())
}

fn entry(id: u64, time_ns: u64) -> Vec<u8> {
    let bytes = RecordBytes::new(Kind::Entry).cookie(cookie(STORE, RDI_RSI)).registers(&[0, 0]);
    bytes.call(id, 0).time_ns(time_ns).bytes()
}

fn exit(id: u64, time_ns: u64) -> Vec<u8> {
    let bytes = RecordBytes::new(Kind::Exit).cookie(cookie(STORE, NO_REGISTERS)).outcome(Outcome::Returned as u8);
    bytes.call(id, 0).time_ns(time_ns).context(time_ns - 1).bytes()
}

fn finish(stream: &mut Stream) -> Vec<Event> {
    let mut events = Vec::new();
    let Ok(()) = stream.finish(u64::MAX, |event| {
        events.push(event);
        Ok::<(), Infallible>(())
    });
    events
}

#[test]
fn calls_and_returns_come_out_paired_in_the_order_of_time() {
    let mut stream = stream();
    for bytes in [entry(2, 200), entry(1, 100), exit(2, 300), exit(9, 400)] {
        stream.push(&bytes);
    }
    assert!(stream.is_waiting());
    let told: Vec<(char, u64, bool)> = finish(&mut stream)
        .iter()
        .map(|event| match event {
            Event::Call(call) => ('c', call.id, true),
            Event::Return(end) => (if end.ending == Ending::Open { 'o' } else { 'r' }, end.id, end.call_seen),
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(told, [('c', 1, true), ('c', 2, true), ('r', 2, true), ('r', 9, false), ('o', 1, true)]);
    assert_eq!((stream.calls(), stream.returns()), (2, 2));
}

#[test]
fn an_output_that_fails_stops_the_stream() {
    let mut stream = stream();
    stream.push(&entry(1, 100));
    assert_eq!(stream.drain(u64::MAX, |_| Err("full")), Err("full"));
}

#[test]
fn losses_are_told_once_and_kept_in_the_total() {
    let mut stream = stream();
    stream.push(b"nonsense");
    stream.push(b"");
    let kernel = Losses { ring_buffer_full: 5, ..Losses::default() };
    let expected = Losses { malformed: 2, ..kernel };
    assert_eq!(stream.news_of_losses(&kernel, 7), Some(Event::Lost { time_ns: 7, new: expected }));
    assert_eq!(stream.news_of_losses(&kernel, 8), None);
    assert_eq!(stream.losses(&kernel).total(), 7);
    assert_eq!(stream.first_malformed(), Some(Malformed::Short(8, "header")));
}

proptest! {
    /// Whatever the bytes, each call gets one end, and what is no event is counted.
    #[test]
    fn damage_is_counted_and_every_call_ends(
        damage in prop::collection::vec((0_usize..200, any::<u8>()), 0..8),
        order in prop::collection::vec(0_usize..40, 0..60),
    ) {
        let mut stream = stream();
        for (index, id) in order.iter().enumerate() {
            let id = *id as u64 / 2 + 1;
            let mut bytes = if index % 2 == 0 { entry(id, 100 + index as u64) } else { exit(id, 100 + index as u64) };
            for (at, byte) in &damage {
                if at % 5 == index % 5 && let Some(target) = bytes.get_mut(at / 3) {
                    // An entry that is held back is no event before its end: the flags say so from their second bit on.
                    *target = if at / 3 == 3 { byte & 1 } else { *byte };
                }
            }
            stream.push(&bytes);
        }
        let events = finish(&mut stream);
        let calls = events.iter().filter(|event| matches!(event, Event::Call(_) | Event::Usdt(_))).count() as u64;
        let ends = events.iter().filter(|event| matches!(event, Event::Return(end) if end.ending != Ending::Open)).count() as u64;
        prop_assert_eq!((stream.calls(), stream.returns()), (calls, ends));
        let others = events.iter().filter(|event| matches!(event, Event::ThreadNamed(_) | Event::Limit { .. })).count() as u64;
        let malformed = stream.losses(&Losses::default()).malformed;
        prop_assert_eq!(calls + ends + others + malformed, order.len() as u64);
    }
}
