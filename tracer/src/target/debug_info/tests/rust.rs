//! Rust: names, kinds, layouts and locations against what the program itself prints.

use std::sync::LazyLock;

use super::*;
use crate::target::address::LinkAddress;
use crate::value::layout::{Enum, PointerKind, Shape, StructStyle, Type, TypeId};
use crate::value::place::{MemoryPlace, Piece, Place, Register};

/// Prints sizes, offsets and the bytes of values as it sees them. Each function named in a test is kept by
/// `inline(never)` and `black_box`.
pub(super) const SOURCE: &str = r#"
use std::future::Future;
use std::hint::black_box;
use std::mem::{offset_of, size_of};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub struct Tree { pub uuid: [u8; 16], pub moisture: Option<u8>, pub name: String, pub next: Option<Box<Tree>>, pub pair: (u8, u32) }
pub struct Meters(pub f64);
pub enum Event { Idle, Moved { x: i32, y: i64 }, Said(String), Code(u16, u8) }
#[derive(Clone, Copy)]
pub enum Specie { Quercus = 3, Tilia = 250 }
pub struct Wrap<T>(pub T);
pub trait Speak { fn speak(&self, count: u32) -> u32; }

mod forest {
    use super::*;
    impl Speak for Tree {
        #[inline(never)]
        fn speak(&self, count: u32) -> u32 { black_box(count) + self.uuid[0] as u32 }
    }
    impl Tree {
        #[inline(never)]
        pub fn grow(&mut self, by: u8) -> Result<u64, String> {
            if by > 100 { return Err("too much".into()) }
            self.moisture = Some(by);
            Ok(by as u64)
        }
    }
    #[inline(never)]
    pub fn twice<T: Copy + std::ops::Add<Output = T>>(value: T) -> T { black_box(value) + value }
    #[inline(never)]
    pub fn apply(calls: usize) -> usize {
        let add = |value: usize| black_box(value) + calls;
        let add: &dyn Fn(usize) -> usize = &add;
        black_box(add)(3)
    }
}

#[inline(never)]
pub fn takes(tree: &Tree, text: &str, bytes: &[u16], many: u64, boxed: Box<Tree>, slice: Box<[u8]>) -> usize {
    black_box((tree, text, bytes, many, &boxed, &slice));
    text.len() + bytes.len() + many as usize + slice.len()
}
#[inline(never)]
pub fn shapes(event: &Event, specie: &Specie, meters: &Meters, flag: &bool, letter: &char, wrap: &Wrap<u32>, option: &Option<u64>, raw: *const i16) -> bool {
    black_box((event, specie, meters, flag, letter, wrap, option, raw));
    *flag
}
fn small(value: u32) -> u32 { black_box(value.wrapping_mul(3)) }

async fn child(text: String) -> usize { std::future::ready(()).await; text.len() }
pub async fn parent(count: u32) -> usize {
    let mut yielded = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    child("hello".into()).await + count as usize
}

fn bytes<T>(value: &T) -> String {
    let bytes = unsafe { std::slice::from_raw_parts(value as *const T as *const u8, size_of::<T>()) };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let tree = || Tree { uuid: [1; 16], moisture: None, name: "oak".into(), next: None, pair: (1, 2) };
    let mut grown = tree();
    grown.grow(std::env::args().count() as u8).unwrap();
    black_box(grown.speak(7));
    black_box((forest::twice(2u8), forest::twice(2u64), forest::apply(std::env::args().count())));
    takes(black_box(&grown), black_box("text"), black_box(&[1, 2, 3]), black_box(9), Box::new(tree()), black_box(Box::new([1, 2])));
    shapes(&Event::Idle, &Specie::Tilia, &Meters(1.5), &true, &'x', &Wrap(7), &None, std::ptr::null());
    black_box(small(black_box(3)) + small(black_box(4)));
    let mut future = pin!(parent(2));
    let mut context = Context::from_waker(Waker::noop());
    while black_box(future.as_mut()).poll(&mut context).is_pending() {}
    println!("size Tree {}", size_of::<Tree>());
    println!("offset uuid {}", offset_of!(Tree, uuid));
    println!("offset moisture {}", offset_of!(Tree, moisture));
    println!("offset name {}", offset_of!(Tree, name));
    println!("offset next {}", offset_of!(Tree, next));
    println!("offset pair {}", offset_of!(Tree, pair));
    println!("size Event {}", size_of::<Event>());
    println!("value Idle {}", bytes(&Event::Idle));
    println!("value Moved {}", bytes(&Event::Moved { x: 5, y: -2 }));
    println!("value Said {}", bytes(&Event::Said("hi".into())));
    println!("value Code {}", bytes(&Event::Code(0x1234, 0x56)));
    println!("option None {}", bytes(&None::<u64>));
    println!("option Some {}", bytes(&Some(77u64)));
}
"#;

/// The program, built once for each level of optimisation.
fn fixture(level: &str) -> &'static Fixture {
    static OPTIMISED: LazyLock<Fixture> = LazyLock::new(|| build("opt-level=2"));
    static PLAIN: LazyLock<Fixture> = LazyLock::new(|| build("opt-level=0"));
    match level {
        "opt-level=0" => &PLAIN,
        _ => &OPTIMISED,
    }
}

fn build(level: &str) -> Fixture {
    Fixture::build("rustc", &["--edition", "2024", "-C", level, "-g", "-A", "warnings"], "fixture.rs", SOURCE)
}

/// A program's line `what name value`.
fn printed<'t>(text: &'t str, what: &str, name: &str) -> &'t str {
    let prefix = format!("{what} {name} ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {prefix} in {text}"))
}

fn parameter<'s>(signature: &'s Signature, name: &str) -> &'s Parameter {
    let named = |parameter: &&Parameter| parameter.name.as_deref() == Some(name);
    signature.parameters.iter().find(named).unwrap_or_else(|| panic!("no parameter {name} in {signature:?}"))
}

/// What the reference in that parameter points to.
fn behind<'t>(loaded: &'t LoadedTypes, signature: &Signature, name: &str) -> &'t Type {
    match loaded.types.get(parameter(signature, name).ty).shape {
        Shape::Pointer { target: Some(target), .. } => loaded.types.get(target),
        ref other => panic!("{name} is {other:?}"),
    }
}

/// The variant that the bytes of a value select.
fn active<'e>(layout: &'e Enum, hex: &str) -> (&'e str, Vec<u8>) {
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
    let tag = layout.tag.expect("a tag");
    let tag = &bytes[tag.offset as usize..][..tag.size_bytes as usize];
    let tag = tag.iter().rev().fold(0, |value: u128, byte| value << 8 | u128::from(*byte));
    let matches = |ranges: &[(u128, u128)]| ranges.iter().any(|(low, high)| (low..=high).contains(&&tag));
    let variant = layout.variants.iter().find(|variant| matches(&variant.discriminants));
    let default = layout.variants.iter().find(|variant| variant.discriminants.is_empty());
    (&variant.or(default).expect("an active variant").name, bytes)
}

fn field_offset(layout: &Enum, variant: &str, field: &str) -> usize {
    let variant = layout.variants.iter().find(|found| found.name == variant).expect("the variant");
    variant.fields.iter().find(|found| found.name == field).expect("the field").offset as usize
}

fn layout(ty: &Type) -> &Enum {
    match &ty.shape {
        Shape::Enum(layout) => layout,
        other => panic!("{} is {other:?}", ty.name),
    }
}

#[test]
fn names_are_those_that_users_know() {
    let info = fixture("opt-level=2").info();
    let names: Vec<(String, FunctionKind)> = info
        .functions(|name| name.contains("program::") || name.contains("fixture::"))
        .into_iter()
        .map(|function| (function.name, function.kind))
        .collect();
    let has = |name: &str, kind: FunctionKind| {
        assert!(names.contains(&(name.into(), kind)), "{name} {kind:?} is not among {names:#?}");
    };
    has("fixture::forest::<impl fixture::Tree>::grow", FunctionKind::Plain);
    has("fixture::forest::<impl fixture::Speak for fixture::Tree>::speak", FunctionKind::Plain);
    has("fixture::forest::twice<u8>", FunctionKind::Plain);
    has("fixture::forest::twice<u64>", FunctionKind::Plain);
    has("fixture::forest::apply::{closure#0}", FunctionKind::Closure);
    has("fixture::parent", FunctionKind::AsyncFn);
    has("fixture::child", FunctionKind::AsyncFn);
}

#[test]
fn entries_are_symbols_of_the_program() {
    let fixture = fixture("opt-level=2");
    let symbols = fixture.code_symbols();
    let functions = fixture.info().functions(|_| true);
    let out_of_line: Vec<&Function> = functions.iter().filter(|function| !function.is_inlined_only()).collect();
    assert!(out_of_line.len() > 100, "only {} functions", out_of_line.len());
    for function in out_of_line {
        let entry = function.entry.expect("an entry");
        assert!(symbols.contains(&entry.0), "{function:?} starts where nm knows no symbol");
        assert!(function.ranges.first().is_some_and(|range| range.start == entry));
    }
}

#[test]
fn inlined_functions_are_counted_and_found() {
    let info = fixture("opt-level=2").info();
    let small = function(&info, "fixture::small");
    assert!(small.is_inlined_only());
    assert_eq!(small.inlined_copies, Some(2));
    let copies = info.inlined_copies(&small);
    let main = function(&info, "fixture::main");
    assert_eq!(copies.len(), 2);
    for copy in copies {
        let start = copy.ranges.first().expect("a range").start;
        assert!(main.ranges.iter().any(|range| range.contains(start)), "{copy:?} is not in main");
        assert_eq!(copy.called_at.expect("a call line").file, "fixture.rs");
    }
}

#[test]
fn an_address_finds_its_function() {
    let fixture = fixture("opt-level=2");
    let info = fixture.info();
    let grow = function(&info, "fixture::forest::<impl fixture::Tree>::grow");
    let entry = grow.entry.expect("an entry");
    let (inside, nowhere) = (LinkAddress(entry.0 + 1), LinkAddress(8));
    let found = fixture.info().functions_at(&[entry, inside, nowhere]);
    let names: Vec<Option<&str>> = found.iter().map(|found| found.as_ref().map(|found| found.name.as_str())).collect();
    assert_eq!(
        names,
        [
            Some("fixture::forest::<impl fixture::Tree>::grow"),
            Some("fixture::forest::<impl fixture::Tree>::grow"),
            None
        ]
    );
}

#[test]
fn layouts_are_those_of_the_program() {
    let fixture = fixture("opt-level=2");
    let (info, text) = (fixture.info(), fixture.run());
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "fixture::takes"), &mut loaded).expect("a signature");
    let tree = behind(&loaded, &signature, "tree");
    assert_eq!(
        (tree.name.as_str(), tree.size_bytes.to_string().as_str()),
        ("fixture::Tree", printed(&text, "size", "Tree"))
    );
    let Shape::Struct { fields, style: StructStyle::Named, .. } = &tree.shape else { panic!("{tree:?}") };
    for field in ["uuid", "moisture", "name", "next", "pair"] {
        let offset = fields.iter().find(|found| found.name == field).expect("the field").offset;
        assert_eq!(offset.to_string(), printed(&text, "offset", field), "{field}");
    }
    let field = |name: &str| loaded.types.get(fields.iter().find(|field| field.name == name).expect("the field").ty);
    assert!(matches!(field("pair").shape, Shape::Struct { style: StructStyle::Tuple, .. }), "{:?}", field("pair"));
    assert!(matches!(field("uuid").shape, Shape::Array { count: 16, .. }));
    assert_eq!((field("uuid").name.as_str(), field("uuid").size_bytes), ("[u8; 16]", 16));
    let next = layout(field("next")).variants.iter().find(|variant| variant.name == "Some").expect("Some");
    let boxed = loaded.types.get(next.fields.first().expect("a field").ty);
    assert!(matches!(boxed.shape, Shape::Pointer { target: Some(_), kind: PointerKind::Box }), "{boxed:?}");
}

#[test]
fn slices_and_strings_have_elements() {
    let info = fixture("opt-level=2").info();
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "fixture::takes"), &mut loaded).expect("a signature");
    let names: Vec<Option<&str>> = signature.parameters.iter().map(|parameter| parameter.name.as_deref()).collect();
    assert_eq!(names, ["tree", "text", "bytes", "many", "boxed", "slice"].map(Some));
    for (name, element, is_text) in [("text", "u8", true), ("bytes", "u16", false), ("slice", "u8", false)] {
        let ty = loaded.types.get(parameter(&signature, name).ty);
        let Shape::Slice { element: found, pointer_offset: 0, length_offset: 8, data_offset: 0, is_str } = ty.shape
        else {
            panic!("{name} is {ty:?}");
        };
        assert_eq!((loaded.types.get(found).name.as_str(), is_str), (element, is_text), "{name}");
    }
    assert_eq!(loaded.types.get(signature.return_type.expect("a result")).name, "usize");
}

#[test]
fn enums_select_the_variant_that_the_program_built() {
    let fixture = fixture("opt-level=2");
    let (info, text) = (fixture.info(), fixture.run());
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "fixture::shapes"), &mut loaded).expect("a signature");
    let event = behind(&loaded, &signature, "event");
    assert_eq!(event.size_bytes.to_string(), printed(&text, "size", "Event"));
    let event = layout(event);
    for variant in ["Idle", "Moved", "Said", "Code"] {
        let (found, _) = active(event, printed(&text, "value", variant));
        assert_eq!(found, variant);
    }
    let (_, moved) = active(event, printed(&text, "value", "Moved"));
    assert_eq!(moved[field_offset(event, "Moved", "x")..][..4], 5_i32.to_le_bytes());
    assert_eq!(moved[field_offset(event, "Moved", "y")..][..8], (-2_i64).to_le_bytes());
    let (_, code) = active(event, printed(&text, "value", "Code"));
    assert_eq!(code[field_offset(event, "Code", "__0")..][..2], 0x1234_u16.to_le_bytes());
    let option = behind(&loaded, &signature, "option");
    assert_eq!(option.name, "core::option::Option<u64>");
    assert_eq!(active(layout(option), printed(&text, "option", "None")).0, "None");
    let (some, bytes) = active(layout(option), printed(&text, "option", "Some"));
    assert_eq!((some, &bytes[field_offset(layout(option), "Some", "__0")..][..8]), ("Some", &77_u64.to_le_bytes()[..]));
}

#[test]
fn plain_values_have_their_shapes() {
    let info = fixture("opt-level=2").info();
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "fixture::shapes"), &mut loaded).expect("a signature");
    let shape = |name: &str| &behind(&loaded, &signature, name).shape;
    let enumerators = vec![("Quercus".to_owned(), 3), ("Tilia".to_owned(), 250)];
    assert_eq!(shape("specie"), &Shape::Enumeration { signed: false, enumerators });
    assert!(matches!(shape("meters"), Shape::Struct { style: StructStyle::TupleStruct, .. }));
    assert_eq!(shape("flag"), &Shape::Bool);
    assert_eq!(shape("letter"), &Shape::Char);
    assert_eq!(shape("raw"), &Shape::Integer { signed: true });
    let Shape::Struct { parameters, .. } = shape("wrap") else { panic!("{:?}", shape("wrap")) };
    let arguments: Vec<(&str, &str)> =
        parameters.iter().map(|(name, ty)| (name.as_str(), loaded.types.get(*ty).name.as_str())).collect();
    assert_eq!(arguments, [("T", "u32")]);
}

#[test]
fn arguments_are_in_the_registers_of_the_abi() {
    let info = fixture("opt-level=2").info();
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "fixture::takes"), &mut loaded).expect("a signature");
    let pieces = |name: &str| match &parameter(&signature, name).location_at_entry {
        EntryLocation::Covered(location) => location.pieces.clone(),
        other => panic!("{name} is {other:?}"),
    };
    let register = |register| Piece { size_bytes: 8, place: Place::Register(register) };
    assert_eq!(pieces("tree"), [register(Register::RDI)]);
    assert_eq!(pieces("text"), [register(Register::RSI), register(Register::RDX)]);
    assert_eq!(pieces("bytes"), [register(Register::RCX), register(Register::R8)]);
    assert_eq!(pieces("many"), [register(Register::R9)]);
    // Passed on the stack, and described relative to the frame that the prologue builds.
    assert_eq!(parameter(&signature, "boxed").location_at_entry, EntryLocation::FrameRelative);
}

#[test]
fn without_optimisation_locations_need_the_frame() {
    let info = fixture("opt-level=0").info();
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "fixture::takes"), &mut loaded).expect("a signature");
    assert_eq!(parameter(&signature, "many").location_at_entry, EntryLocation::FrameRelative);
}

#[test]
fn an_async_fn_shows_its_state_machine() {
    let info = fixture("opt-level=2").info();
    let of_parent = info.functions(|name| name == "fixture::parent");
    let poll = of_parent.iter().find(|function| function.kind == FunctionKind::AsyncFn).expect("the poll function");
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(poll, &mut loaded).expect("a signature");
    let environment = signature.poll.and_then(|poll| poll.environment).expect("an environment");
    let environment = loaded.types.get(environment);
    assert_eq!(environment.name, "fixture::parent::{async_fn_env#0}");
    let machine = layout(environment);
    let names: Vec<&str> = machine.variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["Unresumed", "Returned", "Panicked", "Suspend0", "Suspend1"]);
    let field = |variant: usize, name: &str| machine.variants[variant].fields.iter().any(|field| field.name == name);
    assert!(field(0, "count") && field(3, "__awaitee") && field(4, "__awaitee"), "{machine:#?}");
    let line = SOURCE.lines().position(|line| line.contains("child(\"hello\"")).expect("the line") as u32 + 1;
    assert_eq!(machine.variants[4].source, Some(("fixture.rs".into(), line)));
    let result = loaded.types.get(signature.return_type.expect("a result"));
    assert_eq!(result.name, "core::task::poll::Poll<usize>");
}

#[test]
fn pointers_stop_at_the_limit_unless_they_lead_to_what_is_known() {
    let info = fixture("opt-level=2").info();
    let depth = |pointer_depth_max: u8| {
        let mut loaded = LoadedTypes::with_pointer_depth(pointer_depth_max);
        let signature = info.signature(&function(&info, "fixture::takes"), &mut loaded).expect("a signature");
        let mut next: Option<TypeId> = Some(parameter(&signature, "tree").ty);
        let mut depth = 0;
        while let Some(ty) = next.filter(|_| depth < 9) {
            next = match &loaded.types.get(ty).shape {
                Shape::Pointer { target, .. } => {
                    depth += u32::from(target.is_some());
                    *target
                }
                Shape::Struct { fields, .. } => fields.iter().find(|field| field.name == "next").map(|field| field.ty),
                Shape::Enum(layout) => layout.variants.last().and_then(|variant| variant.fields.first()).map(|f| f.ty),
                _ => None,
            };
        }
        depth
    };
    // A list's next element is of the type of the first.
    assert_eq!([depth(0), depth(1), depth(3)], [0, 9, 9]);
}

#[test]
fn the_level_of_debug_information_is_told() {
    let level = |arguments: &[&str]| {
        let arguments = [&["--edition", "2024", "-A", "warnings", "--crate-type", "cdylib"], arguments].concat();
        let source = "#[unsafe(no_mangle)] pub extern \"C\" fn add(left: u32, right: u32) -> u32 { left + right }";
        let fixture = Fixture::build("rustc", &arguments, "level.rs", source);
        let info = fixture.info();
        let own = info.functions(|name| name == "level::add").len();
        (own, info.summary().level)
    };
    assert_eq!(level(&["-C", "debuginfo=2"]), (1, Level::Full));
    assert_eq!(level(&["-C", "debuginfo=0", "-C", "strip=debuginfo"]), (0, Level::None));
}

#[test]
fn a_stack_argument_of_c_is_at_the_stack_pointer() {
    let source = "long many(long a, long b, long c, long d, long e, long f, long g) { return a + b * c + d * e + f * g; }\n\
                  int main(int n, char **v) { return (int)many(n, n, n, n, n, n, n); }";
    let info = Fixture::build("cc", &["-O2", "-g", "-fno-inline", "-fno-ipa-cp"], "many.c", source).info();
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "many"), &mut loaded).expect("a signature");
    assert_eq!(signature.language, Language::C);
    let whole = |place| EntryLocation::Covered(crate::value::place::Location::whole(8, place));
    assert_eq!(parameter(&signature, "f").location_at_entry, whole(Place::Register(Register::R9)));
    let stack = Place::Memory(MemoryPlace::at(Register::RSP, 8));
    assert_eq!(parameter(&signature, "g").location_at_entry, whole(stack));
}
