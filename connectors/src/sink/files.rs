//! The `filesystem` sink: carries out what its machine asks for.

use super::{Inspected, Sink};
use crate::fs_exec::FolderExecutor;
use crate::in_phase;
use anabranch_engine::ids::{Generation, SinkId};
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use anabranch_engine::sink::files::{FileSink, FileStep, MANIFEST, inspect_manifest};
use anabranch_engine::sink::{ApplyOutcome, Chunk, OpenOutcome};
use std::path::Path;

/// Files in a folder, exactly once.
pub struct FilesystemSink {
    machine: FileSink,
    folder: FolderExecutor,
}

impl FilesystemSink {
    /// The sink that writes files with this extension, such as `.jsonl`, to a folder.
    #[must_use]
    pub fn new(sink: SinkId, folder: &Path, extension: &str) -> FilesystemSink {
        FilesystemSink {
            machine: FileSink::new(sink, extension),
            folder: FolderExecutor::new(folder),
        }
    }

    /// Does what the machine asks for until it has an outcome.
    fn run(&mut self, mut step: FileStep) -> FileStep {
        while let FileStep::Request(request) = step {
            let answer = in_phase(phase_of(&request), || self.folder.execute(&request));
            step = self.machine.answer(answer);
        }
        step
    }
}

/// What a request is called where phases are counted.
fn phase_of(request: &FsRequest) -> &'static str {
    match request {
        FsRequest::Lock { .. } | FsRequest::List | FsRequest::Read { .. } => "open",
        FsRequest::Append { .. }
        | FsRequest::Create { .. }
        | FsRequest::Remove { .. }
        | FsRequest::Truncate { .. }
        | FsRequest::Write { .. } => "write",
        FsRequest::SyncFile { .. } | FsRequest::SyncDir => "fsync",
        FsRequest::Rename { .. } => "rename",
    }
}

impl Sink for FilesystemSink {
    fn inspect(&mut self) -> Result<Inspected, String> {
        match self.folder.execute(&FsRequest::Read { name: MANIFEST.into() }) {
            FsAnswer::Data(bytes) => {
                let (generation, marker) =
                    inspect_manifest(&bytes).map_err(|error| format!("{MANIFEST}: {error}"))?;
                Ok(Inspected { generation, marker })
            }
            FsAnswer::Failed { kind: FsFailure::NotFound, .. } => Ok(Inspected::default()),
            FsAnswer::Failed { what, .. } => Err(what),
            FsAnswer::Done | FsAnswer::Names(_) => Err("a read gave no data".to_owned()),
        }
    }

    fn open(&mut self, generation: Generation) -> (OpenOutcome, String) {
        let step = self.machine.open(generation);
        match self.run(step) {
            FileStep::Opened(outcome) => (outcome, self.machine.failure().to_owned()),
            step => panic!("opening ended with {step:?}"),
        }
    }

    fn apply(&mut self, chunk: Chunk) -> (ApplyOutcome, String) {
        let step = self.machine.apply(chunk);
        match self.run(step) {
            FileStep::Applied(outcome) => (outcome, self.machine.failure().to_owned()),
            step => panic!("applying ended with {step:?}"),
        }
    }
}
