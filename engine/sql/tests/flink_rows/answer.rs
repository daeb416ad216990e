//! What an expression comes to here, in the words of Flink's rows.

use anabranch_engine::expr::{CompiledExpr, Expr, ExprKind, flink_row_text};
use anabranch_engine::plan::{NodeKind, Plan};
use anabranch_engine::types::{DataType, SqlType, Value};
use anabranch_sql::{BuiltinConnectors, compile};
use chrono_tz::Tz;
use std::collections::BTreeSet;

/// What an expression gave, here or in Flink.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// The planner refused it; with our code and message.
    Refused(String),
    /// It failed when it ran; with our reason.
    Failed(String),
    /// A value of a type, both as Flink prints them.
    Value { ty: String, text: String },
}

impl Answer {
    /// The answer of a row.
    pub(crate) fn of_row(ty: &str, text: &str) -> Answer {
        if text.starts_with("REFUSED:") {
            return Answer::Refused(text.to_owned());
        }
        if text.starts_with("ERROR:") {
            return Answer::Failed(text.to_owned());
        }
        Answer::Value { ty: ty.to_owned(), text: text.to_owned() }
    }

    /// The value of a type.
    pub(crate) fn of_value(value: &Value, ty: &DataType) -> Answer {
        Answer::Value { ty: flink_type(ty), text: flink_row_text(value, &ty.sql) }
    }

    /// The answer as the table of differences has it. The type is shown if it is not
    /// the `other`'s.
    pub(crate) fn text_beside(&self, other: &Answer) -> String {
        match (self, other) {
            (Answer::Refused(text) | Answer::Failed(text), _) => text.clone(),
            (Answer::Value { ty, text }, Answer::Value { ty: theirs, .. }) if ty == theirs => {
                text.clone()
            }
            (Answer::Value { ty, text }, _) => format!("{text} :: {ty}"),
        }
    }

    /// Whether both say the same. Texts of errors are each engine's own, and floating
    /// numbers compare as numbers, since Java does not always print the shortest text.
    pub(crate) fn agrees(&self, flink: &Answer) -> bool {
        match (self, flink) {
            (Answer::Refused(_), Answer::Refused(_)) | (Answer::Failed(_), Answer::Failed(_)) => {
                true
            }
            (Answer::Value { ty, text }, Answer::Value { ty: flink_ty, text: flink_text }) => {
                ty == flink_ty && (text == flink_text || same_number(ty, text, flink_text))
            }
            _ => false,
        }
    }
}

/// Whether two texts are one FLOAT or one DOUBLE; 0.0 and -0.0 are two.
fn same_number(ty: &str, left: &str, right: &str) -> bool {
    let java = |text: &str| text.replace("Infinity", "inf");
    if ty.starts_with("FLOAT") {
        let read = |text: &str| java(text).parse::<f32>().ok().map(f32::to_bits);
        return read(left).is_some() && read(left) == read(right);
    }
    let read = |text: &str| java(text).parse::<f64>().ok().map(f64::to_bits);
    ty.starts_with("DOUBLE") && read(left).is_some() && read(left) == read(right)
}

/// The type as Flink's rows print it.
pub(crate) fn flink_type(ty: &DataType) -> String {
    let sql = match &ty.sql {
        SqlType::VarChar(length) => format!("VARCHAR({length})"),
        SqlType::VarBinary(length) => format!("VARBINARY({length})"),
        SqlType::TimestampLtz(precision) => {
            format!("TIMESTAMP({precision}) WITH LOCAL TIME ZONE")
        }
        SqlType::IntervalDayTime => "INTERVAL SECOND(3)".to_owned(),
        SqlType::IntervalYearMonth => "INTERVAL MONTH".to_owned(),
        other => other.to_string(),
    };
    format!("{sql}{}", if ty.nullable { "" } else { " NOT NULL" })
}

/// What `SELECT expression` gives, and what it is made of: see [`parts_of`].
pub(crate) fn of_expression(expression: &str) -> (Answer, BTreeSet<String>) {
    let compiled = compile(&format!("SELECT {expression}"), &BuiltinConnectors);
    let Some(plan) = compiled.plan else {
        let first = compiled.diagnostics.first().expect("there is a plan or an error");
        let refused = format!("REFUSED:{} {}", first.code, first.message);
        return (Answer::Refused(refused), BTreeSet::new());
    };
    match only_column(&plan) {
        Column::Constant(value, ty) => (Answer::of_value(&value, &ty), BTreeSet::new()),
        Column::Computed(expr) => {
            let computed = CompiledExpr::compile(&expr).expect("the binder compiled it before");
            let answer = match computed.constant(Tz::UTC) {
                Ok(value) => Answer::of_value(&value, &expr.ty),
                Err(error) => {
                    Answer::Failed(format!("ERROR:{}: {}", error.kind.name(), error.detail))
                }
            };
            (answer, parts_of(&expr))
        }
    }
}

/// The functions and operators of an expression, and the cast at its root, such as
/// `CAST INT AS BIGINT`.
fn parts_of(expr: &Expr) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    if let ExprKind::Cast { input, mode: _ } = &expr.kind {
        parts.insert(format!("CAST {} AS {}", kind_of(&input.ty.sql), kind_of(&expr.ty.sql)));
    }
    let mut rest = vec![expr];
    while let Some(expr) = rest.pop() {
        match &expr.kind {
            ExprKind::And(_) => parts.insert("AND".to_owned()),
            ExprKind::Or(_) => parts.insert("OR".to_owned()),
            ExprKind::Case { .. } => parts.insert("CASE".to_owned()),
            ExprKind::Coalesce(_) => parts.insert("COALESCE".to_owned()),
            ExprKind::Call { function, args: _ } => parts.insert(function.name.clone()),
            _ => false,
        };
        rest.extend(expr.children());
    }
    parts
}

/// The name of a type without its length, precision and scale.
pub(crate) fn kind_of(ty: &SqlType) -> String {
    let name = match ty {
        SqlType::VarChar(_) => "VARCHAR".to_owned(),
        SqlType::VarBinary(_) => "VARBINARY".to_owned(),
        other => other.to_string(),
    };
    name.split('(').next().unwrap_or_default().to_owned()
}

enum Column {
    Constant(Value, DataType),
    Computed(Expr),
}

/// What the only sink of the plan gets for its first column.
fn only_column(plan: &Plan) -> Column {
    let last = plan.nodes.iter().rev().find_map(|node| match &node.kind {
        NodeKind::Values(values) => {
            let ty = node.schema.fields[0].ty.clone();
            Some(Column::Constant(values.rows[0][0].clone(), ty))
        }
        NodeKind::Calc(calc) => Some(Column::Computed(calc.projections[0].expr.clone())),
        _ => None,
    });
    last.expect("a SELECT without FROM is rows of constants or a computation")
}
