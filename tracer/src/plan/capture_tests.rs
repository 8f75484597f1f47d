//! What a plan copies must be what the decoder asks for: both are run on the same made-up values and compared.

use proptest::prelude::*;
use tracer_ebpf::abi::plan::{OPS_MAX, OpCode};

use super::capture::{Capture, Wanted};
use super::capture_cases::{Choices, START, any_location, any_target, any_type};
use super::interpret::interpret;
use crate::value::fixture::{Builder, Target};
use crate::value::image::Image;
use crate::value::layout::{Field, PointerKind, Shape, StructStyle, Type, TypeId, Types};
use crate::value::place::{Location, MemoryPlace, Missing, Piece, Place, Register};
use crate::value::redaction::Redaction;
use crate::value::{Limits, Omitted, Payload, Value, decode};

/// A plan for whole values.
fn compile<'w>(types: &Types, values: &'w [(TypeId, Location)], limits: &Limits) -> Capture {
    let wanted = |(ty, location): &'w (TypeId, Location)| Wanted::whole(*ty, location);
    super::capture::compile(types, &values.iter().map(wanted).collect::<Vec<_>>(), limits)
}

fn shows_nothing(value: &Value) -> bool {
    match value {
        Value::Unreadable(_) => true,
        Value::Struct { fields, .. } => fields.iter().all(|(_, field)| shows_nothing(field)),
        Value::Sequence { items, .. } | Value::Tuple(items) => items.iter().all(shows_nothing),
        Value::Map { entries, .. } => entries.iter().all(|(key, value)| shows_nothing(key) && shows_nothing(value)),
        _ => false,
    }
}

/// Whether the picture shows what the target held, or says that something is missing.
fn is_honest(shown: &Value, held: &Value) -> bool {
    let all = |shown: &[Value], held: &[Value]| shown.iter().zip(held).all(|(shown, held)| is_honest(shown, held));
    let named = |shown: &[(String, Value)], held: &[(String, Value)]| {
        shown.len() == held.len() && shown.iter().zip(held).all(|((_, shown), (_, held))| is_honest(shown, held))
    };
    match (shown, held) {
        (Value::Unreadable(_), _) => true,
        (shown, Value::Unreadable(_)) if shows_nothing(shown) => true,
        (Value::Text { text, omitted }, Value::Text { text: held, .. }) if !omitted.is_nothing() => {
            held.starts_with(text.as_str())
        }
        (Value::Text { text, omitted }, Value::Bytes { bytes: held, .. }) if !omitted.is_nothing() => {
            held.starts_with(text.as_bytes())
        }
        (Value::Bytes { bytes, omitted }, Value::Bytes { bytes: held, .. }) if !omitted.is_nothing() => {
            held.starts_with(bytes)
        }
        (Value::Address(shown), Value::Pointer { address: held, .. }) => shown == held,
        (Value::Pointer { address, target }, Value::Pointer { address: held_at, target: held }) => {
            address == held_at && is_honest(target, held)
        }
        (Value::Sequence { items, omitted: Omitted::Unknown }, Value::Sequence { items: held, .. }) => {
            items.len() <= held.len() && all(items, held)
        }
        (Value::Sequence { items, omitted }, Value::Sequence { items: held, omitted: left })
        | (Value::Set { items, omitted }, Value::Set { items: held, omitted: left }) => {
            let count = |items: &[Value], omitted: Omitted| match omitted {
                Omitted::Count(count) => items.len() as u64 + count,
                _ => items.len() as u64,
            };
            count(items, *omitted) == count(held, *left) && all(items, held)
        }
        (Value::Map { entries, omitted }, Value::Map { entries: held, omitted: left }) => {
            let count = |entries: &[(Value, Value)], omitted: Omitted| match omitted {
                Omitted::Count(count) => entries.len() as u64 + count,
                _ => entries.len() as u64,
            };
            let is_same = |(shown, held): (&(Value, Value), &(Value, Value))| {
                is_honest(&shown.0, &held.0) && is_honest(&shown.1, &held.1)
            };
            count(entries, *omitted) == count(held, *left) && entries.iter().zip(held).all(is_same)
        }
        (Value::Tuple(shown), Value::Tuple(held)) => shown.len() == held.len() && all(shown, held),
        (Value::Struct { fields: shown, .. }, Value::Struct { fields: held, .. }) => named(shown, held),
        (Value::Variant { name, payload }, Value::Variant { name: held_name, payload: held }) => {
            name == held_name
                && match (payload, held) {
                    (Payload::Tuple(shown), Payload::Tuple(held)) => shown.len() == held.len() && all(shown, held),
                    (shown, held) => shown == held,
                }
        }
        // NaN is not equal to itself.
        _ => shown.to_string() == held.to_string(),
    }
}

fn is_whole(image: &Image) -> bool {
    image.chunks.iter().all(|chunk| chunk.missing.is_none())
}

/// Compares both readings of some values; whether nothing was cut, so that they had to be the same.
fn check(seed: u64) -> Result<bool, TestCaseError> {
    let mut choices = Choices(seed);
    let mut builder = Builder::default();
    let mut values = Vec::new();
    for _ in 0..=choices.below(3) {
        let ty = any_type(&mut builder, &mut choices, 3);
        values.push((ty, any_location(builder.size(ty), &mut choices)));
    }
    let target = any_target(&mut choices);
    let limits = Limits { items_max: 3, string_bytes_max: 200, ..Limits::default() };
    let capture = compile(&builder.types, &values, &limits);
    let image = interpret(&capture.plan, &target);
    let must_be_equal = capture.is_complete && is_whole(&image);
    for (ty, location) in &values {
        let held = decode(&builder.types, *ty, location, &target, &limits);
        let shown = decode(&builder.types, *ty, location, &image, &limits);
        let plan = &capture.plan.ops;
        prop_assert!(is_honest(&shown, &held), "{shown}\n{held}\n{:?}\n{image:?}", builder.types.get(*ty));
        if must_be_equal {
            prop_assert_eq!(shown.to_string(), held.to_string(), "{:?} {:?} {:#?}", location, plan, image);
        }
    }
    Ok(must_be_equal)
}

#[test]
fn what_is_copied_decodes_like_the_target_itself() {
    let mut equal = 0;
    for seed in 0..4000 {
        match check(seed) {
            Ok(had_to_be) => equal += u32::from(had_to_be),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(equal > 300, "only {equal} of 4000 cases compare whole values");
}

proptest! {
    #[test]
    fn any_seed_decodes_like_the_target_itself(seed: u64) {
        check(seed)?;
    }
}

/// Reads some values with narrow limits and with wide ones; whether the narrow ones cut any.
fn check_marks(seed: u64) -> Result<bool, TestCaseError> {
    let mut choices = Choices(seed);
    let mut builder = Builder::default();
    let ty = any_type(&mut builder, &mut choices, 3);
    let location = any_location(builder.size(ty), &mut choices);
    let target = any_target(&mut choices);
    let wide =
        Limits { items_max: Limits::ITEMS_MOST, string_bytes_max: Limits::STRING_BYTES_MOST, ..Limits::default() };
    let narrow = Limits {
        items_max: choices.below(4),
        string_bytes_max: choices.below(12),
        pointers_max: choices.below(4) as u32,
        ..wide
    };
    let held = decode(&builder.types, ty, &location, &target, &wide);
    let shown = decode(&builder.types, ty, &location, &target, &narrow);
    let captured = interpret(&compile(&builder.types, &[(ty, location.clone())], &narrow).plan, &target);
    let captured = decode(&builder.types, ty, &location, &captured, &narrow);
    let whole = held.to_string();
    for value in [&shown, &captured] {
        let text = value.to_string();
        // `… 3 more`, `<too deep>`, and a C pointer that is not followed.
        prop_assert!(text == whole || text.contains(['…', '<']) || text.contains("0x"), "{text}\n{whole}");
    }
    Ok(shown.to_string() != whole)
}

#[test]
fn whatever_the_limits_cut_is_marked() {
    let mut cut = 0;
    for seed in 0..4000 {
        match check_marks(seed) {
            Ok(is_cut) => cut += u32::from(is_cut),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(cut > 300, "only {cut} of 4000 cases cut anything");
}

proptest! {
    #[test]
    fn whatever_the_limits_cut_of_any_value_is_marked(seed: u64) {
        check_marks(seed)?;
    }
}

#[test]
fn two_registers_take_no_operation() {
    let mut builder = Builder::default();
    let word = builder.unsigned(8);
    let values = [Register::RDI, Register::RSI, Register::RDI].map(|r| (word, Location::whole(8, Place::Register(r))));
    let plan = compile(&builder.types, &values, &Limits::default()).plan;
    assert_eq!((plan.head.register_count, plan.ops.len()), (2, 0));
    assert_eq!(plan.head.registers[..2], [5, 4]);
}

#[test]
fn a_str_in_two_registers_takes_four_operations() {
    let mut builder = Builder::default();
    let text = builder.str();
    let piece = |register| Piece { size_bytes: 8, place: Place::Register(register) };
    let location = Location { pieces: vec![piece(Register::RDI), piece(Register::RSI)] };
    let plan = compile(&builder.types, &[(text, location)], &Limits::default()).plan;
    let codes: Vec<_> = plan.ops.iter().map(|op| op.code).collect();
    let expected = [OpCode::LoadRegister, OpCode::Save, OpCode::LoadRegister, OpCode::CopySlice];
    assert_eq!(codes, expected.map(|code| code as u8));
}

#[test]
fn a_value_that_cannot_be_read_leaves_the_next_one_alone() {
    let mut builder = Builder::default();
    let word = builder.unsigned(8);
    let values = [Register::RDI, Register::RSI]
        .map(|register| (word, Location::whole(8, Place::Memory(MemoryPlace::at(register, 0)))));
    let plan = compile(&builder.types, &values, &Limits::default()).plan;
    let mut target = Target::new(START, 7u64.to_le_bytes().into());
    (target.registers[5], target.registers[4]) = (8, START);
    let image = interpret(&plan, &target);
    let shown = values.map(|(ty, location)| decode(&builder.types, ty, &location, &image, &Limits::default()));
    assert_eq!(shown, [Value::Unreadable(Missing::NotResident), Value::Unsigned(7)]);
    assert_eq!(image.chunks.len(), 2);
}

#[test]
fn what_does_not_fit_is_left_out_and_said() {
    const STRINGS: u64 = 100;
    let mut builder = Builder::default();
    let string = builder.string();
    let many = builder.tuple(&[string; STRINGS as usize]);
    let many = builder.reference(many);
    let word = builder.reference(string);
    let place = |register| Location::whole(8, Place::Memory(MemoryPlace::at(register, 0)));
    let values = [(many, place(Register::RDI)), (word, place(Register::RSI))];
    let limits = Limits { value_bytes_max: 4096, ..Limits::default() };
    let capture = compile(&builder.types, &values, &limits);
    assert!(!capture.is_complete);
    assert!(capture.plan.ops.len() <= OPS_MAX);

    let text = 16 + 24 * STRINGS;
    let mut bytes = Vec::new();
    bytes.extend((START + 16).to_le_bytes());
    bytes.extend((START + 16).to_le_bytes());
    for i in 0..STRINGS {
        for value in [8, START + text + 3 * i, 3] {
            bytes.extend(u64::to_le_bytes(value));
        }
    }
    bytes.extend(b"abc".repeat(STRINGS as usize));
    let mut target = Target::new(START, bytes);
    target.registers[5] = START;
    target.registers[4] = START + 8;
    let image = interpret(&capture.plan, &target);
    let text = |i: usize| decode(&builder.types, values[i].0, &values[i].1, &image, &limits).to_string();
    assert!(text(0).starts_with("(\"abc\", \"abc\""), "{}", text(0));
    assert!(text(0).ends_with("<not captured>)"), "{}", text(0));
    assert_eq!(text(1), "\"abc\"", "the first value must not take the second one's share");
}

/// `struct Node { value: String, next: Option<Box<Node>> }`
fn list_of_strings(builder: &mut Builder) -> TypeId {
    let string = builder.string();
    let node = builder.add("a::Node", 32, Shape::Opaque);
    let pointer = builder.pointer(Some(node), PointerKind::Box);
    let next = builder.option_by_niche(pointer);
    let field = |name: &str, offset, ty| Field { name: name.to_owned(), offset, ty, bits: None };
    let fields = vec![field("value", 0, string), field("next", 24, next)];
    let shape = Shape::Struct { fields, parameters: vec![], style: StructStyle::Named };
    builder.types.set(node, Type { name: "a::Node".to_owned(), size_bytes: 32, shape });
    node
}

#[test]
fn a_type_that_leads_to_itself_is_a_routine_as_deep_as_the_limit() {
    let mut builder = Builder::default();
    let node = list_of_strings(&mut builder);
    let root = builder.reference(node);
    let values = [(root, Location::whole(8, Place::Register(Register::RDI)))];
    let mut bytes = Vec::new();
    for i in 0..40_u64 {
        let next = if i == 39 { 0 } else { START + 32 * (i + 1) };
        bytes.extend([8, START + 40 * 32, 3, next].iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes.extend(b"abc");
    let mut target = Target::new(START, bytes);
    target.registers[5] = START;
    for pointers_max in [1, 2, 5, 12] {
        let limits = Limits { pointers_max, ..Limits::default() };
        let capture = compile(&builder.types, &values, &limits);
        assert!(capture.is_complete);
        let image = interpret(&capture.plan, &target);
        let shown = decode(&builder.types, root, &values[0].1, &image, &limits).to_string();
        let held = decode(&builder.types, root, &values[0].1, &target, &limits).to_string();
        assert_eq!(shown, held);
        assert_eq!(shown.matches("abc").count() as u32, pointers_max - 1, "{shown}");
    }
}

#[test]
fn of_a_future_larger_than_a_record_the_arguments_are_copied_before_its_first_poll() {
    let mut builder = Builder::default();
    let (text, word) = (builder.string(), builder.unsigned(8));
    let (own, state) = (builder.reference(text), 4995);
    let variants = vec![
        builder.variant("Unresumed", &[(0, 0)], &[(4000, own), (4008, word)]),
        builder.variant("Returned", &[(1, 1)], &[]),
        builder.variant("Panicked", &[(2, 2)], &[]),
        builder.variant("Suspend0", &[(3, 3)], &[(0, own)]),
    ];
    let future = builder.enumeration("a::run::{async_fn_env#0}", 5000, (state, 1), variants);
    let values = [(future, Location::whole(5000, Place::Memory(MemoryPlace::at(Register::RDI, 0))))];
    let capture = compile(&builder.types, &values, &Limits::default());
    let mut bytes = vec![0; 5000];
    for (offset, value) in [(4000, START + 5000), (4008, 7)] {
        bytes[offset..offset + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    bytes.extend([8, START + 5024, 3].iter().flat_map(|word| u64::to_le_bytes(*word)));
    bytes.extend(b"abc");
    let mut target = Target::new(START, bytes);
    target.registers[5] = START;
    let shown = |target: &Target| {
        let image = interpret(&capture.plan, target);
        let copied: usize = image.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        (decode(&builder.types, future, &values[0].1, &image, &Limits::default()).to_string(), copied)
    };
    assert_eq!(shown(&target), ("Unresumed(\"abc\", 7)".to_owned(), 1 + 8 + 8 + 24 + 3));
    target.bytes[state as usize] = 3;
    assert_eq!(shown(&target).1, 1, "a resumed future has no arguments to copy");
}

#[test]
fn what_is_masked_is_not_followed() {
    let mut builder = Builder::default();
    let text = builder.str();
    let account = builder.structure("app::Account", StructStyle::Named, &[("name", text), ("password", text)]);
    let option = builder.option_by_tag(account);
    let location = Location::whole(48, Place::Memory(MemoryPlace::at(Register::RDI, 0)));
    for (ty, prefix) in [(account, &[][..]), (option, &[1][..])] {
        let values = [(ty, location.clone())];
        let words = [prefix, &[START + 96, 3, START + 99, 6]].concat();
        let mut bytes: Vec<u8> = words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
        bytes.resize(96, 0);
        bytes.extend(b"Annsecret");
        let mut target = Target::new(START, bytes);
        target.registers[5] = START;
        let copies_secret = |builder: &Builder| {
            let plan = compile(&builder.types, &values, &Limits::default()).plan;
            interpret(&plan, &target).chunks.iter().any(|chunk| chunk.bytes.ends_with(b"secret"))
        };
        assert!(copies_secret(&builder));
        builder.types.redaction = Redaction(vec!["password".parse().unwrap()]);
        assert!(!copies_secret(&builder));
        builder.types.redaction = Redaction::default();
    }
}
