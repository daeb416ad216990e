//! A lock on a folder, held by an open file: it is free the moment the process is
//! gone, however it went, and no process number has to be believed.
// spec: J-6

use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{} is in use by {holder}", path.display())]
    Held {
        /// The locked file.
        path: PathBuf,
        /// What the holder says of itself.
        holder: String,
    },
    /// The file could not be made, locked or written.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A lock that is held as long as this value lives.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    file: File,
}

impl FolderLock {
    /// Locks `path`, a file that is made if it is not there. `holder` and the number
    /// of the process are written into it, for others to read; nobody relies on them.
    ///
    /// # Errors
    /// [`LockError::Held`] at once if another process, or another value in this one,
    /// holds it.
    pub fn take(path: &Path, holder: &str) -> Result<FolderLock, LockError> {
        let io_error = |source| LockError::Io { path: path.to_owned(), source };
        // Never truncated here: the content belongs to the holder.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(io_error)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(io_error)?;
                let path = path.to_owned();
                return Err(LockError::Held { path, holder: holder.trim().to_owned() });
            }
            Err(errno) => return Err(io_error(errno.into())),
        }
        let mut lock = FolderLock { path: path.to_owned(), file };
        lock.describe(holder)?;
        Ok(lock)
    }

    /// Whether whoever comes finds this lock, and no other file, under its path.
    ///
    /// # Errors
    /// [`LockError::Held`] if another file stands there, with what is written in it, and
    /// [`LockError::Io`] if none does.
    // spec: J-3
    pub fn prove(&self) -> Result<(), LockError> {
        let io_error = |source| LockError::Io { path: self.path.clone(), source };
        let ours = self.file.metadata().map_err(io_error)?;
        let found = std::fs::metadata(&self.path).map_err(io_error)?;
        if (ours.dev(), ours.ino()) == (found.dev(), found.ino()) {
            return Ok(());
        }
        let holder = std::fs::read_to_string(&self.path).map_err(io_error)?;
        // Who has just made the file has not written yet who it is.
        let holder = match holder.trim() {
            "" => "another process",
            holder => holder,
        };
        Err(LockError::Held { path: self.path.clone(), holder: holder.to_owned() })
    }

    /// Writes who holds the lock, when more is known than at the start.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn describe(&mut self, holder: &str) -> Result<(), LockError> {
        let text = format!("process {}, {holder}\n", std::process::id());
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .and_then(|_| self.file.write_all(text.as_bytes()));
        written.map_err(|source| LockError::Io { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_not_said_yet_who_it_is_is_another_process() {
        // spec: J-3
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("lock");
        let lock = FolderLock::take(&path, "sink t").expect("nobody has it");
        lock.prove().expect("it is ours");
        std::fs::remove_file(&path).expect("it is there");
        std::fs::write(&path, "").expect("it can be made");
        let LockError::Held { holder, .. } = lock.prove().expect_err("it is another file") else {
            panic!("it can be read");
        };
        assert_eq!(holder, "another process");
    }
}
