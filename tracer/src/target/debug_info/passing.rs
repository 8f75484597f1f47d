//! How a C++ class is handed over: in registers and on the stack as C has it, or by the address of a temporary.
//! By what the entry says (clang), or by what makes a class trivial for calls (Itanium C++ ABI, 3.1.2.3).

use gimli::constants as dw;

use super::type_name::target;
use super::unit::{Attribute, Die, Position, View};
use crate::value::layout::Passing;

/// Classes within classes that are looked into; deeper ones are not known.
const NESTING_MAX: u32 = 24;

/// How values of that type are handed over; `None` if it is no class, or if DWARF does not tell.
pub(super) fn of(view: &View<'_>, at: Position) -> Option<Passing> {
    let (at, die) = class(view, at)?;
    is_trivial(view, at, &die, 0).map(|trivial| if trivial { Passing::ByValue } else { Passing::ByReference })
}

/// The class behind qualifiers, typedefs and declarations.
fn class<'a>(view: &View<'a>, mut at: Position) -> Option<(Position, Die<'a>)> {
    for _ in 0..NESTING_MAX {
        let die = view.entry(at)?;
        at = match die.tag() {
            dw::DW_TAG_typedef | dw::DW_TAG_const_type | dw::DW_TAG_volatile_type | dw::DW_TAG_array_type => {
                target(view, at, &die)?
            }
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type => {
                match view.definition(at, &die) {
                    Some(definition) => definition,
                    None => return Some((at, die)),
                }
            }
            _ => return None,
        };
    }
    None
}

fn is_trivial<'a>(view: &View<'a>, at: Position, die: &Die<'a>, nesting: u32) -> Option<bool> {
    match die.attr_value(dw::DW_AT_calling_convention) {
        Some(Attribute::CallingConvention(dw::DW_CC_pass_by_value)) => return Some(true),
        Some(Attribute::CallingConvention(dw::DW_CC_pass_by_reference)) => return Some(false),
        _ => {}
    }
    // Before DWARF 5 a defaulted member function need not be marked as one.
    if nesting > NESTING_MAX || die.has_attr(dw::DW_AT_declaration) || view.unit(at.unit)?.encoding().version < 5 {
        return None;
    }
    let name = view.name(at.unit, die).unwrap_or_default();
    let mut found = Some(true);
    let mut copies = Copies::default();
    for child in view.children(at) {
        let child_at = Position { unit: at.unit, offset: child.offset().0 };
        let virtuality = child.attr_value(dw::DW_AT_virtuality);
        let is_virtual = virtuality.is_some_and(|value| value != Attribute::Virtuality(dw::DW_VIRTUALITY_none));
        let trivial = match child.tag() {
            dw::DW_TAG_subprogram | dw::DW_TAG_inheritance if is_virtual => Some(false),
            dw::DW_TAG_subprogram => match special(view, child_at, &child, at, &name) {
                Some(special) => copies.note(special, &child),
                None => Some(true),
            },
            dw::DW_TAG_member if child.has_attr(dw::DW_AT_external) || child.has_attr(dw::DW_AT_declaration) => {
                Some(true)
            }
            dw::DW_TAG_member | dw::DW_TAG_inheritance => match target(view, child_at, &child) {
                Some(part) => match class(view, part) {
                    Some((at, die)) => is_trivial(view, at, &die, nesting + 1),
                    None => Some(true),
                },
                None => None,
            },
            _ => Some(true),
        };
        match trivial {
            Some(false) => return Some(false),
            Some(true) => {}
            None => found = None,
        }
    }
    if copies.deleted && !copies.usable { Some(false) } else { found }
}

/// The member functions that decide.
enum Special {
    Destructor,
    /// A copy or move constructor.
    Copy,
}

/// The copy and move constructors that the class declares.
#[derive(Default)]
struct Copies {
    deleted: bool,
    usable: bool,
}

impl Copies {
    /// Whether the class may still be trivial with this function.
    fn note(&mut self, special: Special, function: &Die<'_>) -> Option<bool> {
        let is_copy = matches!(special, Special::Copy);
        if function.has_attr(dw::DW_AT_deleted) {
            self.deleted |= is_copy;
            return Some(true);
        }
        self.usable |= is_copy;
        let defaulted = function.attr_value(dw::DW_AT_defaulted).and_then(|value| value.udata_value());
        let is_defaulted = defaulted == Some(u64::from(dw::DW_DEFAULTED_in_class.0));
        // One that the compiler has added is as trivial as the members are.
        Some(is_defaulted || function.has_attr(dw::DW_AT_artificial))
    }
}

fn special<'a>(
    view: &View<'a>,
    at: Position,
    function: &Die<'a>,
    class_at: Position,
    class_name: &str,
) -> Option<Special> {
    let name = view.name(at.unit, function)?;
    if name.starts_with('~') {
        return Some(Special::Destructor);
    }
    // `Pair<int>` is constructed by `Pair`.
    let constructor = class_name.split('<').next().unwrap_or(class_name);
    if name.split('<').next() != Some(constructor) {
        return None;
    }
    let parameters = view.children(at).into_iter().filter(|child| child.tag() == dw::DW_TAG_formal_parameter);
    let mut explicit = parameters.filter(|parameter| !parameter.has_attr(dw::DW_AT_artificial));
    let (Some(parameter), None) = (explicit.next(), explicit.next()) else { return None };
    let reference = target(view, Position { unit: at.unit, offset: parameter.offset().0 }, &parameter)?;
    let die = view.entry(reference)?;
    if !matches!(die.tag(), dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type) {
        return None;
    }
    let (referred, _) = class(view, target(view, reference, &die)?)?;
    (referred == class_at).then_some(Special::Copy)
}
