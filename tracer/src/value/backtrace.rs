//! A call stack: the picture that a hit brought, the frames that it unwinds to, and why it ends where it ends.
//! Pure data; must not know how stacks are unwound or shown.

use std::fmt;
use std::sync::Arc;

/// Registers in a picture: the 16 general ones and the instruction pointer, by DWARF number.
pub const REGISTERS: usize = 17;

/// The stack pointer's number among them.
pub const STACK_POINTER: usize = 7;

/// The registers at a hit, and the bytes from the stack pointer up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub registers: [u64; REGISTERS],
    /// Runtime address of the first byte: the stack pointer.
    pub start: u64,
    pub bytes: Vec<u8>,
    /// Where the mapping ends that the stack lies in, if that is known; else the highest address.
    pub stack_end: u64,
    /// Why `bytes` ends before `stack_end`.
    pub cut: Cut,
}

/// Why a picture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// By the limit of what is copied, or not at all.
    Limit,
    /// The next page was not in memory.
    NotResident,
    /// The rest found the ring buffer full.
    Lost,
}

impl Picture {
    /// The `size` bytes at `address`, or why they are not in the picture.
    pub fn read(&self, address: u64, size: usize) -> Result<&[u8], End> {
        let offset = address.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let range = offset.and_then(|offset| Some(offset..offset.checked_add(size)?));
        range.and_then(|range| self.bytes.get(range)).ok_or_else(|| self.reason(address))
    }

    /// 8 bytes, little endian.
    pub fn word(&self, address: u64) -> Result<u64, End> {
        let bytes = self.read(address, 8)?;
        Ok(bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    }

    fn reason(&self, address: u64) -> End {
        if address < self.start || address >= self.stack_end {
            return End::OtherStack;
        }
        match self.cut {
            Cut::Limit => End::PictureEnded { bytes: self.bytes.len() as u64 },
            Cut::NotResident => End::NotResident,
            Cut::Lost => End::Lost,
        }
    }
}

/// The stack of a call: as it came, then as it was unwound.
#[derive(Clone, Debug, PartialEq)]
pub enum Stack {
    Taken(Box<Picture>),
    Unwound(Backtrace),
}

/// Frames, innermost first.
#[derive(Clone, Debug, PartialEq)]
pub struct Backtrace {
    pub frames: Vec<Frame>,
    pub end: End,
}

/// One function on the stack. An inlined function shares its address with the one that it was inlined into, which
/// follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where execution goes on in it, an address of the running process.
    pub address: u64,
    /// `None`: neither debug information nor a symbol names it.
    pub function: Option<Arc<str>>,
    pub is_inlined: bool,
    /// The file as the compiler wrote it, and the line, counted from 1; 0 if the compiler gave the code no line.
    pub source: Option<(Arc<str>, u32)>,
    /// File name of the program or library; `None` for memory that is no file.
    pub object: Option<Arc<str>>,
}

/// Why there are no further frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// There are none: this is where the thread began.
    Outermost,
    /// The picture was too small.
    PictureEnded {
        bytes: u64,
    },
    NotResident,
    /// The caller's frame is not on the stack that the picture is of: a signal stack, a coroutine.
    OtherStack,
    /// The last frame's code has no unwind information: generated code, hand-written assembly.
    NoUnwindInformation,
    /// The address that the last frame returns to is not code.
    NotCode {
        address: u64,
    },
    /// A uretprobe took the return address's place.
    ReturnTrampoline,
    /// The unwind information is damaged, or does not fit the stack.
    Damaged,
    /// It needs something that only the running thread has.
    Unsupported,
    TooManyFrames,
    /// The picture, or its rest, found the ring buffer full.
    Lost,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outermost => f.write_str("outermost"),
            Self::PictureEnded { bytes } if *bytes >= 1024 => {
                write!(f, "stack snapshot ended after {} kB", bytes.div_ceil(1024))
            }
            Self::PictureEnded { bytes } => write!(f, "stack snapshot ended after {bytes} bytes"),
            Self::NotResident => f.write_str("stack not resident"),
            Self::OtherStack => f.write_str("goes on on another stack"),
            Self::NoUnwindInformation => f.write_str("no unwind information"),
            Self::NotCode { address } => write!(f, "returns to {address:#x}, which is no code"),
            Self::ReturnTrampoline => f.write_str("return address replaced by a uretprobe"),
            Self::Damaged => f.write_str("damaged unwind information or stack"),
            Self::Unsupported => f.write_str("unsupported unwind rule"),
            Self::TooManyFrames => f.write_str("too many frames"),
            Self::Lost => f.write_str("stack lost: the ring buffer was full"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(cut: Cut) -> Picture {
        Picture { registers: [0; REGISTERS], start: 0x1000, bytes: (0..32).collect(), stack_end: 0x3000, cut }
    }

    #[test]
    fn what_is_not_in_the_picture_says_why() {
        let limited = picture(Cut::Limit);
        assert_eq!(limited.word(0x1008), Ok(0x0f0e_0d0c_0b0a_0908));
        assert!(limited.word(0x1018).is_ok());
        assert_eq!(limited.word(0x1019), Err(End::PictureEnded { bytes: 32 }));
        assert_eq!(limited.word(0xfff), Err(End::OtherStack));
        assert_eq!(limited.word(0x3000), Err(End::OtherStack));
        assert_eq!(limited.word(u64::MAX), Err(End::OtherStack));
        assert_eq!(picture(Cut::NotResident).word(0x2000), Err(End::NotResident));
        assert_eq!(picture(Cut::Lost).word(0x2000), Err(End::Lost));
    }
}
