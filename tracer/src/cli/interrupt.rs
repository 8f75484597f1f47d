//! The signals that end a session in good order.

use std::time::Duration;

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

/// Waits on behalf of commands that have no event loop.
pub struct Pause {
    runtime: tokio::runtime::Runtime,
    interrupt: Interrupt,
}

impl Pause {
    pub fn new() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("cannot start the event loop: {error}")))?;
        let interrupt = runtime.block_on(async { Interrupt::new() })?;
        Ok(Self { runtime, interrupt })
    }

    /// Sleeps that long, or until a signal comes; whether one came.
    pub fn is_interrupted_within(&mut self, time: Duration) -> bool {
        let Self { runtime, interrupt } = self;
        runtime.block_on(async { tokio::time::timeout(time, interrupt.wait()).await.is_ok() })
    }
}
