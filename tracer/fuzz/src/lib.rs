//! What the fuzz targets do with arbitrary bytes. Each module has one function `run`, which may return anything but a
//! panic. The tests of the tracer run them too, with stable Rust, on `seeds` and on what was found.

pub mod choices;
pub mod debug_info;
pub mod probes;
pub mod records;
pub mod values;
