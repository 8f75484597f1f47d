//! C++: namespaces, classes, templates, bit fields and type units against what the program itself prints.

use super::*;
use crate::value::layout::{Field, Passing, Shape, Type};

pub(super) const SOURCE: &str = r#"
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
namespace geo {
struct Base { int id; virtual ~Base() {} };
enum class Kind : uint8_t { Round = 1, Flat = 200 };
enum Sign { Minus = -1, Plus = 1 };
template <typename T> struct Pair { T value; T* other; };
union Bits { float real; uint32_t raw; };
struct Figure : Base {
  Kind kind; Sign sign; unsigned a : 3; int b : 5; unsigned long long c : 40; char label[12]; const char* note;
  Pair<double> pair; int grid[2][3]; Bits bits; void (*callback)(int);
  static int count;
  __attribute__((noinline)) int area(int scale) const;
};
int Figure::count = 3;
int Figure::area(int scale) const { return id * scale + (int)kind; }
namespace { __attribute__((noinline)) int hidden(int x) { return x * 7; } }
template <typename T> __attribute__((noinline)) T twice(T v) { return v + v; }
}
typedef unsigned long counter_t;
extern "C" __attribute__((noinline)) int sum(const geo::Figure* figure, counter_t count, char letter, ...) {
  asm volatile("" ::: "memory");
  return (int)count + letter + figure->id;
}
int main(int argc, char** argv) {
  geo::Figure f; f.id = argc;
  memset((char*)&f + sizeof(geo::Base), 0, sizeof f - sizeof(geo::Base));
  auto lambda = [&](int q) __attribute__((noinline)) { return q + f.id; };
  printf("result %d %d %d %d %d\n", f.area(3), geo::hidden(argc), geo::twice(argc), sum(&f, 2, 'a'), lambda(argc));
  f.a = 5; f.b = -3; f.c = 0x1234567891ULL;
  printf("size %zu\n", sizeof f);
#define OFFSET(field) printf("offset " #field " %td\n", (char*)&f.field - (char*)&f)
  OFFSET(id); OFFSET(kind); OFFSET(sign); OFFSET(label); OFFSET(note); OFFSET(pair); OFFSET(grid); OFFSET(bits); OFFSET(callback);
  printf("bytes ");
  for (size_t i = 0; i < sizeof f; i++) printf("%02x", ((unsigned char*)&f)[i]);
  printf("\n");
}
"#;

fn fixture(arguments: &[&str]) -> Fixture {
    let arguments = [&["-O1", "-g", "-w", "-fno-ipa-sra", "-fno-ipa-cp"], arguments].concat();
    Fixture::build("c++", &arguments, "fixture.cpp", SOURCE)
}

/// The class `geo::Figure`, through the parameter of `sum`.
fn figure(info: &DebugInfo<'_>, loaded: &mut LoadedTypes) -> Type {
    let signature = info.signature(&function(info, "sum"), loaded).expect("a signature");
    let pointer = signature.parameters.first().expect("a parameter").ty;
    match loaded.types.get(pointer).shape {
        Shape::Pointer { target: Some(target), .. } => loaded.types.get(target).clone(),
        ref other => panic!("{other:?}"),
    }
}

fn field<'f>(fields: &'f [Field], name: &str) -> &'f Field {
    fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("no field {name} in {fields:?}"))
}

fn check_layout(fixture: &Fixture) {
    let (info, text) = (fixture.info(), fixture.run());
    let mut loaded = LoadedTypes::default();
    let figure = figure(&info, &mut loaded);
    assert_eq!(figure.name, "geo::Figure");
    let Shape::Struct { fields, .. } = &figure.shape else { panic!("{figure:?}") };
    let printed = |what: &str| {
        let prefix = format!("{what} ");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {what} in {text}"))
    };
    assert_eq!(figure.size_bytes.to_string(), printed("size"));
    for name in ["kind", "sign", "label", "note", "pair", "grid", "bits", "callback"] {
        assert_eq!(field(fields, name).offset.to_string(), printed(&format!("offset {name}")), "{name}");
    }
    let base = field(fields, "geo::Base");
    let Shape::Struct { fields: of_base, .. } = &loaded.types.get(base.ty).shape else { panic!("{base:?}") };
    assert_eq!((base.offset + field(of_base, "id").offset).to_string(), printed("offset id"));
    assert!(!fields.iter().any(|field| field.name == "count"), "a static member is no field");
    let bytes = printed("bytes");
    let byte = |at: u64| u8::from_str_radix(&bytes[at as usize * 2..][..2], 16).expect("hex");
    for (name, value) in [("a", 5), ("b", 0b11101), ("c", 0x12_3456_7891)] {
        let field = field(fields, name);
        let (first, size) = field.bits.expect("bits");
        let storage = (0..8).rev().fold(0, |value: u64, at| value << 8 | u64::from(byte(field.offset + at)));
        assert_eq!((storage >> first) & ((1 << size) - 1), value, "{name}: {field:?}");
    }
    let shape = |name: &str| &loaded.types.get(field(fields, name).ty).shape;
    let enumerators = |list: &[(&str, i128)]| list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let kind = Shape::Enumeration { signed: false, enumerators: enumerators(&[("Round", 1), ("Flat", 200)]) };
    assert_eq!(shape("kind"), &kind);
    let sign = Shape::Enumeration { signed: true, enumerators: enumerators(&[("Minus", -1), ("Plus", 1)]) };
    assert_eq!(shape("sign"), &sign);
    assert!(matches!(shape("bits"), Shape::Union { .. }), "{:?}", shape("bits"));
    let Shape::Array { element, count: 2 } = shape("grid") else { panic!("{:?}", shape("grid")) };
    assert!(matches!(loaded.types.get(*element).shape, Shape::Array { count: 3, .. }));
    let Shape::Array { element, count: 12 } = shape("label") else { panic!("{:?}", shape("label")) };
    assert_eq!(loaded.types.get(*element).shape, Shape::CChar { signed: true });
    assert_eq!(loaded.types.get(field(fields, "note").ty).name, "const char *");
    let Shape::Struct { parameters, .. } = shape("pair") else { panic!("{:?}", shape("pair")) };
    assert_eq!(parameters.first().map(|(name, _)| name.as_str()), Some("T"));
}

#[test]
fn layouts_are_those_of_the_program() {
    check_layout(&fixture(&[]));
}

#[test]
fn older_dwarf_writes_bit_fields_from_the_other_end() {
    check_layout(&fixture(&["-gdwarf-4"]));
    check_layout(&fixture(&["-gdwarf-3", "-gstrict-dwarf"]));
}

#[test]
fn type_units_are_found_by_signature() {
    check_layout(&fixture(&["-gdwarf-5", "-fdebug-types-section"]));
}

#[test]
fn compressed_sections_are_read() {
    check_layout(&fixture(&["-gz=zlib"]));
}

#[test]
fn names_have_namespaces_classes_and_arguments() {
    let info = fixture(&[]).info();
    for name in ["geo::Figure::area", "geo::(anonymous namespace)::hidden", "geo::twice<int>", "sum", "main"] {
        assert_eq!(function(&info, name).kind, FunctionKind::Plain, "{name}");
    }
    assert_eq!(function(&info, "main::{lambda}::operator()").kind, FunctionKind::Closure);
}

#[test]
fn a_signature_knows_typedefs_and_variable_arguments() {
    let info = fixture(&[]).info();
    let mut loaded = LoadedTypes::default();
    let signature = info.signature(&function(&info, "sum"), &mut loaded).expect("a signature");
    assert!(signature.is_variadic);
    assert_eq!(signature.language, Language::Cpp);
    let named: Vec<(&str, &str)> = signature
        .parameters
        .iter()
        .map(|parameter| (parameter.name.as_deref().unwrap_or("?"), loaded.types.get(parameter.ty).name.as_str()))
        .collect();
    assert_eq!(named, [("figure", "const geo::Figure *"), ("count", "counter_t"), ("letter", "char")]);
    let count = loaded.types.get(signature.parameters[1].ty);
    assert_eq!((&count.shape, count.size_bytes), (&Shape::Integer { signed: false }, 8));
}

/// GCC says what a parameter is after each of the function's first statements, all at the first instruction.
#[test]
fn a_parameter_is_not_what_the_first_statement_makes_of_it() {
    let source = r#"
        struct person { long id; char name[16]; unsigned char age; };
        volatile long sink;
        __attribute__((noinline)) struct person older(struct person p) { p.age++; sink++; return p; }
        __attribute__((noinline)) long plain(long n) { sink++; return n + 1; }
        int main(int argc, char** argv) { struct person p = { argc, "Ann", 42 }; return older(p).age + plain(argc); }
    "#;
    let fixture = Fixture::build("cc", &["-g", "-O2", "-gdwarf-5"], "fixture.c", source);
    let info = fixture.info();
    let mut loaded = LoadedTypes::default();
    let mut location = |name: &str| {
        let signature = info.signature(&function(&info, name), &mut loaded).expect("a signature");
        signature.parameters.first().expect("a parameter").location_at_entry.clone()
    };
    let register = crate::value::place::Place::Register(crate::value::place::Register::RDI);
    assert_eq!(location("plain"), EntryLocation::Covered(crate::value::place::Location::whole(8, register)));
    assert_eq!(location("older"), EntryLocation::Gap, "its age is not 43 yet");
}

#[test]
fn classes_are_handed_over_as_the_compiler_says() {
    let source = r#"
        #include <cstdio>
        #include <memory>
        #include <optional>
        #include <string>
        #include <type_traits>
        #include <utility>
        #include <vector>
        struct Plain { int x; long y; };
        struct Derived : Plain { Plain more[2]; };
        struct Built { int x; Built(int x) : x(x) {} };
        struct Destroyed { int x; ~Destroyed() { x = 0; } };
        struct Copied { int x; Copied(int x) : x(x) {} Copied(const Copied& other) : x(other.x) {} };
        struct Defaulted { int x; Defaulted(int x) : x(x) {} Defaulted(const Defaulted&) = default; ~Defaulted() = default; };
        struct Later { int x; Later(int x) : x(x) {} Later(const Later&); };
        Later::Later(const Later&) = default;
        struct Virtual { int x; virtual int get() { return x; } };
        struct Holder { Destroyed inner; };
        template <typename T> struct Pair { T a, b; };
        struct Moved { int x; Moved(int x) : x(x) {} Moved(Moved&& other) = default; Moved(const Moved&) = delete; };
        #define CASE(number, type, ...) \
            __attribute__((noinline)) void take_##number(type value) { asm volatile("" :: "r"(&value) : "memory"); } \
            void show_##number() { printf("take_" #number " %d\n", std::is_trivially_destructible<type>::value \
                && (std::is_trivially_copy_constructible<type>::value || !std::is_copy_constructible<type>::value) \
                && (std::is_trivially_move_constructible<type>::value || !std::is_move_constructible<type>::value)); \
                take_##number(type __VA_ARGS__); }
        typedef Pair<std::string> Texts; typedef Pair<int> Numbers; typedef std::vector<int> Vector;
        typedef std::unique_ptr<int> Unique; typedef std::optional<int> Maybe; typedef std::pair<int, char> Two;
        typedef std::shared_ptr<int> Shared; typedef std::optional<std::string> MaybeText;
        CASE(0, Plain, {}) CASE(1, Derived, {}) CASE(2, Built, {1}) CASE(3, Destroyed, {}) CASE(4, Copied, {1})
        CASE(5, Defaulted, {1}) CASE(6, Later, {1}) CASE(7, Virtual, {}) CASE(8, Holder, {}) CASE(9, Texts, {})
        CASE(10, Numbers, {}) CASE(11, Moved, {1}) CASE(12, Vector, {}) CASE(13, Unique, {}) CASE(14, Maybe, {})
        CASE(15, Two, {}) CASE(16, Shared, {}) CASE(17, MaybeText, {}) CASE(18, std::string, {})
        int main() {
            show_0(); show_1(); show_2(); show_3(); show_4(); show_5(); show_6(); show_7(); show_8(); show_9();
            show_10(); show_11(); show_12(); show_13(); show_14(); show_15(); show_16(); show_17(); show_18();
        }
    "#;
    let fixture = Fixture::build("c++", &["-g", "-O0", "-std=c++17", "-gdwarf-5"], "fixture.cpp", source);
    let (info, text) = (fixture.info(), fixture.run());
    let mut loaded = LoadedTypes::default();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let (name, is_trivial) = line.split_once(' ').expect("two words");
        let signature = info.signature(&function(&info, name), &mut loaded).expect("a signature");
        let passing = loaded.types.passing(signature.parameters[0].ty);
        let expected = if is_trivial == "1" { Passing::ByValue } else { Passing::ByReference };
        if passing != Some(expected) {
            wrong.push(format!("{line}: {passing:?}"));
        }
    }
    assert_eq!(text.lines().count(), 19);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
