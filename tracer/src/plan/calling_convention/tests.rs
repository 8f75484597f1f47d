//! Each rule by itself.

use super::*;
use crate::target::debug_info::{Parameter, Poll};
use crate::value::fixture::Builder;
use crate::value::layout::{Passing, PointerKind, StructStyle};

fn signature(language: Language, parameters: &[(TypeId, EntryLocation)], return_type: Option<TypeId>) -> Signature {
    let parameter = |(ty, location): &(TypeId, EntryLocation)| Parameter {
        name: None,
        ty: *ty,
        location_at_entry: location.clone(),
    };
    Signature {
        parameters: parameters.iter().map(parameter).collect(),
        return_type,
        is_nocall: false,
        is_variadic: false,
        language,
        poll: None,
    }
}

/// Where the rules put parameters of these types.
fn by_rules(b: &Builder, language: Language, parameters: &[TypeId], return_type: Option<TypeId>) -> Vec<String> {
    let parameters: Vec<_> = parameters.iter().map(|ty| (*ty, EntryLocation::FrameRelative)).collect();
    let signature = signature(language, &parameters, return_type);
    parameter_locations(&b.types, &signature, FunctionKind::Plain).iter().map(written).collect()
}

/// `rdi:8 [rsp+8]:4 <optimized out>:2`.
fn written(location: &Location) -> String {
    let piece = |piece: &Piece| match &piece.place {
        Place::Register(register) => format!("{register}:{}", piece.size_bytes),
        Place::Memory(MemoryPlace { base: Some(base), displacement, indirect, .. }) => {
            let arrow = if indirect.is_some() { "->" } else { "" };
            format!("[{base}+{displacement}]{arrow}:{}", piece.size_bytes)
        }
        Place::Missing(missing) => format!("<{missing}>:{}", piece.size_bytes),
        other => format!("{other:?}"),
    };
    location.pieces.iter().map(piece).collect::<Vec<_>>().join(" ")
}

#[test]
fn dwarf_comes_first_and_missing_values_keep_their_reason() {
    let mut b = Builder::default();
    let u64 = b.unsigned(8);
    let found = Location::whole(8, Place::Register(Register::RDI));
    let signature = signature(
        Language::Rust,
        &[
            (u64, EntryLocation::Covered(found.clone())),
            (u64, EntryLocation::Gap),
            (u64, EntryLocation::None),
            (u64, EntryLocation::Unsupported),
        ],
        None,
    );
    let locations = parameter_locations(&b.types, &signature, FunctionKind::Plain);
    let written: Vec<_> = locations.iter().map(written).collect();
    assert_eq!(written, ["rdi:8", "rsi:8", "<optimized out>:8", "<unsupported location>:8"]);
}

#[test]
fn nothing_is_derived_where_the_rules_do_not_hold() {
    let mut b = Builder::default();
    let u64 = b.unsigned(8);
    let reference = b.reference(u64);
    let in_register = |register| EntryLocation::Covered(Location::whole(8, Place::Register(register)));
    let second = |signature: &Signature, kind| written(&parameter_locations(&b.types, signature, kind)[1]);
    let plain = signature(Language::Rust, &[(u64, EntryLocation::Gap), (u64, EntryLocation::Gap)], None);
    assert_eq!(second(&plain, FunctionKind::Plain), "rsi:8");
    let unknown = "<ambiguous location>:8";
    assert_eq!(second(&plain, FunctionKind::Closure), unknown, "its environment is not among the parameters");
    assert_eq!(second(&Signature { is_nocall: true, ..plain.clone() }, FunctionKind::Plain), unknown);
    assert_eq!(second(&Signature { language: Language::Other(9), ..plain }, FunctionKind::Plain), unknown);
    let moved =
        signature(Language::Rust, &[(u64, in_register(Register::RDX)), (u64, EntryLocation::FrameRelative)], None);
    assert_eq!(second(&moved, FunctionKind::Plain), unknown, "DWARF contradicts the convention");
    let promoted = signature(Language::Rust, &[(reference, EntryLocation::None), (u64, EntryLocation::Gap)], None);
    assert_eq!(second(&promoted, FunctionKind::Plain), unknown, "a pointer without location may be promoted");
}

#[test]
fn rust_straddles_pairs_and_loses_count_at_wide_integers() {
    let mut b = Builder::default();
    let (u64, u128, str) = (b.unsigned(8), b.unsigned(16), b.str());
    let five = [u64; 5];
    let with = |last: &[TypeId]| by_rules(&b, Language::Rust, &[&five, last].concat(), None)[5..].to_vec();
    assert_eq!(with(&[str, u64]), ["r9:8 [rsp+8]:8", "[rsp+16]:8"]);
    assert_eq!(with(&[u128, u64]), ["<ambiguous location>:16", "<ambiguous location>:8"]);
    let large = by_rules(&b, Language::Rust, &[u64], Some(u128));
    assert_eq!(large, ["rdi:8"], "a 128-bit result comes back in registers");
}

#[test]
fn c_structs_go_by_eightbytes() {
    let mut b = Builder::default();
    let (i32, i64, f32, f64) = (b.signed(4), b.signed(8), b.float(4), b.float(8));
    let mut of = |fields: &[TypeId]| {
        let names = ["a", "b", "c", "d"];
        let fields: Vec<_> = names.into_iter().zip(fields.iter().copied()).collect();
        b.structure("s", StructStyle::Named, &fields)
    };
    let (ints, mixed, floats) = (of(&[i32, i32, i64]), of(&[f64, i32]), of(&[f32, f32, f32]));
    let (half, large) = (of(&[f32, i32]), of(&[i64, i64, i64]));
    let long_double = b.add("long double", 16, Shape::Float);
    let c = |parameters: &[TypeId]| by_rules(&b, Language::C, parameters, None);
    assert_eq!(c(&[ints, i32]), ["rdi:8 rsi:8", "rdx:4"]);
    assert_eq!(c(&[mixed, i32]), ["<in a vector register>:8 rdi:8", "rsi:4"]);
    assert_eq!(c(&[floats, i32]), ["<in a vector register>:8 <in a vector register>:4", "rdi:4"]);
    assert_eq!(c(&[half]), ["rdi:8"], "an integer makes its eightbyte one");
    assert_eq!(c(&[large, i32]), ["[rsp+8]:24", "rdi:4"]);
    assert_eq!(c(&[i64, long_double, i64]), ["rdi:8", "[rsp+8]:16", "rsi:8"]);
    let five = [i64; 5];
    let with = c(&[&five[..], &[ints, i64, i64]].concat());
    assert_eq!(with[5..], ["[rsp+8]:16", "r9:8", "[rsp+24]:8"], "a struct is not split between both");
    assert_eq!(by_rules(&b, Language::C, &[i32], Some(large)), ["rsi:4"], "rdi has the result's address");
}

#[test]
fn cpp_classes_go_as_dwarf_says() {
    let mut b = Builder::default();
    let i64 = b.signed(8);
    let class = b.structure("std::vector<int>", StructStyle::Named, &[("a", i64)]);
    assert_eq!(
        by_rules(&b, Language::Cpp, &[class, i64], None),
        ["<ambiguous location>:8", "<ambiguous location>:8"],
        "DWARF did not say whether it is trivially copyable"
    );
    b.types.set_passing(class, Passing::ByReference);
    assert_eq!(by_rules(&b, Language::Cpp, &[class, i64], None), ["[rdi+0]:8", "rsi:8"]);
    assert_eq!(by_rules(&b, Language::Cpp, &[i64], Some(class)), ["rsi:8"]);
    b.types.set_passing(class, Passing::ByValue);
    assert_eq!(by_rules(&b, Language::Cpp, &[class, i64], Some(class)), ["rdi:8", "rsi:8"]);
}

#[test]
fn results_are_where_the_rules_put_them() {
    let mut b = Builder::default();
    let (u8, u64, u128, f64) = (b.unsigned(1), b.unsigned(8), b.unsigned(16), b.float(8));
    let uuid = b.array(u8, 16);
    let option = b.option_by_tag(u64);
    let both = b.structure("s", StructStyle::Named, &[("a", u64), ("b", f64)]);
    let result = |ty, language, is_nocall| {
        let plan = return_location(&b.types, ty, language, is_nocall);
        (written(&plan.location), plan.keep)
    };
    let rust = |ty| result(ty, Language::Rust, false);
    assert_eq!(rust(u8), ("rax:1".to_owned(), None));
    assert_eq!(rust(u128), ("rax:8 rdx:8".to_owned(), None));
    assert_eq!(rust(option), ("rax:8 rdx:8".to_owned(), None));
    assert_eq!(rust(uuid), ("[result-pointer+0]:16".to_owned(), Some(Register::RDI)));
    assert_eq!(rust(both), ("rax:8 <in a vector register>:8".to_owned(), None));
    assert_eq!(result(u64, Language::Rust, true), ("<return elided>:8".to_owned(), None));
    assert_eq!(result(both, Language::C, false), ("rax:8 <in a vector register>:8".to_owned(), None));
    assert_eq!(result(u64, Language::Other(1), false).0, "<unsupported location>:8");
}

#[test]
fn a_poll_function_has_its_environment_behind_the_first_free_register() {
    let mut b = Builder::default();
    let (u32, u64) = (b.unsigned(4), b.unsigned(8));
    let environment = b.structure("{async_fn_env#0}", StructStyle::Named, &[("state", u64)]);
    let (small, large) = (b.option_by_tag(u32), b.array(u64, 3));
    let of = |poll: TypeId| {
        let environment = Some(Poll { environment: Some(environment) });
        let signature = Signature { poll: environment, ..signature(Language::Rust, &[], Some(poll)) };
        environment_location(&b.types, &signature).map(|location| written(&location))
    };
    assert_eq!(of(small).as_deref(), Some("[rdi+0]:8"));
    assert_eq!(of(large).as_deref(), Some("[rsi+0]:8"));
    let pointer = b.pointer(None, PointerKind::Raw);
    assert_eq!(environment_location(&b.types, &signature(Language::Rust, &[], Some(pointer))), None);
}

#[test]
fn c_values_that_dwarf_forgets_are_where_the_caller_put_them() {
    let mut b = Builder::default();
    let i64 = b.signed(8);
    let i128 = b.signed(16);
    let large = b.structure("s", StructStyle::Named, &[("a", i64), ("b", i64), ("c", i64)]);
    let piece = |size_bytes, place| Piece { size_bytes, place };
    let forgotten = |size_bytes| piece(size_bytes, Place::Missing(Missing::OptimizedOut));
    let stack = Place::Memory(MemoryPlace::at(Register::RSP, 24));
    let split = EntryLocation::Covered(Location { pieces: vec![forgotten(16), piece(8, stack)] });
    // `__int128` as GCC 12 has it in its function's body, at -O2.
    let body = [Register::RAX, Register::RDX].map(|register| piece(8, Place::Register(register)));
    let late = EntryLocation::Covered(Location { pieces: body.to_vec() });
    let parameters = [(large, split), (i128, late), (i64, EntryLocation::Unsupported)];
    let found = |signature: &Signature| -> Vec<String> {
        parameter_locations(&b.types, signature, FunctionKind::Plain).iter().map(written).collect()
    };
    let plain = signature(Language::C, &parameters, None);
    assert_eq!(found(&plain), ["[rsp+8]:24", "rdi:8 rsi:8", "rdx:8"]);
    let changed = Signature { is_nocall: true, ..plain };
    let split = "<optimized out>:16 [rsp+24]:8";
    assert_eq!(found(&changed), [split, "<ambiguous location>:16", "<unsupported location>:8"]);
}
