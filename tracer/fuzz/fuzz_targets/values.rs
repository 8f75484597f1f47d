//! See `tracer_fuzz::values`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracer_fuzz::values::run(data));
