//! The few bpf(2) and perf_event_open(2) calls that aya 0.14 lacks: `uprobe_multi` links, and programs loaded for
//! them. Thin: arguments in, file descriptor or error out.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn, bpf_prog_info, bpf_prog_type};

/// `BPF_TRACE_UPROBE_MULTI`, Linux 6.6.
const TRACE_UPROBE_MULTI: u32 = 48;
/// `BPF_F_SLEEPABLE`.
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_F_UPROBE_MULTI_RETURN`.
const UPROBE_MULTI_RETURN: u32 = 1;

/// What a program is loaded from.
pub(super) struct ProgramSource<'a> {
    pub name: &'a str,
    pub instructions: &'a [bpf_insn],
    pub license: &'a CStr,
    pub btf: Option<BorrowedFd<'a>>,
    /// `.BTF.ext` function records and the size of one.
    pub functions: (&'a [u8], usize),
    /// For `uprobe_multi` links; otherwise for perf events.
    pub multi: bool,
    /// May fault pages in (`BPF_F_SLEEPABLE`).
    pub sleepable: bool,
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<RawFd> {
    // SAFETY: `attr` is a whole, initialized bpf_attr; what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_long, attr, size_of::<bpf_attr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as RawFd) }
}

fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel just returned this descriptor, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn zeroed() -> bpf_attr {
    // SAFETY: bpf_attr is a union of integers, for which all zeroes is valid.
    unsafe { std::mem::zeroed() }
}

/// `BPF_BTF_LOAD`.
pub(super) fn btf_load(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: the variant of the union that this command reads.
    let load = unsafe { &mut attr.__bindgen_anon_7 };
    load.btf = btf.as_ptr() as u64;
    load.btf_size = btf.len() as u32;
    bpf(bpf_cmd::BPF_BTF_LOAD, &mut attr).map(owned)
}

/// `BPF_PROG_LOAD`. `log` receives the verifier's words if it is not empty.
pub(super) fn program_load(source: &ProgramSource<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: the variant of the union that this command reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    for (to, from) in load.prog_name.iter_mut().zip(source.name.bytes().take(15)) {
        *to = from as _;
    }
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    load.expected_attach_type = if source.multi { TRACE_UPROBE_MULTI } else { 0 };
    load.prog_flags = if source.sleepable { SLEEPABLE } else { 0 };
    load.insns = source.instructions.as_ptr() as u64;
    load.insn_cnt = source.instructions.len() as u32;
    load.license = source.license.as_ptr() as u64;
    load.prog_btf_fd = source.btf.map_or(0, |btf| btf.as_raw_fd() as u32);
    let (functions, record_bytes) = source.functions;
    if record_bytes > 0 {
        load.func_info = functions.as_ptr() as u64;
        load.func_info_rec_size = record_bytes as u32;
        load.func_info_cnt = (functions.len() / record_bytes) as u32;
    }
    if !log.is_empty() {
        load.log_level = 1;
        load.log_buf = log.as_mut_ptr() as u64;
        load.log_size = log.len() as u32;
    }
    bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr).map(owned)
}

/// `BPF_TRACE_ITER`.
const TRACE_ITER: u32 = 28;

/// `BPF_PROG_LOAD` of an iterator over what the kernel's function `iterator`, by its BTF number, hands out.
pub(super) fn iterator_load(instructions: &[u8], iterator: u32) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: the variant of the union that this command reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
    load.expected_attach_type = TRACE_ITER;
    load.attach_btf_id = iterator;
    load.insns = instructions.as_ptr() as u64;
    load.insn_cnt = (instructions.len() / size_of::<bpf_insn>()) as u32;
    load.license = c"Dual MIT/GPL".as_ptr() as u64;
    bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr).map(owned)
}

/// `BPF_LINK_CREATE` of an iterator over one task (Linux 6.1).
pub(super) fn link_task_iterator(program: BorrowedFd<'_>, tid: u32) -> io::Result<OwnedFd> {
    // `union bpf_iter_link_info`: of a task iterator the thread, then the process, then a pidfd.
    let info = [tid, 0, 0];
    let mut attr = zeroed();
    // SAFETY: the variants of the unions that this command reads for this attach type.
    unsafe {
        let create = &mut attr.link_create;
        create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
        create.attach_type = TRACE_ITER;
        create.__bindgen_anon_3.__bindgen_anon_1.iter_info = info.as_ptr() as u64;
        create.__bindgen_anon_3.__bindgen_anon_1.iter_info_len = size_of_val(&info) as u32;
    }
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// `BPF_ITER_CREATE`: what is read from the descriptor is what the program writes.
pub(super) fn iterator_create(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    attr.iter_create.link_fd = link.as_raw_fd() as u32;
    bpf(bpf_cmd::BPF_ITER_CREATE, &mut attr).map(owned)
}

/// Writes the only element of a data section's map, and makes it read-only if asked: the verifier then knows its bytes.
pub(super) fn fill_data_map(map: BorrowedFd<'_>, data: &[u8], read_only: bool) -> io::Result<()> {
    let key = 0u32;
    let mut attr = zeroed();
    // SAFETY: the variant of the union that this command reads.
    let element = unsafe { &mut attr.__bindgen_anon_2 };
    element.map_fd = map.as_raw_fd() as u32;
    element.key = &raw const key as u64;
    element.__bindgen_anon_1.value = data.as_ptr() as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr)?;
    if read_only {
        let mut attr = zeroed();
        // SAFETY: as above.
        unsafe { &mut attr.__bindgen_anon_2 }.map_fd = map.as_raw_fd() as u32;
        bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attr)?;
    }
    Ok(())
}

/// Writes the first elements of an array map that was created with `BPF_F_MMAPABLE`: one copy, whatever their number.
pub(super) fn fill_array<T: Copy>(map: BorrowedFd<'_>, elements: &[T]) -> io::Result<()> {
    const { assert!(size_of::<T>().is_multiple_of(8), "the kernel aligns elements to 8 bytes") };
    let bytes = size_of_val(elements);
    if bytes == 0 {
        return Ok(());
    }
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new shared mapping of the map.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, map.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is `bytes` long, and nothing else refers to it.
    unsafe {
        std::ptr::copy_nonoverlapping(elements.as_ptr(), start.cast(), elements.len());
        libc::munmap(start, bytes);
    }
    Ok(())
}

/// What the kernel tells of a loaded program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramFacts {
    pub id: u32,
    /// Hits that came while the program ran on the same CPU, which the kernel then skips.
    pub recursion_misses: u64,
}

/// `BPF_OBJ_GET_INFO_BY_FD` of a program.
pub(super) fn program_facts(program: BorrowedFd<'_>) -> io::Result<ProgramFacts> {
    // SAFETY: bpf_prog_info is plain integers, for which zeroes are valid.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let mut attr = zeroed();
    attr.info.bpf_fd = program.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_prog_info>() as u32;
    attr.info.info = &raw mut info as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(ProgramFacts { id: info.id, recursion_misses: info.recursion_misses })
}

/// The sites of one `uprobe_multi` link; the three slices are of one length.
pub(super) struct MultiSites<'a> {
    pub path: &'a CStr,
    pub offsets: &'a [u64],
    /// Semaphores by site, 0 for none; empty if no site has one.
    pub semaphores: &'a [u64],
    pub cookies: &'a [u64],
    /// Through the return trampoline.
    pub on_return: bool,
    pub process_id: u32,
}

/// `BPF_LINK_CREATE` of a `uprobe_multi` link. All sites or none: ENOTSUPP (524) if one is refused.
pub(super) fn link_multi(program: BorrowedFd<'_>, sites: &MultiSites<'_>) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: the variants of the unions that this command reads for this attach type.
    let multi = unsafe {
        let create = &mut attr.link_create;
        create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
        create.attach_type = TRACE_UPROBE_MULTI;
        &mut create.__bindgen_anon_3.uprobe_multi
    };
    multi.path = sites.path.as_ptr() as u64;
    multi.offsets = sites.offsets.as_ptr() as u64;
    multi.ref_ctr_offsets = if sites.semaphores.is_empty() { 0 } else { sites.semaphores.as_ptr() as u64 };
    multi.cookies = sites.cookies.as_ptr() as u64;
    multi.cnt = sites.offsets.len() as u32;
    multi.flags = if sites.on_return { UPROBE_MULTI_RETURN } else { 0 };
    multi.pid = sites.process_id;
    bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)
}

/// One uprobe as a perf event with a BPF link on it (Linux 5.15): the way without `uprobe_multi`.
pub(super) struct PerfSite<'a> {
    pub path: &'a CStr,
    pub offset: u64,
    /// 0 for none.
    pub semaphore: u64,
    pub cookie: u64,
    pub on_return: bool,
    pub process_id: u32,
}

/// The perf event and its link; both must stay open.
pub(super) fn link_perf_event(program: BorrowedFd<'_>, site: &PerfSite<'_>) -> io::Result<(OwnedFd, OwnedFd)> {
    let event = uprobe_event(site)?;
    let mut attr = zeroed();
    // SAFETY: the variants of the unions that this command reads for this attach type.
    unsafe {
        let create = &mut attr.link_create;
        create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
        create.__bindgen_anon_2.target_fd = event.as_raw_fd() as u32;
        create.attach_type = bpf_attach_type::BPF_PERF_EVENT as u32;
        create.__bindgen_anon_3.perf_event.bpf_cookie = site.cookie;
    }
    let link = bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr).map(owned)?;
    // SAFETY: the descriptor is a perf event, the request takes no argument.
    if unsafe { libc::ioctl(event.as_raw_fd(), PERF_EVENT_IOC_ENABLE, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((event, link))
}

const PERF_EVENT_IOC_ENABLE: libc::Ioctl = 0x2400;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
/// The semaphore's offset stands in the upper half of `config`.
const REF_CTR_OFFSET_SHIFT: u32 = 32;

/// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER1`, with the union members that uprobes use.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    uprobe_path: u64,
    probe_offset: u64,
}

fn uprobe_event(site: &PerfSite<'_>) -> io::Result<OwnedFd> {
    let attr = PerfEventAttr {
        kind: uprobe_event_type()?,
        size: size_of::<PerfEventAttr>() as u32,
        config: (site.semaphore << REF_CTR_OFFSET_SHIFT) | u64::from(site.on_return),
        uprobe_path: site.path.as_ptr() as u64,
        probe_offset: site.offset,
        ..PerfEventAttr::default()
    };
    // SAFETY: `attr` is as large as it says, and its path outlives the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            site.process_id as libc::pid_t,
            -1 as libc::c_int,
            -1 as libc::c_int,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(owned(fd as RawFd)) }
}

/// Number of the perf event type "uprobe" on this kernel.
fn uprobe_event_type() -> io::Result<u32> {
    let path = Path::new("/sys/bus/event_source/devices/uprobe/type");
    std::fs::read_to_string(path)?.trim().parse().map_err(io::Error::other)
}
