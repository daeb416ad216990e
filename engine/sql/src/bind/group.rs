//! Queries with GROUP BY over windows.

use super::select::Selection;
use super::{Binder, Bound, Relation, Reported, Scope};
use crate::codes;
use crate::plan::{Column, DraftId, Windowed, all_of, columns_of, replace_columns};
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{Expr, ExprKind, FunctionRef};
use anabranch_engine::plan::{AggregateCall, Window, WindowAggregate};
use anabranch_engine::types::{DataType, SqlType};
use sqlparser::ast::Expr as Ast;
use std::collections::{BTreeMap, BTreeSet};

/// Aggregates stand for columns from here on while their number is not known.
pub(super) const AGGREGATE_BASE: usize = 1 << 20;
/// The same for the columns of the window.
pub(super) const WINDOW_BASE: usize = 1 << 21;

/// The names of the columns of a window.
const WINDOW_NAMES: [&str; 3] = ["window_start", "window_end", "window_time"];

/// The groups of a query while its SELECT list is bound.
#[derive(Debug)]
pub(crate) struct Group {
    /// Over the rows.
    pub(super) keys: Vec<Expr>,
    pub(super) aggregates: Vec<Pending>,
    /// Which columns of the rows are which column of the window.
    pub(super) window_columns: BTreeMap<usize, usize>,
    /// Which columns of the window GROUP BY names.
    pub(super) grouped: BTreeSet<usize>,
    /// The type of `window_time`.
    pub(super) rowtime: SqlType,
    /// The window of `GROUP BY TUMBLE(…)` with its rowtime column.
    pub(super) legacy: Option<(Window, usize)>,
    /// Whether something asked for an aggregate, also one with an error.
    pub(super) called: bool,
}

/// An aggregate whose column is not known yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(super) function: &'static str,
    pub(super) args: Vec<Expr>,
    pub(super) distinct: bool,
    pub(super) filter: Option<Expr>,
    pub(super) ty: DataType,
    pub(super) text: String,
    /// The alias in SELECT, if it stands there by itself.
    pub(super) name: Option<String>,
}

impl Pending {
    /// The call, now that the columns of its arguments and of its filter are known.
    pub(super) fn call(&self, args: Vec<usize>, filter: Option<usize>) -> AggregateCall {
        AggregateCall {
            function: FunctionRef { name: self.function.to_owned(), version: 1 },
            args,
            distinct: self.distinct,
            filter,
            ty: self.ty.clone(),
            text: self.text.clone(),
        }
    }
}

impl Group {
    /// Groups without keys, aggregates or a window so far.
    pub(super) fn new() -> Group {
        Group {
            keys: Vec::new(),
            aggregates: Vec::new(),
            window_columns: BTreeMap::new(),
            grouped: BTreeSet::new(),
            rowtime: SqlType::Timestamp(3),
            legacy: None,
            called: false,
        }
    }

    /// A column of the window.
    pub(super) fn window_column(&self, which: usize) -> Expr {
        let sql = if which == 2 { self.rowtime.clone() } else { SqlType::Timestamp(3) };
        Expr::column(WINDOW_BASE + which, sql.not_null())
    }
}

impl Binder<'_> {
    /// The column of the groups that an expression over the rows stands for: a key
    /// or a column of the window.
    pub(super) fn group_key(&mut self, scope: &mut Scope, ast: &Ast) -> Option<Expr> {
        scope.group.as_ref()?;
        if matches!(ast, Ast::Value(_) | Ast::Nested(_)) {
            return None;
        }
        let group = scope.group.take()?;
        // Whether this is a key is only tried out: errors come when it is bound.
        let reported = self.diagnostics.len();
        let bound = self.expr(scope, ast);
        self.diagnostics.truncate(reported);
        let span = self.span(ast);
        let key = bound.ok().and_then(|expr| group.key_of(&expr)).map(|key| key.at(span));
        scope.group = Some(group);
        key
    }

    /// A column of the input, if it may be used here.
    pub(super) fn column_value(&mut self, scope: &Scope, index: usize, span: Span) -> Bound<Expr> {
        let column = &scope.columns[index];
        let expr = Expr::column(index, column.ty.clone()).at(span);
        let Some(group) = &scope.group else { return Ok(expr) };
        if let Some(key) = group.key_of(&expr) {
            return Ok(key.at(span));
        }
        let name = column.name.clone();
        let message = format!("`{name}` is neither in GROUP BY nor in an aggregate");
        let help = match group.window_columns.contains_key(&index) {
            true => format!("add `{name}` to GROUP BY"),
            false if self.in_assert() => {
                format!("add `{name}` to GROUP BY, or write MIN(`{name}`)")
            }
            false => format!("add `{name}` to GROUP BY, or write FIRST_VALUE(`{name}`)"),
        };
        Err(self.error_help(codes::NOT_GROUPED, span, message, help))
    }

    /// `SELECT … FROM relation GROUP BY … HAVING …`.
    pub(super) fn grouped(
        &mut self,
        relation: &Relation,
        group_by: &[Ast],
        selection: &Selection<'_>,
        having: Option<&Ast>,
    ) -> Bound<Relation> {
        let mut scope = Scope::of(relation, self.graph, "GROUP BY");
        scope.aliases = selection.aliases();
        let windowed = self.graph.windowed(relation.node);
        let group = self.keys(&mut scope, group_by, windowed.as_ref())?;
        let legacy = group.legacy;
        scope.group = Some(group);
        scope.clause = "SELECT";
        let columns = self.select_columns(&mut scope, selection);
        scope.clause = "HAVING";
        let having = having.map(|having| self.condition(&mut scope, having)).transpose();
        let (mut columns, mut having) = (columns?, having?);
        let Some(mut group) = scope.group.take() else { return Err(Reported) };
        for column in &columns {
            if let ExprKind::Column(index) = column.expr.kind {
                let call =
                    index.checked_sub(AGGREGATE_BASE).and_then(|i| group.aggregates.get_mut(i));
                if let Some(call) = call {
                    call.name.get_or_insert_with(|| column.name.clone());
                }
            }
        }
        let (node, filter) = match (legacy, windowed) {
            (Some((window, rowtime)), _) => {
                let input = Windowed {
                    base: relation.node,
                    assign: anabranch_engine::plan::WindowAssign {
                        window,
                        rowtime,
                        partition: Vec::new(),
                    },
                    filters: Vec::new(),
                    columns: self.pass_all(relation),
                };
                self.aggregation(&group, &input, &scope, false)?
            }
            (None, Some(windowed)) => self.aggregation(&group, &windowed, &scope, true)?,
            (None, None) => return Err(Reported),
        };
        let place = final_place(&group);
        columns.iter_mut().for_each(|column| with_final_places(&mut column.expr, &place));
        having.iter_mut().for_each(|having| with_final_places(having, &place));
        let filter = all_of(filter.into_iter().chain(having).collect());
        let names = columns.iter().map(|column| column.name.clone()).collect();
        let node = self.graph.calc(node, filter, columns);
        Ok(Relation { node, names, qualifier: None, joined: Vec::new() })
    }

    fn pass_all(&self, relation: &Relation) -> Vec<Expr> {
        self.graph.all_columns(relation.node).into_iter().map(|column| column.expr).collect()
    }

    /// Takes the list of GROUP BY apart into keys and columns of the window.
    fn keys(
        &mut self,
        scope: &mut Scope,
        group_by: &[Ast],
        windowed: Option<&Windowed>,
    ) -> Bound<Group> {
        let mut group = Group::new();
        if let Some(windowed) = windowed {
            let fields = &self.graph.node(windowed.base).schema.fields;
            group.rowtime = fields[windowed.assign.rowtime].ty.sql.clone();
            for column in 0..scope.columns.len() {
                if let Some(which) = windowed.window_column(column, fields.len()) {
                    group.window_columns.insert(column, which);
                }
            }
        }
        let mut failed = false;
        for ast in group_by {
            failed |= self.key(scope, ast, &mut group).is_err();
        }
        if failed {
            return Err(Reported);
        }
        self.check_window(group_by, windowed.is_some(), &mut group)?;
        Ok(group)
    }

    /// One item of GROUP BY.
    pub(super) fn key(&mut self, scope: &mut Scope, ast: &Ast, group: &mut Group) -> Bound<()> {
        let span = self.span(ast);
        if let Ast::GroupingSets(_) | Ast::Cube(_) | Ast::Rollup(_) = ast {
            let message = "GROUPING SETS, CUBE and ROLLUP are not supported";
            let help = "write one INSERT for each grouping";
            return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
        }
        if let Some((window, rowtime)) = self.legacy_window(scope, ast)? {
            if group.legacy.is_some() {
                let message = "GROUP BY has two windows";
                return Err(self.error(codes::WINDOW_ARGUMENTS, span, message));
            }
            group.rowtime = scope.columns[rowtime].ty.sql.clone();
            group.legacy = Some((window, rowtime));
            return Ok(());
        }
        let expr = self.expression(scope, ast)?;
        match &expr.kind {
            ExprKind::Column(index) if group.window_columns.contains_key(index) => {
                group.grouped.extend(group.window_columns.get(index));
            }
            ExprKind::Literal(anabranch_engine::types::Value::Int(number)) => {
                let message = format!("GROUP BY {number} does not mean the column at that place");
                let help = "write the expression of the column";
                return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
            }
            _ if group.keys.contains(&expr) => {}
            _ => group.keys.push(expr),
        }
        Ok(())
    }

    /// Whether the groups are those of a window.
    fn check_window(&mut self, group_by: &[Ast], windowed: bool, group: &mut Group) -> Bound<()> {
        let spans = group_by.iter().map(|ast| self.span(ast));
        let span = spans.fold(Span::default(), Span::to);
        if group.legacy.is_some() {
            if !group.grouped.is_empty() {
                let message = "GROUP BY has a window and the columns of another one";
                return Err(self.error(codes::WINDOW_ARGUMENTS, span, message));
            }
            group.grouped = BTreeSet::from([0, 1, 2]);
            return Ok(());
        }
        if !windowed {
            return Err(self.unwindowed(span));
        }
        let missing = [0, 1].into_iter().filter(|which| !group.grouped.contains(which));
        let missing: Vec<&str> = missing.map(|which| WINDOW_NAMES[which]).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("GROUP BY lacks {}", missing.join(" and "));
        let help = "write GROUP BY window_start, window_end, …";
        Err(self.error_help(codes::GROUP_BY_WINDOW, span, message, help))
    }

    /// Refuses an aggregation that is never final.
    pub(super) fn unwindowed(&mut self, span: Span) -> Reported {
        let message = "the aggregation has no window: its rows are updated with every input row, \
                       and sinks only append";
        let help = "aggregate FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) \
                    GROUP BY window_start, window_end, …";
        self.error_help(codes::UNWINDOWED, span, message, help)
    }

    /// Puts the aggregation together; gives it with the filters to apply above it.
    fn aggregation(
        &mut self,
        group: &Group,
        windowed: &Windowed,
        scope: &Scope,
        strict: bool,
    ) -> Bound<(DraftId, Vec<Expr>)> {
        let base_len = self.graph.node(windowed.base).schema.len();
        let mut inner = Inner { columns: Vec::new() };
        let moved = moved_below(group, windowed, scope);
        let (filters, above) = self.split_filters(windowed, base_len)?;
        for (expr, _, span, what) in &moved {
            if strict && columns_of(expr).iter().any(|column| *column >= base_len) {
                let message = format!("{what} uses a column of the window");
                let help = "use window columns in SELECT and HAVING, above the aggregation";
                return Err(self.error_help(
                    codes::WINDOW_COLUMNS,
                    self.place_of(*span),
                    message,
                    help,
                ));
            }
        }
        let mut places = moved.into_iter().map(|(expr, name, _, _)| inner.add(expr, name));
        let keys: Vec<usize> = places.by_ref().take(group.keys.len()).collect();
        let mut calls = Vec::new();
        let mut names = Vec::new();
        for (number, call) in group.aggregates.iter().enumerate() {
            let args = places.by_ref().take(call.args.len()).collect();
            let filter = call.filter.as_ref().and_then(|_| places.next());
            calls.push(call.call(args, filter));
            names.push(call.name.clone().unwrap_or_else(|| format!("agg{}", number + 1)));
        }
        drop(places);
        let field = self.graph.node(windowed.base).schema.fields[windowed.assign.rowtime].clone();
        let rowtime = inner.add(Expr::column(windowed.assign.rowtime, field.ty), field.name);
        self.check_session(group, windowed, &inner, &keys)?;
        let input = self.graph.calc(windowed.base, all_of(filters), inner.columns);
        let aggregate = WindowAggregate {
            window: windowed.assign.window,
            rowtime,
            keys,
            aggregates: calls,
            allowed_lateness_ms: 0,
        };
        let width = group.keys.len() + group.aggregates.len();
        let above = above.iter().map(|filter| {
            replace_columns(filter, &mut |index, column| {
                let place = width + index.saturating_sub(base_len);
                Expr::column(place, column.ty.clone()).at(column.span)
            })
        });
        let above = above.collect();
        Ok((self.graph.aggregate(input, aggregate, names), above))
    }

    /// Filters between the window and the aggregation: those on rows go below the
    /// window, those on the window's columns above the aggregation.
    fn split_filters(
        &mut self,
        windowed: &Windowed,
        base_len: usize,
    ) -> Bound<(Vec<Expr>, Vec<Expr>)> {
        let session = matches!(windowed.assign.window, Window::Session { .. });
        let mut below = Vec::new();
        let mut above = Vec::new();
        for filter in &windowed.filters {
            let columns = columns_of(filter);
            if columns.iter().all(|column| *column < base_len) {
                if session {
                    let message = "a filter between SESSION and its GROUP BY";
                    let help = "filter in a sub-query or view below SESSION: there it decides \
                                which rows make a session";
                    let span = self.place_of(filter.span);
                    return Err(self.error_help(codes::WINDOW_COLUMNS, span, message, help));
                }
                below.push(filter.clone());
            } else if columns.iter().all(|column| *column >= base_len) {
                above.push(filter.clone());
            } else {
                let message = "the filter mixes columns of the window with others";
                let help = "compare the window's columns in HAVING";
                let span = self.place_of(filter.span);
                return Err(self.error_help(codes::WINDOW_COLUMNS, span, message, help));
            }
        }
        Ok((below, above))
    }

    /// Sessions are made by key, so both lists of keys must be the same.
    fn check_session(
        &mut self,
        group: &Group,
        windowed: &Windowed,
        inner: &Inner,
        keys: &[usize],
    ) -> Bound<()> {
        if group.legacy.is_some() || !matches!(windowed.assign.window, Window::Session { .. }) {
            return Ok(());
        }
        let grouped: BTreeSet<Option<usize>> = keys
            .iter()
            .map(|key| match inner.columns[*key].expr.kind {
                ExprKind::Column(index) => Some(index),
                _ => None,
            })
            .collect();
        let partition: BTreeSet<Option<usize>> =
            windowed.assign.partition.iter().map(|column| Some(*column)).collect();
        if grouped == partition {
            return Ok(());
        }
        let fields = &self.graph.node(windowed.base).schema.fields;
        let names: Vec<String> =
            windowed.assign.partition.iter().map(|c| format!("`{}`", fields[*c].name)).collect();
        let message = "GROUP BY has other keys than PARTITION BY of the SESSION";
        let help = match names.is_empty() {
            true => {
                "write SESSION(TABLE t PARTITION BY key, …) with the keys of GROUP BY".to_owned()
            }
            false => format!("group by window_start, window_end, {}", names.join(", ")),
        };
        let span = group.keys.iter().fold(Span::default(), |span, key| span.to(key.span));
        Err(self.error_help(codes::SESSION_KEY, self.place_of(span), message, help))
    }
}

impl Group {
    /// The column of the groups that an expression over the rows is.
    fn key_of(&self, expr: &Expr) -> Option<Expr> {
        if let ExprKind::Column(index) = expr.kind
            && let Some(which) = self.window_columns.get(&index)
        {
            return self.grouped.contains(which).then(|| self.window_column(*which));
        }
        let index = self.keys.iter().position(|key| key == expr)?;
        Some(Expr::column(index, self.keys[index].ty.clone()))
    }
}

/// The columns below the aggregation, each expression once.
pub(super) struct Inner {
    pub(super) columns: Vec<Column>,
}

impl Inner {
    /// The place of an expression, which gets one if it has none.
    pub(super) fn add(&mut self, expr: Expr, name: String) -> usize {
        if let Some(known) = self.columns.iter().position(|column| column.expr == expr) {
            return known;
        }
        self.columns.push(Column { text: name.clone(), name, expr });
        self.columns.len() - 1
    }
}

/// An expression over the rows of the query, over the rows below the window instead.
fn below_window(expr: &Expr, windowed: &Windowed) -> Expr {
    replace_columns(expr, &mut |index, column| {
        windowed.columns.get(index).unwrap_or(column).clone()
    })
}

/// Keys, arguments and filters over the rows below the window, each with its name,
/// its place and what it is.
fn moved_below(
    group: &Group,
    windowed: &Windowed,
    scope: &Scope,
) -> Vec<(Expr, String, Span, &'static str)> {
    let below = |expr: &Expr| below_window(expr, windowed);
    let mut moved = Vec::new();
    for (number, key) in group.keys.iter().enumerate() {
        let name = match key.kind {
            ExprKind::Column(index) => scope.columns[index].name.clone(),
            _ => format!("key{}", number + 1),
        };
        moved.push((below(key), name, key.span, "a key of GROUP BY"));
    }
    for (number, call) in group.aggregates.iter().enumerate() {
        for arg in &call.args {
            let name = match arg.kind {
                ExprKind::Column(index) => scope.columns[index].name.clone(),
                _ => format!("arg{}", number + 1),
            };
            moved.push((below(arg), name, arg.span, "an aggregate"));
        }
        if let Some(filter) = &call.filter {
            moved.push((below(filter), format!("filter{}", number + 1), filter.span, "FILTER"));
        }
    }
    moved
}

/// Where a column of the groups lies once the number of aggregates is known.
pub(super) fn final_place(group: &Group) -> impl Fn(usize) -> usize + use<> {
    let keys = group.keys.len();
    let aggregates = group.aggregates.len();
    move |index| match index {
        index if index >= WINDOW_BASE => keys + aggregates + (index - WINDOW_BASE),
        index if index >= AGGREGATE_BASE => keys + (index - AGGREGATE_BASE),
        index => index,
    }
}

/// The expression over the columns of the groups, at their places.
pub(super) fn with_final_places(expr: &mut Expr, place: &dyn Fn(usize) -> usize) {
    *expr = replace_columns(expr, &mut |index, column| {
        Expr::column(place(index), column.ty.clone()).at(column.span)
    });
}
