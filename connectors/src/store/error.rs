//! How a local store fails.

use std::path::PathBuf;

/// Why a local store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused, or something is not there.
    #[error("{message}")]
    Failed {
        /// What failed, with the path; a full disk is told apart in words.
        message: String,
        /// Whether trying the same again may help.
        transient: bool,
    },
    /// Another process owns the store.
    // spec: J-3
    #[error("the journal belongs to {by}")]
    Fenced {
        /// Who, as far as it is known.
        by: String,
    },
    /// The store is in use.
    #[error("{} is in use by {holder}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// What the holder says of itself.
        holder: String,
    },
}

impl StoreError {
    /// Whether trying the same again may go well.
    // spec: F-2
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Failed { transient: true, .. })
    }
}
