//! Plans of runs: everything that decides what happens in a simulated world.
//!
//! A plan is a job, its input, its configuration, and the deviations from a world in
//! which nothing goes wrong. It names what it means by content, so that it keeps its
//! meaning when epochs are cut in another way. A seed is only one way to make a plan;
//! running one needs no generator.

mod deviation;
mod settings;
pub mod text;
mod workload;

pub use deviation::{
    Action, Deviation, LinkFault, MessageFault, OUTAGE, Operation, Point, RecordName, SourceFault,
    StateFault, Target, Trigger,
};
pub use settings::{Cpu, Latency, Links, Restarts, Settings, StoreKind, Stores, Ties, Timing};
pub use workload::{Record, RecordKind, SplitInput, SplitShape};

use anabranch_engine::pipeline::PipelineConfig;

/// One run, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// The job: the path of its SQL file, or the name of one that the caller knows.
    pub job: String,
    /// What all chance in the run depends on: latencies, nonces.
    pub seed: u64,
    /// The limits of the pipeline.
    pub pipeline: PipelineConfig,
    /// The world without its faults.
    pub settings: Settings,
    /// The input.
    pub splits: Vec<SplitInput>,
    /// What goes wrong.
    pub deviations: Vec<Deviation>,
    /// Marks that the run has to hit; a plan that misses one does not test any more
    /// what it was made for.
    pub marks: Vec<String>,
}

impl RunPlan {
    /// A plan without input in which nothing goes wrong.
    #[must_use]
    pub fn calm(job: impl Into<String>, seed: u64, pipeline: PipelineConfig) -> RunPlan {
        RunPlan {
            job: job.into(),
            seed,
            pipeline,
            settings: Settings::default(),
            splits: Vec::new(),
            deviations: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// How many records all splits have.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.splits.iter().map(|split| split.records.len()).sum()
    }
}
