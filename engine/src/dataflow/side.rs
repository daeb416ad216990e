//! The side tables: `<table>$dead` and `<table>$late`.

use super::BuildError;
use super::epoch::Malformed;
use super::splits::Splits;
use crate::expr::{CompiledExpr, EvalInput};
use crate::format::RecordBlock;
use crate::ids::{SplitId, TableId};
use crate::op::{DeadRow, LateRow};
use crate::plan::{ColumnKind, Node, NodeKind, Plan, SideKind, SideScan, Table};
use crate::rows::{Origin, Rows};
use crate::time::Tick;
use arrow_array::{
    Array, ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMillisecondArray, new_null_array,
};
use arrow_select::interleave::interleave;
use std::sync::Arc;

/// A compiled [`SideScan`].
#[derive(Debug)]
pub(super) struct SideExec {
    pub(super) table: TableId,
    pub(super) kind: SideKind,
    /// Whether the table's records lie in files, whose lines people count. Lines of
    /// other logs are not kept from epoch to epoch, so that a number would depend on
    /// where these are cut.
    // spec: E-2
    counts_lines: bool,
    schema: arrow_schema::SchemaRef,
    /// For each column of the table, how a `$late` row gets it.
    columns: Vec<LateColumn>,
    /// The names of all nodes, for `_operator`.
    node_names: Vec<String>,
}

/// How a `$late` row gets a column of its table.
#[derive(Debug)]
enum LateColumn {
    /// Computed from the others.
    Computed(CompiledExpr),
    /// A column of the table's scan.
    Scanned(usize),
}

/// What a step has collected by the time the side tables are read.
pub(super) struct SideInput<'a> {
    /// The rows of the table's scan, slice by slice.
    pub(super) scanned: &'a [Rows],
    /// The slices of the epoch.
    pub(super) blocks: &'a [(SplitId, &'a RecordBlock)],
    /// The splits.
    pub(super) splits: &'a Splits,
    /// For each split how many lines lay before this epoch; new splits are missing.
    pub(super) lines_before: &'a [u64],
    /// The late rows, by (split, offset, operator).
    pub(super) late: &'a [LateRow],
    /// The rows that could not be computed.
    pub(super) dead: &'a [DeadRow],
    /// The records that are not well formed.
    pub(super) malformed: &'a [Malformed],
    /// The epoch's clock reading.
    pub(super) tick: Tick,
    /// The job's zone.
    pub(super) zone: chrono_tz::Tz,
}

impl SideExec {
    pub(super) fn compile(node: &Node, side: &SideScan, plan: &Plan) -> Result<Self, BuildError> {
        let table = plan.table(side.table);
        let columns = match side.kind {
            SideKind::Dead => Vec::new(),
            SideKind::Late => late_columns(table, plan)?,
        };
        Ok(SideExec {
            table: side.table,
            kind: side.kind,
            counts_lines: counts_lines(table),
            schema: node.schema.arrow(),
            columns,
            node_names: plan.nodes.iter().map(|node| node.name.clone()).collect(),
        })
    }

    /// The rows of this epoch; `derived` tells the sinks that a node's rows reach.
    pub(super) fn run(
        &self,
        input: &SideInput<'_>,
        derived: impl Fn(&DeadRow) -> Vec<TableId>,
    ) -> Vec<Rows> {
        let batch = match self.kind {
            SideKind::Late => self.late(input),
            SideKind::Dead => self.dead(input, derived),
        };
        match batch {
            Some(batch) => vec![Rows::inserts(batch, Origin::Other)],
            None => Vec::new(),
        }
    }

    /// One row for each record and operator for which all windows were closed.
    // spec: T-4
    fn late(&self, input: &SideInput<'_>) -> Option<RecordBatch> {
        let late: Vec<&LateRow> = input
            .late
            .iter()
            .filter(|row| {
                row.windows_missed == row.windows_total
                    && input.splits.get(row.split).name.table == self.table
            })
            .collect();
        if late.is_empty() {
            return None;
        }
        let places: Vec<(usize, usize)> =
            late.iter().map(|row| place_of(input.scanned, row.split, row.offset)).collect();
        let mut columns = self.source_columns(input, &places);
        columns.push(Arc::new(StringArray::from_iter_values(
            late.iter().map(|row| &self.node_names[row.node.0 as usize]),
        )));
        columns.push(Arc::new(Int32Array::from_iter_values(
            late.iter().map(|row| row.windows_missed as i32),
        )));
        columns.push(Arc::new(Int32Array::from_iter_values(
            late.iter().map(|row| row.windows_total as i32),
        )));
        columns.push(Arc::new(TimestampMillisecondArray::from_iter_values(
            late.iter().map(|row| row.watermark.0),
        )));
        columns.push(Arc::new(StringArray::from_iter_values(
            late.iter().map(|row| &input.splits.get(row.split).name.name),
        )));
        columns
            .push(Arc::new(Int64Array::from_iter_values(late.iter().map(|row| row.offset as i64))));
        Some(self.batch(columns, late.len()))
    }

    /// The columns of the table for the rows at these places of the scan.
    fn source_columns(&self, input: &SideInput<'_>, places: &[(usize, usize)]) -> Vec<ArrayRef> {
        let gather = |scanned: usize| -> ArrayRef {
            let pieces: Vec<&dyn Array> =
                input.scanned.iter().map(|rows| rows.batch.column(scanned).as_ref()).collect();
            interleave(&pieces, places).expect("the slices of a scan agree in their types")
        };
        let gathered: Vec<ArrayRef> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| match column {
                LateColumn::Scanned(scanned) => gather(*scanned),
                LateColumn::Computed(_) => {
                    new_null_array(self.schema.field(index).data_type(), places.len())
                }
            })
            .collect();
        let fields: Vec<_> = self.schema.fields().iter().take(gathered.len()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(schema, gathered.clone(), &options)
            .expect("the columns have the types of the table");
        let eval = EvalInput {
            batch: &batch,
            column_errors: &[],
            tick: input.tick,
            watermarks_before: None,
            zone: input.zone,
        };
        self.columns
            .iter()
            .zip(gathered)
            .map(|(column, plain)| match column {
                // A computed column that fails is NULL here: the row is out of the
                // stream already, and its other columns still tell what it was.
                LateColumn::Computed(expr) => expr.evaluate(&eval).array,
                LateColumn::Scanned(_) => plain,
            })
            .collect()
    }

    /// One row for each record or row of this table that could not be used.
    // spec: F-1
    fn dead(
        &self,
        input: &SideInput<'_>,
        derived: impl Fn(&DeadRow) -> Vec<TableId>,
    ) -> Option<RecordBatch> {
        let mut letters: Vec<Letter> = Vec::new();
        for bad in input.malformed.iter().filter(|bad| bad.table == self.table) {
            let reason = format!("malformed record: {}", bad.detail);
            letters.push(self.letter(input, bad.split, bad.offset, reason, None));
        }
        for row in input.dead {
            let reason = format!("{}: {}", row.kind.name(), row.detail);
            let expression = Some(row.expression.clone());
            match row.record {
                Some((split, offset)) if input.splits.get(split).name.table == self.table => {
                    letters.push(self.letter(input, split, offset, reason, expression));
                }
                Some(_) => {}
                None if derived(row).contains(&self.table) => {
                    letters.push(Letter {
                        record: None,
                        line: None,
                        reason,
                        expression,
                        raw: row.context.clone(),
                    });
                }
                None => {}
            }
        }
        if letters.is_empty() {
            return None;
        }
        letters.sort_by_key(|letter| letter.record);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter(letters.iter().map(|letter| {
                letter.record.map(|(split, _)| input.splits.get(split).name.name.clone())
            }))),
            Arc::new(Int64Array::from_iter(
                letters.iter().map(|letter| letter.record.map(|(_, offset)| offset as i64)),
            )),
            Arc::new(Int64Array::from_iter(letters.iter().map(|letter| letter.line))),
            Arc::new(StringArray::from_iter_values(letters.iter().map(|letter| &letter.reason))),
            Arc::new(StringArray::from_iter(
                letters.iter().map(|letter| letter.expression.as_deref()),
            )),
            Arc::new(StringArray::from_iter_values(letters.iter().map(|letter| &letter.raw))),
        ];
        Some(self.batch(columns, letters.len()))
    }

    /// The letter of a record or of a row that was made from it.
    fn letter(
        &self,
        input: &SideInput<'_>,
        split: SplitId,
        offset: u64,
        reason: String,
        expression: Option<String>,
    ) -> Letter {
        let (raw, line) = record_text(input, split, offset);
        let line = line.filter(|_| self.counts_lines);
        Letter { record: Some((split, offset)), line, reason, expression, raw }
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("a side table has the columns that the plan says")
    }
}

/// One row of `$dead`.
struct Letter {
    record: Option<(SplitId, u64)>,
    line: Option<i64>,
    reason: String,
    expression: Option<String>,
    raw: String,
}

/// The text of a record and, counted from 1, the line that it starts on.
fn record_text(input: &SideInput<'_>, split: SplitId, offset: u64) -> (String, Option<i64>) {
    let mut lines = input.lines_before.get(split.0 as usize).copied().unwrap_or(0);
    for (_, block) in input.blocks.iter().filter(|(of, _)| *of == split) {
        let data = &block.data;
        if let Ok(index) = block.records.binary_search_by_key(&offset, |record| record.offset) {
            let record = block.records[index];
            let (start, end) = (record.start as usize, record.end as usize);
            lines += memchr::memchr_iter(b'\n', &data[..start]).count() as u64;
            return (
                String::from_utf8_lossy(&data[start..end]).into_owned(),
                Some(lines as i64 + 1),
            );
        }
        lines += memchr::memchr_iter(b'\n', data).count() as u64;
    }
    (String::new(), None)
}

/// Where the row of a record stands among the slices of its scan.
fn place_of(scanned: &[Rows], split: SplitId, offset: u64) -> (usize, usize) {
    scanned
        .iter()
        .enumerate()
        .find_map(|(slice, rows)| match &rows.origin {
            Origin::Records { split: of, offsets, .. } if *of == split => {
                offsets.binary_search(&offset).ok().map(|row| (slice, row))
            }
            Origin::Records { .. } | Origin::Timer { .. } | Origin::Other => None,
        })
        .expect("a late row is a row of this epoch's scan")
}

/// Whether `_line` has a value for the records of this table.
pub(super) fn counts_lines(table: &Table) -> bool {
    table.connector == "filesystem"
}

fn late_columns(table: &Table, plan: &Plan) -> Result<Vec<LateColumn>, BuildError> {
    let scan = plan.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Scan(scan) if scan.table == table.id => Some(scan),
        _ => None,
    });
    table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| match &column.kind {
            ColumnKind::Computed(expr) => Ok(LateColumn::Computed(CompiledExpr::compile(expr)?)),
            ColumnKind::Metadata(_) | ColumnKind::Physical => scan
                .and_then(|scan| scan.columns.iter().position(|column| *column == index))
                .map(LateColumn::Scanned)
                .ok_or_else(|| {
                    BuildError::other(format!(
                        "{}$late needs column {}, which the scan does not read",
                        table.name, column.name
                    ))
                }),
        })
        .collect()
}
