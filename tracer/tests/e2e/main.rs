//! End-to-end tests: the real tracer, real programs, the real kernel. docs/CONTRACT.md names the test that proves each
//! of its lines. One file per topic; what they share is in `harness`.

mod harness;

mod actors;
mod backtrace;
mod bad_input;
mod channels;
mod conditions;
mod corpus;
mod corpus_c;
mod detach;
mod fallback;
mod filters;
mod foreign_rust;
mod inlined;
mod limit;
mod lines;
mod loss;
mod messages;
mod overhead;
mod pages;
mod postgres;
mod print;
mod privilege;
mod registry;
mod safe_processes;
mod safe_return_addresses;
mod safe_stacks;
mod safe_unwinding;
mod scope;
mod servers;
mod truth;
mod value_options;
mod why;
mod workers;
