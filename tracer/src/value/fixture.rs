//! Layouts as rustc writes them, and a fake target to read from. For tests.

use super::image::Memory;
use super::layout::{Enum, Field, PointerKind, Shape, StructStyle, Tag, Type, TypeId, Types, Variant};
use super::place::{Missing, Register};

/// Registers and one stretch of memory.
pub(crate) struct Target {
    pub(crate) registers: [u64; 34],
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Target {
    pub(crate) fn new(start: u64, bytes: Vec<u8>) -> Self {
        Self { registers: [0; 34], start, bytes }
    }
}

impl Memory for Target {
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let bytes = if size_bytes == 0 { vec![] } else { self.read_prefix(address, size_bytes)? };
        if bytes.len() as u64 == size_bytes { Ok(bytes) } else { Err(Missing::NotResident) }
    }

    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let from = address.wrapping_sub(self.start).min(self.bytes.len() as u64) as usize;
        let to = from + size_bytes.min((self.bytes.len() - from) as u64) as usize;
        if from < to { Ok(self.bytes[from..to].to_vec()) } else { Err(Missing::NotResident) }
    }

    fn register(&self, register: Register) -> Result<u64, Missing> {
        if register.is_readable() { Ok(self.registers[usize::from(register.0)]) } else { Err(Missing::VectorRegister) }
    }
}

/// Adds types to a [`Types`].
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) types: Types,
}

impl Builder {
    pub(crate) fn add(&mut self, name: &str, size_bytes: u64, shape: Shape) -> TypeId {
        self.types.add(Type { name: name.to_owned(), size_bytes, shape })
    }

    pub(crate) fn size(&self, ty: TypeId) -> u64 {
        self.types.get(ty).size_bytes
    }

    pub(crate) fn name(&self, ty: TypeId) -> String {
        self.types.get(ty).name.clone()
    }

    pub(crate) fn unsigned(&mut self, size_bytes: u64) -> TypeId {
        self.add(&format!("u{}", size_bytes * 8), size_bytes, Shape::Integer { signed: false })
    }

    pub(crate) fn signed(&mut self, size_bytes: u64) -> TypeId {
        self.add(&format!("i{}", size_bytes * 8), size_bytes, Shape::Integer { signed: true })
    }

    pub(crate) fn float(&mut self, size_bytes: u64) -> TypeId {
        self.add(&format!("f{}", size_bytes * 8), size_bytes, Shape::Float)
    }

    pub(crate) fn pointer(&mut self, target: Option<TypeId>, kind: PointerKind) -> TypeId {
        let name = format!("&{}", target.map(|target| self.name(target)).unwrap_or_default());
        self.add(&name, 8, Shape::Pointer { target, kind })
    }

    pub(crate) fn reference(&mut self, target: TypeId) -> TypeId {
        self.pointer(Some(target), PointerKind::Reference)
    }

    pub(crate) fn c_string(&mut self) -> TypeId {
        let character = self.add("char", 1, Shape::CChar { signed: true });
        self.add("const char *", 8, Shape::Pointer { target: Some(character), kind: PointerKind::Raw })
    }

    pub(crate) fn slice(&mut self, element: TypeId) -> TypeId {
        let name = format!("&[{}]", self.name(element));
        self.add(
            &name,
            16,
            Shape::Slice { element, pointer_offset: 0, length_offset: 8, data_offset: 0, is_str: false },
        )
    }

    pub(crate) fn str(&mut self) -> TypeId {
        let element = self.unsigned(1);
        self.add(
            "&str",
            16,
            Shape::Slice { element, pointer_offset: 0, length_offset: 8, data_offset: 0, is_str: true },
        )
    }

    /// A struct with its fields one behind the other, aligned to their sizes up to 8.
    pub(crate) fn structure(&mut self, name: &str, style: StructStyle, fields: &[(&str, TypeId)]) -> TypeId {
        let mut end = 0_u64;
        let mut laid_out = Vec::new();
        for (name, ty) in fields {
            let offset = end.next_multiple_of(self.size(*ty).clamp(1, 8).next_power_of_two());
            laid_out.push(Field { name: (*name).to_owned(), offset, ty: *ty, bits: None });
            end = offset + self.size(*ty);
        }
        let align = fields.iter().map(|(_, ty)| self.size(*ty).clamp(1, 8).next_power_of_two()).max().unwrap_or(1);
        let shape = Shape::Struct { fields: laid_out, parameters: vec![], style };
        self.add(name, end.next_multiple_of(align), shape)
    }

    pub(crate) fn tuple(&mut self, fields: &[TypeId]) -> TypeId {
        let names: Vec<_> = (0..fields.len()).map(|i| format!("__{i}")).collect();
        let fields: Vec<_> = names.iter().map(String::as_str).zip(fields.iter().copied()).collect();
        self.structure("(…)", StructStyle::Tuple, &fields)
    }

    pub(crate) fn array(&mut self, element: TypeId, count: u64) -> TypeId {
        let name = format!("[{}; {count}]", self.name(element));
        self.add(&name, self.size(element) * count, Shape::Array { element, count })
    }

    /// As rustc 1.95 lays it out: capacity, pointer, length.
    pub(crate) fn vec(&mut self, element: TypeId) -> TypeId {
        use StructStyle::Named;
        let word = self.unsigned(8);
        let byte = self.unsigned(1);
        let pointer = self.pointer(Some(byte), PointerKind::Raw);
        let non_null = self.structure("core::ptr::non_null::NonNull<u8>", Named, &[("pointer", pointer)]);
        let unique = self.structure("core::ptr::unique::Unique<u8>", Named, &[("pointer", non_null)]);
        let inner = self.structure("alloc::raw_vec::RawVecInner", Named, &[("cap", word), ("ptr", unique)]);
        let buf = self.structure("alloc::raw_vec::RawVec", Named, &[("inner", inner)]);
        let name = format!("alloc::vec::Vec<{}, alloc::alloc::Global>", self.name(element));
        let vec = self.structure(&name, Named, &[("buf", buf), ("len", word)]);
        let mut ty = self.types.get(vec).clone();
        if let Shape::Struct { parameters, .. } = &mut ty.shape {
            parameters.push(("T".to_owned(), element));
        }
        self.types.set(vec, ty);
        vec
    }

    pub(crate) fn string(&mut self) -> TypeId {
        let byte = self.unsigned(1);
        let vec = self.vec(byte);
        self.structure("alloc::string::String", StructStyle::Named, &[("vec", vec)])
    }

    pub(crate) fn variant(&self, name: &str, discriminants: &[(u128, u128)], fields: &[(u64, TypeId)]) -> Variant {
        let fields = fields.iter().enumerate().map(|(i, (offset, ty))| Field {
            name: format!("__{i}"),
            offset: *offset,
            ty: *ty,
            bits: None,
        });
        Variant {
            name: name.to_owned(),
            discriminants: discriminants.to_vec(),
            fields: fields.collect(),
            style: StructStyle::TupleStruct,
            source: None,
        }
    }

    pub(crate) fn enumeration(
        &mut self,
        name: &str,
        size_bytes: u64,
        (offset, tag_bytes): (u64, u64),
        variants: Vec<Variant>,
    ) -> TypeId {
        let tag = Some(Tag { offset, size_bytes: tag_bytes, signed: false });
        self.add(name, size_bytes, Shape::Enum(Enum { tag, variants }))
    }

    /// `Option<T>` with `T`'s first word as the niche: 0 is `None`.
    pub(crate) fn option_by_niche(&mut self, ty: TypeId) -> TypeId {
        let variants = vec![self.variant("None", &[(0, 0)], &[]), self.variant("Some", &[], &[(0, ty)])];
        let name = format!("core::option::Option<{}>", self.name(ty));
        self.enumeration(&name, self.size(ty), (0, 8), variants)
    }

    /// `Option<T>` with a tag in front.
    pub(crate) fn option_by_tag(&mut self, ty: TypeId) -> TypeId {
        let size = self.size(ty);
        let align = size.clamp(1, 8).next_power_of_two();
        let variants = vec![self.variant("None", &[(0, 0)], &[]), self.variant("Some", &[(1, 1)], &[(align, ty)])];
        let name = format!("core::option::Option<{}>", self.name(ty));
        self.enumeration(&name, (align + size).next_multiple_of(align), (0, align), variants)
    }

    fn parameterised(&mut self, id: TypeId, name: &str, element: TypeId) {
        let mut ty = self.types.get(id).clone();
        if let Shape::Struct { parameters, .. } = &mut ty.shape {
            parameters.push((name.to_owned(), element));
        }
        self.types.set(id, ty);
    }

    pub(crate) fn deque(&mut self, element: TypeId) -> TypeId {
        use StructStyle::Named;
        let word = self.unsigned(8);
        let byte = self.unsigned(1);
        let pointer = self.pointer(Some(byte), PointerKind::Raw);
        let inner = self.structure("alloc::raw_vec::RawVecInner", Named, &[("cap", word), ("ptr", pointer)]);
        let buf = self.structure("alloc::raw_vec::RawVec", Named, &[("inner", inner)]);
        let name = format!("alloc::collections::vec_deque::VecDeque<{}>", self.name(element));
        let deque = self.structure(&name, Named, &[("head", word), ("len", word), ("buf", buf)]);
        self.parameterised(deque, "T", element);
        deque
    }

    pub(crate) fn hash_map(&mut self, key: TypeId, value: TypeId) -> TypeId {
        use StructStyle::Named;
        let word = self.unsigned(8);
        let byte = self.unsigned(1);
        let pointer = self.pointer(Some(byte), PointerKind::Raw);
        let words = [("ctrl", pointer), ("bucket_mask", word), ("items", word), ("growth_left", word)];
        let inner = self.structure("hashbrown::raw::RawTableInner", Named, &words);
        let table = self.structure("hashbrown::raw::RawTable<(…)>", Named, &[("table", inner)]);
        let item = self.tuple(&[key, value]);
        self.parameterised(table, "T", item);
        let base = self.structure("hashbrown::map::HashMap<…>", Named, &[("table", table)]);
        self.structure("std::collections::hash::map::HashMap<…>", Named, &[("base", base)])
    }

    pub(crate) fn linked_list(&mut self, element: TypeId) -> TypeId {
        use StructStyle::Named;
        let word = self.unsigned(8);
        let node = self.add("alloc::collections::linked_list::Node<…>", 0, Shape::Opaque);
        let pointer = self.pointer(Some(node), PointerKind::Raw);
        let whole = self.structure("…", Named, &[("next", pointer), ("prev", pointer), ("element", element)]);
        let whole = self.types.get(whole).clone();
        self.types.set(node, whole);
        let fields = [("head", pointer), ("tail", pointer), ("len", word)];
        self.structure("alloc::collections::linked_list::LinkedList<…>", Named, &fields)
    }

    fn uninit(&mut self, ty: TypeId) -> TypeId {
        let fields = vec![Field { name: "value".to_owned(), offset: 0, ty, bits: None }];
        self.add("core::mem::maybe_uninit::MaybeUninit<…>", self.size(ty), Shape::Union { fields })
    }

    pub(crate) fn btree_map(&mut self, key: TypeId, value: TypeId) -> TypeId {
        use StructStyle::Named;
        let (word, half) = (self.unsigned(8), self.unsigned(2));
        let (leaf, inner) = (self.add("Leaf", 0, Shape::Opaque), self.add("Inner", 0, Shape::Opaque));
        let to_leaf = self.pointer(Some(leaf), PointerKind::Raw);
        let to_inner = self.pointer(Some(inner), PointerKind::Raw);
        let parent = self.option_by_niche(to_inner);
        let (key, value) = (self.uninit(key), self.uninit(value));
        let (keys, values, edges) = (self.array(key, 3), self.array(value, 3), self.array(to_leaf, 4));
        let index = self.uninit(half);
        let fields = [("parent", parent), ("keys", keys), ("vals", values), ("parent_idx", index), ("len", half)];
        let whole = self.structure("Leaf", Named, &fields);
        let whole = self.types.get(whole).clone();
        self.types.set(leaf, whole);
        let whole = self.structure("Inner", Named, &[("data", leaf), ("edges", edges)]);
        let whole = self.types.get(whole).clone();
        self.types.set(inner, whole);
        let root = self.structure("NodeRef", Named, &[("node", to_leaf), ("height", word)]);
        let root = self.option_by_niche(root);
        self.structure("alloc::collections::btree::map::BTreeMap<…>", Named, &[("root", root), ("length", word)])
    }

    /// A pointer of C.
    pub(crate) fn c_pointer(&mut self, target: TypeId) -> TypeId {
        self.pointer(Some(target), PointerKind::C)
    }

    pub(crate) fn std_vector(&mut self, element: TypeId) -> TypeId {
        let pointer = self.c_pointer(element);
        let fields = [("_M_start", pointer), ("_M_finish", pointer), ("_M_end_of_storage", pointer)];
        self.structure("std::vector<…>", StructStyle::Named, &fields)
    }

    pub(crate) fn std_bits(&mut self) -> TypeId {
        let (word, half) = (self.unsigned(8), self.unsigned(4));
        let pointer = self.c_pointer(word);
        let fields = [("_M_p", pointer), ("_M_offset", half)];
        let iterator = self.structure("std::_Bit_iterator", StructStyle::Named, &fields);
        let fields = [("_M_start", iterator), ("_M_finish", iterator)];
        self.structure("std::vector<bool>", StructStyle::Named, &fields)
    }

    pub(crate) fn std_deque(&mut self, element: TypeId) -> TypeId {
        let pointer = self.c_pointer(element);
        let table = self.c_pointer(pointer);
        let fields = [("_M_cur", pointer), ("_M_first", pointer), ("_M_last", pointer), ("_M_node", table)];
        let iterator = self.structure("std::_Deque_iterator<…>", StructStyle::Named, &fields);
        self.structure("std::deque<…>", StructStyle::Named, &[("_M_start", iterator), ("_M_finish", iterator)])
    }

    /// A node of that name with a value behind its links, and the allocator whose argument it is.
    fn std_node(&mut self, name: &str, links: TypeId, element: TypeId) -> TypeId {
        let node = self.structure(name, StructStyle::Named, &[("links", links), ("_M_storage", element)]);
        self.with_parameter(node, element);
        let allocator = self.structure("std::allocator<…>", StructStyle::Named, &[]);
        self.with_parameter(allocator, node);
        allocator
    }

    fn with_parameter(&mut self, id: TypeId, parameter: TypeId) {
        let mut ty = self.types.get(id).clone();
        if let Shape::Struct { parameters, .. } = &mut ty.shape {
            parameters.push(("_Tp".to_owned(), parameter));
        }
        self.types.set(id, ty);
    }

    pub(crate) fn std_forward_list(&mut self, element: TypeId) -> TypeId {
        let opaque = self.add("std::_Fwd_list_node_base", 0, Shape::Opaque);
        let pointer = self.c_pointer(opaque);
        let links = self.structure("std::_Fwd_list_node_base", StructStyle::Named, &[("_M_next", pointer)]);
        let allocator = self.std_node("std::_Fwd_list_node<…>", links, element);
        let fields = [("allocator", allocator), ("_M_head", links)];
        self.structure("std::forward_list<…>", StructStyle::Named, &fields)
    }

    pub(crate) fn std_set(&mut self, element: TypeId) -> TypeId {
        let word = self.unsigned(8);
        let opaque = self.add("std::_Rb_tree_node_base", 0, Shape::Opaque);
        let pointer = self.c_pointer(opaque);
        let fields = [("_M_color", word), ("_M_parent", pointer), ("_M_left", pointer), ("_M_right", pointer)];
        let links = self.structure("std::_Rb_tree_node_base", StructStyle::Named, &fields);
        let allocator = self.std_node("std::_Rb_tree_node<…>", links, element);
        let fields = [("allocator", allocator), ("_M_header", links), ("_M_node_count", word)];
        self.structure("std::set<…>", StructStyle::Named, &fields)
    }

    pub(crate) fn std_optional(&mut self, content: TypeId) -> TypeId {
        let fields = vec![Field { name: "_M_value".to_owned(), offset: 0, ty: content, bits: None }];
        let payload = self.add("_Storage", self.size(content), Shape::Union { fields });
        let engaged = self.add("bool", 1, Shape::Bool);
        let fields = [("_M_payload", payload), ("_M_engaged", engaged)];
        self.structure("std::optional<…>", StructStyle::Named, &fields)
    }
}
