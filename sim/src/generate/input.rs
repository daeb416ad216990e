//! The input of a plan: given records, or made-up ones.

use super::values::{Taste, Written, json, timestamp, value};
use super::{Assumption, Material, Profile, Sample};
use crate::plan::{Record, RecordKind, SplitInput, SplitShape};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::plan::{
    ColumnKind, CsvOptions, FormatSpec, NodeKind, Plan, Table, TimestampFormat,
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Where event time begins, in ms since 1970.
const EVENT_TIME_BEGIN: i64 = 1_700_000_000_000;

/// A clock that is far ahead: the year 2099.
const FAR_AHEAD: i64 = 4_080_000_000_000;

/// The splits of all tables that the job reads.
pub(super) fn splits(seed: u64, job: &Plan, material: &Material) -> Vec<SplitInput> {
    let mut splits = Vec::new();
    for node in &job.nodes {
        let NodeKind::Scan(scan) = &node.kind else { continue };
        let table = job.table(scan.table);
        match material.samples.get(&table.name) {
            Some(samples) => {
                let clean = material.assumed.contains(&Assumption::CleanRecords);
                let clean = clean || material.profile == Profile::Calm;
                let soils = !clean && Draws::new(seed, "soiled", &table.name).below(5) == 0;
                let given = samples.iter().map(|sample| given(seed, table, sample));
                splits.extend(given.map(|split| if soils { soiled(seed, split) } else { split }));
            }
            None => splits.extend(made(seed, table, material)),
        }
    }
    splits
}

/// When the records of a split arrive.
struct Pace {
    every: Span,
    /// Records come in bursts of so many.
    burst: u64,
    /// After this record nothing comes for a while.
    rest: Option<(u64, Span)>,
}

impl Pace {
    fn of(seed: u64, name: &str, records: u64, idle_ms: i64) -> Pace {
        let mut draws = Draws::new(seed, "pace", name);
        let every = *draws.choose(&[0, 50, 300, 1_000, 4_000, 20_000]);
        let burst = *draws.choose(&[1, 1, 1, 7, 30]);
        // In a third of the splits nothing comes for longer than makes them idle.
        let rests = draws.below(3) == 0;
        let (at, more) = (draws.below(records.max(1)), draws.below(3_000) as i64);
        let rest = rests.then_some((at, Span::ms(idle_ms + more)));
        Pace { every: Span::us(every), burst, rest }
    }

    fn at(&self, index: u64) -> VirtualTime {
        let begun = index / self.burst * self.burst;
        let rested = self.rest.filter(|(after, _)| index > *after).map_or(0, |(_, span)| span.0);
        VirtualTime(self.every.0 * begun as i64 + rested)
    }
}

fn idle_ms(table: &Table) -> i64 {
    table.idle_timeout_ms().unwrap_or(500)
}

/// The split of a sample.
fn given(seed: u64, table: &Table, sample: &Sample) -> SplitInput {
    let name = format!("{}/{}", table.name, sample.name);
    let pace = Pace::of(seed, &name, sample.records.len() as u64, idle_ms(table));
    let records = sample.records.iter().zip(0..).map(|(value, number)| {
        let kind = RecordKind::Whole { value: value.clone(), timestamp_ms: None };
        Record { number, at: pace.at(number), kind }
    });
    SplitInput {
        table: table.name.clone(),
        name: sample.name.clone(),
        shape: sample.shape,
        added: VirtualTime(0),
        ended: None,
        records: records.collect(),
    }
}

/// The split with some records that come again and some that are none.
fn soiled(seed: u64, mut split: SplitInput) -> SplitInput {
    let mut number = split.records.iter().map(|record| record.number + 1).max().unwrap_or(0);
    let mut records = Vec::new();
    for record in std::mem::take(&mut split.records) {
        let label = format!("{}/{}:{}", split.table, split.name, record.number);
        let mut draws = Draws::new(seed, "soil", &label);
        let (twice, broken) = (draws.happens(30_000), draws.happens(15_000));
        let poison = RecordKind::Whole { value: poisoned(&mut draws), timestamp_ms: None };
        let at = record.at;
        let more = [twice.then(|| record.kind.clone()), broken.then_some(poison)];
        records.push(record);
        for kind in more.into_iter().flatten() {
            records.push(Record { number, at, kind });
            number += 1;
        }
    }
    split.records = records;
    split
}

/// Made-up splits of a table.
fn made(seed: u64, table: &Table, material: &Material) -> Vec<SplitInput> {
    let mut draws = Draws::new(seed, "splits", &table.name);
    let count = 1 + draws.below(4);
    let shape = match table.connector.as_str() {
        "kafka" => SplitShape::Log,
        "filesystem" => SplitShape::File,
        _ => *draws.choose(&[SplitShape::File, SplitShape::Log]),
    };
    let each = (material.records_max / count).max(1);
    let names = (0..count).map(|index| match shape {
        SplitShape::File => format!("part-{index}"),
        SplitShape::Log => format!("{index:04}"),
    });
    names
        .map(|name| {
            let label = format!("{}/{name}", table.name);
            let mut draws = Draws::new(seed, "split", &label);
            // Now and then a split is empty, or nearly.
            let records = if draws.below(8) == 0 { draws.below(3) } else { 1 + draws.below(each) };
            let pace = Pace::of(seed, &label, records, idle_ms(table));
            let records = lines(seed, &label, table, records, shape)
                .into_iter()
                .zip(0..)
                .map(|(kind, number)| Record { number, at: pace.at(number), kind });
            SplitInput {
                table: table.name.clone(),
                name,
                shape,
                added: VirtualTime(0),
                ended: None,
                records: records.collect(),
            }
        })
        .collect()
}

/// How the records of a split are.
struct Character {
    /// How far event time goes on from one record to the next, in ms.
    step: i64,
    /// Up to so many ms out of order.
    disorder: i64,
    /// Of a million records, so many are far too late, and by so much.
    late: (u32, i64),
    /// So many have a clock that is far ahead.
    ahead: u32,
    /// So many are no records at all.
    poison: u32,
    /// So many come again.
    twice: u32,
    /// So many offsets of a log hold nothing.
    gaps: u32,
}

impl Character {
    fn of(seed: u64, label: &str) -> Character {
        let mut draws = Draws::new(seed, "character", label);
        Character {
            step: *draws.choose(&[0, 1, 10, 100, 1_000, 60_000]),
            disorder: *draws.choose(&[0, 0, 5, 100, 2_000, 60_000]),
            late: (
                *draws.choose(&[0, 0, 20_000, 150_000]),
                *draws.choose(&[1_000, 100_000, 10_000_000]),
            ),
            ahead: *draws.choose(&[0, 0, 0, 0, 0, 0, 0, 10_000]),
            poison: *draws.choose(&[0, 0, 10_000, 100_000]),
            twice: *draws.choose(&[0, 0, 50_000]),
            gaps: *draws.choose(&[0, 0, 100_000]),
        }
    }
}

fn lines(seed: u64, label: &str, table: &Table, count: u64, shape: SplitShape) -> Vec<RecordKind> {
    let character = Character::of(seed, label);
    let mut kinds: Vec<RecordKind> = Vec::new();
    for index in 0..count {
        let mut draws = Draws::new(seed, "record", &format!("{label}:{index}"));
        let gap = draws.happens(character.gaps) && shape == SplitShape::Log;
        let poison = draws.happens(character.poison);
        let twice = draws.happens(character.twice);
        let stamp = event_time(&character, index, &mut draws);
        if gap {
            kinds.push(RecordKind::Gap { offsets: 1 + draws.below(3) as u32 });
            continue;
        }
        if let (true, Some(again)) = (twice, kinds.last().cloned()) {
            kinds.push(again);
            continue;
        }
        let line = match poison {
            true => poisoned(&mut draws),
            false => line(table, stamp, &mut draws).into(),
        };
        let timestamp_ms = (shape == SplitShape::Log).then_some(stamp);
        kinds.push(RecordKind::Whole { value: line, timestamp_ms });
    }
    kinds
}

fn event_time(character: &Character, index: u64, draws: &mut Draws) -> i64 {
    let disorder = draws.below(character.disorder as u64 + 1) as i64;
    let (late, ahead) = (draws.happens(character.late.0), draws.happens(character.ahead));
    let usual = EVENT_TIME_BEGIN + character.step * index as i64 - disorder;
    match (ahead, late) {
        (true, _) => FAR_AHEAD,
        (false, true) => usual - character.late.1,
        (false, false) => usual,
    }
}

/// Something that is no record of any table.
fn poisoned(draws: &mut Draws) -> Bytes {
    let choices: [&[u8]; 5] = [b"{\"k\":", b"", b"not a record", b"\xff\xfe{}", b"{\"a\":{}}"];
    Bytes::from_static(choices[draws.below(5) as usize])
}

/// A record of the table with this event time.
fn line(table: &Table, stamp: i64, draws: &mut Draws) -> String {
    let timestamps = match &table.format {
        FormatSpec::Json(options) => options.timestamp_format,
        FormatSpec::Csv(_) | FormatSpec::None => TimestampFormat::Sql,
    };
    let taste = Taste { keys: 6, nulls: 20_000, timestamps };
    let timed = time_columns(table);
    let columns = table.columns.iter().zip(0..);
    let physical = columns.filter(|(column, _)| column.kind == ColumnKind::Physical);
    let values = physical.map(|(column, index)| {
        let written = match timed.contains(&index) {
            true => Some(timestamp(&column.ty.sql, stamp, &taste)),
            false => value(&column.ty, &taste, draws),
        };
        (column.name.as_str(), written)
    });
    match &table.format {
        FormatSpec::Csv(options) => csv(values.map(|(_, value)| value), options),
        FormatSpec::Json(_) | FormatSpec::None => {
            let fields = values.map(|(name, value)| format!("\"{name}\":{}", json(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    }
}

fn csv(values: impl Iterator<Item = Option<Written>>, options: &CsvOptions) -> String {
    let null = options.null_literal.clone().unwrap_or_default();
    let fields = values.map(|value| value.map_or(null.clone(), |value| value.text));
    fields.collect::<Vec<_>>().join(&options.field_delimiter.to_string())
}

/// The columns that event time is made of.
fn time_columns(table: &Table) -> BTreeSet<usize> {
    let mut columns = BTreeSet::new();
    if let Some(watermark) = &table.watermark {
        watermark.expression.for_each_column(&mut |column| {
            columns.insert(column);
        });
    }
    columns
}
