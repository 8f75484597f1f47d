//! The ABI between tracer's BPF programs (this crate's binary) and its user side.
//! No dependencies and no std: it is compiled for the host and for BPF alike.
#![no_std]

pub mod abi;
