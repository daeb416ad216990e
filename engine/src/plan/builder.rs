//! Plans by hand, for tests and for programs that do not speak SQL.

use super::{
    AggregateCall, Calc, ChangelogMode, Class, ColumnKind, FormatSpec, JobOptions, JsonOptions,
    Node, NodeKind, OnError, PLAN_VERSION, Plan, Projection, Scan, SideKind, SideScan, Sink, Table,
    TableColumn, WatermarkSpec, Window, WindowAggregate, WindowAssign,
};
use crate::diagnostic::Span;
use crate::expr::{Expr, FunctionRef};
use crate::ids::{NodeId, TableId};
use crate::types::{DataType, Field, Schema, SqlType, Value};
use std::collections::BTreeMap;

/// Puts a plan together node by node. Nodes are added inputs first; the plan's
/// invariants are the caller's matter.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    plan: Plan,
}

impl Default for PlanBuilder {
    fn default() -> Self {
        PlanBuilder {
            plan: Plan {
                version: PLAN_VERSION,
                options: JobOptions::default(),
                tables: Vec::new(),
                nodes: Vec::new(),
            },
        }
    }
}

impl PlanBuilder {
    /// The job's options, to change.
    pub fn options(&mut self) -> &mut JobOptions {
        &mut self.plan.options
    }

    /// Adds a table of JSON records with physical columns. `watermark` names the
    /// rowtime column and how many ms the watermark stays behind it.
    pub fn table(
        &mut self,
        name: &str,
        connector: &str,
        columns: &[(&str, SqlType)],
        watermark: Option<(usize, i64)>,
        bounded: bool,
    ) -> TableId {
        let id = TableId(self.plan.tables.len() as u32);
        let columns: Vec<TableColumn> = columns
            .iter()
            .map(|(name, ty)| TableColumn {
                name: (*name).to_owned(),
                ty: ty.clone().nullable(),
                kind: ColumnKind::Physical,
            })
            .collect();
        let watermark = watermark.map(|(column, delay_ms)| WatermarkSpec {
            column,
            expression: minus_ms(column, &columns[column].ty, delay_ms),
        });
        self.plan.tables.push(Table {
            id,
            name: name.to_owned(),
            columns,
            primary_key: None,
            watermark,
            connector: connector.to_owned(),
            options: BTreeMap::new(),
            format: FormatSpec::Json(JsonOptions::default()),
            on_error: OnError::DeadLetter,
            bounded,
        });
        id
    }

    /// A table, to change.
    pub fn table_mut(&mut self, id: TableId) -> &mut Table {
        &mut self.plan.tables[id.0 as usize]
    }

    /// Reads all columns of a table, through a calc that passes them on.
    pub fn scan(&mut self, table: TableId) -> NodeId {
        let columns: Vec<usize> = (0..self.plan.tables[table.0 as usize].columns.len()).collect();
        self.scan_columns(table, &columns)
    }

    /// Reads these columns of a table, through a calc that passes them on. The
    /// rowtime column must be among them, if there is one.
    pub fn scan_columns(&mut self, table: TableId, columns: &[usize]) -> NodeId {
        let scan = self.read(table, columns);
        let passed: Vec<usize> = (0..columns.len()).collect();
        self.project(scan, None, &passed)
    }

    /// Reads these columns of a table. A table is read once, and only calcs may read
    /// the node that this gives; a row whose column is bad dies in the calcs that use
    /// the column.
    pub fn read(&mut self, table: TableId, columns: &[usize]) -> NodeId {
        let declared = self.plan.tables[table.0 as usize].clone();
        let all = declared.schema();
        let schema = Schema::new(columns.iter().map(|c| all.fields[*c].clone()).collect());
        let place = |column: usize| {
            columns.iter().position(|c| *c == column).expect("the rowtime column is read")
        };
        let time = declared.watermark.as_ref().map(|watermark| place(watermark.column));
        let watermark = declared.watermark.map(|watermark| {
            let mut expression = watermark.expression;
            expression.map_columns(&place);
            expression
        });
        let scan = NodeKind::Scan(Scan { table, columns: columns.to_vec(), watermark });
        self.node(&declared.name, scan, vec![], schema, time)
    }

    /// Keeps the rows for which `filter` is TRUE, and these columns.
    pub fn project(&mut self, input: NodeId, filter: Option<Expr>, columns: &[usize]) -> NodeId {
        let from = self.plan.node(input).clone();
        let fields: Vec<Field> =
            columns.iter().map(|column| from.schema.fields[*column].clone()).collect();
        let projections = columns
            .iter()
            .zip(&fields)
            .map(|(column, field)| (Expr::column(*column, field.ty.clone()), field.name.clone()))
            .collect();
        let time = from.time_attribute.and_then(|time| columns.iter().position(|c| *c == time));
        self.calc(input, filter, projections, time)
    }

    /// Filters and computes; each expression with the name of its column.
    pub fn calc(
        &mut self,
        input: NodeId,
        filter: Option<Expr>,
        projections: Vec<(Expr, String)>,
        time_attribute: Option<usize>,
    ) -> NodeId {
        let fields = projections
            .iter()
            .map(|(expr, name)| Field::new(name.clone(), expr.ty.clone()))
            .collect();
        let projections =
            projections.into_iter().map(|(expr, text)| Projection { expr, text }).collect();
        let kind = NodeKind::Calc(Calc { filter, projections });
        let name = format!("calc[{}]", self.plan.nodes.len());
        self.node(&name, kind, vec![input], Schema::new(fields), time_attribute)
    }

    /// All rows of all inputs.
    pub fn union(&mut self, inputs: &[NodeId]) -> NodeId {
        let first = self.plan.node(inputs[0]).clone();
        let same = inputs.iter().all(|i| self.plan.node(*i).time_attribute == first.time_attribute);
        let time = first.time_attribute.filter(|_| same);
        let name = format!("union[{}]", self.plan.nodes.len());
        self.node(&name, NodeKind::Union, inputs.to_vec(), first.schema, time)
    }

    /// Aggregates by key and window. `aggregates` are (function, argument column,
    /// type of the result).
    pub fn window(
        &mut self,
        name: &str,
        input: NodeId,
        window: Window,
        keys: &[usize],
        aggregates: &[(&str, Option<usize>, SqlType)],
    ) -> NodeId {
        let calls = aggregates
            .iter()
            .map(|(function, argument, ty)| AggregateCall {
                function: FunctionRef { name: (*function).to_owned(), version: 1 },
                args: argument.iter().copied().collect(),
                distinct: false,
                filter: None,
                ty: ty.clone().nullable(),
                text: (*function).to_owned(),
            })
            .collect();
        self.aggregate(name, input, window, keys, calls, 0)
    }

    /// As [`PlanBuilder::window`], with calls that may be DISTINCT or have a FILTER,
    /// and with an allowed lateness in ms.
    pub fn aggregate(
        &mut self,
        name: &str,
        input: NodeId,
        window: Window,
        keys: &[usize],
        calls: Vec<AggregateCall>,
        allowed_lateness_ms: i64,
    ) -> NodeId {
        let from = self.plan.node(input).clone();
        let rowtime = from.time_attribute.expect("a window needs a time attribute");
        let mut fields: Vec<Field> =
            keys.iter().map(|key| from.schema.fields[*key].clone()).collect();
        for (index, call) in calls.iter().enumerate() {
            fields.push(Field::new(format!("a{index}"), call.ty.clone()));
        }
        fields.push(Field::new("window_start", SqlType::Timestamp(3).not_null()));
        fields.push(Field::new("window_end", SqlType::Timestamp(3).not_null()));
        fields.push(Field::new("window_time", from.schema.fields[rowtime].ty.clone()));
        let time = fields.len() - 1;
        let kind = NodeKind::WindowAggregate(WindowAggregate {
            window,
            rowtime,
            keys: keys.to_vec(),
            aggregates: calls,
            allowed_lateness_ms,
        });
        self.node(name, kind, vec![input], Schema::new(fields), Some(time))
    }

    /// Adds window columns to rows; sessions are cut by the columns of `partition`.
    pub fn assign(
        &mut self,
        name: &str,
        input: NodeId,
        window: Window,
        partition: &[usize],
    ) -> NodeId {
        let from = self.plan.node(input).clone();
        let rowtime = from.time_attribute.expect("a window needs a time attribute");
        let mut fields = from.schema.fields;
        let time_type = fields[rowtime].ty.clone();
        fields.push(Field::new("window_start", SqlType::Timestamp(3).not_null()));
        fields.push(Field::new("window_end", SqlType::Timestamp(3).not_null()));
        fields.push(Field::new("window_time", time_type));
        let time = fields.len() - 1;
        let partition = partition.to_vec();
        let kind = NodeKind::WindowAssign(WindowAssign { window, rowtime, partition });
        self.node(name, kind, vec![input], Schema::new(fields), Some(time))
    }

    /// Reads a side table.
    pub fn side(&mut self, table: TableId, kind: SideKind) -> NodeId {
        let declared = self.plan.tables[table.0 as usize].clone();
        let schema = side_schema(&declared, kind);
        let suffix = if kind == SideKind::Dead { "dead" } else { "late" };
        let name = format!("{}${suffix}", declared.name);
        let node = NodeKind::SideScan(SideScan { table, kind });
        self.node(&name, node, vec![], schema, None)
    }

    /// Writes all columns of the input to a new table of this name.
    pub fn sink(&mut self, name: &str, connector: &str, input: NodeId) -> NodeId {
        let schema = self.plan.node(input).schema.clone();
        let columns: Vec<(&str, SqlType)> =
            schema.fields.iter().map(|field| (field.name.as_str(), field.ty.sql.clone())).collect();
        let table = self.table(name, connector, &columns, None, true);
        self.sink_into(table, input)
    }

    /// Writes all columns of the input to this table.
    pub fn sink_into(&mut self, table: TableId, input: NodeId) -> NodeId {
        let name = format!("{}.sink", self.plan.tables[table.0 as usize].name);
        let schema = self.plan.node(input).schema.clone();
        self.node(&name, NodeKind::Sink(Sink { table }), vec![input], schema, None)
    }

    /// The table that a sink fills.
    ///
    /// # Panics
    /// If the node is no sink.
    #[must_use]
    pub fn table_of_sink(&self, sink: NodeId) -> TableId {
        match &self.plan.node(sink).kind {
            NodeKind::Sink(sink) => sink.table,
            other => panic!("no sink: {other:?}"),
        }
    }

    /// The columns that a node gives.
    #[must_use]
    pub fn schema_of(&self, node: NodeId) -> &Schema {
        &self.plan.node(node).schema
    }

    fn node(
        &mut self,
        name: &str,
        kind: NodeKind,
        inputs: Vec<NodeId>,
        schema: Schema,
        time_attribute: Option<usize>,
    ) -> NodeId {
        let id = NodeId(self.plan.nodes.len() as u32);
        self.plan.nodes.push(Node {
            id,
            name: name.to_owned(),
            kind,
            inputs,
            schema,
            changelog: ChangelogMode::InsertOnly,
            unique_key: None,
            time_attribute,
            class: Class::Content,
            span: Span::default(),
        });
        id
    }

    /// The plan.
    #[must_use]
    pub fn build(self) -> Plan {
        self.plan
    }
}

/// The columns of a table's side table; see [`SideScan`].
#[must_use]
pub fn side_schema(table: &Table, kind: SideKind) -> Schema {
    let text = |name: &str| Field::new(name, SqlType::STRING.nullable());
    let number = |name: &str| Field::new(name, SqlType::BigInt.nullable());
    match kind {
        SideKind::Dead => Schema::new(vec![
            text("_split"),
            number("_offset"),
            number("_line"),
            text("_reason"),
            text("_expression"),
            text("_raw"),
        ]),
        SideKind::Late => {
            let mut schema = table.schema();
            schema.fields.extend([
                text("_operator"),
                Field::new("_windows_missed", SqlType::Int.nullable()),
                Field::new("_windows_total", SqlType::Int.nullable()),
                Field::new("_watermark", SqlType::Timestamp(3).nullable()),
                text("_split"),
                number("_offset"),
            ]);
            schema
        }
    }
}

/// `column - INTERVAL 'delay_ms'`.
fn minus_ms(column: usize, ty: &DataType, delay_ms: i64) -> Expr {
    if delay_ms == 0 {
        return Expr::column(column, ty.clone());
    }
    let interval = Expr::literal(Value::Millis(delay_ms), SqlType::IntervalDayTime.not_null());
    Expr::call("-", vec![Expr::column(column, ty.clone()), interval], ty.clone())
}
