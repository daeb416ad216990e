//! What is known of the files of a folder that is read in name order, over a restart.
//!
//! The offsets of such a folder count the bytes of all files before, so none of these may
//! change; nothing but a note of their sizes can tell that after a restart. The note
//! decides nothing that a result depends on: with it a job stops, without it the job
//! would go on at a wrong place.

use super::SourceError;
use crate::fs_exec::{make_folder, sync_folder};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file's name below the folder and its size.
pub(super) type Known = (String, u64);

/// The note of a folder's files.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    /// What an earlier process noted, until all of it has been compared.
    noted: Option<Vec<Known>>,
    /// The files that this process noted as complete.
    kept: Option<Vec<Known>>,
}

impl Memory {
    /// The note in this file, which need not be there.
    pub(super) fn open(path: &Path) -> Result<Memory, SourceError> {
        let failed = |error| SourceError::Io { path: path.to_owned(), error };
        let noted = match fs::read(path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|e| failed(e.into()))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        Ok(Memory { path: path.to_owned(), noted, kept: None })
    }

    /// Compares what lies below an offset with what was noted, and notes which files are
    /// complete now, before anything is given that lies behind them.
    ///
    /// # Errors
    /// If something below the offset is not what it was, or the note cannot be written.
    // spec: J-7
    pub(super) fn take(&mut self, found: &[Known], from: u64) -> Result<(), SourceError> {
        if let Some(noted) = &self.noted {
            let beyond = compare(noted, found, from).map_err(SourceError::Changed)?;
            if !beyond {
                return Ok(());
            }
            self.noted = None;
        }
        let complete = &found[..found.len().saturating_sub(1)];
        if self.kept.as_deref() == Some(complete) {
            return Ok(());
        }
        self.write(found).map_err(|error| SourceError::Io { path: self.path.clone(), error })?;
        self.kept = Some(complete.to_vec());
        Ok(())
    }

    fn write(&self, known: &[Known]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        make_folder(folder)?;
        let temporary = self.path.with_extension("tmp");
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(&serde_json::to_vec(known)?)?;
            file.sync_all()
        });
        let placed = written.and_then(|()| fs::rename(&temporary, &self.path));
        if placed.is_err() {
            // Without a name that counts; the next attempt writes it anew.
            let _ = fs::remove_file(&temporary);
        }
        placed.and_then(|()| sync_folder(folder))
    }
}

/// Compares what lies below an offset; gives whether that is all that was noted but the
/// last file, which may have grown since.
fn compare(noted: &[Known], found: &[Known], from: u64) -> Result<bool, String> {
    let mut start = 0;
    for (index, (name, size)) in noted.iter().enumerate() {
        let is_last = index + 1 == noted.len();
        let (is_read, is_begun) = (start + size <= from && !is_last, start < from);
        if !is_read && !is_begun {
            return Ok(is_last);
        }
        match found.get(index) {
            Some((other, _)) if other != name => {
                let order = if other < name { "appeared below" } else { "stands in place of" };
                return Err(format!("{other} {order} {name}, of which records were read"));
            }
            None => return Err(format!("{name} is gone, of which records were read")),
            Some((_, now)) if is_read && now != size => {
                return Err(format!("{name} had {size} bytes when it was read, and has {now} now"));
            }
            Some((_, now)) if !is_read && start + now < from => {
                let read = from - start;
                return Err(format!("{name} has {now} bytes, of which {read} were read"));
            }
            Some(_) => {}
        }
        if !is_read {
            return Ok(is_last);
        }
        start += size;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes: &[(&str, u64)]) -> Vec<Known> {
        sizes.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect()
    }

    #[test]
    fn what_lies_below_the_offset_must_not_change() {
        let noted = files(&[("a", 10), ("b", 20), ("c", 5)]);
        let at = |found: &[(&str, u64)], from| compare(&noted, &files(found), from);
        let same = [("a", 10), ("b", 20), ("c", 5)];
        // Whether all but the last is below the offset, so that the note can be given up.
        assert_eq!(at(&same, 0), Ok(false));
        assert_eq!(at(&same, 15), Ok(false));
        assert_eq!(at(&same, 30), Ok(true));
        assert_eq!(at(&[("a", 10), ("b", 20), ("c", 9), ("d", 1)], 37), Ok(true));
        // What was not begun may still change.
        assert_eq!(at(&[("a", 10), ("b", 25), ("bb", 1), ("c", 5)], 12), Ok(false));
        assert_eq!(at(&[("a", 10), ("aa", 3), ("b", 20), ("c", 5)], 10), Ok(false));
        let refused = |found: &[(&str, u64)], from| at(found, from).unwrap_err();
        assert!(refused(&[("a", 14), ("b", 20), ("c", 5)], 12).contains("a had 10 bytes"));
        assert!(refused(&[("a", 14), ("b", 20), ("c", 5)], 10).contains("a had 10 bytes"));
        assert!(refused(&[("a", 10), ("aa", 3), ("b", 20)], 12).contains("aa appeared below b"));
        assert!(refused(&[("b", 20), ("c", 5)], 12).contains("b stands in place of a"));
        assert!(refused(&[("a", 10), ("b", 1)], 15).contains("of which 5 were read"));
        assert!(refused(&[("a", 10)], 15).contains("b is gone"));
        assert!(refused(&[("a", 10), ("b", 20), ("c", 5)], 37).contains("of which 7 were read"));
    }
}
