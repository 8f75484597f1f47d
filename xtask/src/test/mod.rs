//! `cargo xtask test`: every check and test of the workspace, one step after the other.
//! Knows the order of the steps; how they are timed and summed up is in `steps`.

mod install;
mod steps;
mod tools;

use std::{ffi::OsStr, fs, path::Path, process::Command};

use anyhow::Result;

use self::steps::Steps;
use crate::{ebpf, run, tidy, workspace};

/// What `cargo xtask test` is asked to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also build the BPF object from source, test with that one, and install the tracer
    #[arg(long)]
    fresh: bool,
}

const NEEDS_ROOT: &str = "they load BPF programs and attach probes, which takes root: run `cargo xtask test` as root";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::new();
    steps.run("format", || run::checked(&mut cargo(["fmt", "--all", "--check"])));
    steps.run("clippy", || {
        let mut command = cargo(["clippy", "--locked", "--workspace", "--all-targets"]);
        run::checked(command.args(["--", "--deny", "warnings"]))
    });
    steps.run("tidy", tidy::run);
    steps.run("docs", || {
        let mut command = cargo(["doc", "--locked", "--workspace", "--no-deps"]);
        run::checked(command.env("RUSTDOCFLAGS", "--deny warnings"))
    });
    steps.run("BPF object", || ebpf::run(&ebpf::Arguments::check()));
    steps.run("tools", tools::install_missing);
    let object = if arguments.fresh { from_source(&mut steps) } else { Object::Committed };
    steps.run("unit tests: target-app, tracer-ebpf, xtask", || {
        run::checked(&mut tests(["--workspace", "--exclude", "tracer"], object))
    });
    tracer_units(&mut steps, object);
    steps.run("doc tests: tracer", || run::checked(&mut tests(["--package", "tracer", "--doc"], object)));
    end_to_end(&mut steps, object);
    if arguments.fresh {
        steps.run("installed binary", install::check);
    }
    steps.finish()
}

/// The BPF object that the tested tracer embeds.
#[derive(Clone, Copy)]
enum Object {
    Committed,
    FromSource,
}

/// Builds the BPF object; where that fails, which is one failed step, the committed one is tested.
fn from_source(steps: &mut Steps) -> Object {
    let mut is_built = false;
    steps.run("BPF object from source", || {
        ebpf::build_fresh(None)?;
        is_built = true;
        Ok(())
    });
    if is_built { Object::FromSource } else { Object::Committed }
}

/// Those of the stage `kernel` load programs, so they need root as well.
fn tracer_units(steps: &mut Steps, object: Object) {
    let mut command = tests(["--package", "tracer", "--lib", "--bins"], object);
    if !run::is_root() {
        command.args(["--", "--skip", "kernel::"]);
        steps.left_out("unit tests: tracer, kernel", NEEDS_ROOT);
    }
    steps.run("unit tests: tracer", || run::checked(&mut command));
}

/// The tests in tracer/tests: real binaries, a real kernel, one test at a time.
fn end_to_end(steps: &mut Steps, object: Object) {
    if !has_end_to_end_tests() {
        return;
    }
    if !run::is_root() {
        steps.left_out("end-to-end tests", NEEDS_ROOT);
        return;
    }
    steps.run("release build: target-app", || {
        run::checked(&mut cargo(["build", "--locked", "--release", "--package", "target-app"]))
    });
    let mut command = tests(["--package", "tracer", "--test", "*"], object);
    // They watch the same kernel and share two cores: side by side they would disturb each other's timing.
    command.args(["--", "--test-threads=1"]);
    steps.run("end-to-end tests", || run::checked(&mut command));
}

fn has_end_to_end_tests() -> bool {
    let folder = workspace::root().join("tracer/tests");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|entry| entry.path()).any(|path| is_test(&path))
}

/// A test program is a file of its own, or a folder with main.rs.
fn is_test(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("rs")) || path.join("main.rs").is_file()
}

fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(workspace::cargo());
    command.current_dir(workspace::root()).args(arguments);
    command
}

fn tests<const N: usize>(arguments: [&str; N], object: Object) -> Command {
    let mut command = cargo(["test", "--locked", "--no-fail-fast"]);
    // A snapshot that differs fails its test; it leaves no file behind.
    command.args(arguments).env("INSTA_UPDATE", "no");
    match object {
        Object::Committed => command.env_remove("TRACER_BPF_OBJECT"),
        Object::FromSource => command.env("TRACER_BPF_OBJECT", ebpf::fresh_object()),
    };
    command
}
