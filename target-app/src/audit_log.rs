//! The actor that records every registration where nobody can ever change it, at a price: this is the
//! bottleneck that the example is about.

use std::sync::atomic::{AtomicU64, Ordering};

use sha3::{Digest, Sha3_256};
use uuid::Uuid;

use crate::actor::Inbox;

pub const NAME: &str = "AuditLog";
pub const CAPACITY: usize = 32;

/// About 80 ms of one core.
const PROOF_OF_WORK_ROUNDS: u32 = 200_000;

/// All of the blockchain that is kept.
static BLOCKS: AtomicU64 = AtomicU64::new(0);

/// A tree has been registered. The reply is the number of the entry, counted since the actor started.
#[derive(Debug)]
pub struct LogRegistration(pub Uuid);

pub async fn run(mut inbox: Inbox<LogRegistration, u64>) {
    let mut audit_log = AuditLog::default();
    while let Some((call, _handling)) = inbox.receive().await {
        let entry = audit_log.handle_call(call.request);
        call.reply_to.answer(entry);
    }
}

#[derive(Default)]
struct AuditLog {
    entries: u64,
}

impl AuditLog {
    #[cfg_attr(not(feature = "inlinable"), inline(never))]
    fn handle_call(&mut self, request: LogRegistration) -> u64 {
        let LogRegistration(uuid) = request;
        store_to_the_blockchain(uuid);
        self.entries += 1;
        self.entries
    }
}

/// # Panics
///
/// The chain has no place for the nil uuid: such a call crashes the actor, which shows its supervisor at work.
#[cfg_attr(not(feature = "inlinable"), inline(never))]
fn store_to_the_blockchain(uuid: Uuid) {
    assert!(!uuid.is_nil(), "the nil uuid cannot be stored to the blockchain");
    waste_electricity_and_pollute(uuid);
    BLOCKS.fetch_add(1, Ordering::Relaxed);
}

#[cfg_attr(not(feature = "inlinable"), inline(never))]
fn waste_electricity_and_pollute(uuid: Uuid) {
    let mut digest = Sha3_256::digest(uuid.as_bytes());
    for _ in 1..PROOF_OF_WORK_ROUNDS {
        digest = Sha3_256::digest(digest);
    }
    std::hint::black_box(digest);
}
