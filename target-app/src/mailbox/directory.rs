//! The open mailboxes of this process, and the thread that reports their levels while somebody
//! listens. It is no task, so that it reports from a wedged runtime, too.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::{Mailbox, probes};

const LEVEL_INTERVAL: Duration = Duration::from_millis(100);

static OPEN: Mutex<Vec<Weak<Mailbox>>> = Mutex::new(Vec::new());
static TICKER: Once = Once::new();

pub(super) fn add(mailbox: &Arc<Mailbox>) {
    list().push(Arc::downgrade(mailbox));
    TICKER.call_once(|| {
        // Without the thread the program lacks `level` and nothing else.
        let _ = thread::Builder::new().name("mailbox-levels".into()).spawn(report_levels);
    });
}

pub(super) fn remove(id: u64) {
    list().retain(|entry| entry.upgrade().is_some_and(|mailbox| mailbox.id != id));
}

pub(super) fn all() -> Vec<Arc<Mailbox>> {
    list().iter().filter_map(Weak::upgrade).collect()
}

fn list() -> MutexGuard<'static, Vec<Weak<Mailbox>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report_levels() {
    loop {
        thread::sleep(LEVEL_INTERVAL);
        if probes::level_is_observed() {
            for mailbox in all() {
                probes::level(&mailbox, mailbox.level());
            }
        }
    }
}
