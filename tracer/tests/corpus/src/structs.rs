//! Structs, tuples, arrays and unions of the program's own.

use std::marker::PhantomData;

#[derive(Debug, Clone)]
pub struct Unit;
#[derive(Debug, Clone)]
pub struct Newtype(pub u32);
#[derive(Debug, Clone)]
pub struct Pair(pub u8, pub String);
#[derive(Debug, Clone, Default)]
pub struct Point {
    pub x: i32,
    pub y: i32,
}
#[derive(Debug, Clone)]
pub struct Mixed {
    pub flag: bool,
    pub wide: u64,
    pub small: u8,
    pub name: &'static str,
    pub letter: char,
}
#[derive(Debug, Clone)]
pub struct Person {
    pub name: String,
    pub age: u8,
    pub address: Option<Address>,
    pub tags: Vec<String>,
}
#[derive(Debug, Clone)]
pub struct Address {
    pub street: String,
    pub number: u32,
    pub coordinates: (f64, f64),
}
#[derive(Debug, Clone)]
pub struct Generic<T, const N: usize> {
    pub items: [T; N],
    pub marker: PhantomData<T>,
}
#[derive(Debug, Clone)]
#[repr(C, packed)]
pub struct Packed {
    pub a: u8,
    pub b: u32,
    pub c: u16,
}
#[derive(Debug, Clone)]
#[repr(align(64))]
pub struct Aligned {
    pub a: u8,
}
#[derive(Debug)]
pub struct Node {
    pub value: u32,
    pub next: Option<Box<Node>>,
}
#[derive(Debug)]
pub struct Tree {
    pub name: String,
    pub children: Vec<Tree>,
}
#[derive(Debug, Clone, Copy)]
#[allow(dead_code)]
pub struct Keyword {
    pub r#type: u8,
    pub r#match: u16,
}
#[derive(Debug, Clone)]
pub struct Big {
    pub head: u64,
    pub body: [u64; 20],
    pub tail: String,
}
#[derive(Debug)]
pub struct Borrowing<'a> {
    pub point: &'a Point,
    pub rest: &'a [Point],
    pub name: &'a str,
}

fn person() -> Person {
    Person {
        name: "Ada".to_owned(),
        age: 36,
        address: Some(Address { street: "St James's Square".to_owned(), number: 12, coordinates: (51.507, -0.135) }),
        tags: vec!["countess".to_owned(), "programmer".to_owned()],
    }
}

fn list(length: u32) -> Option<Box<Node>> {
    (0..length).rev().fold(None, |next, value| Some(Box::new(Node { value, next })))
}

fn tree(name: &str, children: Vec<Tree>) -> Tree {
    Tree { name: name.to_owned(), children }
}

static POINTS: [Point; 3] = [Point { x: 1, y: 2 }, Point { x: 3, y: 4 }, Point { x: -5, y: -6 }];

crate::arguments! {
    unit: Unit = Unit;
    newtype: Newtype = Newtype(7);
    pair: Pair = Pair(1, "one".to_owned());
    point: Point = Point { x: -1, y: 2 };
    point_ref: &'static Point = &POINTS[1];
    point_box: Box<Point> = Box::new(Point { x: 10, y: 20 });
    point_twice: &'static &'static Point = &&Point { x: 8, y: 9 };
    points: &'static [Point] = &POINTS;
    mixed: Mixed = Mixed { flag: true, wide: 1 << 40, small: 3, name: "mixed", letter: 'ß' };
    person_value: Person = person();
    person_ref: &'static Person = Box::leak(Box::new(person()));
    person_nobody: Person = Person { name: String::new(), age: 0, address: None, tags: vec![] };
    people: Vec<Person> = vec![person(), Person { name: "Bob".to_owned(), age: 1, address: None, tags: vec![] }];
    generic: Generic<u16, 3> = Generic { items: [1, 2, 3], marker: PhantomData };
    generic_empty: Generic<String, 0> = Generic { items: [], marker: PhantomData };
    aligned: Aligned = Aligned { a: 5 };
    packed: Packed = Packed { a: 1, b: 2, c: 3 };
    keyword: Keyword = Keyword { r#type: 1, r#match: 2 };
    big: Big = Big { head: 1, body: std::array::from_fn(|i| i as u64 * 3), tail: "tail".to_owned() };
    borrowing: Borrowing<'static> = Borrowing { point: &POINTS[0], rest: &POINTS[1..], name: "borrowing" };
    tuple_one: (u8,) = (5,);
    tuple_mixed: (u8, &'static str, f64) = (1, "two", 3.5);
    tuple_nested: ((u8, u8), [u16; 2], ()) = ((1, 2), [3, 4], ());
    tuple_of_strings: (String, String) = ("left".to_owned(), "right".to_owned());
    array_small: [u8; 4] = [1, 2, 3, 4];
    array_empty: [u32; 0] = [];
    array_nested: [[i8; 2]; 3] = [[1, -1], [2, -2], [3, -3]];
    array_of_strings: [String; 2] = ["first".to_owned(), "second".to_owned()];
    array_of_options: [Option<u8>; 3] = [Some(1), None, Some(3)];
    linked: Node = Node { value: 100, next: list(3) };
    linked_option: Option<Box<Node>> = list(5);
    tree_small: Tree = tree("root", vec![tree("a", vec![tree("a1", vec![]), tree("a2", vec![])]), tree("b", vec![])]);
    phantom: PhantomData<u32> = PhantomData;
    phantom_path: PhantomData<Person> = PhantomData;
}
