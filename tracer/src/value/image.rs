//! A sparse picture of the target's memory and registers, as one record brought it: bytes by address.
//! The decoder reads values from it exactly as it would from a live process.

use super::place::{Missing, Register};

/// Something that values can be read from: a record's picture, or a live process's memory.
pub trait Memory {
    /// Exactly `size_bytes` bytes at the runtime address `address`, or why they are missing.
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing>;

    /// As many bytes as are there, at most `size_bytes`, starting at `address`.
    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing>;

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
    pub missing: Option<Missing>,
}
