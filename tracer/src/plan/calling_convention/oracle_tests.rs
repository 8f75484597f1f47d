//! The rules against rustc and gdb: a program prints its own arguments with `{:?}`, gdb stops it at each function's
//! first instruction and after its return, and what is decoded from there by the rules must read the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use object::{Object, ObjectSection};

use super::{parameter_locations, return_location};
use crate::target::debug_info::{DebugInfo, EntryLocation, FunctionKind, Language, LoadedTypes, Parameter, Signature};
use crate::value::fixture::{Builder, Target};
use crate::value::layout::{Shape, StructStyle, TypeId, Types};
use crate::value::place::Register;
use crate::value::{Limits, decode};

const PROGRAM: &str = r#"
#![allow(dead_code)]
use std::hint::black_box;
#[derive(Debug, Clone, Copy)] struct Id([u8; 16]);
#[derive(Debug, Clone, Copy)] struct Pair { a: u64, b: u32 }
#[derive(Debug, Clone, Copy)] struct Point { x: f64, y: f64 }
#[derive(Debug, Clone, Copy)] struct Three { a: u64, b: u64, c: u64 }
#[derive(Debug, Clone, Copy)] struct New(u32);
macro_rules! cases {
    ($($name:ident($($arg:ident: $ty:ty = $value:expr),*) -> $ret:ty = $result:expr;)*) => {
        $(#[inline(never)] #[unsafe(no_mangle)]
        pub fn $name($($arg: $ty),*) -> $ret {
            $(println!("{} {} {:?}", stringify!($name), stringify!($arg), black_box(&$arg));)*
            black_box($result)
        })*
        fn main() {
            let text = black_box(*b"on the stack");
            let text = std::str::from_utf8(&text).unwrap();
            TEXT.with(|cell| cell.set(unsafe { std::mem::transmute::<&str, &'static str>(text) }));
            $(let result = black_box($name($(black_box($value)),*));
            println!("{} return {:?}", stringify!($name), result);)*
        }
    };
}
thread_local!(static TEXT: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") });
cases! {
    case_scalars(a: u8 = 250, b: i64 = -3, c: bool = true, d: &str = TEXT.get(), e: char = 'é') -> i32 = -7;
    case_indirect(a: Id = Id(*b"0123456789abcdef"), b: u64 = 11, c: Three = Three { a: 1, b: 2, c: 3 }) -> Id = a;
    case_floats(a: f64 = 1.5, b: u32 = 7, c: Point = Point { x: 1.0, y: 2.0 }, d: u16 = 9) -> f64 = 2.5;
    case_pairs(a: Pair = Pair { a: 1, b: 2 }, b: New = New(3), c: (u64, bool) = (4, true)) -> Pair = a;
    case_wide(a: u128 = 1 << 100, b: u8 = 5, c: i128 = -1) -> u128 = u128::MAX - 1;
    case_options(a: Option<u32> = Some(8), b: Option<u64> = None, c: Result<u32, u32> = Err(5)) -> Option<u64> = Some(6);
    case_result(a: Result<u64, u8> = Err(3), b: u8 = 4) -> Result<u64, u8> = Ok(77);
    case_stack(a: u64 = 1, b: u64 = 2, c: u64 = 3, d: u64 = 4, e: u64 = 5, f: &str = TEXT.get(), g: u16 = 7, h: Three = Three { a: 8, b: 9, c: 10 }) -> u64 = 12;
    case_small(a: [u8; 3] = [1, 2, 3], b: (u8, u8, u8, u8) = (4, 5, 6, 7), c: () = (), d: [u8; 8] = [8; 8]) -> [u8; 8] = d;
    case_sret(a: u32 = 1) -> Three = Three { a: 4, b: 5, c: 6 };
    case_unit(a: Option<char> = Some('x'), b: Option<char> = None) -> () = ();
    case_niche(a: u8 = 1, b: Option<bool> = Some(false)) -> Option<&'static str> = Some(TEXT.get());
}
"#;

/// The types of a case's parameters, and its result.
type Case = (&'static str, Vec<TypeId>, TypeId);

fn cases(b: &mut Builder) -> Vec<Case> {
    let [u8, u16, u32, u64, u128] = [1, 2, 4, 8, 16].map(|size| b.unsigned(size));
    let [i32, i64, i128] = [4, 8, 16].map(|size| b.signed(size));
    let (f64, str, unit) = (b.float(8), b.str(), b.tuple(&[]));
    let bool = b.add("bool", 1, Shape::Bool);
    let char = b.add("char", 4, Shape::Char);
    let bytes = b.array(u8, 16);
    let id = b.structure("p::Id", StructStyle::TupleStruct, &[("__0", bytes)]);
    let pair = b.structure("p::Pair", StructStyle::Named, &[("a", u64), ("b", u32)]);
    let point = b.structure("p::Point", StructStyle::Named, &[("x", f64), ("y", f64)]);
    let three = b.structure("p::Three", StructStyle::Named, &[("a", u64), ("b", u64), ("c", u64)]);
    let new = b.structure("p::New", StructStyle::TupleStruct, &[("__0", u32)]);
    let flagged = b.tuple(&[u64, bool]);
    let four = b.tuple(&[u8, u8, u8, u8]);
    let [some_u32, some_u64] = [u32, u64].map(|ty| b.option_by_tag(ty));
    let (bytes_3, bytes_8) = (b.array(u8, 3), b.array(u8, 8));
    let mut result = |name: &str, size, tag, ok: (u64, TypeId), err: (u64, TypeId)| {
        let variants = vec![b.variant("Ok", &[(0, 0)], &[ok]), b.variant("Err", &[(1, 1)], &[err])];
        b.enumeration(name, size, (0, tag), variants)
    };
    let result_u32 = result("Result<u32, u32>", 8, 4, (4, u32), (4, u32));
    let result_u64 = result("Result<u64, u8>", 16, 1, (8, u64), (1, u8));
    let mut niche = |size, tag_bytes, none, ty| {
        let variants = vec![b.variant("None", &[(none, none)], &[]), b.variant("Some", &[], &[(0, ty)])];
        b.enumeration("Option", size, (0, tag_bytes), variants)
    };
    let (some_char, some_bool) = (niche(4, 4, 0x11_0000, char), niche(1, 1, 2, bool));
    let some_str = niche(16, 8, 0, str);
    vec![
        ("case_scalars", vec![u8, i64, bool, str, char], i32),
        ("case_indirect", vec![id, u64, three], id),
        ("case_floats", vec![f64, u32, point, u16], f64),
        ("case_pairs", vec![pair, new, flagged], pair),
        ("case_wide", vec![u128, u8, i128], u128),
        ("case_options", vec![some_u32, some_u64, result_u32], some_u64),
        ("case_result", vec![result_u64, u8], result_u64),
        ("case_stack", vec![u64, u64, u64, u64, u64, str, u16, three], u64),
        ("case_small", vec![bytes_3, four, unit, bytes_8], bytes_8),
        ("case_sret", vec![u32], three),
        ("case_unit", vec![some_char, some_char], unit),
        ("case_niche", vec![u8, some_bool], some_str),
    ]
}

const REGISTERS: [&str; 16] =
    ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

/// Stack above the stack pointer that is looked at; the frame of `main` is within it.
const STACK_BYTES: u64 = 3000;

fn gdb_script(folder: &Path, cases: &[Case]) -> String {
    let folder = folder.display();
    let format = "%lu ".repeat(REGISTERS.len());
    let values = REGISTERS.map(|register| format!("(unsigned long)${register}")).join(", ");
    let dump = |file: String| {
        let dump = format!("dump binary memory {folder}/{file} $rsp $rsp+{STACK_BYTES}");
        format!("printf \"\\n@{file} {format}\\n\", {values}\n{dump}\n")
    };
    let mut script = "set pagination off\nset confirm off\nset debuginfod enabled off\nset language c\n".to_owned();
    cases.iter().for_each(|(name, ..)| script += &format!("break *{name}\n"));
    script += &format!("run > {folder}/printed\n");
    for (name, ..) in cases {
        script += &dump(format!("{name}.entry"));
        script += "finish\n";
        script += &dump(format!("{name}.exit"));
        script += "continue\n";
    }
    script
}

struct Observed {
    /// Registers and stack by `case.entry` and `case.exit`.
    states: HashMap<String, Target>,
    printed: String,
    program: Vec<u8>,
}

/// Builds and runs the program under gdb.
fn observe(optimise: &str, cases: &[Case]) -> Observed {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("program.rs"), PROGRAM).expect("written");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "-Cdebuginfo=2", optimise, "-o"]).arg(path("program")).arg(path("program.rs"));
    assert!(rustc.status().expect("rustc runs").success());
    fs::write(path("script"), gdb_script(folder.path(), cases)).expect("written");
    let gdb = Command::new("gdb").args(["-nx", "-batch", "-x"]).args([path("script"), path("program")]).output();
    let gdb = gdb.expect("gdb runs");
    let mut states = HashMap::new();
    for line in String::from_utf8_lossy(&gdb.stdout).lines().filter_map(|line| line.strip_prefix('@')) {
        let mut words = line.split_whitespace();
        let file = words.next().expect("a name");
        let mut target = Target::new(0, fs::read(path(file)).expect("dumped"));
        for (register, word) in target.registers.iter_mut().zip(words) {
            *register = word.parse().expect("a number");
        }
        target.start = target.registers[usize::from(Register::RSP.0)];
        states.insert(file.to_owned(), target);
    }
    assert_eq!(states.len(), 2 * cases.len(), "{}", String::from_utf8_lossy(&gdb.stderr));
    let printed = fs::read_to_string(path("printed")).expect("printed");
    Observed { states, printed, program: fs::read(path("program")).expect("built") }
}

/// What is decoded by this signature and differs from what the program printed.
fn differences(types: &Types, signature: &Signature, name: &str, seen: &Observed) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, shown: String| {
        let line = format!("{name} {what} ");
        let held = seen.printed.lines().find_map(|printed| printed.strip_prefix(&line)).expect("printed");
        if shown != held && !shown.contains("<in a vector register>") {
            wrong.push(format!("{line}: held {held}, shown {shown}"));
        }
    };
    let entry = &seen.states[&format!("{name}.entry")];
    let locations = parameter_locations(types, signature, FunctionKind::Plain);
    for ((parameter, location), letter) in signature.parameters.iter().zip(&locations).zip('a'..) {
        let shown = decode(types, parameter.ty, location, entry, &Limits::default());
        check(&letter.to_string(), shown.to_string());
    }
    let Some(return_type) = signature.return_type else { return wrong };
    let plan = return_location(types, return_type, Language::Rust, signature.is_nocall);
    let exit = &seen.states[&format!("{name}.exit")];
    let mut exit = Target { registers: exit.registers, start: exit.start, bytes: exit.bytes.clone() };
    if let Some(register) = plan.keep {
        exit.registers[33] = entry.registers[usize::from(register.0)];
    }
    check("return", decode(types, return_type, &plan.location, &exit, &Limits::default()).to_string());
    wrong
}

/// With layouts written by hand and no help from DWARF: the rules alone.
fn compare(optimise: &str) {
    let mut builder = Builder::default();
    let cases = cases(&mut builder);
    let seen = observe(optimise, &cases);
    let mut wrong = Vec::new();
    for (name, parameters, return_type) in &cases {
        let parameter =
            |ty: &TypeId| Parameter { name: None, ty: *ty, location_at_entry: EntryLocation::FrameRelative };
        let signature = Signature {
            parameters: parameters.iter().map(parameter).collect(),
            return_type: Some(*return_type),
            is_nocall: false,
            is_variadic: false,
            language: Language::Rust,
            poll: None,
        };
        wrong.extend(differences(&builder.types, &signature, name, &seen));
    }
    assert!(wrong.is_empty(), "{optimise}:\n{}", wrong.join("\n"));
    compare_by_debug_info(&cases, &seen);
}

/// With the layouts and locations that the program's own DWARF has.
fn compare_by_debug_info(cases: &[Case], seen: &Observed) {
    let file = object::File::parse(seen.program.as_slice()).expect("an ELF file");
    let section = |name: &str| {
        let section = file.section_by_name(name);
        section.map_or(Cow::Borrowed(&[][..]), |section| section.uncompressed_data().expect("readable"))
    };
    let debug_info = DebugInfo::load(section).expect("debug information");
    let mut loaded = LoadedTypes::default();
    let mut wrong = Vec::new();
    for (name, parameters, _) in cases {
        let functions = debug_info.functions(|found| found.ends_with(name));
        let function = functions.iter().find(|function| function.entry.is_some()).expect("out of line");
        let signature = debug_info.signature(function, &mut loaded).expect("a signature");
        assert_eq!(signature.parameters.len(), parameters.len(), "{name}");
        wrong.extend(differences(&loaded.types, &signature, name, seen));
    }
    assert!(wrong.is_empty(), "by DWARF:\n{}", wrong.join("\n"));
}

#[test]
fn optimised_rust_hands_values_over_as_the_rules_say() {
    compare("-Copt-level=3");
}

#[test]
fn unoptimised_rust_hands_values_over_as_the_rules_say() {
    compare("-Copt-level=0");
}
