//! Puts the parts of a stack's picture together, until the record comes that they belong to.
//! Bounded: a record that was lost, or that a condition held back for good, never fetches its picture.

use std::collections::BTreeMap;

use super::record::{Malformed, Record, What};
use crate::value::backtrace::{Backtrace, Cut, End, Picture, REGISTERS, Stack};
use crate::value::place::Missing;

/// Pictures that wait at most: with the default of 16 kB each, they take 16 MB.
pub const WAITING_MAX: usize = 1024;

/// The pictures whose records have not come yet, by call.
#[derive(Debug, Default)]
pub struct Pictures {
    waiting: BTreeMap<u64, Partial>,
}

#[derive(Debug)]
struct Partial {
    picture: Picture,
    next_part: u32,
    is_whole: bool,
}

impl Pictures {
    /// Takes in one part. A part whose predecessor was lost is dropped: the picture ends there.
    pub fn add(&mut self, record: Record) -> Result<(), Malformed> {
        let What::Stack { part, is_last, stack_end } = record.what else { return Ok(()) };
        let [chunk] = <[_; 1]>::try_from(record.chunks).map_err(|_| Malformed::Stack)?;
        if part == 0 {
            let registers: [u64; REGISTERS] = record.registers.try_into().map_err(|_| Malformed::Stack)?;
            let picture = Picture { registers, start: chunk.address, bytes: Vec::new(), stack_end, cut: Cut::Lost };
            self.waiting.insert(record.call_id, Partial { picture, next_part: 0, is_whole: false });
            if self.waiting.len() > WAITING_MAX {
                self.waiting.pop_first();
            }
        }
        let Some(partial) = self.waiting.get_mut(&record.call_id) else { return Ok(()) };
        let picture = &mut partial.picture;
        let is_next = partial.next_part == part && !partial.is_whole;
        if is_next && chunk.address == picture.start.wrapping_add(picture.bytes.len() as u64) {
            picture.bytes.extend_from_slice(&chunk.bytes);
            partial.next_part += 1;
            if is_last {
                partial.is_whole = true;
                picture.cut = if chunk.missing.is_some_and(Missing::is_fault) { Cut::NotResident } else { Cut::Limit };
            }
        }
        Ok(())
    }

    /// The stack of a call whose record says that a picture was sent.
    pub fn take(&mut self, call_id: u64) -> Stack {
        match self.waiting.remove(&call_id) {
            Some(partial) => Stack::Taken(Box::new(partial.picture)),
            None => Stack::Unwound(Backtrace { frames: Vec::new(), end: End::Lost }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::image::Chunk;
    use tracer_ebpf::abi::cookie::Cookie;

    fn part(call_id: u64, part: u32, is_last: bool, missing: Option<Missing>) -> Record {
        let bytes = if missing.is_some() { vec![] } else { vec![part as u8; 16] };
        let address = 0x1000 + u64::from(part) * 16;
        Record {
            held: 0,
            what: What::Stack { part, is_last, stack_end: 0x8000 },
            has_stack: false,
            depth: 0,
            cookie: Cookie(0),
            time_ns: 1,
            pid: 1,
            tid: 1,
            call_id,
            registers: if part == 0 { (0..17).collect() } else { vec![] },
            chunks: vec![Chunk { address, asked_bytes: 16, bytes, missing }],
        }
    }

    fn taken(pictures: &mut Pictures, call_id: u64) -> Picture {
        match pictures.take(call_id) {
            Stack::Taken(picture) => *picture,
            stack => panic!("{stack:?}"),
        }
    }

    #[test]
    fn parts_of_several_threads_find_their_pictures() {
        let mut pictures = Pictures::default();
        for (call_id, number, is_last) in [(1, 0, false), (2, 0, false), (1, 1, true), (2, 1, true)] {
            pictures.add(part(call_id, number, is_last, None)).unwrap();
        }
        let picture = taken(&mut pictures, 1);
        assert_eq!((picture.start, picture.bytes.len(), picture.cut), (0x1000, 32, Cut::Limit));
        assert_eq!(picture.registers[16], 16);
        assert_eq!(taken(&mut pictures, 2).bytes[16], 1);
        assert!(matches!(pictures.take(2), Stack::Unwound(Backtrace { end: End::Lost, .. })));
    }

    #[test]
    fn what_is_behind_a_lost_part_is_not_put_in_its_place() {
        let mut pictures = Pictures::default();
        for (number, is_last) in [(0, false), (2, true)] {
            pictures.add(part(1, number, is_last, None)).unwrap();
        }
        let picture = taken(&mut pictures, 1);
        assert_eq!((picture.bytes.len(), picture.cut), (16, Cut::Lost));
    }

    #[test]
    fn a_page_that_is_not_resident_ends_the_picture() {
        let mut pictures = Pictures::default();
        pictures.add(part(1, 0, false, None)).unwrap();
        pictures.add(part(1, 1, true, Some(Missing::NotResident))).unwrap();
        let picture = taken(&mut pictures, 1);
        assert_eq!((picture.bytes.len(), picture.cut), (16, Cut::NotResident));
    }

    #[test]
    fn pictures_that_nobody_fetches_are_bounded() {
        let mut pictures = Pictures::default();
        for call_id in 0..WAITING_MAX as u64 + 1 {
            pictures.add(part(call_id, 0, true, None)).unwrap();
        }
        assert!(matches!(pictures.take(0), Stack::Unwound(_)));
        assert!(matches!(pictures.take(1), Stack::Taken(_)));
    }

    #[test]
    fn a_first_part_without_all_registers_is_malformed() {
        let mut record = part(1, 0, true, None);
        record.registers.pop();
        assert_eq!(Pictures::default().add(record), Err(Malformed::Stack));
    }
}
