//! The mailbox probes (docs/mailbox-probes.md), aggregated here: a message costs the same however many mailboxes
//! there are, and nothing is sent to user space.

use core::array;

use aya_ebpf::helpers::generated::bpf_probe_read_user_str;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use tracer_ebpf::abi::mailbox::{Mailbox, MailboxEvent, NAME_BYTES_MAX, UNKNOWN_NS, slot};
use tracer_ebpf::abi::thread::Scratch;

use super::{Hit, now_ns};
use crate::registers::zero;
use crate::{budget, interpret, maps, registers};

/// `BPF_NOEXIST`: an element that another CPU inserted meanwhile stays.
const NO_EXIST: u64 = 1;

#[uprobe]
pub fn mailbox(context: ProbeContext) -> u32 {
    if let Some(hit) = Hit::of(&context) {
        aggregate(&hit);
    }
    0
}

#[inline(always)]
fn aggregate(hit: &Hit) {
    let (thread, scratch) = (maps::THREADS.current(), maps::SCRATCH.current());
    if thread.is_null() || scratch.is_null() {
        budget::add(&hit.control.lost_threads, 1);
        return;
    }
    // SAFETY: `scratch` was checked for null.
    unsafe { (&raw mut (*scratch).slots).cast::<[u64; slot::COUNT]>().write(array::from_fn(|_| zero())) };
    registers::save(hit.context, thread);
    interpret::run(hit.control, thread, scratch, hit.plan);
    let Some(mailbox) = find(hit, scratch) else { return };
    update(hit, scratch, mailbox, now_ns());
}

#[inline(always)]
fn argument(scratch: *const Scratch, index: usize) -> u64 {
    // SAFETY: `index` is one of the constants of `slot`.
    unsafe { (*scratch).slots[index] }
}

#[inline(always)]
fn find(hit: &Hit, scratch: *const Scratch) -> Option<&'static mut Mailbox> {
    let id = argument(scratch, slot::ID);
    if let Some(mailbox) = maps::MAILBOXES.get_ptr_mut(&id) {
        // SAFETY: the memory of an element is a mailbox's as long as the map exists, and one is deleted only when it
        // was closed and silent for a whole interval.
        return Some(unsafe { &mut *mailbox });
    }
    insert(id, argument(scratch, slot::NAME));
    let Some(mailbox) = maps::MAILBOXES.get_ptr_mut(&id) else {
        budget::add(&hit.control.lost_mailboxes, 1);
        return None;
    };
    // SAFETY: as above.
    Some(unsafe { &mut *mailbox })
}

#[inline(never)]
fn insert(id: u64, name: u64) {
    let mut new = Mailbox {
        length: 0,
        time_ns: 0,
        capacity: 0,
        sent: 0,
        received: 0,
        handled: 0,
        sent_total: 0,
        received_total: 0,
        level_time_ns: 0,
        handled_ns: 0,
        epoch: 0,
        peak: 0,
        wait_max_ns: 0,
        closed: 0,
        name: [0; NAME_BYTES_MAX],
    };
    // A name that cannot be read stays empty: user space then shows the id.
    // SAFETY: the size is that of the array.
    unsafe { bpf_probe_read_user_str(new.name.as_mut_ptr().cast(), NAME_BYTES_MAX as u32, name as *const _) };
    let _ = maps::MAILBOXES.insert(&id, &new, NO_EXIST);
}

#[inline(always)]
fn update(hit: &Hit, scratch: *const Scratch, mailbox: &mut Mailbox, time_ns: u64) {
    let control = hit.control;
    let event = hit.plan.mailbox_event;
    mailbox.length = argument(scratch, slot::LENGTH);
    mailbox.capacity = argument(scratch, slot::CAPACITY);
    mailbox.time_ns = time_ns;
    if mailbox.epoch != control.epoch {
        mailbox.epoch = control.epoch;
        mailbox.peak = 0;
        mailbox.wait_max_ns = 0;
    }
    // Two CPUs may race here for one event; lengths are a level, and the next event corrects them.
    if mailbox.length > mailbox.peak {
        mailbox.peak = mailbox.length;
    }
    let time = argument(scratch, slot::TIME);
    if event == MailboxEvent::Send as u32 {
        budget::add(&mailbox.sent, 1);
    } else if event == MailboxEvent::Receive as u32 {
        budget::add(&mailbox.received, 1);
        if time != UNKNOWN_NS && time > mailbox.wait_max_ns {
            mailbox.wait_max_ns = time;
        }
    } else if event == MailboxEvent::Handled as u32 {
        budget::add(&mailbox.handled, 1);
        if time != UNKNOWN_NS {
            budget::add(&mailbox.handled_ns, time);
        }
    } else if event == MailboxEvent::Level as u32 || event == MailboxEvent::Close as u32 {
        mailbox.sent_total = argument(scratch, slot::SENT);
        mailbox.received_total = argument(scratch, slot::RECEIVED);
        mailbox.level_time_ns = time_ns;
        if event == MailboxEvent::Close as u32 {
            mailbox.closed = 1;
        }
    }
}
