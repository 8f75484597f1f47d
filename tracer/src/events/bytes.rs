//! Writes records as the BPF programs do, for tests: the parser's counterpart, not its inverse by construction.

use tracer_ebpf::abi::cookie::Cookie;
use tracer_ebpf::abi::record::{ChunkStatus, Kind};

/// Builds the bytes of one record. Lengths can be made to lie.
#[derive(Clone, Debug)]
pub(crate) struct RecordBytes {
    header: [u8; 48],
    body: Vec<u8>,
}

impl RecordBytes {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { header: [0; 48], body: Vec::new() }.kind(kind as u8)
    }

    pub(crate) fn kind(self, kind: u8) -> Self {
        self.put(0, &[kind])
    }

    pub(crate) fn outcome(self, outcome: u8) -> Self {
        self.put(1, &[outcome])
    }

    pub(crate) fn register_count(self, count: u8) -> Self {
        self.put(2, &[count])
    }

    pub(crate) fn call(self, id: u64, depth: u32) -> Self {
        self.put(4, &depth.to_le_bytes()).put(32, &id.to_le_bytes())
    }

    pub(crate) fn cookie(self, cookie: Cookie) -> Self {
        self.put(8, &cookie.0.to_le_bytes())
    }

    pub(crate) fn time_ns(self, time_ns: u64) -> Self {
        self.put(16, &time_ns.to_le_bytes())
    }

    pub(crate) fn thread(self, pid: u32, tid: u32) -> Self {
        self.put(24, &tid.to_le_bytes()).put(28, &pid.to_le_bytes())
    }

    /// The parent's id, or an exit's time of entry.
    pub(crate) fn context(self, context: u64) -> Self {
        self.put(40, &context.to_le_bytes())
    }

    pub(crate) fn registers(mut self, values: &[u64]) -> Self {
        self.body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self.register_count(values.len() as u8)
    }

    pub(crate) fn chunk(self, address: u64, asked_bytes: u32, bytes: &[u8], status: ChunkStatus) -> Self {
        let mut with = self.raw_chunk(address, asked_bytes, bytes.len() as u16, status as u16);
        with.body.extend(bytes);
        with.body.extend(std::iter::repeat_n(0, bytes.len().next_multiple_of(8) - bytes.len()));
        with
    }

    /// A chunk's header alone.
    pub(crate) fn raw_chunk(mut self, address: u64, asked_bytes: u32, copied_bytes: u16, status: u16) -> Self {
        self.body.extend(address.to_le_bytes());
        self.body.extend(asked_bytes.to_le_bytes());
        self.body.extend(copied_bytes.to_le_bytes());
        self.body.extend(status.to_le_bytes());
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        [&self.header[..], &self.body].concat()
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }
}

/// A thread record.
pub(crate) fn thread_name(pid: u32, tid: u32, time_ns: u64, name: &[u8; 16]) -> Vec<u8> {
    let mut bytes = RecordBytes::new(Kind::Thread).thread(pid, tid).time_ns(time_ns).bytes();
    bytes.extend(name);
    bytes
}
