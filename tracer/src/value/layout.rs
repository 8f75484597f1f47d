//! The model of a type's memory layout: what DWARF says, freed of DWARF.
//! Pure data, shared by the capture plan (what to copy) and the decoder (what the bytes mean).

use std::collections::{BTreeMap, BTreeSet};

use super::name;
use super::redaction::Redaction;

/// Index of a type in [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// All types that one request needs. Types refer to each other by [`TypeId`], cycles included.
#[derive(Clone, Debug, Default)]
pub struct Types {
    types: Vec<Type>,
    passing: BTreeMap<TypeId, Passing>,
    open: BTreeSet<TypeId>,
    /// 95 for types that rustc 1.95 wrote; 0 if nobody knows. `None`: not looked for yet.
    pub rustc_minor: Option<u32>,
    /// What goes by such a name is neither followed by a capture plan nor read by the decoder.
    pub redaction: Redaction,
    /// The types behind trait objects, by trait: runtime addresses of the tables, and whose they are.
    pub dynamic: BTreeMap<String, Vec<(u64, TypeId)>>,
    /// Functions by the runtime address of their first instruction, in that order, with their paths.
    pub functions: Vec<(u64, String)>,
}

impl Types {
    /// Appends a type and returns its id. A cyclic type is added first as [`Shape::Opaque`] and then [`set`](Self::set).
    pub fn add(&mut self, ty: Type) -> TypeId {
        self.types.push(ty);
        TypeId((self.types.len() - 1) as u32)
    }

    /// Replaces a type that was added before.
    pub fn set(&mut self, id: TypeId, ty: Type) {
        if let Some(slot) = self.types.get_mut(id.0 as usize) {
            *slot = ty;
        }
    }

    /// The type of that id; an unknown id is an opaque type of size 0.
    pub fn get(&self, id: TypeId) -> &Type {
        static UNKNOWN: Type = Type { name: String::new(), size_bytes: 0, shape: Shape::Opaque };
        self.types.get(id.0 as usize).unwrap_or(&UNKNOWN)
    }

    /// Whether a field of a type is masked. The inside of a library's own types is not named by their users.
    pub fn masks_field(&self, owner: &Type, field: &Field) -> bool {
        !self.redaction.is_empty() && self.redaction.masks(&field.name) && !name::is_library(&owner.name)
    }

    /// Whether the bytes of a value may hold something masked, so that they must not be shown as they are.
    pub fn holds_masked(&self, id: TypeId) -> bool {
        !self.redaction.is_empty() && self.holds_masked_within(id, &mut BTreeSet::new())
    }

    fn holds_masked_within(&self, id: TypeId, seen: &mut BTreeSet<TypeId>) -> bool {
        if !seen.insert(id) {
            return false;
        }
        let ty = self.get(id);
        let mut any = |fields: &[Field]| {
            fields.iter().any(|field| self.masks_field(ty, field) || self.holds_masked_within(field.ty, seen))
        };
        match &ty.shape {
            Shape::Struct { fields, .. } | Shape::Union { fields } => any(fields),
            Shape::Enum(layout) => layout.variants.iter().any(|variant| any(&variant.fields)),
            Shape::Array { element, .. } => self.holds_masked_within(*element, seen),
            _ => false,
        }
    }

    /// The type whose table of that trait is at the runtime address.
    pub fn behind_table(&self, of_trait: &str, table: u64) -> Option<TypeId> {
        let known = self.dynamic.get(of_trait)?;
        known.iter().find(|(address, _)| *address == table).map(|(_, ty)| *ty)
    }

    /// The path of the function that starts at the runtime address.
    pub fn function_at(&self, address: u64) -> Option<&str> {
        let after = self.functions.partition_point(|(start, _)| *start <= address);
        let (start, path) = self.functions.get(after.checked_sub(1)?)?;
        (*start == address).then_some(path.as_str())
    }

    /// The state machine of an `async fn` that `id` leads to: itself, or behind a reference and `Pin`.
    pub fn coroutine(&self, id: TypeId) -> Option<&Enum> {
        let mut id = id;
        for _ in 0..COROUTINE_WRAPPERS_MAX {
            id = match &self.get(id).shape {
                Shape::Enum(states) => return states.is_coroutine().then_some(states),
                Shape::Pointer { target: Some(target), .. } => *target,
                Shape::Struct { fields, .. } => match fields.as_slice() {
                    [only] => only.ty,
                    _ => return None,
                },
                _ => return None,
            };
        }
        None
    }

    /// Notes what `DW_AT_calling_convention` says of a class.
    pub fn set_passing(&mut self, id: TypeId, passing: Passing) {
        self.passing.insert(id, passing);
    }

    /// Notes that a type is of C's kind: an enumeration that can hold flags and other numbers, a union whose members all
    /// may be looked at.
    pub fn set_open(&mut self, id: TypeId) {
        self.open.insert(id);
    }

    /// Whether an enumeration or union is of C's kind; Rust's have no other values than their own.
    pub fn is_open(&self, id: TypeId) -> bool {
        self.open.contains(&id)
    }

    /// How a C++ class is handed over, if DWARF said so.
    pub fn passing(&self, id: TypeId) -> Option<Passing> {
        self.passing.get(&id).copied()
    }

    pub fn len(&self) -> usize {
        self.types.len()
    }

    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

/// `Pin`, and the reference in it; the rest is slack.
const COROUTINE_WRAPPERS_MAX: usize = 8;

/// How a C++ class is handed over (`DW_CC_pass_by_value`, `DW_CC_pass_by_reference`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    ByValue,
    /// Not trivially copyable: by the address of a temporary.
    ByReference,
}

/// One type: its full name as the language writes it (`core::option::Option<u64>`), its size, its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    pub name: String,
    pub size_bytes: u64,
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Integer {
        signed: bool,
    },
    Float,
    /// Two floats, the real part first.
    Complex,
    Bool,
    /// A Unicode scalar value (Rust `char`, C++ `char32_t`).
    Char,
    /// A C `char`: an integer that reads as text behind a pointer or in an array.
    CChar {
        signed: bool,
    },
    /// A thin pointer. `target` is `None` for `void *` and for what was not loaded (too many pointers deep).
    Pointer {
        target: Option<TypeId>,
        kind: PointerKind,
    },
    /// A Rust slice or `str` pointer: the field offsets of its two words, in bytes, and the element.
    Slice {
        element: TypeId,
        pointer_offset: u64,
        length_offset: u64,
        /// From where the pointer leads to the first element, in bytes: the counters of `Rc` and `Arc`.
        data_offset: u64,
        /// The elements are the UTF-8 bytes of a `str`.
        is_str: bool,
    },
    /// A struct, class, tuple or unit. `parameters` are the template parameters (`T` → `u8`), by name.
    Struct {
        fields: Vec<Field>,
        parameters: Vec<(String, TypeId)>,
        style: StructStyle,
    },
    Union {
        fields: Vec<Field>,
    },
    /// A Rust enum with data (`DW_TAG_variant_part`).
    Enum(Enum),
    /// An enumeration without data, C or Rust: the names of its values.
    Enumeration {
        signed: bool,
        enumerators: Vec<(String, i128)>,
    },
    Array {
        element: TypeId,
        count: u64,
    },
    /// An array of nobody knows how many elements, as at the end of C's structs.
    Unbounded,
    /// A virtual base class: the word here leads to a table that says, `slot` bytes below that, how far the base
    /// is from here.
    VirtualBase {
        target: TypeId,
        slot: u64,
    },
    /// A pointer to a member of that class: an offset, or a function and how far the object it is called for is
    /// from the one that is given.
    MemberPointer {
        class: TypeId,
        is_function: bool,
    },
    /// A function behind a pointer.
    Function,
    /// Declared but not defined, or not understood: only name and size are known.
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerKind {
    /// Rust `&T`, `&mut T`, C++ reference: never null, prints as its target.
    Reference,
    /// Rust `Box<T>` prints as its target too.
    Box,
    /// `*const T`, `*mut T`: prints as an address, C strings as text.
    Raw,
    /// A pointer of C or C++: prints as an address and what is there, C strings as text.
    C,
    /// A number or a pointer, nobody says which (an argument of a USDT probe): prints as a number, or as an address
    /// and the text that it leads to.
    Untyped { signed: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructStyle {
    /// `Name { field: value }`; C and C++ structs too.
    Named,
    /// `Name(value, value)`: fields `__0`, `__1`, ….
    TupleStruct,
    /// `(value, value)`; the unit type is a tuple without fields.
    Tuple,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    /// From the start of the enclosing type, in bytes.
    pub offset: u64,
    pub ty: TypeId,
    /// `(first bit from the least significant one of the storage unit, size in bits)`.
    pub bits: Option<(u32, u32)>,
}

/// The state of a coroutine that was never polled: its fields are the function's arguments.
pub const UNRESUMED: &str = "Unresumed";

/// Layout of an enum: a tag, and for each variant the tag values that select it.
#[derive(Clone, Debug, PartialEq)]
pub struct Enum {
    /// `None`: a single variant, always active.
    pub tag: Option<Tag>,
    pub variants: Vec<Variant>,
}

impl Enum {
    /// The variant that a tag selects: the first one that lists it, or the default one.
    pub fn active(&self, tag: u128) -> Option<&Variant> {
        if self.tag.is_none() {
            return self.variants.first();
        }
        let listed = |variant: &&Variant| variant.discriminants.iter().any(|(low, high)| (*low..=*high).contains(&tag));
        let listing = self.variants.iter().find(listed);
        listing.or_else(|| self.variants.iter().find(|variant| variant.discriminants.is_empty()))
    }

    /// Whether this is the state machine of an `async fn` or block.
    pub fn is_coroutine(&self) -> bool {
        let has = |name: &str| self.variants.iter().any(|variant| variant.name == name);
        self.tag.is_some() && has(UNRESUMED) && has("Returned") && has("Panicked")
    }

    /// Whether people want to see what is in that variant: of a coroutine only the arguments before its first poll.
    pub fn is_shown(&self, variant: &Variant) -> bool {
        !self.is_coroutine() || variant.name == UNRESUMED
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// From the start of the enum, in bytes.
    pub offset: u64,
    pub size_bytes: u64,
    pub signed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub name: String,
    /// Tag values that select this variant, as zero-extended bits of the tag's size, inclusive ranges.
    /// Empty: the default (the niche's data-carrying variant), selected when no other matches.
    pub discriminants: Vec<(u128, u128)>,
    /// Offsets from the start of the enum.
    pub fields: Vec<Field>,
    pub style: StructStyle,
    /// Where an `async fn` is suspended, for the variants of a coroutine: `(file, line)`.
    pub source: Option<(String, u32)>,
}
