//! Flink's rows of aggregates: the rows are computed from their SQL, the call is
//! planned over a window, and the accumulators are filled row by row.

use super::answer::Answer;
use anabranch_engine::agg::{Input, RowOrder, accumulators};
use anabranch_engine::expr::{CompiledExpr, EvalInput, scalar_array, value_at};
use anabranch_engine::plan::{NodeKind, Plan};
use anabranch_engine::time::Tick;
use anabranch_engine::types::{DataType, Schema, Value};
use anabranch_sql::{BuiltinConnectors, compile};
use arrow_array::{ArrayRef, RecordBatch};
use chrono_tz::Tz;
use std::collections::BTreeSet;

/// The time of the batch's only row: rows count on.
struct Nth(i64);

impl RowOrder for Nth {
    fn time(&self, _row: usize) -> i64 {
        self.0
    }

    fn write_rest(&self, _row: usize, _out: &mut Vec<u8>) {}
}

/// What the query of one aggregate gives.
pub(super) fn of_query(query: &str) -> (Answer, BTreeSet<String>) {
    let (call, from) = query
        .strip_prefix("SELECT ")
        .and_then(|rest| rest.split_once(" FROM "))
        .expect("the rows of aggregates have one form");
    let name = call.split('(').next().unwrap_or_default().to_owned();
    match rows_of(from).and_then(|(ty, values)| aggregate(call, &ty, &values)) {
        Ok(answer) | Err(answer) => (answer, BTreeSet::from([name])),
    }
}

fn planned(text: &str) -> Result<Plan, Answer> {
    let compiled = compile(text, &BuiltinConnectors);
    compiled.plan.ok_or_else(|| {
        let first = compiled.diagnostics.first().expect("there is a plan or an error");
        Answer::Refused(format!("REFUSED:{} {}", first.code, first.message))
    })
}

/// The column `x` of a query over constants: its type and its values.
fn rows_of(from: &str) -> Result<(DataType, Vec<Value>), Answer> {
    let plan = planned(&format!("SELECT x FROM {from}"))?;
    let mut given: Vec<Vec<Vec<Value>>> = Vec::new();
    for node in &plan.nodes {
        let inputs = || node.inputs.iter().flat_map(|id| given[id.0 as usize].clone());
        let rows = match &node.kind {
            NodeKind::Values(values) => values.rows.clone(),
            NodeKind::Union | NodeKind::Sink(_) => inputs().collect(),
            NodeKind::Calc(_) => {
                let schema = &plan.nodes[node.inputs[0].0 as usize].schema;
                let mut kept = Vec::new();
                for row in inputs() {
                    kept.extend(calculated(&node.kind, &batch(&row, schema))?);
                }
                kept
            }
            other => panic!("{other:?} in a query over constants"),
        };
        given.push(rows);
    }
    let last = plan.nodes.last().expect("a plan has nodes");
    let rows = given.pop().expect("a plan has nodes");
    Ok((last.schema.fields[0].ty.clone(), rows.into_iter().map(|mut row| row.remove(0)).collect()))
}

/// A batch of one row.
fn batch(row: &[Value], schema: &Schema) -> RecordBatch {
    let columns: Vec<ArrayRef> = row
        .iter()
        .zip(&schema.fields)
        .map(|(value, field)| scalar_array(value, &field.ty.sql))
        .collect();
    RecordBatch::try_new(schema.arrow(), columns).expect("the columns fit the schema")
}

/// What a Calc makes of a row: nothing if its filter is not TRUE.
fn calculated(kind: &NodeKind, batch: &RecordBatch) -> Result<Option<Vec<Value>>, Answer> {
    let NodeKind::Calc(calc) = kind else { return Ok(None) };
    let input = EvalInput {
        batch,
        column_errors: &[],
        tick: Tick(0),
        watermarks_before: None,
        zone: Tz::UTC,
    };
    let value = |expr| {
        let computed = CompiledExpr::compile(expr).expect("the binder compiled it before");
        let found = computed.evaluate(&input);
        match found.errors.of_row(0) {
            Some(error) => Err(Answer::Failed(format!("ERROR:{}", error.detail))),
            None => Ok(value_at(&found.array, 0, &expr.ty.sql)),
        }
    };
    if let Some(filter) = &calc.filter
        && value(filter)? != Value::Boolean(true)
    {
        return Ok(None);
    }
    calc.projections
        .iter()
        .map(|projection| value(&projection.expr))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The call over the values, in their order.
fn aggregate(call: &str, ty: &DataType, values: &[Value]) -> Result<Answer, Answer> {
    let plan = planned(&format!(
        "CREATE TABLE t (ts TIMESTAMP(3), x {}, WATERMARK FOR ts AS ts)
         WITH ('connector' = 'datagen');
         SELECT {call} FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY))
         GROUP BY window_start, window_end",
        ty.sql
    ))?;
    let at = plan.nodes.iter().position(|node| matches!(node.kind, NodeKind::WindowAggregate(_)));
    let node = &plan.nodes[at.expect("the query has a window")];
    let NodeKind::WindowAggregate(window) = &node.kind else { unreachable!("just found") };
    let before = &plan.nodes[node.inputs[0].0 as usize];
    let call = window.aggregates.first().expect("the query has an aggregate");
    let mut taken = accumulators(call, &before.schema).expect("the planner checked the call");
    taken.grow(1);
    for (nth, value) in values.iter().enumerate() {
        let row = argument_row(&plan, before.id.0 as usize, value)?;
        let columns = batch(&row, &before.schema).columns().to_vec();
        if call.filter.is_none_or(|filter| row[filter] == Value::Boolean(true)) {
            let order = Nth(nth as i64);
            taken.update(Input { slots: &[0], rows: None, columns: &columns, order: &order });
        }
    }
    let found = taken.emit(&[0]);
    match found.errors.of_row(0) {
        Some(error) => {
            Err(Answer::Failed(format!("ERROR:{}: {}", error.kind.name(), error.detail)))
        }
        None => Ok(Answer::of_value(&value_at(&found.array, 0, &call.ty.sql), &call.ty)),
    }
}

/// The row that the aggregation sees for a value of `x`.
fn argument_row(plan: &Plan, node: usize, value: &Value) -> Result<Vec<Value>, Answer> {
    let node = &plan.nodes[node];
    match &node.kind {
        NodeKind::Scan(_) => {
            let cell = |name: &str| if name == "x" { value.clone() } else { Value::Timestamp(0) };
            Ok(node.schema.fields.iter().map(|field| cell(&field.name)).collect())
        }
        NodeKind::Calc(_) => {
            let input = node.inputs[0].0 as usize;
            let row = argument_row(plan, input, value)?;
            let kept = calculated(&node.kind, &batch(&row, &plan.nodes[input].schema))?;
            Ok(kept.expect("there is no filter"))
        }
        other => panic!("{other:?} before an aggregation"),
    }
}
