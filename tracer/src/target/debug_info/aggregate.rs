//! Structs, classes, tuples and unions: their fields, base classes and template parameters; Rust's wide pointers.
//! Enums with data are read by their own module.

use gimli::constants as dw;

use super::type_loader::{TypeLoader, is_rust, opaque, unsigned};
use super::type_name::target;
use super::unit::{Attribute, Die, Position};
use super::variant;
use crate::value::layout::{Field, Shape, StructStyle, Type, TypeId};
use crate::value::name::{self, TextKind};

/// Reads a struct, class or union.
pub(super) fn read<'a>(
    loader: &mut TypeLoader<'_, 'a>,
    at: Position,
    die: &Die<'a>,
    name: String,
    size_bytes: u64,
) -> Type {
    if die.has_attr(dw::DW_AT_declaration) {
        return opaque(name, size_bytes);
    }
    let children = loader.view.children(at);
    let is_rust = is_rust(loader, at.unit);
    let part = children.iter().find(|child| child.tag() == dw::DW_TAG_variant_part);
    let fields = fields(loader, at.unit, &children, is_rust);
    let is_inside =
        |field: &Field| field.offset.checked_add(loader.size_bytes(field.ty)).is_some_and(|end| end <= size_bytes);
    // A bit field's storage may reach beyond the end; everything else there is a lie.
    if !fields.iter().all(|field| field.bits.is_some() || is_inside(field)) {
        return opaque(name, size_bytes);
    }
    let shape = match part {
        Some(part) => variant::read(loader, Position { unit: at.unit, offset: part.offset().0 }, part, &fields),
        None if die.tag() == dw::DW_TAG_union_type => Shape::Union { fields },
        None if is_rust => match slice(loader, at, &name, &children) {
            Some(slice) => slice,
            None => structure(loader, at, &children, fields, style(&name)),
        },
        None => structure(loader, at, &children, fields, None),
    };
    Type { name, size_bytes, shape }
}

/// The style that a Rust type's name tells; a tuple struct is told by its fields.
fn style(name: &str) -> Option<StructStyle> {
    name.starts_with('(').then_some(StructStyle::Tuple)
}

fn structure<'a>(
    loader: &mut TypeLoader<'_, 'a>,
    at: Position,
    children: &[Die<'a>],
    fields: Vec<Field>,
    style: Option<StructStyle>,
) -> Shape {
    let style = style.unwrap_or_else(|| style_of(&fields));
    Shape::Struct { fields, parameters: parameters(loader, at, children), style }
}

/// `__0`, `__1`, … are what rustc calls the fields of a tuple struct or variant.
pub(super) fn style_of(fields: &[Field]) -> StructStyle {
    let is_position = |field: &Field| field.name.strip_prefix("__").is_some_and(|rest| rest.parse::<u16>().is_ok());
    match !fields.is_empty() && fields.iter().all(is_position) {
        true => StructStyle::TupleStruct,
        false => StructStyle::Named,
    }
}

/// The fields among an aggregate's children, base classes first under the name of their class.
pub(super) fn fields<'a>(
    loader: &mut TypeLoader<'_, 'a>,
    unit: usize,
    children: &[Die<'a>],
    is_rust: bool,
) -> Vec<Field> {
    let mut fields = Vec::new();
    for child in children {
        let at = Position { unit, offset: child.offset().0 };
        let is_static = || child.has_attr(dw::DW_AT_external) || child.has_attr(dw::DW_AT_declaration);
        let name = loader.view.name(unit, child).unwrap_or_default();
        match child.tag() {
            dw::DW_TAG_member if !is_static() && !name.starts_with("_vptr") => {}
            dw::DW_TAG_inheritance if !is_rust => {}
            _ => continue,
        }
        if let Some(slot) = virtual_slot(child) {
            let target = loader.load_target(at, child);
            let (name, ty) = (loader.get(target).name.clone(), loader.virtual_base(target, slot));
            fields.push(Field { name, offset: 0, ty, bits: None });
            continue;
        }
        let Some(start) = start(child) else { continue };
        let ty = loader.load_target(at, child);
        let name = match child.tag() {
            dw::DW_TAG_inheritance => loader.get(ty).name.clone(),
            _ if name.is_empty() => match &loader.get(ty).shape {
                // C's anonymous structs: their members are the outer one's.
                Shape::Struct { fields: inner, .. } => {
                    let at = |field: &Field| Some(Field { offset: start.checked_add(field.offset)?, ..field.clone() });
                    fields.extend(inner.iter().filter_map(at));
                    continue;
                }
                _ => unnamed(&fields),
            },
            _ => name.into_owned(),
        };
        let (offset, bits) = bits(child, start, loader.size_bytes(ty));
        fields.push(Field { name, offset, ty, bits });
    }
    fields
}

/// What an anonymous union goes by: `_`, the next one `_2`.
fn unnamed(before: &[Field]) -> String {
    match before.iter().filter(|field| field.name.starts_with('_')).count() {
        0 => "_".to_owned(),
        _ => (2..)
            .map(|n| format!("_{n}"))
            .find(|name| before.iter().all(|field| field.name != *name))
            .unwrap_or_default(),
    }
}

/// `DW_AT_data_member_location` as a constant; a union's members have none.
pub(super) fn start(member: &Die<'_>) -> Option<u64> {
    match member.attr_value(dw::DW_AT_data_member_location) {
        None => Some(0),
        Some(Attribute::Exprloc(expression)) => {
            // DWARF 2 writes the constant as `DW_OP_plus_uconst`.
            let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
            let mut operations = expression.operations(encoding);
            match (operations.next(), operations.next()) {
                (Ok(Some(gimli::Operation::PlusConstant { value })), Ok(None)) => Some(value),
                _ => None,
            }
        }
        Some(value) => value.udata_value(),
    }
}

/// How far below the entry point of the object's table the place of a virtual base class is, if that is how its
/// location is written: `dup, deref, constant, minus, deref, plus`.
fn virtual_slot(member: &Die<'_>) -> Option<u64> {
    use gimli::Operation::{Deref, Minus, Pick, Plus, UnsignedConstant};
    let Attribute::Exprloc(expression) = member.attr_value(dw::DW_AT_data_member_location)? else { return None };
    let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
    let mut operations = expression.operations(encoding);
    let mut next = || operations.next().ok().flatten();
    match [next(), next(), next(), next(), next(), next(), next()] {
        [
            Some(Pick { index: 0 }),
            Some(Deref { size: 8, .. }),
            Some(UnsignedConstant { value }),
            Some(Minus),
            Some(Deref { size: 8, .. }),
            Some(Plus),
            None,
        ] => Some(value),
        _ => None,
    }
}

/// Where a bit field's storage unit starts, and which of its bits are the field's.
fn bits(member: &Die<'_>, start: u64, type_size_bytes: u64) -> (u64, Option<(u32, u32)>) {
    let Some(size_bits) = unsigned(member, dw::DW_AT_bit_size).and_then(|bits| u32::try_from(bits).ok()) else {
        return (start, None);
    };
    let storage_bytes = unsigned(member, dw::DW_AT_byte_size).unwrap_or(type_size_bytes).clamp(1, 16);
    // Counted from the start of the struct; the older attribute from the most significant bit of the storage unit.
    // That one is negative where the bits of a packed struct reach beyond the unit.
    let from_top = member.attr_value(dw::DW_AT_bit_offset).and_then(|value| value.sdata_value());
    let first_bit = match (unsigned(member, dw::DW_AT_data_bit_offset), from_top) {
        (Some(first), _) => start.saturating_mul(8).saturating_add(first),
        (None, Some(from_top)) => {
            let below = i64::try_from(storage_bytes * 8).unwrap_or(0).saturating_sub(from_top);
            let in_storage = u64::try_from(below.saturating_sub(i64::from(size_bits))).unwrap_or(0);
            start.saturating_mul(8).saturating_add(in_storage)
        }
        (None, None) => start.saturating_mul(8),
    };
    let aligned = first_bit / 8 / storage_bytes * storage_bytes;
    let fits = |offset: u64| first_bit - offset * 8 + u64::from(size_bits) <= storage_bytes * 8;
    let offset = if fits(aligned) { aligned } else { first_bit / 8 };
    (offset, Some(((first_bit - offset * 8) as u32, size_bits)))
}

/// Template parameters by name. Their types count as one pointer away: a `Vec<T>` reaches its `T` that way.
fn parameters<'a>(loader: &mut TypeLoader<'_, 'a>, at: Position, children: &[Die<'a>]) -> Vec<(String, TypeId)> {
    let mut parameters = Vec::new();
    for child in children.iter().filter(|child| child.tag() == dw::DW_TAG_template_type_parameter) {
        let child_at = Position { unit: at.unit, offset: child.offset().0 };
        let (Some(name), Some(target)) = (loader.view.name(at.unit, child), target(loader.view, child_at, child))
        else {
            continue;
        };
        let ty = loader.load_behind(target).unwrap_or_else(|| loader.unloaded());
        parameters.push((name.into_owned(), ty));
    }
    parameters
}

/// `&[T]`, `&str`, `Box<[T]>`, `*const str`, `&Path`, `*const RcInner<str>`: the pointer to the content, behind
/// counters in the last case, and the number of elements.
fn slice<'a>(loader: &mut TypeLoader<'_, 'a>, at: Position, name: &str, children: &[Die<'a>]) -> Option<Shape> {
    let behind = name::behind_pointer(name)?;
    let content = name::counted(behind).unwrap_or(behind);
    let text = name::text(content);
    if text.is_none() && !content.starts_with('[') {
        return None;
    }
    let member = |wanted: &str| {
        children.iter().find(|child| loader.view.name(at.unit, child).is_some_and(|name| name == wanted))
    };
    let (pointer, length) = (member("data_ptr")?, member("length")?);
    let (pointer_offset, length_offset) = (start(pointer)?, start(length)?);
    let pointer_type = target(loader.view, Position { unit: at.unit, offset: pointer.offset().0 }, pointer)?;
    let pointer_entry = loader.view.entry(pointer_type)?;
    let pointee = target(loader.view, pointer_type, &pointer_entry)?;
    let (element, data_offset) = match name::counted(behind) {
        Some(_) => unsized_element(loader, pointee)?,
        None => (pointee, 0),
    };
    let element = loader.load_behind(element).unwrap_or_else(|| loader.unloaded());
    let is_str = text == Some(TextKind::Str);
    Some(Shape::Slice { element, pointer_offset, length_offset, data_offset, is_str })
}

/// The element of the slice that a struct ends with (of text, whatever its field is), and where the slice begins.
fn unsized_element(loader: &TypeLoader<'_, '_>, at: Position) -> Option<(Position, u64)> {
    let members = loader.view.children(at);
    let last = members.iter().rfind(|child| child.tag() == dw::DW_TAG_member)?;
    let field = target(loader.view, Position { unit: at.unit, offset: last.offset().0 }, last)?;
    let entry = loader.view.entry(field)?;
    let element = match entry.tag() {
        dw::DW_TAG_array_type => target(loader.view, field, &entry)?,
        _ => field,
    };
    Some((element, start(last)?))
}
