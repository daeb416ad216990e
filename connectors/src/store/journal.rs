//! The journal in a local folder: carries out what its machine asks for.

use crate::fs_exec::FolderExecutor;
use crate::store::StoreError;
use anabranch_engine::ids::Generation;
use anabranch_engine::journal::local::{LOCK, LocalJournal, STARTING};
use anabranch_engine::journal::{JournalMachine, JournalStep, SegmentBytes, SegmentName};
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use anabranch_engine::service::{Answer, Request};
use bytes::Bytes;
use std::path::Path;

/// A folder with one file for each segment, locked for this process.
#[derive(Debug)]
pub struct LocalJournalStore {
    files: FolderExecutor,
    machine: LocalJournal,
}

impl LocalJournalStore {
    /// Opens the folder, which is made if it is not there, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with what the holder says of itself if another process
    /// uses it.
    // spec: J-3, J-6
    pub fn open(folder: &Path) -> Result<LocalJournalStore, StoreError> {
        let mut files = FolderExecutor::new(folder);
        let lock = FsRequest::Lock { name: LOCK.into(), holder: STARTING.into() };
        match files.execute(&lock) {
            FsAnswer::Failed { kind: FsFailure::Locked, what: holder } => {
                return Err(StoreError::Locked { path: folder.to_owned(), holder });
            }
            FsAnswer::Failed { what: message, .. } => {
                return Err(StoreError::Failed { message, transient: false });
            }
            FsAnswer::Done | FsAnswer::Names(_) | FsAnswer::Data(_) => {}
        }
        Ok(LocalJournalStore { files, machine: LocalJournal::new() })
    }

    /// The names of all segments, oldest first. Other files are passed over.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&mut self) -> Result<Vec<SegmentName>, StoreError> {
        let names = match self.files.execute(&FsRequest::List) {
            FsAnswer::Names(names) => names,
            FsAnswer::Failed { what: message, .. } => {
                return Err(StoreError::Failed { message, transient: true });
            }
            answer => panic!("a list is answered by names, not by {answer:?}"),
        };
        let mut names: Vec<_> = names.iter().filter_map(|name| SegmentName::parse(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// All segments with their bytes, oldest first. What is read is durable.
    ///
    /// # Errors
    /// If anything cannot be read or synced.
    // spec: J-1
    pub fn read_all(&mut self) -> Result<Vec<SegmentBytes>, StoreError> {
        let step = self.machine.read();
        match self.run(step)? {
            JournalStep::Read(segments) => Ok(segments),
            step => panic!("reading ended with {step:?}"),
        }
    }

    /// Makes a new segment with its first bytes. When this returns, the segment is
    /// durable.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if there is one of that name. After any error the process
    /// has to end.
    // spec: J-3, J-6
    pub fn create(&mut self, name: SegmentName, bytes: Bytes) -> Result<(), StoreError> {
        let step = self.machine.open(name, bytes);
        match self.run(step)? {
            JournalStep::Opened => Ok(()),
            step => panic!("opening ended with {step:?}"),
        }
    }

    /// Appends bytes to the segment that this value created last. When this returns, they
    /// are durable.
    ///
    /// # Errors
    /// If they cannot be written or synced; then the process has to end.
    // spec: J-1, J-6
    pub fn append(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let step = self.machine.append(bytes);
        match self.run(step)? {
            JournalStep::Appended => Ok(()),
            step => panic!("appending ended with {step:?}"),
        }
    }

    /// Whether the journal is known to belong to this generation still.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another process has it. After any error the process has to
    /// end.
    // spec: J-3
    pub fn prove(&mut self, generation: Generation) -> Result<bool, StoreError> {
        let step = self.machine.prove(generation);
        match self.run(step)? {
            JournalStep::Proved(is_newest) => Ok(is_newest),
            step => panic!("a proof ended with {step:?}"),
        }
    }

    /// Removes segments, oldest first. Those that are not there are passed over.
    ///
    /// # Errors
    /// If one cannot be removed; the older ones are gone then.
    // spec: J-4
    pub fn remove(&mut self, names: Vec<SegmentName>) -> Result<(), StoreError> {
        let step = self.machine.trim(names);
        match self.run(step)? {
            JournalStep::Trimmed => Ok(()),
            step => panic!("removing ended with {step:?}"),
        }
    }

    /// Does what the machine asks for until it has an outcome.
    fn run(&mut self, mut step: JournalStep) -> Result<JournalStep, StoreError> {
        while let JournalStep::Request(request) = step {
            let Request::Fs(request) = request else { panic!("{request:?} is not of a folder") };
            step = self.machine.answer(Answer::Fs(self.files.execute(&request)));
        }
        match step {
            JournalStep::Failed { message, transient } => {
                Err(StoreError::Failed { message, transient })
            }
            JournalStep::Fenced { by } => Err(StoreError::Fenced { by }),
            step => Ok(step),
        }
    }
}
