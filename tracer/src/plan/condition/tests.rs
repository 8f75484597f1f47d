//! What the kernel would decide, held against what the oracle reads in decoded values: made-up memory, half of it
//! nonsense, and conditions of all kinds. And what the types do not allow.

use std::cell::Cell;

use proptest::prelude::*;
use tracer_ebpf::abi::filter::{TERM_OR, TERMS_MAX, Term, Text};
use tracer_ebpf::abi::plan::{OPS_MAX, Plan};

use super::check::{Outcome, Scope};
use super::judge::{After, Hit, Verdict};
use super::oracle::Oracle;
use super::{Compiled, Conjunct, Decision, Parted, Places, compile};
use crate::plan::capture::compile as compile_capture;
use crate::plan::capture_plan::CapturePlan;
use crate::plan::description::Parameter;
use crate::plan::expression::parse_condition;
use crate::plan::interpret::{decide, interpret};
use crate::value::Limits;
use crate::value::fixture::{Builder, Target};
use crate::value::image::Memory;
use crate::value::layout::{PointerKind, Shape, StructStyle, TypeId};
use crate::value::place::{Location, MemoryPlace, Piece, Place, Register};

const START: u64 = 0x7f00_0000_0000;
const WORDS: u64 = 160;

/// Arguments of many types, in registers and in memory.
fn arguments(builder: &mut Builder) -> Vec<Parameter> {
    let [byte, half, word, long] = [1, 2, 4, 8].map(|size| builder.unsigned(size));
    let [small, int, big] = [1, 4, 8].map(|size| builder.signed(size));
    let (float, double) = (builder.float(4), builder.float(8));
    let wide = builder.add("u128", 16, Shape::Integer { signed: false });
    let wide_signed = builder.add("i128", 16, Shape::Integer { signed: true });
    let flag = builder.add("bool", 1, Shape::Bool);
    let letter = builder.add("char", 4, Shape::Char);
    let (slice_of_int, str, string, c_string) =
        (builder.slice(int), builder.str(), builder.string(), builder.c_string());
    let uuid_bytes = builder.array(byte, 16);
    let uuid = builder.structure("uuid::Uuid", StructStyle::TupleStruct, &[("__0", uuid_bytes)]);
    let maybe = builder.option_by_tag(small);
    let pair = builder.structure("a::Pair", StructStyle::Named, &[("low", half), ("high", word)]);
    let pairs = builder.vec(pair);
    let choice = {
        let variants = vec![
            builder.variant("Save", &[(1, 1), (3, 5)], &[(4, word)]),
            builder.variant("Load", &[(0, 2)], &[(8, str)]),
            builder.variant("Other", &[], &[(4, int)]),
        ];
        builder.enumeration("a::Choice", 24, (0, 1), variants)
    };
    let inner = [
        ("id", big),
        ("price", double),
        ("rate", float),
        ("wide", wide),
        ("deep", wide_signed),
        ("flag", flag),
        ("letter", letter),
        ("name", string),
        ("title", str),
        ("label", c_string),
        ("uuid", uuid),
        ("maybe", maybe),
        ("items", pairs),
        ("choice", choice),
    ];
    let order = builder.structure("a::Order", StructStyle::Named, &inner);
    let reference = builder.reference(order);
    let raw = builder.pointer(Some(order), PointerKind::Raw);
    let packed = builder.structure("a::Packed", StructStyle::Tuple, &[("__0", byte), ("__1", small), ("__2", half)]);
    let numbers = builder.std_vector(small);
    let register = |number| Place::Register(Register(number));
    let whole = |ty: TypeId, builder: &Builder, place| (ty, Location::whole(builder.size(ty), place));
    let memory = |base, indirect| Place::Memory(MemoryPlace { indirect, ..MemoryPlace::at(Register(base), 8) });
    let two = |first, second| Location {
        pieces: [first, second].map(|number| Piece { size_bytes: 8, place: register(number) }).into(),
    };
    let placed = [
        ("order", whole(reference, builder, register(5))),
        ("raw", whole(raw, builder, register(4))),
        ("here", whole(order, builder, memory(3, None))),
        ("there", whole(order, builder, memory(2, Some(16)))),
        ("n", whole(word, builder, register(1))),
        ("i", whole(small, builder, register(0))),
        ("l", whole(long, builder, register(8))),
        ("packed", whole(packed, builder, register(9))),
        ("s", (str, two(10, 11))),
        ("ints", (slice_of_int, two(12, 13))),
        ("numbers", whole(numbers, builder, memory(6, None))),
    ];
    let parameter = |(name, (ty, location)): (&str, _)| Parameter::whole(name, ty, location);
    placed.into_iter().map(parameter).collect()
}

fn any_target(seeds: &[u64]) -> Target {
    let word = |seed: &u64| match seed % 16 {
        0..=4 => START + seed / 16 % (8 * WORDS - 200),
        5 => seed / 16 % 4,
        6 => 0,
        7 => u64::from_le_bytes(*b"text\0ab\0"),
        8 => seed / 16 % 3000,
        9 => 1.5_f64.to_bits(),
        10 => f64::NAN.to_bits(),
        11 => (seed / 16 % 7).wrapping_neg(),
        12 => START + 8 * WORDS - 3,
        _ => *seed,
    };
    let mut words = seeds.iter().map(word);
    let mut target = Target::new(START, Vec::new());
    for register in target.registers.iter_mut().take(17) {
        *register = words.next().unwrap();
    }
    target.bytes = words.flat_map(u64::to_le_bytes).collect();
    target
}

const SUBJECTS: [(&str, &[&str]); 26] = [
    ("numbers.len()", &["0", "2", "100"]),
    ("numbers[1]", &["0", "-3"]),
    ("n", &["0", "3", "0xffffffff", "77"]),
    ("i", &["0", "-1", "-128", "127", "5"]),
    ("l", &["0", "3000", "0xffffffffffffffff"]),
    ("packed.0", &["0", "1", "255"]),
    ("packed.1", &["-1", "3"]),
    ("packed.2", &["0", "65535"]),
    ("s.len()", &["0", "3", "100"]),
    ("ints.len()", &["0", "2"]),
    ("ints[0]", &["0", "-3", "1"]),
    ("ints[2]", &["0", "2147483647"]),
    ("order.id", &["0", "-1", "3", "-9223372036854775808"]),
    ("raw.id", &["0", "-1", "3"]),
    ("here.price", &["1.5", "0", "-0.5", "1e300"]),
    ("there.price", &["1.5", "0"]),
    ("order.rate", &["0", "1.5", "-2"]),
    ("here.wide", &["0", "1", "340282366920938463463374607431768211455", "18446744073709551616"]),
    ("order.deep", &["0", "-1", "-18446744073709551617", "9223372036854775808"]),
    ("order.maybe", &["0", "-1", "100"]),
    ("here.items[1].high", &["0", "7"]),
    ("here.items.len()", &["0", "1", "3"]),
    ("here.choice.Save.0", &["0", "3"]),
    ("order.choice.Other.0", &["0", "-1"]),
    ("here.title.len()", &["0", "3"]),
    ("order.name.len()", &["1", "1000"]),
];
const TEXTS: [&str; 9] = [
    "s",
    "order.name",
    "here.name",
    "order.title",
    "here.label",
    "raw.label",
    "there.name",
    "here.title",
    "order.label",
];
const WANTED: [&str; 7] = ["", "text", "t", "ext", "ab", "text\\0ab\\0", "xt"];
const OTHERS: [&str; 18] = [
    "order.flag",
    "!here.flag",
    "here.flag == false",
    "order.letter == 'a'",
    "here.letter < 'z'",
    "order.maybe is Some",
    "order.maybe is None",
    "here.maybe is Some(3)",
    "order.choice is Save",
    "here.choice is Load",
    "here.choice is Other",
    "order.choice is Save(3)",
    "there.choice is Save",
    "here.uuid starts_with \"0\"",
    "order.uuid starts_with \"7f\"",
    "here.uuid starts_with \"0000000000\"",
    "order.uuid != \"00000000-0000-0000-0000-000000000000\"",
    "here.uuid == \"74657874006162007465787400616200\"",
];

fn comparison() -> impl Strategy<Value = String> {
    const OPERATORS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
    prop_oneof![
        4 => (prop::sample::select(&SUBJECTS[..]), prop::sample::select(&OPERATORS[..]), any::<prop::sample::Index>())
            .prop_map(|((subject, literals), operator, index)| format!("{subject} {operator} {}", index.get(literals))),
        2 => (
            prop::sample::select(&TEXTS[..]),
            prop::sample::select(&["==", "!=", "starts_with", "ends_with", "contains"][..]),
            prop::sample::select(&WANTED[..]),
        )
            .prop_map(|(subject, operator, wanted)| format!("{subject} {operator} \"{wanted}\"")),
        2 => prop::sample::select(&OTHERS[..]).prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} && {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} || {right})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

/// As `condition.rs` of the BPF side has it.
fn all_hold(terms: &[Term], target: &Target) -> bool {
    let holds = |term: &Term| {
        let value = target.registers[usize::from(term.value)];
        let value = match term.size_bytes {
            0 => Some(value),
            size => {
                let address = value.wrapping_add(i64::from(term.displacement) as u64);
                let bytes = target.read(address, size.into()).ok();
                bytes.map(|bytes| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
            }
        };
        value.is_some_and(|value| (value >> term.shift).wrapping_sub(term.low) & term.mask <= term.span)
    };
    let mut clauses = Vec::new();
    let mut is_open = false;
    for term in terms {
        match clauses.last_mut() {
            Some(clause) if is_open => *clause |= holds(term),
            _ => clauses.push(holds(term)),
        }
        is_open = term.flags & TERM_OR != 0;
    }
    clauses.into_iter().all(|clause| clause)
}

fn decided(decision: &Decision, target: &Target, texts: &[Text]) -> bool {
    assert!(decision.terms.len() <= TERMS_MAX && decision.ops.len() <= OPS_MAX);
    let plan = CapturePlan { head: Plan::EMPTY, ops: decision.ops.clone().into() };
    all_hold(&decision.terms, target) && (decision.ops.is_empty() || decide(&plan, target, texts) == 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_kernel_decides_as_the_oracle_does(
        text in condition(),
        seeds in prop::collection::vec(any::<u64>(), 17 + WORDS as usize),
        at_order in 0..WORDS - 40,
    ) {
        let mut builder = Builder::default();
        let arguments = arguments(&mut builder);
        let mut target = any_target(&seeds);
        // Mostly a good pointer: what is behind it is odd enough.
        for number in [5, 4, 3] {
            target.registers[number] = START + 8 * at_order;
        }
        let types = &builder.types;
        let scope = Scope { types, arguments: &arguments, is_poll: false, is_untyped: false, result: Outcome::Nothing, facts: &[] };
        let places = Places { types, arguments: &arguments, result: None };
        let (expression, _) = parse_condition(&text, 0).unwrap();
        let logic = scope.condition(&expression).unwrap();
        let mut texts = Vec::new();
        if let super::logic::Logic::Constant(value) = logic {
            return Err(TestCaseError::fail(format!("{text} is always {value}")));
        }
        let whole = Conjunct { span: expression.span, text: text.clone(), logic: logic.clone() };
        let Parted { compiled: Compiled { entry, end }, after, .. } = compile(vec![whole], &places, &mut texts).unwrap();
        prop_assert!(end.is_none() && after.is_empty());
        let oracle = Oracle { scope, places, memory: &target, is_vague: Cell::new(false) };
        let holds = oracle.holds(&expression) == Some(true);
        if !oracle.is_vague.get() {
            prop_assert_eq!(decided(&entry, &target, &texts), holds, "{}", text);
        }
        // The same in user space, of the memory itself and of what a record would bring.
        let after = After::new(logic, &arguments, None).unwrap().unwrap();
        let capture = compile_capture(types, &after.wanted_at_entry().collect::<Vec<_>>(), &Limits::default());
        let image = interpret(&capture.plan, &target);
        for (memory, is_record) in [(&target as &dyn Memory, false), (&image as &dyn Memory, true)] {
            let hit = Hit { entry: memory, exit: None, duration_ns: 0, thread_id: 1, thread_name: "a" };
            let verdict = after.judge(types, &hit);
            let is_open = verdict == Verdict::Undecided;
            if !(oracle.is_vague.get() || is_record && is_open) {
                prop_assert_eq!(verdict == Verdict::Yes, holds, "{} {}", text, is_record);
            }
        }
    }
}

#[test]
fn a_reference_to_a_struct_is_compared_by_its_address() {
    let mut builder = Builder::default();
    let arguments = arguments(&mut builder);
    let types = &builder.types;
    let scope =
        Scope { types, arguments: &arguments, is_poll: false, is_untyped: false, result: Outcome::Nothing, facts: &[] };
    let places = Places { types, arguments: &arguments, result: None };
    let text = "order == 0x7f0000001000";
    let (expression, _) = parse_condition(text, 0).unwrap();
    let logic = scope.condition(&expression).unwrap();
    let whole = Conjunct { span: expression.span, text: text.to_owned(), logic };
    let Parted { compiled: Compiled { entry, .. }, .. } = compile(vec![whole], &places, &mut Vec::new()).unwrap();
    let mut target = Target::new(START, Vec::new());
    for (address, holds) in [(0x7f00_0000_1000, true), (0x7f00_0000_1008, false)] {
        target.registers.iter_mut().for_each(|register| *register = address);
        assert_eq!(decided(&entry, &target, &[]), holds);
    }
}

fn mistake(text: &str) -> String {
    let mut builder = Builder::default();
    let arguments = arguments(&mut builder);
    let types = &builder.types;
    let result = Outcome::Unseen("leave out --returns off");
    let scope = Scope { types, arguments: &arguments, is_poll: false, is_untyped: false, result, facts: &[] };
    let expression = match parse_condition(text, 0) {
        Ok((expression, _)) => expression,
        Err(error) => return format!("{text}: {error}"),
    };
    match scope.condition(&expression) {
        Ok(_) => format!("{text}: fine"),
        Err(error) => format!("{:?} of {text}: {error}", text.get(error.span.start..error.span.end).unwrap()),
    }
}

#[test]
fn what_the_types_do_not_allow_is_said() {
    let texts = [
        "nn == 3",
        "order.idd == 3",
        "n == \"text\"",
        "n == -1",
        "i == 128",
        "n == 1.5",
        "s == 3",
        "s < \"a\"",
        "n starts_with \"a\"",
        "order == 3",
        "order.choice == 3",
        "order.choice is Nothing",
        "n is Some",
        "order.maybe is Some(300)",
        "here.uuid == \"xyz\"",
        "here.uuid == \"ab\"",
        "n == l && packed.0 < i && price == n",
        "s == n",
        "order.flag < order.flag",
        "order[\"a\"] == 1",
        "thread == \"a*b\"",
        "5 == 5",
        "n",
        "result == 3",
        "duration > 5",
        "tid.x == 3",
        "args.9 == 1",
        "here.wide == -1",
        "order.price == \"1\"",
        "order.flag == 1",
        "raw == 5.0",
    ];
    let mistakes: Vec<String> = texts.iter().map(|text| mistake(text)).collect();
    insta::assert_snapshot!(mistakes.join("\n"), @r#"
        "nn" of nn == 3: there is no argument "nn": there is n, i, l, s, raw, ints, order, here, there, packed, numbers
        "idd" of order.idd == 3: &Order has no field "idd": there is id, price, rate, wide, deep, flag, letter, name, title, label, uuid, maybe, …
        "\"text\"" of n == "text": u32 is not compared with a text
        "-1" of n == -1: u32 is never -1: it can be 0 to 4294967295
        "128" of i == 128: i8 is never 128: it can be -128 to 127
        "1.5" of n == 1.5: u32 is not compared with a number with a fraction: write a whole number
        "3" of s == 3: &str is not compared with a whole number: write a text, as in "a"
        "\"a\"" of s < "a": `<` is not for &str
        "\"a\"" of n starts_with "a": `starts_with` is not for u32
        "3" of order == 3: &Order has no simple value: name one of its fields: there is id, price, rate, wide, deep, flag, letter, name, title, label, uuid, maybe, …
        "3" of order.choice == 3: Choice is not compared with a whole number: ask for a variant, as in `x is None`
        "Nothing" of order.choice is Nothing: Choice has no variant "Nothing": there is Save, Load, Other
        "Some" of n is Some: u32 is no enum: only an enum has variants
        "300" of order.maybe is Some(300): i8 is never 300: it can be -128 to 127
        "\"xyz\"" of here.uuid == "xyz": Uuid is not compared with a text that no uuid has: write hexadecimal digits
        "\"ab\"" of here.uuid == "ab": Uuid is not compared with a part of one: write all 32 digits, or use starts_with
        "price" of n == l && packed.0 < i && price == n: there is no argument "price": there is order, raw, here, there, i, packed, n, l, s, ints, numbers
        "s == n" of s == n: &str is not compared with u32
        "order.flag < order.flag" of order.flag < order.flag: `<` is not for bool
        "[\"a\"]" of order["a"] == 1: &Order cannot be indexed: only maps have keys
        "\"a*b\"" of thread == "a*b": a `*` stands at the beginning or the end of a thread's name
        "5 == 5" of 5 == 5: compare with a value of the target: two literals are always the same
        "n" of n: this is u32, not a condition: compare it, as in `x > 5`
        "result" of result == 3: what is returned is not known here: leave out --returns off
        "duration" of duration > 5: what is returned is not known here: leave out --returns off
        "x" of tid.x == 3: a thread's number has no field "…"
        "1" of args.9 == 1: &[i32] has no simple value: name one of its fields
        "-1" of here.wide == -1: u128 is never -1: it can be 0 to 2¹²⁸-1
        "\"1\"" of order.price == "1": f64 is not compared with a text
        "1" of order.flag == 1: bool is not compared with a whole number
        "5.0" of raw == 5.0: &Order is not compared with a number with a fraction: write `*` in front of it to compare what it leads to
        "#);
}
