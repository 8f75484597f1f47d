//! Where arguments are at a function's first instruction and results at its return: DWARF where it says so, the
//! platform's rules where DWARF only describes the frame to come. Says that it does not know rather than guess.

mod assign;
#[cfg(test)]
mod oracle_tests;
mod rust;
mod system_v;
#[cfg(test)]
mod tests;

use assign::{Assigner, INTEGER_ARGUMENTS, returned};

use crate::target::debug_info::{EntryLocation, FunctionKind, Language, Signature};
use crate::value::layout::{Shape, TypeId, Types};
use crate::value::place::{Location, MemoryPlace, Missing, Piece, Place, Register};

/// How a value is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Passed {
    /// It has no bytes.
    Nothing,
    /// In registers, or 8 bytes each on the stack when those run out.
    Parts(Vec<Part>),
    /// In registers only if there is one for each part, otherwise as a whole on the stack.
    Together(Vec<Part>),
    /// By the address of a copy.
    Indirect,
    /// A copy on the stack, aligned to so many bytes.
    Stack { align_bytes: u64 },
    /// The rules need something that the debug information does not say.
    Unknown,
}

/// A scalar of a value: `size_bytes` at `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    offset: u64,
    size_bytes: u64,
    is_float: bool,
}

/// Where a result is when the function has returned, and what must be remembered from its entry for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPlan {
    pub location: Location,
    /// The register that holds the result's address at entry.
    pub keep: Option<Register>,
}

/// The location of each parameter at the first instruction.
pub fn parameter_locations(types: &Types, signature: &Signature, kind: FunctionKind) -> Vec<Location> {
    let by_rules = locations_by_rules(types, signature, kind);
    let mut locations = Vec::with_capacity(signature.parameters.len());
    let is_c = matches!(signature.language, Language::C | Language::Cpp);
    for (parameter, by_rule) in signature.parameters.iter().zip(by_rules) {
        let missing = |missing| missing_value(types, parameter.ty, missing);
        locations.push(match (&parameter.location_at_entry, by_rule) {
            (EntryLocation::Covered(found), Some(rule)) if is_c && has_holes(found) && is_in_memory(&rule) => rule,
            (EntryLocation::Covered(found), _) if is_possible_at_entry(found) => found.clone(),
            (EntryLocation::Covered(_) | EntryLocation::FrameRelative | EntryLocation::Gap, by_rule) => {
                by_rule.unwrap_or_else(|| missing(Missing::AmbiguousLocation))
            }
            (EntryLocation::None, _) => missing(Missing::OptimizedOut),
            (EntryLocation::Unsupported, Some(rule)) if is_c => rule,
            (EntryLocation::Unsupported, _) => missing(Missing::UnsupportedLocation),
        });
    }
    locations
}

/// GCC splits a struct into the parts that it uses and forgets the others, which the caller has written all the same.
fn has_holes(location: &Location) -> bool {
    location.pieces.iter().any(|piece| matches!(piece.place, Place::Missing(Missing::OptimizedOut)))
}

fn is_in_memory(location: &Location) -> bool {
    matches!(location.pieces.as_slice(), [Piece { place: Place::Memory(_), .. }])
}

/// Whether all registers are ones that arguments come in. GCC gives some 128-bit parameters one location for the
/// whole function, in the registers where the function's body has them.
fn is_possible_at_entry(location: &Location) -> bool {
    let is_possible = |register: Register| INTEGER_ARGUMENTS.contains(&register) || register == Register::RSP;
    registers(location).iter().all(|(_, _, register)| !register.is_readable() || is_possible(*register))
}

/// What the rules say of each parameter; nothing at all where they cannot be relied upon: the compiler changed the
/// convention, DWARF contradicts it, or some parameters are not in the list (a closure's environment).
fn locations_by_rules(types: &Types, signature: &Signature, kind: FunctionKind) -> Vec<Option<Location>> {
    let nothing = vec![None; signature.parameters.len()];
    if kind != FunctionKind::Plain || signature.poll.is_some() || signature.is_nocall {
        return nothing;
    }
    let Some(returned) = passed_back(types, signature.return_type, signature.language) else { return nothing };
    let mut assigner = Assigner::new(returned);
    let mut locations = Vec::with_capacity(nothing.len());
    for parameter in &signature.parameters {
        let passed = passed(types, parameter.ty, signature.language);
        let location = assigner.assign(types.get(parameter.ty).size_bytes, &passed);
        let is_reliable = match &parameter.location_at_entry {
            EntryLocation::Covered(found) if is_possible_at_entry(found) => {
                location.as_ref().is_none_or(|rule| !contradicts(found, rule))
            }
            // It may have been promoted to what it points to, which takes other registers.
            EntryLocation::None => !is_pointer(types, parameter.ty),
            _ => true,
        };
        if !is_reliable {
            return nothing;
        }
        locations.push(location);
    }
    locations
}

/// The environment of a poll function: what the pinned reference in its first argument leads to.
pub fn environment_location(types: &Types, signature: &Signature) -> Option<Location> {
    let environment = signature.poll.as_ref()?.environment?;
    let size_bytes = types.get(environment).size_bytes;
    let result = passed_back(types, signature.return_type, signature.language);
    let register = match result {
        _ if signature.is_nocall => return Some(missing_value(types, environment, Missing::AmbiguousLocation)),
        Some(Passed::Indirect) => Register::RSI,
        Some(Passed::Unknown) | None => return Some(missing_value(types, environment, Missing::AmbiguousLocation)),
        Some(_) => Register::RDI,
    };
    Some(Location::whole(size_bytes, Place::Memory(MemoryPlace::at(register, 0))))
}

/// Where the result is right after the function's `ret`, or at it.
pub fn return_location(types: &Types, return_type: TypeId, language: Language, is_nocall: bool) -> ReturnPlan {
    let missing = |missing| ReturnPlan { location: missing_value(types, return_type, missing), keep: None };
    let size_bytes = types.get(return_type).size_bytes;
    match passed_back(types, Some(return_type), language) {
        Some(Passed::Nothing) => ReturnPlan { location: Location::default(), keep: None },
        _ if is_nocall => missing(Missing::ReturnElided),
        Some(Passed::Indirect) => ReturnPlan {
            location: Location::whole(size_bytes, Place::Memory(MemoryPlace::at(Register::RESULT_POINTER, 0))),
            keep: Some(Register::RDI),
        },
        Some(Passed::Parts(parts) | Passed::Together(parts)) => match returned(size_bytes, &parts) {
            Some(location) => ReturnPlan { location, keep: None },
            None => missing(Missing::UnsupportedLocation),
        },
        Some(Passed::Stack { .. } | Passed::Unknown) | None => missing(Missing::UnsupportedLocation),
    }
}

fn passed(types: &Types, ty: TypeId, language: Language) -> Passed {
    match language {
        Language::Rust => rust::argument(types, ty),
        Language::C | Language::Cpp => system_v::argument(types, ty, language == Language::Cpp),
        Language::Other(_) => Passed::Unknown,
    }
}

/// How the result goes back; `None` if the language's rules are not known.
fn passed_back(types: &Types, return_type: Option<TypeId>, language: Language) -> Option<Passed> {
    let Some(ty) = return_type else { return Some(Passed::Nothing) };
    match language {
        Language::Rust => Some(rust::result(types, ty)),
        Language::C | Language::Cpp => Some(system_v::result(types, ty, language == Language::Cpp)),
        Language::Other(_) => None,
    }
}

fn missing_value(types: &Types, ty: TypeId, missing: Missing) -> Location {
    match types.get(ty).size_bytes {
        0 => Location::default(),
        size_bytes => Location::whole(size_bytes, Place::Missing(missing)),
    }
}

fn is_pointer(types: &Types, ty: TypeId) -> bool {
    matches!(types.get(ty).shape, Shape::Pointer { .. } | Shape::Slice { .. })
}

/// Whether a part of the value is in one register by DWARF and in another one by the rules.
fn contradicts(found: &Location, rule: &Location) -> bool {
    let rule = registers(rule);
    registers(found).iter().any(|(offset, kind, register)| {
        rule.iter().any(|(o, k, r)| o == offset && (k, r) != (kind, register) && register.is_readable())
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Value,
    Address,
}

/// Which registers the parts start in: `(offset of the part, what the register holds, register)`.
fn registers(location: &Location) -> Vec<(u64, Holds, Register)> {
    let mut offset = 0;
    let mut found = Vec::new();
    for Piece { size_bytes, place } in &location.pieces {
        match place {
            Place::Register(register) => found.push((offset, Holds::Value, *register)),
            Place::Memory(MemoryPlace { base: Some(base), index: None, indirect: None, .. }) => {
                found.push((offset, Holds::Address, *base));
            }
            _ => {}
        }
        offset = size_bytes.saturating_add(offset);
    }
    found
}
