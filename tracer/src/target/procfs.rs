//! Parsers for the texts of /proc that describe a process (proc(5)). Pure: bytes in, values out.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::address::{FileOffset, RuntimeAddress};
use super::files::FileId;

/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`, field 9 of stat.
const KERNEL_THREAD_FLAG: u64 = 0x0020_0000;

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub comm: String,
    /// `R`, `S`, `D`, `Z`, …
    pub state: u8,
    pub is_kernel_thread: bool,
    /// In clock ticks since boot: together with the pid it names one process for good.
    pub start_ticks: u64,
}

/// Parses `/proc/PID/stat`. The command may hold blanks and parentheses, so the last `)` ends it.
pub fn stat(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        comm,
        state: *fields.first()?.as_bytes().first()?,
        is_kernel_thread: number(9)? & KERNEL_THREAD_FLAG != 0,
        start_ticks: number(22)?,
    })
}

/// What `/proc/PID/status` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The process that this thread belongs to.
    pub thread_group: u32,
    /// Effective user id.
    pub user: u32,
    /// Effective capabilities, one bit each (capabilities(7)).
    pub capabilities: u64,
    /// Whether a seccomp filter or mode restricts its system calls.
    pub filters_system_calls: bool,
    /// The process's number in each pid namespace that it is in, ours first, its own last.
    pub namespace_pids: Vec<u32>,
}

pub fn status(text: &str) -> Option<Status> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::split_ascii_whitespace)
    };
    Some(Status {
        thread_group: field("Tgid")?.next()?.parse().ok()?,
        user: field("Uid")?.nth(1)?.parse().ok()?,
        capabilities: hexadecimal(field("CapEff")?.next()?)?,
        filters_system_calls: field("Seccomp").and_then(|mut mode| mode.next()).is_some_and(|mode| mode != "0"),
        namespace_pids: field("NSpid")?.map_while(|pid| pid.parse().ok()).collect(),
    })
}

/// The arguments in `/proc/PID/cmdline`.
pub fn cmdline(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|&byte| byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// One line of `/proc/PID/maps`: a stretch of the process's address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub start: RuntimeAddress,
    pub end: RuntimeAddress,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    /// What of the file is at `start`.
    pub offset: FileOffset,
    /// The mapped file, as the memory manager knows it; btrfs and overlayfs tell stat(2) another device.
    pub file: Option<FileId>,
    /// A file's path, or a name such as `[heap]`; none for anonymous memory.
    pub path: Option<PathBuf>,
    /// The file has no name any more: it was deleted or replaced after it was mapped.
    pub deleted: bool,
}

impl Mapping {
    pub fn contains(&self, address: RuntimeAddress) -> bool {
        self.start <= address && address < self.end
    }
}

/// Parses `/proc/PID/maps`, skipping lines of an unknown form.
pub fn maps(text: &[u8]) -> Vec<Mapping> {
    text.split(|&byte| byte == b'\n').filter_map(mapping).collect()
}

fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut text = || std::str::from_utf8(fields.next()?).ok();
    let (start, end) = text()?.split_once('-')?;
    let permissions = text()?.as_bytes();
    let offset = hexadecimal(text()?)?;
    let (major, minor) = text()?.split_once(':')?;
    let device = libc::makedev(u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let inode = text()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    let (path, deleted) = match path.strip_suffix(b" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    };
    Some(Mapping {
        start: RuntimeAddress(hexadecimal(start)?),
        end: RuntimeAddress(hexadecimal(end)?),
        readable: permissions.first() == Some(&b'r'),
        writable: permissions.get(1) == Some(&b'w'),
        executable: permissions.get(2) == Some(&b'x'),
        offset: FileOffset(offset),
        file: (inode != 0).then_some(FileId { device, inode }),
        path: (!path.is_empty()).then(|| PathBuf::from(unescaped(path))),
        deleted,
    })
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// The kernel writes a line feed in a path as `\012` (`seq_file_path` in fs/proc/task_mmu.c) and nothing else.
fn unescaped(path: &[u8]) -> OsString {
    let mut rest = path;
    let mut plain = Vec::with_capacity(path.len());
    while let Some((&byte, tail)) = rest.split_first() {
        match rest.strip_prefix(b"\\012") {
            Some(tail) => {
                plain.push(b'\n');
                rest = tail;
            }
            None => {
                plain.push(byte);
                rest = tail;
            }
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_with_parentheses_and_blanks_is_read_whole() {
        let text = b"42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 7 8 0 0 20 0 3 0 123456 1 1";
        let expected = Stat { comm: "a) b (c".to_owned(), state: b'S', is_kernel_thread: false, start_ticks: 123_456 };
        assert_eq!(stat(text), Some(expected));
        assert_eq!(stat(b"42 (cut off"), None);
    }

    #[test]
    fn the_flag_of_kernel_threads_is_seen() {
        let text = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0";
        assert!(stat(text).is_some_and(|stat| stat.is_kernel_thread));
    }

    #[test]
    fn all_forms_of_mapping_are_read() {
        let text = b"55d0c0000000-55d0c0021000 r-xp 00001000 fd:01 1311 /opt/my app/x\\012y (deleted)\n\
            7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0                          [stack]\n\
            7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n\
            nonsense\n";
        let [program, stack, anonymous] = maps(text).try_into().expect("three mappings");
        assert_eq!(program.path, Some(PathBuf::from("/opt/my app/x\ny")));
        assert_eq!(program.file, Some(FileId { device: libc::makedev(0xfd, 1), inode: 1311 }));
        assert!(program.deleted && program.executable && !program.writable);
        assert_eq!(program.offset, FileOffset(0x1000));
        assert_eq!(stack.path, Some(PathBuf::from("[stack]")));
        assert_eq!((anonymous.path, anonymous.file, anonymous.readable), (None, None, false));
    }

    #[test]
    fn the_numbers_in_every_namespace_are_read() {
        let text = "Name:\tx\nTgid:\t70\nPid:\t71\nUid:\t0\t105\t0\t0\nNSpid:\t71\t8\t1\nSeccomp:\t2\nCapEff:\t0000000000080001\n";
        let expected = Status {
            thread_group: 70,
            user: 105,
            capabilities: 0x8_0001,
            filters_system_calls: true,
            namespace_pids: vec![71, 8, 1],
        };
        assert_eq!(status(text), Some(expected));
    }

    #[test]
    fn arguments_may_be_empty() {
        assert_eq!(cmdline(b"a\0\0b c\0"), ["a", "", "b c"]);
        assert!(cmdline(b"").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes: Vec<u8>, line in "[0-9a-f]{0,4}-[0-9a-f]{0,18} .{0,5} [0-9a-f]{0,3} [0-9a-f]{0,9}:[0-9]{0,2} [0-9]{0,3} .{0,9}") {
            let _ = (stat(&bytes), cmdline(&bytes), maps(&bytes), maps(line.as_bytes()));
            let _ = status(&String::from_utf8_lossy(&bytes));
        }
    }
}
