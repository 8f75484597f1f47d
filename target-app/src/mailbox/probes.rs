//! The USDT probes of a mailbox, as docs/mailbox-probes.md fixes them. One function fires one probe:
//! neither generic nor inlined, so that each probe has one site, whatever the number of message types.

use std::sync::atomic::{Ordering, compiler_fence};
use std::time::{Duration, Instant};

use super::{Level, Mailbox};

/// A duration that the mailbox did not measure.
const NOT_KNOWN_NS: u64 = u64::MAX;

#[usdt::provider(provider = "mailbox")]
mod usdt_mailbox {
    fn open(id: u64, name: u64, length: u64, capacity: u64, message_type: u64) {}
    fn send(id: u64, name: u64, length: u64, capacity: u64, message_type: u64, waited_ns: u64) {}
    fn receive(id: u64, name: u64, length: u64, capacity: u64, message_type: u64, waited_ns: u64) {}
    fn handled(id: u64, name: u64, length: u64, capacity: u64, message_type: u64, handled_ns: u64) {}
    fn level(id: u64, name: u64, length: u64, capacity: u64, sent: u64, received: u64) {}
    fn close(id: u64, name: u64, length: u64, capacity: u64, sent: u64, received: u64) {}
}

// Crate usdt defines a semaphore next to each probe, but offers no way to ask for it without firing.
unsafe extern "C" {
    static __usdt_sema_mailbox_handled: u16;
    static __usdt_sema_mailbox_level: u16;
}

/// Whether somebody listens to `handled`: only then is the clock worth reading.
pub(super) fn handled_is_observed() -> bool {
    // SAFETY: the semaphore lives as long as the program; only the kernel writes it, hence volatile.
    unsafe { (&raw const __usdt_sema_mailbox_handled).read_volatile() != 0 }
}

/// Whether somebody listens to `level`: only then are the mailboxes worth walking.
pub(super) fn level_is_observed() -> bool {
    // SAFETY: as above.
    unsafe { (&raw const __usdt_sema_mailbox_level).read_volatile() != 0 }
}

#[inline(never)]
pub(super) fn open(mailbox: &Mailbox) {
    // The probe's assembly claims to read no memory: without the fence the strings may not be written yet.
    compiler_fence(Ordering::SeqCst);
    usdt_mailbox::open!(|| (
        mailbox.id,
        mailbox.name.as_ptr() as u64,
        0u64,
        mailbox.capacity,
        mailbox.message_type.as_ptr() as u64,
    ));
}

#[inline(never)]
pub(super) fn send(mailbox: &Mailbox, waited: Duration) {
    usdt_mailbox::send!(|| (
        mailbox.id,
        mailbox.name.as_ptr() as u64,
        mailbox.level().length,
        mailbox.capacity,
        mailbox.message_type.as_ptr() as u64,
        nanoseconds(waited),
    ));
}

#[inline(never)]
pub(super) fn receive(mailbox: &Mailbox, sent_at: Instant) {
    usdt_mailbox::receive!(|| (
        mailbox.id,
        mailbox.name.as_ptr() as u64,
        mailbox.level().length,
        mailbox.capacity,
        mailbox.message_type.as_ptr() as u64,
        nanoseconds(sent_at.elapsed()),
    ));
}

#[inline(never)]
pub(super) fn handled(mailbox: &Mailbox, received_at: Option<Instant>) {
    usdt_mailbox::handled!(|| (
        mailbox.id,
        mailbox.name.as_ptr() as u64,
        mailbox.level().length,
        mailbox.capacity,
        mailbox.message_type.as_ptr() as u64,
        received_at.map_or(NOT_KNOWN_NS, |at| nanoseconds(at.elapsed())),
    ));
}

#[inline(never)]
pub(super) fn level(mailbox: &Mailbox, level: Level) {
    usdt_mailbox::level!(|| (
        mailbox.id,
        mailbox.name.as_ptr() as u64,
        level.length,
        mailbox.capacity,
        level.sent,
        level.received,
    ));
}

#[inline(never)]
pub(super) fn close(mailbox: &Mailbox, level: Level) {
    usdt_mailbox::close!(|| (
        mailbox.id,
        mailbox.name.as_ptr() as u64,
        level.length,
        mailbox.capacity,
        level.sent,
        level.received,
    ));
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NOT_KNOWN_NS)
}
