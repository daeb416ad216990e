//! A machine with a mistake in it is found by seeds, and what shows it is made small.

use crate::jobs::three_sinks;
use anabranch_engine::ids::{Generation, SinkId};
use anabranch_engine::journal::JournalMachine;
use anabranch_engine::plan::{Plan, Table};
use anabranch_engine::service::Answer;
use anabranch_engine::sink::{ApplyOutcome, Chunk, OpenOutcome, SinkMachine, SinkStep};
use anabranch_engine::snapshot::SnapshotMachine;
use anabranch_sim::generate::{Material, Profile, generate};
use anabranch_sim::ideal::IdealSink;
use anabranch_sim::judge::{FindingKind, Judge};
use anabranch_sim::model::Service;
use anabranch_sim::plan::RunPlan;
use anabranch_sim::shrink::shrink;
use anabranch_sim::world::{Host, Hosting};

/// A sink that takes an unknown outcome for success, and the marker that it finds for the
/// next chunk's predecessor.
#[derive(Debug, Default)]
struct Hasty {
    sink: IdealSink,
    generation: Generation,
    /// A chunk of which no outcome is known yet.
    applying: bool,
    /// The chunk that waits until the sink is open again.
    waiting: Option<Chunk>,
    is_doubtful: bool,
}

impl SinkMachine for Hasty {
    fn inspect(&mut self) -> SinkStep {
        self.sink.inspect()
    }

    fn open(&mut self, generation: Generation) -> SinkStep {
        *self = Hasty { generation, ..Hasty::default() };
        self.sink.open(generation)
    }

    fn apply(&mut self, chunk: Chunk) -> SinkStep {
        if self.is_doubtful {
            *self = Hasty { generation: self.generation, waiting: Some(chunk), ..Hasty::default() };
            return self.sink.open(self.generation);
        }
        self.applying = true;
        self.sink.apply(chunk)
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        if answer == Answer::TimedOut && self.applying {
            (self.is_doubtful, self.applying) = (true, false);
            return SinkStep::Applied(ApplyOutcome::Applied);
        }
        let step = self.sink.answer(answer);
        match (step, self.waiting.take()) {
            (SinkStep::Opened(OpenOutcome::Opened { marker }), Some(chunk)) => {
                self.applying = true;
                self.sink.apply(Chunk { predecessor: marker, ..chunk })
            }
            (SinkStep::Opened(OpenOutcome::Fenced { by }), Some(_)) => {
                SinkStep::Applied(ApplyOutcome::Fenced { by })
            }
            (SinkStep::Opened(OpenOutcome::Failed(kind)), Some(_)) => {
                SinkStep::Applied(ApplyOutcome::Failed(kind))
            }
            (SinkStep::Request(request), waiting) => {
                self.waiting = waiting;
                SinkStep::Request(request)
            }
            (step, _) => step,
        }
    }

    fn failure(&self) -> &str {
        self.sink.failure()
    }
}

/// Ideal stores, and hasty sinks.
#[derive(Debug)]
struct HastyStores(Host);

impl Hosting for HastyStores {
    fn journal_service(&self) -> Box<dyn Service> {
        self.0.journal_service()
    }

    fn journal(&self) -> Box<dyn JournalMachine> {
        self.0.journal()
    }

    fn snapshots_service(&self) -> Box<dyn Service> {
        self.0.snapshots_service()
    }

    fn snapshots(&self) -> Box<dyn SnapshotMachine> {
        self.0.snapshots()
    }

    fn sink_service(&self, sink: SinkId, table: &Table) -> Box<dyn Service> {
        self.0.sink_service(sink, table)
    }

    fn sink(&self, _: SinkId, _: &Table) -> Box<dyn SinkMachine> {
        Box::new(Hasty::default())
    }

    fn is_lock_free(&self) -> bool {
        true
    }
}

#[test]
fn a_chunk_that_is_lost_is_found_and_made_small() {
    // spec: K-4
    let job = three_sinks();
    let hosting = |plan: &RunPlan, job: &Plan| -> Box<dyn Hosting> {
        Box::new(HastyStores(Host::of(plan, job)))
    };
    let mut judge = Judge::new(&job).hosted(&hosting);
    let material = Material::new("three-sinks", Profile::Swarm);
    let found = (1..200).find_map(|seed| {
        let plan = generate(seed, &job, &material);
        let (_, finding) = judge.judge(&plan).expect("the plan fits the job");
        // That a marker goes back is found, too; here the lost row is wanted.
        let is_lost = |kind: &FindingKind| kind.words().contains("S2: lost row");
        Some((plan, finding.filter(|finding| is_lost(&finding.kind))?))
    });
    let (plan, finding) = found.expect("some seed shows it");

    let shrunk = shrink(&plan, 400, &mut |plan| {
        let (_, finding) = judge.judge(plan).ok()?;
        finding.map(|finding| finding.kind)
    });
    let small = shrunk.plan;
    assert!(small.deviations.len() <= 3, "{small}");
    assert!(small.record_count() <= 50, "{small}");
    // The small plan shows the mistake, and without it nothing is wrong.
    let text = small.to_string();
    let read: RunPlan = text.parse().expect("a plan is its own text");
    let (result, again) = judge.judge(&read).expect("the plan fits the job");
    assert_eq!(again.map(|finding| finding.kind), Some(finding.kind.clone()), "{text}");
    assert_eq!(result.stale, Vec::<usize>::new(), "{text}");
    let right = |plan: &RunPlan, job: &Plan| -> Box<dyn Hosting> { Box::new(Host::of(plan, job)) };
    let (_, nothing) = Judge::new(&job).hosted(&right).judge(&read).expect("the plan fits the job");
    assert_eq!(nothing, None, "{text}");
}
