//! Paths on made-up types: where they lead, and what is said where they lead nowhere.

use super::{parse_paths, resolve::resolve};
use crate::value::fixture::{Builder, Target};
use crate::value::layout::{Field, PointerKind, Shape, StructStyle, TypeId};
use crate::value::place::{Location, Place, Register};
use crate::value::{Limits, Value, walk};

const START: u64 = 0x7f00_0000_0000;

/// `&Order { id: u32, name: String, items: Vec<(u8, u32)>, note: Option<u16>, next: *const Order }`, which lies at
/// [`START`]; the name is at 0x100, the items at 0x200.
fn order() -> (Builder, TypeId, Target) {
    use StructStyle::{Named, Tuple};
    let mut builder = Builder::default();
    let (byte, word) = (builder.unsigned(1), builder.unsigned(4));
    let string = builder.string();
    let item = builder.structure("(u8, u32)", Tuple, &[("__0", byte), ("__1", word)]);
    let items = builder.vec(item);
    let half = builder.unsigned(2);
    let note = builder.option_by_tag(half);
    let inner = builder.structure("app::Inner", Named, &[("id", word)]);
    let next = builder.pointer(Some(inner), PointerKind::Raw);
    let fields = [("id", word), ("name", string), ("items", items), ("note", note), ("next", next)];
    let order = builder.structure("app::Order", Named, &fields);
    let reference = builder.reference(order);
    let mut bytes = vec![0; 0x300];
    let words = [7, 24, START + 0x100, 5, 4, START + 0x200, 2, 1 | 9 << 16, START + 0x280];
    for (at, word) in words.iter().enumerate() {
        bytes[at * 8..at * 8 + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes[0x100..0x105].copy_from_slice(b"quick");
    bytes[0x208] = 3;
    bytes[0x20c] = 99;
    bytes[0x280] = 42;
    let mut target = Target::new(START, bytes);
    target.registers[usize::from(Register::RDI.0)] = START;
    (builder, reference, target)
}

fn shown(text: &str) -> String {
    let (builder, root, target) = order();
    let paths = match parse_paths(text, 0) {
        Ok(paths) => paths,
        Err(error) => return format!("{error}"),
    };
    let way = match resolve(&builder.types, root, paths[0].0.as_ref().unwrap()) {
        Ok(way) => way,
        Err(error) => return format!("{:?} {error}", text.get(error.span.start..error.span.end).unwrap()),
    };
    let location = Location::whole(8, Place::Register(Register::RDI));
    match walk::read(&builder.types, &way, &location, &target, &Limits::default()) {
        Some(value) => value.to_string(),
        None => "nothing there".to_owned(),
    }
}

#[test]
fn members_of_bases_and_anonymous_unions_are_the_types_own() {
    let mut builder = Builder::default();
    let word = builder.unsigned(8);
    let base = builder.structure("app::Base", StructStyle::Named, &[("low", word), ("high", word)]);
    let fields = vec![Field { name: "number".to_owned(), offset: 0, ty: word, bits: None }];
    let union = builder.add("(anonymous union)", 8, Shape::Union { fields });
    let fields = [("app::Base", base), ("_", union), ("own", word)];
    let derived = builder.structure("app::Derived", StructStyle::Named, &fields);
    let pointer = builder.c_pointer(derived);
    let mut target = Target::new(START, (0..4_u64).flat_map(u64::to_le_bytes).collect());
    target.registers[usize::from(Register::RDI.0)] = START;
    let location = Location::whole(8, Place::Register(Register::RDI));
    for (text, expected) in [("it.low", 0), ("it.high", 1), ("it.number", 2), ("it.own", 3)] {
        let paths = parse_paths(text, 0).unwrap();
        let way = resolve(&builder.types, pointer, paths[0].0.as_ref().unwrap()).unwrap();
        let value = walk::read(&builder.types, &way, &location, &target, &Limits::default()).unwrap();
        assert_eq!(value, Value::Unsigned(expected), "{text}");
    }
}

#[test]
fn paths_lead_to_values_lengths_and_elements() {
    let texts = [
        "order.id",
        "order.name",
        "order.name.len()",
        "order.items.len()",
        "order.items[1]",
        "order.items[1].1",
        "order.items[2].1",
        "order.note",
        "order.note.Some",
        "order.note.None.0",
        "order.next.id",
        "(*order).id",
        "(*order.next).id",
        "order.next[0].id",
    ];
    let values: Vec<String> = texts.iter().map(|text| format!("{text:<20} {}", shown(text))).collect();
    insta::assert_snapshot!(values.join("\n"), @r#"
    order.id             7
    order.name           "quick"
    order.name.len()     5
    order.items.len()    2
    order.items[1]       (3, 99)
    order.items[1].1     99
    order.items[2].1     nothing there
    order.note           Some(9)
    order.note.Some      9
    order.note.None.0    "0" Option<u16> has no field "0"
    order.next.id        42
    (*order).id          7
    (*order.next).id     42
    order.next[0].id     42
    "#);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let texts = [
        "order.ident",
        "order.name.first",
        "order.items[1].2",
        "order.items[\"a\"]",
        "order.items[-1]",
        "order.id[0]",
        "order.id.len()",
        "*order.id",
        "order.note.Any",
        "order.items.len().x",
    ];
    let errors: Vec<String> = texts.iter().map(|text| shown(text)).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    "ident" &Order has no field "ident": there is id, name, items, note, next
    "first" String has no field "first": there is vec
    "2" (u8, u32) has no field "2": there is 0, 1
    "[\"a\"]" an index is a number that is not negative
    "[-1]" an index is a number that is not negative
    "[0]" u32 cannot be indexed
    "len()" u32 has no length
    "*" u32 is no pointer
    "Any" Option<u16> has no field "Any"
    "x" a length has no field "…"
    "#);
}
