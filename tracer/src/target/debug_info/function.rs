//! A function as DWARF knows it: name, kind, ranges, where it was inlined. Plain data.

use crate::target::address::{LinkAddress, LinkRange};

/// A debugging information entry: the number of its unit in this debug information, and its offset in that unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DieId {
    pub unit: u32,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    Rust,
    C,
    Cpp,
    /// Another one, by its `DW_LANG` number; 0 if the unit does not say.
    Other(u16),
}

impl Default for Language {
    fn default() -> Self {
        Self::Other(0)
    }
}

impl From<gimli::DwLang> for Language {
    fn from(language: gimli::DwLang) -> Self {
        use gimli::constants as dw;
        match language {
            dw::DW_LANG_Rust => Self::Rust,
            dw::DW_LANG_C89 | dw::DW_LANG_C | dw::DW_LANG_C99 | dw::DW_LANG_C11 | dw::DW_LANG_C17 => Self::C,
            dw::DW_LANG_C_plus_plus
            | dw::DW_LANG_C_plus_plus_03
            | dw::DW_LANG_C_plus_plus_11
            | dw::DW_LANG_C_plus_plus_14
            | dw::DW_LANG_C_plus_plus_17
            | dw::DW_LANG_C_plus_plus_20 => Self::Cpp,
            other => Self::Other(other.0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    Plain,
    /// The poll function of an `async fn`, under the name of that `async fn`.
    AsyncFn,
    /// What a call of an `async fn` runs: it only builds the future. Has the same name.
    AsyncConstructor,
    /// The poll function of an `async` block, named `parent::{async_block#0}`.
    AsyncBlock,
    /// A closure (or anything defined inside one), named `parent::{closure#0}`.
    Closure,
}

/// A line of source: the path as the compiler wrote it, and the line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceLine {
    pub file: String,
    pub line: u64,
}

/// One function. Each out-of-line copy (of a generic, of a codegen unit) is a `Function` of its own;
/// one that was only ever inlined has no `entry` and no `ranges`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The out-of-line copy, or the abstract function if there is none.
    pub id: DieId,
    /// `crate::module::Type::method`, `<crate::Type as crate::Trait>::method`, `namespace::Class::method`, with the
    /// generic arguments that DWARF knows (`crate::max<u32>`). The name of the `async fn` for its poll function.
    pub name: String,
    /// The symbol's name, as mangled.
    pub linkage_name: Option<String>,
    pub kind: FunctionKind,
    pub language: Language,
    /// The first instruction.
    pub entry: Option<LinkAddress>,
    /// All code of this copy, the range of `entry` first, cold parts included.
    pub ranges: Vec<LinkRange>,
    pub declared: Option<SourceLine>,
    /// How many times the function was inlined, all over the object; `None` where that was not counted
    /// ([`functions_at`](super::DebugInfo::functions_at) does not look through the whole object).
    pub inlined_copies: Option<u32>,
}

impl Function {
    /// Inlined everywhere: there is no entry to attach to.
    pub fn is_inlined_only(&self) -> bool {
        self.entry.is_none()
    }
}

/// One inlined copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinedCopy {
    pub id: DieId,
    /// The copy's code, in the order of DWARF.
    pub ranges: Vec<LinkRange>,
    /// Which of the states at the first range's start the copy begins in (GCC numbers them).
    pub entry_view: u64,
    pub called_at: Option<SourceLine>,
}
