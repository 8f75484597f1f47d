//! Whose hit it is: only the process that was asked for produces events.

use aya_ebpf::bindings::bpf_pidns_info;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_get_ns_current_pid_tgid;
use tracer_ebpf::abi::control::Control;

/// Process id in the high word, thread id in the low one, or `None` for a hit of any other process.
// The link's own pid filter is not enough: Linux 6.6–6.9 filtered by thread, and a vforked child shares the memory.
#[inline(always)]
pub fn identify(control: &Control) -> Option<u64> {
    let pid_tgid = if control.namespace_inode == 0 {
        bpf_get_current_pid_tgid()
    } else {
        let mut ids = bpf_pidns_info { pid: 0, tgid: 0 };
        // SAFETY: `ids` is as large as the size says.
        let failed = unsafe {
            bpf_get_ns_current_pid_tgid(
                control.namespace_device,
                control.namespace_inode,
                &mut ids,
                size_of::<bpf_pidns_info>() as u32,
            )
        };
        if failed != 0 {
            return None;
        }
        (u64::from(ids.tgid) << 32) | u64::from(ids.pid)
    };
    (pid_tgid >> 32 == control.process_id).then_some(pid_tgid)
}
