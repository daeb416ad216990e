//! How a local store fails.

use crate::lock::LockError;
use crate::store::is_disk_full;
use anabranch_engine::snapshot::PartName;
use std::io;
use std::path::{Path, PathBuf};

/// Why a local store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the quota is full. Nothing was stored; the same may go well when
    /// there is room again.
    #[error("the disk is full: cannot {action} {}", path.display())]
    DiskFull {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name is taken: another process writes to this store.
    // spec: J-3
    #[error("{} is there already: another process writes here", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not known any more what is durable. The process has to end; what is
    /// stored is judged at the next start.
    // spec: J-6
    #[error("cannot {action} {}; what is durable is unknown", path.display())]
    Fatal {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A manifest names a part that was not put; it was not made visible.
    // spec: S-1
    #[error("{} is not put in place: its part {part} is not there", path.display())]
    Incomplete {
        /// The manifest.
        path: PathBuf,
        /// The part.
        part: PartName,
    },
    /// The system refused. Nothing was stored.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store is in use.
    #[error(transparent)]
    Locked(LockError),
}

impl StoreError {
    /// Whether reading the same again may go well.
    // spec: F-2
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use io::ErrorKind::{InvalidFilename, InvalidInput, NotFound, PermissionDenied};
        let lasting = [InvalidFilename, InvalidInput, NotFound, PermissionDenied];
        matches!(self, StoreError::Io { source, .. } if !lasting.contains(&source.kind()))
    }

    /// Adds what was to be done, and recognises a full disk.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| {
            let path = path.to_owned();
            if is_disk_full(&source) {
                return StoreError::DiskFull { action, path, source };
            }
            StoreError::Io { action, path, source }
        }
    }

    /// As [`StoreError::io`], where failing leaves it unknown what is durable.
    pub(super) fn fatal(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Fatal { action, path: path.to_owned(), source }
    }
}

impl From<LockError> for StoreError {
    fn from(error: LockError) -> StoreError {
        match error {
            LockError::Io { path, source } => StoreError::io("lock", &path)(source),
            LockError::Held { .. } => StoreError::Locked(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        for number in [28, 122] {
            let source = io::Error::from_raw_os_error(number);
            let error = StoreError::io("write", Path::new("a/b"))(source);
            assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
            assert_eq!(error.to_string(), "the disk is full: cannot write a/b");
        }
        let error = StoreError::io("write", Path::new("a/b"))(io::Error::from_raw_os_error(13));
        assert!(matches!(error, StoreError::Io { .. }));
    }
}
