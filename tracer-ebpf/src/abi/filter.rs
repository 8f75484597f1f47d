//! Filters: which hits count, decided before anything is sent. Conditions of users are compiled to them
//! (tracer's `plan::condition`).
//!
//! A filter is decided in two steps. Its terms look at registers and single words of memory, before the thread's state
//! is touched. What they cannot decide is left to operations (see [`plan`](super::plan)), which end with 1 in the
//! accumulator if the hit counts. What could not be read counts as false, and is counted.

/// Terms of a filter.
pub const TERMS_MAX: usize = 6;

/// Parts of a condition that an entry decides for the exit.
pub const PARTS_MAX: usize = 4;

/// What a term may look at: the registers by DWARF number, 0–16, and then these.
pub const VALUE_THREAD_ID: u8 = 17;
/// At exit: nanoseconds since the entry.
pub const VALUE_DURATION: u8 = 18;
/// At exit: a bit for each part that was true at the entry.
pub const VALUE_PARTS: u8 = 19;
/// At exit: the result pointer that the entry kept.
pub const VALUE_RESULT_POINTER: u8 = 20;
pub const VALUES: usize = 21;

/// The next term is an alternative to this one.
pub const TERM_OR: u8 = 1;

/// The entry's record is held back until the exit's filter has decided.
pub const FILTER_HOLDS: u32 = 1;
/// An end that no exit saw (a panic, an exception) never counts.
pub const FILTER_DROPS_UNSEEN: u32 = 2;

/// Bytes of a text that operations compare with.
pub const TEXT_BYTES_MAX: usize = 128;

/// Bytes of the target's text that are searched.
pub const SEARCHED_BYTES_MAX: usize = 1024;

/// What the bench's hand-written condition compares with.
pub const UNUSUAL_ARGUMENT: u32 = 0xdead_beef;

/// One comparison: `((value >> shift) - low) & mask <= span`, where `value` is `values[value]`, or if `size_bytes` is
/// not 0 the memory at `values[value] + displacement`. Ranges of numbers, signed or not, are all of this form.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Term {
    pub value: u8,
    pub shift: u8,
    pub size_bytes: u8,
    /// [`TERM_OR`].
    pub flags: u8,
    pub displacement: i32,
    pub mask: u64,
    pub low: u64,
    pub span: u64,
}

/// The filter of one plan. All its terms hold (alternatives counting as one), and then its operations say 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Filter {
    pub term_count: u32,
    /// `FILTER_*` bits.
    pub flags: u32,
    /// Index + 1 of the plan whose operations decide; 0: the terms alone do.
    pub plan: u32,
    /// At entry: index + 1 of the filter of ends that no exit saw; 0: every such end counts.
    pub unseen: u32,
    /// At entry: index + 1 of the plans that decide the parts; 0 ends the list.
    pub parts: [u32; PARTS_MAX],
    pub terms: [Term; TERMS_MAX],
}

/// A text that operations compare with, padded with zeroes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    pub size_bytes: u64,
    pub bytes: [u8; TEXT_BYTES_MAX],
}

/// How [`OpCode::MatchText`](super::plan::OpCode::MatchText) compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Match {
    Equals = 0,
    StartsWith = 1,
    EndsWith = 2,
    Contains = 3,
}

const _: () = assert!(size_of::<Term>() == 32);
const _: () = assert!(size_of::<Filter>() == 32 + TERMS_MAX * 32);
const _: () = assert!(size_of::<Text>() == 8 + TEXT_BYTES_MAX);
