//! What is asked of a Redis server: our own scripts, each of which the server runs as one
//! atomic step, and a few plain commands.

use crate::ids::Generation;
use crate::sink::Marker;
use bytes::Bytes;

/// One request. Keys are those of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisRequest {
    /// The script that claims a marker key for a generation. Answered by
    /// [`RedisAnswer::Claimed`] or [`RedisAnswer::Fenced`].
    // spec: K-3
    Claim {
        /// The key that holds claim and marker.
        marker_key: Bytes,
        /// Who claims it.
        generation: Generation,
    },
    /// The script that applies a chunk. It judges first the claim, then the marker, then
    /// the types of all keys, and only then writes. Answered by [`RedisAnswer::Fenced`],
    /// [`RedisAnswer::Unclaimed`], [`RedisAnswer::Duplicate`], [`RedisAnswer::Gap`],
    /// [`RedisAnswer::Diverged`], [`RedisAnswer::Applied`] or an error.
    Apply {
        /// The key that holds claim and marker.
        marker_key: Bytes,
        /// Who applies it.
        generation: Generation,
        /// The marker that has to be there.
        predecessor: Option<Marker>,
        /// The marker to set, last.
        marker: Marker,
        /// The writes, in order.
        writes: Vec<RedisWrite>,
    },
    /// Reads claim and marker without claiming. Answered by [`RedisAnswer::Found`].
    Inspect {
        /// The key that holds claim and marker.
        marker_key: Bytes,
    },
    /// CONFIG GET and INFO: what decides whether the server can keep its word. Answered by
    /// [`RedisAnswer::Settings`].
    Settings,
}

/// One absolute write: done twice it is as if done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisWrite {
    /// SET. The key must hold a string or nothing before the chunk.
    Set {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// DEL, then HSET of all fields; without fields the key is gone. It must hold a hash or
    /// nothing before the chunk.
    Hash {
        /// The key.
        key: Bytes,
        /// The fields with their values, in order.
        fields: Vec<(Bytes, Bytes)>,
    },
    /// DEL. The key must hold a string, a hash or nothing before the chunk.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl RedisWrite {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            RedisWrite::Set { key, .. }
            | RedisWrite::Hash { key, .. }
            | RedisWrite::Delete { key } => key,
        }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAnswer {
    /// The marker key is claimed, and held this.
    Claimed {
        /// The marker.
        marker: Option<Marker>,
    },
    /// The chunk is applied, and its marker with it.
    Applied,
    /// It had been applied before.
    Duplicate,
    /// Another marker is there.
    Gap {
        /// Which.
        found: Option<Marker>,
    },
    /// Another content is there at the same place.
    Diverged {
        /// The marker.
        found: Marker,
    },
    /// A newer generation, or another one of the same number, claimed the key.
    Fenced {
        /// Which.
        by: Generation,
    },
    /// Neither this generation nor a newer one claims the key: the server lost the claim.
    /// Nothing was done.
    Unclaimed {
        /// The marker that is there.
        marker: Option<Marker>,
    },
    /// What the marker key holds.
    Found {
        /// The newest generation that claimed it.
        claim: Option<Generation>,
        /// The marker.
        marker: Option<Marker>,
    },
    /// The server's settings.
    Settings {
        /// `maxmemory-policy`.
        eviction: String,
        /// `appendfsync`; `None` if there is no append-only file, `unknown` if the server
        /// does not tell.
        append_fsync: Option<String>,
        /// INFO's `run_id`, which changes with each start of the server.
        run_id: String,
    },
    /// An error before the first write: nothing was done.
    Refused(RedisError),
    /// An error in the middle: writes before it were done and stay, the marker was not set.
    Partial(RedisError),
}

/// Errors of the server that a machine has to tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisError {
    /// OOM: above `maxmemory`, and nothing may be evicted.
    OutOfMemory,
    /// LOADING, BUSY, TRYAGAIN, CLUSTERDOWN, MASTERDOWN, MISCONF, NOREPLICAS: it may go
    /// well later.
    Busy,
    /// READONLY: a replica; the connection has to be made anew.
    ReadOnly,
    /// A key holds a value of another kind than is written, or is the marker key; a marker
    /// key that holds no claim is in use by somebody else.
    WrongType {
        /// The key.
        key: Bytes,
    },
    /// Anything else, as the server said it.
    Other(String),
}
