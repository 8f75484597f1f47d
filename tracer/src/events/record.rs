//! One ring-buffer record's bytes → [`Record`]. Trusts nothing that the bytes say about themselves.
//! Must not know plans or types: register values stay unnamed, memory stays bytes.

use thiserror::Error;
use tracer_ebpf::abi::control::Tripped;
use tracer_ebpf::abi::cookie::Cookie;
use tracer_ebpf::abi::record::{
    ChunkHeader, ChunkStatus, Header, Kind, Outcome, RECORD_HELD_SHIFT, RECORD_STACK, THREAD_NAME_BYTES,
};

use crate::value::image::Chunk;
use crate::value::place::Missing;

/// A record, as laid out in `tracer_ebpf::abi::record`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub what: What,
    /// A picture of the stack was sent before it.
    pub has_stack: bool,
    /// The frame that the call is held back in until its end; 0 if it is not.
    pub held: u8,
    /// Frames of the same stack below this call: 0 at a root.
    pub depth: u32,
    pub cookie: Cookie,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    /// Number of the call, counted from 1 over the session.
    pub call_id: u64,
    /// Values of the plan's registers, in the plan's order.
    pub registers: Vec<u64>,
    pub chunks: Vec<Chunk>,
}

/// What a record tells, with the fields that only this kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Entry {
        parent: Option<u64>,
    },
    Exit {
        outcome: Outcome,
        entry_time_ns: u64,
    },
    Event {
        parent: Option<u64>,
    },
    ThreadName(String),
    Limit(Tripped),
    /// A part of a stack's picture, which belongs to the record of the same call that follows.
    Stack {
        part: u32,
        is_last: bool,
        stack_end: u64,
    },
}

/// Bytes that are no record. Each is counted as lost, none stops the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    #[error("record of {0} bytes ends inside its {part}", part = .1)]
    Short(usize, &'static str),
    #[error("record of unknown kind {0}")]
    Kind(u8),
    #[error("exit record with unknown outcome {0}")]
    Outcome(u8),
    #[error("limit record with unknown reason {0}")]
    Limit(u8),
    #[error("part of a stack without its registers or bytes")]
    Stack,
    #[error("chunk with unknown status {0}")]
    ChunkStatus(u16),
    #[error("chunk claims {copied_bytes} bytes of {asked_bytes} asked")]
    ChunkLength { copied_bytes: u16, asked_bytes: u32 },
    #[error("record names function {function} with plan {plan}, which this session does not have")]
    Cookie { function: u32, plan: u32 },
    #[error("record has {found} registers where its plan has {planned}")]
    Registers { found: usize, planned: usize },
}

impl Record {
    /// Parses one record. Bytes after the last chunk are allowed only as its padding.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader { bytes, size: bytes.len() };
        let header = reader.header()?;
        let what = match header.kind {
            kind if kind == Kind::Entry as u8 => What::Entry { parent: nonzero(header.context) },
            kind if kind == Kind::Exit as u8 => {
                What::Exit { outcome: outcome(header.outcome)?, entry_time_ns: header.context }
            }
            kind if kind == Kind::Event as u8 => What::Event { parent: nonzero(header.context) },
            kind if kind == Kind::Thread as u8 => What::ThreadName(reader.thread_name()?),
            kind if kind == Kind::Limit as u8 => What::Limit(tripped(header.outcome)?),
            kind if kind == Kind::Stack as u8 => {
                What::Stack { part: header.depth, is_last: header.outcome != 0, stack_end: header.context }
            }
            kind => return Err(Malformed::Kind(kind)),
        };
        let mut registers = Vec::new();
        let mut chunks = Vec::new();
        if !matches!(what, What::ThreadName(_) | What::Limit(_)) {
            registers.reserve_exact(usize::from(header.register_count));
            for _ in 0..header.register_count {
                registers.push(reader.u64("registers")?);
            }
            while !reader.bytes.is_empty() {
                chunks.push(reader.chunk()?);
            }
        }
        Ok(Self {
            what,
            has_stack: header.flags & RECORD_STACK != 0,
            held: header.flags >> RECORD_HELD_SHIFT,
            depth: header.depth,
            cookie: Cookie(header.cookie),
            time_ns: header.time_ns,
            pid: (header.pid_tgid >> 32) as u32,
            tid: header.pid_tgid as u32,
            call_id: header.call_id,
            registers,
            chunks,
        })
    }

    /// Bytes that the record holds on to, for bounded queues.
    pub fn held_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|chunk| size_of::<Chunk>() + chunk.bytes.len()).sum();
        size_of::<Self>() + self.registers.len() * 8 + chunks
    }
}

fn nonzero(id: u64) -> Option<u64> {
    (id != 0).then_some(id)
}

fn outcome(byte: u8) -> Result<Outcome, Malformed> {
    [Outcome::Returned, Outcome::Unwound, Outcome::TailCalled, Outcome::Unknown]
        .into_iter()
        .find(|outcome| *outcome as u8 == byte)
        .ok_or(Malformed::Outcome(byte))
}

fn tripped(byte: u8) -> Result<Tripped, Malformed> {
    [Tripped::Calls, Tripped::Rate, Tripped::Deadline, Tripped::Stopped]
        .into_iter()
        .find(|reason| *reason as u32 == u32::from(byte))
        .ok_or(Malformed::Limit(byte))
}

/// Takes little-endian fields from the front of the bytes.
struct Reader<'a> {
    bytes: &'a [u8],
    /// Of the whole record, for messages.
    size: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Malformed::Short(self.size, part))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(Malformed::Short(self.size, part))?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn u64(&mut self, part: &'static str) -> Result<u64, Malformed> {
        self.array(part).map(u64::from_le_bytes)
    }

    fn u32(&mut self, part: &'static str) -> Result<u32, Malformed> {
        self.array(part).map(u32::from_le_bytes)
    }

    fn u16(&mut self, part: &'static str) -> Result<u16, Malformed> {
        self.array(part).map(u16::from_le_bytes)
    }

    fn header(&mut self) -> Result<Header, Malformed> {
        let part = "header";
        let [kind, outcome, register_count, flags] = self.array(part)?;
        Ok(Header {
            kind,
            outcome,
            register_count,
            flags,
            depth: self.u32(part)?,
            cookie: self.u64(part)?,
            time_ns: self.u64(part)?,
            pid_tgid: self.u64(part)?,
            call_id: self.u64(part)?,
            context: self.u64(part)?,
        })
    }

    fn thread_name(&mut self) -> Result<String, Malformed> {
        let name = self.take(THREAD_NAME_BYTES, "thread name")?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    fn chunk(&mut self) -> Result<Chunk, Malformed> {
        let part = "chunk header";
        let header = ChunkHeader {
            address: self.u64(part)?,
            asked_bytes: self.u32(part)?,
            copied_bytes: self.u16(part)?,
            status: self.u16(part)?,
        };
        let missing = match header.status {
            status if status == ChunkStatus::Whole as u16 => None,
            status if status == ChunkStatus::Cut as u16 => Some(Missing::NotCaptured),
            status if status == ChunkStatus::Fault as u16 => Some(Missing::NotResident),
            status if status == ChunkStatus::Full as u16 => Some(Missing::RecordFull),
            status if status == ChunkStatus::Unmapped as u16 => Some(Missing::NotMapped),
            status if status == ChunkStatus::Userfaultfd as u16 => Some(Missing::Userfaultfd),
            status if status == ChunkStatus::Fuse as u16 => Some(Missing::Fuse),
            status if status == ChunkStatus::Foreign as u16 => Some(Missing::Foreign),
            status => return Err(Malformed::ChunkStatus(status)),
        };
        let (copied_bytes, asked_bytes) = (header.copied_bytes, header.asked_bytes);
        if u32::from(copied_bytes) > asked_bytes {
            return Err(Malformed::ChunkLength { copied_bytes, asked_bytes });
        }
        let copied = usize::from(copied_bytes);
        let bytes = self.take(copied, "chunk")?.to_vec();
        let padding = (copied.next_multiple_of(8) - copied).min(self.bytes.len());
        self.take(padding, "padding")?;
        Ok(Chunk { address: header.address, asked_bytes: u64::from(asked_bytes), bytes, missing })
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
