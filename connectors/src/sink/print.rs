//! The `print` sink and its like: rows to something that keeps no marker. So after a
//! crash rows may be shown again: at least once.
// spec: K-6

use super::{Inspected, Sink};
use anabranch_engine::ids::Generation;
use anabranch_engine::sink::{ApplyOutcome, Chunk, ChunkPayload, FailKind, OpenOutcome};
use std::io::{self, Write};

/// Something that shows encoded rows.
pub trait RowOutput: Send {
    /// Shows rows, or keeps them for a while.
    ///
    /// # Errors
    /// If they cannot be written.
    fn rows(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Shows what was kept: there are no further rows.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(&mut self) -> io::Result<()>;
}

/// Rows to a [`RowOutput`].
pub struct PrintSink {
    output: Box<dyn RowOutput>,
}

impl PrintSink {
    /// A sink that shows its rows there.
    #[must_use]
    pub fn new(output: Box<dyn RowOutput>) -> PrintSink {
        PrintSink { output }
    }
}

impl Sink for PrintSink {
    fn inspect(&mut self) -> Result<Inspected, String> {
        Ok(Inspected::default())
    }

    fn open(&mut self, _: Generation) -> (OpenOutcome, String) {
        (OpenOutcome::Opened { marker: None }, String::new())
    }

    fn apply(&mut self, chunk: Chunk) -> (ApplyOutcome, String) {
        let ChunkPayload::Bytes { data, .. } = &chunk.payload else {
            return (ApplyOutcome::Failed(FailKind::Rejected), "no lines to print".to_owned());
        };
        match self.output.rows(data) {
            Ok(()) => (ApplyOutcome::Applied, String::new()),
            // A part of it may have been shown: trying again would show it twice.
            Err(error) => (ApplyOutcome::Failed(FailKind::Rejected), error.to_string()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.output.finish()
    }
}

/// Lines as they are, each behind a prefix.
pub struct LineOutput<W> {
    out: W,
    prefix: String,
}

impl<W: Write + Send> LineOutput<W> {
    /// Lines to `out`; if `identifier` is not empty, it stands in front of each, as in
    /// Flink.
    pub fn new(out: W, identifier: &str) -> LineOutput<W> {
        let prefix = if identifier.is_empty() { String::new() } else { format!("{identifier}> ") };
        LineOutput { out, prefix }
    }
}

impl<W: Write + Send> RowOutput for LineOutput<W> {
    fn rows(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.prefix.is_empty() {
            self.out.write_all(lines)?;
            return self.out.flush();
        }
        let mut text = Vec::with_capacity(lines.len() * 2);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            text.extend_from_slice(self.prefix.as_bytes());
            text.extend_from_slice(line);
        }
        self.out.write_all(&text)?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_stands_in_front_of_each_row() {
        let mut out = Vec::new();
        LineOutput::new(&mut out, "a").rows(b"+I[1]\n+I[2]\n").unwrap();
        assert_eq!(out, b"a> +I[1]\na> +I[2]\n");
    }
}
