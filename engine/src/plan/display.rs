//! A plan as compact text for people: one line for each node, its inputs above it.

use super::{AggregateCall, Calc, ChangelogMode, Class, Node, NodeKind, Plan, SideKind, Window};
use crate::expr::{CastMode, ContextValue, Expr, ExprKind};
use crate::types::{DataType, Schema, SqlType, TimeUnit, Value};
use std::fmt::Write;

/// The plan as text: a line for each node with its number, name, inputs, work and
/// columns.
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    for node in &plan.nodes {
        let inputs: Vec<String> = node.inputs.iter().map(|id| format!("#{id}")).collect();
        let _ = write!(out, "#{} {}", node.id, node.name);
        if !inputs.is_empty() {
            let _ = write!(out, " <- {}", inputs.join(", "));
        }
        let _ = write!(out, ": {}", kind_text(plan, node));
        let _ = write!(out, "\n    => {}", schema_text(&node.schema, node.time_attribute));
        if node.changelog == ChangelogMode::Updating {
            out.push_str(" updating");
        }
        match node.class {
            Class::Content => {}
            Class::Journal => out.push_str(" [journal]"),
            Class::Arrival => out.push_str(" [arrival]"),
        }
        out.push('\n');
    }
    out
}

/// What a node does.
fn kind_text(plan: &Plan, node: &Node) -> String {
    let input = |port: usize| node.inputs.get(port).map(|id| &plan.node(*id).schema);
    let empty = Schema::default();
    match &node.kind {
        NodeKind::Scan(scan) => {
            let mut text = format!("Scan {}", plan.table(scan.table).name);
            if let Some(watermark) = &scan.watermark {
                let _ = write!(text, " watermark {}", expr_text(watermark, &node.schema));
            }
            text
        }
        NodeKind::SideScan(side) => {
            let kind = match side.kind {
                SideKind::Dead => "dead",
                SideKind::Late => "late",
            };
            format!("SideScan {}${kind}", plan.table(side.table).name)
        }
        NodeKind::Values(values) => {
            let rows: Vec<String> =
                values.rows.iter().map(|row| row_text(row, &node.schema)).collect();
            format!("Values {}", rows.join(", "))
        }
        NodeKind::Calc(calc) => calc_text(calc, input(0).unwrap_or(&empty)),
        NodeKind::Union => "Union".to_owned(),
        NodeKind::WindowAssign(assign) => {
            let schema = input(0).unwrap_or(&empty);
            let mut text =
                format!("WindowAssign {} on {}", assign.window, name(schema, assign.rowtime));
            if !assign.partition.is_empty() {
                let _ = write!(text, " by {}", names(schema, &assign.partition));
            }
            text
        }
        NodeKind::WindowAggregate(aggregate) => {
            let schema = input(0).unwrap_or(&empty);
            let calls: Vec<String> =
                aggregate.aggregates.iter().map(|call| call_text(call, schema)).collect();
            let mut text = format!(
                "WindowAggregate {} on {} by [{}]: {}",
                aggregate.window,
                name(schema, aggregate.rowtime),
                names(schema, &aggregate.keys),
                calls.join(", ")
            );
            if aggregate.allowed_lateness_ms != 0 {
                let _ = write!(text, " lateness {}", duration_text(aggregate.allowed_lateness_ms));
            }
            text
        }
        NodeKind::Sink(sink) => format!("Sink {}", plan.table(sink.table).name),
    }
}

/// Filter and projections of a Calc; columns that only pass stand by their name.
fn calc_text(calc: &Calc, input: &Schema) -> String {
    let mut text = String::from("Calc");
    if let Some(filter) = &calc.filter {
        let _ = write!(text, " where {}", expr_text(filter, input));
    }
    let parts: Vec<String> =
        calc.projections.iter().map(|projection| expr_text(&projection.expr, input)).collect();
    let _ = write!(text, " [{}]", parts.join(", "));
    text
}

/// One aggregate with its columns.
fn call_text(call: &AggregateCall, input: &Schema) -> String {
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let args = if call.args.is_empty() { "*".to_owned() } else { names(input, &call.args) };
    let filter = match call.filter {
        Some(column) => format!(" FILTER {}", name(input, column)),
        None => String::new(),
    };
    format!("{}({distinct}{args}){filter}", call.function.name)
}

/// An expression in SQL-like text over the columns of `input`.
#[must_use]
pub fn expr_text(expr: &Expr, input: &Schema) -> String {
    let join = |parts: &[Expr], between: &str| {
        let texts: Vec<String> = parts.iter().map(|part| expr_text(part, input)).collect();
        texts.join(between)
    };
    match &expr.kind {
        ExprKind::And(parts) => format!("({})", join(parts, " AND ")),
        ExprKind::Or(parts) => format!("({})", join(parts, " OR ")),
        ExprKind::Coalesce(parts) => format!("COALESCE({})", join(parts, ", ")),
        ExprKind::Call { function, args } => call_expr_text(&function.name, args, input),
        ExprKind::Case { branches, otherwise } => {
            let mut text = String::from("CASE");
            for (condition, value) in branches {
                let _ = write!(text, " WHEN {}", expr_text(condition, input));
                let _ = write!(text, " THEN {}", expr_text(value, input));
            }
            if let Some(otherwise) = otherwise {
                let _ = write!(text, " ELSE {}", expr_text(otherwise, input));
            }
            text + " END"
        }
        ExprKind::Cast { input: inner, mode } => {
            let word = match mode {
                CastMode::Strict => "CAST",
                CastMode::Try => "TRY_CAST",
            };
            format!("{word}({} AS {})", expr_text(inner, input), expr.ty)
        }
        ExprKind::Column(index) => name(input, *index),
        ExprKind::Context(ContextValue::CurrentWatermark) => "CURRENT_WATERMARK".to_owned(),
        ExprKind::Context(ContextValue::Tick) => "TICK".to_owned(),
        ExprKind::Element { array, index } => {
            format!("{}[{}]", expr_text(array, input), expr_text(index, input))
        }
        ExprKind::Field { input: inner, index } => {
            let field = match &inner.ty.sql {
                SqlType::Row(fields) => fields.get(*index).map(|field| field.name.clone()),
                _ => None,
            };
            format!("{}.{}", expr_text(inner, input), field.unwrap_or_else(|| index.to_string()))
        }
        ExprKind::Literal(value) => value_text(value, &expr.ty),
    }
}

/// A call: operators between their arguments, functions before them.
fn call_expr_text(function: &str, args: &[Expr], input: &Schema) -> String {
    let texts: Vec<String> = args.iter().map(|arg| expr_text(arg, input)).collect();
    match (function, texts.as_slice()) {
        ("NEGATE", [arg]) => format!("-({arg})"),
        ("NOT", [arg]) => format!("NOT {arg}"),
        (_, [arg]) if function.starts_with("IS ") => format!("{arg} {function}"),
        (_, [left, right]) if is_operator(function) => format!("({left} {function} {right})"),
        _ => format!("{function}({})", texts.join(", ")),
    }
}

/// Whether the function is written between its arguments.
fn is_operator(function: &str) -> bool {
    matches!(
        function,
        "+" | "-"
            | "*"
            | "/"
            | "%"
            | "="
            | "<>"
            | "<"
            | "<="
            | ">"
            | ">="
            | "||"
            | "LIKE"
            | "IS DISTINCT FROM"
    )
}

fn name(schema: &Schema, index: usize) -> String {
    schema.fields.get(index).map_or_else(|| format!("?{index}"), |field| field.name.clone())
}

fn names(schema: &Schema, indices: &[usize]) -> String {
    let names: Vec<String> = indices.iter().map(|index| name(schema, *index)).collect();
    names.join(", ")
}

/// The columns with their types; a star marks the time attribute.
fn schema_text(schema: &Schema, time_attribute: Option<usize>) -> String {
    let columns: Vec<String> = schema
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let star = if time_attribute == Some(index) { "*" } else { "" };
            format!("{}{star} {}", field.name, field.ty)
        })
        .collect();
    format!("({})", columns.join(", "))
}

fn row_text(row: &[Value], schema: &Schema) -> String {
    let values: Vec<String> =
        row.iter().zip(&schema.fields).map(|(value, field)| value_text(value, &field.ty)).collect();
    format!("({})", values.join(", "))
}

/// A constant as SQL writes it, as far as it has a short form.
fn value_text(value: &Value, ty: &DataType) -> String {
    match (value, &ty.sql) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Boolean(value), _) => value.to_string().to_uppercase(),
        (Value::Int(value), SqlType::Int) => value.to_string(),
        (Value::Int(value), _) => format!("{value}:{}", ty.sql),
        (Value::Float(value), _) => format!("{value:e}:FLOAT"),
        (Value::Double(value), _) => format!("{value:e}"),
        (Value::Decimal(value), SqlType::Decimal { scale, .. }) => decimal_text(*value, *scale),
        (Value::Text(text), _) => format!("'{}'", text.replace('\'', "''")),
        (Value::Timestamp(value), SqlType::Timestamp(p) | SqlType::TimestampLtz(p)) => {
            let per_second = TimeUnit::of_precision(*p).per_second();
            format!("{}:{}", timestamp_text(*value, per_second), ty.sql)
        }
        (Value::Millis(value), _) => format!("INTERVAL {}", duration_text(*value)),
        (Value::Months(value), _) => format!("INTERVAL {value} months"),
        (other, _) => format!("{other:?}"),
    }
}

/// Milliseconds in the largest unit that needs no fraction.
#[must_use]
pub fn duration_text(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.iter().find(|(size, _)| ms != 0 && ms % size == 0) {
        Some((size, unit)) => format!("{} {unit}", ms / size),
        None => format!("{ms} ms"),
    }
}

fn decimal_text(value: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}.") } else { format!("{sign}{whole}.{fraction}") }
}

fn timestamp_text(value: i64, per_second: i64) -> String {
    let seconds = value.div_euclid(per_second);
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    match chrono::DateTime::from_timestamp(seconds, nanos as u32) {
        Some(time) => time.naive_utc().format("%Y-%m-%d %H:%M:%S%.f").to_string(),
        None => value.to_string(),
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let offset = |ms: i64| match ms {
            0 => String::new(),
            ms => format!(", offset {}", duration_text(ms)),
        };
        match *self {
            Window::Cumulate { size_ms, step_ms, offset_ms } => write!(
                f,
                "CUMULATE(size {}, step {}{})",
                duration_text(size_ms),
                duration_text(step_ms),
                offset(offset_ms)
            ),
            Window::Hop { size_ms, slide_ms, offset_ms } => write!(
                f,
                "HOP(size {}, slide {}{})",
                duration_text(size_ms),
                duration_text(slide_ms),
                offset(offset_ms)
            ),
            Window::Session { gap_ms } => write!(f, "SESSION(gap {})", duration_text(gap_ms)),
            Window::Tumble { size_ms, offset_ms } => {
                write!(f, "TUMBLE(size {}{})", duration_text(size_ms), offset(offset_ms))
            }
        }
    }
}
