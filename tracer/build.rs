//! Picks the BPF object to embed: the committed one, or `TRACER_BPF_OBJECT` where that is set.
//! Hands its path and the digest of its source to the compiler; builds nothing.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

const COMMITTED: &str = "../tracer-ebpf/prebuilt/tracer.bpf.o";

fn main() {
    println!("cargo:rerun-if-env-changed=TRACER_BPF_OBJECT");
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let chosen = env::var_os("TRACER_BPF_OBJECT").map_or_else(|| COMMITTED.into(), PathBuf::from);
    let object = package.join(chosen);
    let record = object.with_extension("sha256");
    for path in [&object, &record] {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    match source_digest(&record) {
        Ok(digest) if object.is_file() => {
            println!("cargo:rustc-env=TRACER_BPF_OBJECT={}", object.display());
            println!("cargo:rustc-env=TRACER_BPF_DIGEST={digest}");
        }
        Ok(_) => fail(&format!("no BPF object at {}", object.display())),
        Err(message) => fail(&message),
    }
}

/// SHA-256 of the source that the object was built from, as `cargo xtask ebpf` recorded it.
fn source_digest(record: &Path) -> Result<String, String> {
    let text = fs::read_to_string(record).map_err(|error| format!("cannot read {}: {error}", record.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("source "))
        .map(str::to_owned)
        .ok_or_else(|| format!("{} has no line `source …`", record.display()))
}

fn fail(message: &str) {
    println!("cargo:error={message}: build one with `cargo xtask ebpf`");
}
