//! The actor that registers trees: saves each one, has it logged, and only then replies. While it waits
//! for the others its own mailbox fills.

use crate::actor::{Address, CallError, Inbox, seam};
use crate::audit_log::LogRegistration;
use crate::log;
use crate::store::{StoreReply, StoreRequest};
use crate::tree::Tree;

pub const NAME: &str = "TreeRegistration";
pub const CAPACITY: usize = 64;

#[derive(Debug)]
pub struct RegisterTree(pub Tree);

/// An error names the actor that failed.
pub type RegistrationReply = Result<(), CallError>;

pub async fn run(
    mut inbox: Inbox<RegisterTree, RegistrationReply>,
    store: Address<StoreRequest, StoreReply>,
    audit_log: Address<LogRegistration, u64>,
) {
    let mut registration = TreeRegistration { store, audit_log };
    while let Some((call, _handling)) = inbox.receive().await {
        let reply = seam(registration.handle_call(call.request)).await;
        call.reply_to.answer(reply);
    }
}

struct TreeRegistration {
    store: Address<StoreRequest, StoreReply>,
    audit_log: Address<LogRegistration, u64>,
}

impl TreeRegistration {
    async fn handle_call(&mut self, request: RegisterTree) -> RegistrationReply {
        let RegisterTree(tree) = request;
        let uuid = tree.uuid;
        log::info(format_args!("Registering tree {uuid}"));
        // Saving cannot fail once the store has it: only `Load` answers `NotFound`.
        let _saved = self.store.call(StoreRequest::Save(tree)).await?;
        let _entry = self.audit_log.call(LogRegistration(uuid)).await?;
        Ok(())
    }
}
