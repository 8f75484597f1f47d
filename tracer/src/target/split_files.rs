//! Finds the files that split DWARF keeps apart from an object (`.dwo`, `.dwp`), in the target's root, then in ours.
//! Does not know which unit belongs to which.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::debug_info::{SectionBytes, SplitFiles, SplitSections};
use super::{files, object};

/// Where to look for the split files of one object.
pub(super) struct Places {
    /// The target's root directory.
    pub(super) root: PathBuf,
    /// The object, then its separate debug file: paths in that root.
    pub(super) objects: Vec<PathBuf>,
}

impl Places {
    /// The paths in the target's root, then the same in ours.
    fn in_roots(&self, paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for root in [self.root.as_path(), Path::new("/")] {
            for path in &paths {
                let path = root.join(path.strip_prefix("/").unwrap_or(path));
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
        found
    }
}

impl SplitFiles for Places {
    fn packages(&self) -> Vec<PathBuf> {
        let package = |object: &PathBuf| {
            let mut path = object.clone().into_os_string();
            path.push(".dwp");
            PathBuf::from(path)
        };
        self.in_roots(self.objects.iter().map(package).collect())
    }

    /// Where the compiler put it; beside the object, under its whole name and under its last component; in `deps`
    /// beside the object, from where cargo links its programs up.
    fn candidates(&self, directory: &Path, name: &Path) -> Vec<PathBuf> {
        let mut paths = vec![directory.join(name)];
        for beside in self.objects.iter().filter_map(|object| object.parent()) {
            if name.is_relative() {
                paths.push(beside.join(name));
            }
            if let Some(name) = name.file_name() {
                paths.extend([beside.join(name), beside.join("deps").join(name)]);
            }
        }
        self.in_roots(paths)
    }

    fn open(&self, path: &Path) -> Option<SplitSections> {
        let map = Arc::new(files::contents(path).ok()?);
        object::parse(path, &map).ok()?;
        let path = path.to_owned();
        Some(Box::new(move |name| section(&path, &map, name).unwrap_or_default()))
    }
}

/// GCC gives each type unit a section of its own, all of one name: they are put together.
fn section(path: &Path, map: &Arc<Mmap>, name: &str) -> Option<SectionBytes> {
    let elf = object::parse(path, map).ok()?;
    let mut parts = object::sections_data(&elf, path, name);
    let first = parts.next()?.ok()?;
    let mut joined = match (parts.next(), first) {
        (None, Cow::Borrowed([])) => return None,
        (None, Cow::Borrowed(bytes)) => {
            let start = bytes.as_ptr().addr().checked_sub(map.as_ptr().addr())?;
            return Some(SectionBytes::Mapped(Arc::clone(map), start..start + bytes.len()));
        }
        (None, Cow::Owned(bytes)) => return Some(SectionBytes::Owned(bytes)),
        (Some(second), first) => [first.as_ref(), second.ok()?.as_ref()].concat(),
    };
    for part in parts {
        joined.extend_from_slice(&part.ok()?);
    }
    Some(SectionBytes::Owned(joined))
}
