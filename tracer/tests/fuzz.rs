//! The fuzz targets on their seeds, on what they once found, and on many changed copies of both: with stable Rust, the
//! same each time. `fuzz/README.md` says how to search for more.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Changed copies take this long for each target at most; a slow machine tries fewer.
const TIME_MAX: Duration = Duration::from_secs(3);
const COPIES: u64 = 3000;
/// No single input may take longer.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// The same numbers each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % end.max(1) as u64) as usize
    }

    /// A copy with some bytes changed, cut off, or repeated elsewhere.
    fn changed(&mut self, input: &[u8]) -> Vec<u8> {
        let mut copy = input.to_vec();
        for _ in 0..=self.below(6) {
            if copy.is_empty() {
                break;
            }
            let at = self.below(copy.len());
            match self.below(8) {
                0 => copy[at] ^= 1 << self.below(8),
                1 => copy[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => copy[at] = copy[at].wrapping_add(1),
                3 => copy[at] = self.below(256) as u8,
                4 => copy.truncate(at),
                5 => {
                    let end = copy.len().min(at + 8);
                    copy[at..end].fill([0, 0xff][self.below(2)]);
                }
                _ => {
                    let (from, size) = (self.below(copy.len()), self.below(16));
                    let piece = copy[from..copy.len().min(from + size)].to_vec();
                    copy.splice(at..at, piece);
                }
            }
        }
        copy
    }
}

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let files = ["seeds", "found"].map(|kind| fuzz.join(kind).join(target));
    let files = files.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut inputs: Vec<_> =
        files.map(|file| (file.path().display().to_string(), fs::read(file.path()).unwrap())).collect();
    inputs.sort();
    inputs
}

fn run(target: &str, body: fn(&[u8])) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "{target} has no seeds");
    let timed = |name: &str, input: &[u8]| {
        let start = Instant::now();
        let result = std::panic::catch_unwind(|| body(input));
        let kept = || {
            let path = std::env::temp_dir().join(format!("tracer-fuzz-{target}"));
            fs::write(&path, input).unwrap();
            path
        };
        assert!(result.is_ok(), "{name}: the input is in {}", kept().display());
        assert!(start.elapsed() < INPUT_TIME_MAX, "{name}: took {:?}: {}", start.elapsed(), kept().display());
    };
    for (name, input) in &inputs {
        timed(name, input);
    }
    let start = Instant::now();
    let mut numbers = Numbers(0);
    for copy in 0..COPIES {
        let (name, input) = &inputs[numbers.below(inputs.len())];
        timed(&format!("copy {copy} of {name}"), &numbers.changed(input));
        if start.elapsed() > TIME_MAX {
            break;
        }
    }
}

#[test]
fn debug_info() {
    run("debug_info", targets::debug_info::run);
}

#[test]
fn values() {
    run("values", targets::values::run);
}

#[test]
fn probes() {
    run("probes", targets::probes::run);
}

#[test]
fn records() {
    run("records", targets::records::run);
}
