//! Rust's enums with data and coroutines: `DW_TAG_variant_part` → tag, variants and the tag values that select them.
//! Layouts as rustc writes them: a tag, a niche (the default variant has no value), or a single variant.

use gimli::Reader as _;
use gimli::constants as dw;

use super::aggregate::{fields, start, style_of};
use super::index::source_line;
use super::type_loader::{TypeLoader, number};
use super::type_name::target;
use super::unit::{Attribute, Die, Position, Slice};
use crate::value::layout::{Enum, Field, Shape, Tag, Type, Variant};

/// Reads the variant part at `at`. `common` are the fields outside of it, which every variant has.
pub(super) fn read<'a>(loader: &mut TypeLoader<'_, 'a>, at: Position, part: &Die<'a>, common: &[Field]) -> Shape {
    let children = loader.view.children(at);
    let tag = part.attr_value(dw::DW_AT_discr).and_then(|value| tag(loader, at.unit, value));
    let variants = children
        .iter()
        .filter(|child| child.tag() == dw::DW_TAG_variant)
        .map(|child| variant(loader, Position { unit: at.unit, offset: child.offset().0 }, child, tag, common))
        .collect::<Option<Vec<_>>>();
    match variants.map(|variants| possible(loader, variants, tag)) {
        // Several variants and nothing to tell them apart: better to show bytes than a guess.
        Some(variants) if tag.is_some() || variants.len() <= 1 => Shape::Enum(Enum { tag, variants }),
        _ => Shape::Opaque,
    }
}

/// Without a tag only one variant can be a value: the others have a part that has none, such as `Infallible`.
fn possible(loader: &TypeLoader<'_, '_>, mut variants: Vec<Variant>, tag: Option<Tag>) -> Vec<Variant> {
    if tag.is_none() && variants.len() > 1 {
        variants.retain(|variant| !variant.fields.iter().any(|field| has_no_value(loader.get(field.ty))));
    }
    variants
}

fn has_no_value(ty: &Type) -> bool {
    ty.name == "!" || matches!(&ty.shape, Shape::Enum(layout) if layout.variants.is_empty())
}

fn tag<'a>(loader: &mut TypeLoader<'_, 'a>, unit: usize, discriminant: Attribute<'a>) -> Option<Tag> {
    let at = loader.view.reference(unit, discriminant)?;
    let member = loader.view.entry(at)?;
    let ty = loader.load_target(at, &member);
    let ty = loader.get(ty);
    let signed = matches!(ty.shape, crate::value::layout::Shape::Integer { signed: true });
    (1..=16).contains(&ty.size_bytes).then_some(Tag { offset: start(&member)?, size_bytes: ty.size_bytes, signed })
}

/// `None` for values that cannot be read: the whole enum is then not understood.
fn variant<'a>(
    loader: &mut TypeLoader<'_, 'a>,
    at: Position,
    die: &Die<'a>,
    tag: Option<Tag>,
    common: &[Field],
) -> Option<Variant> {
    let discriminants = match tag {
        Some(tag) => discriminants(die, tag)?,
        None => Vec::new(),
    };
    let children = loader.view.children(at);
    let member = children.iter().find(|child| child.tag() == dw::DW_TAG_member);
    let mut variant = Variant {
        name: member.and_then(|member| loader.view.name(at.unit, member)).unwrap_or_default().into_owned(),
        discriminants,
        fields: common.to_vec(),
        style: style_of(&[]),
        source: None,
    };
    let Some(member) = member else { return Some(variant) };
    let member_at = Position { unit: at.unit, offset: member.offset().0 };
    variant.source = source_line(loader.view, at.unit, member, dw::DW_AT_decl_file, dw::DW_AT_decl_line)
        .and_then(|source| Some((source.file, u32::try_from(source.line).ok()?)));
    if let Some(body_at) = target(loader.view, member_at, member)
        && let Some(body) = loader.view.entry(body_at)
    {
        // A coroutine's variants are numbered; their structs are called `Unresumed`, `Suspend0`, ….
        if let Some(name) = loader.view.name(body_at.unit, &body) {
            variant.name = name.split('<').next().unwrap_or(&name).to_owned();
        }
        let base = start(member)?;
        let members = loader.view.children(body_at);
        let mut own = fields(loader, body_at.unit, &members, true);
        for field in &mut own {
            field.offset = field.offset.checked_add(base)?;
        }
        variant.style = style_of(&own);
        variant.fields.extend(own);
    }
    Some(variant)
}

/// The tag values of a variant as zero-extended bits; none for the default variant.
fn discriminants(die: &Die<'_>, tag: Tag) -> Option<Vec<(u128, u128)>> {
    if let Some(value) = die.attr_value(dw::DW_AT_discr_value) {
        let value = bits(number(value, tag.signed, tag.size_bytes)?, tag);
        return Some(vec![(value, value)]);
    }
    match die.attr_value(dw::DW_AT_discr_list) {
        Some(Attribute::Block(bytes)) => discriminant_list(bytes, tag),
        Some(_) => None,
        None => Some(Vec::new()),
    }
}

/// DWARF 5, section 5.7.10: `DW_DSC_label value` or `DW_DSC_range low high`, in LEB128 of the tag's sign.
fn discriminant_list(mut bytes: Slice<'_>, tag: Tag) -> Option<Vec<(u128, u128)>> {
    fn value(bytes: &mut Slice<'_>, tag: Tag) -> Option<u128> {
        let value = match tag.signed {
            true => i128::from(bytes.read_sleb128().ok()?),
            false => i128::from(bytes.read_uleb128().ok()?),
        };
        Some(bits(value, tag))
    }
    let mut ranges = Vec::new();
    while !bytes.is_empty() {
        let descriptor = gimli::DwDsc(bytes.read_u8().ok()?);
        let low = value(&mut bytes, tag)?;
        ranges.push(match descriptor {
            dw::DW_DSC_label => (low, low),
            dw::DW_DSC_range => (low, value(&mut bytes, tag)?),
            _ => return None,
        });
    }
    Some(ranges)
}

/// The low bits of a number, as many as the tag has.
fn bits(value: i128, tag: Tag) -> u128 {
    match tag.size_bytes {
        bytes @ 1..16 => value as u128 & ((1 << (bytes * 8)) - 1),
        _ => value as u128,
    }
}
