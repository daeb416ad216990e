//! Where the outputs of a pipeline go.

use super::World;
use super::faults::{Kind, Moment};
use super::lane::{Job, Order, Tag};
use super::process::{JOURNAL, Process, SNAPSHOTS, sink_lane};
use super::read::SourceCall;
use super::wire::Fate;
use anabranch_engine::ids::Epoch;
use anabranch_engine::pipeline::Output;

/// The epoch before another one.
pub(super) fn before(epoch: Epoch) -> Epoch {
    Epoch(epoch.0.saturating_sub(1))
}

impl World {
    /// Hands an output to the machine or the source that it is for.
    pub(super) fn route(
        &mut self,
        process: &mut Process,
        output: Output,
        fate: Fate,
        moment: &Moment,
    ) {
        let (lane, job, tag) = match output {
            Output::ReadJournal { request } => {
                (JOURNAL, Job::ReadJournal, Tag::ReadJournal { request })
            }
            Output::InspectSink { request, sink } => {
                (sink_lane(sink), Job::Inspect, Tag::Inspect { request })
            }
            Output::OpenJournal { segment, bytes } => {
                (JOURNAL, Job::OpenJournal { segment, bytes }, Tag::OpenJournal)
            }
            Output::ListSnapshots { request } => {
                self.kept.lists(process.id, self.now);
                (SNAPSHOTS, Job::List, Tag::List { request })
            }
            Output::LoadSnapshot { name } => {
                (SNAPSHOTS, Job::Load { name: name.clone() }, Tag::Load { name })
            }
            Output::OpenSink { request, sink, generation } => {
                self.kept.asks(process.id, sink, request, self.now);
                (sink_lane(sink), Job::Open { generation }, Tag::Open { request })
            }
            Output::DiscoverSplits { .. } | Output::Fetch { .. } => {
                self.ask_source(process, output, fate, moment);
                return;
            }
            Output::AppendJournal { epoch, bytes } => {
                let tag = Tag::Append { after: before(epoch), last: epoch };
                (JOURNAL, Job::Append { bytes }, tag)
            }
            Output::AppendNote { request, bytes } => {
                (JOURNAL, Job::Note { bytes }, Tag::Note { request })
            }
            Output::ProveJournal { request, generation } => {
                (JOURNAL, Job::Prove { generation }, Tag::ProveJournal { request })
            }
            Output::RecordFinish { bytes } => (JOURNAL, Job::Finish { bytes }, Tag::Finish),
            Output::ApplyChunk { request, chunk } => {
                let after = chunk.predecessor.map_or(Epoch(0), |before| before.epoch);
                let marker = chunk.marker;
                self.kept.asks(process.id, chunk.sink, request, self.now);
                let tag = Tag::Apply { request, after, last: marker.epoch, marker };
                (sink_lane(chunk.sink), Job::Apply { chunk }, tag)
            }
            Output::StoreSnapshot { epoch, name, parts, manifest } => {
                self.kept.storing(process.id, epoch, &name, &manifest, &parts);
                (SNAPSHOTS, Job::Store { name, parts, manifest }, Tag::Store { epoch })
            }
            Output::Trim { request, segments, snapshots } => {
                self.note_trim(process, request, &segments, &snapshots);
                (SNAPSHOTS, Job::Remove { names: snapshots }, Tag::Remove { request, segments })
            }
            Output::Report(report) => {
                self.reported(process, report);
                return;
            }
            Output::End(ending) => {
                self.ended(process, ending);
                return;
            }
        };
        self.order(process, lane, job, tag);
    }

    /// Gives a machine something to do.
    pub(super) fn order(&mut self, process: &mut Process, lane: usize, job: Job, tag: Tag) {
        process.lanes[lane].queue.push_back(Order { job, tag });
        self.pump(process, lane);
    }

    fn ask_source(&mut self, process: &mut Process, output: Output, fate: Fate, moment: &Moment) {
        let call = match output {
            Output::DiscoverSplits { request, table } => {
                SourceCall::discover(process.id, request, table, self.now)
            }
            Output::Fetch { request, split, from, until, bytes_max, wait, .. } => {
                let Some(index) = moment.split else {
                    // The split is gone with its table: nobody answers for it.
                    self.no_such_split(process, request, split);
                    return;
                };
                process.splits.insert(split, index);
                SourceCall::fetch(
                    process.id,
                    self.now,
                    (request, split, index),
                    (from, until),
                    bytes_max,
                    wait,
                )
            }
            _ => panic!("only sources are asked here"),
        };
        debug_assert!(matches!(moment.kind, Kind::Discover | Kind::Fetch));
        self.send_read(call, fate);
    }
}
