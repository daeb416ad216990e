//! Stores of journals and snapshots.

mod error;
mod journal;
mod snapshots;

pub use error::StoreError;
pub use journal::LocalJournalStore;
pub use snapshots::LocalSnapshotStore;
