//! What a pipeline waits for, and what a request is about, in words that stay the same
//! wherever epochs are cut.

use super::io::Output;
use super::sinks::SinkPhase;
use super::{Phase, Pipeline};
use crate::ids::{Epoch, SinkId, SplitId};
use crate::plan::Plan;
use crate::time::Watermark;
use std::fmt;

/// Something that a pipeline waits for.
// spec: F-4
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The start: the journal, the snapshots, or the generation.
    Start,
    /// A record of the journal is not durable yet.
    Journal {
        /// The last epoch that is.
        durable: Epoch,
        /// The last epoch that was written.
        written: Epoch,
    },
    /// A note of the journal is not durable yet.
    Note,
    /// The listing of a table's splits.
    Discovery {
        /// The table.
        table: String,
        /// Whether it failed, and is tried again.
        failing: bool,
    },
    /// The records of a split that are read again.
    Replay {
        /// The split.
        split: String,
        /// Whether reading failed, and is tried again.
        failing: bool,
    },
    /// A sink that has not done what it was asked.
    Sink {
        /// Its table.
        table: String,
        /// Whether it failed, or has not answered for longer than it may.
        failing: bool,
        /// Whether all wait for it.
        holds: bool,
        /// How many chunks it has not acknowledged.
        chunks: usize,
    },
    /// The rows of a flush group that has not ended.
    Flush,
    /// The split with the lowest watermark, which holds back what time drives.
    Split {
        /// The split.
        split: String,
        /// Its watermark.
        watermark: Watermark,
        /// Whether reading it failed, and is tried again.
        failing: bool,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fails = |failing: &bool| if *failing { ", which fails" } else { "" };
        match self {
            Wait::Start => f.write_str("journal and snapshots"),
            Wait::Journal { durable, written } => {
                write!(f, "the journal: epoch {written} is written, {durable} is durable")
            }
            Wait::Note => f.write_str("a note of the journal"),
            Wait::Discovery { table, failing } => {
                write!(f, "the splits of table {table}{}", fails(failing))
            }
            Wait::Replay { split, failing } => {
                write!(f, "records of split {split} once more{}", fails(failing))
            }
            Wait::Sink { table, failing, holds, chunks } => {
                let all = if *holds { "; all wait for it" } else { "" };
                write!(f, "sink {table} with {chunks} chunks{}{all}", fails(failing))
            }
            Wait::Flush => f.write_str("the end of a flush group"),
            Wait::Split { split, watermark, failing } => {
                write!(f, "split {split} at watermark {}{}", watermark.0, fails(failing))
            }
        }
    }
}

impl Pipeline {
    /// What it waits for at this moment, the nearest cause first; nothing once it has
    /// ended.
    // spec: F-4
    #[must_use]
    pub fn why(&self) -> Vec<Wait> {
        let mut waits = Vec::new();
        match &self.phase {
            Phase::New | Phase::Ended => return waits,
            Phase::Opening(_) => {
                waits.extend(self.silent_at_start());
                if waits.is_empty() {
                    waits.push(Wait::Start);
                }
                return waits;
            }
            Phase::Replaying(_) => waits.extend(self.replayed_splits()),
            Phase::Running | Phase::Finishing => {}
        }
        if self.durable < self.epoch || matches!(self.phase, Phase::Finishing) {
            waits.push(Wait::Journal { durable: self.durable, written: self.epoch });
        }
        if self.wary.waits_for_note() {
            waits.push(Wait::Note);
        }
        waits.extend(self.sinks.iter().filter_map(|(id, _)| self.sink_wait(id)));
        if self.sinks.has_open_group() {
            waits.push(Wait::Flush);
        }
        if matches!(self.phase, Phase::Running) {
            waits.extend(self.ingest.unlisted().map(|(table, failing)| Wait::Discovery {
                table: self.plan.table(table).name.clone(),
                failing,
            }));
            waits.extend(self.lowest_split());
        }
        waits
    }

    /// The sinks that the start waits for.
    fn silent_at_start(&self) -> impl Iterator<Item = Wait> {
        self.silent_sinks().map(|id| Wait::Sink {
            table: self.sink_name(id),
            failing: false,
            holds: false,
            chunks: 0,
        })
    }

    fn replayed_splits(&self) -> Vec<Wait> {
        let Phase::Replaying(recovery) = &self.phase else { return Vec::new() };
        let wait = |id: SplitId| {
            let split = self.ingest.split(id);
            Wait::Replay { split: split.name.name.clone(), failing: split.attempts > 0 }
        };
        recovery.unread().map(wait).collect()
    }

    fn sink_wait(&self, id: SinkId) -> Option<Wait> {
        let sink = self.sinks.get(id);
        let failing = sink.failing_since(&self.config, self.clock.now).is_some();
        let is_busy = !sink.queue.is_empty()
            || matches!(sink.phase, SinkPhase::Opening(_) | SinkPhase::Backoff(_));
        is_busy.then(|| Wait::Sink {
            table: self.sink_name(id),
            failing,
            holds: self.is_held_by(id) || self.is_kept_from_ending_by(id),
            chunks: sink.queue.len(),
        })
    }

    fn lowest_split(&self) -> Option<Wait> {
        let splits = self.dataflow.splits();
        let open = splits.iter().filter(|(_, split)| !split.ended);
        let (id, split) = open.min_by_key(|(id, split)| (split.watermark, *id))?;
        Some(Wait::Split {
            split: split.name.name.clone(),
            watermark: split.watermark,
            failing: self.ingest.split(id).attempts > 0,
        })
    }
}

impl Output {
    /// What is asked for, in words without any number that changes when epochs are cut
    /// otherwise or the job is started again: what a plan of the simulator, or a trigger,
    /// can name.
    #[must_use]
    pub fn subject(&self, plan: &Plan) -> String {
        let sink = |id: &SinkId| plan.sink_table(*id).map_or("?", |table| table.name.as_str());
        let table = |id: &crate::ids::TableId| plan.table(*id).name.as_str();
        match self {
            Output::ReadJournal { .. } => "read journal".to_owned(),
            Output::InspectSink { sink: id, .. } => format!("inspect sink {}", sink(id)),
            Output::OpenJournal { segment, .. } if segment.part == 0 => "open journal".to_owned(),
            Output::OpenJournal { .. } => "roll journal".to_owned(),
            Output::ListSnapshots { .. } => "list snapshots".to_owned(),
            Output::LoadSnapshot { .. } => "load snapshot".to_owned(),
            Output::OpenSink { sink: id, .. } => format!("open sink {}", sink(id)),
            Output::DiscoverSplits { table: id, .. } => format!("discover {}", table(id)),
            Output::Fetch { name, until: None, .. } => {
                format!("fetch {}/{}", table(&name.table), name.name)
            }
            Output::Fetch { name, until: Some(_), .. } => {
                format!("fetch {}/{} again", table(&name.table), name.name)
            }
            Output::AppendJournal { .. } => "append epoch".to_owned(),
            Output::AppendNote { .. } => "append note".to_owned(),
            Output::ProveJournal { .. } => "prove journal".to_owned(),
            Output::RecordFinish { .. } => "append finish".to_owned(),
            Output::ApplyChunk { chunk, .. } => format!("apply to sink {}", sink(&chunk.sink)),
            Output::StoreSnapshot { .. } => "store snapshot".to_owned(),
            Output::Trim { .. } => "trim".to_owned(),
            Output::Report(_) => "report".to_owned(),
            Output::End(_) => "end".to_owned(),
        }
    }
}
