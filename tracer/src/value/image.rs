//! A sparse picture of the target's memory and registers, as one record brought it: bytes by address.
//! The decoder reads values from it exactly as it would from a live process.

use super::place::{Missing, Register};

/// Something that values can be read from: a record's picture, or a live process's memory.
pub trait Memory {
    /// Exactly `size_bytes` bytes at the runtime address `address`, or why they are missing.
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing>;

    /// As many bytes as are there, at most `size_bytes`, starting at `address`; the reason if there are none.
    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing>;

    /// The same for many stretches, of one page at most each, by increasing address: cheaper at once than one by one.
    fn read_prefixes(&self, stretches: &[(u64, u64)]) -> Vec<Option<Vec<u8>>> {
        stretches.iter().map(|(address, size_bytes)| self.read_prefix(*address, *size_bytes).ok()).collect()
    }

    /// The first address from `address` on, below `end`, at which there may be bytes: what lies before it is not
    /// worth asking for.
    fn next_known(&self, address: u64, end: u64) -> Option<u64> {
        (address < end).then_some(address)
    }

    /// The register's value when the probe fired.
    fn register(&self, register: Register) -> Result<u64, Missing>;
}

/// What one record carries: register values and copied stretches of memory, failures included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub registers: Vec<(Register, u64)>,
    pub chunks: Vec<Chunk>,
}

/// One stretch of the target's memory: `bytes` at `address`, or why it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub address: u64,
    /// Length that the plan asked for, in bytes.
    pub asked_bytes: u64,
    pub bytes: Vec<u8>,
    /// Why `bytes` is shorter than `asked_bytes`; without a reason the plan's limit cut it.
    pub missing: Option<Missing>,
}

impl Chunk {
    /// The chunk's bytes from `address` on, if it has any there.
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        let start = usize::try_from(address.wrapping_sub(self.address)).ok()?;
        self.bytes.get(start..).filter(|bytes| !bytes.is_empty())
    }

    /// Why there is no byte at `address`, if the chunk was meant to bring one.
    fn reason_at(&self, address: u64) -> Option<Missing> {
        // A string that could not be read has no length: its chunk stands for the first byte.
        let was_asked = address.wrapping_sub(self.address) < self.asked_bytes.max(1);
        was_asked.then(|| self.missing.unwrap_or(Missing::NotCaptured))
    }
}

impl Image {
    /// The longest run of bytes from `address` on that one chunk has.
    fn longest_from(&self, address: u64) -> Option<&[u8]> {
        self.chunks.iter().filter_map(|chunk| chunk.bytes_from(address)).max_by_key(|bytes| bytes.len())
    }

    fn reason_at(&self, address: u64) -> Missing {
        let reason = self.chunks.iter().find_map(|chunk| chunk.reason_at(address));
        // A record that is full ends the plan: what would have followed is missing for the same reason.
        let is_full = self.chunks.iter().any(|chunk| chunk.missing == Some(Missing::RecordFull));
        reason.unwrap_or(if is_full { Missing::RecordFull } else { Missing::NotCaptured })
    }

    /// The bytes from `address` on, from as many chunks as it takes, and whether that was all of `size_bytes`.
    fn collect(&self, address: u64, size_bytes: u64) -> (Vec<u8>, bool) {
        let mut collected = Vec::new();
        while (collected.len() as u64) < size_bytes {
            let Some(run) = self.longest_from(address.wrapping_add(collected.len() as u64)) else {
                return (collected, false);
            };
            let wanted = usize::try_from(size_bytes - collected.len() as u64).unwrap_or(usize::MAX);
            collected.extend_from_slice(run.get(..wanted).unwrap_or(run));
        }
        (collected, true)
    }
}

impl Memory for Image {
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let (bytes, is_whole) = self.collect(address, size_bytes);
        if is_whole { Ok(bytes) } else { Err(self.reason_at(address.wrapping_add(bytes.len() as u64))) }
    }

    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let (bytes, is_whole) = self.collect(address, size_bytes);
        if is_whole || !bytes.is_empty() { Ok(bytes) } else { Err(self.reason_at(address)) }
    }

    fn next_known(&self, address: u64, end: u64) -> Option<u64> {
        let known = self.chunks.iter().filter(|chunk| !chunk.bytes.is_empty()).filter_map(|chunk| {
            let is_behind = chunk.address.saturating_add(chunk.bytes.len() as u64) <= address;
            (!is_behind).then_some(chunk.address.max(address))
        });
        known.min().filter(|known| *known < end)
    }

    fn register(&self, register: Register) -> Result<u64, Missing> {
        if !register.is_readable() {
            return Err(Missing::VectorRegister);
        }
        let found = self.registers.iter().find(|(candidate, _)| *candidate == register);
        found.map(|(_, value)| *value).ok_or(Missing::NotCaptured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(address: u64, asked_bytes: u64, bytes: &[u8], missing: Option<Missing>) -> Chunk {
        Chunk { address, asked_bytes, bytes: bytes.to_vec(), missing }
    }

    #[test]
    fn reads_span_adjacent_and_overlapping_chunks() {
        let image = Image {
            registers: vec![],
            chunks: vec![
                chunk(104, 4, &[4, 5, 6, 7], None),
                chunk(100, 4, &[0, 1, 2, 3], None),
                chunk(106, 4, &[6, 7, 8, 9], None),
            ],
        };
        assert_eq!(image.read(101, 8), Ok(vec![1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(image.read(101, 10), Err(Missing::NotCaptured));
        assert_eq!(image.read_prefix(108, 10), Ok(vec![8, 9]));
        assert_eq!(image.read(u64::MAX, 0), Ok(vec![]));
    }

    #[test]
    fn a_partial_read_gives_the_reason_of_the_part_that_is_missing() {
        let image = Image {
            registers: vec![],
            chunks: vec![
                chunk(100, 4, &[0, 1, 2, 3], None),
                chunk(104, 4, &[], Some(Missing::NotResident)),
                chunk(200, 50, &[1], None),
                chunk(300, 0, &[], Some(Missing::RecordFull)),
            ],
        };
        assert_eq!(image.read(102, 4), Err(Missing::NotResident));
        assert_eq!(image.read(200, 2), Err(Missing::NotCaptured));
        assert_eq!(image.read_prefix(300, 2), Err(Missing::RecordFull));
        assert_eq!(image.read(400, 1), Err(Missing::RecordFull), "nothing was captured behind a full record");
    }

    #[test]
    fn registers_say_why_they_are_missing() {
        let image = Image { registers: vec![(Register::RDI, 7)], chunks: vec![] };
        assert_eq!(image.register(Register::RDI), Ok(7));
        assert_eq!(image.register(Register::RSI), Err(Missing::NotCaptured));
        assert_eq!(image.register(Register::XMM0), Err(Missing::VectorRegister));
    }
}
