//! What a path means: from names to a way through memory, by the types of debug information.
//! References, boxes, counters, newtypes and `Option` are gone through where that is the only reading.

use super::error::{ExpressionError, Mistake};
use super::member::member;
use super::{Literal, Path, PathStep, Span, StepKind};
use crate::value::layout::{Enum, Field, Shape, StructStyle, TypeId, Types};
use crate::value::lookup::Key;
use crate::value::name;
use crate::value::view::{BinaryTree, Inline, List, Part as ItemPart, Ring, Shown, Stretch, Table, Tree, View, view};
use crate::value::walk::{Length, Part, Step, Way, Which};

/// Wrappers gone through on the way to a name: ends the recursion of types that contain themselves.
const WRAPPERS_MAX: u32 = 16;

/// Follows the path's steps from a value of the type `root`.
///
/// # Errors
/// A step names something that its type does not have.
pub fn resolve(types: &Types, root: TypeId, path: &Path) -> Result<Way, ExpressionError> {
    resolve_from(Walker { types, steps: Vec::new(), ty: root, variant: None, bits: None }, &path.steps)
}

/// The same where other steps lead to the value: the arguments of an `async fn` are in its environment.
///
/// # Errors
/// As above.
pub fn resolve_behind(
    types: &Types,
    before: Vec<Step>,
    root: TypeId,
    steps: &[PathStep],
) -> Result<Way, ExpressionError> {
    resolve_from(Walker { types, steps: before, ty: root, variant: None, bits: None }, steps)
}

fn resolve_from(mut walker: Walker<'_>, steps: &[PathStep]) -> Result<Way, ExpressionError> {
    for (index, step) in steps.iter().enumerate() {
        let result = match &step.kind {
            StepKind::Field(name) => walker.field(name),
            StepKind::Index(index) => walker.index(index),
            StepKind::Dereference => walker.dereference(),
            StepKind::Length => {
                let length = walker.length().map_err(|mistake| ExpressionError::new(step.span, mistake))?;
                if let Some(further) = steps.get(index + 1) {
                    let mistake = Mistake::UnknownField { name: "…".into(), ty: "a length".into(), known: vec![] };
                    return Err(ExpressionError::new(further.span, mistake));
                }
                return Ok(Way { steps: walker.steps, part: Part::Length(length) });
            }
        };
        result.map_err(|mistake| ExpressionError::new(step.span, mistake))?;
    }
    let whole = Span::default();
    if let (Some(variant), Some(last)) = (walker.variant, steps.last()) {
        // The content of a variant with one field, as in `answer.Ok`.
        let only = walker.variant_fields(variant).len() == 1;
        if !only {
            let known = field_names(walker.variant_fields(variant));
            let mistake = Mistake::NotSimple { ty: walker.type_name(), known };
            return Err(ExpressionError::new(last.span, mistake));
        }
        walker.field("0").map_err(|mistake| ExpressionError::new(whole.to(last.span), mistake))?;
    }
    let part = Part::Value { ty: walker.ty, bits: walker.bits };
    Ok(Way { steps: walker.steps, part })
}

/// Goes through wrappers to the value that people mean: references, newtypes, what is in an `Option`.
pub fn simplified(types: &Types, way: Way) -> Way {
    let Part::Value { ty, bits: None } = way.part else { return way };
    let mut walker = Walker { types, steps: way.steps, ty, variant: None, bits: None };
    for _ in 0..WRAPPERS_MAX {
        if !walker.unwrap() {
            break;
        }
    }
    Way { steps: walker.steps, part: Part::Value { ty: walker.ty, bits: walker.bits } }
}

/// The enum that a variant is asked of: itself, behind wrappers, or in an `Option` or `Poll` that has no such variant.
pub fn enum_with<'t>(types: &'t Types, way: Way, variant: &str) -> Result<(Way, &'t Enum), Mistake> {
    let Part::Value { ty, bits: None } = way.part else { return Err(Mistake::NoEnum("a length".into())) };
    let asked = types.get(ty).name.clone();
    let mut walker = Walker { types, steps: way.steps, ty, variant: None, bits: None };
    let mut unknown = None;
    for _ in 0..WRAPPERS_MAX {
        if let Shape::Enum(layout) = &types.get(walker.ty).shape {
            if layout.variants.iter().any(|known| known.name == variant) {
                return Ok((Way { steps: walker.steps, part: Part::Value { ty: walker.ty, bits: None } }, layout));
            }
            let known = layout.variants.iter().map(|variant| variant.name.clone()).collect();
            let ty = shown(types, walker.ty);
            unknown.get_or_insert(Mistake::UnknownVariant { name: variant.to_owned(), ty, known });
        }
        if !walker.unwrap() {
            break;
        }
    }
    Err(unknown.unwrap_or_else(|| Mistake::NoEnum(name::without_modules(&asked))))
}

/// The type's name for messages.
pub fn shown(types: &Types, ty: TypeId) -> String {
    name::without_modules(&types.get(ty).name)
}

/// The names of a type's fields, as a path writes them.
pub fn known_fields(types: &Types, ty: TypeId) -> Vec<String> {
    let mut walker = Walker { types, steps: Vec::new(), ty, variant: None, bits: None };
    for _ in 0..WRAPPERS_MAX {
        let fields = walker.fields();
        if fields.len() > 1 {
            return field_names(fields);
        }
        if let Shape::Enum(layout) = &types.get(walker.ty).shape
            && !is_wrapper(types, walker.ty)
        {
            return layout.variants.iter().map(|variant| variant.name.clone()).collect();
        }
        if !walker.unwrap() && !walker.follow_raw() {
            return field_names(walker.fields());
        }
    }
    Vec::new()
}

fn field_names(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.name.strip_prefix("__").unwrap_or(&field.name).to_owned()).collect()
}

/// `Option` and `Poll`, which are gone through to what is in them.
fn is_wrapper(types: &Types, ty: TypeId) -> bool {
    matches!(name::base(&types.get(ty).name), "core::option::Option" | "core::task::poll::Poll")
}

/// What the items of a collection are, if only a walk through it finds one.
fn items_of(view: &View<'_>) -> Option<Shown> {
    let whole = |ty| ItemPart { offset: 0, ty };
    match view {
        View::Ring { items, .. } | View::Table { items, .. } | View::Inline { items, .. } => Some(items.shown),
        View::Blocks { items, .. } => Some(items.shown),
        View::Sequence { items, .. } | View::Small { items, .. } => Some(items.shown),
        View::List(list) => Some(list.shown),
        View::Binary(tree) => Some(tree.shown),
        View::Tree(tree) => Some(match tree.value {
            Some(value) => Shown::Map { key: whole(tree.key), value: whole(value) },
            None => Shown::Set(whole(tree.key)),
        }),
        _ => None,
    }
}

struct Walker<'t> {
    types: &'t Types,
    steps: Vec<Step>,
    ty: TypeId,
    /// The variant of the enum `ty` whose fields are next.
    variant: Option<usize>,
    bits: Option<(u32, u32)>,
}

impl<'t> Walker<'t> {
    fn type_name(&self) -> String {
        shown(self.types, self.ty)
    }

    fn forward(&mut self, bytes: u64) {
        match self.steps.last_mut() {
            _ if bytes == 0 => {}
            Some(Step::Offset(before) | Step::Follow(before)) => *before = before.wrapping_add(bytes),
            _ => self.steps.push(Step::Offset(bytes)),
        }
    }

    fn enter(&mut self, variant: usize) {
        let is_only = matches!(&self.types.get(self.ty).shape, Shape::Enum(layout) if layout.tag.is_none());
        if !is_only {
            self.steps.push(Step::Variant { ty: self.ty, variant });
        }
        self.variant = Some(variant);
    }

    fn variant_fields(&self, variant: usize) -> &'t [Field] {
        match &self.types.get(self.ty).shape {
            Shape::Enum(layout) => layout.variants.get(variant).map_or(&[], |variant| &variant.fields),
            _ => &[],
        }
    }

    /// The fields that a name may mean here.
    fn fields(&self) -> &'t [Field] {
        if let Some(variant) = self.variant {
            return self.variant_fields(variant);
        }
        match view(self.types, self.ty) {
            View::Fields { fields, .. } => fields,
            _ => match &self.types.get(self.ty).shape {
                Shape::Struct { fields, .. } | Shape::Union { fields } => fields,
                _ => &[],
            },
        }
    }

    fn take(&mut self, field: &Field) {
        self.forward(field.offset);
        (self.ty, self.bits, self.variant) = (field.ty, field.bits, None);
    }

    fn field(&mut self, name: &str) -> Result<(), Mistake> {
        let asked = self.type_name();
        let known = if self.variant.is_some() { field_names(self.fields()) } else { known_fields(self.types, self.ty) };
        if self.bits.is_none() {
            for _ in 0..WRAPPERS_MAX {
                let is_meant = |field: &&Field| field.name == name || field.name.strip_prefix("__") == Some(name);
                if let Some(field) = self.fields().iter().find(is_meant) {
                    self.take(field);
                    return Ok(());
                }
                if let Some(field) = member(self.types, self.fields(), name, 0) {
                    self.take(&field);
                    return Ok(());
                }
                if self.variant.is_none()
                    && let Shape::Enum(layout) = &self.types.get(self.ty).shape
                    && let Some(variant) = layout.variants.iter().position(|variant| variant.name == name)
                {
                    self.enter(variant);
                    return Ok(());
                }
                if !self.unwrap() && !self.follow_raw() {
                    break;
                }
            }
        }
        Err(Mistake::UnknownField { name: name.to_owned(), ty: asked, known })
    }

    /// Goes through one wrapper, if there is one.
    fn unwrap(&mut self) -> bool {
        if let Some(variant) = self.variant {
            let [only] = self.variant_fields(variant) else { return false };
            self.take(only);
            return true;
        }
        match view(self.types, self.ty) {
            View::Pointee { pointer_offset, target_offset, target } => {
                self.follow(pointer_offset, target_offset, target);
                true
            }
            View::Transparent { offset, ty } => {
                self.forward(offset);
                self.ty = ty;
                true
            }
            View::Fields { fields: [only], .. } if only.bits.is_none() => {
                self.take(only);
                true
            }
            // What has no size says nothing: markers beside the only field.
            View::Fields { fields, style: StructStyle::Named | StructStyle::TupleStruct } => {
                let mut sized = fields.iter().filter(|field| self.types.get(field.ty).size_bytes > 0);
                match (sized.next(), sized.next()) {
                    (Some(only), None) if only.bits.is_none() => {
                        self.take(only);
                        true
                    }
                    _ => false,
                }
            }
            View::Shell(shell) if shell.style != StructStyle::Tuple => match shell.parts.first() {
                Some((_, content)) => {
                    self.forward(content.offset);
                    self.ty = content.ty;
                    true
                }
                None => false,
            },
            View::Enum { layout, .. } if is_wrapper(self.types, self.ty) => {
                let content = layout.variants.iter().position(|variant| matches!(&*variant.name, "Some" | "Ready"));
                content.is_some_and(|content| {
                    self.enter(content);
                    self.unwrap()
                })
            }
            _ => false,
        }
    }

    /// Follows a raw pointer to something with fields, as `->` of C does.
    fn follow_raw(&mut self) -> bool {
        let is_composite = |target: &TypeId| {
            matches!(self.types.get(*target).shape, Shape::Struct { .. } | Shape::Union { .. } | Shape::Enum(_))
        };
        let Some(target) = self.raw_target().filter(is_composite) else { return false };
        self.follow(0, 0, target);
        true
    }

    fn follow(&mut self, pointer_offset: u64, target_offset: u64, target: TypeId) {
        self.forward(pointer_offset);
        self.steps.push(Step::Follow(target_offset));
        (self.ty, self.bits) = (target, None);
    }

    fn raw_target(&self) -> Option<TypeId> {
        match self.types.get(self.ty).shape {
            Shape::Pointer { target, .. } => target,
            _ => None,
        }
    }

    fn dereference(&mut self) -> Result<(), Mistake> {
        for _ in 0..WRAPPERS_MAX {
            if let View::Pointee { pointer_offset, target_offset, target } = view(self.types, self.ty) {
                self.follow(pointer_offset, target_offset, target);
                return Ok(());
            }
            if let Shape::Pointer { target, .. } = self.types.get(self.ty).shape {
                let target = target.filter(|target| self.types.get(*target).size_bytes > 0);
                let target = target.ok_or_else(|| Mistake::UnknownTarget(self.type_name()))?;
                self.follow(0, 0, target);
                return Ok(());
            }
            if !self.unwrap() {
                break;
            }
        }
        Err(Mistake::NoPointer(self.type_name()))
    }

    fn index(&mut self, index: &Literal) -> Result<(), Mistake> {
        let asked = self.type_name();
        let number = match index {
            Literal::Integer { magnitude, negative: false } => u64::try_from(*magnitude).ok(),
            _ => None,
        };
        for _ in 0..WRAPPERS_MAX {
            if self.variant.is_some() {
                break;
            }
            match view(self.types, self.ty) {
                View::Sequence { stretch, items } => {
                    let (Shown::List(part) | Shown::Set(part)) = items.shown else {
                        return self.item(index, number, items.shown);
                    };
                    let index = number.ok_or(Mistake::BadIndex)?;
                    self.steps.push(Step::Element { stretch, stride: items.stride, index });
                    self.forward(part.offset);
                    self.ty = part.ty;
                    return Ok(());
                }
                View::Array { .. } | View::CharArray { .. } => {
                    let Shape::Array { element, count } = self.types.get(self.ty).shape else { break };
                    let index = number.ok_or(Mistake::BadIndex)?;
                    if index >= count {
                        return Err(Mistake::BeyondArray(count));
                    }
                    self.forward(self.size(element).saturating_mul(index));
                    self.ty = element;
                    return Ok(());
                }
                collection if items_of(&collection).is_some() => {
                    let Some(shown) = items_of(&collection) else { break };
                    return self.item(index, number, shown);
                }
                View::Address | View::Object { .. } => {
                    let Some(target) = self.raw_target().filter(|target| self.size(*target) > 0) else { break };
                    let index = number.ok_or(Mistake::BadIndex)?;
                    self.follow(0, self.size(target).saturating_mul(index), target);
                    return Ok(());
                }
                _ if !self.unwrap() => break,
                _ => {}
            }
        }
        Err(Mistake::NoIndex { ty: asked, hint: if number.is_none() { ": only maps have keys" } else { "" } })
    }

    /// An item of a collection whose items are not one behind the other, or are found by a key.
    fn item(&mut self, index: &Literal, number: Option<u64>, shown: Shown) -> Result<(), Mistake> {
        let (which, part) = match shown {
            Shown::List(part) | Shown::Set(part) => (Which::Number(number.ok_or(Mistake::BadIndex)?), part),
            Shown::Map { key, value } => (Which::Key(self.key(index, key.ty)?.into()), value),
        };
        self.steps.push(Step::Item { ty: self.ty, which, part });
        (self.ty, self.bits) = (part.ty, None);
        Ok(())
    }

    /// The literal as a key of that type.
    fn key(&self, literal: &Literal, ty: TypeId) -> Result<Key, Mistake> {
        let way = simplified(self.types, Way::whole(ty));
        let Part::Value { ty: simple, .. } = way.part else { return Err(Mistake::BadIndex) };
        let key = match (literal, view(self.types, simple)) {
            (Literal::Integer { magnitude, negative: false }, View::Integer { .. }) => Key::Unsigned(*magnitude),
            (Literal::Integer { magnitude, negative: true }, View::Integer { signed: true }) => {
                Key::Signed((*magnitude as i128).wrapping_neg())
            }
            (Literal::Bool(value), View::Bool) => Key::Bool(*value),
            (Literal::Char(value), View::Char) => Key::Char(*value),
            (Literal::Text(text), _) if !matches!(view(self.types, simple), View::Integer { .. } | View::Bool) => {
                Key::Text(text.clone())
            }
            _ => return Err(Mistake::NoKey(shown(self.types, ty))),
        };
        Ok(key)
    }

    fn length(&mut self) -> Result<Length, Mistake> {
        let asked = self.type_name();
        for _ in 0..WRAPPERS_MAX {
            match view(self.types, self.ty) {
                View::Text(stretch) | View::ByteString(stretch) | View::Sequence { stretch, .. } => {
                    return Ok(Length::Word(stretch));
                }
                View::Ring { ring: Ring { length_offset, .. }, .. }
                | View::Table { table: Table { length_offset, .. }, .. }
                | View::Tree(Tree { length_offset, .. })
                | View::Binary(BinaryTree { length_offset, .. })
                | View::List(List { length_offset: Some(length_offset), .. }) => {
                    return Ok(Length::Word(Stretch::new(0, length_offset)));
                }
                View::Inline { inline, .. } | View::InlineText(inline) => {
                    let Inline { length_offset: offset, length_bytes: size_bytes, .. } = inline;
                    return Ok(Length::Short { offset, size_bytes });
                }
                View::CString => return Ok(Length::CString),
                View::CharArray { count } => return Ok(Length::CharArray(count)),
                View::Array { count, .. } => return Ok(Length::Fixed(count)),
                _ if !self.unwrap() => break,
                _ => {}
            }
        }
        Err(Mistake::NoLength(asked))
    }

    fn size(&self, ty: TypeId) -> u64 {
        self.types.get(ty).size_bytes
    }
}
