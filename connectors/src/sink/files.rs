//! The `filesystem` sink: carries out what its machine asks for.

use super::{Inspected, Sink};
use crate::fs_exec::FolderExecutor;
use anabranch_engine::ids::{Generation, SinkId};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::files::FileSink;
use anabranch_engine::sink::{ApplyOutcome, Chunk, OpenOutcome, SinkMachine, SinkStep};
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
    fn run(&mut self, mut step: SinkStep) -> SinkStep {
        while let SinkStep::Request(request) = step {
            let Request::Fs(request) = request else { panic!("{request:?} is not of a folder") };
            let answer = self.folder.execute(&request);
            step = self.machine.answer(Answer::Fs(answer));
        }
        step
    }
}

impl Sink for FilesystemSink {
    fn inspect(&mut self) -> Result<Inspected, String> {
        let step = self.machine.inspect();
        match self.run(step) {
            SinkStep::Inspected(Ok(found)) => {
                Ok(Inspected { generation: found.claim, marker: found.marker })
            }
            SinkStep::Inspected(Err(_)) => Err(self.machine.failure().to_owned()),
            step => panic!("looking ended with {step:?}"),
        }
    }

    fn open(&mut self, generation: Generation) -> (OpenOutcome, String) {
        let step = self.machine.open(generation);
        match self.run(step) {
            SinkStep::Opened(outcome) => (outcome, self.machine.failure().to_owned()),
            step => panic!("opening ended with {step:?}"),
        }
    }

    fn apply(&mut self, chunk: Chunk) -> (ApplyOutcome, String) {
        let step = self.machine.apply(chunk);
        match self.run(step) {
            SinkStep::Applied(outcome) => (outcome, self.machine.failure().to_owned()),
            step => panic!("applying ended with {step:?}"),
        }
    }
}
