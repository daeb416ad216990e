//! File operations as data: what a machine of the core asks of a folder, and what it
//! is told. Every name is one of a file in that one folder.
//!
//! What a power failure may take away is part of the contract. Until a file was
//! synced, any of what was written to it since may be missing. Until the folder was
//! synced, any of the files that were created, renamed or removed since may be found
//! as they were before; a renamed file is found under its old name, its new one, or
//! both. Several names are changed in no particular order.

use bytes::Bytes;

/// One operation. They are done one at a time, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsRequest {
    /// Make the folder if it is not there, and hold a lock in it, under this name, as
    /// long as the process lives. Done at once if this process holds it already.
    Lock {
        /// The name of the file that is locked.
        name: String,
        /// What the file shall say, so that others can name the holder.
        holder: String,
    },
    /// Tell whether the lock that this process holds is still the one that others find
    /// under this name. [`FsFailure::Locked`] if another file stands there, or this process
    /// holds none; [`FsFailure::NotFound`] if no file stands there. Nothing is changed.
    ProveLock {
        /// The name of the file that is locked.
        name: String,
    },
    /// Tell the names of all files.
    List,
    /// Tell the bytes of a file.
    Read {
        /// The file.
        name: String,
    },
    /// Make a file with these bytes, which must not be there. If it fails for another
    /// reason than [`FsFailure::Exists`], a part of it may be there.
    Create {
        /// The file.
        name: String,
        /// Its content.
        bytes: Bytes,
    },
    /// Make a file with these bytes; one of that name is replaced.
    Write {
        /// The file.
        name: String,
        /// Its content.
        bytes: Bytes,
    },
    /// Append bytes to a file, which must be `at` bytes long. If it fails for another
    /// reason than [`FsFailure::Moved`], a part of them may be there.
    Append {
        /// The file.
        name: String,
        /// How long it is before.
        at: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// Cut a file to its first bytes; it must have as many.
    Truncate {
        /// The file.
        name: String,
        /// How many bytes are left.
        length: u64,
    },
    /// Make what was written to a file survive a power failure. If it fails, nothing is
    /// known any more of what was written since the last time, and the system may say
    /// that all is well when it is asked again.
    SyncFile {
        /// The file.
        name: String,
    },
    /// Make the names survive a power failure. For a failure holds the same.
    SyncDir,
    /// Rename a file; one that has the new name is replaced.
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Remove a file; that it is not there is no error.
    Remove {
        /// The file.
        name: String,
    },
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsAnswer {
    /// It is done.
    Done,
    /// The names of all files, in any order.
    Names(Vec<String>),
    /// The bytes of the file.
    Data(Bytes),
    /// It is not done, or only in part.
    Failed {
        /// What kind of failure it is.
        kind: FsFailure,
        /// What the system said, with the path; for a person.
        what: String,
    },
}

/// Kinds of failures that a machine has to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsFailure {
    /// Reading or writing is not allowed.
    Denied,
    /// A file that was to be made is there already.
    Exists,
    /// Another process holds the lock; `what` says which.
    Locked,
    /// A file to be appended to is not as long as it should be.
    Moved,
    /// The disk or the quota is full.
    NoSpace,
    /// The file or the folder is not there.
    NotFound,
    /// Anything else.
    Other,
}
