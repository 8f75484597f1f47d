//! TRUTH: values of C and C++ are what gdb says of them, or say why they are not there.
//!
//! The corpus (`tests/corpus-c`) has a function that returns each value and one that takes it. What gdb says of them
//! is kept beside it: `answers.py`, which gdb runs, writes it in the tracer's notation.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::corpus::{Tally, shown};
use crate::harness::session::Session;
use crate::harness::target::Target;
use crate::harness::{build, turn};

const CPP: [&str; 2] = ["-std=c++17", "-Wno-psabi"];

/// gdb's answers that are kept for one of the programs: names and texts.
fn answers(source: &str) -> String {
    fs::read_to_string(Path::new(build::CORPUS_C).join(format!("{source}.answers"))).unwrap()
}

/// Addresses differ from run to run.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_hexdigit());
        let digits = part.len() - rest.len();
        shown += if digits > 4 { "0x*" } else { "0x" };
        shown += if digits > 4 { rest } else { part };
    }
    shown
}

#[track_caller]
fn check(source: &str, variant: &str, flags: &[&str], equal_min: usize) {
    let program = build::corpus_c(source, variant, flags);
    let _turn = turn();
    let mut target = Target::start(program);
    let pid = target.p();
    let limits = ["trace", "-n", "0", "--for", "5m", "--max-overhead", "100", "--value-width", "1000000"];
    let mut session = Session::start(&[&limits[..], &["-p", &pid, "take_*", "give_*"]].concat());
    session.armed();
    target.send("go");
    let names: Vec<String> = std::iter::from_fn(|| target.lines.next().filter(|line| line != "end")).collect();
    let outcome = session.interrupt();
    let last = outcome.output.last().cloned().unwrap_or_default();
    assert!(last.contains(" 0 lost"), "{last}");
    let mut shown = shown(&outcome.output, &pid);
    let mut tally = Tally::default();
    let answers = answers(source);
    assert_eq!(answers.lines().count(), names.len(), "the answers are of another corpus: see answers.py");
    for line in answers.lines() {
        let (name, expected) = line.split_once('\t').expect("a name and a text");
        let taken = shown.remove(&format!("take_{name}")).and_then(|(argument, _)| argument);
        let given = shown.remove(&format!("give_{name}")).and_then(|(_, result)| result);
        tally.note(&format!("take_{name}"), taken.map(|text| without_addresses(&text)), expected);
        tally.note(&format!("give_{name}"), given.map(|text| without_addresses(&text)), expected);
    }
    tally.check(&format!("{source} {variant}"), equal_min);
}

#[test]
fn c_values_of_an_unoptimised_build() {
    check("values.c", "O0", &["-g", "-O0"], 171);
}

#[test]
fn c_values_of_an_optimised_build() {
    check("values.c", "O2", &["-g", "-O2"], 171);
}

#[test]
fn c_values_of_an_optimised_build_with_dwarf_4() {
    check("values.c", "O2-dwarf-4", &["-gdwarf-4", "-O2"], 171);
}

#[test]
fn cpp_values_of_an_unoptimised_build() {
    check("values.cpp", "O0", &[&CPP[..], &["-g", "-O0"]].concat(), 300);
}

#[test]
fn cpp_values_of_an_optimised_build() {
    check("values.cpp", "O2", &[&CPP[..], &["-g", "-O2"]].concat(), 298);
}

#[test]
fn cpp_values_of_an_optimised_build_with_dwarf_4() {
    check("values.cpp", "O2-dwarf-4", &[&CPP[..], &["-gdwarf-4", "-O2"]].concat(), 183);
}

/// Whether this machine's gdb can run the script and has the printers for libstdc++.
fn has_gdb() -> bool {
    let asked = Command::new("gdb").args(["-batch", "-nx", "-ex", "python import gdb.types"]).output();
    let has_python = asked.is_ok_and(|output| output.status.success() && output.stderr.is_empty());
    has_python && Path::new("/usr/share/gcc/python/libstdcxx").exists()
}

/// Where there is no gdb with Python, the answers are those of the machines that have one.
#[test]
fn the_answers_are_what_gdb_says() {
    if !has_gdb() {
        println!("no gdb with Python and the printers of libstdc++");
        return;
    }
    for (source, flags) in [("values.c", &[][..]), ("values.cpp", &CPP[..])] {
        let program = build::corpus_c(source, "O0", &[flags, &["-g", "-O0"]].concat());
        let mut gdb = Command::new("gdb");
        gdb.args(["-q", "-batch", "-nx", "-x"]).arg(Path::new(build::CORPUS_C).join("answers.py")).arg(program);
        let output = gdb.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // gdb also says the line that it stopped at, by its number.
        let is_answer = |line: &&str| line.contains('\t') && !line.starts_with(|first: char| first.is_ascii_digit());
        let said: String = said.lines().filter(is_answer).map(|line| format!("{line}\n")).collect();
        assert_eq!(said, answers(source), "{source}");
    }
}
