//! Frames: payloads in a file that grows at its end, each recognisable by itself.
//!
//! ```text
//! byte  0  2  magic
//!       2  2  check of the header: low half of a CRC-32 over salt, magic and length
//!       4  4  length of the payload, little-endian
//!       8  4  CRC-32 over salt, length and payload, little-endian
//!      12     payload, then zeros up to the next multiple of 4
//! ```
//!
//! The salt stands for the file and takes part in the checks, so a frame is valid
//! only in the file for which it was written: neither a block of another file that
//! the disk puts there, nor another journal that somebody feeds to a job as data and
//! that so stands inside a payload, is ever taken for a frame. The position does not
//! take part: a frame that was moved within its file is still seen, so that a piece
//! cut out of the middle is noticed.

use super::DecodeError;
use crate::planted;

/// What every frame starts with.
pub const MAGIC: [u8; 2] = [0xA7, 0x4A];
/// The bytes before the payload.
pub const HEADER_BYTES: usize = 12;
/// Frames start at multiples of this.
pub const ALIGN: usize = 4;
/// No payload is longer. A length above it is not believed.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(PAYLOAD_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGN));

/// A frame that was found in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The byte at which the frame starts.
    pub at: usize,
    /// What it holds.
    pub payload: &'a [u8],
    /// The byte at which the next frame starts.
    pub end: usize,
}

/// How many bytes a frame with such a payload takes.
#[must_use]
pub fn framed_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN)
}

fn header_check(salt: u64, length: u32) -> u16 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&MAGIC);
    hasher.update(&length.to_le_bytes());
    hasher.finalize() as u16
}

fn payload_check(salt: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&(payload.len() as u32).to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Appends a frame whose payload `fill` writes, for byte `position` of the file
/// that `salt` stands for. Gives the position after the frame.
///
/// # Panics
/// If the payload is longer than [`PAYLOAD_BYTES_MAX`] or the position is not
/// aligned: both are limits that the writer keeps.
pub fn put_frame(
    out: &mut Vec<u8>,
    salt: u64,
    position: u64,
    fill: impl FnOnce(&mut Vec<u8>),
) -> u64 {
    assert!(position.is_multiple_of(ALIGN as u64), "a frame starts aligned");
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    fill(out);
    let length = out.len() - start - HEADER_BYTES;
    assert!(length <= PAYLOAD_BYTES_MAX, "a frame of {length} bytes is above the limit");
    let short = length as u32;
    let crc = payload_check(salt, &out[start + HEADER_BYTES..]);
    let header = &mut out[start..start + HEADER_BYTES];
    header[0..2].copy_from_slice(&MAGIC);
    header[2..4].copy_from_slice(&header_check(salt, short).to_le_bytes());
    header[4..8].copy_from_slice(&short.to_le_bytes());
    header[8..12].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + framed_bytes(length), 0);
    position + framed_bytes(length) as u64
}

/// The frame at byte `at`, if a valid one stands there.
///
/// # Errors
/// What is wrong; `at` of the error is the byte in the file.
pub fn read_frame(bytes: &[u8], salt: u64, at: usize) -> Result<Found<'_>, DecodeError> {
    if !at.is_multiple_of(ALIGN) {
        return Err(DecodeError { at, what: "a frame that does not start aligned" });
    }
    frame_at(bytes, salt, at)
}

fn frame_at(bytes: &[u8], salt: u64, at: usize) -> Result<Found<'_>, DecodeError> {
    let error = |what| DecodeError { at, what };
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.len() < HEADER_BYTES {
        return Err(error("a frame header that is cut short"));
    }
    if rest[0..2] != MAGIC {
        return Err(error("no frame starts here"));
    }
    let check = u16::from_le_bytes([rest[2], rest[3]]);
    let short = u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]]);
    if check != header_check(salt, short) {
        return Err(error("a frame header with a wrong check"));
    }
    let length = short as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(error("a frame above the limit"));
    }
    let end = framed_bytes(length);
    if rest.len() < end {
        return Err(error("a frame that is cut short"));
    }
    let payload = &rest[HEADER_BYTES..HEADER_BYTES + length];
    let crc = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]);
    if crc != payload_check(salt, payload) && !planted!(J10) {
        return Err(error("a frame with a wrong checksum"));
    }
    if rest[HEADER_BYTES + length..end].iter().any(|&byte| byte != 0) {
        return Err(error("a frame whose padding is not zero"));
    }
    Ok(Found { at, payload, end: at + end })
}

/// The first valid frame at or after byte `from`, whatever stands before it, aligned
/// or not.
#[must_use]
// spec: J-6
pub fn find_frame(bytes: &[u8], salt: u64, from: usize) -> Option<Found<'_>> {
    let rest = bytes.get(from..)?;
    memchr::memmem::find_iter(rest, &MAGIC)
        .find_map(|place| frame_at(bytes, salt, from + place).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(payloads: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for payload in payloads {
            let at = file.len() as u64;
            let end = put_frame(&mut file, 7, at, |out| out.extend_from_slice(payload));
            assert_eq!(end, file.len() as u64);
        }
        file
    }

    #[test]
    fn frames_come_back_in_order() {
        let file = file_of(&[b"one", b"", b"three3"]);
        let mut at = 0;
        let mut found = Vec::new();
        while at < file.len() {
            let frame = read_frame(&file, 7, at).unwrap();
            found.push(frame.payload.to_vec());
            at = frame.end;
        }
        assert_eq!(found, [b"one".to_vec(), b"".to_vec(), b"three3".to_vec()]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        // spec: J-6
        let file = file_of(&[b"payload"]);
        for bit in 0..file.len() * 8 {
            let mut rotten = file.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert!(read_frame(&rotten, 7, 0).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_rotten_length_hides_nothing_behind_it() {
        // spec: J-6
        let mut file = file_of(&[b"first", b"second"]);
        file[5] ^= 0x40;
        let found = find_frame(&file, 7, 0).unwrap();
        assert_eq!(found.payload, b"second");
    }

    #[test]
    fn a_frame_is_valid_only_in_its_file_but_anywhere_there() {
        let file = file_of(&[b"first", b"second"]);
        assert!(find_frame(&file, 8, 0).is_none());
        let found = find_frame(&file[7..], 7, 0).unwrap();
        assert_eq!(found.payload, b"second");
    }
}
