//! What all machines of snapshot stores have in common.

use crate::service::{Answer, Request};
use bytes::Bytes;

/// The protocol of one snapshot store as a machine without IO.
///
/// One thing at a time, as with [`JournalMachine`](crate::journal::JournalMachine).
pub trait SnapshotMachine: std::fmt::Debug {
    /// Lists all complete snapshots; ends with [`SnapshotStep::Listed`].
    fn list(&mut self) -> SnapshotStep;

    /// Loads the parts of a snapshot; ends with [`SnapshotStep::Loaded`].
    fn load(&mut self, name: String) -> SnapshotStep;

    /// Makes the parts durable, then the manifest visible by one atomic change; ends with
    /// [`SnapshotStep::Stored`].
    // spec: S-1
    fn store(&mut self, name: String, parts: Vec<(String, Bytes)>, manifest: Bytes)
    -> SnapshotStep;

    /// Removes snapshots, manifests first; ends with [`SnapshotStep::Removed`].
    // spec: J-4
    fn remove(&mut self, names: Vec<String>) -> SnapshotStep;

    /// Takes the answer to the last request.
    fn answer(&mut self, answer: Answer) -> SnapshotStep;
}

/// What the machine of a snapshot store wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotStep {
    /// Do this, and call [`SnapshotMachine::answer`] with what came of it.
    Request(Request),
    /// Names and manifests, in any order.
    Listed(Vec<(String, Bytes)>),
    /// The parts, in the order of the manifest.
    Loaded(Vec<Bytes>),
    /// The snapshot is complete, durable and visible.
    Stored,
    /// The snapshots are gone.
    Removed,
    /// It failed.
    Failed {
        /// What failed, for a person.
        message: String,
        /// Whether trying the same again may help.
        transient: bool,
    },
}
