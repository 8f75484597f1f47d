//! The types of one program as a graph that grows while it is walked, with the questions that readers of library
//! types ask: where is the field of that name, what does that pointer lead to. Knows no library type itself.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::target::address::{LinkAddress, LoadBias, RuntimeAddress};
use crate::target::debug_info::{DieId, LoadedTypes, TypeReader};
use crate::value::layout::{PointerKind, Shape, Type, TypeId, Types};
use crate::value::name;

/// Structs within structs that a part is looked for in.
const NESTING_MAX: u32 = 16;

/// Types of one program.
pub struct Graph<'i> {
    reader: RefCell<TypeReader<'i>>,
    known: RefCell<HashMap<TypeId, Rc<Type>>>,
    targets: RefCell<HashMap<TypeId, Option<TypeId>>>,
    parameters: RefCell<HashMap<(TypeId, &'static str), Option<TypeId>>>,
    parts: RefCell<HashMap<(TypeId, *const &'static str), Option<Part>>>,
    dynamic: RefCell<HashMap<u64, Option<TypeId>>>,
    values: RefCell<(LoadedTypes, HashMap<DieId, TypeId>)>,
    bias: LoadBias,
}

/// A part of a value: where it starts, from the value's start, and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub offset: u64,
    pub ty: TypeId,
}

impl Part {
    fn within(self, outer: u64) -> Option<Self> {
        Some(Self { offset: self.offset.checked_add(outer)?, ty: self.ty })
    }
}

impl<'i> Graph<'i> {
    pub fn new(reader: TypeReader<'i>, bias: LoadBias) -> Self {
        Self {
            reader: RefCell::new(reader),
            known: RefCell::default(),
            targets: RefCell::default(),
            parameters: RefCell::default(),
            parts: RefCell::default(),
            dynamic: RefCell::default(),
            values: RefCell::default(),
            bias,
        }
    }

    /// Asks the debug information itself.
    pub fn with_reader<T>(&self, ask: impl FnOnce(&mut TypeReader<'i>) -> T) -> T {
        ask(&mut self.reader.borrow_mut())
    }

    /// Where the object's file has what the process has at that address.
    pub fn link(&self, address: u64) -> LinkAddress {
        self.bias.link(RuntimeAddress(address))
    }

    pub fn get(&self, id: TypeId) -> Rc<Type> {
        if let Some(known) = self.known.borrow().get(&id) {
            return known.clone();
        }
        let ty = Rc::new(self.reader.borrow().types().get(id).clone());
        self.known.borrow_mut().insert(id, ty.clone());
        ty
    }

    /// Whether the type has that path, generic arguments aside.
    pub fn is(&self, id: TypeId, path: &str) -> bool {
        name::base(&self.get(id).name) == path
    }

    /// The type behind a thin pointer.
    pub fn follow(&self, pointer: TypeId) -> Option<TypeId> {
        if let Some(known) = self.targets.borrow().get(&pointer) {
            return *known;
        }
        let target = self.reader.borrow_mut().follow(pointer);
        self.targets.borrow_mut().insert(pointer, target);
        target
    }

    /// The element of a pointer to a slice.
    pub fn element(&self, slice: TypeId) -> Option<TypeId> {
        if let Some(known) = self.targets.borrow().get(&slice) {
            return *known;
        }
        let element = self.reader.borrow_mut().element(slice);
        self.targets.borrow_mut().insert(slice, element);
        element
    }

    /// A direct field.
    pub fn field(&self, id: TypeId, name: &str) -> Option<Part> {
        let ty = self.get(id);
        let (Shape::Struct { fields, .. } | Shape::Union { fields }) = &ty.shape else { return None };
        fields.iter().find(|field| field.name == name).map(|field| Part { offset: field.offset, ty: field.ty })
    }

    /// A field of a field of a field.
    pub fn path(&self, id: TypeId, names: &[&str]) -> Option<Part> {
        names.iter().try_fold(Part { offset: 0, ty: id }, |part, name| self.field(part.ty, name)?.within(part.offset))
    }

    /// A generic argument, by its parameter's name.
    pub fn parameter(&self, id: TypeId, name: &'static str) -> Option<TypeId> {
        let key = (id, name);
        if let Some(known) = self.parameters.borrow().get(&key) {
            return *known;
        }
        let mut reader = self.reader.borrow_mut();
        let argument = reader.entry(id).and_then(|entry| reader.template_argument(entry, name));
        self.parameters.borrow_mut().insert(key, argument);
        argument
    }

    /// The first part, depth first and in place, that `wanted` says yes to; its field's name is `""` for the whole.
    pub fn first(&self, id: TypeId, wanted: &dyn Fn(&str, &Type) -> bool) -> Option<Part> {
        self.first_within(id, "", wanted, 0)
    }

    fn first_within(&self, id: TypeId, name: &str, wanted: &dyn Fn(&str, &Type) -> bool, depth: u32) -> Option<Part> {
        let ty = self.get(id);
        if wanted(name, &ty) {
            return Some(Part { offset: 0, ty: id });
        }
        if depth >= NESTING_MAX {
            return None;
        }
        let search = |fields: &[crate::value::layout::Field]| {
            fields
                .iter()
                .find_map(|field| self.first_within(field.ty, &field.name, wanted, depth + 1)?.within(field.offset))
        };
        match &ty.shape {
            Shape::Struct { fields, .. } | Shape::Union { fields } => search(fields),
            // An optional pointer, a cell that may be empty: the one variant with data.
            Shape::Enum(states) if !states.is_coroutine() => {
                let mut full = states.variants.iter().filter(|variant| !variant.fields.is_empty());
                let only = full.next()?;
                if full.next().is_some() { None } else { search(&only.fields) }
            }
            _ => None,
        }
    }

    /// The first part with that field name.
    pub fn named(&self, id: TypeId, wanted: &str) -> Option<Part> {
        self.first(id, &|name, _| name == wanted)
    }

    /// The first part of that type.
    pub fn typed(&self, id: TypeId, path: &str) -> Option<Part> {
        self.first(id, &|_, ty| name::base(&ty.name) == path)
    }

    /// The first part of one of these types; looked for once for each type and list of paths.
    pub fn any_typed(&self, id: TypeId, paths: &'static [&'static str]) -> Option<Part> {
        let key = (id, paths.as_ptr());
        if let Some(known) = self.parts.borrow().get(&key) {
            return *known;
        }
        let part = self.first(id, &|_, ty| paths.contains(&name::base(&ty.name)));
        self.parts.borrow_mut().insert(key, part);
        part
    }

    /// The first number under any number of wrappers (atomics, cells, `NonZero`).
    pub fn number(&self, id: TypeId) -> Option<Part> {
        self.first(id, &|_, ty| matches!(ty.shape, Shape::Integer { .. } | Shape::Bool))
    }

    /// The first number of the first part with that field name.
    pub fn number_named(&self, id: TypeId, name: &str) -> Option<Part> {
        let part = self.named(id, name)?;
        self.number(part.ty)?.within(part.offset)
    }

    /// The first thin pointer under any number of wrappers (`NonNull`, `Arc`, `Pin`), and the type behind it.
    pub fn pointer(&self, id: TypeId) -> Option<(Part, TypeId)> {
        let part = self.first(id, &|_, ty| matches!(ty.shape, Shape::Pointer { .. }))?;
        Some((part, self.follow(part.ty)?))
    }

    /// The first thin pointer of the first part with that field name.
    pub fn pointer_named(&self, id: TypeId, name: &str) -> Option<(Part, TypeId)> {
        let part = self.named(id, name)?;
        let (pointer, target) = self.pointer(part.ty)?;
        Some((pointer.within(part.offset)?, target))
    }

    /// The value that an `Arc` or `Rc` shares: the pointer in it, and the value as a part of what that leads to.
    pub fn shared(&self, id: TypeId) -> Option<(Part, Part)> {
        let (pointer, inner) = self.pointer(id)?;
        let value = self.field(inner, "data").or_else(|| self.field(inner, "value"))?;
        Some((pointer, value))
    }

    /// Whether a value of that type can hold one whose type's name passes, in place or in a box, in any of its variants.
    pub fn mentions(&self, id: TypeId, wanted: &dyn Fn(&str) -> bool) -> bool {
        self.mentions_within(id, wanted, &mut HashSet::new())
    }

    fn mentions_within(&self, id: TypeId, wanted: &dyn Fn(&str) -> bool, seen: &mut HashSet<TypeId>) -> bool {
        /// Types of one message.
        const TYPES_MAX: usize = 500;
        let ty = self.get(id);
        if wanted(&ty.name) {
            return true;
        }
        if seen.len() >= TYPES_MAX || !seen.insert(id) {
            return false;
        }
        match &ty.shape {
            Shape::Struct { fields, .. } | Shape::Union { fields } => {
                fields.iter().any(|field| self.mentions_within(field.ty, wanted, seen))
            }
            Shape::Enum(layout) => layout
                .variants
                .iter()
                .flat_map(|variant| &variant.fields)
                .any(|field| self.mentions_within(field.ty, wanted, seen)),
            Shape::Pointer { kind: PointerKind::Box, .. } => {
                self.follow(id).is_some_and(|target| self.mentions_within(target, wanted, seen))
            }
            _ => false,
        }
    }

    /// The type of the object that a trait object's table at this address belongs to.
    pub fn dynamic(&self, vtable: u64) -> Option<TypeId> {
        if let Some(known) = self.dynamic.borrow().get(&vtable) {
            return *known;
        }
        let link = self.link(vtable);
        let ty = self.reader.borrow_mut().type_of_vtable(link.0);
        self.dynamic.borrow_mut().insert(vtable, ty);
        ty
    }

    /// The type with what its pointers lead to, as decoding a value needs it.
    pub fn for_values<T>(&self, id: TypeId, decode: impl FnOnce(&Types, TypeId) -> T) -> Option<T> {
        let reader = self.reader.borrow();
        let entry = reader.entry(id)?;
        let mut values = self.values.borrow_mut();
        let (loaded, known) = &mut *values;
        let id = match known.get(&entry) {
            Some(id) => *id,
            None => {
                let id = reader.load_into(entry, loaded)?;
                known.insert(entry, id);
                id
            }
        };
        Some(decode(&loaded.types, id))
    }
}
