//! Cutting the bytes of a file into records.

use super::csv::syntax::{RecordEnd, Syntax};
use super::{RecordBlock, RecordRef};
use crate::ids::Offset;
use crate::plan::FormatSpec;
use bytes::Bytes;
use memchr::memchr;

/// The length from which on a record is too long.
///
/// Memory must not grow with the data, so a record that has not ended within this many
/// bytes is cut: each full piece of this length is a record of its own, which every
/// decoder calls dead for its length; what remains before the record's real end is
/// framed as a record, too. Where the pieces lie follows from the bytes alone, so that
/// reading can start again at any of them.
// spec: F-5
pub const RECORD_LEN_MAX: usize = 16 << 20;

/// What [`frame`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// The records that are whole.
    pub block: RecordBlock,
    /// How many bytes they and the empty lines and comments between them take. What
    /// lies behind must be given again, together with what follows it. 0 means that
    /// there is no end of a record yet; [`RECORD_LEN_MAX`] bytes always hold one.
    pub consumed: usize,
}

/// Cuts the bytes of a file, of which `data` starts at `base`, into records.
///
/// `base` must be where a record starts. The offset of a record is the byte at which it
/// starts; the block's `end_offset` is `base` plus what was consumed. Cutting the same
/// bytes at other places and framing the parts one after the other gives the same
/// records.
///
/// JSON: a line is a record, without its `\n` or `\r\n`; an empty line is none. CSV:
/// likewise, but a line end inside of quotes (or behind the escape character) belongs
/// to the record, and with `csv.allow-comments` a line that starts with `#` is no
/// record. A last line without its end is a record only if `last` says that the file
/// ends with `data`. A format without bytes has no records; everything is passed over.
#[must_use]
pub fn frame(spec: &FormatSpec, data: Bytes, base: Offset, last: bool) -> Framed {
    frame_by(spec, data, base, last, RECORD_LEN_MAX)
}

/// What a decoder says of a piece of a record that is too long.
#[cold]
pub(super) fn too_long() -> String {
    format!("the record is {} MiB long or longer", RECORD_LEN_MAX >> 20)
}

fn frame_by(spec: &FormatSpec, data: Bytes, base: Offset, last: bool, len_max: usize) -> Framed {
    // Places in a block are 32 bits wide; what lies behind is framed next time.
    const BLOCK_LEN_MAX: usize = i32::MAX as usize;
    let (data, last) = if data.len() > BLOCK_LEN_MAX {
        (data.slice(..BLOCK_LEN_MAX), false)
    } else {
        (data, last)
    };
    let syntax = match spec {
        FormatSpec::Json(_) => None,
        FormatSpec::Csv(options) => Some(Syntax::new(options)),
        FormatSpec::None => {
            let consumed = data.len();
            let end_offset = base.0 + consumed as u64;
            let block = RecordBlock { data, records: Vec::new(), end_offset };
            return Framed { block, consumed };
        }
    };
    let mut records = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let window = &data[at..data.len().min(at.saturating_add(len_max))];
        let is_comment = syntax.as_ref().is_some_and(|syntax| syntax.is_comment(window));
        let found = match &syntax {
            Some(syntax) if !is_comment => syntax.end_of_record(window),
            _ => end_of_line(window),
        };
        // A piece that is too long, or the end of the file, ends a record as well.
        let found = match found {
            None if window.len() >= len_max || last => {
                RecordEnd { end: window.len(), next: window.len() }
            }
            None => break,
            Some(found) => found,
        };
        let end = if is_comment { at } else { at + found.end };
        let next = at + found.next;
        if end > at {
            records.push(RecordRef {
                offset: base.0 + at as u64,
                start: at as u32,
                end: end as u32,
                timestamp_ms: None,
            });
        }
        at = next;
    }
    let block = RecordBlock { data, records, end_offset: base.0 + at as u64 };
    Framed { block, consumed: at }
}

/// Where the first line of `data` ends, without its `\n` or `\r\n`.
fn end_of_line(data: &[u8]) -> Option<RecordEnd> {
    let newline = memchr(b'\n', data)?;
    let end = if data[..newline].ends_with(b"\r") { newline - 1 } else { newline };
    Some(RecordEnd { end, next: newline + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CsvOptions, JsonOptions};
    use proptest::prelude::*;

    fn json() -> FormatSpec {
        FormatSpec::Json(JsonOptions::default())
    }

    fn csv(allow_comments: bool, escape: bool) -> FormatSpec {
        let escape_character = escape.then_some('\\');
        FormatSpec::Csv(CsvOptions { allow_comments, escape_character, ..CsvOptions::default() })
    }

    /// Offset and text of each record.
    fn records(framed: &Framed) -> Vec<(u64, Vec<u8>)> {
        let data = &framed.block.data;
        let record = |r: &RecordRef| (r.offset, data[r.start as usize..r.end as usize].to_vec());
        framed.block.records.iter().map(record).collect()
    }

    fn texts(spec: &FormatSpec, data: &str, last: bool) -> Vec<(u64, String)> {
        let framed = frame(spec, Bytes::copy_from_slice(data.as_bytes()), Offset(100), last);
        assert_eq!(framed.block.end_offset, 100 + framed.consumed as u64);
        let text = |(offset, bytes)| (offset, String::from_utf8(bytes).expect("text"));
        records(&framed).into_iter().map(text).collect()
    }

    fn expected(records: &[(u64, &str)]) -> Vec<(u64, String)> {
        records.iter().map(|(offset, text)| (*offset, (*text).to_owned())).collect()
    }

    #[test]
    fn json_records_are_lines() {
        let data = "{\"a\":1}\r\n\n\r\n  \n{}";
        assert_eq!(texts(&json(), data, false), expected(&[(100, "{\"a\":1}"), (112, "  ")]));
        let whole = expected(&[(100, "{\"a\":1}"), (112, "  "), (115, "{}")]);
        assert_eq!(texts(&json(), data, true), whole);
        assert_eq!(texts(&json(), "", true), expected(&[]));
    }

    #[test]
    fn csv_records_may_hold_quoted_line_ends() {
        let data = "a,\"b\n\"\"c\"\r\n#no,comment\nx\"\ny,\"open\n";
        let quoted = "a,\"b\n\"\"c\"";
        let closed = expected(&[(100, quoted), (111, "#no,comment"), (123, "x\"")]);
        assert_eq!(texts(&csv(false, false), data, false), closed);
        let without = expected(&[(100, quoted), (123, "x\""), (126, "y,\"open\n")]);
        assert_eq!(texts(&csv(true, false), data, true), without);
        let escaped = "a\\\nb,\"\\\"\n\"\nc\n";
        let records = expected(&[(100, "a\\\nb,\"\\\"\n\""), (111, "c")]);
        assert_eq!(texts(&csv(false, true), escaped, false), records);
    }

    #[test]
    fn a_record_without_end_is_cut_into_pieces() {
        let data = Bytes::from_static(b"aaaaaaaaaaaaaaaaaaaa\nbb\nccccccc\ncccccccc\n");
        let framed = frame_by(&json(), data.clone(), Offset(0), false, 8);
        let pieces: Vec<(u64, usize)> =
            records(&framed).iter().map(|(offset, text)| (*offset, text.len())).collect();
        assert_eq!(pieces, [(0, 8), (8, 8), (16, 4), (21, 2), (24, 7), (32, 8)]);
        let short = frame_by(&json(), data.slice(..7), Offset(0), false, 8);
        assert_eq!(short.consumed, 0);
    }

    #[test]
    fn formats_without_bytes_have_no_records() {
        let framed = frame(&FormatSpec::None, Bytes::from_static(b"abc"), Offset(5), true);
        assert_eq!((framed.consumed, framed.block.end_offset), (3, 8));
        assert!(framed.block.records.is_empty());
    }

    /// Frames the parts one after the other, as a reader of a growing file does.
    fn framed_in_parts(
        spec: &FormatSpec,
        data: &[u8],
        cuts: &[usize],
        len_max: usize,
    ) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        let mut done = 0;
        for end in cuts.iter().copied().chain([data.len()]) {
            let last = end == data.len();
            if end < done {
                continue;
            }
            let part = Bytes::copy_from_slice(&data[done..end]);
            let framed = frame_by(spec, part, Offset(done as u64), last, len_max);
            all.extend(records(&framed));
            done += framed.consumed;
        }
        all
    }

    proptest! {
        #[test]
        fn the_cut_does_not_matter(
            data in "[a\"\\\\#,\r\n é]{0,60}",
            cuts in proptest::collection::vec(0_usize..=60, 0..8),
            which in 0_usize..5,
            len_max in prop_oneof![Just(6_usize), Just(1_000)],
        ) {
            let specs =
                [json(), csv(false, false), csv(true, false), csv(false, true), csv(true, true)];
            let data = data.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < data.len()).collect();
            cuts.sort_unstable();
            let whole = framed_in_parts(&specs[which], data, &[], len_max);
            let parts = framed_in_parts(&specs[which], data, &cuts, len_max);
            prop_assert_eq!(whole, parts);
        }
    }
}
