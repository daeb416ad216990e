//! What comes of a machine's order, as the input that the pipeline is given.

use super::faults::{Moment, Side};
use super::lane::{Job, Step, Tag};
use super::loss::{Loser, Loss};
use super::process::{JOURNAL, Life, Process};
use super::wire::kind_of;
use super::{Event, World};
use anabranch_engine::ids::SinkId;
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
            Step::Snapshots(step) => self.snapshots_outcome(process, &tag, step),
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
        // What failed was not done: nothing may happen behind it that takes for granted
        // that it was.
        let is_done = !matches!(input, Input::JournalFailed { .. } | Input::JournalFenced { .. });
        let moment = Moment {
            side: if is_done { Side::After } else { Side::Failed },
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
                if process.has_own_state() {
                    self.watch.journal_read(&segments);
                }
                Some(Input::JournalRead { request: *request, segments })
            }
            (Tag::ReadJournal { request }, JournalStep::Failed { message, transient }) => {
                Some(Input::JournalUnreadable { request: *request, transient, message })
            }
            (Tag::OpenJournal, JournalStep::Opened) => {
                self.kept.journaled += u64::from(process.has_own_state());
                Some(Input::JournalOpened)
            }
            (Tag::Append { last, .. }, JournalStep::Appended) => {
                process.appended = process.appended.max(*last);
                if process.has_own_state() {
                    self.kept.journaled += 1;
                    self.kept.appended(process.id, *last);
                }
                Some(Input::JournalAppended { epoch: *last })
            }
            (Tag::Note { request }, JournalStep::Appended) => {
                Some(Input::NoteAppended { request: *request })
            }
            (Tag::Finish, JournalStep::Appended) => Some(Input::FinishRecorded),
            (Tag::Prove { lane: asker }, step) => {
                let is_newest = step == JournalStep::Proved(true);
                self.tell_of_proof(process, lane, tag, step);
                return Err((*asker, Answer::Proved(is_newest)));
            }
            (Tag::ProveJournal { request }, JournalStep::Proved(is_newest)) => {
                let request = *request;
                Some(match is_newest {
                    true => Input::JournalProved { request },
                    false => Input::JournalNotProved { request },
                })
            }
            (Tag::TrimJournal { request, failure: None }, JournalStep::Trimmed) => {
                Some(Input::Trimmed { request: *request })
            }
            (Tag::TrimJournal { request, failure }, step) => {
                let message = match step {
                    JournalStep::Failed { message, .. } => message,
                    _ => failure.clone().unwrap_or_default(),
                };
                Some(Input::TrimFailed { request: *request, message })
            }
            (_, JournalStep::Fenced { by }) => {
                process.lanes[lane].is_broken = true;
                Some(Input::JournalFenced { by })
            }
            (_, JournalStep::Failed { message, .. }) => {
                // spec: J-6
                process.lanes[lane].is_broken = true;
                Some(Input::JournalFailed { message })
            }
            (tag, other) => panic!("{other:?} does not end {tag:?}"),
        })
    }

    /// Tells the pipeline what a proof that a sink asked for says of the journal as a
    /// whole: the sink only learns that it must not go on.
    // spec: J-3
    fn tell_of_proof(&mut self, process: &mut Process, lane: usize, tag: &Tag, step: JournalStep) {
        let input = match step {
            JournalStep::Fenced { by } => Input::JournalFenced { by },
            JournalStep::Failed { message, .. } => Input::JournalFailed { message },
            _ => return,
        };
        process.lanes[lane].is_broken = true;
        self.tell(process, lane, tag, input);
    }

    fn snapshots_outcome(
        &mut self,
        process: &mut Process,
        tag: &Tag,
        step: SnapshotStep,
    ) -> Option<Input> {
        match (tag, step) {
            (Tag::List { request }, SnapshotStep::Listed(manifests)) => {
                if process.has_own_state() {
                    self.kept.listed(process.id, &manifests, self.now);
                }
                Some(Input::SnapshotsListed { request: *request, manifests })
            }
            (Tag::List { request }, SnapshotStep::Failed { transient, message }) => {
                Some(Input::SnapshotsNotListed { request: *request, transient, message })
            }
            (Tag::Load { name }, SnapshotStep::Loaded(parts)) => {
                self.kept.loaded(process.id, name, &parts);
                Some(Input::SnapshotLoaded { name: name.clone(), parts })
            }
            (Tag::Load { name }, SnapshotStep::Failed { message, transient }) => {
                let (name, reason) = (name.clone(), message);
                Some(Input::SnapshotUnreadable { name, reason, transient })
            }
            (Tag::Store { epoch }, SnapshotStep::Stored) => {
                if process.has_own_state() {
                    self.kept.journaled += 1;
                    self.kept.stored(process.id, *epoch, self.now);
                }
                Some(Input::SnapshotStored { epoch: *epoch })
            }
            (Tag::Store { epoch }, SnapshotStep::Failed { message, .. }) => {
                self.watch.counts.mark("snapshot-failed");
                Some(Input::SnapshotFailed { epoch: *epoch, message })
            }
            (Tag::Remove { request, segments }, step) => {
                let failure = match step {
                    SnapshotStep::Failed { message, .. } => Some(message),
                    _ => {
                        self.kept.removed(process.id, *request, self.now);
                        None
                    }
                };
                let trim = Job::TrimJournal { segments: segments.clone() };
                let tag = Tag::TrimJournal { request: *request, failure };
                self.order(process, JOURNAL, trim, tag);
                None
            }
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
        let message = |process: &Process| process.lanes[lane].failure();
        match (tag, step) {
            (Tag::Inspect { request }, SinkStep::Inspected(Ok(found))) => {
                self.watch.looked(sink, process, lane);
                let (request, generation, marker) = (*request, found.claim, found.marker);
                Some(Input::SinkInspected { request, sink, generation, marker })
            }
            (Tag::Inspect { request }, SinkStep::Inspected(Err(outcome))) => {
                let outcome = match outcome {
                    ApplyOutcome::Fenced { by } => OpenOutcome::Fenced { by },
                    ApplyOutcome::Failed(kind) => OpenOutcome::Failed(kind),
                    other => panic!("{other:?} is no way in which looking fails"),
                };
                let (request, message) = (*request, message(process));
                Some(Input::SinkOpenFailed { request, sink, outcome, message })
            }
            (Tag::Open { request }, SinkStep::Opened(OpenOutcome::Opened { marker })) => {
                self.watch.looked(sink, process, lane);
                self.note_copy(process, sink);
                if let Some(marker) = marker
                    && process.has_own_state()
                {
                    self.watch.acknowledged(sink, self.now, marker);
                }
                Some(Input::SinkOpened { request: *request, sink, marker })
            }
            (Tag::Open { request }, SinkStep::Opened(outcome)) => {
                let (request, message) = (*request, message(process));
                Some(Input::SinkOpenFailed { request, sink, outcome, message })
            }
            (Tag::Apply { request, marker, .. }, SinkStep::Applied(outcome)) => {
                self.note_applied(&outcome);
                let is_held = matches!(outcome, ApplyOutcome::Applied | ApplyOutcome::Duplicate);
                if is_held && process.has_own_state() {
                    self.watch.acknowledged(sink, self.now, *marker);
                }
                if is_held {
                    self.note_copy(process, sink);
                }
                let message = match outcome {
                    ApplyOutcome::Applied | ApplyOutcome::Duplicate => String::new(),
                    _ => process.lanes[lane].failure(),
                };
                Some(Input::SinkApplied { request: *request, sink, outcome, message })
            }
            (tag, other) => panic!("{other:?} does not end {tag:?}"),
        }
    }

    /// A process did something to a sink. If it has a copy of the state, and the sink is a
    /// topic, there are two histories from now on, whoever reads them: what it opens fences
    /// others, and what it commits shows later.
    fn note_copy(&mut self, process: &Process, sink: SinkId) {
        let table = self.job.table(self.sinks[sink.0 as usize]);
        let is_topic = matches!(table.connector.as_str(), "kafka" | "upsert-kafka");
        if is_topic && !process.has_own_state() {
            self.kept.losses.push(Loss::gone(self.now, Loser::History, 1));
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
