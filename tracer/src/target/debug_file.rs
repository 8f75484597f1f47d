//! Finds the separate file that holds an object's symbols and DWARF after `strip`: by build id or by debug link
//! (GDB manual, "Separate Debug Files"). It does not read what is in them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::Object as _;

use super::TargetError;
use super::files::{Files, MappedFile};
use super::object::Object;

const DEBUG_DIRECTORY: &str = "usr/lib/debug";

/// The separate debug file of `object`, searched in the file system under `root` (the target's, then ours): only one
/// whose build id or checksum says that it belongs to this very object.
///
/// # Errors
/// The file that belongs to the object is damaged.
pub fn find<'data>(
    object: &Object<'data>,
    root: &Path,
    files: &'data Files,
) -> Result<Option<Object<'data>>, TargetError> {
    let link = object.elf().gnu_debuglink().ok().flatten();
    let mut ways: Vec<(PathBuf, Option<u32>)> = Vec::new();
    for root in [root, Path::new("/")] {
        ways.extend(object.build_id().and_then(build_id_path).map(|path| (root.join(path), None)));
        if let Some((name, checksum)) = link {
            ways.extend(link_paths(object.path(), name, root).map(|path| (path, Some(checksum))));
        }
    }
    for (path, checksum) in ways {
        let Ok(file) = files.open(&path) else { continue };
        if file.id() == object.id() {
            continue;
        }
        let debug_file = Object::from_debug_file(&path, file)?;
        if belongs(object, &debug_file, file, checksum) {
            return Ok(Some(debug_file));
        }
    }
    Ok(None)
}

/// `usr/lib/debug/.build-id/ab/cdef….debug`.
fn build_id_path(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Path::new(DEBUG_DIRECTORY).join(format!(".build-id/{first:02x}/{rest}.debug")))
}

/// Beside the object, in `.debug` beside it, and in the debug directory.
fn link_paths(object: &Path, name: &[u8], root: &Path) -> impl Iterator<Item = PathBuf> {
    let directory = object.parent().unwrap_or(Path::new("/"));
    let inside = root.join(directory.strip_prefix("/").unwrap_or(directory));
    let central = root.join(DEBUG_DIRECTORY).join(directory.strip_prefix("/").unwrap_or(directory));
    // A link is a file name; one with directories in it would lead anywhere.
    let name = Path::new(OsStr::from_bytes(name)).file_name().map(OsStr::to_owned);
    let directories = [inside.clone(), inside.join(".debug"), central];
    name.into_iter().flat_map(move |name| directories.clone().map(|directory| directory.join(&name)))
}

fn belongs(object: &Object<'_>, debug_file: &Object<'_>, file: &MappedFile, checksum: Option<u32>) -> bool {
    match (object.build_id(), debug_file.build_id(), checksum) {
        (Some(ours), Some(theirs), _) => ours == theirs,
        (_, _, Some(checksum)) => crc32(file.bytes()) == checksum,
        _ => false,
    }
}

/// The checksum of a debug link: CRC-32 as in Ethernet and zip (reflected, polynomial 0x04c11db7).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum: u32, &byte| {
        let [low, ..] = sum.to_le_bytes();
        TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0) ^ (sum >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::symbol::{SymbolSource, SymbolTable};
    use std::process::Command;

    #[test]
    fn the_checksum_is_the_one_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    fn run(program: &str, arguments: &[&str], directory: &Path) {
        let output = Command::new(program).args(arguments).current_dir(directory).output().expect(program);
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A C program with a local function, stripped, its debug file beside it by debug link.
    fn stripped(directory: &Path, build_id: &str) -> PathBuf {
        let source = "static __attribute__((noinline)) int hidden(int x) { return x * 3; }\n\
            int main(int count, char **arguments) { return hidden(count); }\n";
        std::fs::write(directory.join("program.c"), source).expect("a writable directory");
        run("cc", &["-g", "-O1", build_id, "-o", "program", "program.c"], directory);
        run("objcopy", &["--only-keep-debug", "program", "program.debug"], directory);
        run("strip", &["program"], directory);
        run("objcopy", &["--add-gnu-debuglink=program.debug", "program"], directory);
        directory.join("program")
    }

    fn names(object: &Object<'_>, debug_file: Option<&Object<'_>>) -> Vec<String> {
        let table = SymbolTable::read(object, debug_file);
        table.functions().iter().map(|symbol| symbol.name.to_owned()).collect()
    }

    #[test]
    fn a_debug_link_leads_to_the_symbols_that_strip_removed() {
        for build_id in ["-Wl,--build-id=none", "-Wl,--build-id=sha1"] {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let program = stripped(directory.path(), build_id);
            let files = Files::new();
            let object = Object::open(&program, &files).expect("an ELF file");
            assert!(!object.has_symbol_table() && !object.has_debug_info());
            assert_eq!(SymbolTable::read(&object, None).source(), SymbolSource::Nothing);
            let debug_file = find(&object, Path::new("/"), &files).expect("a sound file").expect("a debug file");
            assert!(debug_file.has_debug_info());
            let names = names(&object, Some(&debug_file));
            assert!(names.contains(&"hidden".to_owned()) && names.contains(&"main".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn a_debug_file_of_another_build_is_not_taken() {
        for build_id in ["-Wl,--build-id=none", "-Wl,--build-id=sha1"] {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let program = stripped(directory.path(), build_id);
            run("cc", &["-g", "-O0", build_id, "-o", "other", "program.c"], directory.path());
            run("objcopy", &["--only-keep-debug", "other", "program.debug"], directory.path());
            let files = Files::new();
            let object = Object::open(&program, &files).expect("an ELF file");
            assert!(find(&object, Path::new("/"), &files).expect("a sound file").is_none());
        }
    }

    #[test]
    fn a_build_id_leads_into_the_targets_own_root() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = stripped(directory.path(), "-Wl,--build-id=0x00c0ffee");
        let central = directory.path().join("usr/lib/debug/.build-id/00");
        std::fs::create_dir_all(&central).expect("a writable directory");
        std::fs::rename(directory.path().join("program.debug"), central.join("c0ffee.debug")).expect("same disk");
        let files = Files::new();
        let object = Object::open(&program, &files).expect("an ELF file");
        assert_eq!(object.build_id(), Some(&[0, 0xc0, 0xff, 0xee][..]));
        assert!(find(&object, directory.path(), &files).expect("a sound file").is_some());
        assert!(find(&object, Path::new("/"), &files).expect("a sound file").is_none());
    }
}
