//! Journals written by hand: what each epoch takes of which split, with marks.

use crate::job::expected;
use anabranch_engine::expr::FunctionRef;
use anabranch_engine::ids::NodeId;
use anabranch_engine::ids::{Epoch, Offset, SplitId, SplitName, TableId};
use anabranch_engine::journal::{Control, ControlRecord, EpochRecord, SliceRecord};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{AggregateCall, Plan};
use anabranch_engine::time::{Tick, Watermark};
use anabranch_engine::types::SqlType;
use anabranch_sim::reference::{Expected, LogRecord, SplitLog};
use std::collections::BTreeMap;

/// One thing that an epoch takes.
pub(crate) enum Do {
    /// The split comes into being, at this watermark.
    Add(i64),
    /// These records, which then stand in the log.
    Take(Vec<String>),
    Idle,
    /// As [`Do::Idle`], with the value that it claims.
    Advance(i64),
    End,
}

/// No watermark yet.
pub(crate) const NONE: i64 = i64::MIN;

/// A job with its logs and its journal.
pub(crate) struct Hand {
    pub(crate) plan: Plan,
    pub(crate) logs: Vec<SplitLog>,
    pub(crate) epochs: Vec<EpochRecord>,
    pub(crate) log_ends: BTreeMap<(Epoch, SplitName), u64>,
}

impl Hand {
    pub(crate) fn new(plan: Plan) -> Hand {
        Hand { plan, logs: Vec::new(), epochs: Vec::new(), log_ends: BTreeMap::new() }
    }

    /// Writes an epoch. A split is named by its table's number and its own name: `0a`.
    pub(crate) fn epoch(&mut self, items: Vec<(&str, Do)>) {
        let epoch = Epoch(self.epochs.len() as u64 + 1);
        let mut record =
            EpochRecord { epoch, tick: Tick(epoch.0 as i64 * 1_000_000), ..EpochRecord::default() };
        for (name, item) in items {
            self.item(&mut record, name, item);
        }
        self.epochs.push(record);
    }

    fn item(&mut self, record: &mut EpochRecord, name: &str, item: Do) {
        let table = name[..1].parse().expect("a table's number");
        let name = SplitName { table: TableId(table), name: name[1..].to_owned() };
        if let Do::Add(watermark) = item {
            let split = SplitId(self.logs.len() as u32);
            let control = Control::Added {
                name: name.clone(),
                identity: String::new(),
                watermark: Watermark(watermark),
            };
            record.controls.push(ControlRecord { split, at: Offset(0), control });
            self.logs.push(SplitLog { name, start: 0, records: Vec::new(), file: None });
            return;
        }
        let index = self.logs.iter().position(|log| log.name == name).expect("it was added");
        let split = SplitId(index as u32);
        let at = self.logs[index].records.len() as u64;
        let control = match item {
            Do::Add(_) => unreachable!("handled above"),
            Do::Advance(to) => Control::Advance(Watermark(to)),
            Do::Idle => Control::IdleMark,
            Do::End => Control::Ended,
            Do::Take(lines) => {
                let count = lines.len() as u64;
                let records = (at..).zip(lines).map(|(offset, line)| LogRecord {
                    offset,
                    next: offset + 1,
                    timestamp_ms: None,
                    bytes: line.into(),
                });
                self.logs[index].records.extend(records);
                record.slices.push(SliceRecord {
                    split,
                    start: Offset(at),
                    end: Offset(at + count),
                    count: count as u32,
                    first: Offset(at),
                    last: Offset((at + count).saturating_sub(1)),
                    crc: 0,
                });
                return;
            }
        };
        record.controls.push(ControlRecord { split, at: Offset(at), control });
    }

    pub(crate) fn expected(&self) -> Expected {
        expected(&self.plan, &self.logs, &self.epochs, &self.log_ends)
    }

    /// The rows of a sink as `epoch: value`, which must all be of a lawful journal.
    pub(crate) fn rows(&self, sink: usize) -> Vec<String> {
        let expected = self.expected();
        assert_eq!(expected.discords, []);
        let text = |row: &anabranch_sim::reference::ExpectedRow| {
            let value = row.value.to_string().replace("1970-01-01 00:00:", "");
            format!("{}: {value}", row.epoch)
        };
        expected.sinks[sink].rows.iter().map(text).collect()
    }
}

/// `1970-01-01 00:00:00.012`.
pub(crate) fn at(ms: i64) -> String {
    format!("1970-01-01 00:{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}

/// A record of key `k`, value `v` and event time.
pub(crate) fn kv(k: &str, v: i64, ms: i64) -> String {
    format!(r#"{{"k":"{k}","v":{v},"ts":"{}"}}"#, at(ms))
}

/// Records of these times, each with its time as its value.
pub(crate) fn times(all: &[i64]) -> Do {
    Do::Take(all.iter().map(|ms| kv("x", *ms, *ms)).collect())
}

/// A table of `k`, `v` and `ts`, which is table 0, and its scan.
pub(crate) fn source(plan: &mut PlanBuilder, delay: i64, bounded: bool) -> NodeId {
    let columns = [("k", SqlType::STRING), ("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let name = format!("t{delay}");
    let table = plan.table(&name, "kafka", &columns, Some((2, delay)), bounded);
    plan.scan(table)
}

/// An aggregate over a column.
pub(crate) fn call(name: &str, arg: Option<usize>, ty: SqlType) -> AggregateCall {
    AggregateCall {
        function: FunctionRef { name: name.to_owned(), version: 1 },
        args: arg.into_iter().collect(),
        distinct: false,
        filter: None,
        ty: ty.nullable(),
        text: format!("{name}(...)"),
    }
}
