//! `cargo xtask ebpf`: builds the BPF object that the tracer embeds, and checks the committed one.
//! The order of work; how to build, strip and digest is in the modules below.

mod build;
mod debian;
mod linker;
mod nightly;
mod record;
mod source;
mod strip;
mod toolchain;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use self::{record::Record, toolchain::Way};
use crate::workspace;

/// What `cargo xtask ebpf` is asked to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The toolchain to build with; otherwise the first one that is ready, then one that can be installed
    #[arg(long, value_enum)]
    with: Option<Way>,
    /// Build nothing: fail when the committed object does not match its source
    #[arg(long)]
    check: bool,
    /// With --check: also build the object afresh, to target/ebpf/fresh, and compare
    #[arg(long, requires = "check")]
    rebuild: bool,
}

impl Arguments {
    /// As `--check`.
    pub(crate) fn check() -> Self {
        Self { with: None, check: true, rebuild: false }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.check {
        let record = build_into(&committed_object(), arguments.with)?;
        println!("built {} with {}", relative(&committed_object()), record.compiler);
        return Ok(());
    }
    let committed = check();
    if committed.is_ok() {
        println!("the committed BPF object matches its source");
    }
    // Also after a failed check, so that what was committed can be compared with what should have been.
    if arguments.rebuild {
        build_fresh(arguments.with)?;
    }
    committed
}

/// Builds [`fresh_object`], and says how it compares with the committed one.
pub(crate) fn build_fresh(way: Option<Way>) -> Result<()> {
    let fresh = build_into(&fresh_object(), way)?;
    report_difference(&Record::read(&committed_object())?, &fresh);
    Ok(())
}

/// The object that the tracer embeds.
pub(crate) fn committed_object() -> PathBuf {
    workspace::root().join("tracer-ebpf/prebuilt/tracer.bpf.o")
}

/// SHA-256 of the source that the committed object was built from.
pub(crate) fn committed_source_digest() -> Result<String> {
    Record::read(&committed_object()).map(|record| record.source)
}

/// Where `--check --rebuild` puts the object it builds.
pub(crate) fn fresh_object() -> PathBuf {
    workspace::target().join("ebpf/fresh/tracer.bpf.o")
}

/// Fails when the committed object is not the recorded one or its source has changed since.
fn check() -> Result<()> {
    let object = committed_object();
    let record = Record::read(&object)?;
    let bytes = fs::read(&object).with_context(|| format!("cannot read {}", object.display()))?;
    if source::sha256(&bytes) != record.object {
        bail!("{} is not the object that its digest names: run `cargo xtask ebpf`", relative(&object));
    }
    if source::digest(workspace::root())? != record.source {
        bail!("{} was built from another source than tracer-ebpf's: run `cargo xtask ebpf`", relative(&object));
    }
    Ok(())
}

/// Builds the object, strips it and puts it beside its record at `path`.
fn build_into(path: &Path, way: Option<Way>) -> Result<Record> {
    let toolchain = toolchain::choose(way)?;
    let built = build::object(&toolchain)?;
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let stripped = strip::debug_sections(&bytes)?;
    // The tracer would find out at run time only.
    aya_obj::Object::parse(&stripped).context("the tracer's loader refuses the built BPF object")?;
    let record = Record {
        source: source::digest(workspace::root())?,
        object: source::sha256(&stripped),
        compiler: toolchain.compiler,
        linker: linker::NAME_AND_VERSION.to_owned(),
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, &stripped).with_context(|| format!("cannot write {}", path.display()))?;
    record.write(path)?;
    Ok(record)
}

fn report_difference(committed: &Record, fresh: &Record) {
    if committed.object == fresh.object {
        println!("built afresh with {}: identical", fresh.compiler);
    } else if committed.compiler == fresh.compiler {
        println!("built afresh with {}: differs from the committed object of the same compiler", fresh.compiler);
    } else {
        println!("built afresh with {}: differs, as the committed one is from {}", fresh.compiler, committed.compiler);
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace::root()).unwrap_or(path).display().to_string()
}
