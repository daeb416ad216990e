//! The job and its input.

use anabranch_engine::ids::{Offset, SplitName, TableId};
use anabranch_engine::pipeline::PipelineConfig;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, Window};
use anabranch_engine::types::SqlType;
use bytes::Bytes;
use std::fmt::Write as _;

/// Limits so small that a few dozen records make many epochs, groups and snapshots.
pub(crate) fn small_limits() -> PipelineConfig {
    PipelineConfig {
        binary: "test".into(),
        epoch_bytes_max: 300,
        fetch_bytes: 256,
        split_buffer_bytes_max: 512,
        flush_bytes: 200,
        flush_age_ms: 20,
        snapshot_bytes: 500,
        poison_starts: u32::MAX,
        ..PipelineConfig::default()
    }
}

/// Counts by key and window, and keeps all rows: two sinks that keep markers.
pub(crate) fn two_sinks() -> Plan {
    let mut plan = PlanBuilder::default();
    let columns =
        [("k", SqlType::STRING), ("ts", SqlType::Timestamp(3)), ("_split", SqlType::STRING)];
    let events = plan.table("events", "filesystem", &columns, Some((1, 50)), true);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let counts = [("COUNT", None, SqlType::BigInt)];
    let window = plan.window("totals", scan, window, &[0], &counts);
    plan.sink("totals", "filesystem", window);
    let rows = plan.project(scan, None, &[0, 2]);
    plan.sink("rows", "filesystem", rows);
    plan.build()
}

/// A file that does not change.
pub(crate) struct Split {
    pub(crate) name: SplitName,
    data: Bytes,
}

impl Split {
    /// Bytes from an offset on, and whether they are the last.
    pub(crate) fn read(&self, from: Offset, until: Option<Offset>, max: u32) -> (Bytes, bool) {
        let from = from.0 as usize;
        let to = until.map_or(from + max as usize, |until| until.0 as usize).min(self.data.len());
        (self.data.slice(from..to), to == self.data.len())
    }
}

/// Two files of so many records, a little out of order.
pub(crate) fn two_files(records: u64) -> Vec<Split> {
    ["a.jsonl", "b.jsonl"]
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let mut data = String::new();
            for n in 0..records {
                // A fixed, uneven pattern: no randomness is needed here.
                let millis = n * 31 + (n * 37 + index as u64 * 11) % 50;
                let key = ["x", "y", "z"][(n % 3) as usize];
                writeln!(
                    data,
                    r#"{{"k":"{key}{n}","ts":"1970-01-01 00:00:{:02}.{:03}","_split":"{name}"}}"#,
                    millis / 1000,
                    millis % 1000,
                )
                .expect("a string takes all");
            }
            let name = SplitName { table: TableId(0), name: (*name).to_owned() };
            Split { name, data: data.into() }
        })
        .collect()
}
