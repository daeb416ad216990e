//! What comes of a machine's order, as the input that the pipeline is given.

use super::faults::{Moment, Side};
use super::lane::{Step, Tag};
use super::process::{Life, Process};
use super::wire::kind_of;
use super::{Event, World};
use anabranch_engine::ids::{RequestId, SinkId};
use anabranch_engine::journal::JournalStep;
use anabranch_engine::pipeline::Input;
use anabranch_engine::service::Answer;
use anabranch_engine::sink::{ApplyOutcome, FailKind, OpenOutcome, SinkStep};
use anabranch_engine::snapshot::SnapshotStep;

impl World {
    /// An order is done, or has failed. Gives the lane that waited for it, with what it
    /// is told.
    pub(super) fn outcome(
        &mut self,
        process: &mut Process,
        lane: usize,
        step: Step,
    ) -> Option<(usize, Answer)> {
        let tag = process.lanes[lane].current.take().expect("an order is under way");
        let input = match step {
            Step::Journal(step) => match self.journal_outcome(process, lane, &tag, step) {
                Ok(input) => input,
                Err(answer) => return Some(answer),
            },
            Step::Snapshots(step) => self.snapshots_outcome(&tag, step),
            Step::Sink(step) => self.sink_outcome(process, lane, &tag, step),
            Step::Request(_) => panic!("a request is no outcome"),
        };
        if let Some(input) = input {
            self.tell(process, lane, &tag, input);
        }
        None
    }

    /// Tells the pipeline, unless the process dies first or the world says otherwise.
    fn tell(&mut self, process: &mut Process, lane: usize, tag: &Tag, input: Input) {
        let (kind, concerns) = kind_of(tag);
        let moment = Moment {
            side: Side::After,
            kind,
            table: self.places[process.lanes[lane].service]
                .sink
                .map(|sink| self.sinks[sink.0 as usize]),
            split: None,
            service: None,
            concerns,
            restarts: process.restarts,
        };
        let fate = self.consult(process, &moment);
        if process.life == Life::Dead {
            return;
        }
        if let Some(after) = fate.duplicate {
            let event = Event::Input(process.id, Box::new(input.clone()));
            self.heap.plan(self.now + after, event);
        }
        if fate.delay.0 > 0 {
            self.heap.plan(self.now + fate.delay, Event::Input(process.id, Box::new(input)));
        } else {
            self.give(process, input);
        }
    }

    /// # Errors
    /// The lane that waited for a proof, and the proof.
    fn journal_outcome(
        &mut self,
        process: &mut Process,
        lane: usize,
        tag: &Tag,
        step: JournalStep,
    ) -> Result<Option<Input>, (usize, Answer)> {
        Ok(match (tag, step) {
            (Tag::ReadJournal { request }, JournalStep::Read(segments)) => {
                self.watch.journal_read(&segments);
                Some(Input::JournalRead { request: *request, segments })
            }
            (Tag::OpenJournal, JournalStep::Opened) => Some(Input::JournalOpened),
            (Tag::Append { last, .. }, JournalStep::Appended) => {
                process.appended = process.appended.max(*last);
                Some(Input::JournalAppended { epoch: *last })
            }
            (Tag::Finish, JournalStep::Appended) => Some(Input::FinishRecorded),
            (Tag::Prove { lane }, JournalStep::Proved(is_newest)) => {
                return Err((*lane, Answer::Proved(is_newest)));
            }
            (Tag::Prove { lane }, _) => return Err((*lane, Answer::Proved(false))),
            (Tag::TrimJournal { request }, JournalStep::Failed { message, .. }) => {
                Some(Input::TrimFailed { request: *request, message })
            }
            (Tag::TrimJournal { request }, _) => Some(Input::Trimmed { request: *request }),
            (_, JournalStep::Fenced { by }) => {
                process.lanes[lane].is_broken = true;
                Some(Input::JournalFenced { by })
            }
            (Tag::ReadJournal { request }, JournalStep::Failed { message, transient }) => {
                Some(Input::JournalUnreadable { request: *request, transient, message })
            }
            (_, JournalStep::Failed { message, .. }) => {
                // spec: J-6
                process.lanes[lane].is_broken = true;
                Some(Input::JournalFailed { message })
            }
            (tag, other) => panic!("{other:?} does not end {tag:?}"),
        })
    }

    fn snapshots_outcome(&mut self, tag: &Tag, step: SnapshotStep) -> Option<Input> {
        match (tag, step) {
            (Tag::List { request }, SnapshotStep::Listed(manifests)) => {
                Some(Input::SnapshotsListed { request: *request, manifests })
            }
            (Tag::List { request }, SnapshotStep::Failed { message, transient }) => {
                Some(Input::SnapshotsNotListed { request: *request, transient, message })
            }
            (Tag::Load { name }, SnapshotStep::Loaded(parts)) => {
                Some(Input::SnapshotLoaded { name: name.clone(), parts })
            }
            (Tag::Load { name }, SnapshotStep::Failed { message, transient }) => {
                let (name, reason) = (name.clone(), message);
                Some(Input::SnapshotUnreadable { name, transient, reason })
            }
            (Tag::Store { epoch }, SnapshotStep::Stored) => {
                Some(Input::SnapshotStored { epoch: *epoch })
            }
            (Tag::Store { epoch }, SnapshotStep::Failed { message, .. }) => {
                self.watch.counts.mark("snapshot-failed");
                Some(Input::SnapshotFailed { epoch: *epoch, message })
            }
            (Tag::Remove, _) => None,
            (tag, other) => panic!("{other:?} does not end {tag:?}"),
        }
    }

    fn sink_outcome(
        &mut self,
        process: &mut Process,
        lane: usize,
        tag: &Tag,
        step: SinkStep,
    ) -> Option<Input> {
        let sink = SinkId(lane as u32 - 2);
        let failed = |request: RequestId, outcome, message| Input::SinkOpenFailed {
            request,
            sink,
            outcome,
            message,
        };
        match (tag, step) {
            (Tag::Inspect { .. }, SinkStep::Inspected(Ok(found))) => {
                Some(Input::SinkInspected { sink, generation: found.claim, marker: found.marker })
            }
            (Tag::Inspect { request }, SinkStep::Inspected(Err(outcome))) => {
                let outcome = match outcome {
                    ApplyOutcome::Fenced { by } => OpenOutcome::Fenced { by },
                    ApplyOutcome::Failed(kind) => OpenOutcome::Failed(kind),
                    other => panic!("looking at a sink gave {other:?}"),
                };
                Some(failed(*request, outcome, process.lanes[lane].failure()))
            }
            (Tag::Open { request }, SinkStep::Opened(outcome)) => match outcome {
                OpenOutcome::Opened { marker } => {
                    Some(Input::SinkOpened { request: *request, sink, marker })
                }
                other => Some(failed(*request, other, process.lanes[lane].failure())),
            },
            (Tag::Apply { request, .. }, SinkStep::Applied(outcome)) => {
                self.note_applied(&outcome);
                let message = match outcome {
                    ApplyOutcome::Applied | ApplyOutcome::Duplicate => String::new(),
                    _ => process.lanes[lane].failure(),
                };
                Some(Input::SinkApplied { request: *request, sink, outcome, message })
            }
            (tag, other) => panic!("{other:?} does not end {tag:?}"),
        }
    }

    fn note_applied(&mut self, outcome: &ApplyOutcome) {
        let mark = match outcome {
            ApplyOutcome::Applied => "chunk-applied",
            ApplyOutcome::Duplicate => "chunk-duplicate",
            ApplyOutcome::Gap { .. } => "chunk-gap",
            ApplyOutcome::Diverged { .. } => "chunk-diverged",
            ApplyOutcome::Fenced { .. } => "chunk-fenced",
            ApplyOutcome::Failed(FailKind::Transient) => "chunk-transient",
            ApplyOutcome::Failed(FailKind::Rejected) => "chunk-rejected",
            ApplyOutcome::Failed(FailKind::Unknown) => "chunk-unknown",
        };
        self.watch.counts.mark(mark);
    }
}
