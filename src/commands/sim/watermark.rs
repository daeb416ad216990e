//! `sim watermark`: how many rows would be too late for the job's windows with which
//! watermark delay, from the sample files. Nothing is run.

use super::args::WatermarkArgs;
use super::input::Subject;
use crate::errors::{self, JobError};
use crate::output::console::show_text;
use crate::output::text::{self, count};
use anabranch_engine::expr::{CompiledExpr, EvalInput, Expr, ExprKind, value_at};
use anabranch_engine::format::{RecordBlock, RecordRef, decoder};
use anabranch_engine::ids::{NodeId, TableId};
use anabranch_engine::plan::{ColumnKind, NodeKind, Plan, Scan, Window};
use anabranch_engine::time::Tick;
use anabranch_engine::types::{Field, Value};
use anabranch_sim::generate::Sample;
use std::fmt::Write as _;
use std::time::Duration;

/// Shares of the rows, in thousandths, whose disorder is a candidate.
const SHARES: [usize; 4] = [500, 900, 990, 999];

/// The event times of one split, in the order of its records.
type Times = Vec<i64>;

/// Shows a table for each table with a watermark and files.
///
/// # Errors
/// If there is none.
pub(super) fn run(args: &WatermarkArgs) -> Result<(), JobError> {
    let subject = Subject::of_files(&args.file, usize::MAX)?;
    let job = &subject.job;
    let mut shown = 0;
    for node in &job.nodes {
        let NodeKind::Scan(scan) = &node.kind else { continue };
        let table = job.table(scan.table);
        let (Some(expression), Some(samples)) = (&scan.watermark, subject.sample(&table.name))
        else {
            continue;
        };
        let (time, declared) = without_delay(expression);
        let Some(splits) = times(job, scan, &time, samples) else {
            let message =
                format!("table {}: its event time needs more than the record", table.name);
            tracing::warn!("{message}");
            continue;
        };
        show_text(&report(job, scan.table, node.id, &splits, declared))?;
        shown += 1;
    }
    match shown {
        0 => {
            let message = format!("{}: no table has both a watermark and files", subject.file);
            Err(JobError::new(&errors::NO_FILE, message)
                .with_help("`anabranch sim watermark` looks at files of `filesystem` tables"))
        }
        _ => Ok(()),
    }
}

/// The expression without the interval that it subtracts, and that interval in ms.
fn without_delay(expression: &Expr) -> (Expr, Option<i64>) {
    if let ExprKind::Call { function, args } = &expression.kind
        && let ("-", [time, delay]) = (function.name.as_str(), args.as_slice())
        && let ExprKind::Literal(Value::Millis(ms)) = delay.kind
    {
        return (time.clone(), Some(ms));
    }
    (expression.clone(), None)
}

/// The event times of all splits; nothing if they depend on more than the records.
fn times(job: &Plan, scan: &Scan, time: &Expr, samples: &[Sample]) -> Option<Vec<Times>> {
    let table = job.table(scan.table);
    let physical: Vec<usize> = (0..table.columns.len())
        .filter(|index| table.columns[*index].kind == ColumnKind::Physical)
        .collect();
    let field = |index: &usize| {
        let column = &table.columns[*index];
        Field::new(column.name.clone(), column.ty.clone())
    };
    let fields: Vec<Field> = physical.iter().map(field).collect();
    let place = |column: &usize| physical.iter().position(|index| index == column);
    let wanted: Vec<usize> = scan.columns.iter().map(place).collect::<Option<_>>()?;
    let decoder = decoder(&table.format, &fields, &wanted);
    let compiled = CompiledExpr::compile(time).ok()?;
    let zone = job.options.local_time_zone.parse().ok()?;
    let of_split = |sample: &Sample| {
        let decoded = decoder.decode(&block_of(sample));
        let value = compiled.evaluate(&EvalInput {
            batch: &decoded.batch,
            column_errors: &decoded.column_errors,
            tick: Tick(0),
            watermarks_before: None,
            zone,
        });
        let at = |row| match value_at(&value.array, row, &time.ty.sql) {
            Value::Timestamp(ms) => Some(ms),
            _ => None,
        };
        (0..decoded.batch.num_rows()).filter_map(at).collect()
    };
    Some(samples.iter().map(of_split).collect())
}

/// The records of a sample one behind the other.
fn block_of(sample: &Sample) -> RecordBlock {
    let mut data = Vec::new();
    let mut records = Vec::with_capacity(sample.records.len());
    for (offset, record) in (0..).zip(&sample.records) {
        let start = data.len() as u32;
        data.extend_from_slice(record);
        records.push(RecordRef { offset, start, end: data.len() as u32, timestamp_ms: None });
    }
    RecordBlock { data: data.into(), end_offset: records.len() as u64, records }
}

/// A window that reads the table, by the name of its node.
struct Reader {
    name: String,
    window: Window,
    lateness_ms: i64,
}

/// The windows over rows of a scan, but not those over other windows.
fn readers(job: &Plan, scan: NodeId) -> Vec<Reader> {
    let reads = |inputs: &[NodeId]| inputs.iter().any(|input| comes_from(job, *input, scan));
    job.nodes
        .iter()
        .filter(|node| reads(&node.inputs))
        .filter_map(|node| match &node.kind {
            NodeKind::WindowAggregate(aggregate) => Some(Reader {
                name: node.name.clone(),
                window: aggregate.window,
                lateness_ms: aggregate.allowed_lateness_ms,
            }),
            _ => None,
        })
        .collect()
}

fn comes_from(job: &Plan, node: NodeId, scan: NodeId) -> bool {
    let found = job.node(node);
    match &found.kind {
        NodeKind::Calc(_) | NodeKind::Union => {
            found.inputs.iter().any(|input| comes_from(job, *input, scan))
        }
        _ => node == scan,
    }
}

/// How many rows are late for all of their windows, and for some of them.
// spec: T-1, T-2
fn late(reader: &Reader, splits: &[Times], delay_ms: i64) -> (u64, u64) {
    let (mut whole, mut partial) = (0, 0);
    for times in splits {
        let mut watermark = i64::MIN;
        for time in times {
            let closed = |end: i64| watermark >= (end - 1).saturating_add(reader.lateness_ms);
            if let Window::Session { .. } = reader.window {
                whole += u64::from(time.saturating_add(reader.lateness_ms) <= watermark);
            } else {
                let ends = reader.window.windows_of(*time).map(|(_, end)| end);
                let (missed, all) = ends
                    .fold((0, 0), |(missed, all), end| (missed + u64::from(closed(end)), all + 1));
                whole += u64::from(missed == all);
                partial += u64::from(missed > 0 && missed < all);
            }
            watermark = watermark.max(time.saturating_sub(delay_ms));
        }
    }
    (whole, partial)
}

/// How far each row lies behind the largest time before it in its split, ascending.
fn disorder(splits: &[Times]) -> Vec<i64> {
    let mut behind = Vec::new();
    for times in splits {
        let mut largest = i64::MIN;
        for time in times {
            behind.push(if *time < largest { largest.saturating_sub(*time) } else { 0 });
            largest = largest.max(*time);
        }
    }
    behind.sort_unstable();
    behind
}

/// Candidates for the delay, each with where it comes from, ascending.
fn candidates(behind: &[i64], declared: Option<i64>) -> Vec<(i64, String)> {
    let mut all = vec![(0, "none".to_owned())];
    for share in SHARES {
        let place = (behind.len() * share).div_ceil(1_000).clamp(1, behind.len()) - 1;
        let (whole, tenths) = (share / 10, share % 10);
        let name = if tenths == 0 { format!("p{whole}") } else { format!("p{whole}.{tenths}") };
        all.push((behind[place], name));
    }
    all.push((behind.last().copied().unwrap_or(0), "max".to_owned()));
    all.extend(declared.map(|ms| (ms, "declared".to_owned())));
    all.sort_by_key(|(ms, _)| *ms);
    let mut merged: Vec<(i64, String)> = Vec::new();
    for (ms, name) in all {
        match merged.last_mut() {
            Some((last, names)) if *last == ms => {
                names.push_str(", ");
                names.push_str(&name);
            }
            _ => merged.push((ms, name)),
        }
    }
    merged
}

fn report(
    job: &Plan,
    table: TableId,
    scan: NodeId,
    splits: &[Times],
    declared: Option<i64>,
) -> String {
    let behind = disorder(splits);
    let name = &job.table(table).name;
    let rows = behind.len() as u64;
    let mut out =
        format!("{name}: {} rows with an event time in {} splits\n", count(rows), splits.len());
    if behind.is_empty() {
        return out;
    }
    let readers = readers(job, scan);
    let mut shown = comfy_table::Table::new();
    shown.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    let head = ["delay", "which is"].map(str::to_owned).into_iter();
    shown.set_header(head.chain(readers.iter().map(|reader| format!("late for {}", reader.name))));
    for (delay_ms, origin) in candidates(&behind, declared) {
        let cells = readers.iter().map(|reader| {
            let (whole, partial) = late(reader, splits, delay_ms);
            let share = whole as f64 * 100.0 / rows as f64;
            match partial {
                0 => format!("{} ({share:.2} %)", count(whole)),
                _ => format!("{} ({share:.2} %), {} in part", count(whole), count(partial)),
            }
        });
        let delay = text::duration(Duration::from_millis(delay_ms.max(0) as u64));
        shown.add_row([delay, origin].into_iter().chain(cells));
    }
    // Writing to a text cannot fail.
    let _ = writeln!(
        out,
        "{shown}\nA result comes the delay later. Late is judged before any filter, at the row's own split."
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(window: Window) -> Reader {
        Reader { name: "w".to_owned(), window, lateness_ms: 0 }
    }

    #[test]
    fn a_row_of_a_hop_window_can_be_late_in_part() {
        // spec: T-2
        let hop = reader(Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 });
        // After the 7, with delay 2, the watermark is 5: [-5, 5) is closed, [0, 10) is not.
        assert_eq!(late(&hop, &[vec![7, 2]], 2), (0, 1));
        assert_eq!(late(&hop, &[vec![7, 2]], 3), (0, 1));
        assert_eq!(late(&hop, &[vec![7, 2]], 4), (0, 0));
        assert_eq!(late(&hop, &[vec![17, 2]], 2), (1, 0));
    }

    #[test]
    fn lateness_is_judged_at_the_own_split() {
        // spec: T-2
        let tumble = reader(Window::Tumble { size_ms: 10, offset_ms: 0 });
        assert_eq!(late(&tumble, &[vec![100], vec![5, 7]], 0), (0, 0));
        assert_eq!(late(&tumble, &[vec![5, 9, 8]], 0), (1, 0));
        let session = reader(Window::Session { gap_ms: 100 });
        assert_eq!(late(&session, &[vec![5, 9, 9, 8]], 0), (2, 0));
    }

    #[test]
    fn candidates_are_what_was_seen() {
        let behind = disorder(&[vec![0, 10, 4, 12], vec![3, 1]]);
        assert_eq!(behind, [0, 0, 0, 0, 2, 6]);
        let all = candidates(&behind, Some(2));
        let all: Vec<_> = all.iter().map(|(ms, name)| (*ms, name.as_str())).collect();
        assert_eq!(all, [(0, "none, p50"), (2, "declared"), (6, "p90, p99, p99.9, max")]);
    }
}
