//! Manifests to bytes and back.

use crate::codec::{DecodeError, Reader, put_bool, put_i64, put_list, put_str, put_u32, put_u64};
use crate::ids::{
    Epoch, Generation, KeyGroup, Lineage, Offset, SinkId, SplitId, SplitName, TableId,
};
use crate::journal::ChainHash;
use crate::plan::PlanHash;
use crate::sink::{SinkShard, put_marker, read_marker};
use crate::snapshot::envelope::{open, seal};
use crate::snapshot::part::{put_part_name, read_part_name};
use crate::snapshot::{
    Counter, Manifest, NodeState, PartRef, SinkState, SnapshotError, SplitState,
};
use crate::time::{Tick, Watermark};

const MAGIC: [u8; 4] = *b"ABSm";
/// How many bytes the reference to a part takes at least: a name of 11, a checksum of 16
/// and four numbers.
const PART_BYTES_MIN: usize = 31;

impl Manifest {
    /// The manifest as bytes, with format version and checksum.
    ///
    /// # Panics
    /// If splits, sinks or counters are not in order, or two nodes have one name.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.is_ordered(), "a manifest lists everything in order and once");
        seal(MAGIC, |out| {
            put_u64(out, self.epoch.0);
            put_u64(out, self.lineage.number);
            out.extend_from_slice(&self.lineage.nonce.to_le_bytes());
            put_u64(out, self.generation.number);
            out.extend_from_slice(&self.generation.nonce.to_le_bytes());
            out.extend_from_slice(&self.plan.0);
            put_u32(out, self.semantics);
            put_i64(out, self.tick.0);
            out.extend_from_slice(&self.chain.0);
            put_list(out, &self.splits, put_split);
            put_list(out, &self.nodes, |out, node| {
                put_str(out, &node.node);
                put_list(out, &node.parts, put_part);
            });
            put_list(out, &self.sinks, |out, sink| put_sink(out, sink, self.lineage));
            put_list(out, &self.counters, |out, counter| {
                put_str(out, &counter.name);
                put_u64(out, counter.value);
            });
        })
    }

    /// What [`Manifest::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are damaged or of another version.
    // spec: S-1, S-4
    pub fn decode(bytes: &[u8]) -> Result<Manifest, SnapshotError> {
        let object = "manifest";
        let payload = open(object, MAGIC, bytes)?;
        read_manifest(payload).map_err(|error| SnapshotError::Damaged {
            object: object.into(),
            what: error.to_string(),
        })
    }

    fn is_ordered(&self) -> bool {
        let mut nodes: Vec<&str> = self.nodes.iter().map(|node| node.node.as_str()).collect();
        nodes.sort_unstable();
        self.splits.is_sorted_by(|a, b| a.id < b.id)
            && nodes.is_sorted_by(|a, b| a < b)
            && self.sinks.is_sorted_by(|a, b| a.target < b.target)
            && self.counters.is_sorted_by(|a, b| a.name < b.name)
    }
}

fn put_split(out: &mut Vec<u8>, split: &SplitState) {
    put_u32(out, split.id.0);
    put_u32(out, split.name.table.0);
    put_str(out, &split.name.name);
    put_str(out, &split.identity);
    put_u64(out, split.offset.0);
    put_i64(out, split.watermark.0);
    put_bool(out, split.idle);
    put_bool(out, split.ended);
}

fn read_split(reader: &mut Reader<'_>) -> Result<SplitState, DecodeError> {
    Ok(SplitState {
        id: SplitId(reader.u32()?),
        name: SplitName { table: TableId(reader.u32()?), name: reader.str()?.to_owned() },
        identity: reader.str()?.to_owned(),
        offset: Offset(reader.u64()?),
        watermark: Watermark(reader.i64()?),
        idle: reader.bool()?,
        ended: reader.bool()?,
    })
}

fn put_part(out: &mut Vec<u8>, part: &PartRef) {
    put_part_name(out, part.name);
    put_u64(out, part.bytes);
    out.extend_from_slice(&part.checksum);
    put_u64(out, part.entries);
    put_u32(out, u32::from(part.first_key_group.0));
    put_u32(out, u32::from(part.last_key_group.0));
}

fn read_part(reader: &mut Reader<'_>) -> Result<PartRef, DecodeError> {
    Ok(PartRef {
        name: read_part_name(reader)?,
        bytes: reader.u64()?,
        checksum: reader.array()?,
        entries: reader.u64()?,
        first_key_group: read_key_group(reader)?,
        last_key_group: read_key_group(reader)?,
    })
}

fn read_key_group(reader: &mut Reader<'_>) -> Result<KeyGroup, DecodeError> {
    let group = u16::try_from(reader.u32()?);
    group.map(KeyGroup).map_err(|_| reader.error("no key group"))
}

fn put_sink(out: &mut Vec<u8>, sink: &SinkState, lineage: Lineage) {
    put_u32(out, sink.target.sink.0);
    put_u32(out, sink.target.shard);
    put_bool(out, sink.last_rows.is_some());
    if let Some(epoch) = sink.last_rows {
        put_u64(out, epoch.0);
    }
    put_bool(out, sink.predecessor.is_some());
    if let Some(marker) = &sink.predecessor {
        put_marker(out, marker, lineage);
    }
}

fn read_sink(reader: &mut Reader<'_>, lineage: Lineage) -> Result<SinkState, DecodeError> {
    let target = SinkShard { sink: SinkId(reader.u32()?), shard: reader.u32()? };
    let last_rows = if reader.bool()? { Some(Epoch(reader.u64()?)) } else { None };
    let predecessor = if reader.bool()? { Some(read_marker(reader, lineage)?) } else { None };
    Ok(SinkState { target, last_rows, predecessor })
}

fn read_manifest(payload: &[u8]) -> Result<Manifest, DecodeError> {
    let reader = &mut Reader::new(payload);
    let epoch = Epoch(reader.u64()?);
    let number = reader.u64()?;
    let lineage = Lineage { number, nonce: u64::from_le_bytes(reader.array()?) };
    let number = reader.u64()?;
    let generation = Generation { number, nonce: u64::from_le_bytes(reader.array()?) };
    let manifest = Manifest {
        epoch,
        lineage,
        generation,
        plan: PlanHash(reader.array()?),
        semantics: reader.u32()?,
        tick: Tick(reader.i64()?),
        chain: ChainHash(reader.array()?),
        splits: reader.list(8, read_split)?,
        nodes: reader.list(2, |reader| {
            Ok(NodeState {
                node: reader.str()?.to_owned(),
                parts: reader.list(PART_BYTES_MIN, read_part)?,
            })
        })?,
        sinks: reader.list(4, |reader| read_sink(reader, lineage))?,
        counters: reader.list(2, |reader| {
            Ok(Counter { name: reader.str()?.to_owned(), value: reader.u64()? })
        })?,
    };
    if !manifest.is_ordered() {
        return Err(reader.error("a list that is out of order"));
    }
    reader.finish()?;
    Ok(manifest)
}
