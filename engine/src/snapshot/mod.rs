//! Snapshots: the state after an epoch, as bytes.
//!
//! A snapshot is a manifest and the parts that it names. It is complete when the
//! manifest is there, which is written after all parts are durable. Here are only
//! the formats; the stores live elsewhere.

mod envelope;
pub mod local;
mod machine;
mod manifest;
mod manifest_codec;
mod object;
mod part;

pub use machine::{SnapshotMachine, SnapshotStep};
pub use manifest::{
    Counter, Manifest, ManifestName, NodeState, PartName, PartRef, SNAPSHOT_VERSION, SinkState,
    SplitState,
};
pub use object::ObjectSnapshots;
pub use part::{PartEntry, cut_parts, decode_part, encode_part};

/// Why a manifest or a part cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not what was written.
    #[error("the {object} is damaged: {what}")]
    Damaged {
        /// `manifest`, or the name of the part.
        object: String,
        /// What is wrong.
        what: String,
    },
    /// The format is of a version that this code does not know.
    // spec: S-4
    #[error(
        "the {object} has format version {found}; this binary reads version {SNAPSHOT_VERSION}"
    )]
    Version {
        /// `manifest`, or the name of the part.
        object: String,
        /// The version that it has.
        found: u32,
    },
}

#[cfg(test)]
mod tests;
