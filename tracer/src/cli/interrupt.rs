//! The signals that end a session in good order.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::Failure;

/// Ctrl-C, termination and a closed terminal.
pub struct Interrupt {
    signals: [Signal; 3],
}

impl Interrupt {
    pub fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}")));
        Ok(Self {
            signals: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits for one of them.
    pub async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
