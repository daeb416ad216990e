//! Window columns on rows for SESSION, whose windows are known only when they close:
//! a session aggregation that collects rows, unpacked again when it fires.

use super::{Operator, OperatorCx, WindowAggregateOp};
use crate::agg::{COLLECT, given, kept_type};
use crate::expr::FunctionRef;
use crate::key::decode_columns;
use crate::plan::{AggregateCall, JobOptions, Node, NodeKind, WindowAggregate, WindowAssign};
use crate::rows::{Origin, Rows};
use crate::time::Watermark;
use crate::types::{Field, Schema, SqlType};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;

/// The rows of each session, in canonical order, when the session closes.
pub(super) struct SessionAssign {
    pub(super) inner: WindowAggregateOp,
    /// How many columns `PARTITION BY` names.
    partition: usize,
    types: Vec<SqlType>,
    output: SchemaRef,
}

impl SessionAssign {
    /// For a node that assigns sessions.
    pub(super) fn new(
        node: &Node,
        spec: &WindowAssign,
        input: &Schema,
        options: &JobOptions,
    ) -> Result<SessionAssign, String> {
        let rows = SqlType::Array(Box::new(SqlType::BYTES.not_null())).not_null();
        let key = |column: &usize| input.fields.get(*column).cloned();
        let mut fields: Vec<Field> = spec.partition.iter().filter_map(key).collect();
        fields.push(Field::new("rows", rows.clone()));
        fields.extend(node.schema.fields.iter().skip(input.len()).cloned());
        let collect = AggregateCall {
            function: FunctionRef { name: COLLECT.into(), version: 1 },
            args: (0..input.len()).collect(),
            distinct: false,
            filter: None,
            ty: rows,
            text: String::new(),
        };
        let kind = NodeKind::WindowAggregate(WindowAggregate {
            window: spec.window,
            rowtime: spec.rowtime,
            keys: spec.partition.clone(),
            aggregates: vec![collect],
            allowed_lateness_ms: 0,
        });
        let inner = Node { kind, schema: Schema::new(fields), ..node.clone() };
        Ok(SessionAssign {
            inner: WindowAggregateOp::new(&inner, input, options)?,
            partition: spec.partition.len(),
            types: input.fields.iter().map(|field| field.ty.sql.clone()).collect(),
            output: node.schema.arrow(),
        })
    }

    /// Fires the sessions that are due.
    // spec: E-3
    pub(super) fn on_watermark(&mut self, watermark: Watermark, cx: &mut OperatorCx<'_>) {
        let before = std::mem::take(&mut cx.output);
        self.inner.on_watermark(watermark, cx);
        let fired = std::mem::replace(&mut cx.output, before);
        cx.output.extend(fired.iter().map(|rows| self.unpack(rows)));
    }

    /// The rows of these sessions.
    fn unpack(&self, sessions: &Rows) -> Rows {
        let lists = sessions.batch.column(self.partition).as_list::<i32>();
        let mut sources: Vec<u32> = Vec::new();
        for (session, length) in (0..).zip(lists.offsets().lengths()) {
            sources.extend(std::iter::repeat_n(session, length));
        }
        let encoded = lists.values().as_binary::<i32>();
        let rows = encoded.iter().map(|row| row.expect("a collected row is never NULL"));
        let kept: Vec<SqlType> = self.types.iter().map(kept_type).collect();
        let columns = decode_columns(&kept, rows).expect("the rows were encoded or checked before");
        let mut columns: Vec<ArrayRef> =
            self.types.iter().zip(columns).map(|(ty, column)| given(ty, column)).collect();
        let indices = UInt32Array::from(sources);
        for window in &sessions.batch.columns()[self.partition + 1..] {
            columns.push(take(window, &indices, None).expect("the indices are sessions"));
        }
        let batch = RecordBatch::try_new(self.output.clone(), columns)
            .expect("the node's schema was checked against its columns");
        let Origin::Timer { fire_times } = &sessions.origin else {
            unreachable!("sessions are made by timers");
        };
        let fire_times = indices.values().iter().map(|row| fire_times[*row as usize]).collect();
        Rows::inserts(batch, Origin::Timer { fire_times })
    }
}
