//! What a name of the command line means among an object's globals, statics and thread locals; and how a
//! `thread_local!` of Rust's standard library keeps its value.

use std::fmt;

use super::nearest::nearest;
use super::probe::{self, Probe};
use crate::target::debug_info::{LoadedTypes, Variable, VariablePlace};
use crate::target::image::Image;
use crate::value::layout::{Shape, Type, TypeId, Types};
use crate::value::place::Missing;
use crate::value::{Payload, Value};

/// A variable and the object that it is in.
pub struct Global<'i, 'data> {
    pub image: &'i Image<'data>,
    pub variable: Variable,
}

/// Names listed in a message.
const NAMES_MAX: usize = 12;

/// Why a name means no variable, or not one.
#[derive(Debug, PartialEq, Eq)]
pub enum UnknownGlobal {
    Nothing { name: String, nearest: Vec<String> },
    Ambiguous { name: String, meanings: Vec<String> },
    NoDebugInfo { name: String },
}

impl fmt::Display for UnknownGlobal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing { name, nearest } if nearest.is_empty() => {
                write!(f, "there is no global, static or thread local {name:?}, and no similar name")
            }
            Self::Nothing { name, nearest } => {
                write!(f, "there is no global, static or thread local {name:?}; there is {}", nearest.join(", "))
            }
            Self::Ambiguous { name, meanings } => {
                let listed: String = meanings.iter().take(NAMES_MAX).map(|name| format!("\n  {name}")).collect();
                write!(f, "{} variables are called {name:?}, so write more of the path of one:{listed}", meanings.len())
            }
            Self::NoDebugInfo { name } => {
                write!(f, "the program has no debug information, so nothing says where {name:?} is and what it is")
            }
        }
    }
}

/// The variables that `name` means: all of one path, of which C can have one in each file. A path is matched at `::`
/// from the right; one that fits from the start to the end is preferred. Libraries are searched if the program has none.
///
/// # Errors
/// There is none, or there are several of different paths.
pub fn find<'i, 'data>(images: &'i [Image<'data>], name: &str) -> Result<Vec<Global<'i, 'data>>, UnknownGlobal> {
    let own = name.rsplit("::").next().unwrap_or(name);
    let (program, libraries): (Vec<_>, Vec<_>) = images.iter().partition(|image| image.is_executable);
    for images in [program, libraries] {
        let mut found: Vec<Global<'i, 'data>> = Vec::new();
        for image in images {
            let Ok(debug_info) = image.debug_info() else { continue };
            let variables = debug_info.variables(|candidate| candidate == own);
            let meant = variables.into_iter().filter(|variable| is_meant(&variable.name, name));
            found.extend(meant.map(|variable| Global { image, variable }));
        }
        if !found.is_empty() {
            return one_path(found, name);
        }
    }
    let has_debug_info = |image: &&Image<'_>| image.debug_info().is_ok_and(|info| !info.is_empty());
    if !images.iter().filter(|image| image.is_executable).any(|image| has_debug_info(&image)) {
        return Err(UnknownGlobal::NoDebugInfo { name: name.to_owned() });
    }
    Err(UnknownGlobal::Nothing { name: name.to_owned(), nearest: similar(images, name) })
}

/// Why a name means no type, or not one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownType {
    #[error("the debug information has no type {0:?}")]
    Nothing(String),
    #[error("{} types are called {name:?}, so write more of the path of one: {}", .meanings.len(), some(.meanings))]
    Ambiguous { name: String, meanings: Vec<String> },
}

/// The first of many names.
fn some(names: &[String]) -> String {
    let more = if names.len() > NAMES_MAX { ", …" } else { "" };
    names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// The type that a name means, `[TYPE; 4]` included, added to `loaded`. Paths are matched at `::` from the right; one
/// that fits from the start to the end is preferred. Libraries are searched if the program has none.
///
/// # Errors
/// There is none, or there are several.
pub fn named_type(images: &[Image<'_>], name: &str, loaded: &mut LoadedTypes) -> Result<TypeId, UnknownType> {
    let array = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.rsplit_once(';'));
    if let Some((element, count)) = array
        && let Ok(count) = count.trim().parse::<u64>()
    {
        let element = named_type(images, element.trim(), loaded)?;
        let size_bytes = loaded.types.get(element).size_bytes.saturating_mul(count);
        return Ok(loaded.types.add(Type {
            name: name.to_owned(),
            size_bytes,
            shape: Shape::Array { element, count },
        }));
    }
    let (program, libraries): (Vec<_>, Vec<_>) = images.iter().partition(|image| image.is_executable);
    for image in program.into_iter().chain(libraries) {
        let Ok(debug_info) = image.debug_info() else { continue };
        let mut found = debug_info.named_types(name);
        if let Some(exact) = found.iter().position(|found| found.name == name) {
            found = vec![found.swap_remove(exact)];
        }
        match found.as_slice() {
            [] => {}
            [only] => {
                let nothing = || UnknownType::Nothing(name.to_owned());
                return debug_info.load_named(only, loaded).ok_or_else(nothing);
            }
            several => {
                let meanings = several.iter().map(|found| found.name.clone()).collect();
                return Err(UnknownType::Ambiguous { name: name.to_owned(), meanings });
            }
        }
    }
    Err(UnknownType::Nothing(name.to_owned()))
}

fn is_meant(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with("::"))
}

fn one_path<'i, 'data>(mut found: Vec<Global<'i, 'data>>, name: &str) -> Result<Vec<Global<'i, 'data>>, UnknownGlobal> {
    if found.iter().any(|global| global.variable.name == name) {
        found.retain(|global| global.variable.name == name);
    }
    if found.iter().any(|global| global.variable.place != VariablePlace::None) {
        found.retain(|global| global.variable.place != VariablePlace::None);
    }
    found.dedup_by(|a, b| a.variable.name == b.variable.name && a.variable.place == b.variable.place);
    let mut meanings: Vec<String> = found.iter().map(|global| global.variable.name.clone()).collect();
    meanings.dedup();
    if meanings.len() > 1 {
        return Err(UnknownGlobal::Ambiguous { name: name.to_owned(), meanings });
    }
    Ok(found)
}

fn similar(images: &[Image<'_>], name: &str) -> Vec<String> {
    let Ok(Probe { place: probe::Place::Function { pattern, .. }, .. }) = Probe::parse(name) else { return Vec::new() };
    let program = images.iter().filter(|image| image.is_executable);
    let variables = program.filter_map(|image| image.debug_info().ok()).flat_map(|info| {
        let variables = info.variables(|candidate| !candidate.contains(['{', '<']));
        variables.into_iter().filter(|variable| variable.place != VariablePlace::None)
    });
    let names: Vec<String> = variables.map(|variable| variable.name).collect();
    nearest(&pattern, names.iter().map(String::as_str)).into_iter().map(str::to_owned).collect()
}

/// What `thread_local!` makes of a value that needs a destructor or is made at its first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LazyValue {
    pub state: (u64, TypeId),
    pub value: (u64, TypeId),
    /// Its value is there from the thread's start.
    is_eager: bool,
}

impl LazyValue {
    /// By structure: `std::sys::thread_local::native::{lazy, eager}::Storage<T, …>` with a `state` beside the value.
    pub fn of(types: &Types, ty: TypeId) -> Option<Self> {
        let storage = types.get(ty);
        let Shape::Struct { fields, parameters, .. } = &storage.shape else { return None };
        if !storage.name.contains("thread_local") || !storage.name.contains("::Storage<") {
            return None;
        }
        let state = fields.iter().find(|field| field.name == "state")?;
        let value = fields.iter().find(|field| field.name == "value" || field.name == "val")?;
        let (_, content) = parameters.iter().find(|(name, _)| name == "T")?;
        let is_eager = storage.name.contains("::eager::");
        Some(Self { state: (state.offset, state.ty), value: (value.offset, *content), is_eager })
    }

    /// Why the value is not there, by its state.
    pub fn missing(&self, state: &Value) -> Option<Missing> {
        match variant(state) {
            Some("Alive") => None,
            Some("Initial") if self.is_eager => None,
            Some("Initial" | "Uninitialized") => Some(Missing::NotInitialised),
            Some("Destroyed") => Some(Missing::Destroyed),
            _ => match state {
                Value::Unreadable(missing) => Some(*missing),
                _ => Some(Missing::UnsupportedLocation),
            },
        }
    }
}

/// The name of the variant behind wrappers.
fn variant(value: &Value) -> Option<&str> {
    match value {
        Value::Variant { name, payload: Payload::Unit | Payload::Tuple(_) | Payload::Struct(_) } => Some(name),
        Value::Struct { fields, .. } => match fields.as_slice() {
            [(_, only)] => variant(only),
            _ => None,
        },
        Value::TupleStruct { fields, .. } => match fields.as_slice() {
            [only] => variant(only),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_at_their_parts_from_the_right() {
        assert!(is_meant("app::config::LIMITS", "LIMITS"));
        assert!(is_meant("app::config::LIMITS", "config::LIMITS"));
        assert!(is_meant("app::config::LIMITS", "app::config::LIMITS"));
        assert!(!is_meant("app::config::LIMITS", "fig::LIMITS"));
        assert!(!is_meant("app::config::LIMITS", "app::LIMITS"));
    }

    #[test]
    fn the_state_of_a_thread_local_decides() {
        let state = |name: &str| Value::Struct {
            name: "Cell".into(),
            fields: vec![("value".into(), Value::Variant { name: name.into(), payload: Payload::Unit })],
        };
        let lazy = LazyValue { state: (0, TypeId(0)), value: (8, TypeId(1)), is_eager: false };
        assert_eq!(lazy.missing(&state("Alive")), None);
        assert_eq!(lazy.missing(&state("Uninitialized")), Some(Missing::NotInitialised));
        assert_eq!(lazy.missing(&state("Destroyed")), Some(Missing::Destroyed));
        assert_eq!(lazy.missing(&Value::Unit), Some(Missing::UnsupportedLocation));
        assert_eq!(lazy.missing(&Value::Unreadable(Missing::NotResident)), Some(Missing::NotResident));
        let eager = LazyValue { is_eager: true, ..lazy };
        assert_eq!(eager.missing(&state("Initial")), None);
    }
}
