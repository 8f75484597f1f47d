//! Members that a class of C++ or a struct of C has of another's: those of base classes and of anonymous unions.

use crate::value::layout::{Field, Shape, Types};
use crate::value::name;

/// Classes within classes that are looked into.
const NESTING_MAX: u32 = 16;

/// The member of that name in a base class or an anonymous union: its offset is from the outer start.
pub(super) fn member(types: &Types, fields: &[Field], name: &str, nesting: u32) -> Option<Field> {
    fields.iter().find_map(|part| {
        let ty = types.get(part.ty);
        let is_part = part.name == ty.name || name::kind_of_anonymous(&ty.name) == Some("union");
        let (Shape::Struct { fields, .. } | Shape::Union { fields }) = &ty.shape else { return None };
        if !is_part || nesting > NESTING_MAX {
            return None;
        }
        let found = fields.iter().find(|field| field.name == name).cloned();
        let found = found.or_else(|| member(types, fields, name, nesting + 1))?;
        Some(Field { offset: part.offset.checked_add(found.offset)?, ..found })
    })
}
