//! Reads debug information of real programs and compares with what the programs, gdb and nm say of themselves.

use std::borrow::Cow;
use std::path::Path;

use object::{Object as _, ObjectSection as _};

use super::*;

/// Reads a file's debug information with the sections owned.
fn load(path: &Path) -> DebugInfo<'static> {
    let bytes = std::fs::read(path).expect("the fixture is readable");
    let object = object::File::parse(bytes.as_slice()).expect("the fixture is an ELF file");
    let section = |name: &str| match object.section_by_name(name) {
        Some(section) => Cow::Owned(section.uncompressed_data().expect("the section can be read").into_owned()),
        None => Cow::Borrowed(&[][..]),
    };
    DebugInfo::load(section).expect("the unit headers are right")
}

/// Prints what is known of a program's functions: `TRACER_DUMP=path TRACER_FILTER=name cargo test dump -- --nocapture`.
#[test]
fn dump() {
    let Some(path) = std::env::var_os("TRACER_DUMP") else { return };
    let filter = std::env::var("TRACER_FILTER").unwrap_or_default();
    let info = load(Path::new(&path));
    let timed = |what: &str, start: std::time::Instant| eprintln!("{what}: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let functions = info.functions(|name| name.contains(&filter));
    timed("functions", start);
    let start = std::time::Instant::now();
    let all = info.functions(|_| false).len();
    timed("again, names only", start);
    eprintln!("{all} {:?}", info.summary());
    eprintln!("{} functions, problems {:?}", functions.len(), info.problems());
    if let Some(entry) = functions.iter().find_map(|function| function.entry) {
        let info = load(Path::new(&path));
        let start = std::time::Instant::now();
        let at = info.functions_at(&[entry]);
        timed("one address", start);
        eprintln!("{:?}", at.first().and_then(|f| f.as_ref()).map(|f| &f.name));
    }
    let mut loaded = LoadedTypes::default();
    let start = std::time::Instant::now();
    let signatures: Vec<_> = functions.iter().map(|function| info.signature(function, &mut loaded)).collect();
    timed("signatures", start);
    for (function, signature) in functions.iter().zip(signatures).take(200) {
        eprintln!(
            "{:?} {:?} {} {:?} x{:?}",
            function.entry, function.kind, function.name, function.declared, function.inlined_copies
        );
        let signature = signature.expect("a signature");
        for parameter in &signature.parameters {
            let ty = loaded.types.get(parameter.ty);
            eprintln!("    {:?}: {} ({}) @ {:?}", parameter.name, ty.name, ty.size_bytes, parameter.location_at_entry);
        }
        let returns = signature.return_type.map(|ty| loaded.types.get(ty).name.as_str());
        eprintln!("    -> {returns:?} nocall {} poll {:?}", signature.is_nocall, signature.poll);
    }
    eprintln!("{} types", loaded.types.len());
}
