//! Closures, function pointers and trait objects: what `{:?}` says of them is said here, by hand.

use std::cell::UnsafeCell;
use std::fmt::Debug;
use std::sync::Mutex;

use crate::structs::Point;

pub trait Shape {
    fn area(&self) -> f64;
}

#[derive(Debug)]
pub struct Square {
    pub side: f64,
}

#[derive(Debug)]
pub struct Named {
    pub name: String,
    pub side: f64,
}

impl Shape for Square {
    fn area(&self) -> f64 {
        self.side * self.side
    }
}

impl Shape for Named {
    fn area(&self) -> f64 {
        self.side + self.name.len() as f64
    }
}

#[inline(never)]
pub fn doubled(x: u32) -> u32 {
    std::hint::black_box(x) * 2
}

crate::arguments! {
    debug_ref: &'static dyn Debug = &Point { x: 1, y: 2 };
    debug_box: Box<dyn Debug> = Box::new(Square { side: 1.0 });
    debug_vec: Vec<Box<dyn Debug>> = vec![Box::new(5_u32), Box::new('c'), Box::new(Point { x: 7, y: 8 })];
    debug_rc: std::rc::Rc<dyn Debug> = std::rc::Rc::new(Point { x: 3, y: 4 });
}

fn locked() -> Mutex<u32> {
    let mutex = Mutex::new(5);
    std::mem::forget(mutex.lock());
    mutex
}

/// Functions whose argument has no `{:?}`, or one that says less or differs by version; and what the tracer says.
macro_rules! told {
    ($($name:ident: $ty:ty = $value:expr => $text:expr;)*) => {
        $(
            #[inline(never)]
            pub fn $name(value: $ty) {
                std::hint::black_box((&value, stringify!($name)));
            }
        )*

        pub fn run_told() {
            $({
                println!("{}::{}\t{}", module_path!(), stringify!($name), $text);
                $name(std::hint::black_box($value));
            })*
        }
    };
}

told! {
    shape_square: &'static dyn Shape = &Square { side: 2.0 } => "Square { side: 2.0 }";
    shape_named: Box<dyn Shape> = Box::new(Named { name: "n".to_owned(), side: 3.5 }) => "Named { name: \"n\", side: 3.5 }";
    mutex_locked: Mutex<u32> = locked() => "Mutex { data: <locked>, poisoned: false, .. }";
    unsafe_cell: UnsafeCell<u32> = UnsafeCell::new(5) => "5";
    shape_option: Option<Box<dyn Shape>> = Some(Box::new(Named { name: "o".to_owned(), side: 0.5 })) => "Some(Named { name: \"o\", side: 0.5 })";
    shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square { side: 1.0 }), Box::new(Named { name: "v".to_owned(), side: 2.0 })] => "[Square { side: 1.0 }, Named { name: \"v\", side: 2.0 }]";
    shape_rc: std::rc::Rc<dyn Shape> = std::rc::Rc::new(Named { name: "rc".to_owned(), side: 1.5 }) => "Named { name: \"rc\", side: 1.5 }";
    function: fn(u32) -> u32 = doubled => "corpus::functions::doubled";
    option_function: Option<fn(u32) -> u32> = Some(doubled) => "Some(corpus::functions::doubled)";
}

pub fn all() {
    run();
    run_told();
    let shapes: [&dyn Shape; 2] = [&Square { side: 1.0 }, &Named { name: String::new(), side: 1.0 }];
    std::hint::black_box(shapes.iter().map(|shape| shape.area()).sum::<f64>());
}
