//! Reads debug information of real programs and compares with what those programs and nm say of themselves.

mod cpp;
mod damaged;
mod library;
mod rust;
mod split;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object as _, ObjectSection as _};

use super::*;

/// A program built for one test, and the folder that holds it.
struct Fixture {
    _folder: tempfile::TempDir,
    program: PathBuf,
}

impl Fixture {
    /// Compiles `source` into a program: `compiler arguments… -o program file`.
    fn build(compiler: &str, arguments: &[&str], file: &str, source: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("program");
        std::fs::write(folder.path().join(file), source).expect("the source can be written");
        let output = Command::new(compiler)
            .current_dir(folder.path())
            .args(arguments)
            .args(["-o", "program", file])
            .output()
            .unwrap_or_else(|error| panic!("{compiler} runs: {error}"));
        assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
        Self { _folder: folder, program }
    }

    fn info(&self) -> DebugInfo<'static> {
        load(&self.program)
    }

    /// What the program prints.
    fn run(&self) -> String {
        let output = Command::new(&self.program).output().expect("the fixture runs");
        assert!(output.status.success(), "the fixture failed: {output:?}");
        String::from_utf8(output.stdout).expect("the fixture prints text")
    }

    /// The addresses of the program's code symbols, by nm.
    fn code_symbols(&self) -> Vec<u64> {
        let output = Command::new("nm").arg(&self.program).output().expect("nm runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let address = |line: &str| {
            let (address, rest) = line.split_once(' ')?;
            rest.starts_with(['t', 'T', 'w', 'W']).then(|| u64::from_str_radix(address, 16).ok())?
        };
        text.lines().filter_map(address).collect()
    }
}

/// Reads a file's debug information with the sections owned.
fn load(path: &Path) -> DebugInfo<'static> {
    let bytes = std::fs::read(path).expect("the fixture is readable");
    DebugInfo::load(|name| section(&bytes, name)).expect("the unit headers are right")
}

fn section(file: &[u8], name: &str) -> Cow<'static, [u8]> {
    let object = object::File::parse(file).expect("the fixture is an ELF file");
    match object.section_by_name(name) {
        Some(section) => Cow::Owned(section.uncompressed_data().expect("the section can be read").into_owned()),
        None => Cow::Borrowed(&[]),
    }
}

/// The only function of that name.
fn function(info: &DebugInfo<'_>, name: &str) -> Function {
    let found = info.functions(|found| found == name);
    match <[Function; 1]>::try_from(found) {
        Ok([function]) => function,
        Err(found) => panic!("one function {name} wanted, found {found:?}"),
    }
}

/// Prints what is known of a program's functions: `TRACER_DUMP=path TRACER_FILTER=name cargo test dump -- --nocapture`.
#[test]
fn dump() {
    let Some(path) = std::env::var_os("TRACER_DUMP") else { return };
    let filter = std::env::var("TRACER_FILTER").unwrap_or_default();
    let fixture = Fixture { _folder: tempfile::tempdir().expect("a temporary folder"), program: path.clone().into() };
    let info = fixture.split_info();
    let timed = |what: &str, start: std::time::Instant| eprintln!("{what}: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    View::new(&info).scan_all();
    timed("scan", start);
    let start = std::time::Instant::now();
    info.functions(|_| false);
    timed("names", start);
    let start = std::time::Instant::now();
    let functions = info.functions(|name| name.contains(&filter));
    timed("functions", start);
    eprintln!("{:?}", info.summary());
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
    let signatures = info.signatures(functions.iter().take(1000), &mut loaded);
    timed("signatures of at most 1000", start);
    for (function, signature) in functions.iter().zip(signatures).take(100) {
        let Function { entry, kind, name, declared, inlined_copies, .. } = function;
        eprintln!("{entry:?} {kind:?} {name} {declared:?} inlined {inlined_copies:?}");
        let signature = signature.expect("a signature");
        for parameter in &signature.parameters {
            let ty = loaded.types.get(parameter.ty);
            eprintln!("    {:?}: {} ({}) @ {:?}", parameter.name, ty.name, ty.size_bytes, parameter.location_at_entry);
            eprintln!("        {:?}", ty.shape);
        }
        let returns = signature.return_type.map(|ty| loaded.types.get(ty).name.as_str());
        eprintln!("    -> {returns:?} nocall {} poll {:?}", signature.is_nocall, signature.poll);
    }
    eprintln!("{} types", loaded.types.len());
}
