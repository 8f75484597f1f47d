//! tracer: look into a running, unmodified native program.
//!
//! ```text
//! cli ──request──▶ target ──Target──▶ plan ──ProbePlan──▶ kernel ──records──▶ events ──Calls, Samples──▶ report
//! ```
//!
//! Left of `kernel` everything is deterministic and needs no privilege; right of it everything can be replayed
//! from recorded bytes.

pub mod actors;
pub mod cli;
pub mod events;
pub mod kernel;
pub mod plan;
pub mod report;
pub mod target;
pub mod value;
