//! Builds fixtures with the system's C compilers and rustc, once: a program that is newer than its source is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
const PROGRAMS: &str = env!("CARGO_TARGET_TMPDIR");

/// Frame pointers make a function begin with a `push`, which the kernel emulates: a cheap probe.
const C_FLAGS: &[&str] = &["-g", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror", "-fno-omit-frame-pointer"];

/// A C program, optimised, with debug information.
pub fn c(name: &str) -> PathBuf {
    compile("cc", &format!("{name}.c"), name, C_FLAGS)
}

/// A C program with other flags, under a name of its own.
pub fn c_with(name: &str, program: &str, flags: &[&str]) -> PathBuf {
    compile("cc", &format!("{name}.c"), program, flags)
}

pub fn cpp(name: &str) -> PathBuf {
    compile("c++", &format!("{name}.cpp"), name, C_FLAGS)
}

/// The folder of the corpus of C and C++ values, and the answers that gdb gave.
pub const CORPUS_C: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus-c");

/// One of the two programs of that corpus, `values.c` or `values.cpp`, under a name of its own.
pub fn corpus_c(source: &str, variant: &str, flags: &[&str]) -> PathBuf {
    let compiler = if source.ends_with(".cpp") { "c++" } else { "cc" };
    compile(compiler, &format!("../corpus-c/{source}"), &format!("{source}-{variant}"), flags)
}

/// A Rust release program.
pub fn rust(name: &str) -> PathBuf {
    compile(&rustc(), &format!("{name}.rs"), &format!("{name}-rs"), &["--edition=2024", "-g", "-O"])
}

/// A Rust program as `cargo build` makes it.
pub fn rust_dev(name: &str) -> PathBuf {
    compile(&rustc(), &format!("{name}.rs"), &format!("{name}-rs-dev"), &["--edition=2024", "-g"])
}

/// A Rust program with other flags, under a name of its own.
pub fn rust_with(name: &str, variant: &str, flags: &[&str]) -> PathBuf {
    compile(&rustc(), &format!("{name}.rs"), &format!("{name}-rs-{variant}"), &[&["--edition=2024"], flags].concat())
}

fn rustc() -> String {
    std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
}

fn compile(compiler: &str, source: &str, program: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(FIXTURES).join(source);
    // A name of its own, so that no program elsewhere on the machine is mistaken for it.
    let program = Path::new(PROGRAMS).join(format!("tracer-{program}"));
    if is_newer(&program, &source) {
        return program;
    }
    let fresh = program.with_extension("new");
    let output = Command::new(compiler)
        .args(flags)
        .arg(&source)
        .arg("-o")
        .arg(&fresh)
        .current_dir(PROGRAMS)
        .output()
        .unwrap_or_else(|error| panic!("{compiler} is needed to build {}: {error}", source.display()));
    assert!(output.status.success(), "{compiler} failed: {}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&fresh, &program).unwrap();
    program
}

fn is_newer(program: &Path, source: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let sources = [source.to_owned(), Path::new(FIXTURES).join("fixture.h"), Path::new(CORPUS_C).join("values.h")];
    let newest = sources.iter().filter_map(|path| changed(path)).max();
    changed(program).unwrap_or(SystemTime::UNIX_EPOCH) > newest.unwrap_or(SystemTime::now())
}

/// The corpus of Rust values, a workspace of its own, in one of its profiles.
pub fn corpus(profile: &str) -> PathBuf {
    workspace("corpus", profile)
}

/// Channels and locks in known states, in one of the profiles of their workspace.
pub fn channels(profile: &str) -> PathBuf {
    let program = workspace("channels", profile);
    // A name of its own, so that no program elsewhere on the machine is mistaken for it.
    let named = Path::new(PROGRAMS).join(format!("tracer-channels-{profile}"));
    let _ = fs::remove_file(&named);
    fs::hard_link(&program, &named).unwrap();
    named
}

/// A program that is a workspace of its own, in the folder of its name.
fn workspace(name: &str, profile: &str) -> PathBuf {
    let target = Path::new(PROGRAMS).join(name);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name));
    cargo.args(["build", "--quiet", "--locked", "--profile", profile, "--target-dir"]).arg(&target);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{name} did not build: {}", String::from_utf8_lossy(&output.stderr));
    target.join(if profile == "dev" { "debug" } else { profile }).join(name)
}

/// The registry app, built by cargo in release mode: cargo knows whether there is anything to do.
pub fn registry(features: &[&str]) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = Path::new(PROGRAMS).parent().expect("cargo's temporary folder is inside its target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace).args(["build", "--quiet", "--locked", "--release", "--package", "target-app"]);
    cargo.arg("--target-dir").arg(target).args(["--features", &features.join(",")]);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "target-app did not build: {}", String::from_utf8_lossy(&output.stderr));
    // Cargo gives both builds the same name, and keeps both under the hood.
    let program = Path::new(PROGRAMS).join(["tracer-registry", features.concat().as_str()].concat());
    let _ = fs::remove_file(&program);
    fs::hard_link(target.join("release/target-app"), &program).unwrap();
    program
}

/// The shapes of tokio programs, built by cargo in release mode.
pub fn shapes() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = Path::new(PROGRAMS).parent().expect("cargo's temporary folder is inside its target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace).args(["build", "--quiet", "--locked", "--release", "--package", "target-app"]);
    cargo.args(["--example", "shapes"]).arg("--target-dir").arg(target);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "the shapes did not build: {}", String::from_utf8_lossy(&output.stderr));
    let program = Path::new(PROGRAMS).join("tracer-shapes");
    let _ = fs::remove_file(&program);
    fs::hard_link(target.join("release/examples/shapes"), &program).unwrap();
    program
}

/// A program of a package that nobody here wrote, at a version of its own, optimised and with its debug information:
/// built by cargo once, and kept.
pub fn installed(package: &str, version: &str, binary: &str) -> PathBuf {
    install(package, version, binary, &["--locked"], binary)
}

/// The same with the newest versions of what it depends on.
pub fn installed_on_newest(package: &str, version: &str, binary: &str) -> PathBuf {
    install(package, version, binary, &[], &format!("{binary}-newest"))
}

fn install(package: &str, version: &str, binary: &str, flags: &[&str], name: &str) -> PathBuf {
    let root =
        Path::new(PROGRAMS).join(format!("{package}-{version}{}", name.strip_prefix(binary).unwrap_or_default()));
    let program = root.join("bin").join(binary);
    // A name of its own, so that no program elsewhere on the machine is mistaken for it.
    let named = Path::new(PROGRAMS).join(format!("tracer-{name}"));
    if !named.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["install", "--quiet", package, "--version", version, "--bin", binary]).args(flags);
        cargo.arg("--root").arg(&root).arg("--target-dir").arg(Path::new(PROGRAMS).join("installed"));
        cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "full").current_dir(PROGRAMS);
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{package} did not build: {}", String::from_utf8_lossy(&output.stderr));
        fs::rename(&program, &named).unwrap();
    }
    named
}
