//! What DWARF says of an object: its functions, their signatures, the layouts of their types.
//! Reads sections that it is given, never a process, and knows nothing of symbols or calling conventions.

mod dynamic;
mod error;
mod expression;
mod function;
mod index;
mod interface;
mod lines;
mod location;
mod location_list;
mod name;
mod named_type;
mod passing;
mod scan;
mod scope;
mod signature;
mod split;
mod split_view;
mod standpoint;
mod type_name;
mod unit;
mod variable;

#[cfg(test)]
mod tests;

mod aggregate;
mod type_loader;
mod type_reader;
mod variant;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use gimli::DwarfSections;

pub use error::DebugInfoError;
pub use function::{DieId, Function, FunctionKind, InlinedCopy, Language, SourceLine};
pub use interface::Interface;
pub use lines::{SourceFile, SourceRow};
pub use named_type::NamedType;
pub use scope::{Activation, Activations, Local, Variables, Wanted};
pub use signature::{EntryLocation, Parameter, Poll, Signature};
pub use split::{SectionBytes, SplitFiles, SplitHome, SplitLack, SplitSections};
pub use standpoint::Standpoint;
pub use type_loader::LoadedTypes;
pub use type_reader::{ThreadLocal, TypeReader};
pub use variable::{Variable, VariablePlace};

use split::Split;
use unit::{Position, UnitEntry, UnitRanges, View};

/// The debug information of one object. Sections are borrowed or owned; everything read from them is read on demand,
/// and only what is small and often asked for (unit headers, abbreviations, the tree of functions) is kept.
pub struct DebugInfo<'data> {
    sections: DwarfSections<Cow<'data, [u8]>>,
    /// `.debug_loc` and `.debug_loclists` again: gimli reads the lists in them, but not GCC's views between those.
    location_lists: [Cow<'data, [u8]>; 2],
    units: Vec<UnitEntry>,
    type_units: OnceLock<HashMap<u64, Position>>,
    split: Split,
    listed_ranges: OnceLock<UnitRanges>,
    root_ranges: OnceLock<UnitRanges>,
    problems: Mutex<Vec<DebugInfoError>>,
}

/// How much an object's debug information says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No unit at all.
    None,
    /// Units with lines, without functions.
    LineTables,
    /// Functions without parameters (`debuginfo=1`).
    Functions,
    /// Functions, parameters and types.
    Full,
}

/// What there is, for `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub level: Level,
    pub units: usize,
    /// Out-of-line copies of functions.
    pub functions: usize,
    pub inlined_copies: usize,
    pub parameters: usize,
}

impl<'data> DebugInfo<'data> {
    /// Reads the unit headers. `section` gives a section's decompressed bytes by name (`.debug_info`), empty if there
    /// is none: an object without debug information has no units and no functions, which is no error.
    pub fn load(mut section: impl FnMut(&str) -> Cow<'data, [u8]>) -> Result<Self, DebugInfoError> {
        let mut location_lists = [const { Cow::Borrowed([].as_slice()) }; 2];
        let sections = DwarfSections::load(|id| {
            let bytes = section(id.name());
            match id {
                gimli::SectionId::DebugLoc => location_lists[0] = bytes.clone(),
                gimli::SectionId::DebugLocLists => location_lists[1] = bytes.clone(),
                _ => {}
            }
            Ok::<_, gimli::Error>(bytes)
        })
        .map_err(|source| DebugInfoError::Header { offset: 0, source })?;
        let (units, problem) = unit::list(&sections);
        Ok(Self {
            sections,
            location_lists,
            units,
            type_units: OnceLock::new(),
            split: Split::default(),
            listed_ranges: OnceLock::new(),
            root_ranges: OnceLock::new(),
            problems: Mutex::new(problem.into_iter().collect()),
        })
    }

    /// Whether there is any debug information.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// What was found damaged so far, unit by unit; the rest of the object was read.
    pub fn problems(&self) -> Vec<DebugInfoError> {
        self.problems.lock().map(|problems| problems.clone()).unwrap_or_default()
    }

    /// Reads all units, in parallel, and counts.
    pub fn summary(&self) -> Summary {
        let view = View::new(self);
        view.scan_all();
        let mut summary =
            Summary { level: Level::None, units: self.units.len(), functions: 0, inlined_copies: 0, parameters: 0 };
        let mut has_lines = false;
        for unit in 0..self.units.len() {
            let scan = view.scan(unit);
            summary.functions += scan.functions.iter().filter(|function| function.has_code()).count();
            summary.inlined_copies += scan.inlined.len();
            summary.parameters += scan.parameters;
            has_lines |= scan.has_lines || view.lines(unit).is_some_and(|unit| unit.line_program.is_some());
        }
        summary.level = match &summary {
            summary if summary.parameters > 0 => Level::Full,
            summary if summary.functions > 0 => Level::Functions,
            _ if has_lines => Level::LineTables,
            _ => Level::None,
        };
        summary
    }

    fn report(&self, problem: DebugInfoError) {
        /// Enough to see what is wrong; damaged files can have one problem per unit.
        const PROBLEMS_MAX: usize = 100;
        if let Ok(mut problems) = self.problems.lock()
            && problems.len() < PROBLEMS_MAX
            && !problems.contains(&problem)
        {
            problems.push(problem);
        }
    }
}
