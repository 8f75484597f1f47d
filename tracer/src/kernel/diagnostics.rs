//! What the BPF programs say of themselves, through aya-log: `-v`.

use aya_log::EbpfLogger;
use log::Log;

use super::load::Loaded;

/// Reads the programs' messages.
pub struct Diagnostics {
    logger: Option<EbpfLogger<&'static dyn Log>>,
}

impl Diagnostics {
    /// Finds the message buffer by a program's id, which needs `CAP_SYS_ADMIN`: without it there are no messages.
    pub(super) fn of(loaded: &Loaded) -> Self {
        let ids = loaded.facts().into_iter().map(|facts| facts.id);
        Self { logger: ids.into_iter().find_map(|id| EbpfLogger::init_from_id(id).ok()) }
    }

    /// Hands on what was said since the last call, to the logger of the `log` crate.
    pub fn flush(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }
}
