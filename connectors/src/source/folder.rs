//! A folder whose files are read one after the other, in name order, as one log.
//!
//! The offset of a record is its byte in its file plus the sizes of the files before.
//! So the files before must not change any more, and no file may appear among them.

use super::filesystem::{fetched, wanted};
use super::memory::{Known, Memory};
use super::{FetchRequest, Fetched, SourceError};
use bytes::{Bytes, BytesMut};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use walkdir::WalkDir;

/// A file below a folder.
#[derive(Debug)]
pub(super) struct DataFile {
    /// Its path below the folder.
    pub(super) name: String,
    pub(super) metadata: fs::Metadata,
}

/// The data files below a folder, by name. Files and folders whose names begin with
/// `.` or `_` are not data.
pub(super) fn list(folder: &Path) -> Result<Vec<DataFile>, SourceError> {
    let is_data = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().as_encoded_bytes();
        entry.depth() == 0 || !(name.starts_with(b".") || name.starts_with(b"_"))
    };
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(is_data) {
        let failed = |error: walkdir::Error| SourceError::Io {
            path: error.path().unwrap_or(folder).to_owned(),
            error: error.into(),
        };
        let entry = match entry {
            Ok(entry) => entry,
            // A file that was taken away while the folder was listed.
            Err(error) if is_gone(&error) && error.depth() > 0 => continue,
            Err(error) => return Err(failed(error)),
        };
        if entry.file_type().is_file() {
            let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let name = below.to_str().map(str::to_owned).ok_or_else(|| SourceError::Io {
                path: entry.path().to_owned(),
                error: io::Error::new(io::ErrorKind::InvalidFilename, "its name is not UTF-8"),
            })?;
            match entry.metadata() {
                Ok(metadata) => files.push(DataFile { name, metadata }),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn is_gone(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Exactly `length` bytes of a file, or as many as there are.
pub(super) fn read_at(file: &fs::File, from: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = BytesMut::zeroed(length);
    let mut done = 0;
    while done < length {
        match file.read_at(&mut bytes[done..], from + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(bytes.freeze())
}

/// The folder as one split.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    bounded: bool,
    /// The files with their sizes, in name order; all but the last are complete.
    known: Mutex<Vec<Known>>,
    /// The same as an earlier process knew it, if anybody keeps that.
    memory: Mutex<Option<Memory>>,
}

impl Folder {
    /// The name of the split.
    pub(super) const SPLIT: &'static str = "*";

    pub(super) fn new(path: PathBuf, bounded: bool) -> Folder {
        Folder { path, bounded, known: Mutex::default(), memory: Mutex::default() }
    }

    /// Keeps in this file which files are complete.
    pub(super) fn remember(&self, file: &Path) -> Result<(), SourceError> {
        *self.memory.lock().expect("no reader panics") = Some(Memory::open(file)?);
        Ok(())
    }

    pub(super) fn fetch(&self, request: &FetchRequest) -> Result<Fetched, SourceError> {
        let mut known = self.known.lock().expect("no reader panics");
        let total = |known: &[Known]| known.iter().map(|(_, size)| size).sum::<u64>();
        // Half a line at the end stays unread until the rest of it is written, so what
        // is known to be left says nothing of whether there is more by now.
        let last_size = known.last().map_or(0, |(_, size)| *size);
        let left = total(&known).saturating_sub(request.from.0);
        let reaches_end = left <= last_size.min(request.bytes_max as u64);
        if known.is_empty() || (!self.bounded && request.until.is_none() && reaches_end) {
            self.look_again(&mut known)?;
        }
        if let Some(memory) = &mut *self.memory.lock().expect("no reader panics") {
            // A range that is read again was read to its end.
            memory.take(&known, request.until.unwrap_or(request.from).0)?;
        }
        let size = total(&known);
        if size < request.from.0 {
            return Err(SourceError::Changed(format!(
                "{} has {size} bytes, of which {} were read",
                self.path.display(),
                request.from
            )));
        }
        let mut left = wanted(request, size);
        let mut parts: Vec<Bytes> = Vec::new();
        let mut start = 0;
        for (index, (name, length)) in known.iter().enumerate() {
            let from = request.from.0 + parts.iter().map(|part| part.len() as u64).sum::<u64>();
            let end = start + length;
            if left > 0 && (start..end).contains(&from) {
                let is_last = index + 1 == known.len();
                let part = self.read_part(name, from - start, left.min((end - from) as usize))?;
                if !is_last && from + part.len() as u64 == end && !part.ends_with(b"\n") {
                    return Err(SourceError::Changed(format!(
                        "{name} does not end with a line end, though {} comes after it",
                        known[index + 1].0
                    )));
                }
                left -= part.len();
                parts.push(part);
                // One file at a time, unless a known range is read again.
                if request.until.is_none() {
                    break;
                }
            }
            start = end;
        }
        let bytes = match parts.len() {
            1 => parts.swap_remove(0),
            _ => parts.concat().into(),
        };
        Ok(fetched(request, bytes, size, self.bounded))
    }

    fn read_part(&self, name: &str, from: u64, length: usize) -> Result<Bytes, SourceError> {
        let path = self.path.join(name);
        let read = fs::File::open(&path).and_then(|file| read_at(&file, from, length));
        let bytes = read.map_err(|error| SourceError::Io { path, error })?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(SourceError::Changed(format!("{name} is shorter than it was"))),
        }
    }

    /// Takes new files and a longer last file; nothing else may have changed.
    fn look_again(&self, known: &mut Vec<Known>) -> Result<(), SourceError> {
        let files = list(&self.path)?;
        let found: Vec<Known> =
            files.into_iter().map(|file| (file.name, file.metadata.len())).collect();
        let Some((last_name, last_size)) = known.last().cloned() else {
            *known = found;
            return Ok(());
        };
        let known_names = |name: &String| known.iter().any(|(known, _)| known == name);
        if let Some((name, _)) = found.iter().find(|(n, _)| *n < last_name && !known_names(n)) {
            return Err(SourceError::Changed(format!(
                "{name} appeared below {last_name}, which is being read"
            )));
        }
        for (index, (name, size)) in known.iter().enumerate() {
            let is_last = index + 1 == known.len();
            let same = found.get(index).is_some_and(|(found_name, found_size)| {
                found_name == name && (found_size == size || (is_last && *found_size >= last_size))
            });
            if !same {
                return Err(SourceError::Changed(format!("{name} changed after it was read")));
            }
        }
        *known = found;
        Ok(())
    }
}
