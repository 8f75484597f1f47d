//! Decoding, text and JSON on values built as rustc builds them; `{:?}` itself is the oracle where there is one.

use super::fixture::{Builder, Target};
use super::json::to_json;
use super::layout::{Field, PointerKind, Shape, StructStyle, TypeId};
use super::place::{Location, MemoryPlace, Missing, Piece, Place, Register};
use super::redaction::Redaction;
use super::{Limits, Omitted, Payload, Value, decode};

const START: u64 = 0x5000;

fn at_start() -> Location {
    Location::whole(1, Place::Memory(MemoryPlace::at(Register::RDI, 0)))
}

/// The value of `ty` whose bytes are these words, `tail` behind them.
fn shown(builder: &Builder, ty: TypeId, words: &[u64], tail: &[u8]) -> Value {
    let mut bytes: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(tail);
    let mut target = Target::new(START, bytes);
    target.registers[5] = START;
    decode(&builder.types, ty, &at_start(), &target, &Limits::default())
}

fn in_registers(builder: &Builder, ty: TypeId, words: &[u64]) -> String {
    let mut target = Target::new(START, vec![]);
    let mut pieces = Vec::new();
    for (i, word) in words.iter().enumerate() {
        target.registers[i] = *word;
        pieces.push(Piece { size_bytes: 8, place: Place::Register(Register(i as u8)) });
    }
    decode(&builder.types, ty, &Location { pieces }, &target, &Limits::default()).to_string()
}

#[test]
fn scalars_print_as_debug_prints_them() {
    let mut b = Builder::default();
    let (u8, i16, u128, f64) = (b.unsigned(1), b.signed(2), b.unsigned(16), b.float(8));
    let f32 = b.float(4);
    let bool = b.add("bool", 1, Shape::Bool);
    let char = b.add("char", 4, Shape::Char);
    assert_eq!(in_registers(&b, u8, &[0xffff_ff05]), "5", "only the low byte counts");
    assert_eq!(in_registers(&b, i16, &[0xffff_0000_0000_fffe]), "-2");
    assert_eq!(in_registers(&b, u128, &[u64::MAX, u64::MAX]), format!("{:?}", u128::MAX));
    for value in [1.0, 0.1, f64::NAN, f64::NEG_INFINITY, -0.0, 1e300, 1e-7] {
        assert_eq!(in_registers(&b, f64, &[value.to_bits()]), format!("{value:?}"));
    }
    assert_eq!(in_registers(&b, f32, &[u64::from(0.1_f32.to_bits())]), "0.1");
    assert_eq!(in_registers(&b, bool, &[0xff00]), "false");
    assert_eq!(in_registers(&b, bool, &[2]), "<bool: 02>");
    assert_eq!(in_registers(&b, char, &[u64::from(u32::from('\''))]), format!("{:?}", '\''));
    assert_eq!(in_registers(&b, char, &[0xd800]), "<char: 00 d8 00 00>");
}

#[test]
fn texts_print_as_debug_prints_them() {
    let mut b = Builder::default();
    let (str, string, c_string) = (b.str(), b.string(), b.c_string());
    let text = "a\"\n\u{7f}é—";
    let length = text.len() as u64;
    assert_eq!(shown(&b, str, &[START + 16, length], text.as_bytes()).to_string(), format!("{text:?}"));
    assert_eq!(shown(&b, string, &[64, START + 24, length], text.as_bytes()).to_string(), format!("{text:?}"));
    assert_eq!(shown(&b, c_string, &[START + 8], b"one\0two").to_string(), "\"one\"");
    assert_eq!(shown(&b, c_string, &[0], b"").to_string(), "0x0");
    assert_eq!(shown(&b, str, &[1, 0], b"").to_string(), "\"\"", "an empty str may point anywhere");
    assert_eq!(shown(&b, str, &[START + 16, 2], b"a\xff").to_string(), "b\"a\\xff\"");
    assert_eq!(shown(&b, str, &[9, 2], b"").to_string(), "<not resident>");
    let reference = b.reference(string);
    assert_eq!(shown(&b, reference, &[START + 8, 3, START + 32, 3], b"xyz").to_string(), "\"xyz\"");
    let impossible = shown(&b, str, &[START, u64::MAX], b"").to_string();
    assert!(impossible.starts_with("<&str: 00 50 "), "{impossible}");
}

#[test]
fn long_values_say_what_is_omitted() {
    let mut b = Builder::default();
    let (str, byte) = (b.str(), b.unsigned(1));
    let text = "é".repeat(200);
    let value = shown(&b, str, &[START + 16, 400], format!("x{text}").as_bytes());
    let expected = format!("\"x{}\"… (+145 bytes)", "é".repeat(127));
    assert_eq!(value.to_string(), expected, "the character that the limit cuts in two is left out");
    assert_eq!(to_json(&value)["omitted"], 145);
    let vec = b.vec(byte);
    let value = shown(&b, vec, &[90, START + 24, 34], &[7; 34]);
    assert_eq!(value.to_string(), format!("[{}… (+2 items)]", "7, ".repeat(32)));
    let array = b.array(byte, 3);
    assert_eq!(in_registers(&b, array, &[0x030201]), "[1, 2, 3]");
}

#[test]
fn structs_and_enums_print_as_debug_prints_them() {
    let mut b = Builder::default();
    let (u8, u64) = (b.unsigned(1), b.unsigned(8));
    let bytes = b.array(u8, 16);
    let uuid = b.structure("uuid::Uuid", StructStyle::TupleStruct, &[("__0", bytes)]);
    let moisture = b.option_by_tag(u8);
    let tree = b.structure("app::tree::Tree", StructStyle::Named, &[("uuid", uuid), ("moisture", moisture)]);
    let value = shown(&b, tree, &[0x1032_5476_98ba_dcfe, 0xefcd_ab89_6745_2301, 0x0301], b"");
    assert_eq!(value.to_string(), "Tree { uuid: fedcba98-7654-3210-0123-456789abcdef, moisture: Some(3) }");
    assert_eq!(to_json(&value).to_string(), r#"{"uuid":"fedcba98-7654-3210-0123-456789abcdef","moisture":{"Some":3}}"#);
    let newtype = b.structure("a::Id<u64>", StructStyle::TupleStruct, &[("__0", u64)]);
    assert_eq!(in_registers(&b, newtype, &[5]), "Id(5)");
    let pair = b.tuple(&[u64, u8]);
    assert_eq!(in_registers(&b, pair, &[5, 6]), "(5, 6)");
    let single = b.tuple(&[u8]);
    assert_eq!(in_registers(&b, single, &[5]), format!("{:?}", (5,)));
    let unit = b.tuple(&[]);
    assert_eq!(in_registers(&b, unit, &[]), "()");
}

#[test]
fn options_show_their_active_variant_only() {
    let mut b = Builder::default();
    let string = b.string();
    let reference = b.reference(string);
    let option = b.option_by_niche(reference);
    assert_eq!(shown(&b, option, &[0], b"").to_string(), "None");
    assert_eq!(shown(&b, option, &[START + 8, 3, START + 32, 2], b"ok").to_string(), "Some(\"ok\")");
    let u8 = b.unsigned(1);
    let variants = vec![b.variant("A", &[(1, 1)], &[]), b.variant("B", &[(2, 3)], &[(1, u8)])];
    let odd = b.enumeration("a::Odd", 2, (0, 1), variants);
    assert_eq!(in_registers(&b, odd, &[0x0903]), "B(9)");
    assert_eq!(in_registers(&b, odd, &[0x0907]), "<Odd: 07 09>", "no variant has this tag");
    let enumerators = vec![("Low".to_owned(), -1), ("High".to_owned(), 1)];
    let level = b.add("a::Level", 1, Shape::Enumeration { signed: true, enumerators });
    assert_eq!(in_registers(&b, level, &[0xff]), "Low");
    assert_eq!(in_registers(&b, level, &[0x07]), "<Level: 07>");
}

#[test]
fn missing_parts_say_why() {
    let mut b = Builder::default();
    let u64 = b.unsigned(8);
    let pair = b.structure("a::Pair", StructStyle::Named, &[("x", u64), ("y", u64)]);
    let decode_at = |pieces: Vec<Piece>| {
        let target = Target::new(START, vec![]);
        decode(&b.types, pair, &Location { pieces }, &target, &Limits::default())
    };
    let missing = |size_bytes, missing| Piece { size_bytes, place: Place::Missing(missing) };
    let whole = decode_at(vec![missing(16, Missing::OptimizedOut)]);
    assert_eq!(whole, Value::Unreadable(Missing::OptimizedOut));
    assert_eq!(to_json(&whole).to_string(), r#"{"$unreadable":"optimized out"}"#);
    let register = Piece { size_bytes: 8, place: Place::Register(Register::RAX) };
    let half = decode_at(vec![register.clone(), missing(8, Missing::VectorRegister)]);
    assert_eq!(half.to_string(), "Pair { x: 0, y: <in a vector register> }");
    assert_eq!(decode_at(vec![register]).to_string(), "Pair { x: 0, y: <optimized out> }");
    let vector = Piece { size_bytes: 16, place: Place::Register(Register::XMM0) };
    assert_eq!(decode_at(vec![vector]), Value::Unreadable(Missing::VectorRegister));
}

#[test]
fn places_are_evaluated() {
    let mut b = Builder::default();
    let u64 = b.unsigned(8);
    let mut target = Target::new(START, [11_u64, START + 16, 33].iter().flat_map(|w| w.to_le_bytes()).collect());
    target.registers[0] = START;
    target.registers[1] = 1;
    let read = |place| decode(&b.types, u64, &Location::whole(8, Place::Memory(place)), &target, &Limits::default());
    let indexed =
        MemoryPlace { base: Some(Register::RAX), index: Some((Register::RDX, 8)), displacement: 8, indirect: None };
    assert_eq!(read(indexed), Value::Unsigned(33));
    let indirect = MemoryPlace { indirect: Some(-16), ..MemoryPlace::at(Register::RAX, 8) };
    assert_eq!(read(indirect), Value::Unsigned(11));
    let absolute = MemoryPlace { base: None, index: None, displacement: START as i64, indirect: None };
    assert_eq!(read(absolute), Value::Unsigned(11));
    assert_eq!(read(MemoryPlace::at(Register::RAX, 24)), Value::Unreadable(Missing::NotResident));
}

#[test]
fn bit_fields_are_cut_out() {
    let mut b = Builder::default();
    let (unsigned, signed) = (b.unsigned(4), b.signed(4));
    let field = |name: &str, ty, bits| Field { name: name.to_owned(), offset: 0, ty, bits: Some(bits) };
    let fields = vec![field("low", unsigned, (0, 3)), field("high", signed, (3, 4))];
    let ty = b.add("flags", 4, Shape::Struct { fields, parameters: vec![], style: StructStyle::Named });
    assert_eq!(in_registers(&b, ty, &[0b111_1101]), "flags { low: 5, high: -1 }");
}

#[test]
fn layouts_that_contain_themselves_end() {
    let mut b = Builder::default();
    let node = b.add("a::Node", 8, Shape::Opaque);
    let next = b.pointer(Some(node), PointerKind::Reference);
    let fields = vec![Field { name: "next".into(), offset: 0, ty: next, bits: None }];
    let shape = Shape::Struct { fields, parameters: vec![], style: StructStyle::Named };
    b.types.set(node, super::layout::Type { name: "a::Node".into(), size_bytes: 8, shape });
    let text = shown(&b, node, &[START], b"").to_string();
    assert!(text.starts_with("Node { next: Node { next: "), "{text}");

    let inside = b.add("a::Inside", 8, Shape::Opaque);
    let fields = vec![Field { name: "x".into(), offset: 0, ty: inside, bits: None }; 20];
    let shape = Shape::Struct { fields, parameters: vec![], style: StructStyle::Named };
    b.types.set(inside, super::layout::Type { name: "a::Inside".into(), size_bytes: 8, shape });
    let _ends = shown(&b, inside, &[START], b"");
}

#[test]
fn json_keeps_what_its_numbers_cannot() {
    let json = |value: Value| to_json(&value).to_string();
    assert_eq!(json(Value::Unsigned(1 << 53)), "9007199254740992");
    assert_eq!(json(Value::Unsigned((1 << 53) + 1)), r#""9007199254740993""#);
    assert_eq!(json(Value::Signed(-(1 << 60))), r#""-1152921504606846976""#);
    assert_eq!(json(Value::Float64(f64::NAN)), r#""NaN""#);
    assert_eq!(json(Value::Float64(f64::NEG_INFINITY)), r#""-inf""#);
    assert_eq!(json(Value::Float32(0.1)), "0.1");
    let bytes = Value::Bytes { bytes: vec![0xff, 0x00], omitted: Omitted::Unknown };
    assert_eq!(json(bytes), r#"{"$truncated":{"$bytes":"ff00"},"omitted":null}"#);
    let none = Value::Variant { name: "None".into(), payload: Payload::Unit };
    assert_eq!(json(none), r#""None""#);
    let key = |text: &str| Value::Text { text: text.into(), omitted: Omitted::Nothing };
    let map = |key| Value::Map { entries: vec![(key, Value::Unit)], omitted: Omitted::Nothing };
    assert_eq!(json(map(key("a"))), r#"{"a":null}"#);
    assert_eq!(json(map(Value::Bool(true))), "[[true,null]]");
}

#[test]
fn a_word_without_type_is_a_number_unless_it_leads_to_text() {
    let mut b = Builder::default();
    let character = b.add("char", 1, Shape::CChar { signed: true });
    let word = |signed| Shape::Pointer { target: Some(character), kind: PointerKind::Untyped { signed } };
    let (signed, unsigned) = (b.add("i64", 8, word(true)), b.add("u64", 8, word(false)));
    let read = |ty, word, tail: &[u8]| shown(&b, ty, &[word], tail);
    let query = read(unsigned, START + 8, b"select 1;\n\0rest");
    assert_eq!(query.to_string(), r#"0x5008 "select 1;\n""#);
    assert_eq!(to_json(&query).to_string(), r#"{"$address":"0x5008","text":"select 1;\n"}"#);
    assert_eq!(read(signed, START + 8, b"\x01\x02\0"), Value::Signed(0x5008), "not text");
    assert_eq!(read(signed, START + 8, b"\0"), Value::Signed(0x5008), "no text");
    assert_eq!(read(signed, u64::MAX, b""), Value::Signed(-1));
    assert_eq!(read(unsigned, u64::MAX, b""), Value::Unsigned(u64::MAX.into()));
    assert_eq!(read(unsigned, 77, b""), Value::Unsigned(77));
}

#[test]
fn a_state_machine_is_found_behind_pin() {
    let mut b = Builder::default();
    let mut states: Vec<_> = (0..)
        .zip(["Unresumed", "Returned", "Panicked", "Suspend0"])
        .map(|(tag, name)| b.variant(name, &[(tag, tag)], &[]))
        .collect();
    states[3].source = Some(("src/server.rs".to_owned(), 210));
    let coroutine = b.enumeration("run::{async_fn_env#0}", 1, (0, 1), states.clone());
    let reference = b.reference(coroutine);
    let pin = b.structure("core::pin::Pin", StructStyle::Named, &[("__pointer", reference)]);
    assert_eq!(b.types.coroutine(pin).unwrap().variants, states);
    let option = b.option_by_tag(reference);
    assert_eq!(b.types.coroutine(option), None);
}

#[test]
fn what_is_masked_by_name_is_never_shown() {
    let mut b = Builder::default();
    b.types.redaction = Redaction(vec!["*password*".parse().unwrap(), "len".parse().unwrap()]);
    let (str, string, u8) = (b.str(), b.string(), b.unsigned(1));
    let account =
        b.structure("app::Account", StructStyle::Named, &[("name", str), ("user_PASSWORD", string), ("len", u8)]);
    let words = [START + 48, 3, 64, START + 51, 6, 7];
    let value = shown(&b, account, &words, b"Annsecret");
    assert_eq!(value.to_string(), "Account { name: \"Ann\", user_PASSWORD: <redacted>, len: <redacted> }");
    let json = to_json(&value).to_string();
    assert_eq!(json, r#"{"name":"Ann","user_PASSWORD":{"$redacted":true},"len":{"$redacted":true}}"#);
    let list = b.vec(account);
    let value = shown(&b, list, &[1, START + 24, 1, START + 72, 3, 64, START + 75, 6, 7], b"Annsecret");
    assert_eq!(value.to_string(), "[Account { name: \"Ann\", user_PASSWORD: <redacted>, len: <redacted> }]");
}

#[test]
fn bytes_that_may_hold_what_is_masked_are_not_shown() {
    let mut b = Builder::default();
    b.types.redaction = Redaction(vec!["password".parse().unwrap()]);
    let u64 = b.unsigned(8);
    let secret = b.structure("app::Secret", StructStyle::Named, &[("password", u64)]);
    let array = b.array(secret, 1);
    let inside = vec![b.variant("A", &[(1, 1)], &[(8, array)])];
    let odd = b.enumeration("app::Odd", 16, (0, 1), inside);
    let fields =
        [("password", u64), ("number", u64)].map(|(name, ty)| Field { name: name.into(), offset: 0, ty, bits: None });
    let union = b.add("app::Either", 8, Shape::Union { fields: fields.to_vec() });
    for ty in [odd, union] {
        assert_eq!(shown(&b, ty, &[9, 9], b"").to_string(), "<redacted>");
    }
    let node = b.add("app::Node", 8, Shape::Opaque);
    let fields = vec![Field { name: "x".into(), offset: 0, ty: node, bits: None }; 20];
    let shape = Shape::Struct { fields, parameters: vec![], style: StructStyle::Named };
    b.types.set(node, super::layout::Type { name: "app::Node".into(), size_bytes: 8, shape });
    assert!(!b.types.holds_masked(node), "a type that contains itself ends");
}

#[test]
fn what_is_too_deep_says_so() {
    let mut b = Builder::default();
    let (str, u8) = (b.str(), b.unsigned(1));
    let vec = b.vec(u8);
    let limits = Limits { pointers_max: 0, ..Limits::default() };
    let mut target = Target::new(START, [START, 2, 3].iter().flat_map(|word: &u64| word.to_le_bytes()).collect());
    target.registers[5] = START;
    for ty in [str, vec] {
        assert_eq!(decode(&b.types, ty, &at_start(), &target, &limits).to_string(), "<too deep>");
    }
}

#[test]
fn enumerations_and_unions_of_c_hold_more_than_their_own_values() {
    let mut b = Builder::default();
    let enumerators = vec![("READ".to_owned(), 1), ("WRITE".to_owned(), 2)];
    let flags = b.add("flags", 4, Shape::Enumeration { signed: false, enumerators });
    b.types.set_open(flags);
    for (bits, text) in [(2, "WRITE"), (3, "READ | WRITE"), (0, "0"), (0x10, "16")] {
        assert_eq!(in_registers(&b, flags, &[bits]), text);
    }
    let (u32, f32) = (b.unsigned(4), b.float(4));
    let fields =
        [("bits", u32), ("number", f32)].map(|(name, ty)| Field { name: name.into(), offset: 0, ty, bits: None });
    let union = b.add("either", 4, Shape::Union { fields: fields.to_vec() });
    b.types.set_open(union);
    let bits = u64::from(1.5_f32.to_bits());
    assert_eq!(in_registers(&b, union, &[bits]), format!("union either {{ bits: {bits}, number: 1.5 }}"));
    b.types.redaction = Redaction(vec!["bits".parse().unwrap()]);
    assert_eq!(in_registers(&b, union, &[bits]), "<redacted>", "its bytes would show through the other member");
}
