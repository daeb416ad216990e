//! Does the file operations that the core asks for, in a real folder.

use crate::lock::{FolderLock, LockError};
use crate::store::{is_disk_full, make_folder, sync_folder};
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// One folder of the file system, and the lock in it.
#[derive(Debug)]
pub struct FolderExecutor {
    folder: PathBuf,
    /// Held from the first [`FsRequest::Lock`] on.
    lock: Option<FolderLock>,
    /// The file that was written last, still open: the system reports a failed write
    /// back to those who have the file open, so it is synced through this.
    written: Option<(String, File)>,
}

impl FolderExecutor {
    /// An executor for this folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: &Path) -> FolderExecutor {
        FolderExecutor { folder: folder.to_owned(), lock: None, written: None }
    }

    /// Does one operation and waits for it. A failure names the path.
    pub fn execute(&mut self, request: &FsRequest) -> FsAnswer {
        match request {
            FsRequest::Lock { name, holder } => self.lock(name, holder),
            FsRequest::List => match self.list() {
                Ok(names) => FsAnswer::Names(names),
                Err(error) => failed("list", &self.folder, &error),
            },
            FsRequest::Read { name } => match fs::read(self.path(name)) {
                Ok(bytes) => FsAnswer::Data(bytes.into()),
                Err(error) => failed("read", &self.path(name), &error),
            },
            FsRequest::Create { name, bytes } => {
                let path = self.path(name);
                let created = OpenOptions::new().write(true).create_new(true).open(&path);
                let file = created.and_then(|mut file| {
                    file.write_all(bytes)?;
                    Ok(file)
                });
                done(file.map(|file| self.written = Some((name.clone(), file))), "write", &path)
            }
            FsRequest::Truncate { name, length } => {
                let path = self.path(name);
                let opened = OpenOptions::new().write(true).open(&path);
                let cut = opened.and_then(|file| {
                    file.set_len(*length)?;
                    Ok(file)
                });
                done(cut.map(|file| self.written = Some((name.clone(), file))), "cut", &path)
            }
            FsRequest::Write { name, bytes } => {
                let path = self.path(name);
                let file = File::create(&path).and_then(|mut file| {
                    file.write_all(bytes)?;
                    Ok(file)
                });
                done(file.map(|file| self.written = Some((name.clone(), file))), "write", &path)
            }
            FsRequest::Append { name, at, bytes } => self.append(name, *at, bytes),
            FsRequest::SyncFile { name } => {
                let path = self.path(name);
                let file = match self.written.take() {
                    Some((written, file)) if written == *name => Ok(file),
                    _ => File::open(&path),
                };
                done(file.and_then(|file| file.sync_all()), "sync", &path)
            }
            FsRequest::SyncDir => done(sync_folder(&self.folder), "sync", &self.folder),
            FsRequest::Rename { from, to } => {
                let path = self.path(to);
                done(fs::rename(self.path(from), &path), "put in place", &path)
            }
            FsRequest::Remove { name } => {
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
        match locked {
            Ok(()) => FsAnswer::Done,
            Err(LockError::Held { holder, .. }) => {
                FsAnswer::Failed { kind: FsFailure::Locked, what: holder }
            }
            Err(LockError::Io { path, source }) => failed("lock", &path, &source),
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

    fn append(&mut self, name: &str, at: u64, bytes: &[u8]) -> FsAnswer {
        let path = self.path(name);
        let opened = OpenOptions::new().append(true).open(&path);
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, mut file) = match opened {
            Ok(opened) => opened,
            Err(error) => return failed("append to", &path, &error),
        };
        if length != at {
            let what = format!("{} has {length} bytes instead of {at}", path.display());
            return FsAnswer::Failed { kind: FsFailure::Moved, what };
        }
        let written = file.write_all(bytes);
        self.written = Some((name.to_owned(), file));
        done(written, "append to", &path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn done(result: io::Result<()>, action: &str, path: &Path) -> FsAnswer {
    match result {
        Ok(()) => FsAnswer::Done,
        Err(error) => failed(action, path, &error),
    }
}

fn failed(action: &str, path: &Path, error: &io::Error) -> FsAnswer {
    let kind = match error.kind() {
        io::ErrorKind::AlreadyExists => FsFailure::Exists,
        io::ErrorKind::NotFound => FsFailure::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FsFailure::Denied,
        _ if is_disk_full(error) => FsFailure::NoSpace,
        _ => FsFailure::Other,
    };
    let full = if kind == FsFailure::NoSpace { "the disk is full: " } else { "" };
    FsAnswer::Failed { kind, what: format!("{full}cannot {action} {}: {error}", path.display()) }
}
