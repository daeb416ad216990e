//! What oracles ask of a run beside what readers saw: where logs ended when a reader was
//! told, which snapshots were stored, and how long things took.

use super::World;
use super::loss::Loss;
use super::process::Process;
use super::result::{
    DurableSeen, GivenUpSeen, LogEndSeen, LostSnapshot, RottenStart, StoredSnapshot, TrimmedSkip,
};
use super::shown::ShownSlice;
use crate::oracle::{Liveness, Recovery, Stall, Zombie};
use crate::time::{Span, VirtualTime};
use anabranch_engine::ids::{Epoch, RequestId, SinkId};
use anabranch_engine::journal::{Control, EpochRecord, SegmentName};
use anabranch_engine::snapshot::Manifest;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// So many starts after the world has healed are no restart loop: one after a last crash,
/// and a few until a lock or a claim of a dead process is gone.
const RESTARTS_MAX: u32 = 6;

/// What is kept for oracles.
#[derive(Debug, Default)]
pub(super) struct Kept {
    log_ends: Vec<LogEndSeen>,
    snapshots: Vec<StoredSnapshot>,
    /// Snapshots that are under way, by process and epoch, with their names.
    storing: BTreeMap<(u32, Epoch), (String, StoredSnapshot)>,
    /// Since when snapshots are complete that nobody has asked to remove.
    complete: BTreeMap<String, VirtualTime>,
    /// Snapshots that somebody asked to remove, and when the first who did was told that
    /// they are gone.
    removed: BTreeMap<String, Option<VirtualTime>>,
    /// Removals that are under way, with the names.
    removing: BTreeMap<(u32, RequestId), Vec<String>>,
    /// When each process asked for the list of snapshots last.
    listing: BTreeMap<u32, VirtualTime>,
    /// When each process asked for the list that it goes by.
    listed_from: BTreeMap<u32, VirtualTime>,
    trimmed_skips: Vec<TrimmedSkip>,
    lost_snapshots: Vec<LostSnapshot>,
    /// What each snapshot is made of, by name: its manifest and its parts.
    made: BTreeMap<String, (Bytes, Vec<Bytes>)>,
    /// Manifests that a process was given with other bytes than they were made of.
    listed_rotten: BTreeSet<(u32, String)>,
    /// The snapshot that each process was given last, and whether it is as it was made.
    loaded: BTreeMap<u32, (String, bool)>,
    rotten_starts: Vec<RottenStart>,
    /// Records on their way to the journal, by process and epoch.
    appending: BTreeMap<(u32, Epoch), DurableSeen>,
    durable: Vec<DurableSeen>,
    /// When each process started, and when it said that recovery was over.
    lives: Vec<(VirtualTime, Option<VirtualTime>)>,
    /// When the job came to its end.
    done: Option<VirtualTime>,
    /// Splits that should have been called idle.
    pub(super) restless: Vec<Stall>,
    /// What each process waits for from a sink, and since when it hears of failures only.
    troubles: BTreeMap<(u32, SinkId), Trouble>,
    pub(super) given_up: Vec<GivenUpSeen>,
    /// What epochs took of splits that may change.
    pub(super) shown: BTreeMap<usize, Vec<ShownSlice>>,
    /// What was not kept.
    pub(super) losses: Vec<Loss>,
    /// How often the journal or the store of snapshots acknowledged something.
    pub(super) journaled: u64,
    /// Processes that keep their state in a copy of the job's.
    pub(super) copies: BTreeSet<u32>,
}

/// What a process knows of a sink that does not do what it should.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// What the sink has not answered.
    asked: Option<(RequestId, VirtualTime)>,
    /// When the first of its failures in a row came.
    failing: Option<VirtualTime>,
}

/// What a sink's answer says of how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It took a chunk.
    Well,
    /// It is there again; whether it lacks something is not said.
    There,
    /// It failed.
    Fails,
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

    /// A process asks something of a sink.
    pub(super) fn asks(&mut self, process: u32, sink: SinkId, request: RequestId, at: VirtualTime) {
        self.troubles.entry((process, sink)).or_default().asked = Some((request, at));
    }

    /// A process takes the answer of a sink, if it waits for that one; gives whether it does.
    pub(super) fn hears(
        &mut self,
        process: u32,
        sink: SinkId,
        request: RequestId,
        health: Health,
        at: VirtualTime,
    ) -> bool {
        let trouble = self.troubles.entry((process, sink)).or_default();
        if trouble.asked.take_if(|(asked, _)| *asked == request).is_none() {
            return false;
        }
        match health {
            Health::Well => trouble.failing = None,
            Health::There => {}
            Health::Fails => _ = trouble.failing.get_or_insert(at),
        }
        true
    }

    /// A process that runs has opened a sink, and has nothing more for it.
    pub(super) fn lacks_nothing(&mut self, process: u32, sink: SinkId) {
        self.troubles.entry((process, sink)).or_default().failing = None;
    }

    /// A process gives up a sink.
    // spec: K-8
    pub(super) fn gives_up(&mut self, process: u32, id: SinkId, sink: &str, at: VirtualTime) {
        let trouble = self.troubles.get(&(process, id)).copied().unwrap_or_default();
        let failing_since = trouble.failing.or(trouble.asked.map(|(_, since)| since));
        self.given_up.push(GivenUpSeen { process, sink: sink.to_owned(), at, failing_since });
    }

    /// A process wants a snapshot stored.
    pub(super) fn storing(
        &mut self,
        process: u32,
        epoch: Epoch,
        name: &str,
        manifest: &Bytes,
        parts: &[(String, Bytes)],
    ) {
        let bytes = parts.iter().map(|(_, bytes)| bytes.clone()).collect();
        self.made.insert(name.to_owned(), (manifest.clone(), bytes));
        let manifest = Manifest::decode(manifest).expect("a pipeline writes whole manifests");
        let parts = parts.iter().map(|(_, bytes)| bytes.clone()).collect();
        let stored = StoredSnapshot { manifest, parts };
        self.storing.insert((process, epoch), (name.to_owned(), stored));
    }

    /// A snapshot is complete.
    pub(super) fn stored(&mut self, process: u32, epoch: Epoch, at: VirtualTime) {
        let Some((name, stored)) = self.storing.remove(&(process, epoch)) else { return };
        self.snapshots.push(stored);
        // Who was not told in time may have been replaced, and its successor saw it.
        if !self.removed.contains_key(&name) {
            self.complete.insert(name, at);
        }
    }

    /// Somebody asks for the removal of snapshots.
    pub(super) fn removing(&mut self, process: u32, request: RequestId, names: &[String]) {
        self.complete.retain(|name, _| !names.contains(name));
        for name in names {
            self.removed.entry(name.clone()).or_default();
        }
        self.removing.insert((process, request), names.to_vec());
    }

    /// Who asked for the removal of snapshots is told that they are gone.
    pub(super) fn removed(&mut self, process: u32, request: RequestId, at: VirtualTime) {
        for name in self.removing.remove(&(process, request)).unwrap_or_default() {
            self.removed.entry(name).or_default().get_or_insert(at);
        }
    }

    /// A process skips a snapshot that it was given the name of. Whether that went since it
    /// asked for the names is noted: somebody took its place meanwhile, and trims.
    // spec: J-4
    pub(super) fn skips(&mut self, process: u32, name: &str) {
        let Some(asked) = self.listed_from.get(&process) else { return };
        let gone = self.removed.get(name);
        if gone.is_some_and(|gone| gone.is_none_or(|gone| gone >= *asked)) {
            self.trimmed_skips.push(TrimmedSkip { process, name: name.to_owned() });
        }
    }

    /// Skips of snapshots that had been trimmed.
    pub(super) fn trimmed_skips(&mut self) -> Vec<TrimmedSkip> {
        std::mem::take(&mut self.trimmed_skips)
    }

    /// A process asks for the list of snapshots.
    pub(super) fn lists(&mut self, process: u32, at: VirtualTime) {
        self.listing.insert(process, at);
    }

    /// A process is given the list of snapshots. One that was complete before it asked has
    /// to be there.
    // spec: S-1
    pub(super) fn listed(&mut self, process: u32, manifests: &[(String, Bytes)], at: VirtualTime) {
        for (name, bytes) in manifests {
            if self.made.get(name).is_some_and(|(made, _)| made != bytes) {
                self.listed_rotten.insert((process, name.clone()));
            }
        }
        let Some(asked) = self.listing.remove(&process) else { return };
        self.listed_from.insert(process, asked);
        let names: BTreeSet<&str> = manifests.iter().map(|(name, _)| name.as_str()).collect();
        let missing = |(name, since): &(&String, &VirtualTime)| {
            **since < asked && !names.contains(name.as_str())
        };
        let missing = self.complete.iter().filter(missing);
        self.lost_snapshots.extend(missing.map(|(name, complete)| LostSnapshot {
            name: name.clone(),
            complete: *complete,
            missed: at,
        }));
    }

    /// A process is given a snapshot.
    pub(super) fn loaded(&mut self, process: u32, name: &str, parts: &[Bytes]) {
        let made = self.made.get(name);
        let is_whole = made.is_none_or(|(_, made)| made == parts);
        let is_listed_whole = !self.listed_rotten.contains(&(process, name.to_owned()));
        self.loaded.insert(process, (name.to_owned(), is_whole && is_listed_whole));
    }

    /// A process says that it began with the snapshot that it was given last.
    // spec: S-1
    pub(super) fn begins(&mut self, process: u32) {
        if let Some((name, false)) = self.loaded.get(&process) {
            self.rotten_starts.push(RottenStart { process, name: name.clone() });
        }
    }

    /// Snapshots that a process began with although they had rotted.
    pub(super) fn rotten_starts(&mut self) -> Vec<RottenStart> {
        std::mem::take(&mut self.rotten_starts)
    }

    /// A record is on its way to the journal.
    pub(super) fn appending(&mut self, process: u32, record: &EpochRecord) {
        let EpochRecord { epoch, tick, durable_up_to: states, .. } = *record;
        self.appending.insert((process, epoch), DurableSeen { process, epoch, tick, states });
    }

    /// The journal acknowledges the record of an epoch.
    // spec: J-1
    pub(super) fn appended(&mut self, process: u32, epoch: Epoch) {
        self.durable.extend(self.appending.remove(&(process, epoch)));
    }

    /// What was acknowledged, and the snapshots that were lost.
    pub(super) fn promises(&mut self) -> (Vec<DurableSeen>, Vec<LostSnapshot>) {
        (std::mem::take(&mut self.durable), std::mem::take(&mut self.lost_snapshots))
    }

    /// Another state stands in the place of the job's: its snapshots are not known.
    pub(super) fn forget_snapshots(&mut self) {
        self.snapshots.clear();
        self.storing.clear();
        self.complete.clear();
    }

    /// The log ends and the snapshots.
    pub(super) fn taken(&mut self) -> (Vec<LogEndSeen>, Vec<StoredSnapshot>) {
        (std::mem::take(&mut self.log_ends), std::mem::take(&mut self.snapshots))
    }
}

impl Process {
    /// A read found the log ending at an offset; the pipeline does not know it yet.
    pub(super) fn read_end(&mut self, request: RequestId, split: usize, from: u64, end: u64) {
        self.reads.insert(request, (split, from, end));
    }

    /// The pipeline takes the answer to a read; gives which split was read, and from where.
    pub(super) fn learn_end(&mut self, request: RequestId) -> Option<(usize, u64)> {
        let (split, from, end) = self.reads.get(&request).copied()?;
        let known = self.log_ends.entry(split).or_insert(end);
        *known = (*known).max(end);
        Some((split, from))
    }
}

impl World {
    /// Notes where the logs ended of the splits that an epoch has marks of, as its reader
    /// was told before.
    // spec: T-3
    pub(super) fn note_log_ends(&mut self, process: &Process, record: &EpochRecord) {
        for mark in record.controls.iter().filter(|_| process.has_own_state()) {
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

    /// Notes what a process asks to remove; what it removes from a copy of the state stays.
    // spec: J-4
    pub(super) fn note_trim(
        &mut self,
        process: &Process,
        request: RequestId,
        segments: &[SegmentName],
        snapshots: &[String],
    ) {
        if process.has_own_state() {
            self.kept.removing(process.id, request, snapshots);
            self.watch.segments_go(segments, &process.records);
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
            idle: self.kept.restless.clone(),
            idle_budget: Span(0),
            ..Liveness::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_snapshot_that_went_since_it_was_listed_may_be_skipped() {
        // spec: S-1, J-4
        let skips = |removed: Option<i64>, told: Option<i64>| {
            let mut kept = Kept::default();
            let (name, request) = ("7".to_owned(), RequestId(1));
            let events = [(Some(10), 0), (removed, 1), (told, 2)];
            let mut events: Vec<(i64, i32)> =
                events.into_iter().filter_map(|(at, what)| Some((at?, what))).collect();
            events.sort_unstable();
            for (at, what) in events {
                match what {
                    0 => kept.lists(1, VirtualTime(at)),
                    1 => kept.removing(2, request, std::slice::from_ref(&name)),
                    _ => kept.removed(2, request, VirtualTime(at)),
                }
            }
            kept.listed(1, &[], VirtualTime(20));
            kept.skips(1, &name);
            kept.trimmed_skips().len()
        };
        assert_eq!(skips(Some(15), None), 1);
        assert_eq!(skips(Some(15), Some(16)), 1);
        // Its parts went while the process listed it.
        assert_eq!(skips(Some(5), Some(12)), 1);
        assert_eq!(skips(Some(5), Some(6)), 0);
        assert_eq!(skips(None, None), 0);
    }

    #[test]
    fn a_sink_that_is_there_and_lacks_nothing_fails_no_longer() {
        // spec: K-8
        let failing_since = |lacks_nothing: bool| {
            let mut kept = Kept::default();
            let (sink, health) = (SinkId(0), [Health::Fails, Health::There]);
            for (number, health) in (1..).zip(health) {
                let (request, at) = (RequestId(number), VirtualTime(number as i64));
                kept.asks(1, sink, request, at);
                assert!(kept.hears(1, sink, request, health, at));
            }
            if lacks_nothing {
                kept.lacks_nothing(1, sink);
            }
            kept.gives_up(1, sink, "keys", VirtualTime(9));
            kept.given_up[0].failing_since
        };
        assert_eq!(failing_since(false), Some(VirtualTime(1)));
        assert_eq!(failing_since(true), None);
    }
}
