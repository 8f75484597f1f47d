//! The digest of everything the BPF object is built from: files, build settings, locked dependencies.
//! Reads files of the workspace only; needs no toolchain and no network.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

const CRATE: &str = "tracer-ebpf";

/// SHA-256 in lowercase hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// SHA-256 over the manifest of the source, in lowercase hex.
///
/// # Errors
/// When a file of the workspace cannot be read or parsed.
pub(crate) fn digest(root: &Path) -> Result<String> {
    Ok(sha256(manifest(root)?.as_bytes()))
}

/// One line per part of the source: each file with its SHA-256, the build settings, and each
/// dependency with its version and the checksum in Cargo.lock.
fn manifest(root: &Path) -> Result<String> {
    let mut text = String::new();
    let folder = root.join(CRATE);
    let mut files = vec![folder.join("Cargo.toml")];
    collect_files(&folder.join("src"), &mut files)?;
    files.sort();
    for path in files {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        let _ = writeln!(text, "file {name} {}", sha256(&bytes));
    }
    for (name, value) in settings(&read_table(&root.join("Cargo.toml"))?) {
        let _ = writeln!(text, "setting {name} {value}");
    }
    for flag in super::build::FLAGS {
        let _ = writeln!(text, "flag {flag}");
    }
    let direct = direct_dependencies(&read_table(&folder.join("Cargo.toml"))?);
    for package in locked(&read_table(&root.join("Cargo.lock"))?, direct) {
        let _ = writeln!(text, "package {package}");
    }
    Ok(text)
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot_read = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot_read)? {
        let path = entry.with_context(cannot_read)?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn read_table(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("cannot parse {}", path.display()))
}

/// The profiles that the object is built with, sorted by name. What they say of the workspace's other crates is none
/// of the object's business.
fn settings(workspace: &Table) -> BTreeMap<String, String> {
    let members = workspace.get("workspace").and_then(|table| table.get("members")).and_then(Value::as_array);
    let is_other =
        |name: &str| name != CRATE && members.into_iter().flatten().any(|member| member.as_str() == Some(name));
    let mut settings = BTreeMap::new();
    for profile in ["release", "bpf"] {
        let values = workspace.get("profile").and_then(|profiles| profiles.get(profile)).and_then(Value::as_table);
        for (key, value) in values.into_iter().flatten() {
            match value.as_table().filter(|_| key == "package") {
                Some(packages) => {
                    for (package, value) in packages.iter().filter(|(package, _)| !is_other(package)) {
                        settings.insert(format!("profile.{profile}.package.{package}"), value.to_string());
                    }
                }
                None => {
                    settings.insert(format!("profile.{profile}.{key}"), value.to_string());
                }
            }
        }
    }
    settings
}

/// Names of what the crate's build uses: dependencies for every or for one target, no dev-dependencies.
fn direct_dependencies(package: &Table) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut add = |table: &Table| {
        for key in ["dependencies", "build-dependencies"] {
            let entries = table.get(key).and_then(Value::as_table);
            for (alias, entry) in entries.into_iter().flatten() {
                let name = entry.get("package").and_then(Value::as_str);
                names.insert(name.unwrap_or(alias).to_owned());
            }
        }
    };
    add(package);
    let targets = package.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(|table| table.values()).filter_map(Value::as_table) {
        add(target);
    }
    names
}

/// `name version checksum` of every locked package that is reached from the crate's `direct` ones.
fn locked(lock: &Table, direct: BTreeSet<String>) -> BTreeSet<String> {
    let packages: Vec<&Table> =
        lock.get("package").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table).collect();
    let text = |package: &Table, key: &str| package.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
    // A reference is `name`, or `name version` where the lock holds several versions.
    let of = |reference: &str| {
        let mut words = reference.split(' ');
        let (name, version) = (words.next().unwrap_or_default().to_owned(), words.next());
        packages.iter().find(|package| {
            text(package, "name") == name && version.is_none_or(|version| text(package, "version") == version)
        })
    };
    let references = |package: &Table| -> Vec<String> {
        let list = package.get("dependencies").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
    };

    let mut pending: Vec<String> = of(CRATE).map_or_else(Vec::new, |package| references(package));
    pending.retain(|reference| direct.contains(reference.split(' ').next().unwrap_or_default()));
    let mut reached = BTreeSet::new();
    while let Some(reference) = pending.pop() {
        let Some(package) = of(&reference) else {
            continue;
        };
        let entry = format!("{} {} {}", text(package, "name"), text(package, "version"), text(package, "checksum"));
        if reached.insert(entry) {
            pending.extend(references(package));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    const LOCK: &str = r#"
        [[package]]
        name = "tracer-ebpf"
        version = "0.1.0"
        dependencies = ["kept 2.0.0", "only-for-tests"]
        [[package]]
        name = "kept"
        version = "1.0.0"
        checksum = "old"
        [[package]]
        name = "kept"
        version = "2.0.0"
        checksum = "new"
        dependencies = ["below"]
        [[package]]
        name = "below"
        version = "3.0.0"
        checksum = "deep"
        dependencies = ["kept 2.0.0"]
        [[package]]
        name = "only-for-tests"
        version = "4.0.0"
        checksum = "unused"
    "#;

    #[test]
    fn the_closure_holds_the_right_versions_and_no_dev_dependencies() {
        let direct = direct_dependencies(
            &r#"
            [target.'cfg(target_arch = "bpf")'.dependencies]
            alias = { package = "kept", version = "2" }
            [dev-dependencies]
            only-for-tests = "4"
            "#
            .parse()
            .unwrap(),
        );
        let closure = locked(&LOCK.parse().unwrap(), direct);
        let expected = ["below 3.0.0 deep", "kept 2.0.0 new"];
        assert_eq!(closure.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn settings_of_other_crates_of_the_workspace_do_not_count() {
        let workspace = r#"
            [workspace]
            members = ["tracer", "tracer-ebpf"]
            [profile.release]
            debug = "full"
            [profile.release.package]
            tracer = { strip = true }
            tracer-ebpf = { opt-level = 2 }
            aya-ebpf = { opt-level = 3 }
        "#;
        let names: Vec<String> = settings(&workspace.parse().unwrap()).into_keys().collect();
        let package = |name: &str| format!("profile.release.package.{name}");
        assert_eq!(names, ["profile.release.debug".to_owned(), package("aya-ebpf"), package("tracer-ebpf")]);
    }

    #[test]
    fn sha256_agrees_with_the_published_test_vector() {
        // FIPS 180-2, appendix B.1
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn the_manifest_names_the_files_settings_and_dependencies_of_this_workspace() {
        let text = manifest(workspace::root()).unwrap();
        for expected in [
            "file tracer-ebpf/Cargo.toml ",
            "file tracer-ebpf/src/main.rs ",
            "setting profile.bpf.panic \"abort\"",
            "package aya-ebpf 0.2.1 ",
        ] {
            assert!(text.contains(expected), "no `{expected}` in:\n{text}");
        }
        assert!(!text.contains("package aya 0"), "{text}");
    }

    #[test]
    fn a_changed_source_file_changes_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("tracer-ebpf/src/programs")).unwrap();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        write("Cargo.toml", "[workspace]");
        write("Cargo.lock", LOCK);
        write("tracer-ebpf/Cargo.toml", "[dependencies]\nkept = \"2\"");
        write("tracer-ebpf/src/programs/entry.rs", "// one");
        let first = digest(root).unwrap();
        assert_eq!(digest(root).unwrap(), first);
        write("tracer-ebpf/src/programs/entry.rs", "// two");
        assert_ne!(digest(root).unwrap(), first);
        write("tracer-ebpf/src/programs/entry.rs", "// one");
        write("Cargo.lock", &LOCK.replace("deep", "other"));
        assert_ne!(digest(root).unwrap(), first);
        write("Cargo.lock", &LOCK.replace("unused", "other"));
        assert_eq!(digest(root).unwrap(), first);
    }
}
