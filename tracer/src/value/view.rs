//! How a type is looked at: which of its words are a pointer, a length, a tag. The one place that knows the
//! library types by name; the capture plan and the decoder both follow it, so that they agree.

use super::layout::{Enum, Field, PointerKind, Shape, StructStyle, Type, TypeId, Types};
use super::name::{self, TextKind};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View<'t> {
    Unit,
    Integer {
        signed: bool,
    },
    Float,
    Bool,
    Char,
    /// 16 bytes that are a uuid.
    Uuid,
    /// Text somewhere else, by pointer and length.
    Text(Stretch),
    /// Elements somewhere else, by pointer and length.
    Sequence {
        stretch: Stretch,
        element: TypeId,
    },
    /// Shown as what its pointer leads to.
    Pointee {
        pointer_offset: u64,
        /// From where the pointer leads to the target, in bytes.
        target_offset: u64,
        target: TypeId,
    },
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
    /// Shown as its only field.
    Transparent {
        offset: u64,
        ty: TypeId,
    },
    Fields {
        fields: &'t [Field],
        style: StructStyle,
    },
    /// An enum; with `is_transparent` shown as the content of its variant.
    Enum {
        layout: &'t Enum,
        is_transparent: bool,
    },
    Enumeration {
        signed: bool,
        enumerators: &'t [(String, i128)],
    },
    Array {
        element: TypeId,
        count: u64,
    },
    /// Only its bytes are known.
    Raw,
}

/// A pointer word and a length word, by their offsets in the value. The content starts `data_offset` bytes
/// after where the pointer leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) pointer_offset: u64,
    pub(crate) length_offset: u64,
    pub(crate) data_offset: u64,
    /// Bytes of the length that are not content: the NUL of a `CStr`.
    pub(crate) terminator_bytes: u64,
}

impl Stretch {
    fn new(pointer_offset: u64, length_offset: u64) -> Self {
        Self { pointer_offset, length_offset, data_offset: 0, terminator_bytes: 0 }
    }
}

/// Where a process can have text: above the page that is never mapped, below the kernel's half (Linux, x86-64).
pub(crate) const USER_ADDRESSES: std::ops::RangeInclusive<u64> = 0x1000..=0x7fff_ffff_efff;

/// Strong and weak count, in front of the value that `Rc` and `Arc` share.
const REFERENCE_COUNTS_BYTES: u64 = 16;

pub(crate) fn view(types: &Types, id: TypeId) -> View<'_> {
    let ty = types.get(id);
    if let Some(known) = known(types, ty) {
        return known;
    }
    match &ty.shape {
        Shape::Integer { signed } | Shape::CChar { signed } => View::Integer { signed: *signed },
        Shape::Float => View::Float,
        Shape::Bool => View::Bool,
        Shape::Char => View::Char,
        Shape::Pointer { target, kind } => pointer(types, *target, *kind),
        Shape::Slice { element, pointer_offset, length_offset, is_str } => {
            slice(ty, *element, Stretch::new(*pointer_offset, *length_offset), *is_str)
        }
        Shape::Struct { fields, style: StructStyle::Tuple, .. } if fields.is_empty() => View::Unit,
        Shape::Struct { fields, style, .. } => View::Fields { fields, style: *style },
        Shape::Enum(layout) => View::Enum { layout, is_transparent: name::base(&ty.name) == "alloc::borrow::Cow" },
        Shape::Enumeration { signed, enumerators } => View::Enumeration { signed: *signed, enumerators },
        Shape::Array { element, count } => match types.get(*element).shape {
            Shape::CChar { .. } => View::CharArray { count: *count },
            _ => View::Array { element: *element, count: *count },
        },
        Shape::Opaque if ty.name == "()" && ty.size_bytes == 0 => View::Unit,
        Shape::Union { .. } | Shape::Function | Shape::Opaque => View::Raw,
    }
}

fn pointer(types: &Types, target: Option<TypeId>, kind: PointerKind) -> View<'static> {
    let Some(target) = target else { return View::Address };
    match (&types.get(target).shape, kind) {
        (_, PointerKind::Untyped { signed }) => View::Word { signed },
        (Shape::CChar { .. }, PointerKind::Raw) => View::CString,
        (Shape::Function | Shape::Opaque, _) if types.get(target).name != "()" => View::Address,
        (_, PointerKind::Reference | PointerKind::Box) => View::Pointee { pointer_offset: 0, target_offset: 0, target },
        (_, PointerKind::Raw) => View::Address,
    }
}

/// `&str`, `&[T]`, and the other pointers that carry a length. A raw one is shown as its content too:
/// `Box<[T]>`, `Rc<str>` and `Arc<str>` hold theirs behind one.
fn slice(ty: &Type, element: TypeId, stretch: Stretch, is_str: bool) -> View<'static> {
    let behind = name::behind_pointer(&ty.name).unwrap_or(&ty.name);
    let (content, stretch) = match name::counted(behind) {
        Some(content) => (content, Stretch { data_offset: REFERENCE_COUNTS_BYTES, ..stretch }),
        None => (behind, stretch),
    };
    match name::text(content) {
        Some(TextKind::CStr) => View::Text(Stretch { terminator_bytes: 1, ..stretch }),
        Some(_) => View::Text(stretch),
        None if is_str => View::Text(stretch),
        None => View::Sequence { stretch, element },
    }
}

/// The library types, by name and by structure: a type of that name that is built otherwise is shown as it is built.
fn known<'t>(types: &'t Types, ty: &'t Type) -> Option<View<'t>> {
    let Shape::Struct { fields, parameters, .. } = &ty.shape else { return None };
    match name::base(&ty.name) {
        _ if is_trait_object(fields) => Some(View::Raw),
        "uuid::Uuid" => uuid(types, ty, fields),
        "alloc::string::String" => Some(View::Text(vec_stretch(types, fields)?)),
        "std::ffi::os_str::OsString" | "std::path::PathBuf" => Some(View::Text(vec_stretch(types, fields)?)),
        "alloc::vec::Vec" => {
            let (_, element) = parameters.iter().find(|(name, _)| name == "T")?;
            Some(View::Sequence { stretch: vec_stretch(types, fields)?, element: *element })
        }
        "alloc::ffi::c_str::CString" => c_string_owned(types, fields),
        "bytes::bytes::Bytes" | "bytes::bytes_mut::BytesMut" => bytes(types, fields),
        "alloc::boxed::Box" => boxed(types, fields),
        "alloc::rc::Rc" | "alloc::sync::Arc" => shared(types, fields, parameters),
        "core::num::nonzero::NonZero" | "core::num::wrapping::Wrapping" => only_scalar(types, fields),
        "core::ptr::non_null::NonNull" | "core::ptr::unique::Unique" | "std::unique_ptr" => only_scalar(types, fields),
        path if path.starts_with("core::num::niche_types::") => only_scalar(types, fields),
        "core::sync::atomic::AtomicBool" if ty.size_bytes == 1 => Some(View::Bool),
        "core::sync::atomic::Atomic" if ty.name.ends_with("<bool>") && ty.size_bytes == 1 => Some(View::Bool),
        path if path.starts_with("core::sync::atomic::Atomic") => only_scalar(types, fields),
        "core::cell::UnsafeCell" | "core::mem::maybe_dangling::MaybeDangling" => match fields.as_slice() {
            [Field { offset, ty, bits: None, .. }] => Some(View::Transparent { offset: *offset, ty: *ty }),
            _ => None,
        },
        "core::cell::RefCell" => only(fields, "value"),
        "std::sync::poison::mutex::Mutex" | "std::sync::mutex::Mutex" | "lock_api::mutex::Mutex" => {
            only(fields, "data")
        }
        "std::sync::poison::rwlock::RwLock" | "std::sync::rwlock::RwLock" | "lock_api::rwlock::RwLock" => {
            only(fields, "data")
        }
        _ if field(fields, "_M_dataplus").is_some() => cpp_string(types, ty, fields),
        _ => None,
    }
}

fn uuid<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let Some(Shape::Array { element, count: 16 }) = fields.first().map(|field| &types.get(field.ty).shape) else {
        return None;
    };
    (ty.size_bytes == 16 && types.get(*element).size_bytes == 1).then_some(View::Uuid)
}

/// A `Vec` under any number of wrappers: the first pointer under `buf`, and `len` beside it.
fn vec_stretch(types: &Types, fields: &[Field]) -> Option<Stretch> {
    if let (Some(buffer), Some(length)) = (field(fields, "buf"), field(fields, "len")) {
        let (pointer_offset, _) = first(types, buffer, is_thin_pointer, 0)?;
        let (length_offset, _) = first(types, length, is_word, 0)?;
        return Some(Stretch::new(pointer_offset, length_offset));
    }
    fields.iter().find_map(|field| {
        let Shape::Struct { fields, .. } = &types.get(field.ty).shape else { return None };
        let inner = vec_stretch(types, fields)?;
        Some(Stretch::new(field.offset + inner.pointer_offset, field.offset + inner.length_offset))
    })
}

/// What `{:?}` shows of a lock or cell: the content, not the state of the lock.
fn only<'t>(fields: &'t [Field], name: &str) -> Option<View<'t>> {
    field(fields, name).map(|field| View::Fields { fields: std::slice::from_ref(field), style: StructStyle::Named })
}

/// A `CString` is a `Box<[u8]>` that ends with a NUL.
fn c_string_owned(types: &Types, fields: &[Field]) -> Option<View<'static>> {
    let (offset, pointer) = fields.iter().find_map(|field| first(types, field, is_any_pointer, 0))?;
    match types.get(pointer).shape {
        Shape::Slice { pointer_offset, length_offset, .. } => {
            let stretch = Stretch::new(offset + pointer_offset, offset + length_offset);
            Some(View::Text(Stretch { terminator_bytes: 1, ..stretch }))
        }
        _ => None,
    }
}

/// The bytes crate's buffers: `{:?}` prints them as text.
fn bytes(types: &Types, fields: &[Field]) -> Option<View<'static>> {
    let (pointer_offset, _) = first(types, field(fields, "ptr")?, is_thin_pointer, 0)?;
    let (length_offset, _) = first(types, field(fields, "len")?, is_word, 0)?;
    Some(View::Text(Stretch::new(pointer_offset, length_offset)))
}

/// A `Box` that DWARF gives as a struct.
fn boxed<'t>(types: &'t Types, fields: &'t [Field]) -> Option<View<'t>> {
    let (offset, pointer) = fields.iter().find_map(|field| first(types, field, is_any_pointer, 0))?;
    match &types.get(pointer).shape {
        Shape::Pointer { target: Some(target), .. } => {
            Some(View::Pointee { pointer_offset: offset, target_offset: 0, target: *target })
        }
        Shape::Slice { .. } => Some(View::Transparent { offset, ty: pointer }),
        _ => None,
    }
}

/// `Rc<T>` and `Arc<T>` point to two counters and the value; `T` is what is shown.
fn shared<'t>(types: &'t Types, fields: &'t [Field], parameters: &[(String, TypeId)]) -> Option<View<'t>> {
    let (offset, pointer) = fields.iter().find_map(|field| first(types, field, is_any_pointer, 0))?;
    match &types.get(pointer).shape {
        Shape::Pointer { target: Some(target), .. } => {
            let Shape::Struct { fields, .. } = &types.get(*target).shape else { return None };
            let value = field(fields, "value").or_else(|| field(fields, "data"))?;
            Some(View::Pointee { pointer_offset: offset, target_offset: value.offset, target: value.ty })
        }
        Shape::Slice { element, pointer_offset, length_offset, is_str } => {
            let stretch = Stretch {
                data_offset: REFERENCE_COUNTS_BYTES,
                ..Stretch::new(offset + pointer_offset, offset + length_offset)
            };
            let of_pointer = name::behind_pointer(&types.get(pointer).name).and_then(name::counted);
            let parameter = || parameters.iter().find(|(name, _)| name == "T").map(|(_, ty)| &*types.get(*ty).name);
            let content = of_pointer.or_else(parameter);
            match content.and_then(name::text) {
                Some(TextKind::CStr) => Some(View::Text(Stretch { terminator_bytes: 1, ..stretch })),
                Some(_) => Some(View::Text(stretch)),
                None if *is_str => Some(View::Text(stretch)),
                // Elements that are aligned to more than two words begin later.
                None if content?.starts_with('[') && types.get(*element).size_bytes <= 8 => {
                    Some(View::Sequence { stretch, element: *element })
                }
                None => Some(View::Raw),
            }
        }
        _ => None,
    }
}

/// A wrapper whose `{:?}` is that of the number in it.
fn only_scalar<'t>(types: &Types, fields: &[Field]) -> Option<View<'t>> {
    let is_scalar = |shape: &Shape| {
        matches!(shape, Shape::Integer { .. } | Shape::Bool | Shape::Float | Shape::Pointer { .. } | Shape::Char)
    };
    let (offset, ty) = fields.iter().find_map(|field| first(types, field, is_scalar, 0))?;
    Some(View::Transparent { offset, ty })
}

/// libstdc++: `_M_dataplus._M_p` and `_M_string_length`; short strings lie in the object, the pointer leads there.
fn cpp_string<'t>(types: &Types, ty: &Type, fields: &[Field]) -> Option<View<'t>> {
    let (pointer_offset, pointer) = first(types, field(fields, "_M_dataplus")?, is_thin_pointer, 0)?;
    let Shape::Pointer { target: Some(character), .. } = types.get(pointer).shape else { return None };
    let length = field(fields, "_M_string_length")?;
    let is_narrow = types.get(character).size_bytes == 1;
    let is_inside = length.offset + 8 <= ty.size_bytes && pointer_offset + 8 <= ty.size_bytes;
    (is_narrow && is_inside).then(|| View::Text(Stretch::new(pointer_offset, length.offset)))
}

/// `&dyn Trait`, `Box<dyn Trait>`: a pointer and a table of functions.
fn is_trait_object(fields: &[Field]) -> bool {
    fields.len() == 2 && field(fields, "pointer").is_some() && field(fields, "vtable").is_some()
}

fn field<'f>(fields: &'f [Field], name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| field.name == name)
}

fn is_thin_pointer(shape: &Shape) -> bool {
    matches!(shape, Shape::Pointer { .. })
}

fn is_any_pointer(shape: &Shape) -> bool {
    matches!(shape, Shape::Pointer { .. } | Shape::Slice { .. })
}

fn is_word(shape: &Shape) -> bool {
    matches!(shape, Shape::Integer { .. })
}

/// Structs within structs that a library type's word is looked for in: `Vec` takes six today.
const WRAPPERS_MAX: u32 = 10;

/// The first part, depth first, that `wanted` accepts: its offset from the start of the enclosing type, and its type.
fn first(types: &Types, field: &Field, wanted: impl Fn(&Shape) -> bool + Copy, depth: u32) -> Option<(u64, TypeId)> {
    let shape = &types.get(field.ty).shape;
    if wanted(shape) {
        return Some((field.offset, field.ty));
    }
    let Shape::Struct { fields, .. } = shape else { return None };
    if depth >= WRAPPERS_MAX {
        return None;
    }
    let (offset, ty) = fields.iter().find_map(|inner| first(types, inner, wanted, depth + 1))?;
    Some((field.offset.checked_add(offset)?, ty))
}
