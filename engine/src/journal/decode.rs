//! Bytes to journal entries; the mirror of `encode`.

use crate::codec::{DecodeError, Reader, unzigzag};
use crate::ids::{Epoch, Generation, Lineage, Offset, SinkId, SplitId, SplitName, TableId};
use crate::journal::encode::{
    Context, KIND_ATTEMPT, KIND_BITS, KIND_EPOCH, KIND_FINISHED, KIND_HEADER, KIND_POISON,
    KIND_SEAM, KIND_STOPPED, SLICE_CONTINUES, SLICE_DENSE, part,
};
use crate::journal::hash::ChainHash;
use crate::journal::record::{
    Acknowledged, ChunkLimits, Control, ControlRecord, EpochRecord, ExtraInput, FlushEnd,
    OutputHash, Skip, SliceRecord,
};
use crate::journal::segment::{
    AttemptRecord, Carried, EPOCH_MAX, FinishedRecord, FoundMarker, JOURNAL_VERSION, JournalEntry,
    LineageParent, PoisonRecord, Predecessor, SeamReason, SeamRecord, SegmentHeader, SegmentName,
    SourceIdentity, StoppedRecord,
};
use crate::plan::PlanHash;
use crate::sink::{SinkShard, read_marker};
use crate::time::{Tick, Watermark};
use bytes::Bytes;

/// Reads the entries of one segment, in order.
#[derive(Clone, Debug)]
pub struct Decoder {
    context: Context,
}

/// What a record says of itself without regard to the records before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) epoch: Epoch,
    pub(super) durable_up_to: Epoch,
}

/// Reads the payload of a segment's first frame.
///
/// # Errors
/// If it is no header, or one of a version that this code does not know.
pub fn decode_header(payload: &[u8]) -> Result<SegmentHeader, DecodeError> {
    let reader = &mut Reader::new(payload);
    if reader.u8()? != KIND_HEADER {
        return Err(DecodeError { at: 0, what: "an entry that is no segment header" });
    }
    if reader.u32()? != JOURNAL_VERSION {
        return Err(DecodeError { at: 1, what: "a journal format of another version" });
    }
    let name = read_segment_name(reader)?;
    let lineage = read_lineage(reader)?;
    let parent = if reader.bool()? {
        Some(LineageParent { lineage: read_lineage(reader)?, epoch: Epoch(reader.u64()?) })
    } else {
        None
    };
    let plan = PlanHash(reader.array()?);
    let semantics = reader.u32()?;
    let binary = reader.str()?.to_owned();
    let predecessor = if reader.bool()? {
        Some(Predecessor { name: read_segment_name(reader)?, end: reader.u64()? })
    } else {
        None
    };
    let first_epoch = Epoch(reader.u64()?);
    if first_epoch > EPOCH_MAX {
        return Err(reader.error("an epoch beyond all numbers"));
    }
    let sources = reader.list(3, |reader| {
        Ok(SourceIdentity { name: read_split_name(reader)?, identity: reader.str()?.to_owned() })
    })?;
    let carried = read_carried(reader, lineage)?;
    reader.finish()?;
    Ok(SegmentHeader {
        name,
        lineage,
        parent,
        plan,
        semantics,
        binary,
        predecessor,
        first_epoch,
        sources,
        carried,
    })
}

impl Decoder {
    /// A reader of the entries that follow this header.
    #[must_use]
    pub fn new(header: &SegmentHeader) -> Decoder {
        Decoder { context: Context::new(header) }
    }

    /// Reads the payload of the next frame. After an error the decoder is of no
    /// further use.
    ///
    /// # Errors
    /// If the payload is no entry that may stand here.
    pub fn entry(&mut self, payload: &[u8]) -> Result<JournalEntry, DecodeError> {
        let reader = &mut Reader::new(payload);
        let lineage = self.context.lineage;
        let entry = match self.kind(reader)? {
            KIND_SEAM => JournalEntry::Seam(read_seam(reader, lineage)?),
            KIND_EPOCH => JournalEntry::Epoch(read_epoch(reader, &mut self.context)?),
            KIND_POISON => JournalEntry::Poison(PoisonRecord {
                epoch: Epoch(reader.u64()?),
                starts: reader.u32()?,
                message: reader.str()?.to_owned(),
            }),
            KIND_FINISHED => JournalEntry::Finished(FinishedRecord {
                epoch: Epoch(reader.u64()?),
                chain: ChainHash(reader.array()?),
            }),
            KIND_STOPPED => JournalEntry::Stopped(StoppedRecord { epoch: Epoch(reader.u64()?) }),
            KIND_ATTEMPT => JournalEntry::Attempt(AttemptRecord {
                epoch: Epoch(reader.u64()?),
                computed: reader.bool()?,
            }),
            KIND_HEADER => {
                return Err(DecodeError { at: 0, what: "a segment header inside a segment" });
            }
            _ => return Err(DecodeError { at: 0, what: "an entry of an unknown kind" }),
        };
        reader.finish()?;
        Ok(entry)
    }

    /// Reads the first byte of an entry.
    // spec: J-2
    fn kind(&self, reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
        let first = reader.u8()?;
        if first == KIND_HEADER || first & !KIND_BITS == self.context.incarnation {
            return Ok(first & KIND_BITS);
        }
        Err(DecodeError { at: 0, what: "an entry of another lineage or generation" })
    }

    /// What an entry says about durability, readable also when entries before it
    /// are damaged; `None` if it says nothing.
    // spec: J-6
    pub(super) fn statement(&self, payload: &[u8]) -> Option<Statement> {
        let reader = &mut Reader::new(payload);
        match self.kind(reader).ok()? {
            KIND_EPOCH => read_statement(reader, &self.context).ok(),
            KIND_FINISHED | KIND_STOPPED => {
                let epoch = Epoch(reader.u64().ok()?);
                Some(Statement { epoch, durable_up_to: epoch })
            }
            _ => None,
        }
    }
}

fn read_segment_name(reader: &mut Reader<'_>) -> Result<SegmentName, DecodeError> {
    let number = reader.u64()?;
    let nonce = u64::from_le_bytes(reader.array()?);
    Ok(SegmentName { generation: Generation { number, nonce }, part: reader.u32()? })
}

fn read_lineage(reader: &mut Reader<'_>) -> Result<Lineage, DecodeError> {
    Ok(Lineage { number: reader.u64()?, nonce: u64::from_le_bytes(reader.array()?) })
}

fn read_split_name(reader: &mut Reader<'_>) -> Result<SplitName, DecodeError> {
    Ok(SplitName { table: TableId(reader.u32()?), name: reader.str()?.to_owned() })
}

fn read_target(reader: &mut Reader<'_>) -> Result<SinkShard, DecodeError> {
    Ok(SinkShard { sink: SinkId(reader.u32()?), shard: reader.u32()? })
}

fn read_acknowledged(
    reader: &mut Reader<'_>,
    lineage: Lineage,
) -> Result<Acknowledged, DecodeError> {
    Ok(Acknowledged { target: read_target(reader)?, marker: read_marker(reader, lineage)? })
}

fn read_chunk_limits(reader: &mut Reader<'_>) -> Result<ChunkLimits, DecodeError> {
    Ok(ChunkLimits {
        sink: SinkId(reader.u32()?),
        rows_max: reader.u32()?,
        bytes_max: reader.u32()?,
    })
}

fn read_sink(reader: &mut Reader<'_>) -> Result<SinkId, DecodeError> {
    Ok(SinkId(reader.u32()?))
}

fn read_carried(reader: &mut Reader<'_>, lineage: Lineage) -> Result<Carried, DecodeError> {
    let carried = Carried {
        opened: reader.list(2, read_target)?,
        acknowledged: reader.list(2, |reader| read_acknowledged(reader, lineage))?,
        given_up: reader.list(1, read_sink)?,
        chunk_limits: reader.list(3, read_chunk_limits)?,
    };
    // Later facts are put in place by a search that needs the order.
    if !carried.is_ordered() {
        return Err(reader.error("carried facts that are out of order"));
    }
    Ok(carried)
}

fn read_seam(reader: &mut Reader<'_>, lineage: Lineage) -> Result<SeamRecord, DecodeError> {
    let reason = match reader.u8()? {
        0 => SeamReason::Change,
        1 => SeamReason::Poison,
        2 => SeamReason::Repair,
        3 => SeamReason::Reset,
        4 => SeamReason::Restore,
        _ => return Err(reader.error("a seam for an unknown reason")),
    };
    Ok(SeamRecord {
        reason,
        after: Epoch(reader.u64()?),
        plan_before: PlanHash(reader.array()?),
        semantics_before: reader.u32()?,
        chain: ChainHash(reader.array()?),
        found: reader.list(3, |reader| {
            let target = read_target(reader)?;
            let marker = if reader.bool()? { Some(read_marker(reader, lineage)?) } else { None };
            Ok(FoundMarker { target, marker })
        })?,
    })
}

/// The start of an epoch record, which leans on the segment's header only.
fn read_statement(reader: &mut Reader<'_>, context: &Context) -> Result<Statement, DecodeError> {
    let distance = reader.u64()?;
    let epoch = context
        .first_epoch
        .0
        .checked_add(distance)
        .filter(|epoch| *epoch <= EPOCH_MAX.0)
        .ok_or_else(|| reader.error("an epoch beyond all numbers"))?;
    let durable_up_to = read_earlier(reader, Epoch(epoch))?;
    if durable_up_to.0 == epoch {
        return Err(reader.error("a record that knew itself to be durable"));
    }
    Ok(Statement { epoch: Epoch(epoch), durable_up_to })
}

/// An epoch that was written as its distance from `epoch`.
fn read_earlier(reader: &mut Reader<'_>, epoch: Epoch) -> Result<Epoch, DecodeError> {
    let distance = reader.u64()?;
    let earlier = epoch.0.checked_sub(distance);
    earlier.map(Epoch).ok_or_else(|| reader.error("an epoch before the first"))
}

fn read_epoch(reader: &mut Reader<'_>, context: &mut Context) -> Result<EpochRecord, DecodeError> {
    let Statement { epoch, durable_up_to } = read_statement(reader, context)?;
    let parts = reader.u64()?;
    if parts & !part::ALL != 0 {
        return Err(reader.error("a record with an unknown part"));
    }
    let tick = Tick(context.tick.0.wrapping_add(reader.u64()? as i64));
    if tick <= context.tick {
        return Err(reader.error("a tick that does not grow"));
    }
    context.tick = tick;
    let mut expected_split = 0;
    let slices = reader.list(3, |reader| read_slice(reader, &mut expected_split, context))?;
    let mut record = EpochRecord { epoch, tick, durable_up_to, slices, ..EpochRecord::default() };
    read_parts(reader, parts, &mut record, context)?;
    if !record.is_consistent() {
        return Err(reader.error("a record that contradicts itself"));
    }
    Ok(record)
}

/// A list that is only written if it has items.
fn read_some<T>(
    reader: &mut Reader<'_>,
    item_bytes_min: usize,
    item: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let items = reader.list(item_bytes_min, item)?;
    if items.is_empty() {
        return Err(reader.error("a part without content"));
    }
    Ok(items)
}

fn read_parts(
    reader: &mut Reader<'_>,
    parts: u64,
    record: &mut EpochRecord,
    context: &mut Context,
) -> Result<(), DecodeError> {
    let has = |bit: u64| parts & bit != 0;
    let (epoch, lineage) = (record.epoch, context.lineage);
    if has(part::CONTROLS) {
        record.controls = read_some(reader, 3, |reader| read_control(reader, context))?;
    }
    if has(part::OUTPUT_HASH) {
        let epoch = read_earlier(reader, epoch)?;
        record.output_hash = Some(OutputHash { epoch, hash: ChainHash(reader.array()?) });
    }
    if has(part::ACKNOWLEDGED) {
        record.acknowledged = read_some(reader, 2, |reader| read_acknowledged(reader, lineage))?;
    }
    if has(part::FLUSH_ENDS) {
        record.flush_ends = read_some(reader, 2, |reader| {
            Ok(FlushEnd { sink: read_sink(reader)?, epoch: read_earlier(reader, epoch)? })
        })?;
    }
    if has(part::EXTRA) {
        record.extra = read_some(reader, 3, |reader| read_extra(reader, context))?;
    }
    if has(part::SNAPSHOT) {
        record.snapshot = Some(read_earlier(reader, epoch)?);
    }
    if has(part::OPENED) {
        record.opened = read_some(reader, 2, read_target)?;
    }
    if has(part::CHUNK_LIMITS) {
        record.chunk_limits = read_some(reader, 3, read_chunk_limits)?;
    }
    if has(part::SKIPS) {
        record.skips = read_some(reader, 3, read_skip)?;
    }
    if has(part::GIVEN_UP) {
        record.given_up = read_some(reader, 1, read_sink)?;
    }
    Ok(())
}

fn read_slice(
    reader: &mut Reader<'_>,
    expected_split: &mut i64,
    context: &mut Context,
) -> Result<SliceRecord, DecodeError> {
    let tag = reader.u64()?;
    let (continues, dense) = (tag & SLICE_CONTINUES != 0, tag & SLICE_DENSE != 0);
    let split = expected_split
        .checked_add(unzigzag(tag >> 2))
        .and_then(|split| u32::try_from(split).ok())
        .map(SplitId)
        .ok_or_else(|| reader.error("a slice of an impossible split"))?;
    *expected_split = i64::from(split.0) + 1;
    let before = context.ends.get(&split).copied();
    let start = match before {
        Some(end) if continues => end,
        None if continues => return Err(reader.error("a slice that continues nothing")),
        _ => Offset(reader.u64()?),
    };
    if !continues && before == Some(start) {
        return Err(reader.error("a slice that hides what it continues"));
    }
    let span = reader.u64()?;
    let end = start.0.checked_add(span).map(Offset);
    let end = end.ok_or_else(|| reader.error("a slice beyond all offsets"))?;
    let mut slice = SliceRecord::empty(split, start, end);
    if dense {
        slice.count =
            u32::try_from(span).map_err(|_| reader.error("a slice of too many records"))?;
        slice.last = Offset(end.0.saturating_sub(1));
    } else {
        slice.count = reader.u32()?;
        if slice.count > 0 {
            let (head, tail) = (reader.u64()?, reader.u64()?);
            let inside = head.checked_add(tail).is_some_and(|outside| outside < span);
            if !inside {
                return Err(reader.error("a slice whose records lie outside of it"));
            }
            slice.first = Offset(start.0 + head);
            slice.last = Offset(end.0 - 1 - tail);
        }
    }
    if slice.is_dense() != dense {
        return Err(reader.error("a slice in a form that is not its own"));
    }
    if slice.count > 0 {
        slice.crc = u32::from_le_bytes(reader.array()?);
    }
    context.ends.insert(split, end);
    Ok(slice)
}

fn read_near(reader: &mut Reader<'_>, context: &Context) -> Result<(SplitId, Offset), DecodeError> {
    let split = SplitId(reader.u32()?);
    let end = context.ends.get(&split).map_or(0, |end| end.0);
    Ok((split, Offset(end.wrapping_add(reader.i64()? as u64))))
}

fn read_control(
    reader: &mut Reader<'_>,
    context: &mut Context,
) -> Result<ControlRecord, DecodeError> {
    let (split, at) = read_near(reader, context)?;
    let control = match reader.u8()? {
        0 => {
            context.ends.insert(split, at);
            Control::Added {
                name: read_split_name(reader)?,
                identity: reader.str()?.to_owned(),
                watermark: Watermark(reader.i64()?),
            }
        }
        1 => Control::Advance(Watermark(reader.i64()?)),
        2 => Control::IdleMark,
        3 => Control::Ended,
        _ => return Err(reader.error("a control record of an unknown kind")),
    };
    Ok(ControlRecord { split, at, control })
}

fn read_extra(reader: &mut Reader<'_>, context: &Context) -> Result<ExtraInput, DecodeError> {
    match reader.u8()? {
        0 => {
            let (split, at) = read_near(reader, context)?;
            Ok(ExtraInput::Pushed { split, at, data: Bytes::copy_from_slice(reader.bytes()?) })
        }
        1 => Ok(ExtraInput::Lookup {
            request: reader.u64()?,
            answer: Bytes::copy_from_slice(reader.bytes()?),
        }),
        _ => Err(reader.error("an extra input of an unknown kind")),
    }
}

fn read_skip(reader: &mut Reader<'_>) -> Result<Skip, DecodeError> {
    match reader.u8()? {
        0 => Ok(Skip::Record { split: SplitId(reader.u32()?), offset: Offset(reader.u64()?) }),
        1 => Ok(Skip::SinkRow {
            sink: read_sink(reader)?,
            epoch: Epoch(reader.u64()?),
            row: reader.u32()?,
        }),
        _ => Err(reader.error("a skip of an unknown kind")),
    }
}
