//! Listings of programs that are compiled here, against their source and `nm`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::report::color::Palette;
use crate::target::files::Files;

fn run(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Compiles `source` to `directory/app`.
fn rust(directory: &Path, source: &str, level: &str) -> PathBuf {
    std::fs::write(directory.join("app.rs"), source).expect("a writable directory");
    let debug = format!("-Cdebuginfo={level}");
    run("rustc", &["--edition=2024", "-Copt-level=2", &debug, "-Ccodegen-units=1", "app.rs"], directory);
    directory.join("app")
}

fn list(path: &Path, pattern: &str) -> String {
    let files = Files::new();
    let image = Image::of_file(path, &files).expect("an ELF file");
    let probe = Probe::parse(pattern).expect("a pattern");
    gather(&[image], Some(&probe), false).text(Palette::OFF, false)
}

const SOURCE: &str = r#"
use std::future::Future;
use std::hint::black_box;

pub struct Store { trees: Vec<u32> }

impl Store {
    #[inline(never)]
    pub fn save(&mut self, tree: u32) -> Result<usize, String> { self.trees.push(tree); Ok(self.trees.len()) }
    #[inline(always)]
    fn tiny(&self, by: usize) -> usize { self.trees.len() * by }
}

#[inline(never)]
pub fn push<T>(value: T) -> T { black_box(value) }

pub async fn fetch(id: u64, name: &str) -> bool { black_box(id) as usize == name.len() }

fn main() {
    let mut store = Store { trees: vec![] };
    let _ = black_box(store.save(push(7)));
    println!("{}{}", black_box(&store).tiny(3), push("x"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let future: std::pin::Pin<Box<dyn Future<Output = bool>>> = black_box(Box::pin(fetch(1, "x")));
    let _ = black_box(future).as_mut().poll(&mut context);
}
"#;

#[test]
fn rust_functions_have_the_signatures_of_their_source() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let app = rust(directory.path(), SOURCE, "2");
    insta::assert_snapshot!(list(&app, "app::*"), @"
    app::Store::save(self: &mut Store, tree: u32) -> Result<usize, String>
    app::Store::tiny(self: &Store, _: usize) -> usize  [inlined only, 1 place]
    async app::fetch(id: u64, name: &str) -> bool
    app::main()
    app::push<&str>(value: &str) -> &str
    app::push<u32>(value: u32) -> u32
    6 functions (1 inlined only), 0 USDT probes
    ");
}

#[test]
fn less_debug_information_never_shows_an_empty_parameter_list() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for level in ["0", "1"] {
        let app = rust(directory.path(), SOURCE, level);
        let listed = list(&app, "Store::save");
        assert_eq!(listed, "app::Store::save\n1 function, 0 USDT probes\n", "level {level}");
    }
}

#[test]
fn all_functions_of_a_program_are_those_of_nm() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let source = "static __attribute__((noinline)) int hidden(int x) { return x * 3; }\n\
        int twice(const char *text, double by) { return text[0] * (int)by; }\n\
        extern int also(const char *, double) __attribute__((alias(\"twice\")));\n\
        int main(int count, char **arguments) { return hidden(count) + twice(arguments[0], count); }\n";
    std::fs::write(directory.path().join("app.c"), source).expect("a writable directory");
    run("cc", &["-g", "-O1", "-fno-inline", "-o", "app", "app.c"], directory.path());
    let files = Files::new();
    let image = Image::of_file(&directory.path().join("app"), &files).expect("an ELF file");
    let listing = gather(&[image], None, false);
    let nm = run("nm", &["--defined-only", "app"], directory.path());
    let functions: HashSet<&str> =
        nm.lines().filter(|line| line.to_lowercase().contains(" t ")).filter_map(|line| line.get(..16)).collect();
    // crtstuff's `_init` and `_fini` are in sections of their own, and counted by both.
    assert_eq!(listing.functions.len(), functions.len(), "{listing:#?} {nm}");
    for function in &listing.functions {
        assert!(nm.contains(&format!(" {}\n", function.name)), "{function:?}");
    }
    insta::assert_snapshot!(list(&directory.path().join("app"), "also"), @"
    also(text: const char *, by: double) -> int
    1 function, 0 USDT probes
    ");
}
