//! Standard output as the tracer uses it: lines are gathered and written in batches, and a reader that went away
//! is told apart from a disk that is full.

use std::io::{self, ErrorKind, Write};

use thiserror::Error;

/// Bytes that are gathered before they are written even though more lines are coming.
const BATCH_BYTES: usize = 64 << 10;

/// Why nothing more can be written.
#[derive(Debug, Error)]
pub enum OutputError {
    /// The reader closed its end, as `head` does when it has enough. Not a failure: exit code 0, no message.
    #[error("the reader of standard output is gone")]
    Closed(#[source] io::Error),
    /// No space, quota, or another failure: exit code 1.
    #[error("cannot write to standard output, so the session ends here")]
    Failed(#[source] io::Error),
}

impl OutputError {
    pub fn new(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe { Self::Closed(error) } else { Self::Failed(error) }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed(_) => 0,
            Self::Failed(_) => 1,
        }
    }
}

/// A buffered writer of whole lines. Call [`flush`](Self::flush) when no more lines wait, and at the end:
/// dropping it writes nothing.
#[derive(Debug)]
pub struct Output<W> {
    sink: W,
    buffer: Vec<u8>,
}

impl<W: Write> Output<W> {
    pub fn new(sink: W) -> Self {
        Self { sink, buffer: Vec::with_capacity(BATCH_BYTES + 4096) }
    }

    /// Adds what `write` appends, and a line feed. Writes a full batch out.
    pub fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), OutputError> {
        write(&mut self.buffer);
        self.buffer.push(b'\n');
        if self.buffer.len() >= BATCH_BYTES { self.write_out() } else { Ok(()) }
    }

    /// Writes out what was gathered.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.write_out()?;
        self.sink.flush().map_err(OutputError::new)
    }

    /// The sink, for tests. What was not flushed is gone.
    pub fn into_inner(self) -> W {
        self.sink
    }

    fn write_out(&mut self) -> Result<(), OutputError> {
        let written = self.sink.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(OutputError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::PipeWriter;

    /// Counts the calls that reach the sink.
    #[derive(Default)]
    struct Counting {
        bytes: usize,
        writes: usize,
    }

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.bytes += bytes.len();
            self.writes += 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn busy_lines_are_batched_and_idle_ones_flushed() {
        let mut output = Output::new(Counting::default());
        for _ in 0..20_000 {
            output.line(|line| line.extend_from_slice(&[b'x'; 99])).unwrap();
        }
        assert!(output.sink.writes < 40, "{} writes", output.sink.writes);
        output.flush().unwrap();
        assert_eq!(output.into_inner().bytes, 2_000_000);
    }

    #[test]
    fn a_reader_that_is_gone_is_no_failure() {
        let (reader, writer): (_, PipeWriter) = io::pipe().unwrap();
        drop(reader);
        let mut output = Output::new(writer);
        output.line(|line| line.push(b'x')).unwrap();
        let error = output.flush().unwrap_err();
        assert!(matches!(error, OutputError::Closed(_)));
        assert_eq!(error.exit_code(), 0);
    }

    #[test]
    fn a_full_disk_is_a_failure_that_is_reported_once() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut output = Output::new(full);
        output.line(|line| line.push(b'x')).unwrap();
        let error = output.flush().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("No space left"));
        output.flush().unwrap();
    }
}
