//! See `tracer_fuzz::debug_info`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracer_fuzz::debug_info::run(data));
