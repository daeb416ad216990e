//! Hash chains: one number that stands for everything up to a point.
//!
//! The hash is XXH3-128. It notices mistakes and decay, not an enemy: whoever can
//! write the journal or a sink can also write its hashes.

use crate::ids::{Epoch, SinkId};
use serde::{Deserialize, Serialize};
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// A value of a hash chain.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ChainHash(pub [u8; 16]);

impl ChainHash {
    /// The value before anything was hashed.
    pub const START: ChainHash = ChainHash([0; 16]);
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Computes H(e) = hash(H(e − 1), e, for each sink with rows: sink, bytes, length).
///
/// The bytes of a sink may come in any pieces; only their concatenation counts. A
/// sink without rows leaves no trace, so a sink that gets nothing in this epoch
/// need not be named.
pub struct EpochHasher {
    state: Box<Xxh3>,
    /// The sink whose bytes are being taken, and how many came. Invariant: the
    /// count is above 0.
    open: Option<(SinkId, u64)>,
}

impl EpochHasher {
    /// Starts the hash of an epoch after the chain's value `before`.
    #[must_use]
    pub fn begin(before: ChainHash, epoch: Epoch) -> EpochHasher {
        let mut state = Box::new(Xxh3::new());
        state.update(&before.0);
        state.update(&epoch.0.to_le_bytes());
        EpochHasher { state, open: None }
    }

    /// Takes canonical bytes of logical rows for a sink.
    ///
    /// # Panics
    /// If the sink is below one that was already given: the order is part of the
    /// hash.
    pub fn rows(&mut self, sink: SinkId, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.open {
            Some((open, count)) if *open == sink => *count += bytes.len() as u64,
            open => {
                assert!(open.is_none_or(|(o, _)| o < sink), "sinks are hashed in ascending order");
                self.close();
                self.state.update(&sink.0.to_le_bytes());
                self.open = Some((sink, bytes.len() as u64));
            }
        }
        self.state.update(bytes);
    }

    fn close(&mut self) {
        if let Some((_, count)) = self.open.take() {
            self.state.update(&count.to_le_bytes());
        }
    }

    /// The chain's value after the epoch.
    #[must_use]
    pub fn finish(mut self) -> ChainHash {
        self.close();
        ChainHash(self.state.digest128().to_le_bytes())
    }
}

impl fmt::Debug for EpochHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochHasher").field("open", &self.open).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(pieces: &[(u32, &[u8])]) -> ChainHash {
        let mut hasher = EpochHasher::begin(ChainHash::START, Epoch(5));
        for (sink, bytes) in pieces {
            hasher.rows(SinkId(*sink), bytes);
        }
        hasher.finish()
    }

    #[test]
    fn pieces_do_not_count_and_sinks_do() {
        assert_eq!(hash(&[(0, b"ab"), (0, b"c")]), hash(&[(0, b"abc"), (1, b"")]));
        assert_ne!(hash(&[(0, b"abc")]), hash(&[(1, b"abc")]));
        assert_ne!(hash(&[(0, b"ab"), (1, b"c")]), hash(&[(0, b"a"), (1, b"bc")]));
    }

    #[test]
    fn the_chain_holds_what_came_before() {
        let one = EpochHasher::begin(ChainHash::START, Epoch(1)).finish();
        let other = EpochHasher::begin(ChainHash([1; 16]), Epoch(1)).finish();
        assert_ne!(one, other);
        assert_ne!(one, EpochHasher::begin(ChainHash::START, Epoch(2)).finish());
    }

    #[test]
    fn the_values_are_fixed_for_ever() {
        assert_eq!(hash(&[(0, b"abc")]).to_string(), "00000000000000000000000000000000");
    }
}
