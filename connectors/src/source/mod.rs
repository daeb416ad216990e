//! Sources: what a table's splits are, and reading them.
//!
//! A source answers at once, from what there is; it never waits. Waiting for more
//! data, pacing and trying again are the driver's business.

mod datagen;
mod filesystem;
mod folder;
mod memory;
mod pace;

pub use datagen::DatagenSource;
pub use filesystem::FilesystemSource;
pub use pace::Pace;

use anabranch_engine::ids::Offset;
use anabranch_engine::pipeline::{FetchedData, FoundSplit, LogEnd};
use anabranch_engine::plan::Table;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Transport of one table that is read.
pub trait Source: Send + Sync {
    /// The splits that there are at present, in name order.
    ///
    /// # Errors
    /// If they cannot be listed.
    fn splits(&self) -> Result<Vec<FoundSplit>, SourceError>;

    /// Data of a split, from an offset on.
    ///
    /// # Errors
    /// If it cannot be read.
    fn fetch(&self, request: &FetchRequest) -> Result<Fetched, SourceError>;

    /// Keeps in this file what it has to know of what was read, if anything, so that a
    /// later process can tell whether that is still the same. Called before the first
    /// fetch.
    ///
    /// # Errors
    /// If there is such a file and it cannot be read.
    fn remember(&self, _file: &Path) -> Result<(), SourceError> {
        Ok(())
    }

    /// How many rows a second it gives at most, all splits together.
    fn rows_per_second(&self) -> Option<f64>;

    /// How long to wait before a split without anything new is looked at again.
    fn poll_interval(&self) -> Duration;
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The name of the split within its table.
    pub split: String,
    /// The offset from which to read.
    pub from: Offset,
    /// The offset at which to stop, when a known range is read again.
    pub until: Option<Offset>,
    /// About how many bytes to give at most.
    pub bytes_max: usize,
    /// About how many rows to give at most.
    pub rows_max: Option<u64>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The data.
    pub data: FetchedData,
    /// Where the reader stands now.
    pub end: LogEnd,
    /// How many rows it holds, for pacing: the line ends of a file.
    pub rows: u64,
    /// How many bytes it holds.
    pub bytes: u64,
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The data changed in a way that no reader can follow.
    #[error("{0}")]
    Changed(String),
    /// The system refused.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The table's options make no sense together.
    #[error("table {table}: {what}")]
    Options {
        /// The table.
        table: String,
        /// What is wrong.
        what: String,
    },
}

impl SourceError {
    /// Whether trying again may help.
    // spec: F-2
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            SourceError::Changed(_) | SourceError::Options { .. } => false,
            SourceError::Io { error, .. } => {
                use io::ErrorKind::{InvalidFilename, InvalidInput, NotFound, PermissionDenied};
                let lasting = [InvalidFilename, InvalidInput, NotFound, PermissionDenied];
                !lasting.contains(&error.kind())
            }
        }
    }
}

/// The source of a table; relative paths are relative to `base`.
///
/// # Errors
/// If the options make no sense, or there is no such connector.
pub fn source_of(table: &Table, base: &Path) -> Result<Box<dyn Source>, SourceError> {
    match table.connector.as_str() {
        "datagen" => Ok(Box::new(DatagenSource::of(table)?)),
        "filesystem" => Ok(Box::new(FilesystemSource::of(table, base)?)),
        other => Err(SourceError::Options {
            table: table.name.clone(),
            what: format!("connector {other} cannot be read"),
        }),
    }
}

/// The path that a table's option names.
///
/// # Errors
/// If there is none.
pub fn path_of(table: &Table, base: &Path) -> Result<PathBuf, SourceError> {
    let path = table.options.get("path").ok_or_else(|| SourceError::Options {
        table: table.name.clone(),
        what: "option 'path' is missing".to_owned(),
    })?;
    // Flink writes local paths as URIs, too.
    let path = path.strip_prefix("file://").unwrap_or(path);
    Ok(base.join(path))
}

/// A rate among a table's options: more than none, or nothing would ever come.
fn rate(table: &Table, key: &str) -> Result<Option<f64>, SourceError> {
    let rate: Option<f64> = number(table, key)?;
    match rate {
        Some(rate) if !(rate > 0.0 && rate.is_finite()) => Err(SourceError::Options {
            table: table.name.clone(),
            what: format!("option '{key}' is {rate}, and takes a number above 0"),
        }),
        rate => Ok(rate),
    }
}

/// A number among a table's options.
fn number<T: std::str::FromStr>(table: &Table, key: &str) -> Result<Option<T>, SourceError> {
    let Some(text) = table.options.get(key) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| SourceError::Options {
        table: table.name.clone(),
        what: format!("option '{key}' is '{text}', which is no such number"),
    })
}
