//! What oracles ask of a run beside what readers saw: where logs ended when a reader was
//! told, which snapshots were stored, and how long things took.

use super::World;
use super::process::Process;
use super::result::{LogEndSeen, StoredSnapshot};
use crate::oracle::{Liveness, Recovery, Zombie};
use crate::time::{Span, VirtualTime};
use anabranch_engine::ids::{Epoch, RequestId};
use anabranch_engine::journal::{Control, EpochRecord};
use anabranch_engine::snapshot::Manifest;
use bytes::Bytes;
use std::collections::BTreeMap;

/// So many starts after the world has healed are no restart loop: one after a last crash,
/// and a few until a lock or a claim of a dead process is gone.
const RESTARTS_MAX: u32 = 6;

/// What is kept for oracles.
#[derive(Debug, Default)]
pub(super) struct Kept {
    log_ends: Vec<LogEndSeen>,
    snapshots: Vec<StoredSnapshot>,
    /// Snapshots that are under way, by process and epoch.
    storing: BTreeMap<(u32, Epoch), StoredSnapshot>,
    /// When each process started, and when it said that recovery was over.
    lives: Vec<(VirtualTime, Option<VirtualTime>)>,
    /// When the job came to its end.
    done: Option<VirtualTime>,
}

impl Kept {
    pub(super) fn started(&mut self, at: VirtualTime) {
        self.lives.push((at, None));
    }

    pub(super) fn runs(&mut self, process: u32, at: VirtualTime) {
        if let Some((_, running)) = self.lives.get_mut(process as usize - 1) {
            running.get_or_insert(at);
        }
    }

    pub(super) fn done(&mut self, at: VirtualTime) {
        self.done = Some(at);
    }

    /// A process wants a snapshot stored.
    pub(super) fn storing(
        &mut self,
        process: u32,
        epoch: Epoch,
        manifest: &Bytes,
        parts: &[(String, Bytes)],
    ) {
        let manifest = Manifest::decode(manifest).expect("a pipeline writes whole manifests");
        let parts = parts.iter().map(|(_, bytes)| bytes.clone()).collect();
        self.storing.insert((process, epoch), StoredSnapshot { manifest, parts });
    }

    /// A snapshot is complete.
    pub(super) fn stored(&mut self, process: u32, epoch: Epoch) {
        self.snapshots.extend(self.storing.remove(&(process, epoch)));
    }

    /// The log ends and the snapshots.
    pub(super) fn taken(&mut self) -> (Vec<LogEndSeen>, Vec<StoredSnapshot>) {
        (std::mem::take(&mut self.log_ends), std::mem::take(&mut self.snapshots))
    }
}

impl Process {
    /// A read found the log ending at an offset; the pipeline does not know it yet.
    pub(super) fn read_end(&mut self, request: RequestId, split: usize, end: u64) {
        self.reads.insert(request, (split, end));
    }

    /// The pipeline takes the answer to a read.
    pub(super) fn learn_end(&mut self, request: RequestId) {
        if let Some((split, end)) = self.reads.get(&request).copied() {
            let known = self.log_ends.entry(split).or_insert(end);
            *known = (*known).max(end);
        }
    }
}

impl World {
    /// Notes where the logs ended of the splits that an epoch has marks of, as its reader
    /// was told before.
    // spec: T-3
    pub(super) fn note_log_ends(&mut self, process: &Process, record: &EpochRecord) {
        for mark in &record.controls {
            if !matches!(mark.control, Control::IdleMark | Control::Advance(_) | Control::Ended) {
                continue;
            }
            let Some(split) = process.splits.get(&mark.split) else { continue };
            let Some(end) = process.log_ends.get(split) else { continue };
            self.kept.log_ends.push(LogEndSeen {
                epoch: record.epoch,
                tick: record.tick,
                split: self.splits[*split].name.clone(),
                end: *end,
            });
        }
    }

    /// How long everything took.
    pub(super) fn liveness(&self) -> Liveness {
        let timing = self.plan.settings.timing;
        let healed = timing.heal.max(self.last_change);
        let later =
            |(_, (started, _)): &(u32, &(VirtualTime, Option<VirtualTime>))| *started > timing.heal;
        let lives = || (1_u32..).zip(&self.kept.lives);
        let recoveries = lives().filter(later).filter_map(|(process, (started, running))| {
            let (started, running) = (*started, (*running)?);
            Some(Recovery { process: format!("process {process}"), started, running })
        });
        let ends = |process: u32| {
            self.watch.ends.iter().find(|end| end.process == process).map(|end| end.at)
        };
        // Who stood still before its claim may well be the newest when it goes on.
        let claimed = |process: u32| Some(self.generation_of(process).number).filter(|it| *it > 0);
        let zombies = lives().filter_map(|(process, _)| {
            let generation = claimed(process)?;
            let newer = lives().filter(|(other, _)| claimed(*other) > Some(generation));
            let running = newer.filter_map(|(_, (_, running))| *running).min()?;
            let fenced = running.max(timing.heal);
            Some(Zombie { process: format!("process {process}"), fenced, exited: ends(process) })
        });
        let pipeline = &self.plan.pipeline;
        let patience = Span::ms(pipeline.sink_wait_ms + 60_000);
        Liveness {
            healed,
            done: self.kept.done,
            done_budget: timing.budget,
            restarts: lives().filter(later).count() as u32,
            restarts_max: RESTARTS_MAX,
            recoveries: recoveries.collect(),
            recovery_budget: Span(patience.0 + 10 * timing.request_limit.0),
            zombies: zombies.collect(),
            zombie_budget: Span(
                patience.0 + Span::ms(pipeline.prove_ms).0 + 10 * timing.request_limit.0,
            ),
            ..Liveness::default()
        }
    }
}
