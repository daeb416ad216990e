//! The machines of the local stores on a disk.

use crate::disks::{Disks, End, Place, Process};
use anabranch_engine::ids::{Epoch, RequestId};
use anabranch_engine::journal::local::LocalJournal;
use anabranch_engine::journal::{JournalMachine, JournalStep, SegmentName};
use anabranch_engine::pipeline::Input;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::snapshot::local::LocalSnapshots;
use anabranch_engine::snapshot::{SnapshotMachine, SnapshotStep};
use bytes::Bytes;

/// The stores of one process.
#[derive(Default)]
pub(crate) struct Stores {
    journal: LocalJournal,
    snapshots: LocalSnapshots,
}

/// What a machine asks of the process's folder.
pub(crate) fn ask(
    process: &mut Process,
    disks: &mut Disks,
    place: Place,
    request: &Request,
) -> Result<Answer, End> {
    let Request::Fs(request) = request else { panic!("{request:?} is not of a folder") };
    Ok(Answer::Fs(process.ask(disks, place, request)?))
}

impl Stores {
    fn journal(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        begin: impl FnOnce(&mut LocalJournal) -> JournalStep,
    ) -> Result<JournalStep, End> {
        let mut step = begin(&mut self.journal);
        while let JournalStep::Request(request) = step {
            step = self.journal.answer(ask(process, disks, Place::Journal, &request)?);
        }
        Ok(step)
    }

    fn snapshots(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        begin: impl FnOnce(&mut LocalSnapshots) -> SnapshotStep,
    ) -> Result<SnapshotStep, End> {
        let mut step = begin(&mut self.snapshots);
        while let SnapshotStep::Request(request) = step {
            step = self.snapshots.answer(ask(process, disks, Place::Snapshots, &request)?);
        }
        Ok(step)
    }

    pub(crate) fn read_journal(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        request: RequestId,
    ) -> Result<Input, End> {
        match self.journal(process, disks, LocalJournal::read)? {
            JournalStep::Read(segments) => Ok(Input::JournalRead { request, segments }),
            other => Err(End::Broken(format!("reading the journal gave {other:?}"))),
        }
    }

    pub(crate) fn open_journal(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        (segment, bytes): (SegmentName, Bytes),
    ) -> Result<Input, End> {
        match self.journal(process, disks, |journal| journal.open(segment, bytes))? {
            JournalStep::Opened => Ok(Input::JournalOpened),
            other => Err(End::Broken(format!("opening the journal gave {other:?}"))),
        }
    }

    /// Appends the record of an epoch, or, without one, the last entry.
    pub(crate) fn append(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        (epoch, bytes): (Option<Epoch>, Bytes),
    ) -> Result<Input, End> {
        match (self.journal(process, disks, |journal| journal.append(bytes))?, epoch) {
            (JournalStep::Appended, Some(epoch)) => Ok(Input::JournalAppended { epoch }),
            (JournalStep::Appended, None) => Ok(Input::FinishRecorded),
            (other, _) => Err(End::Broken(format!("appending gave {other:?}"))),
        }
    }

    pub(crate) fn list_snapshots(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        request: RequestId,
    ) -> Result<Input, End> {
        match self.snapshots(process, disks, LocalSnapshots::list)? {
            SnapshotStep::Listed(manifests) => Ok(Input::SnapshotsListed { request, manifests }),
            other => Err(End::Broken(format!("listing snapshots gave {other:?}"))),
        }
    }

    pub(crate) fn load_snapshot(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        name: String,
    ) -> Result<Input, End> {
        let begin = |snapshots: &mut LocalSnapshots| snapshots.load(name.clone());
        match self.snapshots(process, disks, begin)? {
            SnapshotStep::Loaded(parts) => Ok(Input::SnapshotLoaded { name, parts }),
            SnapshotStep::Failed { message: reason, transient } => {
                Ok(Input::SnapshotUnreadable { name, transient, reason })
            }
            other => Err(End::Broken(format!("loading a snapshot gave {other:?}"))),
        }
    }

    pub(crate) fn store_snapshot(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        (name, parts, manifest): (String, Vec<(String, Bytes)>, Bytes),
    ) -> Result<(), End> {
        match self.snapshots(process, disks, |store| store.store(name, parts, manifest))? {
            SnapshotStep::Stored => Ok(()),
            other => Err(End::Broken(format!("storing a snapshot gave {other:?}"))),
        }
    }

    pub(crate) fn trim(
        &mut self,
        process: &mut Process,
        disks: &mut Disks,
        (segments, snapshots): (Vec<SegmentName>, Vec<String>),
    ) -> Result<(), End> {
        let removed = self.snapshots(process, disks, |store| store.remove(snapshots))?;
        let trimmed = self.journal(process, disks, |journal| journal.trim(segments))?;
        match (removed, trimmed) {
            (SnapshotStep::Removed, JournalStep::Trimmed) => Ok(()),
            other => Err(End::Broken(format!("trimming gave {other:?}"))),
        }
    }
}
