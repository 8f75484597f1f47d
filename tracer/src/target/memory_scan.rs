//! One pass over the process's own memory (heap, anonymous mappings, thread stacks): where certain words stand.
//! Looks at resident pages only, so that the target neither grows nor waits; knows nothing of what the words mean.

use std::fs;

use super::TargetError;
use super::memory::{PAGE_BYTES, ProcessMemory};
use super::process::Process;

/// Memory is copied in stretches of that size.
const STRETCH_BYTES: u64 = 1 << 20;
/// Resident bytes looked at; a scan that ends here says so.
const SCAN_BYTES_MAX: u64 = 16 << 30;
/// Reserved address space looked at: of each page one entry of `pagemap` is read.
const RESERVED_BYTES_MAX: u64 = 1 << 40;
/// Words found; a program has fewer tasks.
const HITS_MAX: usize = 4_000_000;

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Bytes copied and looked at.
    pub bytes: u64,
    /// Addresses of words that were wanted.
    pub hits: Vec<u64>,
    /// Addresses of words that hold their own address, as the first word of a thread's control block does.
    pub self_pointers: Vec<u64>,
    /// A limit ended the scan: there may be more.
    pub is_cut: bool,
}

/// Which words are looked for: a sorted list.
#[derive(Clone, Debug)]
pub struct WantedWords(Vec<u64>);

impl WantedWords {
    pub fn new(mut words: Vec<u64>) -> Self {
        words.sort_unstable();
        words.dedup();
        Self(words)
    }

    fn contains(&self, word: u64) -> bool {
        match (self.0.first(), self.0.last()) {
            (Some(&low), Some(&high)) => (low..=high).contains(&word) && self.0.binary_search(&word).is_ok(),
            _ => false,
        }
    }
}

/// Looks through all private writable memory that is no file, and hands each stretch with its address to `also`.
///
/// # Errors
/// The process exited, or may not be read.
pub fn scan(
    memory: &ProcessMemory<'_>,
    wanted: &WantedWords,
    also: &mut dyn FnMut(u64, &[u8]),
) -> Result<Scan, TargetError> {
    let process = memory.process();
    let avoided = served_elsewhere(process);
    let mut scan = Scan::default();
    let mut reserved = 0_u64;
    for mapping in process.mappings()? {
        let (start, end) = (mapping.start.0, mapping.end.0);
        let is_own = mapping.readable && mapping.writable && mapping.file.is_none();
        if !is_own || avoided.iter().any(|(from, to)| start < *to && *from < end) {
            continue;
        }
        let mut at = start;
        while at < end {
            let stretch = STRETCH_BYTES.min(end - at);
            reserved = reserved.saturating_add(stretch);
            if scan.bytes >= SCAN_BYTES_MAX || reserved >= RESERVED_BYTES_MAX || scan.hits.len() >= HITS_MAX {
                scan.is_cut = true;
                return process.checked(scan);
            }
            look_at(memory, at, stretch, wanted, &mut scan, also);
            at += stretch;
        }
    }
    process.checked(scan)
}

/// Looks at the resident runs of pages of one stretch.
fn look_at(
    memory: &ProcessMemory<'_>,
    start: u64,
    bytes: u64,
    wanted: &WantedWords,
    scan: &mut Scan,
    also: &mut dyn FnMut(u64, &[u8]),
) {
    let resident = memory.resident_pages(start / PAGE_BYTES, bytes / PAGE_BYTES);
    let mut page = 0;
    while page < resident.len() {
        let run = resident.get(page..).unwrap_or_default().iter().take_while(|&&present| present).count();
        if run == 0 {
            page += 1;
            continue;
        }
        let address = start + page as u64 * PAGE_BYTES;
        let copied = memory.copy(address, run as u64 * PAGE_BYTES).unwrap_or_default();
        scan.bytes += copied.len() as u64;
        also(address, &copied);
        let (words, _) = copied.as_chunks::<8>();
        for (at, word) in (address..).step_by(8).zip(words) {
            let word = u64::from_le_bytes(*word);
            if wanted.contains(word) {
                scan.hits.push(at);
            } else if word == at {
                scan.self_pointers.push(at);
            }
        }
        page += run;
    }
}

/// Mappings whose pages a user-space program serves (userfaultfd): reading there could wait for that program. Only a
/// process that holds such a descriptor is asked, since the kernel walks all page tables to answer.
fn served_elsewhere(process: &Process) -> Vec<(u64, u64)> {
    let is_served = |entry: fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|link| link.to_string_lossy().contains("[userfaultfd]"))
    };
    let descriptors = fs::read_dir(process.directory().join("fd")).into_iter().flatten().flatten();
    if !descriptors.take(100_000).any(is_served) {
        return Vec::new();
    }
    let text = fs::read_to_string(process.directory().join("smaps")).unwrap_or_default();
    let mut found = Vec::new();
    let mut current = None;
    for line in text.lines() {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        if let Some((start, end)) = range
            && let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
        {
            current = Some((start, end));
        } else if let Some(flags) = line.strip_prefix("VmFlags:")
            && flags.split_ascii_whitespace().any(|flag| matches!(flag, "um" | "uw" | "ui"))
        {
            found.extend(current);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_the_heap_are_found_and_untouched_memory_is_left_alone() {
        let process = Process::open(std::process::id()).expect("the test's own process can be read");
        let memory = ProcessMemory::open(&process).expect("own memory");
        let untouched = memmap2::MmapMut::map_anon(64 << 20).expect("anonymous memory");
        let mut own = Box::new([0_u64; 64]);
        let needle = 0x1234_5678_9abc_0000_u64 | u64::from(std::process::id());
        own[7] = needle;
        own[9] = &raw const own[9] as u64;
        let scan = scan(&memory, &WantedWords::new(vec![needle, 1]), &mut |_, _| {}).expect("own memory");
        assert!(scan.hits.contains(&(&raw const own[7] as u64)));
        assert!(scan.self_pointers.contains(&(&raw const own[9] as u64)));
        let pages = memory.resident_pages(untouched.as_ptr() as u64 / PAGE_BYTES, (64 << 20) / PAGE_BYTES);
        assert!(pages.iter().all(|&present| !present), "nothing was faulted in");
        assert!(!scan.is_cut && scan.bytes > 0);
    }
}
