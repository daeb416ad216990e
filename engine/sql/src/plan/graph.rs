//! Nodes as they are bound, with merging of adjacent Calcs.

use super::rewrite::{columns_of, conjuncts, depth, replace_columns, size};
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{Expr, ExprKind};
use anabranch_engine::ids::TableId;
use anabranch_engine::plan::{
    BoundedKind, Calc, ColumnKind, NodeKind, Projection, Scan, SideKind, SideScan, Table, Window,
    WindowAggregate, WindowAssign,
};
use anabranch_engine::types::{DataType, Field, Schema, SqlType};
use std::collections::BTreeMap;

/// How large the expressions of a Calc may become when it takes in the one below:
/// a column that is used often is computed as often.
const MERGED_SIZE_MAX: usize = 2_000;
/// How deep they may become.
const MERGED_DEPTH_MAX: usize = 100;

/// A node of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DraftId(pub(crate) usize);

/// A node that is being put together; tables are numbered as in the catalog.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: DraftKind,
    pub(crate) inputs: Vec<DraftId>,
    pub(crate) schema: Schema,
    pub(crate) time: Option<usize>,
    /// The table or view that the statement fills: nodes are named after it.
    pub(crate) owner: String,
    pub(crate) span: Span,
}

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) enum DraftKind {
    /// What only the query of an assert can do.
    Bounded(BoundedKind),
    /// What a statement can do; a Calc, a Union and Values also an assert.
    Stream(NodeKind),
}

impl Draft {
    /// What a node of a statement does.
    pub(super) fn stream(&self) -> &NodeKind {
        match &self.kind {
            DraftKind::Stream(kind) => kind,
            DraftKind::Bounded(_) => unreachable!("no statement reads a node of an assert"),
        }
    }

    /// Whether it is a Calc, and which.
    fn as_calc(&self) -> Option<&Calc> {
        match &self.kind {
            DraftKind::Stream(NodeKind::Calc(calc)) => Some(calc),
            DraftKind::Bounded(_) | DraftKind::Stream(_) => None,
        }
    }
}

/// A named output column of a Calc.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) expr: Expr,
    pub(crate) text: String,
}

impl Column {
    /// A column of the input under its name.
    pub(crate) fn pass(index: usize, name: &str, ty: &DataType) -> Column {
        Column {
            name: name.to_owned(),
            expr: Expr::column(index, ty.clone()),
            text: name.to_owned(),
        }
    }
}

/// The nodes so far.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Draft>,
    /// One scan for each table.
    scans: BTreeMap<TableId, DraftId>,
    /// Whose statement is being bound.
    pub(crate) owner: String,
    pub(crate) span: Span,
}

/// Rows that passed a window table function and nothing but Calcs since.
#[derive(Debug)]
pub(crate) struct Windowed {
    /// The rows before the function.
    pub(crate) base: DraftId,
    pub(crate) assign: WindowAssign,
    /// The filters and columns between, over the columns of the function's output.
    pub(crate) filters: Vec<Expr>,
    pub(crate) columns: Vec<Expr>,
}

impl Windowed {
    /// Which of `window_start`, `window_end`, `window_time` a column is, unchanged.
    pub(crate) fn window_column(&self, column: usize, base_len: usize) -> Option<usize> {
        match self.columns.get(column)?.kind {
            ExprKind::Column(index) => index.checked_sub(base_len),
            _ => None,
        }
    }
}

impl Graph {
    pub(crate) fn node(&self, id: DraftId) -> &Draft {
        &self.nodes[id.0]
    }

    fn push(
        &mut self,
        kind: NodeKind,
        inputs: Vec<DraftId>,
        schema: Schema,
        time: Option<usize>,
    ) -> DraftId {
        self.push_draft(DraftKind::Stream(kind), inputs, schema, time)
    }

    fn push_draft(
        &mut self,
        kind: DraftKind,
        inputs: Vec<DraftId>,
        schema: Schema,
        time: Option<usize>,
    ) -> DraftId {
        let owner = self.owner.clone();
        self.nodes.push(Draft { kind, inputs, schema, time, owner, span: self.span });
        DraftId(self.nodes.len() - 1)
    }

    /// A node that only an assert has.
    pub(crate) fn bounded(
        &mut self,
        kind: BoundedKind,
        inputs: Vec<DraftId>,
        schema: Schema,
    ) -> DraftId {
        self.push_draft(DraftKind::Bounded(kind), inputs, schema, None)
    }

    /// All declared columns of a table: a Calc over its only scan.
    pub(crate) fn table(&mut self, table: &Table) -> DraftId {
        let base = scanned_columns(table);
        let scan = self.scan(table);
        let place = |declared: usize| base.iter().position(|index| *index == declared);
        let columns = table
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| match &column.kind {
                ColumnKind::Computed(expr) => Column {
                    name: column.name.clone(),
                    expr: over_scan(expr, &place),
                    text: column.name.clone(),
                },
                ColumnKind::Metadata(_) | ColumnKind::Physical => {
                    Column::pass(place(index).unwrap_or(0), &column.name, &column.ty)
                }
            })
            .collect();
        let id = self.calc(scan, None, columns);
        self.nodes[id.0].time = table.watermark.as_ref().map(|watermark| watermark.column);
        id
    }

    /// Whether a statement reads the table already.
    pub(crate) fn is_scanned(&self, table: TableId) -> bool {
        self.scans.contains_key(&table)
    }

    /// The only scan of a table.
    fn scan(&mut self, table: &Table) -> DraftId {
        if let Some(scan) = self.scans.get(&table.id) {
            return *scan;
        }
        let base = scanned_columns(table);
        let place = |declared: usize| base.iter().position(|index| *index == declared);
        let fields = base
            .iter()
            .map(|index| &table.columns[*index])
            .map(|column| Field::new(column.name.clone(), column.ty.clone()));
        let watermark =
            table.watermark.as_ref().map(|watermark| over_scan(&watermark.expression, &place));
        let time = table.watermark.as_ref().and_then(|watermark| place(watermark.column));
        let schema = Schema::new(fields.collect());
        let scan = Scan { table: table.id, columns: base, watermark };
        let id = self.push(NodeKind::Scan(scan), Vec::new(), schema, time);
        self.scans.insert(table.id, id);
        id
    }

    /// The late or dead rows of a table, which come about only where it is scanned.
    pub(crate) fn side(&mut self, table: &Table, kind: SideKind, schema: Schema) -> DraftId {
        self.scan(table);
        let side = SideScan { table: table.id, kind };
        self.push(NodeKind::SideScan(side), Vec::new(), schema, None)
    }

    /// The scan of a table, if there is one.
    pub(super) fn scan_of(&self, table: TableId) -> Option<DraftId> {
        self.scans.get(&table).copied()
    }

    /// A node without inputs.
    pub(crate) fn leaf(&mut self, kind: NodeKind, schema: Schema) -> DraftId {
        self.push(kind, Vec::new(), schema, None)
    }

    /// Keeps the rows for which the filter is TRUE and computes columns. Takes in a
    /// Calc below, so that a condition on a table ends in the Calc above its scan.
    pub(crate) fn calc(
        &mut self,
        input: DraftId,
        filter: Option<Expr>,
        columns: Vec<Column>,
    ) -> DraftId {
        let fields =
            columns.iter().map(|column| Field::new(column.name.clone(), column.expr.ty.clone()));
        let schema = Schema::new(fields.collect());
        let time = self.node(input).time.and_then(|time| {
            columns.iter().position(|column| column.expr.kind == ExprKind::Column(time))
        });
        let projections = columns
            .into_iter()
            .map(|column| Projection { expr: column.expr, text: column.text })
            .collect();
        let calc = Calc { filter, projections };
        let (calc, inputs) = match self.merged(input, &calc) {
            Some(merged) => (merged, self.node(input).inputs.clone()),
            None => (calc, vec![input]),
        };
        self.push(NodeKind::Calc(calc), inputs, schema, time)
    }

    /// The Calc that does the work of `calc` and of the Calc `below` it.
    fn merged(&self, below: DraftId, calc: &Calc) -> Option<Calc> {
        let inner = self.node(below).as_calc()?;
        let sizes: Vec<usize> = inner.projections.iter().map(|p| size(&p.expr)).collect();
        let depths: Vec<usize> = inner.projections.iter().map(|p| depth(&p.expr)).collect();
        let outer = || calc.projections.iter().map(|p| &p.expr).chain(&calc.filter);
        let mut total = 0;
        let mut deepest = 0;
        for expr in outer() {
            total += size(expr);
            let mut inside = 0;
            expr.for_each_column(&mut |index| {
                total += sizes.get(index).copied().unwrap_or(1);
                inside = inside.max(depths.get(index).copied().unwrap_or(1));
            });
            deepest = deepest.max(depth(expr) + inside);
        }
        if total > MERGED_SIZE_MAX || deepest > MERGED_DEPTH_MAX {
            return None;
        }
        let replace = |expr: &Expr| {
            replace_columns(expr, &mut |index, column| {
                inner.projections.get(index).map_or_else(|| column.clone(), |p| p.expr.clone())
            })
        };
        let filters: Vec<Expr> = inner
            .filter
            .iter()
            .cloned()
            .chain(calc.filter.as_ref().map(replace))
            .flat_map(|filter| conjuncts(&filter))
            .collect();
        let projections = calc
            .projections
            .iter()
            .map(|p| Projection { expr: replace(&p.expr), text: p.text.clone() })
            .collect();
        Some(Calc { filter: all_of(filters), projections })
    }

    /// Keeps the rows for which the filter is TRUE, all columns as they are.
    pub(crate) fn filter(&mut self, input: DraftId, filter: Expr) -> DraftId {
        if let Some(pushed) = self.filter_below_window(input, &filter) {
            return pushed;
        }
        if let Some(narrowed) = self.filter_in_join(input, &filter) {
            return narrowed;
        }
        let columns = self.all_columns(input);
        self.calc(input, Some(filter), columns)
    }

    /// Puts a filter that does not read the window's columns below the window: a row
    /// has the same windows whether others are there or not. Not so for sessions.
    fn filter_below_window(&mut self, input: DraftId, filter: &Expr) -> Option<DraftId> {
        let draft = self.node(input);
        let DraftKind::Stream(NodeKind::WindowAssign(assign)) = draft.kind.clone() else {
            return None;
        };
        let base = draft.inputs.first().copied()?;
        let base_len = self.node(base).schema.len();
        let session = matches!(assign.window, Window::Session { .. });
        if session || columns_of(filter).iter().any(|column| *column >= base_len) {
            return None;
        }
        let below = self.filter(base, filter.clone());
        Some(self.assign(below, assign))
    }

    /// All columns of a node as they are.
    pub(crate) fn all_columns(&self, input: DraftId) -> Vec<Column> {
        let fields = self.node(input).schema.fields.iter().enumerate();
        fields.map(|(index, field)| Column::pass(index, &field.name, &field.ty)).collect()
    }

    pub(crate) fn union(&mut self, inputs: Vec<DraftId>, schema: Schema) -> DraftId {
        let mut times = inputs.iter().map(|input| self.node(*input).time);
        let first = times.next().flatten();
        let time = first.filter(|_| times.all(|time| time == first));
        self.push(NodeKind::Union, inputs, schema, time)
    }

    /// Adds the window's columns to rows.
    pub(crate) fn assign(&mut self, input: DraftId, assign: WindowAssign) -> DraftId {
        let mut schema = self.node(input).schema.clone();
        let rowtime = schema.fields[assign.rowtime].ty.sql.clone();
        schema.fields.extend(window_fields(rowtime));
        let time = Some(schema.len() - 1);
        self.push(NodeKind::WindowAssign(assign), vec![input], schema, time)
    }

    /// Aggregates by key and window.
    pub(crate) fn aggregate(
        &mut self,
        input: DraftId,
        aggregate: WindowAggregate,
        names: Vec<String>,
    ) -> DraftId {
        let fields = &self.node(input).schema.fields;
        let rowtime = fields[aggregate.rowtime].ty.sql.clone();
        let keys = aggregate.keys.iter().map(|key| fields[*key].clone());
        let values = aggregate
            .aggregates
            .iter()
            .zip(names)
            .map(|(call, name)| Field::new(name, call.ty.clone()));
        let schema: Vec<Field> = keys.chain(values).chain(window_fields(rowtime)).collect();
        let time = Some(schema.len() - 1);
        self.push(NodeKind::WindowAggregate(aggregate), vec![input], Schema::new(schema), time)
    }

    pub(crate) fn sink(&mut self, input: DraftId, kind: NodeKind) -> DraftId {
        let schema = self.node(input).schema.clone();
        let time = self.node(input).time;
        self.push(kind, vec![input], schema, time)
    }

    /// What lies between a node and the window table function below it, if nothing
    /// but Calcs does.
    pub(crate) fn windowed(&self, id: DraftId) -> Option<Windowed> {
        let draft = self.node(id);
        match draft.stream() {
            NodeKind::WindowAssign(assign) => Some(Windowed {
                base: *draft.inputs.first()?,
                assign: assign.clone(),
                filters: Vec::new(),
                columns: self.all_columns(id).into_iter().map(|column| column.expr).collect(),
            }),
            NodeKind::Calc(calc) => {
                let input = *draft.inputs.first()?;
                if self.node(input).as_calc().is_some() {
                    // Two Calcs that were too large to be merged stay apart.
                    return None;
                }
                let below = self.windowed(input)?;
                let replace = |expr: &Expr| {
                    replace_columns(expr, &mut |index, column| {
                        below.columns.get(index).unwrap_or(column).clone()
                    })
                };
                let filters = calc.filter.iter().map(replace).flat_map(|f| conjuncts(&f));
                Some(Windowed {
                    base: below.base,
                    assign: below.assign.clone(),
                    filters: below.filters.iter().cloned().chain(filters).collect(),
                    columns: calc.projections.iter().map(|p| replace(&p.expr)).collect(),
                })
            }
            NodeKind::Scan(_)
            | NodeKind::SideScan(_)
            | NodeKind::Values(_)
            | NodeKind::Union
            | NodeKind::WindowAggregate(_)
            | NodeKind::Sink(_) => None,
        }
    }
}

/// The conjunction of conditions; `None` if there is none.
pub(crate) fn all_of(mut conditions: Vec<Expr>) -> Option<Expr> {
    if conditions.len() <= 1 {
        return conditions.pop();
    }
    let nullable = conditions.iter().any(|condition| condition.ty.nullable);
    let span = conditions.iter().fold(Span::default(), |span, c| span.to(c.span));
    let ty = DataType { sql: SqlType::Boolean, nullable };
    Some(Expr { kind: ExprKind::And(conditions), ty, span })
}

/// The columns that a scan gives: all but the computed ones.
fn scanned_columns(table: &Table) -> Vec<usize> {
    let computed = |index: &usize| matches!(table.columns[*index].kind, ColumnKind::Computed(_));
    (0..table.columns.len()).filter(|index| !computed(index)).collect()
}

/// An expression over a table's declared columns, over its scan instead.
fn over_scan(expr: &Expr, place: &dyn Fn(usize) -> Option<usize>) -> Expr {
    replace_columns(expr, &mut |index, column| {
        Expr::column(place(index).unwrap_or(index), column.ty.clone()).at(column.span)
    })
}

/// `window_start`, `window_end` and `window_time`.
fn window_fields(rowtime: SqlType) -> [Field; 3] {
    [
        Field::new("window_start", SqlType::Timestamp(3).not_null()),
        Field::new("window_end", SqlType::Timestamp(3).not_null()),
        Field::new("window_time", rowtime.not_null()),
    ]
}
