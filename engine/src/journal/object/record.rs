//! The objects of a journal: records, and the base, which says where they begin.
//!
//! ```text
//! byte  0  4  magic
//!       4  1  format version
//!       5     fields
//!      -16    XXH3-128 of everything before it
//! ```

use crate::codec::{DecodeError, Reader, put_bytes, put_str, put_u64};
use crate::journal::SegmentName;
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

const RECORD: [u8; 4] = *b"ABJr";
const BASE: [u8; 4] = *b"ABJb";
// spec: S-4
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 16;

/// One object of the journal: what one append of a segment wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its number, counted through all segments.
    pub(super) number: u64,
    pub(super) segment: SegmentName,
    pub(super) payload: Bytes,
}

impl Record {
    /// The bytes: no two writers ever write the same, as their generations differ.
    // spec: G-1
    pub(super) fn encode(&self) -> Bytes {
        seal(RECORD, |out| {
            put_u64(out, self.number);
            put_str(out, &self.segment.file_name());
            put_bytes(out, &self.payload);
        })
    }

    /// What [`Record::encode`] wrote for this number.
    ///
    /// # Errors
    /// If the bytes are something else.
    pub(super) fn decode(number: u64, bytes: &Bytes) -> Result<Record, DecodeError> {
        let body = opened(RECORD, bytes)?;
        let mut reader = Reader::new(body);
        if reader.u64()? != number {
            return Err(reader.error("a record of another number"));
        }
        let Some(segment) = SegmentName::parse(reader.str()?) else {
            return Err(reader.error("a name that names no segment"));
        };
        let payload = Bytes::copy_from_slice(reader.bytes()?);
        reader.finish()?;
        Ok(Record { number, segment, payload })
    }
}

/// The first number that still counts.
pub(super) fn encode_base(first: u64) -> Bytes {
    seal(BASE, |out| put_u64(out, first))
}

/// What [`encode_base`] wrote.
///
/// # Errors
/// If the bytes are something else.
pub(super) fn decode_base(bytes: &Bytes) -> Result<u64, DecodeError> {
    let body = opened(BASE, bytes)?;
    let mut reader = Reader::new(body);
    let first = reader.u64()?;
    reader.finish()?;
    Ok(first)
}

fn seal(magic: [u8; 4], fill: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = magic.to_vec();
    out.push(VERSION);
    fill(&mut out);
    let checksum = xxh3_128(&out).to_le_bytes();
    out.extend_from_slice(&checksum);
    out.into()
}

fn opened(magic: [u8; 4], bytes: &Bytes) -> Result<&[u8], DecodeError> {
    let fault = |what| DecodeError { at: 0, what };
    let body = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(fault("it is cut short"))?;
    let (body, checksum) = bytes.split_at(body);
    if xxh3_128(body).to_le_bytes() != checksum && !crate::planted!(J10) {
        return Err(fault("its checksum is wrong"));
    }
    let fields = body.strip_prefix(&magic[..]).ok_or(fault("it is something else"))?;
    match fields.split_first() {
        Some((&VERSION, fields)) => Ok(fields),
        Some(_) => Err(fault("it is of another version")),
        None => Err(fault("it is cut short")),
    }
}
