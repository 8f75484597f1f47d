//! What the running kernel can do for the tracer, found by trying rather than by its version.

use std::os::fd::{AsFd, OwnedFd};

use super::sys::{self, MultiSites, ProgramSource};

/// Found once, at a command's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// One link for many sites, Linux 6.6.
    pub uprobe_multi: bool,
    /// Programs on multi links that may sleep, and the type information that says when they should not.
    pub fault_in: bool,
    /// Multi links see only one thread of a process, Linux 6.6 to 6.9: they must watch all processes, and the programs
    /// pick ours.
    pub filters_by_thread: bool,
    /// 5-byte nops under a probe become calls, Linux 6.18: wrong for targets that fork.
    pub patches_nops: bool,
}

impl Features {
    /// Asks the kernel. Without the needed capabilities everything seems missing.
    pub fn probe() -> Self {
        let uprobe_multi = has_uprobe_multi();
        Self {
            uprobe_multi,
            fault_in: uprobe_multi && return_0(true).is_some() && has_type_information(),
            filters_by_thread: version() < (6, 10),
            patches_nops: version() >= (6, 18),
        }
    }
}

/// Whether sites can be attached one by one (`CONFIG_UPROBE_EVENTS`), the way without multi links.
pub fn has_uprobe_events() -> bool {
    std::path::Path::new("/sys/bus/event_source/devices/uprobe/type").exists()
}

/// Whether a ring buffer can be created; `None` if that could not be tried.
pub fn has_ring_buffer() -> Option<bool> {
    aya::sys::is_map_supported(aya::maps::MapType::RingBuf).ok()
}

/// Whether the kernel describes its own structures.
pub fn has_type_information() -> bool {
    std::path::Path::new("/sys/kernel/btf/vmlinux").exists()
}

/// Whether BPF programs are compiled to machine code; `None` if the setting cannot be read.
pub fn jit() -> Option<bool> {
    let setting = std::fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").ok()?;
    Some(setting.trim() != "0")
}

/// The helper that tells a stack's mapping. By version: a program that only calls it would need a callback.
pub(super) fn has_find_vma() -> bool {
    version() >= (5, 17)
}

/// `6.18.44-…`, as `uname -r` says it.
pub fn kernel_release() -> String {
    // SAFETY: utsname is plain bytes, for which zeroes are valid.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `name` is a valid utsname to write to.
    if unsafe { libc::uname(&mut name) } < 0 {
        return "unknown".into();
    }
    name.release.iter().take_while(|byte| **byte != 0).map(|byte| *byte as u8 as char).collect()
}

/// Major and minor number; (0, 0) if the release is not of that form.
pub fn version() -> (u32, u32) {
    let release = kernel_release();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// `r0 = 0; exit`.
const RETURN_0: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// `return 0`, loaded for a multi link.
fn return_0(sleepable: bool) -> Option<OwnedFd> {
    let instructions = aya_obj::copy_instructions(&RETURN_0).ok()?;
    let source = ProgramSource {
        name: "probe",
        instructions: &instructions,
        license: c"Dual MIT/GPL",
        btf: None,
        functions: (&[], 0),
        multi: true,
        sleepable,
    };
    sys::program_load(&source, &mut []).ok()
}

/// Attaches a program to a path that is no file: a kernel with multi links looks at the path and says so (ENOENT), one
/// without refuses the attach type.
fn has_uprobe_multi() -> bool {
    let Some(program) = return_0(false) else { return false };
    let sites = MultiSites {
        path: c"/nonexistent",
        offsets: &[1],
        semaphores: &[],
        cookies: &[0],
        on_return: false,
        process_id: 0,
    };
    match sys::link_multi(program.as_fd(), &sites) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() == Some(libc::ENOENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multi_links_are_found_where_the_version_promises_them() {
        let features = Features::probe();
        assert_eq!(features.uprobe_multi, version() >= (6, 6));
        assert_eq!(features.fault_in, version() >= (6, 6) && has_type_information());
    }
}
