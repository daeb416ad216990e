//! The journal as files of a local folder.

use crate::in_phase;
use crate::lock::FolderLock;
use crate::store::{StoreError, make_folder, sync_folder};
use anabranch_engine::journal::{SegmentBytes, SegmentName};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name of the locked file.
const LOCK: &str = "lock";

/// A folder with one file for each segment, locked for this process.
#[derive(Debug)]
pub struct LocalJournalStore {
    folder: PathBuf,
    lock: FolderLock,
    /// The segments that were created by this value and are being written.
    open: BTreeMap<SegmentName, OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    file: File,
    /// How many bytes it has, all of them durable.
    length: u64,
}

impl LocalJournalStore {
    /// Opens the folder, which is made if it is not there, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with what the holder says of itself if another process
    /// uses it.
    // spec: J-3, J-6
    pub fn open(folder: &Path) -> Result<LocalJournalStore, StoreError> {
        make_folder(folder).map_err(StoreError::io("make the folder", folder))?;
        let lock = FolderLock::take(&folder.join(LOCK), "starting")?;
        Ok(LocalJournalStore { folder: folder.to_owned(), lock, open: BTreeMap::new() })
    }

    /// Says in the lock who holds it, such as `generation 5`, for others to read.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn describe_holder(&mut self, holder: &str) -> Result<(), StoreError> {
        Ok(self.lock.describe(holder)?)
    }

    /// The names of all segments, oldest first. Other files are passed over.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<SegmentName>, StoreError> {
        let error = || StoreError::io("list", &self.folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(error())? {
            let file_name = entry.map_err(error())?.file_name();
            names.extend(file_name.to_str().and_then(SegmentName::parse));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// All segments with their bytes, oldest first.
    ///
    /// What is read is durable: a process that was killed may have written what it
    /// never synced, and no output may rest on that.
    ///
    /// # Errors
    /// If anything cannot be read; [`StoreError::Fatal`] if it cannot be synced.
    // spec: J-1
    pub fn read_all(&self) -> Result<Vec<SegmentBytes>, StoreError> {
        let mut segments = Vec::new();
        for name in self.list()? {
            let path = self.path(name);
            let file = File::open(&path).map_err(StoreError::io("open", &path))?;
            file.sync_data().map_err(StoreError::fatal("sync", &path))?;
            let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
            segments.push(SegmentBytes { name, bytes: bytes.into() });
        }
        sync_folder(&self.folder).map_err(StoreError::fatal("sync", &self.folder))?;
        Ok(segments)
    }

    /// Makes a new segment with its first bytes. When this returns, the segment is
    /// durable.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one of that name; [`StoreError::DiskFull`]
    /// and [`StoreError::Io`] leave none behind, or a torn one that does not count;
    /// [`StoreError::Fatal`] if syncing failed.
    // spec: J-3, J-6
    pub fn create(&mut self, name: SegmentName, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        let created = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists { path });
            }
            other => other.map_err(StoreError::io("create", &path))?,
        };
        if let Err(source) = file.write_all(bytes) {
            // Without a record in it the segment can go again. If it cannot be
            // removed, it is a torn one, which readers pass over.
            let _ = fs::remove_file(&path);
            return Err(StoreError::io("write", &path)(source));
        }
        file.sync_all().map_err(StoreError::fatal("sync", &path))?;
        sync_folder(&self.folder).map_err(StoreError::fatal("sync", &self.folder))?;
        self.open.insert(name, OpenSegment { file, length: bytes.len() as u64 });
        Ok(())
    }

    /// Appends bytes at byte `at` of a segment that this value created. When this
    /// returns, they are durable.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] and [`StoreError::Io`] leave the segment as it was,
    /// so that the same can be tried again; [`StoreError::Fatal`] if that is not
    /// possible or syncing failed: then the process has to end.
    ///
    /// # Panics
    /// If the segment is not open, or not `at` bytes long: only one writer appends,
    /// in order.
    // spec: J-1, J-6
    pub fn append(&mut self, name: SegmentName, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        let segment = self.open.get_mut(&name).expect("only an open segment is appended to");
        assert_eq!(segment.length, at, "{name} is appended to in order");
        if let Err(source) = segment.file.write_all(bytes) {
            // What was written in part must not stand before the next attempt.
            segment.take_back().map_err(StoreError::fatal("take back a part of", &path))?;
            return Err(StoreError::io("append to", &path)(source));
        }
        let synced = in_phase("fsync", || segment.file.sync_data());
        synced.map_err(StoreError::fatal("sync", &path))?;
        segment.length += bytes.len() as u64;
        Ok(())
    }

    /// Removes segments, oldest first. A power failure in between leaves the newest
    /// of them. Those that are not there are passed over.
    ///
    /// # Errors
    /// If one cannot be removed; the older ones are gone then.
    // spec: J-4
    pub fn remove(&mut self, names: &[SegmentName]) -> Result<(), StoreError> {
        let mut names = names.to_vec();
        names.sort_unstable();
        for name in names {
            let path = self.path(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(StoreError::io("remove", &path))?,
            }
            self.open.remove(&name);
            sync_folder(&self.folder).map_err(StoreError::fatal("sync", &self.folder))?;
        }
        Ok(())
    }

    fn path(&self, name: SegmentName) -> PathBuf {
        self.folder.join(name.file_name())
    }
}

impl OpenSegment {
    fn take_back(&mut self) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length)).map(drop)
    }
}
