//! From what the user asked for to what the kernel will be told: patterns, attach points, capture plans. Pure.

mod assembler;
pub mod builder;
pub mod calling_convention;
pub mod capture;
pub mod capture_plan;
pub mod clause;
pub(crate) mod condition;
pub mod description;
mod dynamic;
pub mod exits;
pub mod expression;
mod flow;
pub mod function;
mod glob;
mod glob_parse;
pub mod globals;
pub mod inlined;
pub mod line;
pub mod nearest;
mod opcode;
mod path;
pub mod pattern;
pub mod probe;
pub mod probe_plan;
pub mod request;
mod rules;
pub mod selection;
pub mod site;
pub mod source_line;
mod sweep;
pub mod unwind_rows;
pub mod usdt;

#[cfg(test)]
mod capture_cases;
#[cfg(test)]
mod capture_tests;
#[cfg(test)]
mod interpret;
