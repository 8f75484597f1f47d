//! Standard output that never holds up a session: a thread writes, and what it is too slow for is counted as lost.
//! A reader that stands still (a full pipe, Ctrl-S) must not keep probes in the target.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Batches that may wait, of about 64 kB each: room for a reader that stumbles, not for one that sleeps.
const BATCHES_MAX: usize = 256;

/// How long the end waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// The end that a report writes into.
#[derive(Debug)]
pub struct Pipe {
    batches: SyncSender<Vec<u8>>,
    shared: Arc<Shared>,
}

/// What is known of the writing thread.
#[derive(Debug)]
pub struct PipeEnd {
    done: Receiver<()>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    written_batches: AtomicU64,
    lost_lines: AtomicU64,
    error: Mutex<Option<io::Error>>,
}

impl Shared {
    fn take_error(&self) -> Option<io::Error> {
        self.error.lock().ok()?.take()
    }
}

impl Pipe {
    /// Starts the thread that writes to `sink`.
    pub fn new(mut sink: impl Write + Send + 'static) -> (Self, PipeEnd) {
        let (batches, waiting) = sync_channel::<Vec<u8>>(BATCHES_MAX);
        let (ended, done) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for batch in waiting {
                if let Err(error) = sink.write_all(&batch).and_then(|()| sink.flush()) {
                    if let Ok(mut slot) = own.error.lock() {
                        *slot = Some(error);
                    }
                    break;
                }
                own.written_batches.fetch_add(1, Relaxed);
            }
            // The other side may have lost its patience.
            let _ = ended.send(());
        });
        (Self { batches, shared: Arc::clone(&shared) }, PipeEnd { done, shared })
    }
}

impl Write for Pipe {
    /// Takes all or, if the queue is full, loses all and counts its lines.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = self.shared.take_error() {
            return Err(error);
        }
        match self.batches.try_send(bytes.to_vec()) {
            Ok(()) => {}
            Err(TrySendError::Full(batch)) => {
                let lines = batch.iter().filter(|byte| **byte == b'\n').count() as u64;
                self.shared.lost_lines.fetch_add(lines, Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => {
                return Err(self.shared.take_error().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PipeEnd {
    /// Lines that the reader was too slow for, so far.
    pub fn lost_lines(&self) -> u64 {
        self.shared.lost_lines.load(Relaxed)
    }

    /// Waits until all is written, once the [`Pipe`] is dropped; gives up when the reader takes nothing for a while.
    ///
    /// # Errors
    /// What the sink said.
    pub fn finish(self) -> io::Result<()> {
        loop {
            let before = self.shared.written_batches.load(Relaxed);
            if self.done.recv_timeout(PATIENCE).is_ok() {
                return self.shared.take_error().map_or(Ok(()), Err);
            }
            if self.shared.written_batches.load(Relaxed) == before {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "its reader takes nothing"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order() -> io::Result<()> {
        let (reader, writer) = io::pipe()?;
        let (mut pipe, end) = Pipe::new(writer);
        for number in 0..100 {
            writeln!(pipe, "{number}")?;
        }
        drop(pipe);
        end.finish()?;
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(io::read_to_string(reader)?, expected);
        Ok(())
    }

    #[test]
    fn a_reader_that_stands_still_holds_up_nobody_and_its_lines_are_counted() -> io::Result<()> {
        let (_reader, writer) = io::pipe()?;
        let (mut pipe, end) = Pipe::new(writer);
        let batch = [b"x\n".repeat(1000), vec![b'y'; 100_000]].concat();
        for _ in 0..BATCHES_MAX + 10 {
            pipe.write_all(&batch)?;
        }
        assert!(end.lost_lines() >= 1000);
        drop(pipe);
        assert_eq!(end.finish().map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        Ok(())
    }

    #[test]
    fn a_reader_that_is_gone_is_told() -> io::Result<()> {
        let (reader, writer) = io::pipe()?;
        drop(reader);
        let (mut pipe, end) = Pipe::new(writer);
        pipe.write_all(b"x\n")?;
        drop(pipe);
        assert_eq!(end.finish().map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
        Ok(())
    }
}
