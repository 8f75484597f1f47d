//! An arbitrary graph of types, an arbitrary place and arbitrary memory: decoded, shown, and compiled to a capture plan.
//!
//! Input: the number of types, then the types one after the other, the limits, the place, and the memory's bytes.

use tracer::plan::capture::{Wanted, compile};
use tracer::value::image::Memory;
use tracer::value::json::to_json;
use tracer::value::layout::{Enum, Field, PointerKind, Shape, StructStyle, Tag, Type, TypeId, Types, Variant};
use tracer::value::place::{Location, MemoryPlace, Missing, Piece, Place, Register};
use tracer::value::text::Style;
use tracer::value::{Limits, Omitted, Payload, Value, decode};
use tracer_ebpf::abi::plan::OPS_MAX;

use super::choices::Choices;

/// Where the memory begins.
const START: u64 = 0x7f00_0000_0000;
/// More text than a value within all limits has, escapes, names and `{:#?}`'s white space included.
const SHOWN_BYTES_MAX: usize = 64 << 20;

/// Types that are shown in a way of their own, or have such fields.
const TYPE_NAMES: [&str; 44] = [
    "a::B",
    "u8",
    "&str",
    "alloc::string::String",
    "alloc::vec::Vec<u8, alloc::alloc::Global>",
    "alloc::collections::vec_deque::VecDeque<u8>",
    "alloc::collections::binary_heap::BinaryHeap<u8>",
    "alloc::collections::linked_list::LinkedList<u8>",
    "alloc::collections::btree::map::BTreeMap<u8, u8>",
    "alloc::collections::btree::set::BTreeSet<u8>",
    "std::collections::hash::map::HashMap<u8, u8>",
    "hashbrown::map::HashMap<u8, u8>",
    "hashbrown::raw::RawTable<(u8, u8)>",
    "indexmap::map::IndexMap<u8, u8>",
    "smallvec::SmallVec<[u8; 4]>",
    "arrayvec::arrayvec::ArrayVec<u8, 4>",
    "alloc::boxed::Box<dyn a::Trait, alloc::alloc::Global>",
    "alloc::rc::Rc<u8>",
    "alloc::sync::Arc<u8>",
    "alloc::sync::Weak<u8>",
    "alloc::sync::ArcInner<u8>",
    "core::cell::RefCell<u8>",
    "core::cell::Cell<u8>",
    "core::cell::UnsafeCell<u8>",
    "core::cell::once::OnceCell<u8>",
    "std::sync::poison::mutex::Mutex<u8>",
    "std::sync::poison::rwlock::RwLock<u8>",
    "std::sync::once_lock::OnceLock<u8>",
    "core::option::Option<u8>",
    "core::pin::Pin<&mut u8>",
    "core::ptr::non_null::NonNull<u8>",
    "core::mem::maybe_uninit::MaybeUninit<u8>",
    "core::num::nonzero::NonZero<u8>",
    "core::ops::range::Range<u8>",
    "core::time::Duration",
    "std::time::SystemTime",
    "core::net::ip_addr::IpAddr",
    "core::net::socket_addr::SocketAddrV6",
    "uuid::Uuid",
    "bytes::bytes::Bytes",
    "chrono::naive::date::NaiveDate",
    "time::time::Time",
    "core::ffi::c_str::CStr",
    "std::path::PathBuf",
];

const FIELD_NAMES: [&str; 40] = [
    "__0",
    "__1",
    "buf",
    "inner",
    "len",
    "ptr",
    "cap",
    "head",
    "pointer",
    "data",
    "data_ptr",
    "length",
    "value",
    "map",
    "base",
    "table",
    "ctrl",
    "bucket_mask",
    "items",
    "root",
    "height",
    "node",
    "keys",
    "vals",
    "edges",
    "next",
    "element",
    "start",
    "end",
    "secs",
    "nanos",
    "vtable",
    "raw",
    "xs",
    "strong",
    "weak",
    "borrow",
    "once",
    "poison",
    "capacity",
];

struct Target<'i> {
    registers: [u64; 34],
    bytes: &'i [u8],
}

impl Memory for Target<'_> {
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let bytes = if size_bytes == 0 { Vec::new() } else { self.read_prefix(address, size_bytes)? };
        if bytes.len() as u64 == size_bytes { Ok(bytes) } else { Err(Missing::NotResident) }
    }

    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let from = usize::try_from(address.wrapping_sub(START)).unwrap_or(usize::MAX).min(self.bytes.len());
        let rest = &self.bytes[from..];
        let found = &rest[..usize::try_from(size_bytes).unwrap_or(usize::MAX).min(rest.len())];
        if found.is_empty() { Err(Missing::NotResident) } else { Ok(found.to_vec()) }
    }

    fn register(&self, register: Register) -> Result<u64, Missing> {
        self.registers.get(usize::from(register.0)).copied().ok_or(Missing::VectorRegister)
    }
}

pub fn run(input: &[u8]) {
    let mut choices = Choices(input);
    let count = 1 + choices.below(24);
    let mut types = Types::default();
    for _ in 0..count {
        let ty = any_type(&mut choices, count);
        types.add(ty);
    }
    let limits = Limits {
        string_bytes_max: u64::from(choices.byte()),
        items_max: u64::from(choices.byte()),
        pointers_max: u32::from(choices.below(17)),
        value_bytes_max: 8 + u64::from(choices.byte()) * 16,
    };
    let root = TypeId(u32::from(choices.below(count)));
    let location = any_location(&mut choices, types.get(root).size_bytes);
    let mut registers = [0; 34];
    for register in &mut registers {
        *register = START + u64::from(choices.byte()) * 8;
    }
    let memory: Vec<u8> = choices.0.chunks(8).flat_map(|chunk| word(chunk).to_le_bytes()).collect();
    let target = Target { registers, bytes: &memory };
    let value = decode(&types, root, &location, &target, &limits);
    check(&value, &limits);
    for style in [Style::default(), Style { pretty: true, full_types: true }] {
        assert!(value.text(style).len() <= SHOWN_BYTES_MAX);
    }
    assert!(to_json(&value).to_string().len() <= SHOWN_BYTES_MAX);
    let capture = compile(&types, &[Wanted::whole(root, &location)], &limits);
    assert!(capture.plan.ops.len() <= OPS_MAX);
}

/// Words that are mostly small numbers and pointers into the memory, so that values make sense now and then.
fn word(chunk: &[u8]) -> u64 {
    let mut choices = Choices(chunk);
    match choices.below(4) {
        0 => u64::from(choices.byte() & 7),
        1 | 2 => START + u64::from(choices.byte()) * 8,
        _ => choices.word(),
    }
}

/// No text and no sequence is longer than the limits allow, at any level.
fn check(value: &Value, limits: &Limits) {
    let all = |values: &[Value]| values.iter().for_each(|value| check(value, limits));
    let named = |fields: &[(String, Value)]| fields.iter().for_each(|(_, value)| check(value, limits));
    match value {
        Value::Text { text, .. } => assert!(text.len() as u64 <= limits.string_bytes_max.max(1024), "{value}"),
        Value::Bytes { bytes, .. } | Value::Raw { bytes, .. } => {
            assert!(bytes.len() as u64 <= limits.string_bytes_max.max(1024), "{value}");
        }
        Value::Sequence { items, omitted } | Value::Set { items, omitted } => {
            assert!(items.len() as u64 <= limits.items_max, "{} items of {}", items.len(), limits.items_max);
            assert!(*omitted != Omitted::Count(0));
            all(items);
        }
        Value::Map { entries, omitted } => {
            assert!(entries.len() as u64 <= limits.items_max, "{} entries of {}", entries.len(), limits.items_max);
            assert!(*omitted != Omitted::Count(0));
            entries.iter().for_each(|(key, value)| {
                check(key, limits);
                check(value, limits);
            });
        }
        Value::Tuple(items) | Value::TupleStruct { fields: items, .. } => all(items),
        Value::Struct { fields, .. } | Value::Open { fields, .. } => named(fields),
        Value::Variant { payload: Payload::Tuple(items), .. } => all(items),
        Value::Variant { payload: Payload::Struct(fields), .. } => named(fields),
        Value::Variant { payload: Payload::Beside(value), .. } => check(value, limits),
        _ => {}
    }
}

fn any_type(choices: &mut Choices<'_>, count: u8) -> Type {
    let name = TYPE_NAMES[usize::from(choices.below(TYPE_NAMES.len() as u8))].to_owned();
    let id = |choices: &mut Choices<'_>| TypeId(u32::from(choices.below(count)));
    let (shape, size_bytes) = match choices.below(18) {
        0..=2 => (Shape::Integer { signed: choices.byte() & 1 == 1 }, 1 << choices.below(5)),
        3 => (Shape::Float, u64::from(4 + choices.below(9))),
        4 => (Shape::Bool, 1),
        5 => (Shape::Char, 4),
        6 => (Shape::CChar { signed: true }, 1),
        7 | 8 => {
            let target = (choices.byte() & 7 != 0).then(|| id(choices));
            let kind = match choices.below(4) {
                0 => PointerKind::Reference,
                1 => PointerKind::Box,
                2 => PointerKind::Raw,
                _ => PointerKind::Untyped { signed: false },
            };
            (Shape::Pointer { target, kind }, 8)
        }
        9 => {
            let shape = Shape::Slice {
                element: id(choices),
                pointer_offset: u64::from(choices.below(9)),
                length_offset: u64::from(choices.below(17)),
                data_offset: choices.number(),
                is_str: choices.byte() & 1 == 1,
            };
            (shape, 16)
        }
        10..=12 => {
            let fields = any_fields(choices, count);
            let parameters = vec![("T".to_owned(), id(choices)), ("K".to_owned(), id(choices))];
            (Shape::Struct { fields, parameters, style: style(choices) }, choices.number())
        }
        13 => (Shape::Union { fields: any_fields(choices, count) }, choices.number()),
        14 => (Shape::Enum(any_enum(choices, count)), choices.number()),
        15 => {
            let enumerators =
                vec![("A".to_owned(), i128::from(choices.byte())), ("B".to_owned(), 1 << choices.below(99))];
            (Shape::Enumeration { signed: choices.byte() & 1 == 1, enumerators }, u64::from(choices.below(17)))
        }
        16 => (Shape::Array { element: id(choices), count: choices.number() }, choices.number()),
        _ => (if choices.byte() & 1 == 0 { Shape::Opaque } else { Shape::Function }, choices.number()),
    };
    Type { name, size_bytes, shape }
}

fn style(choices: &mut Choices<'_>) -> StructStyle {
    match choices.below(3) {
        0 => StructStyle::Named,
        1 => StructStyle::TupleStruct,
        _ => StructStyle::Tuple,
    }
}

fn any_fields(choices: &mut Choices<'_>, count: u8) -> Vec<Field> {
    let field = |choices: &mut Choices<'_>| Field {
        name: FIELD_NAMES[usize::from(choices.below(FIELD_NAMES.len() as u8))].to_owned(),
        offset: if choices.byte() & 7 == 0 { choices.number() } else { u64::from(choices.below(9)) * 8 },
        ty: TypeId(u32::from(choices.below(count))),
        bits: (choices.byte() & 15 == 0).then(|| (u32::from(choices.byte()), u32::from(choices.byte()))),
    };
    (0..choices.below(6)).map(|_| field(choices)).collect()
}

fn any_enum(choices: &mut Choices<'_>, count: u8) -> Enum {
    let tag =
        Tag { offset: choices.number(), size_bytes: u64::from(choices.below(17)), signed: choices.byte() & 1 == 1 };
    let tag = (choices.byte() & 7 != 0).then_some(tag);
    let variant = |choices: &mut Choices<'_>| Variant {
        name: ["None", "Some", "Unresumed", "Suspend0"][usize::from(choices.below(4))].to_owned(),
        discriminants: (0..choices.below(3))
            .map(|_| (u128::from(choices.number()), u128::from(choices.number())))
            .collect(),
        fields: any_fields(choices, count),
        style: style(choices),
        source: None,
    };
    Enum { tag, variants: (0..choices.below(4)).map(|_| variant(choices)).collect() }
}

fn any_location(choices: &mut Choices<'_>, size_bytes: u64) -> Location {
    let place = |choices: &mut Choices<'_>| match choices.below(5) {
        0 => Place::Register(Register(choices.byte())),
        1 => Place::Constant(choices.number()),
        2 => Place::Missing(Missing::OptimizedOut),
        3 => Place::Memory(MemoryPlace { indirect: Some(8), ..MemoryPlace::at(Register(choices.below(16)), 0) }),
        _ => Place::Memory(MemoryPlace::at(Register(choices.below(16)), i64::from(choices.byte()))),
    };
    if choices.byte() & 3 != 0 {
        return Location::whole(size_bytes, Place::Memory(MemoryPlace::at(Register(choices.below(16)), 0)));
    }
    let piece = |choices: &mut Choices<'_>| Piece { size_bytes: choices.number(), place: place(choices) };
    Location { pieces: (0..choices.below(5)).map(|_| piece(choices)).collect() }
}
