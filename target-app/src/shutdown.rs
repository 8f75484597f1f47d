//! When to stop: on SIGINT, SIGTERM, or after a time. Everybody finishes what is in hand.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

/// Tells many tasks to stop. Clones hear the same.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops on SIGINT or SIGTERM, or after `limit`, whichever comes first.
    pub fn on_signal_or_after(limit: Option<Duration>) -> io::Result<Stop> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            let time_is_up = async {
                match limit {
                    Some(limit) => sleep(limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = time_is_up => {}
            }
            let _ = sender.send(true);
        });
        Ok(Stop(receiver))
    }

    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    pub async fn requested(&mut self) {
        // An error means that the sender is gone, which it is only after it has sent.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Sleeps, but not longer than until the stop.
    pub async fn sleep(&mut self, duration: Duration) {
        tokio::select! {
            () = sleep(duration) => {}
            () = self.requested() => {}
        }
    }
}
