//! BPF links, programs and maps by their ids: who holds them, and whether they still exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A link, program or map, by the `BPF_*_GET_FD_BY_ID` command of linux/bpf.h and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    command: i64,
    id: u32,
}

const KINDS: [(&str, i64); 3] = [("prog_id:", 13), ("map_id:", 14), ("link_id:", 30)];

/// What a process holds open.
pub fn held_by(pid: u32) -> BTreeSet<Object> {
    let mut objects = BTreeSet::new();
    for entry in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fdinfo")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        for line in text.lines() {
            for (name, command) in KINDS {
                if let Some(id) = line.strip_prefix(name).and_then(|id| id.trim().parse().ok()) {
                    objects.insert(Object { command, id });
                }
            }
        }
    }
    objects
}

impl Object {
    pub fn is_link(self) -> bool {
        self.command == 30
    }

    /// Whether the kernel still has it.
    pub fn exists(self) -> bool {
        // `union bpf_attr` of the GET_FD_BY_ID commands: the id, next_id, open_flags.
        let attributes = [self.id, 0, 0, 0];
        // SAFETY: the attributes are valid for the length given; a descriptor that comes back is closed at once.
        unsafe {
            let descriptor =
                libc::syscall(libc::SYS_bpf, self.command, attributes.as_ptr(), std::mem::size_of_val(&attributes));
            if descriptor >= 0 {
                libc::close(descriptor as libc::c_int);
            }
            descriptor >= 0
        }
    }
}
