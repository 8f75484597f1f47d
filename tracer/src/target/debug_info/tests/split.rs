//! Split DWARF and type units say the same as debug information in one piece.

use std::path::Path;

use super::*;
use crate::target::split_files::Places;
use crate::value::layout::{Type, TypeId};

/// What can be known of a program's functions whose names pass, of variables, lines and types, as text.
fn description(info: &DebugInfo<'_>, own: impl Fn(&str) -> bool + Copy + Sync) -> Vec<String> {
    let mut lines = Vec::new();
    let mut loaded = LoadedTypes::default();
    let functions = info.functions(own);
    for function in &functions {
        let Function { name, linkage_name, kind, entry, ranges, declared, inlined_copies, .. } = function;
        lines.push(format!("{name} {linkage_name:?} {kind:?} {entry:?} {ranges:?} {declared:?} {inlined_copies:?}"));
        let signature = info.signature(function, &mut loaded).expect("a signature");
        let type_name = |ty| loaded.types.get(ty).name.clone();
        for parameter in &signature.parameters {
            let (ty, place) = (type_name(parameter.ty), &parameter.location_at_entry);
            lines.push(format!("    {:?}: {ty} at {place:?}", parameter.name));
        }
        lines.push(format!("    {:?}", signature.return_type.map(type_name)));
    }
    let inlined = info.inlined(None, own);
    for (function, copies) in &inlined {
        let copies = copies.iter().map(|copy| format!("{} in {:?} {:?}", function.name, copy.ranges, copy.called_at));
        lines.extend(copies);
    }
    let mut addresses: Vec<_> =
        functions.iter().flat_map(|function| &function.ranges).map(|range| range.start).collect();
    let copies = inlined.iter().flat_map(|(_, copies)| copies);
    addresses.extend(copies.flat_map(|copy| &copy.ranges).map(|range| range.start));
    addresses.sort_unstable();
    for (address, activations) in addresses.iter().zip(info.activations_at(&addresses)) {
        let activations = activations.unwrap_or_else(|| panic!("nothing at {address:?}"));
        let wanted = |activation: &Activation| Wanted {
            function: activations.function.id,
            activation: activation.id,
            standpoint: Standpoint {
                address: *address,
                view: None,
                cfa: None,
                is_settled: true,
                is_entry: false,
                bias: crate::target::address::LoadBias(0),
            },
            what: Variables::InScope(SourceLine { file: String::new(), line: u64::MAX }),
        };
        let wanted: Vec<Wanted> = activations.nested.iter().map(wanted).collect();
        for (activation, locals) in activations.nested.iter().zip(info.locals(&wanted, &mut loaded)) {
            lines.push(format!("{address:?} {} {:?} {:?}", activation.name, activation.declared, activation.called_at));
            for local in locals {
                let ty = &loaded.types.get(local.ty).name;
                lines.push(format!("    {}: {ty} at {:?}", local.name, local.location));
            }
        }
    }
    for variable in info.variables(own) {
        // GCC prunes constants that nobody uses from what it does not split.
        if variable.place == VariablePlace::None {
            continue;
        }
        // GCC writes the address in the initial image: `thread_local::offset_in_block` knows.
        let place = match variable.place {
            VariablePlace::ThreadLocal(_) => VariablePlace::ThreadLocal(0),
            place => place,
        };
        let ty = info.variable_type(&variable, &mut loaded).map(|ty| loaded.types.get(ty).name.clone());
        lines.push(format!("{} {place:?} {:?} {ty:?}", variable.name, variable.declared));
    }
    let mut types: Vec<String> = loaded.within(8).map(|ty| shape(ty, &loaded)).collect();
    types.sort();
    types.dedup();
    lines.extend(types);
    for row in info.source_rows(|file| file.shown.starts_with("fixture")) {
        lines.push(format!("{} {} {:?}", row.file.shown, row.line, row.range));
    }
    lines
}

/// A type with the names of the types in it: their numbers depend on the order in which they were met.
fn shape(ty: &Type, loaded: &LoadedTypes) -> String {
    let text = format!("type {} {} {:?}", ty.name, ty.size_bytes, ty.shape);
    let mut parts = text.split("TypeId(");
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(')').expect("a number");
        let id = TypeId(number.parse().expect("a number"));
        named.push_str(&format!("<{}>{rest}", loaded.types.get(id).name));
    }
    named
}

impl Fixture {
    /// With the split files beside the program.
    pub(super) fn split_info(&self) -> DebugInfo<'static> {
        let objects = vec![self.program.clone()];
        self.info().with_split_files(Places { root: Path::new("/").to_owned(), objects })
    }
}

fn assert_same(name: &str, whole: &[String], split: &DebugInfo<'_>, own: impl Fn(&str) -> bool + Copy + Sync) {
    let found = description(split, own);
    assert_eq!(split.split_lack(), None, "{name}");
    assert!(split.problems().is_empty(), "{name}: {:?}", split.problems());
    let missing: Vec<_> = whole.iter().filter(|line| !found.contains(line)).take(8).collect();
    let new: Vec<_> = found.iter().filter(|line| !whole.contains(line)).take(8).collect();
    assert!(missing.is_empty() && new.is_empty(), "{name}: lost {missing:#?}\ngained {new:#?}");
    assert!(found.len() > 40, "{name}: only {} lines", found.len());
}

const OWN: fn(&str) -> bool = |_| true;

const C: &str = r#"
#include <stdio.h>
enum color { RED = 1, GREEN };
struct item { int id; const char *name; struct item *next; enum color color; unsigned flag : 3; };
union number { long whole; double real; };
int total = 3;
_Thread_local int seen = 9;
static inline __attribute__((always_inline)) int twice(int value) { int doubled = value * 2; return doubled + total; }
__attribute__((noinline)) int consume(struct item *item, union number number, int (*then)(int)) {
    static long calls;
    calls++;
    for (int turn = 0; turn < item->id; turn++) { int left = item->id - turn; total += left ^ item->flag; }
    return then(item->id) + (int)number.whole + item->next->color;
}
__attribute__((noinline)) int add(int value) { seen++; return twice(value) + twice(seen); }
int main(int count, char **arguments) {
    struct item last = {1, arguments[0], 0, GREEN, 2}, first = {count, "first", &last, RED, 1};
    union number number = {.whole = count};
    printf("%d\n", consume(&first, number, add));
}
"#;

#[test]
fn split_c_says_the_same() {
    for level in ["-O0", "-O2"] {
        for version in ["-gdwarf-4", "-gdwarf-5"] {
            let build = |more: &[&str]| Fixture::build("cc", &[&[level, version], more].concat(), "fixture.c", C);
            let whole = description(&build(&[]).info(), OWN);
            assert_same("type units", &whole, &build(&["-fdebug-types-section"]).info(), OWN);
            // What keeps the split file where it is found: it gets the program's name.
            assert_same("split", &whole, &build(&["-gsplit-dwarf"]).split_info(), OWN);
            let both = build(&["-gsplit-dwarf", "-fdebug-types-section"]);
            assert_same("split with type units", &whole, &both.split_info(), OWN);
        }
    }
}

#[test]
fn split_cpp_says_the_same() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let arguments = ["-O2", "-std=c++17", version];
        let build = |more: &[&str]| Fixture::build("c++", &[&arguments, more].concat(), "fixture.cpp", cpp::SOURCE);
        let whole = description(&build(&[]).info(), OWN);
        assert_same("type units", &whole, &build(&["-fdebug-types-section"]).info(), OWN);
        let both = build(&["-gsplit-dwarf", "-fdebug-types-section"]);
        assert_same("split with type units", &whole, &both.split_info(), OWN);
    }
}

#[test]
fn split_rust_says_the_same() {
    // Without what is in the standard library's own units, which are never split.
    let own = |name: &str| name.starts_with("fixture::") || name.starts_with("<fixture::");
    for options in [["-Copt-level=0", "-Cdwarf-version=5"], ["-Copt-level=2", "-Cdwarf-version=4"]] {
        let arguments = [&["--edition=2024", "-g", "-Awarnings", "-Ccodegen-units=4"], &options[..]].concat();
        let build = |more: &[&str]| Fixture::build("rustc", &[&arguments, more].concat(), "fixture.rs", rust::SOURCE);
        let whole = description(&build(&[]).info(), own);
        for split in ["-Csplit-debuginfo=unpacked", "-Csplit-debuginfo=packed"] {
            assert_same(split, &whole, &build(&[split]).split_info(), own);
        }
    }
}

#[test]
fn a_split_file_that_is_missing_or_of_another_build_is_said() {
    let fixture = Fixture::build("cc", &["-O0", "-gdwarf-5", "-gsplit-dwarf"], "fixture.c", C);
    let folder = fixture.program.parent().expect("a folder");
    let split = std::fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path());
    let split = split.into_iter().find(|path| path.extension().is_some_and(|end| end == "dwo")).expect("a split file");
    let other = Fixture::build(
        "cc",
        &["-O0", "-gdwarf-5", "-gsplit-dwarf", "-Dother=1"],
        "fixture.c",
        &C.replace("999", "9").replace("seen = 9", "seen = 8"),
    );
    let other_split = other.program.with_file_name(split.file_name().expect("a name"));
    std::fs::remove_file(&split).expect("the split file");
    let info = fixture.split_info();
    assert_eq!(info.split_lack(), None, "nothing was looked for yet");
    assert_eq!(info.functions(|_| true).len(), 0);
    let lack = info.split_lack().expect("a lack");
    assert!(lack.to_string().contains("was not found") && lack.to_string().contains(".dwo"), "{lack}");
    assert!(lack.remedy().contains("beside the program"));
    std::fs::copy(other_split, &split).expect("the split file");
    let info = fixture.split_info();
    assert_eq!(info.summary().level, Level::LineTables);
    let lack = info.split_lack().expect("a lack");
    assert!(lack.to_string().contains("of another build"), "{lack}");
    std::fs::write(&split, b"\x7fELF\x02\x01").expect("the split file");
    assert!(fixture.split_info().functions(|_| true).is_empty());
}
