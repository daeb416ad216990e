//! The sources of the laboratory.

use anabranch_engine::format::{RecordBlock, RecordRef};
use anabranch_engine::ids::{Offset, SplitName, TableId};
use anabranch_engine::pipeline::{FetchedData, FoundSplit, LogEnd};
use bytes::Bytes;

/// A split of the world.
#[derive(Clone, Debug)]
pub struct LabSplit {
    /// Its name.
    pub name: SplitName,
    /// Its bytes.
    pub data: Bytes,
    /// Whether it gets no more bytes, if its table grows.
    pub ended: bool,
    /// Whether it is a log, whose offsets count lines, and not a file.
    pub is_log: bool,
}

impl LabSplit {
    /// A file.
    #[must_use]
    pub fn file(table: u32, name: &str, data: impl Into<Bytes>) -> LabSplit {
        let name = SplitName { table: TableId(table), name: name.to_owned() };
        LabSplit { name, data: data.into(), ended: false, is_log: false }
    }

    /// How the split is listed.
    pub(super) fn found(&self) -> FoundSplit {
        FoundSplit {
            name: self.name.name.clone(),
            start: Offset(0),
            identity: format!("lab:{}", self.name.name),
        }
    }

    /// Adds bytes at the end.
    pub(super) fn grow(&mut self, text: &str) {
        self.data = [&self.data[..], text.as_bytes()].concat().into();
    }

    /// Reads from an offset on.
    pub(super) fn fetch(
        &self,
        from: Offset,
        until: Option<Offset>,
        bytes_max: u32,
        ends: bool,
    ) -> (FetchedData, LogEnd) {
        let (data, is_all) = match self.is_log {
            true => self.records(from, until, bytes_max),
            false => {
                let length = self.data.len();
                let start = (from.0 as usize).min(length);
                let stop = until.map_or(length, |until| until.0 as usize).min(length);
                let stop = stop.min(start + bytes_max as usize);
                (FetchedData::Bytes(self.data.slice(start..stop)), stop == length)
            }
        };
        let end = match (is_all, ends) {
            (false, _) => LogEnd::More,
            (true, true) => LogEnd::Ended,
            (true, false) => LogEnd::AtEnd,
        };
        (data, end)
    }

    /// The lines from a number on: one at least, if there is one.
    fn records(&self, from: Offset, until: Option<Offset>, bytes_max: u32) -> (FetchedData, bool) {
        let mut block = RecordBlock { data: Bytes::new(), records: Vec::new(), end_offset: from.0 };
        let mut data = Vec::new();
        let lines = self.data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let total = lines.clone().count() as u64;
        for (offset, line) in (0..total).zip(lines).skip(from.0 as usize) {
            let is_full = !data.is_empty() && data.len() + line.len() > bytes_max as usize;
            if is_full || until.is_some_and(|until| until.0 <= offset) {
                break;
            }
            let start = data.len() as u32;
            data.extend_from_slice(line);
            let end = data.len() as u32;
            block.records.push(RecordRef { offset, start, end, timestamp_ms: Some(0) });
            block.end_offset = offset + 1;
        }
        block.data = data.into();
        let is_all = block.end_offset == total;
        (FetchedData::Records(block), is_all)
    }
}
