//! The first row that is not as it should be, and the records that it comes from.

use anabranch_engine::ids::Epoch;
use anabranch_engine::journal::{EpochRecord, scan};
use anabranch_engine::plan::Plan;
use anabranch_sim::judge::FindingKind;
use anabranch_sim::oracle::{Shape, Violation, logs_shown, shape_of};
use anabranch_sim::plan::RunPlan;
use anabranch_sim::reference::{Case, Expected, ExpectedRow, SplitLog, expect};
use anabranch_sim::report::page::WrongRow;
use anabranch_sim::world::{RunResult, SinkResult};
use std::collections::BTreeMap;

/// So many records are shown at most.
const SHOWN: usize = 12;

/// The first wrong row of the sink that a finding is about, as readers see it at the end
/// of the run; nothing if the rows are right by then, or the finding is not about rows.
pub(super) fn first(
    plan: &RunPlan,
    job: &Plan,
    result: &RunResult,
    kind: &FindingKind,
) -> Option<WrongRow> {
    let table = match kind {
        FindingKind::Wrong(table, _) => table.as_str(),
        FindingKind::Oracle(_, fingerprint) => fingerprint.rsplit_once(": ")?.1,
        FindingKind::Failed(_)
        | FindingKind::Panicked(_)
        | FindingKind::RestartLoop
        | FindingKind::Stuck => return None,
    };
    let index = result.sinks.iter().position(|sink| sink.table == table)?;
    let journal = scan(&result.journal, &[]).ok()?;
    let epochs: Vec<EpochRecord> = journal.records_after(Epoch(0)).cloned().collect();
    let logs = logs_shown(plan, job, result, &epochs);
    let log_ends = BTreeMap::new();
    let expected = expect(Case { plan: job, logs: &logs, epochs: &epochs, log_ends: &log_ends });
    if expected.sinks[index].unspecified {
        return None;
    }
    let rows = due(&expected, index, shape_of(job.table(expected.sinks[index].table)));
    let (missing, extra) = unmatched(&rows, &result.sinks[index]);
    let like = extra.as_ref().and_then(|text| {
        rows.iter().copied().find(|row| row.value.matches(text.trim_end_matches('\n').as_bytes()))
    });
    let row = missing.or(like);
    if row.is_none() && extra.is_none() {
        return None;
    }
    Some(WrongRow {
        expected: missing.map(|row| row.value.to_string()),
        got: extra.map(|text| text.trim_end_matches('\n').to_owned()),
        origins: row.map(|row| origins(&expected, &logs, row)).unwrap_or_default(),
    })
}

/// The first row that an assert gives, where it should give none.
pub(super) fn of_assert(violation: &Violation) -> WrongRow {
    let got = match &violation.rows {
        Ok(rows) => rows.first().cloned(),
        Err(why) => Some(why.clone()),
    };
    WrongRow { expected: None, got, origins: Vec::new() }
}

/// The rows that must be there at the end: of each key the last one, if keys are kept.
fn due(expected: &Expected, index: usize, shape: Shape) -> Vec<&ExpectedRow> {
    let rows = &expected.sinks[index].rows;
    if shape != Shape::Keyed {
        return rows.iter().collect();
    }
    let last = |(place, row): &(usize, &ExpectedRow)| {
        row.key.is_none() || !rows[place + 1..].iter().any(|later| later.key == row.key)
    };
    rows.iter().enumerate().filter(last).map(|(_, row)| row).collect()
}

/// The first row that is missing, and the first that nothing asks for.
fn unmatched<'a>(
    due: &[&'a ExpectedRow],
    sink: &SinkResult,
) -> (Option<&'a ExpectedRow>, Option<String>) {
    let mut left: Vec<&ExpectedRow> = due.to_vec();
    let mut extra = None;
    for record in &sink.last.records {
        let text = record.value.strip_suffix(b"\n").unwrap_or(&record.value);
        match left.iter().position(|row| row.value.matches(text)) {
            Some(place) => drop(left.remove(place)),
            None => {
                extra.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    (left.first().copied(), extra)
}

/// The records of a row, each with its split, its offset and its text.
fn origins(expected: &Expected, logs: &[SplitLog], row: &ExpectedRow) -> Vec<String> {
    let told = |source: &anabranch_sim::reference::Source| {
        let name = &expected.splits[source.split];
        let log = logs.iter().find(|log| log.name == *name);
        let record = log.and_then(|log| log.records.iter().find(|it| it.offset == source.offset));
        let text = record.map(|record| String::from_utf8_lossy(&record.bytes).into_owned());
        format!("{}:{}  {}", name.name, source.offset, text.unwrap_or_default())
    };
    let mut lines: Vec<String> = row.sources.iter().take(SHOWN).map(told).collect();
    if row.sources.len() > SHOWN {
        lines.push(format!("and {} more", row.sources.len() - SHOWN));
    }
    lines
}
