//! Journal entries to bytes.
//!
//! Within a segment a record is written relative to what came before it: a slice
//! that goes on where the split's last one ended need not say where it starts. Its
//! epoch and its durability statement lean on the segment's header only, so that
//! they can be read behind a damaged place.

use crate::codec::frame::put_frame;
use crate::codec::{put_bool, put_bytes, put_i64, put_list, put_str, put_u32, put_u64, zigzag};
use crate::ids::{Epoch, Lineage, Offset, SplitId};
use crate::journal::record::{
    ChunkLimits, Control, ControlRecord, EpochRecord, ExtraInput, Skip, SliceRecord,
};
use crate::journal::segment::{
    Carried, EPOCH_MAX, FinishedRecord, JOURNAL_VERSION, JournalEntry, PoisonRecord, SeamReason,
    SeamRecord, SegmentHeader, SegmentName,
};
use crate::sink::{SinkShard, put_marker};
use crate::time::Tick;
use std::collections::BTreeMap;

pub(super) const KIND_HEADER: u8 = 1;
pub(super) const KIND_SEAM: u8 = 2;
pub(super) const KIND_EPOCH: u8 = 3;
pub(super) const KIND_POISON: u8 = 4;
pub(super) const KIND_FINISHED: u8 = 5;
pub(super) const KIND_STOPPED: u8 = 6;
pub(super) const KIND_ATTEMPT: u8 = 7;
/// The first byte of an entry is its kind; the other bits stand for lineage and
/// generation.
pub(super) const KIND_BITS: u8 = 0b111;

/// Which optional parts an epoch record has: one bit each. The frequent ones come
/// first, so that the bits of most records fit a byte.
pub(super) mod part {
    pub(crate) const CONTROLS: u64 = 1;
    pub(crate) const OUTPUT_HASH: u64 = 1 << 1;
    pub(crate) const ACKNOWLEDGED: u64 = 1 << 2;
    pub(crate) const FLUSH_ENDS: u64 = 1 << 3;
    pub(crate) const EXTRA: u64 = 1 << 4;
    pub(crate) const SNAPSHOT: u64 = 1 << 5;
    pub(crate) const OPENED: u64 = 1 << 6;
    pub(crate) const CHUNK_LIMITS: u64 = 1 << 7;
    pub(crate) const SKIPS: u64 = 1 << 8;
    pub(crate) const GIVEN_UP: u64 = 1 << 9;
    pub(crate) const ALL: u64 = (1 << 10) - 1;
}

/// The slice goes on where the split's last slice ended.
pub(super) const SLICE_CONTINUES: u64 = 1;
/// Every offset of the slice holds a record.
pub(super) const SLICE_DENSE: u64 = 2;

/// What the entries of a segment so far say, as far as later ones lean on it.
/// Writer and reader keep the same.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) name: SegmentName,
    pub(super) lineage: Lineage,
    pub(super) first_epoch: Epoch,
    /// What stands for lineage and generation in the first byte of every entry. The
    /// bits of [`KIND_BITS`] are clear.
    // spec: J-2
    pub(super) incarnation: u8,
    /// The tick of the last record; 0 before the first.
    pub(super) tick: Tick,
    /// Where the last slice of each split ended.
    pub(super) ends: BTreeMap<SplitId, Offset>,
}

impl Context {
    pub(super) fn new(header: &SegmentHeader) -> Context {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(header.name.salt()).to_le_bytes());
        bytes[8..].copy_from_slice(&(header.lineage.number ^ header.lineage.nonce).to_le_bytes());
        Context {
            name: header.name,
            lineage: header.lineage,
            first_epoch: header.first_epoch,
            incarnation: xxhash_rust::xxh3::xxh3_64(&bytes) as u8 & !KIND_BITS,
            tick: Tick(0),
            ends: BTreeMap::new(),
        }
    }
}

/// Writes the entries of one segment.
#[derive(Clone, Debug)]
pub struct Encoder {
    context: Context,
    /// The byte of the segment at which the next entry starts.
    position: u64,
    /// The epoch of the next record.
    next_epoch: Epoch,
    /// The largest durability statement so far. Statements never fall.
    durable_up_to: Epoch,
}

impl Encoder {
    /// Starts a segment: appends its first bytes to `out`.
    ///
    /// # Panics
    /// If the first epoch is above [`EPOCH_MAX`], or a carried list is not in order.
    pub fn open(header: &SegmentHeader, out: &mut Vec<u8>) -> Encoder {
        assert!(header.carried.is_ordered(), "carried facts are sorted and unique");
        assert!(header.first_epoch <= EPOCH_MAX, "epochs are counted, and nobody counts so far");
        let context = Context::new(header);
        let position = put_frame(out, header.name.salt(), 0, |out| put_header(out, header));
        Encoder { context, position, next_epoch: header.first_epoch, durable_up_to: Epoch(0) }
    }

    /// The segment's name.
    #[must_use]
    pub fn segment(&self) -> SegmentName {
        self.context.name
    }

    /// The byte of the segment at which the next entry starts.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The epoch that the next record must have.
    #[must_use]
    pub fn next_epoch(&self) -> Epoch {
        self.next_epoch
    }

    /// Appends an entry to `out`, to be written at byte [`Encoder::position`] of the
    /// segment. Gives the position after it.
    ///
    /// # Panics
    /// If the entry is a header, or a record whose epoch, tick or durability
    /// statement does not follow the record before, or that contradicts itself.
    pub fn append(&mut self, entry: &JournalEntry, out: &mut Vec<u8>) -> u64 {
        let (salt, position) = (self.context.name.salt(), self.position);
        let (lineage, incarnation) = (self.context.lineage, self.context.incarnation);
        self.position = match entry {
            JournalEntry::Header(_) => panic!("a segment has one header, and it is written"),
            JournalEntry::Seam(seam) => {
                put_frame(out, salt, position, |out| put_seam(out, seam, incarnation, lineage))
            }
            JournalEntry::Epoch(record) => self.append_epoch(record, out),
            JournalEntry::Poison(poison) => {
                put_frame(out, salt, position, |out| put_poison(out, poison, incarnation))
            }
            JournalEntry::Finished(finished) => {
                put_frame(out, salt, position, |out| put_finished(out, finished, incarnation))
            }
            JournalEntry::Stopped(stopped) => put_frame(out, salt, position, |out| {
                out.push(KIND_STOPPED | incarnation);
                put_u64(out, stopped.epoch.0);
            }),
            JournalEntry::Attempt(attempt) => put_frame(out, salt, position, |out| {
                out.push(KIND_ATTEMPT | incarnation);
                put_u64(out, attempt.epoch.0);
                put_bool(out, attempt.computed);
            }),
        };
        self.position
    }

    /// Appends the record of the next epoch, as [`Encoder::append`].
    ///
    /// # Panics
    /// As [`Encoder::append`].
    pub fn append_epoch(&mut self, record: &EpochRecord, out: &mut Vec<u8>) -> u64 {
        assert_eq!(record.epoch, self.next_epoch, "records follow each other");
        assert!(record.tick > self.context.tick, "ticks grow");
        assert!(record.durable_up_to >= self.durable_up_to, "durability is never taken back");
        assert!(record.is_consistent(), "the record contradicts itself: {record:?}");
        let context = &mut self.context;
        let salt = context.name.salt();
        self.position = put_frame(out, salt, self.position, |out| put_epoch(out, record, context));
        self.next_epoch = record.epoch.next();
        self.durable_up_to = record.durable_up_to;
        self.position
    }
}

fn put_header(out: &mut Vec<u8>, header: &SegmentHeader) {
    out.push(KIND_HEADER);
    put_u32(out, JOURNAL_VERSION);
    put_segment_name(out, header.name);
    put_lineage(out, header.lineage);
    put_bool(out, header.parent.is_some());
    if let Some(parent) = &header.parent {
        put_lineage(out, parent.lineage);
        put_u64(out, parent.epoch.0);
    }
    out.extend_from_slice(&header.plan.0);
    put_u32(out, header.semantics);
    put_str(out, &header.binary);
    put_bool(out, header.predecessor.is_some());
    if let Some(predecessor) = &header.predecessor {
        put_segment_name(out, predecessor.name);
        put_u64(out, predecessor.end);
    }
    put_u64(out, header.first_epoch.0);
    put_list(out, &header.sources, |out, source| {
        put_u32(out, source.name.table.0);
        put_str(out, &source.name.name);
        put_str(out, &source.identity);
    });
    put_carried(out, &header.carried, header.lineage);
}

fn put_segment_name(out: &mut Vec<u8>, name: SegmentName) {
    put_u64(out, name.generation.number);
    out.extend_from_slice(&name.generation.nonce.to_le_bytes());
    put_u32(out, name.part);
}

fn put_lineage(out: &mut Vec<u8>, lineage: Lineage) {
    put_u64(out, lineage.number);
    out.extend_from_slice(&lineage.nonce.to_le_bytes());
}

fn put_carried(out: &mut Vec<u8>, carried: &Carried, lineage: Lineage) {
    put_list(out, &carried.opened, put_target);
    put_list(out, &carried.acknowledged, |out, one| {
        put_target(out, &one.target);
        put_marker(out, &one.marker, lineage);
    });
    put_list(out, &carried.given_up, |out, sink| put_u32(out, sink.0));
    put_list(out, &carried.chunk_limits, put_chunk_limits);
}

fn put_target(out: &mut Vec<u8>, target: &SinkShard) {
    put_u32(out, target.sink.0);
    put_u32(out, target.shard);
}

fn put_chunk_limits(out: &mut Vec<u8>, limits: &ChunkLimits) {
    put_u32(out, limits.sink.0);
    put_u32(out, limits.rows_max);
    put_u32(out, limits.bytes_max);
}

fn put_seam(out: &mut Vec<u8>, seam: &SeamRecord, incarnation: u8, lineage: Lineage) {
    out.push(KIND_SEAM | incarnation);
    out.push(match seam.reason {
        SeamReason::Change => 0,
        SeamReason::Poison => 1,
        SeamReason::Repair => 2,
        SeamReason::Reset => 3,
        SeamReason::Restore => 4,
    });
    put_u64(out, seam.after.0);
    out.extend_from_slice(&seam.plan_before.0);
    put_u32(out, seam.semantics_before);
    out.extend_from_slice(&seam.chain.0);
    put_list(out, &seam.found, |out, found| {
        put_target(out, &found.target);
        put_bool(out, found.marker.is_some());
        if let Some(marker) = &found.marker {
            put_marker(out, marker, lineage);
        }
    });
}

fn put_poison(out: &mut Vec<u8>, poison: &PoisonRecord, incarnation: u8) {
    out.push(KIND_POISON | incarnation);
    put_u64(out, poison.epoch.0);
    put_u32(out, poison.starts);
    put_str(out, &poison.message);
}

fn put_finished(out: &mut Vec<u8>, finished: &FinishedRecord, incarnation: u8) {
    out.push(KIND_FINISHED | incarnation);
    put_u64(out, finished.epoch.0);
    out.extend_from_slice(&finished.chain.0);
}

fn put_epoch(out: &mut Vec<u8>, record: &EpochRecord, context: &mut Context) {
    out.push(KIND_EPOCH | context.incarnation);
    put_u64(out, record.epoch.0 - context.first_epoch.0);
    put_u64(out, record.epoch.0 - record.durable_up_to.0);
    put_u64(out, parts_of(record));
    put_u64(out, record.tick.0.wrapping_sub(context.tick.0) as u64);
    context.tick = record.tick;
    let mut expected_split = 0;
    put_list(out, &record.slices, |out, slice| {
        put_slice(out, slice, &mut expected_split, context);
    });
    put_parts(out, record, context);
}

fn parts_of(record: &EpochRecord) -> u64 {
    let bit = |present: bool, bit: u64| if present { bit } else { 0 };
    bit(!record.controls.is_empty(), part::CONTROLS)
        | bit(record.output_hash.is_some(), part::OUTPUT_HASH)
        | bit(!record.acknowledged.is_empty(), part::ACKNOWLEDGED)
        | bit(!record.flush_ends.is_empty(), part::FLUSH_ENDS)
        | bit(!record.extra.is_empty(), part::EXTRA)
        | bit(record.snapshot.is_some(), part::SNAPSHOT)
        | bit(!record.opened.is_empty(), part::OPENED)
        | bit(!record.chunk_limits.is_empty(), part::CHUNK_LIMITS)
        | bit(!record.skips.is_empty(), part::SKIPS)
        | bit(!record.given_up.is_empty(), part::GIVEN_UP)
}

/// The parts in the order of their bits. A list is written only if it has items.
fn put_parts(out: &mut Vec<u8>, record: &EpochRecord, context: &mut Context) {
    if !record.controls.is_empty() {
        put_list(out, &record.controls, |out, control| put_control(out, control, context));
    }
    if let Some(output) = &record.output_hash {
        put_u64(out, record.epoch.0 - output.epoch.0);
        out.extend_from_slice(&output.hash.0);
    }
    if !record.acknowledged.is_empty() {
        put_list(out, &record.acknowledged, |out, one| {
            put_target(out, &one.target);
            put_marker(out, &one.marker, context.lineage);
        });
    }
    if !record.flush_ends.is_empty() {
        put_list(out, &record.flush_ends, |out, end| {
            put_u32(out, end.sink.0);
            put_u64(out, record.epoch.0 - end.epoch.0);
        });
    }
    if !record.extra.is_empty() {
        put_list(out, &record.extra, |out, extra| put_extra(out, extra, context));
    }
    if let Some(snapshot) = record.snapshot {
        put_u64(out, record.epoch.0 - snapshot.0);
    }
    if !record.opened.is_empty() {
        put_list(out, &record.opened, put_target);
    }
    if !record.chunk_limits.is_empty() {
        put_list(out, &record.chunk_limits, put_chunk_limits);
    }
    if !record.skips.is_empty() {
        put_list(out, &record.skips, put_skip);
    }
    if !record.given_up.is_empty() {
        put_list(out, &record.given_up, |out, sink| put_u32(out, sink.0));
    }
}

/// A slice is one tag (how far its split is from the expected one, and two flags),
/// its length, for sparse ones where its records are, and the checksum.
fn put_slice(
    out: &mut Vec<u8>,
    slice: &SliceRecord,
    expected_split: &mut i64,
    context: &mut Context,
) {
    let continues = context.ends.get(&slice.split) == Some(&slice.start);
    let dense = slice.is_dense();
    let flags = if continues { SLICE_CONTINUES } else { 0 } | if dense { SLICE_DENSE } else { 0 };
    let distance = i64::from(slice.split.0) - *expected_split;
    put_u64(out, zigzag(distance) << 2 | flags);
    *expected_split = i64::from(slice.split.0) + 1;
    if !continues {
        put_u64(out, slice.start.0);
    }
    put_u64(out, slice.end.0 - slice.start.0);
    if !dense {
        put_u32(out, slice.count);
        if slice.count > 0 {
            put_u64(out, slice.first.0 - slice.start.0);
            put_u64(out, slice.end.0 - 1 - slice.last.0);
        }
    }
    if slice.count > 0 {
        out.extend_from_slice(&slice.crc.to_le_bytes());
    }
    context.ends.insert(slice.split, slice.end);
}

fn put_near(out: &mut Vec<u8>, split: SplitId, at: Offset, context: &Context) {
    put_u32(out, split.0);
    let end = context.ends.get(&split).map_or(0, |end| end.0);
    put_i64(out, at.0.wrapping_sub(end) as i64);
}

fn put_control(out: &mut Vec<u8>, control: &ControlRecord, context: &mut Context) {
    put_near(out, control.split, control.at, context);
    match &control.control {
        Control::Added { name, identity, watermark } => {
            out.push(0);
            put_u32(out, name.table.0);
            put_str(out, &name.name);
            put_str(out, identity);
            put_i64(out, watermark.0);
            context.ends.insert(control.split, control.at);
        }
        Control::Advance(watermark) => {
            out.push(1);
            put_i64(out, watermark.0);
        }
        Control::IdleMark => out.push(2),
        Control::Ended => out.push(3),
    }
}

fn put_extra(out: &mut Vec<u8>, extra: &ExtraInput, context: &Context) {
    match extra {
        ExtraInput::Pushed { split, at, data } => {
            out.push(0);
            put_near(out, *split, *at, context);
            put_bytes(out, data);
        }
        ExtraInput::Lookup { request, answer } => {
            out.push(1);
            put_u64(out, *request);
            put_bytes(out, answer);
        }
    }
}

fn put_skip(out: &mut Vec<u8>, skip: &Skip) {
    match skip {
        Skip::Record { split, offset } => {
            out.push(0);
            put_u32(out, split.0);
            put_u64(out, offset.0);
        }
        Skip::SinkRow { sink, epoch, row } => {
            out.push(1);
            put_u32(out, sink.0);
            put_u64(out, epoch.0);
            put_u32(out, *row);
        }
    }
}
