//! Snapshots in a local folder: carries out what their machine asks for.

use crate::fs_exec::{FolderExecutor, failure, make_folder};
use crate::store::StoreError;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::snapshot::local::LocalSnapshots;
use anabranch_engine::snapshot::{SnapshotMachine, SnapshotStep};
use bytes::Bytes;
use std::path::Path;

/// A folder with one file for each part and one for each manifest. The lock of the
/// journal beside it guards it, too.
#[derive(Debug)]
pub struct LocalSnapshotStore {
    files: FolderExecutor,
    machine: LocalSnapshots,
}

impl LocalSnapshotStore {
    /// Opens the folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(folder: &Path) -> Result<LocalSnapshotStore, StoreError> {
        make_folder(folder).map_err(|error| {
            let (_, message) = failure("make the folder", folder, &error);
            StoreError::Failed { message, transient: false }
        })?;
        Ok(LocalSnapshotStore {
            files: FolderExecutor::new(folder),
            machine: LocalSnapshots::new(),
        })
    }

    /// Every snapshot, by the name that the pipeline uses, with its manifest. One that
    /// cannot be read comes without bytes, so that the pipeline says that it is skipped.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&mut self) -> Result<Vec<(String, Bytes)>, StoreError> {
        let step = self.machine.list();
        match self.run(step)? {
            SnapshotStep::Listed(manifests) => Ok(manifests),
            step => panic!("listing ended with {step:?}"),
        }
    }

    /// The parts of a snapshot, in the order of its manifest.
    ///
    /// # Errors
    /// If the manifest or a part cannot be read.
    pub fn load(&mut self, name: &str) -> Result<Vec<Bytes>, StoreError> {
        let step = self.machine.load(name.to_owned());
        match self.run(step)? {
            SnapshotStep::Loaded(parts) => Ok(parts),
            step => panic!("loading ended with {step:?}"),
        }
    }

    /// Makes a snapshot durable and visible.
    ///
    /// # Errors
    /// If it cannot be written. It may or may not be visible then, but if it is, it is
    /// complete.
    // spec: S-1
    pub fn store(
        &mut self,
        name: String,
        parts: Vec<(String, Bytes)>,
        manifest: Bytes,
    ) -> Result<(), StoreError> {
        let step = self.machine.store(name, parts, manifest);
        match self.run(step)? {
            SnapshotStep::Stored => Ok(()),
            step => panic!("storing ended with {step:?}"),
        }
    }

    /// Removes these snapshots, the parts that none of the others names, and what broken
    /// attempts left.
    ///
    /// # Errors
    /// If something cannot be removed. What is kept is whole in any case.
    // spec: J-4, S-1
    pub fn remove(&mut self, names: Vec<String>) -> Result<(), StoreError> {
        let step = self.machine.remove(names);
        match self.run(step)? {
            SnapshotStep::Removed => Ok(()),
            step => panic!("removing ended with {step:?}"),
        }
    }

    /// Does what the machine asks for until it has an outcome.
    fn run(&mut self, mut step: SnapshotStep) -> Result<SnapshotStep, StoreError> {
        while let SnapshotStep::Request(request) = step {
            let Request::Fs(request) = request else { panic!("{request:?} is not of a folder") };
            step = self.machine.answer(Answer::Fs(self.files.execute(&request)));
        }
        match step {
            SnapshotStep::Failed { message, transient } => {
                Err(StoreError::Failed { message, transient })
            }
            step => Ok(step),
        }
    }
}
