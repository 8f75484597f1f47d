//! See `tracer_fuzz::probes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracer_fuzz::probes::run(data));
