//! Reads words and bytes of the target for one look at it: page by page, each page once, so that ten thousand tasks
//! cost as many reads as they have pages. Takes any memory, a recorded one too.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::value::image::Memory;
use crate::value::place::{Missing, Register};

const PAGE_BYTES: u64 = 4096;
/// Bytes of one read; more is a damaged length.
const READ_BYTES_MAX: u64 = 1 << 20;

/// One look at the target.
pub struct Reader<'m> {
    memory: &'m dyn Memory,
    pages: RefCell<HashMap<u64, Option<Rc<[u8]>>>>,
    bytes: Cell<u64>,
}

impl<'m> Reader<'m> {
    pub fn new(memory: &'m dyn Memory) -> Self {
        Self { memory, pages: RefCell::default(), bytes: Cell::new(0) }
    }

    /// Bytes read from the target so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// The same memory, read anew.
    pub fn again(&self) -> Self {
        Self::new(self.memory)
    }

    pub fn word(&self, address: u64) -> Option<u64> {
        self.number(address, 8)
    }

    /// A little-endian number of 1 to 8 bytes.
    pub fn number(&self, address: u64, size_bytes: u64) -> Option<u64> {
        if !(1..=8).contains(&size_bytes) {
            return None;
        }
        let (page, within) = (address / PAGE_BYTES * PAGE_BYTES, (address % PAGE_BYTES) as usize);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        if within as u64 + size_bytes <= PAGE_BYTES {
            let page = self.page(page)?;
            return page.get(within..within + size_bytes as usize).map(number);
        }
        self.read(address, size_bytes).ok().map(|bytes| number(&bytes))
    }

    /// Reads all pages of the stretches that are not known yet, at once.
    pub fn prefetch(&self, stretches: impl Iterator<Item = (u64, u64)>) {
        let mut pages = self.pages.borrow_mut();
        let mut wanted: Vec<u64> = stretches
            .filter(|(_, size_bytes)| (1..=READ_BYTES_MAX).contains(size_bytes))
            .filter_map(|(start, size_bytes)| {
                Some((start / PAGE_BYTES, start.checked_add(size_bytes - 1)? / PAGE_BYTES))
            })
            .flat_map(|(first, last)| (first..=last).map(|page| page * PAGE_BYTES))
            .filter(|page| !pages.contains_key(page))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let stretches: Vec<(u64, u64)> = wanted.iter().map(|page| (*page, PAGE_BYTES)).collect();
        for (page, bytes) in wanted.into_iter().zip(self.memory.read_prefixes(&stretches)) {
            self.bytes.set(self.bytes.get() + bytes.as_ref().map_or(0, |bytes| bytes.len() as u64));
            pages.insert(page, bytes.map(Rc::from));
        }
    }

    /// A pointer that can lead somewhere.
    pub fn pointer(&self, address: u64) -> Option<u64> {
        self.word(address).filter(|pointer| (0x1000..0x8000_0000_0000).contains(pointer))
    }

    fn page(&self, address: u64) -> Option<Rc<[u8]>> {
        if let Some(known) = self.pages.borrow().get(&address) {
            return known.clone();
        }
        let bytes: Option<Rc<[u8]>> = self.memory.read_prefix(address, PAGE_BYTES).ok().map(Rc::from);
        self.bytes.set(self.bytes.get() + bytes.as_ref().map_or(0, |bytes| bytes.len() as u64));
        self.pages.borrow_mut().insert(address, bytes.clone());
        bytes
    }
}

impl Memory for Reader<'_> {
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let bytes = self.read_prefix(address, size_bytes)?;
        if bytes.len() as u64 == size_bytes { Ok(bytes) } else { Err(Missing::NotResident) }
    }

    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        if size_bytes > READ_BYTES_MAX {
            return Err(Missing::NotCaptured);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
        while (bytes.len() as u64) < size_bytes {
            let at = address.wrapping_add(bytes.len() as u64);
            let (page, within) = (at / PAGE_BYTES * PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let Some(found) = self.page(page) else { break };
            let wanted = (size_bytes - bytes.len() as u64) as usize;
            let rest = found.get(within..).unwrap_or_default();
            bytes.extend_from_slice(rest.get(..wanted).unwrap_or(rest));
            if found.len() < PAGE_BYTES as usize {
                break;
            }
        }
        if bytes.is_empty() && size_bytes > 0 { Err(Missing::NotResident) } else { Ok(bytes) }
    }

    fn register(&self, _: Register) -> Result<u64, Missing> {
        Err(Missing::NotCaptured)
    }
}
