//! Queries over whole tables, such as asserts are: node after node, row at a time, all
//! rows of each in memory.
// spec: E-5, E-6

use super::aggregate::aggregate;
use super::cell::Cell;
use super::decode::{physical_fields, read_record};
use super::encode::encode;
use super::eval::{Computed, Env, Trouble, eval};
use anabranch_engine::expr::{ErrorKind, Expr};
use anabranch_engine::plan::{
    BoundedAggregate, BoundedJoin, BoundedKind, BoundedNode, BoundedPlan, Calc, FormatSpec, Limit,
    SortKey, Table,
};
use anabranch_engine::time::Tick;
use anabranch_engine::types::{Schema, SqlType};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A row of a table; a column may have no value, because it cannot be read.
#[derive(Clone, Debug)]
pub struct HeldRow(Rc<[Computed]>);

impl HeldRow {
    /// The row of these values.
    #[must_use]
    pub fn of(cells: Vec<Cell>) -> HeldRow {
        HeldRow(cells.into_iter().map(Ok).collect())
    }

    /// The row that a reader makes of a record of a sink, which may end in a line's end;
    /// nothing if the record is none.
    ///
    /// # Errors
    /// If it is not well formed as a whole.
    pub fn read(table: &Table, record: &[u8]) -> Result<Option<HeldRow>, String> {
        HeldRow::of_record(table, &table.format, record)
    }

    /// The row that a line of JSON is, whatever the table's format.
    ///
    /// # Errors
    /// If it is not well formed as a whole.
    pub fn of_json(table: &Table, line: &[u8]) -> Result<HeldRow, String> {
        let format = match &table.format {
            FormatSpec::Json(_) => &table.format,
            FormatSpec::Csv(_) | FormatSpec::None => &FormatSpec::None,
        };
        HeldRow::of_record(table, format, line)?.ok_or_else(|| "it is no row".to_owned())
    }

    /// The values of some columns; of one that cannot be read NULL.
    #[must_use]
    pub fn values(&self, columns: &[usize]) -> Vec<Cell> {
        let value = |column: &usize| self.0[*column].clone().unwrap_or(Cell::Null);
        columns.iter().map(value).collect()
    }

    fn of_record(
        table: &Table,
        format: &FormatSpec,
        record: &[u8],
    ) -> Result<Option<HeldRow>, String> {
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let fields = physical_fields(table);
        let Some(values) = read_record(format, &fields, record)? else { return Ok(None) };
        let unreadable = |name: &str| Trouble {
            kind: ErrorKind::Parse,
            detail: format!("column {name} cannot be read"),
        };
        let values = values.into_iter().zip(&fields);
        let cells = values.map(|(value, field)| value.map_err(|_| unreadable(&field.name)));
        Ok(Some(HeldRow(cells.collect())))
    }
}

/// What a query gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its columns.
    pub schema: Schema,
    /// Its rows, in the order that it asks for, and among equals in that of their values.
    pub rows: Vec<Vec<Cell>>,
}

impl Answer {
    /// The rows as lines of JSON, without line ends.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |row: &Vec<Cell>| encode(&FormatSpec::None, &self.schema, row).to_string();
        self.rows.iter().map(line).collect()
    }
}

/// The answer to a query over the rows of its tables, by name; a table that is not among
/// them is empty. `zone` is the job's time zone.
///
/// # Errors
/// If a value that the answer needs cannot be computed; says why.
///
/// # Panics
/// If the plan does not keep to its invariants.
pub fn answer(
    query: &BoundedPlan,
    zone: &str,
    tables: &BTreeMap<&str, Vec<HeldRow>>,
) -> Result<Answer, String> {
    let mut done: Vec<Rows> = Vec::new();
    for node in &query.nodes {
        let inputs: Vec<&Rows> = node.inputs.iter().map(|input| &done[*input]).collect();
        let schemas: Vec<&Schema> =
            node.inputs.iter().map(|input| &query.nodes[*input].schema).collect();
        let cx = Cx { zone, tables };
        let rows = cx.node(node, &inputs, &schemas).map_err(told)?;
        done.push(rows);
    }
    let Rows { rows, is_sorted } = done.pop().expect("a query has a node");
    let rows = rows.iter().map(cells).collect::<Result<Vec<_>, _>>();
    let mut rows = rows.map_err(told)?;
    if !is_sorted {
        rows.sort();
    }
    Ok(Answer { schema: query.schema().clone(), rows })
}

fn told(trouble: Trouble) -> String {
    format!("{}: {}", trouble.kind.name(), trouble.detail)
}

/// The rows of a node.
#[derive(Clone, Debug, Default)]
struct Rows {
    rows: Vec<HeldRow>,
    /// Whether their order is one that the query asks for.
    is_sorted: bool,
}

struct Cx<'a> {
    zone: &'a str,
    tables: &'a BTreeMap<&'a str, Vec<HeldRow>>,
}

impl Cx<'_> {
    fn node(
        &self,
        node: &BoundedNode,
        inputs: &[&Rows],
        schemas: &[&Schema],
    ) -> Result<Rows, Trouble> {
        let unsorted = |rows| Ok(Rows { rows, is_sorted: false });
        match &node.kind {
            BoundedKind::Aggregate(wanted) => unsorted(aggregated(wanted, inputs[0], schemas[0])?),
            BoundedKind::Calc(calc) => {
                let rows = self.calc(calc, &inputs[0].rows)?;
                Ok(Rows { rows, is_sorted: inputs[0].is_sorted })
            }
            BoundedKind::Join(join) => {
                unsorted(self.join(join, &inputs[0].rows, &inputs[1].rows, schemas[1].len())?)
            }
            BoundedKind::Limit(limit) => limited(*limit, inputs[0]),
            BoundedKind::Sort(keys) => sorted(keys, &inputs[0].rows),
            BoundedKind::Table(name) => {
                unsorted(self.tables.get(name.as_str()).cloned().unwrap_or_default())
            }
            BoundedKind::Union => {
                unsorted(inputs.iter().flat_map(|input| input.rows.iter().cloned()).collect())
            }
            BoundedKind::Values(values) => {
                let row = |row: &Vec<_>| HeldRow::of(row.iter().map(Cell::of).collect());
                unsorted(values.rows.iter().map(row).collect())
            }
        }
    }

    fn value(&self, expr: &Expr, cells: &[Computed]) -> Computed {
        let env = Env { cells, tick: Tick(0), watermark_before: None, zone: self.zone };
        eval(expr, env)
    }

    /// Whether a condition is TRUE: neither FALSE nor NULL.
    fn holds(&self, condition: &Expr, cells: &[Computed]) -> Result<bool, Trouble> {
        Ok(self.value(condition, cells)? == Cell::Boolean(true))
    }

    /// A value that cannot be computed matters where somebody looks at it.
    fn calc(&self, calc: &Calc, rows: &[HeldRow]) -> Result<Vec<HeldRow>, Trouble> {
        let mut kept = Vec::new();
        for row in rows {
            let passes = match &calc.filter {
                None => true,
                Some(filter) => self.holds(filter, &row.0)?,
            };
            if passes {
                let values = calc.projections.iter().map(|it| self.value(&it.expr, &row.0));
                kept.push(HeldRow(values.collect()));
            }
        }
        Ok(kept)
    }

    /// Pairs of rows. The values that must be equal only save work: whether a pair is one
    /// says the condition.
    fn join(
        &self,
        join: &BoundedJoin,
        left: &[HeldRow],
        right: &[HeldRow],
        width: usize,
    ) -> Result<Vec<HeldRow>, Trouble> {
        let key = |row: &HeldRow, is_left: bool| -> Result<Vec<Cell>, Trouble> {
            let exprs = join.equal.iter().map(|pair| if is_left { &pair.0 } else { &pair.1 });
            exprs.map(|expr| self.value(expr, &row.0)).collect()
        };
        let mut partners: BTreeMap<Vec<Cell>, Vec<&HeldRow>> = BTreeMap::new();
        for row in right {
            partners.entry(key(row, false)?).or_default().push(row);
        }
        let mut pairs = Vec::new();
        for row in left {
            let mut is_alone = true;
            for partner in partners.get(&key(row, true)?).into_iter().flatten() {
                let both: Vec<Computed> = row.0.iter().chain(partner.0.iter()).cloned().collect();
                let is_pair = match &join.condition {
                    None => true,
                    Some(condition) => self.holds(condition, &both)?,
                };
                if is_pair {
                    is_alone = false;
                    pairs.push(HeldRow(both.into()));
                }
            }
            if join.keeps_left && is_alone {
                let nulls = std::iter::repeat_n(Ok(Cell::Null), width);
                pairs.push(HeldRow(row.0.iter().cloned().chain(nulls).collect()));
            }
        }
        Ok(pairs)
    }
}

/// All values of a row.
fn cells(row: &HeldRow) -> Result<Vec<Cell>, Trouble> {
    row.0.iter().cloned().collect()
}

/// One row for each key; NULL is a key like others.
fn aggregated(
    wanted: &BoundedAggregate,
    input: &Rows,
    schema: &Schema,
) -> Result<Vec<HeldRow>, Trouble> {
    let types: Vec<SqlType> = schema.fields.iter().map(|field| field.ty.sql.clone()).collect();
    let mut groups: BTreeMap<Vec<Cell>, Vec<Vec<Cell>>> = BTreeMap::new();
    if wanted.keys.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for row in &input.rows {
        let row = cells(row)?;
        let key = wanted.keys.iter().map(|key| row[*key].canonical()).collect();
        groups.entry(key).or_default().push(row);
    }
    let mut rows = Vec::new();
    for (key, group) in groups {
        let group: Vec<&[Cell]> = group.iter().map(Vec::as_slice).collect();
        let calls = wanted.aggregates.iter().map(|call| aggregate(call, &group, &types));
        rows.push(HeldRow::of(key.into_iter().map(Ok).chain(calls).collect::<Result<_, _>>()?));
    }
    Ok(rows)
}

/// Rows in an order; equals are in the order of all their values, so that it does not
/// matter how a sink gave them.
fn sorted(keys: &[SortKey], rows: &[HeldRow]) -> Result<Rows, Trouble> {
    let mut rows = rows.iter().map(cells).collect::<Result<Vec<_>, _>>()?;
    let by_key = |key: &SortKey, a: &Cell, b: &Cell| match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if key.nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if key.nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if key.descending => b.cmp(a),
        (false, false) => a.cmp(b),
    };
    rows.sort_by(|a, b| {
        let mut orders = keys.iter().map(|key| by_key(key, &a[key.column], &b[key.column]));
        orders.find(|order| order.is_ne()).unwrap_or_else(|| a.cmp(b))
    });
    Ok(Rows { rows: rows.into_iter().map(HeldRow::of).collect(), is_sorted: true })
}

fn limited(limit: Limit, input: &Rows) -> Result<Rows, Trouble> {
    let Rows { rows, is_sorted } = match input.is_sorted {
        true => input.clone(),
        false => sorted(&[], &input.rows)?,
    };
    let as_usize = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let rows = rows.into_iter().skip(as_usize(limit.offset));
    let rows = rows.take(limit.count.map_or(usize::MAX, as_usize)).collect();
    Ok(Rows { rows, is_sorted })
}
