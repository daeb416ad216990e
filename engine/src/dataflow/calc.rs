//! Filters and projections, row by row.

use super::BuildError;
use crate::expr::{CompiledExpr, EvalInput, Evaluated, RowErrors};
use crate::ids::NodeId;
use crate::op::DeadRow;
use crate::plan::{Calc, Node};
use crate::rows::{Origin, RowKinds, Rows};
use crate::time::Tick;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use arrow_select::filter::{FilterBuilder, FilterPredicate};
use std::sync::Arc;

/// What a [`CalcExec`] may depend on besides the rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct CalcCx {
    /// The epoch's clock reading.
    pub(super) tick: Tick,
    /// The job's zone.
    pub(super) zone: chrono_tz::Tz,
}

/// A compiled [`Calc`]. It has no state, so pieces of an epoch can run at once.
#[derive(Debug)]
pub(super) struct CalcExec {
    node: NodeId,
    filter: Option<(CompiledExpr, String)>,
    projections: Vec<(CompiledExpr, String)>,
    /// For each input column whether a projection reads it: only those are filtered.
    read_by_projections: Vec<bool>,
    schema: SchemaRef,
}

impl CalcExec {
    pub(super) fn compile(
        node: &Node,
        calc: &Calc,
        input_width: usize,
    ) -> Result<CalcExec, BuildError> {
        let mut read_by_projections = vec![false; input_width];
        for projection in &calc.projections {
            projection.expr.for_each_column(&mut |column| read_by_projections[column] = true);
        }
        let filter = match &calc.filter {
            Some(expr) => Some((CompiledExpr::compile(expr)?, "WHERE".to_owned())),
            None => None,
        };
        let projections = calc
            .projections
            .iter()
            .map(|p| Ok((CompiledExpr::compile(&p.expr)?, p.text.clone())))
            .collect::<Result<Vec<_>, BuildError>>()?;
        Ok(CalcExec {
            node: node.id,
            filter,
            projections,
            read_by_projections,
            schema: node.schema.arrow(),
        })
    }

    /// The rows for which the filter is TRUE, projected, and the rows that failed:
    /// a row leaves if its filter or any of its projections cannot be computed.
    // spec: F-1
    pub(super) fn run(&self, rows: &Rows, cx: CalcCx) -> (Rows, Vec<DeadRow>) {
        let mut dead = Vec::new();
        let kept;
        let rows = match &self.filter {
            None => rows,
            Some((filter, text)) => {
                let Evaluated { array, errors } = filter.evaluate(&eval_input(rows, cx));
                self.note_dead(rows, &errors, text, &mut dead);
                let mask = true_and_computed(array.as_boolean(), &errors);
                if mask.true_count() == rows.len() {
                    rows
                } else {
                    kept = keep(rows, &mask, |column| self.read_by_projections[column]);
                    &kept
                }
            }
        };
        let mut failed = RowErrors::NONE;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.projections.len());
        for (projection, text) in &self.projections {
            let Evaluated { array, mut errors } = projection.evaluate(&eval_input(rows, cx));
            if !errors.is_empty() {
                // A row dies once, of the first of its columns that fails.
                errors.retain(|row| failed.of_row(row).is_none());
                self.note_dead(rows, &errors, text, &mut dead);
                failed = failed.merge(errors);
            }
            columns.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("a projection gives the type that the plan says");
        let projected = Rows {
            batch,
            kinds: rows.kinds.clone(),
            origin: rows.origin.clone(),
            column_errors: Vec::new(),
        };
        if failed.is_empty() {
            return (projected, dead);
        }
        dead.sort_by_key(|row| row.record.map(|(_, offset)| offset));
        let alive: BooleanArray =
            (0..projected.len()).map(|row| Some(failed.of_row(row).is_none())).collect();
        (keep(&projected, &alive, |_| true), dead)
    }

    fn note_dead(&self, rows: &Rows, errors: &RowErrors, text: &str, dead: &mut Vec<DeadRow>) {
        for error in errors.as_slice() {
            let row = error.row as usize;
            let record = match &rows.origin {
                Origin::Records { split, offsets, .. } => Some((*split, offsets[row])),
                Origin::Timer { .. } | Origin::Other => None,
            };
            dead.push(DeadRow {
                node: self.node,
                record,
                kind: error.kind,
                detail: error.detail.clone(),
                expression: text.to_owned(),
                context: if record.is_some() { String::new() } else { row_text(rows, row) },
            });
        }
    }
}

fn eval_input<'a>(rows: &'a Rows, cx: CalcCx) -> EvalInput<'a> {
    EvalInput {
        batch: &rows.batch,
        column_errors: &rows.column_errors,
        tick: cx.tick,
        watermarks_before: match &rows.origin {
            Origin::Records { watermarks_before, .. } => Some(watermarks_before),
            Origin::Timer { .. } | Origin::Other => None,
        },
        zone: cx.zone,
    }
}

/// TRUE where the condition is; NULL and failed rows are not TRUE.
fn true_and_computed(condition: &BooleanArray, errors: &RowErrors) -> BooleanArray {
    let values = match condition.nulls() {
        Some(nulls) => condition.values() & nulls.inner(),
        None => condition.values().clone(),
    };
    if errors.is_empty() {
        return BooleanArray::new(values, None);
    }
    (0..condition.len())
        .map(|row| Some(values.value(row) && errors.of_row(row).is_none()))
        .collect()
}

/// The rows where `mask` is TRUE. Columns that nobody `reads` become NULLs, which
/// costs nothing.
pub(super) fn keep(rows: &Rows, mask: &BooleanArray, reads: impl Fn(usize) -> bool) -> Rows {
    let predicate = FilterBuilder::new(mask).optimize().build();
    let count = predicate.count();
    let mut fields: Vec<Arc<ArrowField>> = Vec::with_capacity(rows.batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(rows.batch.num_columns());
    let schema = rows.batch.schema();
    for (index, column) in rows.batch.columns().iter().enumerate() {
        if reads(index) {
            fields.push(schema.fields()[index].clone());
            columns.push(predicate.filter(column).expect("the mask is as long as the batch"));
        } else {
            fields.push(Arc::new(ArrowField::new("unread", ArrowType::Null, true)));
            columns.push(Arc::new(NullArray::new(count)));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    let batch =
        RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), columns, &options)
            .expect("all columns were filtered by one mask");
    let kinds = match &rows.kinds {
        RowKinds::Inserts => RowKinds::Inserts,
        RowKinds::Each(kinds) => RowKinds::Each(
            kinds.iter().zip(mask.values().iter()).filter(|(_, on)| *on).map(|(k, _)| *k).collect(),
        ),
    };
    let column_errors = rows.column_errors.iter().map(|errors| renumber(errors, mask)).collect();
    Rows { batch, kinds, origin: keep_origin(&rows.origin, mask, &predicate), column_errors }
}

fn keep_origin(origin: &Origin, mask: &BooleanArray, predicate: &FilterPredicate) -> Origin {
    debug_assert_eq!(predicate.count(), mask.true_count());
    match origin {
        Origin::Records { split, offsets, watermarks_before, path } => Origin::Records {
            split: *split,
            offsets: keep_values(offsets, mask),
            watermarks_before: keep_values(watermarks_before, mask),
            path: *path,
        },
        Origin::Timer { fire_times } => Origin::Timer { fire_times: keep_values(fire_times, mask) },
        Origin::Other => Origin::Other,
    }
}

fn keep_values<T: arrow_buffer::ArrowNativeType>(
    values: &ScalarBuffer<T>,
    mask: &BooleanArray,
) -> ScalarBuffer<T> {
    mask.values().set_indices().map(|row| values[row]).collect::<Vec<T>>().into()
}

/// The errors of the rows that are kept, by their new row numbers.
fn renumber(errors: &RowErrors, mask: &BooleanArray) -> RowErrors {
    let mut kept = RowErrors::NONE;
    if errors.is_empty() {
        return kept;
    }
    for (new_row, old_row) in mask.values().set_indices().enumerate() {
        if let Some(error) = errors.of_row(old_row) {
            kept.push(new_row, error.kind, error.detail.clone());
        }
    }
    kept
}

/// A derived row as text, for its dead letter.
pub(super) fn row_text(rows: &Rows, row: usize) -> String {
    let schema = rows.batch.schema();
    let cells: Vec<String> = rows
        .batch
        .columns()
        .iter()
        .zip(schema.fields())
        .filter(|(column, _)| column.data_type() != &ArrowType::Null)
        .map(|(column, field)| {
            let value = arrow_cast::display::array_value_to_string(column, row);
            format!("{}={}", field.name(), value.unwrap_or_else(|error| error.to_string()))
        })
        .collect();
    cells.join(", ")
}
