//! Where the bytes of a value are when a probe fires: registers, memory relative to registers, constants.
//! Said by DWARF, by the calling convention or by a USDT note; read by the capture plan and the decoder.

use std::fmt;

use super::term::Term;

/// An x86-64 register by its DWARF number (System V ABI, figure 3.36): 0 rax, 1 rdx, 2 rcx, 3 rbx, 4 rsi, 5 rdi,
/// 6 rbp, 7 rsp, 8–15 r8–r15, 16 the instruction pointer, 17–32 xmm0–xmm15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub u8);

impl Register {
    pub const RAX: Self = Self(0);
    pub const RDX: Self = Self(1);
    pub const RCX: Self = Self(2);
    pub const RBX: Self = Self(3);
    pub const RSI: Self = Self(4);
    pub const RDI: Self = Self(5);
    pub const RBP: Self = Self(6);
    pub const RSP: Self = Self(7);
    pub const R8: Self = Self(8);
    pub const R9: Self = Self(9);
    pub const RIP: Self = Self(16);
    pub const XMM0: Self = Self(17);
    /// Not a register of the machine: the result pointer (sret) that the entry kept for the exit.
    pub const RESULT_POINTER: Self = Self(33);

    /// Whether a BPF program can read it: the vector registers are not in `pt_regs`.
    pub fn is_readable(self) -> bool {
        self.0 <= 16 || self == Self::RESULT_POINTER
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 17] = [
            "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15", "rip",
        ];
        match self.0 {
            33 => f.write_str("result-pointer"),
            number @ 17..=32 => write!(f, "xmm{}", number - 17),
            number => f.write_str(NAMES.get(usize::from(number)).copied().unwrap_or("?")),
        }
    }
}

/// The whole location of a value: its pieces in the order of their bytes. A value of size 0 has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Location {
    pub pieces: Vec<Piece>,
}

impl Location {
    /// The whole value in one place.
    pub fn whole(size_bytes: u64, place: Place) -> Self {
        Self { pieces: vec![Piece { size_bytes, place }] }
    }

    /// Nowhere, whatever the value's size.
    pub fn missing(missing: Missing) -> Self {
        Self::whole(u64::MAX, Place::Missing(missing))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    pub size_bytes: u64,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The low bytes of a register.
    Register(Register),
    Memory(MemoryPlace),
    /// In memory, at an address that takes more than a [`MemoryPlace`] to work out.
    Address(Box<Term>),
    /// Kept nowhere, but worked out: the low bytes of a number.
    Value(Box<Term>),
    /// The value itself, little endian, zero-extended.
    Constant(u64),
    Missing(Missing),
}

/// `[base + index × scale + displacement]`; without a base an absolute address of the running process.
/// With `indirect` the address found is first dereferenced and `indirect` added: the bytes are at the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryPlace {
    pub base: Option<Register>,
    pub index: Option<(Register, u8)>,
    pub displacement: i64,
    pub indirect: Option<i64>,
}

impl MemoryPlace {
    /// `[base + displacement]`.
    pub fn at(base: Register, displacement: i64) -> Self {
        Self { base: Some(base), index: None, displacement, indirect: None }
    }
}

/// Why a value or a part of it is not there. Each prints as the reason that the user reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// The compiler kept no location at this address.
    OptimizedOut,
    /// The compiler changed the calling convention and dropped the return value.
    ReturnElided,
    /// In a vector register, which BPF cannot read.
    VectorRegister,
    /// A location that this tracer cannot evaluate (an unknown DWARF operation).
    UnsupportedLocation,
    /// The DWARF rules and the calling convention contradict each other.
    AmbiguousLocation,
    /// The page is not resident, or the address is not mapped.
    NotResident,
    /// No mapping has the address. Told only where pages are faulted in, like the next three.
    NotMapped,
    /// Not resident, and a program would have to bring the page, through userfaultfd.
    Userfaultfd,
    /// Not resident, and a program would have to bring the page, as a FUSE file system.
    Fuse,
    /// Not resident, and a device or another machine would have to bring the page.
    Foreign,
    /// Behind more pointers than the limit allows to follow.
    TooDeep,
    /// The plan did not copy it: too many, too large.
    NotCaptured,
    /// The record was full.
    RecordFull,
    /// Masked by its name: it is not read.
    Redacted,
    /// The call unwound or was not seen to return.
    NoReturn,
    /// The program itself does not show it now: a cell that is mutably borrowed.
    Borrowed,
    /// As above: a lock that is held.
    Locked,
    /// As above: nothing is there yet.
    Uninitialised,
    /// The way to it ends before: an element beyond the last, a variant that the enum does not have now.
    NotThere,
    /// It is made when it is first used, and was not yet.
    NotInitialised,
    /// Its destructor has run.
    Destroyed,
}

impl Missing {
    /// Whether the memory was asked for and could not be read.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::NotResident | Self::NotMapped | Self::Userfaultfd | Self::Fuse | Self::Foreign)
    }

    /// Why, in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OptimizedOut => "optimized out",
            Self::ReturnElided => "return elided",
            Self::VectorRegister => "in a vector register",
            Self::UnsupportedLocation => "unsupported location",
            Self::AmbiguousLocation => "ambiguous location",
            Self::NotResident => "not resident",
            Self::NotMapped => "not mapped",
            Self::Userfaultfd => "not resident, served by userfaultfd",
            Self::Fuse => "not resident, served by FUSE",
            Self::Foreign => "not resident, not on a local disk",
            Self::TooDeep => "too deep",
            Self::NotCaptured => "not captured",
            Self::RecordFull => "record full",
            Self::Redacted => "redacted",
            Self::NoReturn => "no return",
            Self::Borrowed => "borrowed",
            Self::Locked => "locked",
            Self::Uninitialised => "uninit",
            Self::NotThere => "not there",
            Self::NotInitialised => "not initialised",
            Self::Destroyed => "destroyed",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
