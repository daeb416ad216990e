//! Does the file operations that the core asks for, in a real folder.

use crate::in_phase;
use crate::lock::{FolderLock, LockError};
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One folder of the file system, and the lock in it.
#[derive(Debug)]
pub struct FolderExecutor {
    folder: PathBuf,
    /// Held from the first [`FsRequest::Lock`] on.
    lock: Option<FolderLock>,
    /// The file that was written last.
    written: Option<OpenFile>,
}

/// A file that stays open after it was written: the system reports a failed write back to
/// those who have the file open, so it is synced through this; and a journal need not open
/// its segment for each record.
#[derive(Debug)]
struct OpenFile {
    name: String,
    file: File,
    /// Whether all that is written goes to the end.
    appends: bool,
}

impl FolderExecutor {
    /// An executor for this folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: &Path) -> FolderExecutor {
        FolderExecutor { folder: folder.to_owned(), lock: None, written: None }
    }

    /// Does one operation, as a phase, and waits for it. A failure names the path.
    pub fn execute(&mut self, request: &FsRequest) -> FsAnswer {
        in_phase(phase_of(request), || self.carry_out(request))
    }

    fn carry_out(&mut self, request: &FsRequest) -> FsAnswer {
        match request {
            FsRequest::Lock { name, holder } => self.lock(name, holder),
            FsRequest::ProveLock { name } => self.prove_lock(name),
            FsRequest::List => match self.list() {
                Ok(names) => FsAnswer::Names(names),
                Err(error) => failed("list", &self.folder, &error),
            },
            FsRequest::Read { name } => match fs::read(self.path(name)) {
                Ok(bytes) => FsAnswer::Data(bytes.into()),
                Err(error) => failed("read", &self.path(name), &error),
            },
            FsRequest::Create { name, bytes } => {
                let mut options = OpenOptions::new();
                self.write(name, options.append(true).create_new(true), true, bytes)
            }
            FsRequest::Write { name, bytes } => {
                let mut options = OpenOptions::new();
                self.write(name, options.write(true).create(true).truncate(true), false, bytes)
            }
            FsRequest::Append { name, at, bytes } => self.append(name, *at, bytes),
            FsRequest::Truncate { name, length } => {
                let cut = self.open_to_append(name).and_then(|file| file.set_len(*length));
                done(cut, "cut", &self.path(name))
            }
            FsRequest::SyncFile { name } => {
                let path = self.path(name);
                let synced = match &self.written {
                    Some(written) if written.name == *name => written.file.sync_data(),
                    _ => File::open(&path).and_then(|file| file.sync_data()),
                };
                done(synced, "sync", &path)
            }
            FsRequest::SyncDir => done(sync_folder(&self.folder), "sync", &self.folder),
            FsRequest::Rename { from, to } => {
                self.forget(from);
                self.forget(to);
                let path = self.path(to);
                done(fs::rename(self.path(from), &path), "put in place", &path)
            }
            FsRequest::Remove { name } => {
                self.forget(name);
                let path = self.path(name);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => FsAnswer::Done,
                    other => done(other, "remove", &path),
                }
            }
        }
    }

    fn lock(&mut self, name: &str, holder: &str) -> FsAnswer {
        if let Err(error) = make_folder(&self.folder) {
            return failed("make the folder", &self.folder, &error);
        }
        let locked = match &mut self.lock {
            Some(lock) => lock.describe(holder),
            None => FolderLock::take(&self.path(name), holder).map(|lock| {
                self.lock = Some(lock);
            }),
        };
        answer_of(locked)
    }

    fn prove_lock(&self, name: &str) -> FsAnswer {
        match &self.lock {
            Some(lock) => answer_of(lock.prove()),
            None => {
                let what = format!("nobody: {} is not locked", self.path(name).display());
                FsAnswer::Failed { kind: FsFailure::Locked, what }
            }
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn write(
        &mut self,
        name: &str,
        options: &OpenOptions,
        appends: bool,
        bytes: &[u8],
    ) -> FsAnswer {
        let path = self.path(name);
        self.written = None;
        let written = options.open(&path).and_then(|mut file| {
            let written = file.write_all(bytes);
            self.written = Some(OpenFile { name: name.to_owned(), file, appends });
            written
        });
        done(written, "write", &path)
    }

    fn append(&mut self, name: &str, at: u64, bytes: &[u8]) -> FsAnswer {
        let path = self.path(name);
        let opened = self.open_to_append(name);
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return failed("append to", &path, &error),
        };
        if metadata.nlink() == 0 {
            let what = format!("cannot append to {}: it was removed", path.display());
            return FsAnswer::Failed { kind: FsFailure::NotFound, what };
        }
        if metadata.len() != at {
            let what = format!("{} has {} bytes instead of {at}", path.display(), metadata.len());
            return FsAnswer::Failed { kind: FsFailure::Moved, what };
        }
        done(file.write_all(bytes), "append to", &path)
    }

    /// The file at whose end is written: the one that is open, or opened now.
    fn open_to_append(&mut self, name: &str) -> io::Result<&mut File> {
        let open = self.written.take().filter(|open| open.appends && open.name == name);
        let open = match open {
            Some(open) => open,
            None => {
                let file = OpenOptions::new().append(true).open(self.path(name))?;
                OpenFile { name: name.to_owned(), file, appends: true }
            }
        };
        Ok(&mut self.written.insert(open).file)
    }

    /// The name will mean another file.
    fn forget(&mut self, name: &str) {
        if self.written.as_ref().is_some_and(|open| open.name == name) {
            self.written = None;
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn answer_of(locked: Result<(), LockError>) -> FsAnswer {
    match locked {
        Ok(()) => FsAnswer::Done,
        Err(LockError::Held { holder, .. }) => {
            FsAnswer::Failed { kind: FsFailure::Locked, what: holder }
        }
        Err(LockError::Io { path, source }) => failed("lock", &path, &source),
    }
}

/// What an operation is called where phases are counted.
fn phase_of(request: &FsRequest) -> &'static str {
    match request {
        FsRequest::Lock { .. } | FsRequest::List | FsRequest::Read { .. } => "open",
        FsRequest::ProveLock { .. } => "prove",
        FsRequest::Append { .. }
        | FsRequest::Create { .. }
        | FsRequest::Remove { .. }
        | FsRequest::Truncate { .. }
        | FsRequest::Write { .. } => "write",
        FsRequest::SyncFile { .. } | FsRequest::SyncDir => "fsync",
        FsRequest::Rename { .. } => "rename",
    }
}

/// Makes a folder and those above it, and makes them survive a power failure.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_folder(parent.unwrap_or(Path::new(".")))
}

/// Makes the names in a folder survive a power failure.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn done(result: io::Result<()>, action: &str, path: &Path) -> FsAnswer {
    match result {
        Ok(()) => FsAnswer::Done,
        Err(error) => failed(action, path, &error),
    }
}

fn failed(action: &str, path: &Path, error: &io::Error) -> FsAnswer {
    let (kind, what) = failure(action, path, error);
    FsAnswer::Failed { kind, what }
}

/// What kind of failure it is, and what a person is told.
pub(crate) fn failure(action: &str, path: &Path, error: &io::Error) -> (FsFailure, String) {
    let kind = match error.kind() {
        io::ErrorKind::AlreadyExists => FsFailure::Exists,
        io::ErrorKind::NotFound => FsFailure::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FsFailure::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FsFailure::NoSpace,
        _ => FsFailure::Other,
    };
    let full = if kind == FsFailure::NoSpace { "the disk is full: " } else { "" };
    (kind, format!("{full}cannot {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        let said =
            |number| failure("write", Path::new("a/b"), &io::Error::from_raw_os_error(number));
        for number in [28, 122] {
            let (kind, what) = said(number);
            assert_eq!(kind, FsFailure::NoSpace);
            assert!(what.starts_with("the disk is full: cannot write a/b: "), "{what}");
        }
        assert_eq!(said(13).0, FsFailure::Denied);
    }
}
