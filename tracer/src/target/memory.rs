//! Reads the memory of the running process: only pages that are resident, so that no page of the target is faulted
//! in and no thread of it waits. The process is not stopped, so what is read may change meanwhile.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::TargetError;
use super::process::Process;
use crate::value::image::Memory;
use crate::value::place::{Missing, Register};

pub(super) const PAGE_BYTES: u64 = 4096;

/// Larger values than this are cut off: nobody reads them, and a damaged length must not cost gigabytes.
const READ_BYTES_MAX: u64 = 64 << 20;

/// Stretches that one call copies (`UIO_MAXIOV` is 1,024).
const STRETCHES_AT_ONCE: usize = 512;

/// Pages whose entries of `pagemap` are read with their neighbours': 8 bytes each are cheaper than another call.
const PAGES_APART_MAX: u64 = 512;

/// Bit 63 of a pagemap entry: the page is in memory (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;

/// The memory of a process, read without stopping it.
pub struct ProcessMemory<'process> {
    process: &'process Process,
    pagemap: File,
}

impl<'process> ProcessMemory<'process> {
    /// # Errors
    /// The process exited, or this user may not read its memory.
    pub fn open(process: &'process Process) -> Result<Self, TargetError> {
        let path = process.directory().join("pagemap");
        let pagemap = File::open(&path).map_err(|source| process.lost(&path, source))?;
        let memory = Self { process, pagemap };
        memory.prove_permission()?;
        Ok(memory)
    }

    /// `pagemap` can be opened with less permission than memory can be read with, so one byte is tried.
    fn prove_permission(&self) -> Result<(), TargetError> {
        let mappings = self.process.mappings()?;
        let readable = mappings.iter().filter(|mapping| mapping.readable).map(|mapping| mapping.start.0);
        let Some(address) = readable.into_iter().find(|&address| self.resident_bytes(address, 1) == 1) else {
            return Ok(());
        };
        match self.copy(address, 1) {
            Ok(_) => Ok(()),
            Err(source) => Err(self.process.lost(&self.process.directory().join("mem"), source)),
        }
    }

    /// How many bytes from `address` on are in memory now, at most `size_bytes`.
    pub fn resident_bytes(&self, address: u64, size_bytes: u64) -> u64 {
        let Some(end) = address.checked_add(size_bytes.min(READ_BYTES_MAX)) else { return 0 };
        if end == address {
            return 0;
        }
        let first_page = address / PAGE_BYTES;
        let pages = (end - 1) / PAGE_BYTES - first_page + 1;
        let mut entries = vec![0; usize::try_from(pages * 8).unwrap_or(0)];
        let read = first_page.checked_mul(8).and_then(|offset| self.pagemap.read_at(&mut entries, offset).ok());
        let entries = entries.get(..read.unwrap_or(0)).unwrap_or_default();
        let (entries, _) = entries.as_chunks();
        let present = entries.iter().take_while(|entry| u64::from_le_bytes(**entry) & PRESENT != 0).count();
        let present_end = (first_page + present as u64).saturating_mul(PAGE_BYTES);
        present_end.min(end).saturating_sub(address)
    }

    /// Which of the pages from `first_page` on are in memory now.
    pub(super) fn resident_pages(&self, first_page: u64, pages: u64) -> Vec<bool> {
        let mut entries = vec![0; usize::try_from(pages * 8).unwrap_or(0)];
        let read = first_page.checked_mul(8).and_then(|offset| self.pagemap.read_at(&mut entries, offset).ok());
        let (entries, _) = entries.get(..read.unwrap_or(0)).unwrap_or_default().as_chunks();
        entries.iter().map(|entry| u64::from_le_bytes(*entry) & PRESENT != 0).collect()
    }

    /// Copies the stretches that one call may name, until one of them cannot be read: the bytes, one after the other.
    fn copy_many(&self, stretches: &[(u64, u64)]) -> Vec<u8> {
        let size = stretches.iter().map(|(_, size_bytes)| *size_bytes as usize).sum();
        let mut bytes: Vec<u8> = Vec::with_capacity(size);
        let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: size };
        let remote = |(address, size_bytes): &(u64, u64)| libc::iovec {
            iov_base: std::ptr::without_provenance_mut(*address as usize),
            iov_len: *size_bytes as usize,
        };
        let remote: Vec<libc::iovec> = stretches.iter().map(remote).collect();
        let pid = self.process.pid().cast_signed();
        // SAFETY: `local` describes the buffer's whole capacity; `remote` are addresses of another process, which the
        // kernel checks there.
        let read = unsafe { libc::process_vm_readv(pid, &local, 1, remote.as_ptr(), remote.len() as libc::c_ulong, 0) };
        // SAFETY: the kernel has written the first `read` bytes, which is at most the capacity.
        unsafe { bytes.set_len(usize::try_from(read).unwrap_or(0).min(size)) };
        bytes
    }

    pub(super) fn process(&self) -> &Process {
        self.process
    }

    pub(super) fn copy(&self, address: u64, size_bytes: u64) -> std::io::Result<Vec<u8>> {
        let size = usize::try_from(size_bytes).unwrap_or(0);
        let mut bytes: Vec<u8> = Vec::with_capacity(size);
        let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: size };
        let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(address as usize), iov_len: size };
        // SAFETY: `local` describes the buffer's whole capacity; `remote` is an address of another process, which the
        // kernel checks there.
        let read = unsafe { libc::process_vm_readv(self.process.pid().cast_signed(), &local, 1, &remote, 1, 0) };
        let read = usize::try_from(read).map_err(|_| std::io::Error::last_os_error())?;
        // SAFETY: the kernel has written the first `read` bytes, which is at most the capacity.
        unsafe { bytes.set_len(read.min(size)) };
        Ok(bytes)
    }
}

impl Memory for ProcessMemory<'_> {
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        if size_bytes > READ_BYTES_MAX {
            return Err(Missing::NotCaptured);
        }
        let bytes = self.read_prefix(address, size_bytes)?;
        if bytes.len() as u64 == size_bytes { Ok(bytes) } else { Err(Missing::NotResident) }
    }

    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        if size_bytes == 0 {
            return Ok(Vec::new());
        }
        let resident = self.resident_bytes(address, size_bytes);
        let bytes = if resident == 0 { Vec::new() } else { self.copy(address, resident).unwrap_or_default() };
        // Another process could have got the number only after this one had gone.
        if bytes.is_empty() || !self.process.is_running() { Err(Missing::NotResident) } else { Ok(bytes) }
    }

    fn read_prefixes(&self, stretches: &[(u64, u64)]) -> Vec<Option<Vec<u8>>> {
        let page_of = |stretch: &(u64, u64)| stretch.0 / PAGE_BYTES;
        // What is resident, asked for run by run of pages that are close to each other.
        let mut resident = Vec::with_capacity(stretches.len());
        for run in stretches.chunk_by(|a, b| (page_of(a)..page_of(a) + PAGES_APART_MAX).contains(&page_of(b))) {
            let Some((first, last)) = run.first().zip(run.last()) else { continue };
            let pages = self.resident_pages(page_of(first), page_of(last) - page_of(first) + 1);
            let is_there = |stretch| pages.get((page_of(stretch) - page_of(first)) as usize) == Some(&true);
            resident.extend(run.iter().map(is_there));
        }
        let wanted: Vec<(u64, u64)> =
            stretches.iter().zip(&resident).filter(|(_, is_there)| **is_there).map(|(stretch, _)| *stretch).collect();
        let mut read = Vec::with_capacity(wanted.len());
        while read.len() < wanted.len() {
            let rest = wanted.get(read.len()..).unwrap_or_default();
            let batch = rest.get(..STRETCHES_AT_ONCE).unwrap_or(rest);
            let bytes = self.copy_many(batch);
            let mut at = 0;
            for (_, size_bytes) in batch {
                let Some(found) = bytes.get(at..at + *size_bytes as usize) else { break };
                read.push(Some(found.to_vec()));
                at += found.len();
            }
            // The first that could not be read ended the call.
            if read.len() < wanted.len() && at < batch.iter().map(|(_, size_bytes)| *size_bytes as usize).sum() {
                read.push(None);
            }
        }
        // Another process could have got the number only after this one had gone.
        let is_running = self.process.is_running();
        let mut read = read.into_iter();
        resident.into_iter().map(|is_there| if is_there { read.next()?.filter(|_| is_running) } else { None }).collect()
    }

    /// A live process has no registers to read without stopping it.
    fn register(&self, _: Register) -> Result<u64, Missing> {
        Err(Missing::NotCaptured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_process() -> Process {
        Process::open(std::process::id()).expect("the test's own process can be read")
    }

    #[test]
    fn own_memory_is_read_as_it_is() {
        let process = this_process();
        let memory = ProcessMemory::open(&process).expect("own memory");
        let data: Vec<u8> = (0..20_000_u32).map(|number| (number % 251) as u8).collect();
        assert_eq!(memory.read(data.as_ptr() as u64, 20_000), Ok(data));
        assert_eq!(memory.read(0, 8), Err(Missing::NotResident));
        assert_eq!(memory.read(u64::MAX - 3, 8), Err(Missing::NotResident));
        assert_eq!(memory.read(0, 0), Ok(Vec::new()));
        assert_eq!(memory.read(4096, u64::MAX), Err(Missing::NotCaptured));
        assert_eq!(memory.register(Register::RAX), Err(Missing::NotCaptured));
    }

    #[test]
    fn many_stretches_are_read_as_if_one_by_one() {
        let process = this_process();
        let memory = ProcessMemory::open(&process).expect("own memory");
        let mut map = memmap2::MmapMut::map_anon(2000 * PAGE_BYTES as usize).expect("anonymous memory");
        let start = map.as_ptr() as u64;
        for page in (0..2000).filter(|page| page % 3 != 0) {
            map[page * PAGE_BYTES as usize] = page as u8;
        }
        // Mapped, but nobody may read it: `pagemap` says that it is there.
        let closed = &raw mut map[1000 * PAGE_BYTES as usize];
        // SAFETY: the page is this map's own, and nobody looks at it until it goes.
        assert_eq!(unsafe { libc::mprotect(closed.cast(), PAGE_BYTES as usize, libc::PROT_NONE) }, 0);
        let mut stretches = vec![(4096, PAGE_BYTES)];
        stretches.extend((0..2000).map(|page| (start + page * PAGE_BYTES, PAGE_BYTES)));
        let at_once = memory.read_prefixes(&stretches);
        for (stretch, bytes) in stretches.iter().zip(&at_once) {
            assert_eq!(*bytes, memory.read_prefix(stretch.0, stretch.1).ok(), "{stretch:?}");
        }
        assert_eq!(at_once.iter().flatten().count(), 1332);
    }

    #[test]
    fn untouched_pages_are_neither_read_nor_touched() {
        let process = this_process();
        let memory = ProcessMemory::open(&process).expect("own memory");
        let mut map = memmap2::MmapMut::map_anon(8 * PAGE_BYTES as usize).expect("anonymous memory");
        let start = map.as_ptr() as u64;
        assert_eq!(memory.read_prefix(start, 16), Err(Missing::NotResident));
        map[..2 * PAGE_BYTES as usize].fill(7);
        let expected = 2 * PAGE_BYTES - 100;
        let bytes = memory.read_prefix(start + 100, 3 * PAGE_BYTES).expect("two pages");
        assert_eq!((bytes.len() as u64, bytes.iter().all(|&byte| byte == 7)), (expected, true));
        assert_eq!(memory.read(start + 100, 3 * PAGE_BYTES), Err(Missing::NotResident));
        assert_eq!(memory.resident_bytes(start + 2 * PAGE_BYTES, PAGE_BYTES), 0);
    }
}
