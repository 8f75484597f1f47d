//! The actor that records every registration where nobody can ever change it, at a price: this is the
//! bottleneck that the example is about.

use sha3::{Digest, Sha3_256};
use uuid::Uuid;

use crate::actor::Inbox;

pub const NAME: &str = "AuditLog";
pub const CAPACITY: usize = 32;

/// About 80 ms of one core.
const PROOF_OF_WORK_ROUNDS: u32 = 200_000;

/// A tree has been registered.
#[derive(Debug)]
pub struct LogRegistration(pub Uuid);

pub async fn run(mut inbox: Inbox<LogRegistration, ()>) {
    let mut audit_log = AuditLog;
    while let Some((call, _handling)) = inbox.receive().await {
        audit_log.handle_call(call.request);
        call.reply_to.answer(());
    }
}

struct AuditLog;

impl AuditLog {
    #[cfg_attr(not(feature = "inlinable"), inline(never))]
    fn handle_call(&mut self, LogRegistration(uuid): LogRegistration) {
        store_to_the_blockchain(uuid);
    }
}

/// # Panics
///
/// The chain has no place for the nil uuid: such a call crashes the actor, which shows its supervisor at work.
#[cfg_attr(not(feature = "inlinable"), inline(never))]
fn store_to_the_blockchain(uuid: Uuid) {
    assert!(!uuid.is_nil(), "the nil uuid cannot be stored to the blockchain");
    waste_electricity_and_pollute(uuid);
}

#[cfg_attr(not(feature = "inlinable"), inline(never))]
fn waste_electricity_and_pollute(uuid: Uuid) {
    let mut digest = Sha3_256::digest(uuid.as_bytes());
    for _ in 1..PROOF_OF_WORK_ROUNDS {
        digest = Sha3_256::digest(digest);
    }
    std::hint::black_box(digest);
}
