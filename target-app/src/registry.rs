//! The actor system as a whole: starts it, passes calls to it, knows its figures, shuts it down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::actor::{Address, CALL_TIMEOUT, CallError, supervise};
use crate::audit_log;
use crate::mailbox::{self, Snapshot};
use crate::registration::{self, RegisterTree, RegistrationReply};
use crate::store::{self, NotFound, StoreReply, StoreRequest};
use crate::tree::{InvalidTree, Tree};

/// The way into the running actors. Clones share them; they end when the last one is dropped.
#[derive(Clone)]
pub struct Registry {
    registration: Address<RegisterTree, RegistrationReply>,
    store: Address<StoreRequest, StoreReply>,
    counters: Arc<Counters>,
}

/// The supervisors of the running actors.
pub struct Supervisors(Vec<JoinHandle<()>>);

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Invalid(#[from] InvalidTree),
    #[error(transparent)]
    Call(#[from] CallError),
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    Call(#[from] CallError),
}

#[derive(Default)]
pub struct Counters {
    registered: AtomicU64,
    failed: AtomicU64,
    trees: AtomicU64,
}

/// What the app knows about itself.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Registrations answered with success since the start.
    pub registered: u64,
    /// Registrations answered with an error, or not in time.
    pub failed: u64,
    /// Trees in the store.
    pub trees: u64,
    pub mailboxes: Vec<Snapshot>,
}

/// Starts the actors on the current tokio runtime.
pub fn start() -> (Registry, Supervisors) {
    let counters = Arc::new(Counters::default());
    let of_store = Arc::clone(&counters);
    let (store, store_supervisor) =
        supervise(store::NAME, store::CAPACITY, move |inbox| store::run(inbox, Arc::clone(&of_store)));
    let (audit_log, audit_log_supervisor) = supervise(audit_log::NAME, audit_log::CAPACITY, audit_log::run);
    let of_registration = store.clone();
    let (registration, registration_supervisor) = supervise(registration::NAME, registration::CAPACITY, move |inbox| {
        registration::run(inbox, of_registration.clone(), audit_log.clone())
    });
    let supervisors = vec![store_supervisor, audit_log_supervisor, registration_supervisor];
    (Registry { registration, store, counters }, Supervisors(supervisors))
}

impl Registry {
    /// Registers a tree: when this returns it is stored and logged.
    pub async fn register(&self, tree: Tree) -> Result<(), RegisterError> {
        let outcome = self.try_register(tree).await;
        let counter = if outcome.is_ok() { &self.counters.registered } else { &self.counters.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    async fn try_register(&self, tree: Tree) -> Result<(), RegisterError> {
        tree.validate()?;
        self.registration.call(RegisterTree(tree)).await??;
        Ok(())
    }

    pub async fn load(&self, uuid: Uuid) -> Result<Tree, LoadError> {
        Ok(self.store.call(StoreRequest::Load(uuid)).await??)
    }

    /// Asks no actor, so that it answers when they are stuck and leaves their mailboxes as they are.
    pub fn stats(&self) -> Stats {
        Stats {
            registered: self.counters.registered.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
            trees: self.counters.trees.load(Ordering::Relaxed),
            mailboxes: mailbox::snapshots(),
        }
    }
}

impl Supervisors {
    /// Waits until all actors have ended; false if they have not within the time-out of a call.
    pub async fn ended(self) -> bool {
        let all = async {
            for supervisor in self.0 {
                let _ = supervisor.await;
            }
        };
        timeout(CALL_TIMEOUT + Duration::from_secs(1), all).await.is_ok()
    }
}

impl Counters {
    pub(crate) fn set_trees(&self, trees: usize) {
        self.trees.store(trees as u64, Ordering::Relaxed);
    }
}
