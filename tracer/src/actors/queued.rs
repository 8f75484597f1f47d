//! The messages that lie in a channel, as values: the first ones, each read twice.

use super::awaiting::Futures;
use super::look::Channel;
use super::program::Program;
use super::reader::Reader;
use crate::value::image::Memory;
use crate::value::{Limits, Value};

/// One message in a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    pub value: Value,
    /// It was taken or written while it was read.
    pub is_torn: bool,
}

/// The first `count` messages of a channel, the oldest first, as far as all that was read of them stays below
/// `bytes_max`; `None` if their type is not known.
pub fn queued(
    program: &Program<'_>,
    memory: &dyn Memory,
    channel: &Channel,
    count: u64,
    bytes_max: u64,
) -> Option<Vec<Queued>> {
    let graph = &program.graph;
    let message = channel.place.message?;
    let read = || {
        let reader = Reader::new(memory);
        let futures = Futures::new(graph, &reader);
        let mut values = Vec::new();
        for address in channel.place.messages(graph, &reader, count) {
            values.push((address, futures.decoded(message, address, &Limits::default())));
            if reader.bytes() > bytes_max {
                break;
            }
        }
        values
    };
    let (first, second) = (read(), read());
    let is_torn = |at: usize, found: &(u64, Option<Value>)| second.get(at) != Some(found);
    let values = first.iter().enumerate();
    let queued = values.filter_map(|(at, found)| Some(Queued { value: found.1.clone()?, is_torn: is_torn(at, found) }));
    Some(queued.collect())
}
