//! What is asked of an object store: whole objects, and conditional writes.

use bytes::Bytes;

/// So many objects can be removed by one request (S3's DeleteObjects takes as many).
pub const DELETE_MAX: usize = 1_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectRequest {
    /// The names that begin with a prefix. What was written or removed lately may be
    /// missing or shown. Answered by [`ObjectAnswer::Names`].
    List {
        /// The prefix.
        prefix: String,
    },
    /// The bytes of an object. Answered by [`ObjectAnswer::Data`] or
    /// [`ObjectAnswer::NotFound`].
    Get {
        /// The name.
        name: String,
    },
    /// Writes an object if there is none of that name (`If-None-Match: *`). Answered by
    /// [`ObjectAnswer::Done`] or [`ObjectAnswer::Exists`].
    PutNew {
        /// The name.
        name: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// Writes an object if the one that is there has this tag (`If-Match`); without a
    /// tag, if there is none. Answered by [`ObjectAnswer::Tagged`] or
    /// [`ObjectAnswer::Exists`].
    Replace {
        /// The name.
        name: String,
        /// The tag of the object to replace.
        tag: Option<u64>,
        /// The bytes.
        bytes: Bytes,
    },
    /// Removes objects; that one is not there is no error. Some may be removed though the
    /// request fails. Answered by [`ObjectAnswer::Done`].
    Delete {
        /// The names: at most [`DELETE_MAX`].
        names: Vec<String>,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectAnswer {
    /// It is done.
    Done,
    /// It is written, and has this tag now.
    Tagged(u64),
    /// Names, ascending.
    Names(Vec<String>),
    /// An object.
    Data {
        /// Its bytes.
        bytes: Bytes,
        /// Its tag. Equal bytes may have equal tags.
        tag: u64,
    },
    /// There is none.
    NotFound,
    /// The condition does not hold; nothing was done.
    Exists,
    /// The store refused for now; nothing was done.
    Busy,
}
