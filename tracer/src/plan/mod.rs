//! From what the user asked for to what the kernel will be told: patterns, attach points, capture plans. Pure.

mod opcode;
pub mod site;
