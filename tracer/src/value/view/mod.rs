//! How a type is looked at: which of its words are a pointer, a length, a tag. The one place that knows the
//! library types by name; the capture plan and the decoder both follow it, so that they agree.

mod choice;
mod collection;
mod cpp;
mod find;
mod hash;
mod inline;
mod linked;
mod pointer;
mod shell;
mod text;
mod told;
mod wrapper;

pub(crate) use self::choice::{Alternative, Choice};
pub(crate) use self::hash::Table;
pub(crate) use self::inline::Inline;
pub(crate) use self::linked::{BinaryTree, Blocks, List, Ring, Tree, TreeNode};
pub(crate) use self::pointer::{Dynamic, TABLE_ALIGN_OFFSET, TABLE_SIZE_OFFSET};
pub(crate) use self::shell::{Hidden, Range, Shell};
pub(crate) use self::told::{Meaning, Number, Told};
use super::layout::{Enum, Field, Shape, StructStyle, Type, TypeId, Types};
use super::name;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View<'t> {
    Unit,
    Integer {
        signed: bool,
    },
    Float,
    Complex,
    Bool,
    Char,
    /// 16 bytes that are a uuid.
    Uuid,
    /// Text somewhere else, by pointer and length.
    Text(Stretch),
    /// Text somewhere else in units of 2 or 4 bytes, by pointer and length.
    WideText {
        stretch: Stretch,
        unit_bytes: u64,
    },
    /// `bool`s somewhere else, each one bit.
    Bits(Bits),
    /// Elements somewhere else, by pointer and length.
    Sequence {
        stretch: Stretch,
        items: Items,
    },
    /// Elements in a ring.
    Ring {
        ring: Ring,
        items: Items,
    },
    /// Elements in blocks.
    Blocks {
        blocks: Blocks,
        items: Items,
    },
    /// Items of a hash table.
    Table {
        table: Table,
        items: Items,
    },
    /// Items of a search tree.
    Tree(Tree),
    /// Items of a binary search tree.
    Binary(BinaryTree),
    /// Items of a linked list.
    List(List),
    /// One of several, by a number in the value.
    Choice(Choice),
    /// A number and its unit.
    Measured {
        offset: u64,
        ty: TypeId,
        unit: String,
    },
    /// Shown as what its pointer leads to.
    Pointee {
        pointer_offset: u64,
        /// From where the pointer leads to the target, in bytes.
        target_offset: u64,
        target: TypeId,
    },
    /// Shown as an address and what is there.
    Object {
        target: TypeId,
    },
    /// Shown as what is as far from here as the table says that the word here leads to.
    VirtualBase {
        target: TypeId,
        slot: u64,
    },
    /// Shown as the member that it leads to.
    MemberPointer {
        class: TypeId,
        is_function: bool,
    },
    /// A trait object: shown as what its pointer leads to, whose type its table tells.
    Dynamic(Dynamic<'t>),
    /// The address of a function, shown as its path.
    Function,
    /// A pointer to bytes that end with a NUL.
    CString,
    /// Text in place, up to a NUL or the end.
    CharArray {
        count: u64,
    },
    Address,
    /// A number, or the address of text that ends with a NUL.
    Word {
        signed: bool,
    },
    /// Bytes somewhere else, shown as `b"…"`.
    ByteString(Stretch),
    /// Items in place.
    Inline {
        inline: Inline,
        items: Items,
    },
    /// Text in place.
    InlineText(Inline),
    /// Items in place as long as they fit, otherwise elsewhere.
    Small {
        inline: Inline,
        stretch: Stretch,
        items: Items,
    },
    /// A struct of which only some parts are shown, or only in some states.
    Shell(Shell),
    /// A cell that is set once: `Name(content)` of its option.
    Once {
        name: String,
        offset: u64,
        ty: TypeId,
    },
    Range(Range),
    /// Worked out from a few numbers.
    Told(Told),
    /// Said by the type alone.
    Plain(String),
    /// Shown as its only field.
    Transparent {
        offset: u64,
        ty: TypeId,
    },
    Fields {
        fields: &'t [Field],
        style: StructStyle,
    },
    Enum {
        layout: &'t Enum,
        style: EnumStyle,
    },
    Enumeration {
        signed: bool,
        enumerators: &'t [(String, i128)],
        style: EnumStyle,
    },
    Array {
        element: TypeId,
        count: u64,
    },
    /// Only its bytes are known.
    Raw,
}

/// How the variant of an enum is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnumStyle {
    /// `Name(content)`
    Tagged,
    /// The content alone.
    Content,
    /// `Name [items]`, `Name {entries}`: serde_json's values.
    Beside,
    /// `NAME`: the methods of HTTP.
    Capitals,
    /// `HTTP/1.1`: the versions of HTTP, named `Http11`.
    HttpVersion,
}

impl EnumStyle {
    fn of(name: &str) -> Self {
        match name::base(name) {
            "alloc::borrow::Cow" | "serde_json::number::N" => Self::Content,
            "core::net::ip_addr::IpAddr" | "core::net::socket_addr::SocketAddr" => Self::Content,
            "serde_json::value::Value" => Self::Beside,
            "http::method::Inner" => Self::Capitals,
            "http::version::Http" => Self::HttpVersion,
            _ => Self::Tagged,
        }
    }
}

/// A pointer word and a length word, by their offsets in the value. The content starts `data_offset` bytes
/// after where the pointer leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub pointer_offset: u64,
    pub length_offset: u64,
    pub data_offset: u64,
    /// Bytes of the length that are not content: the NUL of a `CStr`.
    pub terminator_bytes: u64,
    pub extent: Extent,
}

/// What the second word of a stretch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// How many items there are.
    Count,
    /// Where they end.
    End { item_bytes: u64 },
}

/// Where bits start and end: a word's address and the number of a bit in it, by their offsets in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) start: (u64, u64),
    pub(crate) end: (u64, u64),
}

/// Items one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Items {
    /// From one item to the next, in bytes.
    pub(crate) stride: u64,
    pub(crate) shown: Shown,
}

impl Shown {
    pub(crate) fn parts(self) -> impl Iterator<Item = Part> + Clone + use<> {
        let (first, second) = match self {
            Self::List(part) | Self::Set(part) => (part, None),
            Self::Map { key, value } => (key, Some(value)),
        };
        std::iter::once(first).chain(second)
    }
}

/// What is shown of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// `[a, b]`
    List(Part),
    /// `{a, b}`
    Set(Part),
    /// `{a: b}`
    Map { key: Part, value: Part },
}

/// A value inside an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub(crate) offset: u64,
    pub(crate) ty: TypeId,
}

impl Items {
    /// Elements that are shown whole.
    fn list(types: &Types, ty: TypeId) -> Self {
        Self { stride: types.get(ty).size_bytes, shown: Shown::List(Part { offset: 0, ty }) }
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> + Clone + use<> {
        self.shown.parts()
    }
}

impl Stretch {
    /// How many items there are, by the two words; `None` if they end before they start.
    pub(crate) fn length(self, pointer: u64, second: u64) -> Option<u64> {
        match self.extent {
            Extent::Count => Some(second.saturating_sub(self.terminator_bytes)),
            Extent::End { item_bytes } => second.checked_sub(pointer)?.checked_div(item_bytes),
        }
    }

    pub(crate) fn new(pointer_offset: u64, length_offset: u64) -> Self {
        Self { pointer_offset, length_offset, data_offset: 0, terminator_bytes: 0, extent: Extent::Count }
    }

    /// Inside an enclosing type.
    fn at(self, bytes: u64) -> Self {
        let (pointer_offset, length_offset) = (self.pointer_offset + bytes, self.length_offset + bytes);
        Self { pointer_offset, length_offset, ..self }
    }
}

/// Where a process can have text: above the page that is never mapped, below the kernel's half (Linux, x86-64).
pub(crate) const USER_ADDRESSES: std::ops::RangeInclusive<u64> = 0x1000..=0x7fff_ffff_efff;

pub(crate) fn view(types: &Types, id: TypeId) -> View<'_> {
    let ty = types.get(id);
    if let Some(known) = known(types, ty) {
        return known;
    }
    match &ty.shape {
        Shape::Integer { signed } | Shape::CChar { signed } => View::Integer { signed: *signed },
        Shape::Float => View::Float,
        Shape::Complex => View::Complex,
        Shape::VirtualBase { target, slot } => View::VirtualBase { target: *target, slot: *slot },
        Shape::MemberPointer { class, is_function } => View::MemberPointer { class: *class, is_function: *is_function },
        Shape::Unbounded => View::Plain("[…]".to_owned()),
        Shape::Bool => View::Bool,
        Shape::Char => View::Char,
        Shape::Pointer { target, kind } => pointer::view(types, *target, *kind),
        Shape::Slice { element, pointer_offset, length_offset, data_offset, is_str } => {
            let stretch = Stretch { data_offset: *data_offset, ..Stretch::new(*pointer_offset, *length_offset) };
            pointer::slice(types, ty, *element, stretch, *is_str)
        }
        Shape::Struct { fields, style: StructStyle::Tuple, .. } if fields.is_empty() => View::Unit,
        Shape::Struct { fields, style, .. } => View::Fields { fields, style: *style },
        Shape::Enum(layout) => View::Enum { layout, style: EnumStyle::of(&ty.name) },
        Shape::Enumeration { signed, enumerators } => {
            View::Enumeration { signed: *signed, enumerators, style: EnumStyle::of(&ty.name) }
        }
        Shape::Array { element, count } => match types.get(*element).shape {
            Shape::CChar { .. } => View::CharArray { count: *count },
            _ => View::Array { element: *element, count: *count },
        },
        Shape::Opaque if ty.name == "decltype(nullptr)" => View::Plain("nullptr".to_owned()),
        Shape::Opaque if ty.name == "()" && ty.size_bytes == 0 => View::Unit,
        // `{:?}` does not look into it either: nobody knows whether it is a value.
        Shape::Union { .. } if name::base(&ty.name) == "core::mem::maybe_uninit::MaybeUninit" => {
            View::Plain(ty.name.trim_start_matches("core::mem::maybe_uninit::").to_owned())
        }
        Shape::Union { fields } if types.is_open(id) => View::Fields { fields, style: StructStyle::Named },
        Shape::Union { .. } | Shape::Function | Shape::Opaque => View::Raw,
    }
}

/// The library types, by name and by structure: a type of that name that is built otherwise is shown as it is built.
fn known<'t>(types: &'t Types, ty: &'t Type) -> Option<View<'t>> {
    let Shape::Struct { fields, parameters, .. } = &ty.shape else { return None };
    let collection = collection::known(types, ty, fields).or_else(|| hash::known(types, ty, fields));
    let collection = collection.or_else(|| linked::known(types, ty, fields));
    let collection = collection.or_else(|| inline::known(types, ty, fields));
    let collection = collection.or_else(|| shell::known(types, ty, fields));
    let collection = collection.or_else(|| told::known(types, ty, fields));
    collection.or_else(|| library(types, ty, fields, parameters))
}

fn library<'t>(
    types: &'t Types,
    ty: &'t Type,
    fields: &'t [Field],
    parameters: &'t [(String, TypeId)],
) -> Option<View<'t>> {
    match name::base(&ty.name) {
        _ if pointer::is_trait_object(fields) => Some(pointer::dynamic(types, ty, fields, 0)),
        "uuid::Uuid" => wrapper::uuid(types, ty, fields),
        "alloc::string::String" => Some(View::Text(collection::vec_stretch(types, fields)?)),
        "std::ffi::os_str::OsString" | "std::path::PathBuf" => {
            Some(View::Text(collection::vec_stretch(types, fields)?))
        }
        "alloc::ffi::c_str::CString" => text::c_string_owned(types, fields),
        "bytes::bytes::Bytes" | "bytes::bytes_mut::BytesMut" => text::bytes(types, fields),
        "alloc::boxed::Box" => pointer::boxed(types, fields),
        "alloc::rc::Rc" | "alloc::sync::Arc" => pointer::shared(types, fields, parameters),
        "core::num::nonzero::NonZero" | "core::num::wrapping::Wrapping" | "core::num::saturating::Saturating" => {
            wrapper::only_scalar(types, fields)
        }
        "core::ptr::non_null::NonNull" | "core::ptr::unique::Unique" => wrapper::only_scalar(types, fields),
        path if path.starts_with("core::num::niche_types::") => wrapper::only_scalar(types, fields),
        "core::sync::atomic::AtomicBool" if ty.size_bytes == 1 => Some(View::Bool),
        "core::sync::atomic::Atomic" if ty.name.ends_with("<bool>") && ty.size_bytes == 1 => Some(View::Bool),
        path if path.starts_with("core::sync::atomic::Atomic") => wrapper::only_scalar(types, fields),
        "core::cell::UnsafeCell" => wrapper::transparent(fields),
        // A lock whose state is not understood: the content.
        "lock_api::mutex::Mutex" | "lock_api::rwlock::RwLock" => wrapper::only(fields, "data"),
        "std::sync::poison::mutex::Mutex" | "std::sync::mutex::Mutex" => wrapper::only(fields, "data"),
        "std::sync::poison::rwlock::RwLock" | "std::sync::rwlock::RwLock" => wrapper::only(fields, "data"),
        "core::pin::Pin" | "serde_json::map::Map" | "http::method::Method" | "http::version::Version" => {
            wrapper::transparent(fields)
        }
        "time::duration::Duration" | "time::signed_duration::SignedDuration" => {
            wrapper::parts(ty, fields, &["seconds", "nanoseconds"])
        }
        path if path.starts_with("deranged::Ranged") => wrapper::transparent(fields),
        "deranged::unsafe_wrapper::Unsafe" => wrapper::transparent(fields),
        "http::status::StatusCode" => wrapper::only_scalar(types, fields),
        "http::header::value::HeaderValue" => text::header(types, fields),
        "serde_json::number::Number" => wrapper::transparent(fields),
        "std::time::Instant" | "std::time::SystemTime" => wrapper::moment(types, ty, fields),
        _ => cpp::known(types, ty, fields),
    }
}
