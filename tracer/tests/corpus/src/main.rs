//! Values of every kind that Rust programs hold, each handed to a function of its own.
//!
//! Waits for a line on standard input, then prints what `{:?}` makes of each value in front of the call that it is
//! an argument of, or behind the call that returns it, as `module::function<tab>text`.

mod collections;
mod enums;
mod foreign;
mod functions;
mod net_and_time;
mod returned;
mod scalars;
mod structs;
mod text;
mod wrappers;

/// Functions that take one value each. The name is used in the body, so that no two of them have the same code.
#[macro_export]
macro_rules! arguments {
    ($($name:ident: $ty:ty = $value:expr;)*) => {
        $(
            #[inline(never)]
            #[allow(clippy::all)]
            pub fn $name(value: $ty) {
                std::hint::black_box((&value, stringify!($name)));
            }
        )*

        pub fn run() {
            $({
                let value: $ty = $value;
                println!("{}::{}\t{:?}", module_path!(), stringify!($name), value);
                $name(std::hint::black_box(value));
            })*
        }
    };
}

/// Functions that return one value each.
#[macro_export]
macro_rules! results {
    ($($name:ident: $ty:ty = $value:expr;)*) => {
        $(
            #[inline(never)]
            #[allow(clippy::all)]
            pub fn $name(seed: u32) -> $ty {
                std::hint::black_box((seed, stringify!($name)));
                std::hint::black_box($value)
            }
        )*

        pub fn run() {
            $({
                let value = $name(std::hint::black_box(7));
                println!("{}::{}\t{:?}", module_path!(), stringify!($name), value);
                std::hint::black_box(&value);
            })*
        }
    };
}

fn main() {
    println!("ready");
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).is_err() {
        return;
    }
    scalars::run();
    text::run();
    structs::run();
    enums::run();
    wrappers::run();
    collections::run();
    net_and_time::run();
    foreign::run();
    functions::all();
    returned::run();
    println!("end");
    // The tracer looks at the process until its input ends.
    line.clear();
    let _ = std::io::stdin().read_line(&mut line);
}
