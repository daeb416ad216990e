//! TUMBLE, HOP, CUMULATE and SESSION: as functions in FROM, and in GROUP BY.

use super::{Binder, Bound, Relation, Reported, Scope};
use crate::codes;
use crate::nearest::nearest;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::ExprKind;
use anabranch_engine::plan::{Window, WindowAssign, duration_text};
use anabranch_engine::types::{SqlType, Value};
use sqlparser::ast::{
    Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident,
};
use std::collections::BTreeMap;

/// The name of `TABLE t` in the tree.
use crate::parse::TABLE_ARGUMENT;

/// The parameters of a window function, in order, for arguments without names.
fn parameters(function: &str) -> &'static [&'static str] {
    match function {
        "TUMBLE" => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
        "HOP" => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
        "CUMULATE" => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        _ => &["DATA", "TIMECOL", "GAP"],
    }
}

impl Binder<'_> {
    /// `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …))`.
    pub(super) fn window_function(
        &mut self,
        name: &str,
        name_span: Span,
        args: &[FunctionArg],
    ) -> Bound<Relation> {
        let args = self.window_args(name, name_span, args)?;
        let Some(data) = args.get("DATA") else {
            return Err(self.missing(name, "DATA", name_span));
        };
        let (mut relation, partition) = self.data(name, data)?;
        let scope = Scope::of(&relation, self.graph, "DESCRIPTOR");
        let Some(time) = args.get("TIMECOL") else {
            return Err(self.missing(name, "TIMECOL", name_span));
        };
        let rowtime = self.descriptor(&scope, name, time);
        let partition: Bound<Vec<usize>> =
            partition.iter().map(|column| self.column(&scope, column)).collect();
        let window = self.window(name, name_span, &args);
        let (rowtime, partition, window) = (rowtime?, partition?, window?);
        relation.node =
            self.graph.assign(relation.node, WindowAssign { window, rowtime, partition });
        relation.names.extend(["window_start", "window_end", "window_time"].map(str::to_owned));
        relation.qualifier = None;
        Ok(relation)
    }

    /// The arguments by the name of their parameter.
    fn window_args<'f>(
        &mut self,
        name: &str,
        name_span: Span,
        args: &'f [FunctionArg],
    ) -> Bound<BTreeMap<&'static str, &'f Ast>> {
        let parameters = parameters(name);
        let mut found = BTreeMap::new();
        for (position, arg) in args.iter().enumerate() {
            let (parameter, expr) = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    match parameters.get(position) {
                        Some(parameter) => (*parameter, expr),
                        None => {
                            let message = format!("{name} has too many arguments");
                            let help = format!("it takes {}", usage(name));
                            let span = self.span(expr);
                            return Err(self.error_help(
                                codes::WINDOW_ARGUMENTS,
                                span,
                                message,
                                help,
                            ));
                        }
                    }
                }
                FunctionArg::Named { name: key, arg: FunctionArgExpr::Expr(expr), operator: _ } => {
                    (self.parameter(name, key, parameters)?, expr)
                }
                _ => {
                    let message = format!("{name} does not take such an argument");
                    let help = format!("it takes {}", usage(name));
                    return Err(self.error_help(codes::WINDOW_ARGUMENTS, name_span, message, help));
                }
            };
            if found.insert(parameter, expr).is_some() {
                let message = format!("{name} has {parameter} twice");
                return Err(self.error(codes::WINDOW_ARGUMENTS, self.span(expr), message));
            }
        }
        Ok(found)
    }

    /// The parameter of an argument with a name.
    fn parameter(
        &mut self,
        function: &str,
        key: &Ident,
        parameters: &'static [&'static str],
    ) -> Bound<&'static str> {
        let wanted = key.value.to_ascii_uppercase();
        if let Some(known) = parameters.iter().find(|known| **known == wanted) {
            return Ok(known);
        }
        let message = format!("{function} has no parameter {wanted}");
        let help = match nearest(&wanted, parameters.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("its parameters are {}", parameters.join(", ")),
        };
        Err(self.error_help(codes::WINDOW_ARGUMENTS, self.ident_span(key), message, help))
    }

    fn missing(&mut self, name: &str, parameter: &str, span: Span) -> Reported {
        let message = format!("{name} lacks its argument {parameter}");
        let help = format!("write {}", usage(name));
        self.error_help(codes::WINDOW_ARGUMENTS, span, message, help)
    }

    /// `TABLE t [PARTITION BY a, b]`, or just the name.
    fn data(&mut self, name: &str, data: &Ast) -> Bound<(Relation, Vec<Ident>)> {
        let span = self.span(data);
        match data {
            Ast::Function(function)
                if function.name.to_string() == TABLE_ARGUMENT
                    || function
                        .name
                        .0
                        .iter()
                        .any(|p| p.as_ident().is_some_and(|i| i.value == TABLE_ARGUMENT)) =>
            {
                let partition: Vec<Ident> = arguments(&function.parameters)
                    .into_iter()
                    .filter_map(|arg| match arg {
                        Ast::Identifier(ident) => Some(ident.clone()),
                        _ => None,
                    })
                    .collect();
                if !function.within_group.is_empty() {
                    let message = "ORDER BY in a window function";
                    let help = "leave it out: windows go by event time";
                    return Err(self.error_help(codes::WINDOW_ARGUMENTS, span, message, help));
                }
                if !partition.is_empty() && name != "SESSION" {
                    let message = format!("PARTITION BY in {name}");
                    let help = "only SESSION has keys here: put them into GROUP BY";
                    return Err(self.error_help(codes::WINDOW_ARGUMENTS, span, message, help));
                }
                let relation = match arguments(&function.args).first() {
                    Some(table) => self.data_relation(table)?,
                    None => return Err(self.missing(name, "DATA", span)),
                };
                Ok((relation, partition))
            }
            other => Ok((self.data_relation(other)?, Vec::new())),
        }
    }

    fn data_relation(&mut self, table: &Ast) -> Bound<Relation> {
        match table {
            Ast::Identifier(ident) => self.table_by_name(ident),
            Ast::CompoundIdentifier(parts) => match parts.as_slice() {
                [only] => self.table_by_name(only),
                _ => {
                    let message = "the name has a catalog or database before it";
                    let help = "there is only one catalog: write the table's name alone";
                    Err(self.error_help(codes::UNSUPPORTED, self.span(table), message, help))
                }
            },
            Ast::Subquery(query) => self.query(query),
            Ast::Nested(inner) => self.data_relation(inner),
            other => {
                let message = "the first argument of a window function is a table";
                let help = "write TABLE and its name";
                Err(self.error_help(codes::WINDOW_ARGUMENTS, self.span(other), message, help))
            }
        }
    }

    /// `DESCRIPTOR(column)`: must be the rows' event time.
    fn descriptor(&mut self, scope: &Scope, name: &str, descriptor: &Ast) -> Bound<usize> {
        let columns = match descriptor {
            Ast::Function(function)
                if function.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") =>
            {
                arguments(&function.args)
            }
            _ => Vec::new(),
        };
        let [Ast::Identifier(column)] = columns.as_slice() else {
            let message = format!("the second argument of {name} is DESCRIPTOR(column)");
            let help = "write DESCRIPTOR and the event time column in parentheses";
            return Err(self.error_help(
                codes::WINDOW_ARGUMENTS,
                self.span(descriptor),
                message,
                help,
            ));
        };
        let index = self.column(scope, column)?;
        self.check_rowtime(scope, index, self.ident_span(column))?;
        Ok(index)
    }

    /// Refuses a window over a column that is no event time, and says why it is none.
    fn check_rowtime(&mut self, scope: &Scope, index: usize, span: Span) -> Bound<()> {
        if scope.time == Some(index) {
            return Ok(());
        }
        let column = &scope.columns[index];
        let message = format!("`{}` is no event time", column.name);
        let help = match scope.time.and_then(|time| scope.columns.get(time)) {
            Some(time) => format!("the event time of these rows is `{}`", time.name),
            None if !column.ty.sql.is_timestamp() => format!(
                "it is {}; a window needs a TIMESTAMP(3) column with a WATERMARK",
                column.ty.sql
            ),
            None => "declare a WATERMARK for it in CREATE TABLE; an expression over the column, \
                     a CAST included, and UNION ALL with rows without a watermark lose it, and \
                     $late and $dead rows have none"
                .to_owned(),
        };
        Err(self.error_help(codes::NO_TIME_ATTRIBUTE, span, message, help))
    }

    /// The window with its constants.
    fn window(
        &mut self,
        name: &str,
        name_span: Span,
        args: &BTreeMap<&'static str, &Ast>,
    ) -> Bound<Window> {
        let constant = |binder: &mut Self, parameter: &str| match args.get(parameter) {
            Some(ast) => binder.interval_ms(name, ast).map(|ms| (ms, binder.span(ast))),
            None => Err(binder.missing(name, parameter, name_span)),
        };
        let parts = match name {
            "TUMBLE" => (constant(self, "SIZE"), None),
            "HOP" => (constant(self, "SIZE"), Some(constant(self, "SLIDE"))),
            "CUMULATE" => (constant(self, "SIZE"), Some(constant(self, "STEP"))),
            _ => (constant(self, "GAP"), None),
        };
        let offset_ms = match args.get("OFFSET") {
            Some(ast) => self.interval_ms(name, ast)?,
            None => 0,
        };
        let (size, size_span) = parts.0?;
        let second = parts.1.transpose()?;
        self.window_of(name, (size, size_span), second, offset_ms)
    }

    /// Checks the sizes against each other.
    fn window_of(
        &mut self,
        name: &str,
        (size_ms, size_span): (i64, Span),
        second: Option<(i64, Span)>,
        offset_ms: i64,
    ) -> Bound<Window> {
        for (ms, span) in std::iter::once((size_ms, size_span)).chain(second) {
            if ms <= 0 {
                let message = format!("an interval of {name} is not positive");
                return Err(self.error(codes::WINDOW_ARGUMENTS, span, message));
            }
        }
        let Some((part_ms, _)) = second else {
            return Ok(match name {
                "SESSION" => Window::Session { gap_ms: size_ms },
                _ => Window::Tumble { size_ms, offset_ms: offset_ms % size_ms },
            });
        };
        if size_ms % part_ms != 0 {
            let word = if name == "HOP" { "slide" } else { "step" };
            let (size, part) = (duration_text(size_ms), duration_text(part_ms));
            let message =
                format!("the size of {name} ({size}) is no multiple of its {word} ({part})");
            let help = match part_ms > size_ms {
                true => format!("the {word} comes before the size: {}", usage(name)),
                false => format!("choose a {word} that divides the size"),
            };
            return Err(self.error_help(codes::WINDOW_ARGUMENTS, size_span, message, help));
        }
        Ok(match name {
            "HOP" => Window::Hop { size_ms, slide_ms: part_ms, offset_ms: offset_ms % part_ms },
            _ => Window::Cumulate { size_ms, step_ms: part_ms, offset_ms: offset_ms % size_ms },
        })
    }

    /// A constant interval in ms.
    fn interval_ms(&mut self, name: &str, ast: &Ast) -> Bound<i64> {
        let expr = self.expression(&mut Scope::empty("a window function"), ast)?;
        match (&expr.kind, &expr.ty.sql) {
            (ExprKind::Literal(Value::Millis(ms)), _) => Ok(*ms),
            (_, SqlType::IntervalYearMonth) => {
                let message = format!("{name} by months or years");
                let help = "months differ in length: use days";
                Err(self.error_help(codes::WINDOW_ARGUMENTS, self.span(ast), message, help))
            }
            _ => {
                let message = format!("{name} needs a constant interval here");
                let help = "write for example INTERVAL '10' MINUTE";
                Err(self.error_help(codes::WINDOW_ARGUMENTS, self.span(ast), message, help))
            }
        }
    }

    /// `TUMBLE(ts, INTERVAL …)` in GROUP BY with its rowtime column; `None` if it is
    /// something else.
    pub(super) fn legacy_window(
        &mut self,
        scope: &mut Scope,
        ast: &Ast,
    ) -> Bound<Option<(Window, usize)>> {
        let Ast::Function(function) = ast else { return Ok(None) };
        let name = function.name.to_string().to_ascii_uppercase();
        if !super::function::WINDOW_FUNCTIONS.contains(&name.as_str()) {
            return Ok(None);
        }
        if self.in_assert() {
            return Err(self.timeless(&name, self.span(ast)));
        }
        self.legacy_call(scope, &name, function, self.span(ast)).map(Some)
    }

    fn legacy_call(
        &mut self,
        scope: &Scope,
        name: &str,
        function: &Function,
        span: Span,
    ) -> Bound<(Window, usize)> {
        let args = arguments(&function.args);
        let wanted = if name == "HOP" { 3 } else { 2 };
        if name == "CUMULATE" || args.len() != wanted {
            let message = format!("{name} in GROUP BY does not take {} arguments", args.len());
            let help = match name {
                "CUMULATE" => "write FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), step, size))",
                "HOP" => "write HOP(ts, slide, size)",
                _ => "write it with the event time column and an interval",
            };
            return Err(self.error_help(codes::WINDOW_ARGUMENTS, span, message, help));
        }
        let column = match args.first() {
            Some(Ast::Identifier(ident)) => Some(ident),
            Some(Ast::CompoundIdentifier(parts)) => parts.last(),
            _ => None,
        };
        let Some(column) = column else {
            let message = format!("the first argument of {name} is not a column");
            let help = "name the event time column";
            return Err(self.error_help(codes::WINDOW_ARGUMENTS, span, message, help));
        };
        let rowtime = self.column(scope, column)?;
        self.check_rowtime(scope, rowtime, self.ident_span(column))?;
        let sizes: Vec<(i64, Span)> = args
            .iter()
            .skip(1)
            .map(|arg| self.interval_ms(name, arg).map(|ms| (ms, self.span(arg))))
            .collect::<Bound<_>>()?;
        let window = match sizes.as_slice() {
            [slide, size] => self.window_of(name, *size, Some(*slide), 0)?,
            [size] => self.window_of(name, *size, None, 0)?,
            _ => return Err(Reported),
        };
        Ok((window, rowtime))
    }

    /// `TUMBLE_START(…)` and its kind: a column of the window of GROUP BY.
    pub(super) fn auxiliary(
        &mut self,
        scope: &mut Scope,
        function: &Function,
        name: &str,
        span: Span,
    ) -> Bound<Option<anabranch_engine::expr::Expr>> {
        let Some((window, part)) = name.split_once('_') else { return Ok(None) };
        let which = match part {
            "START" => 0,
            "END" => 1,
            "ROWTIME" => 2,
            "PROCTIME" => 3,
            _ => return Ok(None),
        };
        if !["HOP", "SESSION", "TUMBLE"].contains(&window) {
            return Ok(None);
        }
        if which == 3 {
            let message = format!("{name}: windows over processing time are not supported");
            let help = format!("use {window}_ROWTIME and an event time");
            return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
        }
        let legacy = scope.group.as_ref().and_then(|group| group.legacy);
        let Some(legacy) = legacy else {
            let message = format!("{name} without {window} in GROUP BY");
            let help = format!("add GROUP BY {window}(ts, …), or use window_start and window_end");
            return Err(self.error_help(codes::WINDOW_ARGUMENTS, span, message, help));
        };
        let call = self.legacy_call(scope, window, function, span)?;
        if call != legacy {
            let message = format!("{name} is of another window than GROUP BY");
            let help = "repeat the arguments of the window in GROUP BY";
            return Err(self.error_help(codes::WINDOW_ARGUMENTS, span, message, help));
        }
        Ok(scope.group.as_ref().map(|group| group.window_column(which).at(span)))
    }
}

/// The expressions among the arguments.
fn arguments(args: &FunctionArguments) -> Vec<&Ast> {
    match args {
        FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses,
        }) if clauses.is_empty() => {
            let plain = args.iter().filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            });
            plain.collect()
        }
        _ => Vec::new(),
    }
}

/// How a window function is written.
fn usage(name: &str) -> &'static str {
    match name {
        "TUMBLE" => "TUMBLE(TABLE t, DESCRIPTOR(ts), size [, offset])",
        "HOP" => "HOP(TABLE t, DESCRIPTOR(ts), slide, size [, offset])",
        "CUMULATE" => "CUMULATE(TABLE t, DESCRIPTOR(ts), step, size [, offset])",
        _ => "SESSION(TABLE t PARTITION BY key, DESCRIPTOR(ts), gap)",
    }
}
