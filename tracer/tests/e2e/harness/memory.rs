//! The target's memory as the kernel shows it, read without the tracer.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Every byte of the executable mappings of a file: probes change them, and must leave them as they were.
pub fn code(pid: u32, program: &Path) -> Vec<u8> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut bytes = Vec::new();
    for mapping in mappings(pid, program).iter().filter(|mapping| mapping.is_code) {
        let start = bytes.len();
        bytes.resize(start + (mapping.end - mapping.start) as usize, 0);
        memory.read_exact_at(&mut bytes[start..], mapping.start).unwrap();
    }
    assert!(!bytes.is_empty(), "{} has no code in process {pid}", program.display());
    bytes
}

/// A 16-bit word at a link address of a position-independent program.
pub fn half_word(pid: u32, program: &Path, link_address: u64) -> u16 {
    let base = mappings(pid, program).first().unwrap().start;
    u16::from_le_bytes(bytes(pid, base + link_address, 2).try_into().unwrap())
}

/// Bytes at a runtime address.
pub fn bytes(pid: u32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    File::open(format!("/proc/{pid}/mem")).unwrap().read_exact_at(&mut bytes, address).unwrap();
    bytes
}

struct Mapping {
    start: u64,
    end: u64,
    is_code: bool,
}

fn mappings(pid: u32, program: &Path) -> Vec<Mapping> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let program = program.to_str().unwrap();
    let parse = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        Some(Mapping { start: address(start)?, end: address(end)?, is_code: rest.starts_with("r-x") })
    };
    maps.lines().filter(|line| line.ends_with(program)).filter_map(parse).collect()
}
