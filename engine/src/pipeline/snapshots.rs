//! Taking snapshots, off the path of every output, and loading the newest usable one.

use super::ingest::SplitIngest;
use super::io::{Failure, Output, Report};
use super::{Pipeline, SEMANTICS_VERSION};
use crate::dataflow::{DataflowState, OperatorState, Split};
use crate::ids::{Epoch, KeyGroup, Offset, RequestId, SinkId, SplitId};
use crate::journal::{SegmentHeader, SegmentName};
use crate::planted;
use crate::sink::{Marker, SinkShard};
use crate::snapshot::{
    Counter, Manifest, NodeState, PartName, SinkState, SplitState, decode_part, encode_part,
};
use crate::state::StateEntry;
use crate::time::{Tick, Watermark};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The table of the one entry that holds an operator's own watermark.
const WATERMARK_TABLE: &str = "$watermark";

/// The state tables of all operators.
const STATE_TABLES: &[&str] = &["panes", "progress", "sessions"];

/// What is known of the job's snapshots.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Bytes of records read since the last snapshot.
    pub(super) bytes_since: u64,
    /// The one that is being stored, or waits to be.
    storing: Option<Complete>,
    /// The request to store it, while its epoch's record is not durable: an epoch
    /// that a crash undoes comes back with other content, and a snapshot of it would
    /// be taken for one of the new content.
    // spec: G-2, J-6
    waiting: Option<Output>,
    /// The complete ones that are kept, oldest first, by name.
    complete: Vec<Complete>,
    /// The newest one, if no journal record has said so yet.
    // spec: J-2
    completed: Option<Epoch>,
    /// The one that recovery began with.
    pub(super) loaded: Option<Epoch>,
    /// Candidates that are left to try, the newest last.
    candidates: Vec<(String, Manifest)>,
    /// This generation's segments with their first epochs, and those found at the
    /// start, oldest first.
    segments: Vec<(SegmentName, Epoch)>,
    /// What is being removed, and by which request.
    trimming: Option<(RequestId, Vec<SegmentName>, Vec<String>)>,
    /// What could not be removed, or not yet.
    leftover: (Vec<SegmentName>, Vec<String>),
}

/// A complete snapshot.
#[derive(Debug)]
struct Complete {
    epoch: Epoch,
    /// The epoch's tick.
    tick: Tick,
    name: String,
    /// What each sink that had got rows must hold for the snapshot to be usable.
    // spec: K-7
    needed: Vec<(SinkId, Marker)>,
}

impl Complete {
    fn of(name: String, manifest: &Manifest) -> Complete {
        let needed = |sink: &SinkState| sink.predecessor.map(|marker| (sink.target.sink, marker));
        Complete {
            epoch: manifest.epoch,
            tick: manifest.tick,
            name,
            needed: manifest.sinks.iter().filter_map(needed).collect(),
        }
    }
}

impl Snapshots {
    pub(super) fn take_completed(&mut self) -> Option<Epoch> {
        self.completed.take()
    }
}

impl Pipeline {
    /// Whether the next epoch is one after which a snapshot is taken. All flush
    /// groups end with it, so that the snapshot can serve every sink.
    // spec: K-7
    pub(super) fn snapshot_is_due(&self) -> bool {
        self.config.snapshot_bytes > 0
            && self.snapshots.storing.is_none()
            && self.snapshots.bytes_since >= self.config.snapshot_bytes
    }

    pub(super) fn take_snapshot_if_due(&mut self, out: &mut Vec<Output>) {
        if !self.snapshot_is_due() || (self.sinks.has_open_group() && !planted!(K16)) {
            return;
        }
        self.snapshots.bytes_since = 0;
        let state = self.dataflow.save();
        let mut parts = Vec::new();
        let mut nodes = Vec::new();
        for (number, (node, operator)) in state.operators.iter().enumerate() {
            let name =
                PartName { epoch: self.epoch, generation: self.generation, number: number as u32 };
            let mut entries = Vec::with_capacity(operator.entries.len() + 1);
            entries.push(watermark_entry(operator.watermark));
            entries.extend(operator.entries.iter().cloned());
            let (bytes, reference) = encode_part(name, node, &entries);
            parts.push((name.to_string(), bytes));
            nodes.push(NodeState { node: node.clone(), parts: vec![reference] });
        }
        let mut manifest = Manifest {
            epoch: self.epoch,
            lineage: self.lineage,
            generation: self.generation,
            plan: self.plan_hash,
            semantics: SEMANTICS_VERSION,
            tick: self.clock.last,
            chain: self.chain,
            splits: self.split_states(&state),
            nodes,
            sinks: self
                .sinks
                .iter()
                .map(|(sink, known)| SinkState {
                    target: SinkShard { sink, shard: 0 },
                    last_rows: known.made.map(|marker| marker.epoch),
                    predecessor: known.made,
                })
                .collect(),
            counters: self.counters(&state),
        };
        let name = snapshot_name(&manifest);
        self.snapshots.storing = Some(Complete::of(name.clone(), &manifest));
        manifest.epoch.0 -= u64::from(planted!(P4));
        let manifest = manifest.encode().into();
        self.snapshots.waiting =
            Some(Output::StoreSnapshot { epoch: self.epoch, name, parts, manifest });
        self.roll_segment_if_long(out);
    }

    /// Lets the snapshot that was taken be stored once its epoch is durable.
    pub(super) fn store_snapshot_if_durable(&mut self, out: &mut Vec<Output>) {
        let durable = self.durable;
        if self.snapshots.storing.as_ref().is_some_and(|storing| storing.epoch <= durable) {
            out.extend(self.snapshots.waiting.take());
        }
    }

    fn split_states(&self, state: &DataflowState) -> Vec<SplitState> {
        state
            .splits
            .iter()
            .enumerate()
            .map(|(index, split)| SplitState {
                id: SplitId(index as u32),
                name: split.name.clone(),
                identity: self.ingest.splits[index].identity.clone(),
                offset: Offset(split.next_offset),
                watermark: if planted!(W4) { Watermark::NONE } else { split.watermark },
                idle: split.idle,
                ended: split.ended,
            })
            .collect()
    }

    fn counters(&self, state: &DataflowState) -> Vec<Counter> {
        let lines = state.splits.iter().enumerate().map(|(index, split)| Counter {
            name: format!("split.{index:010}.lines"),
            value: split.lines,
        });
        let mut counters: Vec<Counter> = lines.chain(self.totals.counters()).collect();
        counters.sort_by(|a, b| a.name.cmp(&b.name));
        counters
    }

    /// Begins a new segment behind a long one.
    fn roll_segment_if_long(&mut self, out: &mut Vec<Output>) {
        let encoder = self.encoder.as_ref().expect("the journal is open while the job runs");
        if encoder.position() < self.config.segment_bytes {
            return;
        }
        let before = encoder.segment();
        let name = SegmentName { generation: before.generation, part: before.part + 1 };
        let header = SegmentHeader {
            name,
            lineage: self.lineage,
            parent: None,
            plan: self.plan_hash,
            semantics: SEMANTICS_VERSION,
            binary: self.config.binary.clone(),
            predecessor: Some(crate::journal::Predecessor {
                name: before,
                end: encoder.position(),
            }),
            first_epoch: self.epoch.next(),
            sources: Vec::new(),
            carried: self.sinks.carried(),
        };
        let mut bytes = Vec::new();
        self.encoder = Some(crate::journal::Encoder::open(&header, &mut bytes));
        self.snapshots.segments.push((name, header.first_epoch));
        out.push(Output::OpenJournal { segment: name, bytes: bytes.into() });
    }

    /// Remembers the segments that were found, and the one that was opened.
    pub(super) fn remember_segments(&mut self, segments: Vec<(SegmentName, Epoch)>) {
        self.snapshots.segments = segments;
    }

    pub(super) fn snapshot_stored(&mut self, epoch: Epoch, out: &mut Vec<Output>) {
        let stored = self.snapshots.storing.take_if(|storing| storing.epoch == epoch);
        let Some(stored) = stored else { return };
        self.snapshots.completed = Some(epoch);
        self.snapshots.complete.push(stored);
        out.push(Output::Report(Report::SnapshotStored { epoch }));
        self.trim(out);
    }

    pub(super) fn snapshot_failed(&mut self, epoch: Epoch, message: String, out: &mut Vec<Output>) {
        if self.snapshots.storing.take_if(|storing| storing.epoch == epoch).is_some() {
            out.push(Output::Report(Report::SnapshotFailed { epoch, message }));
        }
    }

    /// Removes what no recovery needs. Kept are two snapshots that every sink can use,
    /// by what the journal says of it, so that one may turn out to be damaged; the newest
    /// such one that is older than the heal horizon, and some in between, so that there
    /// is always one of about that age; and newer ones that a sink cannot use yet. The
    /// journal is kept from the oldest of them on.
    // spec: J-4
    fn trim(&mut self, out: &mut Vec<Output>) {
        let base = self.oldest_to_keep();
        let before = self.snapshots.complete.drain(..base.unwrap_or(0));
        let mut gone: Vec<String> = before.map(|complete| complete.name).collect();
        gone.extend(self.thin_out());
        self.snapshots.leftover.1.extend(gone);
        if base.is_some() {
            // A segment can go if the one behind it begins at or below the first epoch
            // that is still needed.
            let needed = self.snapshots.complete[0].epoch.next();
            let later = self.snapshots.segments.windows(2);
            let whole = later.take_while(|pair| pair[1].1 <= needed).count();
            let segments = self.snapshots.segments.drain(..whole).map(|(name, _)| name);
            self.snapshots.leftover.0.extend(segments);
        }
        self.ask_for_trim(out);
    }

    /// The place of the oldest snapshot that has to be kept.
    fn oldest_to_keep(&self) -> Option<usize> {
        let complete = &self.snapshots.complete;
        let usable =
            |one: &&Complete| planted!(J4) || self.sinks.are_recorded(&one.needed, self.durable);
        let usable = complete.iter().take_while(usable).count();
        let horizon_ns = self.config.heal_horizon_ms.saturating_mul(1_000_000);
        let old = |one: &&Complete| one.tick.0 <= self.clock.last.0.saturating_sub(horizon_ns);
        let newest_old = complete[..usable].iter().take_while(old).count().checked_sub(1)?;
        Some(newest_old.min(usable.checked_sub(2)?))
    }

    /// Drops usable snapshots that stand close to the one before: four within the heal
    /// horizon are enough.
    fn thin_out(&mut self) -> Vec<String> {
        let (sinks, durable) = (&self.sinks, self.durable);
        let complete = &mut self.snapshots.complete;
        let usable = |one: &&Complete| sinks.are_recorded(&one.needed, durable);
        let usable = complete.iter().take_while(usable).count();
        let apart_ns = self.config.heal_horizon_ms.saturating_mul(1_000_000) / 4;
        let (mut gone, mut index) = (Vec::new(), 1);
        // The newest two that are usable stay in any case.
        let mut left = usable.saturating_sub(3);
        while left > 0 {
            if complete[index].tick.0 - complete[index - 1].tick.0 < apart_ns {
                gone.push(complete.remove(index).name);
            } else {
                index += 1;
            }
            left -= 1;
        }
        gone
    }

    /// Asks for the removal of what is left over, one request at a time.
    fn ask_for_trim(&mut self, out: &mut Vec<Output>) {
        if self.snapshots.trimming.is_some() {
            return;
        }
        let (segments, snapshots) = std::mem::take(&mut self.snapshots.leftover);
        if segments.is_empty() && snapshots.is_empty() {
            return;
        }
        let request = self.request();
        self.snapshots.trimming = Some((request, segments.clone(), snapshots.clone()));
        out.push(Output::Trim { request, segments, snapshots });
    }

    pub(super) fn trimmed(&mut self, request: RequestId) {
        self.snapshots.trimming.take_if(|trimming| trimming.0 == request);
    }

    /// What could not be removed is named again with what is to be removed next.
    // spec: F-2
    pub(super) fn trim_failed(
        &mut self,
        request: RequestId,
        message: String,
        out: &mut Vec<Output>,
    ) {
        let failed = self.snapshots.trimming.take_if(|trimming| trimming.0 == request);
        let Some((_, segments, snapshots)) = failed else { return };
        self.snapshots.leftover.0.splice(0..0, segments);
        self.snapshots.leftover.1.splice(0..0, snapshots);
        out.push(Output::Report(Report::TrimFailed { message }));
    }

    pub(super) fn snapshots_listed(
        &mut self,
        request: RequestId,
        manifests: Vec<(String, Bytes)>,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.take_list_awaited(request) {
            return Ok(());
        }
        let mut candidates = Vec::new();
        for (name, bytes) in manifests {
            match Manifest::decode(&bytes) {
                Ok(manifest) if self.is_ahead_of_journal(&manifest) => {
                    let what = format!(
                        "snapshot {name} was taken after epoch {}, which the journal does not \
                         hold any more",
                        manifest.epoch
                    );
                    self.suspect_damage(what, out);
                    return Ok(());
                }
                Ok(manifest) => match self.usable(&manifest) {
                    Ok(()) => candidates.push((name, manifest)),
                    Err(reason) => {
                        out.push(Output::Report(Report::SnapshotSkipped { name, reason }));
                    }
                },
                Err(error) => {
                    let reason = error.to_string();
                    out.push(Output::Report(Report::SnapshotSkipped { name, reason }));
                }
            }
        }
        candidates.sort_by_key(|(_, manifest)| (manifest.epoch, manifest.generation));
        self.snapshots.complete =
            candidates.iter().map(|(name, m)| Complete::of(name.clone(), m)).collect();
        self.snapshots.candidates = candidates;
        self.load_next_snapshot(out)
    }

    /// Whether a snapshot proves that the journal lost a record, unless a newer run has
    /// taken it: it is stored only when the record of its epoch is durable.
    // spec: J-6
    fn is_ahead_of_journal(&self, manifest: &Manifest) -> bool {
        manifest.lineage == self.lineage
            && manifest.plan == self.plan_hash
            && manifest.epoch > self.journal_read_at_start().last_epoch()
    }

    /// Whether recovery can begin with this snapshot.
    // spec: K-7
    fn usable(&self, manifest: &Manifest) -> Result<(), String> {
        if manifest.plan != self.plan_hash || manifest.semantics != SEMANTICS_VERSION {
            return Err("it belongs to another plan or engine".into());
        }
        if manifest.lineage != self.lineage {
            return Err("it belongs to another lineage".into());
        }
        // An incarnation that had been replaced may have gone on for a while.
        // spec: J-3
        let writer = self.writer_of(manifest.epoch);
        if writer.is_some_and(|writer| writer != manifest.generation) {
            return Err("another incarnation wrote the epoch that the journal holds".into());
        }
        for sink in &manifest.sinks {
            if self.sinks.get(sink.target.sink).is_given_up() {
                continue;
            }
            let name = self.sink_name(sink.target.sink);
            let acked = self.sinks.get(sink.target.sink).acked;
            let Some(needed) = sink.predecessor else { continue };
            let enough = acked
                .is_some_and(|acked| (acked.epoch, acked.chunk) >= (needed.epoch, needed.chunk));
            if !enough && !planted!(R1) {
                return Err(format!("sink {name} has not applied all rows before it"));
            }
        }
        Ok(())
    }

    fn load_next_snapshot(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        if self.snapshots.candidates.is_empty() {
            self.sinks.recover_from(&[]);
            return self.begin_replay(out);
        }
        self.load_candidate(out);
        Ok(())
    }

    /// Asks for the newest snapshot that is left to try.
    pub(super) fn load_candidate(&mut self, out: &mut Vec<Output>) {
        if let Some((name, _)) = self.snapshots.candidates.last() {
            out.push(Output::LoadSnapshot { name: name.clone() });
        }
    }

    /// Whether this snapshot is the one that is awaited.
    fn awaits_snapshot(&self, name: &str) -> bool {
        self.is_loading() && self.snapshots.candidates.last().is_some_and(|(n, _)| n == name)
    }

    pub(super) fn snapshot_unreadable(
        &mut self,
        name: &str,
        transient: bool,
        reason: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if self.awaits_snapshot(name) && transient {
            return self.snapshot_not_loaded(name, reason, out);
        }
        self.snapshot_unusable(name, reason, out)
    }

    /// Falls back to the next older snapshot.
    // spec: S-1
    fn snapshot_unusable(
        &mut self,
        name: &str,
        reason: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.awaits_snapshot(name) {
            return Ok(());
        }
        out.push(Output::Report(Report::SnapshotSkipped { name: name.to_owned(), reason }));
        self.snapshots.candidates.pop();
        self.snapshots.complete.retain(|complete| complete.name != name);
        self.load_next_snapshot(out)
    }

    pub(super) fn snapshot_loaded(
        &mut self,
        name: &str,
        parts: &[Bytes],
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.awaits_snapshot(name) {
            return Ok(());
        }
        let manifest = self.snapshots.candidates.last().expect("it is awaited").1.clone();
        let state = match state_of(&manifest, parts) {
            Ok(state) => state,
            Err(reason) => return self.snapshot_unusable(name, reason, out),
        };
        // One that cannot be loaded must leave no trace.
        let mut fresh = crate::dataflow::Dataflow::compile(self.plan.clone())
            .expect("the plan was compiled when the pipeline was made");
        if let Err(error) = fresh.load(&state) {
            return self.snapshot_unusable(name, error.to_string(), out);
        }
        self.dataflow = fresh;
        self.epoch = manifest.epoch;
        self.chain = manifest.chain;
        self.snapshots.loaded = Some(manifest.epoch);
        self.totals.load(&manifest.counters);
        self.sinks.recover_from(&manifest.sinks);
        for split in &manifest.splits {
            self.ingest.splits.push(SplitIngest::new(
                split.name.clone(),
                split.identity.clone(),
                split.offset,
                self.config.fetch_bytes,
            ));
        }
        self.begin_replay(out)
    }
}

fn snapshot_name(manifest: &Manifest) -> String {
    let Manifest { epoch, generation, .. } = manifest;
    format!("{:012}-{:012}-{:016x}", epoch.0, generation.number, generation.nonce)
}

fn watermark_entry(watermark: Watermark) -> StateEntry {
    StateEntry {
        key_group: KeyGroup(0),
        table: WATERMARK_TABLE,
        key: Bytes::new(),
        value: Some(Bytes::copy_from_slice(&watermark.0.to_le_bytes())),
    }
}

/// The dataflow's state out of a manifest and its parts.
pub(super) fn state_of(manifest: &Manifest, parts: &[Bytes]) -> Result<DataflowState, String> {
    let lines: BTreeMap<&str, u64> =
        manifest.counters.iter().map(|c| (c.name.as_str(), c.value)).collect();
    let mut state = DataflowState { epoch: manifest.epoch, ..DataflowState::default() };
    for split in &manifest.splits {
        let counter = format!("split.{:010}.lines", split.id.0);
        state.splits.push(Split {
            name: split.name.clone(),
            watermark: split.watermark,
            idle: split.idle,
            ended: split.ended,
            next_offset: split.offset.0,
            lines: lines.get(counter.as_str()).copied().unwrap_or(0),
        });
    }
    if manifest.parts().count() != parts.len() {
        return Err(format!(
            "{} parts belong to it, {} are there",
            manifest.parts().count(),
            parts.len()
        ));
    }
    let mut parts = parts.iter();
    for node in &manifest.nodes {
        let mut operator = OperatorState::default();
        for reference in &node.parts {
            let bytes = parts.next().expect("counted above");
            let entries =
                decode_part(reference, &node.node, bytes).map_err(|error| error.to_string())?;
            for entry in entries {
                if entry.table == WATERMARK_TABLE {
                    operator.watermark = read_watermark(entry.value.as_deref())?;
                    continue;
                }
                let entry = entry
                    .into_state(STATE_TABLES)
                    .map_err(|table| format!("unknown state table {table} of {}", node.node))?;
                operator.entries.push(entry);
            }
        }
        state.operators.insert(node.node.clone(), operator);
    }
    Ok(state)
}

fn read_watermark(value: Option<&[u8]>) -> Result<Watermark, String> {
    let bytes: [u8; 8] = value
        .and_then(|value| value.try_into().ok())
        .ok_or("an operator's watermark cannot be read")?;
    Ok(Watermark(i64::from_le_bytes(bytes)))
}
