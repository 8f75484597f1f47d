//! DWARF types → [`Types`]: lazily, each once, bounded in pointers, nesting and number.
//! What an aggregate is made of is read by its own module.

use std::collections::{HashMap, VecDeque};

use gimli::constants as dw;

use super::type_name::{counts, target, type_name};
use super::unit::{Attribute, Die, Position, View};
use super::{DieId, Language, aggregate, passing};
use crate::value::layout::{PointerKind, Shape, StructStyle, Type, TypeId, Types};

/// Types nested by value deeper than this become opaque: a bound on the stack, far above real programs.
const NESTING_MAX: usize = 128;
/// How the names of types that have none begin.
const ANONYMOUS: &str = "(anonymous ";

/// Types of one request; beyond it they become opaque. A function with the largest types seen needs some thousands.
const TYPES_MAX: usize = 200_000;

/// Types loaded so far, with the memory of which entry became which type: pass the same one to load types once.
#[derive(Clone, Debug)]
pub struct LoadedTypes {
    pub types: Types,
    /// How many pointers deep targets are loaded; deeper ones are `None`.
    pub pointer_depth_max: u8,
    by_entry: HashMap<DieId, Entry>,
    entries: HashMap<TypeId, DieId>,
    unloaded: Option<TypeId>,
}

/// What became of one entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: TypeId,
    /// The fewest pointers that lead to it from a type that was asked for.
    distance: u8,
    /// Whether it was read, at that distance; otherwise it waits to be.
    is_read: bool,
}

impl Default for LoadedTypes {
    fn default() -> Self {
        Self {
            types: Types::default(),
            pointer_depth_max: 4,
            by_entry: HashMap::new(),
            entries: HashMap::new(),
            unloaded: None,
        }
    }
}

impl LoadedTypes {
    /// Follows at most that many pointers.
    pub fn with_pointer_depth(pointer_depth_max: u8) -> Self {
        Self { pointer_depth_max, ..Self::default() }
    }

    /// The entry that a type was loaded from.
    pub fn entry_of(&self, id: TypeId) -> Option<DieId> {
        self.entries.get(&id).copied()
    }
}

impl LoadedTypes {
    /// The types that at most so many pointers lead to.
    pub fn within(&self, distance_max: u8) -> impl Iterator<Item = &Type> {
        let near = self.by_entry.values().filter(move |entry| entry.distance <= distance_max);
        near.map(|entry| self.types.get(entry.id))
    }
}

/// Loads types for one piece of work.
pub(super) struct TypeLoader<'v, 'a> {
    pub(super) view: &'v View<'a>,
    loaded: &'v mut LoadedTypes,
    /// Pointers between the type that was asked for and the one that is being read.
    distance: u8,
    nesting: usize,
    /// Types behind pointers, nearest first: read when what points to them is complete.
    waiting: VecDeque<(Position, u8)>,
}

impl<'v, 'a> TypeLoader<'v, 'a> {
    pub(super) fn new(view: &'v View<'a>, loaded: &'v mut LoadedTypes) -> Self {
        Self { view, loaded, distance: 0, nesting: 0, waiting: VecDeque::new() }
    }

    pub(super) fn size_bytes(&self, ty: TypeId) -> u64 {
        self.loaded.types.get(ty).size_bytes
    }

    pub(super) fn get(&self, ty: TypeId) -> &Type {
        self.loaded.types.get(ty)
    }

    /// A virtual base class, see [`Shape::VirtualBase`].
    pub(super) fn virtual_base(&mut self, target: TypeId, slot: u64) -> TypeId {
        let name = self.get(target).name.clone();
        self.loaded.types.add(Type { name, size_bytes: 8, shape: Shape::VirtualBase { target, slot } })
    }

    /// A type that DWARF does not name.
    pub(super) fn unknown(&mut self) -> TypeId {
        self.loaded.types.add(opaque("?".into(), 0))
    }

    /// Stands for a type that is one pointer too deep to be loaded, and so to be read.
    pub(super) fn unloaded(&mut self) -> TypeId {
        let types = &mut self.loaded.types;
        *self.loaded.unloaded.get_or_insert_with(|| types.add(opaque("…".into(), 1)))
    }

    /// The type of that entry. Complete, with all that is behind its pointers, when the outermost call returns.
    pub(super) fn load(&mut self, at: Position) -> TypeId {
        let id = self.load_inside(at);
        if self.loaded.types.rustc_minor.is_none() && is_rust(self, at.unit) {
            self.loaded.types.rustc_minor = Some(self.view.producer(at.unit).map_or(0, |name| rustc_minor(&name)));
        }
        if self.nesting == 0 {
            self.nesting = 1;
            while let Some((at, distance)) = self.waiting.pop_front() {
                self.distance = distance;
                self.load_inside(at);
            }
            (self.nesting, self.distance) = (0, 0);
        }
        id
    }

    /// A type is read anew if fewer pointers lead to it than before: more of it may be shown.
    fn load_inside(&mut self, at: Position) -> TypeId {
        let mut entry = self.known_or_new(at, self.distance);
        if entry.is_read || self.nesting >= NESTING_MAX || self.loaded.types.len() >= TYPES_MAX {
            return entry.id;
        }
        // Known before it is complete, so that a cycle ends here.
        entry.is_read = true;
        self.loaded.by_entry.insert(self.view.id(at), entry);
        let distance = std::mem::replace(&mut self.distance, entry.distance);
        self.nesting += 1;
        if let Some(die) = self.view.entry(at) {
            let name = self.get(entry.id).name.clone();
            let ty = self.read(at, &die, name);
            let is_of_c =
                matches!(ty.shape, Shape::Enumeration { .. } | Shape::Union { .. }) && !is_rust(self, at.unit);
            if is_of_c {
                self.loaded.types.set_open(entry.id);
            }
            self.loaded.types.set(entry.id, ty);
        }
        self.nesting -= 1;
        self.distance = distance;
        entry.id
    }

    /// What is known of the entry; not read if it was read too far away.
    fn known_or_new(&mut self, at: Position, distance: u8) -> Entry {
        let key = self.view.id(at);
        let entry = match self.loaded.by_entry.get(&key) {
            Some(entry) if entry.distance <= distance => return *entry,
            Some(entry) => Entry { distance, is_read: false, ..*entry },
            None => {
                let name = type_name(self.view, at);
                let id = self.loaded.types.add(opaque(name, 0));
                self.loaded.entries.insert(id, key);
                Entry { id, distance, is_read: false }
            }
        };
        self.loaded.by_entry.insert(key, entry);
        entry
    }

    /// The type of a parameter or result, of which it matters how it is handed over.
    pub(super) fn load_by_value(&mut self, at: Position) -> TypeId {
        let id = self.load(at);
        if self.view.language(at.unit) == Language::Cpp
            && self.loaded.types.passing(id).is_none()
            && let Some(passing) = passing::of(self.view, at)
        {
            self.loaded.types.set_passing(id, passing);
        }
        id
    }

    /// The type behind a pointer; `None` if that is one pointer too deep.
    pub(super) fn load_behind(&mut self, at: Position) -> Option<TypeId> {
        let distance = self.distance + 1;
        if distance > self.loaded.pointer_depth_max {
            return self.loaded.by_entry.get(&self.view.id(at)).map(|entry| entry.id);
        }
        let entry = self.known_or_new(at, distance);
        if !entry.is_read {
            self.waiting.push_back((at, distance));
        }
        Some(entry.id)
    }

    /// The type of a field or element: the target of `DW_AT_type`.
    pub(super) fn load_target(&mut self, at: Position, die: &Die<'a>) -> TypeId {
        match target(self.view, at, die) {
            Some(target) => self.load(target),
            None => self.unknown(),
        }
    }

    fn read(&mut self, at: Position, die: &Die<'a>, name: String) -> Type {
        let size_bytes = unsigned(die, dw::DW_AT_byte_size).unwrap_or(0);
        match die.tag() {
            dw::DW_TAG_base_type => Type { shape: base(&name, die, size_bytes), name, size_bytes },
            dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
                self.pointer(at, die, name)
            }
            dw::DW_TAG_ptr_to_member_type => self.member_pointer(at, die, name),
            dw::DW_TAG_typedef
            | dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
            | dw::DW_TAG_packed_type
            | dw::DW_TAG_subrange_type => self.look_through(at, die, name),
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type => {
                match self.view.definition(at, die) {
                    Some(definition) => self.look_at(definition, name),
                    None => aggregate::read(self, at, die, name, size_bytes),
                }
            }
            dw::DW_TAG_enumeration_type => self.enumeration(at, die, name, size_bytes),
            dw::DW_TAG_array_type => self.array(at, die, name),
            dw::DW_TAG_subroutine_type => Type { name, size_bytes: 0, shape: Shape::Function },
            // C++'s `decltype(nullptr)`.
            dw::DW_TAG_unspecified_type => opaque(name, size_bytes),
            _ => opaque(name, size_bytes),
        }
    }

    /// The type of another entry under this name.
    fn look_at(&mut self, at: Position, name: String) -> Type {
        let id = self.load(at);
        Type { name, ..self.get(id).clone() }
    }

    fn look_through(&mut self, at: Position, die: &Die<'a>, name: String) -> Type {
        match target(self.view, at, die) {
            Some(target) => {
                let id = self.load(target);
                let ty = self.get(id).clone();
                // What a type is built like is known by its own name, if it has one.
                let is_named =
                    matches!(ty.shape, Shape::Struct { .. } | Shape::Union { .. } | Shape::Enumeration { .. })
                        && !ty.name.contains(ANONYMOUS);
                if is_named { ty } else { Type { name, ..ty } }
            }
            None => opaque(name, 0),
        }
    }

    fn pointer(&mut self, at: Position, die: &Die<'a>, name: String) -> Type {
        let size_bytes = unsigned(die, dw::DW_AT_byte_size).unwrap_or(8);
        let kind = match die.tag() {
            dw::DW_TAG_pointer_type if name.starts_with('&') => PointerKind::Reference,
            dw::DW_TAG_pointer_type if name.starts_with("alloc::boxed::Box<") => PointerKind::Box,
            dw::DW_TAG_pointer_type if is_rust(self, at.unit) => PointerKind::Raw,
            dw::DW_TAG_pointer_type => PointerKind::C,
            _ => PointerKind::Reference,
        };
        let target = target(self.view, at, die).and_then(|target| self.load_behind(target));
        Type { name, size_bytes, shape: Shape::Pointer { target, kind } }
    }

    fn member_pointer(&mut self, at: Position, die: &Die<'a>, name: String) -> Type {
        let is_function =
            |target: Position| self.view.entry(target).is_some_and(|entry| entry.tag() == dw::DW_TAG_subroutine_type);
        let member = target(self.view, at, die);
        let is_function = member.is_some_and(is_function);
        if let Some(member) = member.filter(|_| is_function) {
            self.load_behind(member);
        }
        let size_bytes = if is_function { 16 } else { 8 };
        let class = die.attr_value(dw::DW_AT_containing_type).and_then(|value| self.view.reference(at.unit, value));
        match class.and_then(|class| self.load_behind(class)) {
            Some(class) => Type { name, size_bytes, shape: Shape::MemberPointer { class, is_function } },
            None => opaque(name, size_bytes),
        }
    }

    fn enumeration(&mut self, at: Position, die: &Die<'a>, name: String, size_bytes: u64) -> Type {
        let children = self.view.children(at);
        let enumerators = children.iter().filter(|child| child.tag() == dw::DW_TAG_enumerator);
        let underlying = target(self.view, at, die).map(|target| self.load(target)).map(|id| self.get(id).clone());
        let size_bytes = match &underlying {
            Some(underlying) if size_bytes == 0 => underlying.size_bytes,
            _ => size_bytes,
        };
        let value = |child: &Die<'a>| child.attr_value(dw::DW_AT_const_value);
        let signed = match underlying.map(|underlying| underlying.shape) {
            Some(Shape::Integer { signed } | Shape::CChar { signed }) => signed,
            _ => enumerators.clone().any(|child| matches!(value(child), Some(Attribute::Sdata(..0)))),
        };
        let enumerators = enumerators
            .filter_map(|child| {
                Some((self.view.name(at.unit, child)?.into_owned(), number(value(child)?, signed, size_bytes)?))
            })
            .collect();
        Type { name, size_bytes, shape: Shape::Enumeration { signed, enumerators } }
    }

    /// An array of arrays for several dimensions, the last one innermost.
    fn array(&mut self, at: Position, die: &Die<'a>, name: String) -> Type {
        let mut element = self.load_target(at, die);
        let counts = counts(self.view, at);
        for (dimension, count) in counts.iter().enumerate().rev() {
            // Only the outermost dimension of a member or a parameter may be open.
            let Some(count) = *count else {
                return Type { name, size_bytes: 0, shape: Shape::Unbounded };
            };
            let Some(size_bytes) = self.size_bytes(element).checked_mul(count) else { return opaque(name, 0) };
            let shape = Shape::Array { element, count };
            if dimension == 0 {
                return Type { name, size_bytes, shape };
            }
            let inner = format!("{} [{count}]", self.get(element).name);
            element = self.loaded.types.add(Type { name: inner, size_bytes, shape });
        }
        opaque(name, 0)
    }
}

pub(super) fn opaque(name: String, size_bytes: u64) -> Type {
    Type { name, size_bytes, shape: Shape::Opaque }
}

pub(super) fn unsigned(die: &Die<'_>, name: gimli::DwAt) -> Option<u64> {
    die.attr_value(name)?.udata_value()
}

/// A constant as a number of `size_bytes`: fixed-size forms say nothing of the sign.
pub(super) fn number(value: Attribute<'_>, signed: bool, size_bytes: u64) -> Option<i128> {
    let value = match value {
        Attribute::Sdata(value) => i128::from(value),
        Attribute::Udata(value) => i128::from(value),
        Attribute::Data1(value) if signed => i128::from(value as i8),
        Attribute::Data2(value) if signed => i128::from(value as i16),
        Attribute::Data4(value) if signed => i128::from(value as i32),
        Attribute::Data8(value) if signed => i128::from(value as i64),
        Attribute::Data1(value) => i128::from(value),
        Attribute::Data2(value) => i128::from(value),
        Attribute::Data4(value) => i128::from(value),
        Attribute::Data8(value) => i128::from(value),
        Attribute::Data16(value) => value as i128,
        Attribute::Block(bytes) if bytes.len() <= 16 => {
            bytes.slice().iter().rev().fold(0, |value: u128, byte| value << 8 | u128::from(*byte)) as i128
        }
        _ => return None,
    };
    Some(match size_bytes {
        1..16 if !signed => value & ((1_i128 << (size_bytes * 8)) - 1),
        _ => value,
    })
}

fn base(name: &str, die: &Die<'_>, size_bytes: u64) -> Shape {
    let Some(Attribute::Encoding(encoding)) = die.attr_value(dw::DW_AT_encoding) else { return Shape::Opaque };
    match encoding {
        dw::DW_ATE_unsigned if name == "()" => {
            Shape::Struct { fields: Vec::new(), parameters: Vec::new(), style: StructStyle::Tuple }
        }
        dw::DW_ATE_boolean => Shape::Bool,
        dw::DW_ATE_float => Shape::Float,
        dw::DW_ATE_complex_float => Shape::Complex,
        dw::DW_ATE_signed_char if name == "char" => Shape::CChar { signed: true },
        dw::DW_ATE_unsigned_char if name == "char" => Shape::CChar { signed: false },
        dw::DW_ATE_UTF if size_bytes == 4 => Shape::Char,
        dw::DW_ATE_UTF if size_bytes == 1 => Shape::CChar { signed: false },
        dw::DW_ATE_unsigned | dw::DW_ATE_unsigned_char | dw::DW_ATE_UTF | dw::DW_ATE_address if size_bytes > 0 => {
            Shape::Integer { signed: false }
        }
        dw::DW_ATE_signed | dw::DW_ATE_signed_char if size_bytes > 0 => Shape::Integer { signed: true },
        _ => Shape::Opaque,
    }
}

/// `clang LLVM (rustc version 1.95.0 (59807616e 2026-04-14))` → 95.
fn rustc_minor(producer: &str) -> u32 {
    let version = producer.split_once("rustc version 1.").map_or("", |(_, rest)| rest);
    version.split_once('.').and_then(|(minor, _)| minor.parse().ok()).unwrap_or(0)
}

/// Whether a unit's language spells tuples and enums Rust's way.
pub(super) fn is_rust(loader: &TypeLoader<'_, '_>, unit: usize) -> bool {
    loader.view.language(unit) == Language::Rust
}
