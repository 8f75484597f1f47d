//! A decoded value: what the target held, or why it is not known. Knows nothing of bytes or output formats.

use super::place::Missing;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `()`.
    Unit,
    Bool(bool),
    Char(char),
    Signed(i128),
    Unsigned(u128),
    Float32(f32),
    Float64(f64),
    /// A string, or its beginning.
    Text {
        text: String,
        omitted: Omitted,
    },
    /// A string that is not UTF-8, or its beginning.
    Bytes {
        bytes: Vec<u8>,
        omitted: Omitted,
    },
    Uuid([u8; 16]),
    Tuple(Vec<Value>),
    /// The type's full name: shortened only where it is shown.
    TupleStruct {
        name: String,
        fields: Vec<Value>,
    },
    /// The type's full name, as above.
    Struct {
        name: String,
        fields: Vec<(String, Value)>,
    },
    /// A struct with more than the fields that are shown: `Name { field: value, .. }`.
    Open {
        name: String,
        fields: Vec<(String, Value)>,
    },
    /// `start..end`, one of them or both.
    Range {
        start: Option<Box<Value>>,
        end: Option<Box<Value>>,
        is_inclusive: bool,
        is_exhausted: bool,
    },
    /// Text of its own, without quotes: `1.5s`, `127.0.0.1:80`, `(Weak)`.
    Plain(String),
    /// An array, slice or vector, or its first elements.
    Sequence {
        items: Vec<Value>,
        omitted: Omitted,
    },
    /// A collection that says whether it has something, shown in braces.
    Set {
        items: Vec<Value>,
        omitted: Omitted,
    },
    Map {
        entries: Vec<(Value, Value)>,
        omitted: Omitted,
    },
    /// A variant of an enum, with data or without.
    Variant {
        name: String,
        payload: Payload,
    },
    /// Where something is: a raw pointer, a function.
    Address(u64),
    /// Where something is, and what is there.
    Pointer {
        address: u64,
        target: Box<Value>,
    },
    /// A word of unknown type that leads to text, if it is an address.
    AddressOfText {
        address: u64,
        text: String,
        omitted: Omitted,
    },
    Unreadable(Missing),
    /// Bytes whose meaning is unknown, or that their type does not allow (a `bool` of 2): the type's full name
    /// and what it held.
    Raw {
        type_name: String,
        bytes: Vec<u8>,
        omitted: Omitted,
    },
}

/// What a variant carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    Unit,
    Tuple(Vec<Value>),
    Struct(Vec<(String, Value)>),
    /// Behind the name, without parentheses: `Array [1, 2]`.
    Beside(Box<Value>),
}

/// What a limit left out: bytes of a text, elements of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omitted {
    Nothing,
    Count(u64),
    /// More follows, nobody counted it (a C string longer than the limit).
    Unknown,
}

impl Omitted {
    pub fn count(count: u64) -> Self {
        if count == 0 { Self::Nothing } else { Self::Count(count) }
    }

    pub fn is_nothing(self) -> bool {
        self == Self::Nothing
    }
}

impl Value {
    /// The fields' common reason, if there are fields and none of them could be read.
    pub(crate) fn common_reason<'v>(values: impl IntoIterator<Item = &'v Value>) -> Option<Missing> {
        let mut common = None;
        for value in values {
            match (value, common) {
                (Self::Unreadable(reason), None) => common = Some(*reason),
                (Self::Unreadable(reason), Some(known)) if *reason == known => {}
                _ => return None,
            }
        }
        common
    }
}
