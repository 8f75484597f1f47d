//! How much of a value is copied and shown. The capture plan and the decoder keep the same limits,
//! so that what one does not copy the other does not ask for.

/// Bounds on one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one string.
    pub string_bytes_max: u64,
    /// Elements of one array, slice or vector.
    pub items_max: u64,
    /// Pointers followed one behind the other; a string's or a vector's own counts.
    pub pointers_max: u32,
    /// Bytes copied of one value, item or pointee, what its pointers lead to not counted.
    pub value_bytes_max: u64,
}

/// The largest that a user may ask for, each with its reason.
impl Limits {
    /// A string is one chunk of a record, with its NUL.
    pub const STRING_BYTES_MOST: u64 = 1023;
    /// Elements are decoded one by one, and `PARTS_MAX` bounds them over all levels.
    pub const ITEMS_MOST: u64 = 1024;
    /// Each pointer takes a slot of the capture plan's interpreter, of which there are few.
    pub const POINTERS_MOST: u32 = 16;
}

impl Default for Limits {
    fn default() -> Self {
        Self { string_bytes_max: 256, items_max: 32, pointers_max: 8, value_bytes_max: 1024 }
    }
}

/// Pointers up to one of C's that is followed: its objects lead to each other without end.
pub(crate) const OBJECT_POINTERS_MAX: u32 = 3;

/// Structs within structs that are looked into: ends the recursion of a layout that contains itself.
pub(crate) const NESTING_MAX: u32 = 48;

/// Values within one value, over all levels: bounds arrays of arrays.
pub(crate) const PARTS_MAX: u32 = 4096;

/// Bytes looked at of one sequence's items.
pub(crate) const SEQUENCE_BYTES_MAX: u64 = 1 << 20;

/// Nodes of one tree that are looked at: a walk over damaged memory ends.
pub(crate) const WALK_STEPS_MAX: u32 = 4096;

/// Bytes shown of a value whose type is not understood.
pub(crate) const RAW_BYTES_MAX: u64 = 32;
