//! Transcripts: what is asked of a service and what it has to answer, as text that runs
//! on a model and on the real service.
//!
//! A model is worth what it has in common with the service. So every promise that a
//! machine of the core relies on stands in a transcript, in
//! `tests/conformance/transcripts/<service>/<name>.transcript`, and the root package's
//! `tests/conformance` runs each of them twice: on the model in virtual time and on a
//! genuine server.
//!
//! ```text
//! # What this is about, in full sentences.
//! title: a second claim of a lower number is fenced
//! given: append-fsync=always
//!
//! ann: claim key=m generation=2#a
//! -> claimed marker=none
//! ! expire key=m
//! sleep 500ms
//! bob: claim key=m generation=1#b
//! -> fenced by=2#a
//! ```
//!
//! - **`title:`** must be the first statement. **`given:`** says how the service must be set
//!   up; its words belong to the service.
//! - **`name: request`** is asked by a client of that name. A client comes to be when it is
//!   named first. Each asks one thing at a time.
//! - **`-> answer`** below it is the expected answer. Several such lines are alternatives,
//!   for services of which several versions are right. A request without one has to be
//!   answered, no matter how.
//! - **`~> answer`** between them is an answer that may come first: the request is then
//!   repeated after 20 ms, at most 500 times.
//! - **`! act`** is done to the service from outside of the protocol: a restart, a full
//!   memory, a look at the data. It may have expected answers too; without one it must
//!   answer `done`.
//! - **`sleep 500ms`** lets time pass (`ms` or `s`).
//! - **`#`** starts a comment, at the start of a line or behind a blank.
//!
//! Requests, answers and acts are *phrases* ([`Phrase`]): a word and arguments
//! `key=value`. A value is a text (bare, or in quotes with `\n`, `\t`, `\"`, `\\`, `\x00`),
//! `none`, a list `[a, b]`, or a phrase in parentheses. Elements of a list are values
//! or, with arguments, phrases. An open bracket goes on in the next line. In
//! expected answers `*` stands for any value, `$name` for the value that it had when the
//! name was met first, and `..` for arguments that do not matter. In requests `$name` is
//! that value, and `$name+3` is it plus three, in both.
//!
//! **To add a service**: write one file here, which says by a [`Dialect`] how its requests
//! are read and its answers are printed; implement [`Staged`] for its model, so that acts
//! reach it; and implement [`Executor`] over a real client in `tests/conformance`. [`redis`]
//! and `tests/conformance/redis/` are the pattern.

pub mod clickhouse;
pub mod kafka;
pub mod object;
mod on_model;
mod phrase;
pub mod redis;
mod run;
mod transcript;
mod words;

pub use on_model::{OnModel, Staged};
pub use phrase::{Argument, Phrase, Value, parse_phrase};
pub use run::{Difference, Executor, run};
pub use transcript::{Expected, Step, StepKind, Transcript, TranscriptError};
pub use words::{generation, generation_text, marker, marker_text, optional_marker_value};

use anabranch_engine::service::{Answer, Request};

/// How the requests and answers of one service are written.
pub trait Dialect {
    /// The request that a phrase stands for.
    ///
    /// # Errors
    /// Says what is wrong with the phrase, for whoever wrote it.
    fn request(&self, phrase: &Phrase) -> Result<Request, String>;

    /// The phrase for an answer. Every part of it that a transcript may want to look at is an
    /// argument.
    fn answer(&self, answer: &Answer) -> Phrase;
}
