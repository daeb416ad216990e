//! The trace of a run: one rolling hash over all that happened, and lines of text for
//! a person, if somebody wants them.

use super::digest::Digest;
use crate::time::VirtualTime;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The trace.
///
/// Two runs of one plan give the same hash; that is what "deterministic" means here.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    hash: u64,
    events: u64,
    lines: Option<Vec<TraceLine>>,
}

/// Something that happened, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// When.
    pub at: VirtualTime,
    /// In which process; 0 if in none.
    pub process: u32,
    /// What.
    pub text: String,
}

impl Trace {
    /// An empty trace, which keeps lines or not.
    #[must_use]
    pub fn new(keeps_lines: bool) -> Trace {
        Trace { lines: keeps_lines.then(Vec::new), ..Trace::default() }
    }

    /// Notes an event: what it is, by a number, and a digest of its content.
    pub(super) fn note(
        &mut self,
        at: VirtualTime,
        process: u32,
        what: u8,
        content: Digest,
        text: impl FnOnce() -> String,
    ) {
        let mut bytes = [0; 21];
        bytes[..8].copy_from_slice(&at.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&process.to_le_bytes());
        bytes[12] = what;
        bytes[13..].copy_from_slice(&content.0.to_le_bytes());
        self.hash = xxh3_64_with_seed(&bytes, self.hash);
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(TraceLine { at, process, text: text() });
        }
    }

    /// Adds a line for a person that the hash knows nothing of.
    pub(super) fn line(&mut self, at: VirtualTime, process: u32, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(TraceLine { at, process, text: text() });
        }
    }

    /// The hash over all events so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The lines, if they are kept.
    #[must_use]
    pub fn lines(&self) -> &[TraceLine] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// Takes the lines out.
    pub(super) fn take_lines(&mut self) -> Vec<TraceLine> {
        self.lines.take().unwrap_or_default()
    }
}
