//! The load: tasks that register random trees and say how long that took.

use std::error::Error;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Client;
use crate::log;
use crate::shutdown::Stop;
use crate::tree::Tree;

const SLOW: Duration = Duration::from_millis(300);
const TOO_SLOW: Duration = Duration::from_millis(600);

/// A task whose registration failed pauses at least that long: the service may be gone.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Registrations by all tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub registered: u64,
    pub failed: u64,
}

/// Runs one task per client, each registering a tree, then sleeping, until the stop.
/// Every task finishes the registration that it works on.
pub async fn run(clients: Vec<Client>, pause: Duration, stop: Stop) -> Totals {
    let mut tasks = JoinSet::new();
    for (index, client) in clients.into_iter().enumerate() {
        tasks.spawn(register_random_trees(index + 1, client, pause, stop.clone()));
    }
    let mut totals = Totals::default();
    while let Some(Ok(of_task)) = tasks.join_next().await {
        totals.registered += of_task.registered;
        totals.failed += of_task.failed;
    }
    totals
}

async fn register_random_trees(task: usize, mut client: Client, pause: Duration, mut stop: Stop) -> Totals {
    let mut totals = Totals::default();
    while !stop.is_requested() {
        let tree = Tree::random();
        let uuid = tree.uuid;
        let begun_at = Instant::now();
        match client.register(tree).await {
            Ok(()) => {
                totals.registered += 1;
                log::info(format_args!("Registered {uuid} in task {task}"));
                took(begun_at.elapsed());
                stop.sleep(pause).await;
            }
            Err(error) => {
                totals.failed += 1;
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                log::error(format_args!("Failed to register {uuid} in task {task}: {error}{cause}"));
                stop.sleep(pause.max(PAUSE_AFTER_FAILURE)).await;
            }
        }
    }
    totals
}

fn took(duration: Duration) {
    let level = match duration {
        short if short < SLOW => log::info,
        slow if slow < TOO_SLOW => log::warning,
        _ => log::error,
    };
    level(format_args!("Took {duration:.1?}"));
}
