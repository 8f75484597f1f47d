//! Closures, function pointers and trait objects: what `{:?}` says of them is said here, by hand.

use std::fmt::Debug;

use crate::structs::{Person, Point};

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
    debug_box: Box<dyn Debug> = Box::new(Named { name: "dyn".to_owned(), side: 1.0 });
    debug_vec: Vec<Box<dyn Debug>> = vec![Box::new(5_u32), Box::new("text".to_owned()), Box::new(Point { x: 7, y: 8 })];
    debug_rc: std::rc::Rc<dyn Debug> = std::rc::Rc::new(Point { x: 3, y: 4 });
    debug_person: Option<Box<dyn Debug>> = Some(Box::new(Person { name: "P".to_owned(), age: 2, address: None, tags: vec![] }));
}

/// Functions whose argument has no `{:?}`, and what the tracer should say.
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
    function: fn(u32) -> u32 = doubled => "corpus::functions::doubled";
    option_function: Option<fn(u32) -> u32> = Some(doubled) => "Some(corpus::functions::doubled)";
}

pub fn all() {
    run();
    run_told();
    let shapes: [&dyn Shape; 2] = [&Square { side: 1.0 }, &Named { name: String::new(), side: 1.0 }];
    std::hint::black_box(shapes.iter().map(|shape| shape.area()).sum::<f64>());
}
