//! The three kinds of address, as types: they are converted explicitly, by an object or a mapping.
//! An address knows nothing of the file or process that it belongs to.

use std::fmt;

/// A position in an object's file, in bytes: what the kernel attaches a uprobe to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

/// An address as the linker laid it out, in the object's own coordinates: what symbols and DWARF hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkAddress(pub u64);

/// An address in the running process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuntimeAddress(pub u64);

/// What the loader added to an object's link addresses: `runtime = link + bias`, wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoadBias(pub u64);

impl LoadBias {
    /// Where `address` is in the running process.
    pub fn runtime(self, address: LinkAddress) -> RuntimeAddress {
        RuntimeAddress(address.0.wrapping_add(self.0))
    }

    /// Where the linker had laid out what is now at `address`.
    pub fn link(self, address: RuntimeAddress) -> LinkAddress {
        LinkAddress(address.0.wrapping_sub(self.0))
    }
}

/// Half-open range of link addresses, `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkRange {
    pub start: LinkAddress,
    pub end: LinkAddress,
}

impl LinkRange {
    /// Whether `address` lies in the range.
    pub fn contains(self, address: LinkAddress) -> bool {
        self.start <= address && address < self.end
    }

    /// Length in bytes, 0 for a range that ends before it starts.
    pub fn size(self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }
}

macro_rules! address {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    )*};
}
address!(FileOffset, LinkAddress, RuntimeAddress);
