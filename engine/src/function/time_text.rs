//! Dates and times to text by patterns, and back.

use super::datetime::{as_stored, moments};
use super::kernel::{
    Argument, CallInput, Cells, Failure, Kernel, RowResult, fail, primitive_rows, text_rows,
};
use super::registry::{Family, Function, PrepareInput, RuleInput};
use super::time_pattern::{Dialect, TimePattern};
use super::typing::Ruled;
use crate::expr::cast_time::moment_rows;
use crate::expr::{ErrorKind, Evaluated};
use crate::types::datetime::DateTime;
use crate::types::datetime::sql::{parse_date, parse_timestamp};
use crate::types::{SqlType, Value};
use arrow_array::StringArray;
use arrow_array::types::Int64Type;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The pattern where none is given.
const STANDARD: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::DateTime,
        "DATE_FORMAT",
        &["DATE_FORMAT(TIMESTAMP | TIMESTAMP_LTZ | STRING, STRING)"],
        "The time by a pattern such as 'yyyy-MM-dd HH:mm'.",
        format_rule,
        |input| date_format(input, &Patterns::of(input, 1, Dialect::Formatter)),
    )
    .prepared(|input| prepare(input, 1, Dialect::Formatter, date_format)),
    Function::new(
        Family::DateTime,
        "TO_DATE",
        &["TO_DATE(STRING[, STRING])"],
        "The date that the text is, by a pattern if one is given; NULL if it is none.",
        |input| parse_rule(input, SqlType::Date),
        |input| to_date(input, &Patterns::of(input, 1, Dialect::Simple)),
    )
    .prepared(|input| prepare(input, 1, Dialect::Simple, to_date)),
    Function::new(
        Family::DateTime,
        "TO_TIMESTAMP",
        &["TO_TIMESTAMP(STRING[, STRING])"],
        "The time that the text is, by a pattern if one is given; NULL if it is none.",
        |input| parse_rule(input, SqlType::Timestamp(3)),
        |input| to_timestamp(input, &Patterns::of(input, 1, Dialect::Formatter)),
    )
    .prepared(|input| prepare(input, 1, Dialect::Formatter, to_timestamp)),
    Function::new(
        Family::DateTime,
        "FROM_UNIXTIME",
        &["FROM_UNIXTIME(BIGINT[, STRING])"],
        "The text of a time in seconds since 1970, as the local zone's clock shows it.",
        from_unixtime_rule,
        |input| from_unixtime(input, &Patterns::of(input, 1, Dialect::Simple)),
    )
    .prepared(|input| prepare(input, 1, Dialect::Simple, from_unixtime))
    .zoned(),
    Function::new(
        Family::DateTime,
        "UNIX_TIMESTAMP",
        &["UNIX_TIMESTAMP(STRING[, STRING])"],
        "The seconds since 1970 at a local time; the smallest BIGINT for a text that is none.",
        |input| {
            let mut typed = parse_rule(input, SqlType::BigInt)?;
            typed.result.nullable = input.any_nullable();
            Ok(typed)
        },
        |input| unix_timestamp(input, &Patterns::of(input, 1, Dialect::Simple)),
    )
    .prepared(|input| prepare(input, 1, Dialect::Simple, unix_timestamp))
    .zoned(),
];

/// Where the pattern of a row comes from.
pub(super) enum Patterns<'a> {
    /// It is the same for all rows.
    One(&'a TimePattern),
    /// There is none.
    None,
    /// Each row brings its own; equal ones are read once a batch.
    Each(BTreeMap<&'a str, Result<TimePattern, String>>, Cells<&'a StringArray>),
}

impl<'a> Patterns<'a> {
    pub(super) fn of(input: &CallInput<'a>, index: usize, dialect: Dialect) -> Patterns<'a> {
        let Some(arg) = input.args.get(index) else { return Patterns::None };
        let texts = Argument::texts(arg);
        let mut known = BTreeMap::new();
        for row in 0..input.rows {
            if let Some(text) = texts.get(row) {
                known.entry(text).or_insert_with(|| TimePattern::parse(text, dialect));
            }
        }
        Patterns::Each(known, texts)
    }

    /// The pattern of a row; `standard` if the call has none, `None` if it is NULL.
    pub(super) fn get<'b>(
        &'b self,
        row: usize,
        standard: &'b TimePattern,
    ) -> RowResult<&'b TimePattern> {
        match self {
            Patterns::One(pattern) => Ok(Some(pattern)),
            Patterns::None => Ok(Some(standard)),
            Patterns::Each(known, texts) => match texts.get(row).and_then(|text| known.get(text)) {
                None => Ok(None),
                Some(Ok(pattern)) => Ok(Some(pattern)),
                Some(Err(detail)) => {
                    Err(Failure { kind: ErrorKind::InvalidArgument, detail: detail.clone() })
                }
            },
        }
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Patterns::None)
    }
}

/// What a kernel computes once the pattern is known.
pub(super) type Operation = fn(&CallInput<'_>, &Patterns<'_>) -> Evaluated;

/// A kernel whose pattern is the same for all rows.
#[derive(Debug)]
struct Prepared {
    pattern: TimePattern,
    operation: Operation,
}

impl Kernel for Prepared {
    fn evaluate(&self, input: &CallInput<'_>) -> Evaluated {
        (self.operation)(input, &Patterns::One(&self.pattern))
    }
}

pub(super) fn prepare(
    input: &PrepareInput<'_>,
    index: usize,
    dialect: Dialect,
    operation: Operation,
) -> Result<Option<Box<dyn Kernel>>, String> {
    match input.constants.get(index) {
        Some(Some(Value::Text(pattern))) => {
            let pattern = TimePattern::parse(pattern, dialect)?;
            Ok(Some(Box::new(Prepared { pattern, operation })))
        }
        _ => Ok(None),
    }
}

pub(super) fn standard() -> TimePattern {
    TimePattern::parse(STANDARD, Dialect::Simple).expect("the standard pattern is one")
}

fn format_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 2)?;
    let time = match input.sql(0) {
        SqlType::Null => SqlType::Timestamp(3),
        ty if ty.is_timestamp() || ty.is_text() => ty.clone(),
        _ => return Err(input.wrong(0, "a TIMESTAMP, TIMESTAMP_LTZ or STRING")),
    };
    let mut typed = input.typed(vec![time, input.text(1)?], SqlType::STRING);
    typed.result.nullable = true;
    Ok(typed)
}

fn date_format(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let standard = standard();
    let print = |row: usize, moment: Option<DateTime>| -> RowResult<Cow<'_, str>> {
        let (Some(moment), Some(pattern)) = (moment, patterns.get(row, &standard)?) else {
            return Ok(None);
        };
        if pattern.has_zone() {
            return fail(ErrorKind::InvalidArgument, "the pattern asks for a zone, there is none");
        }
        let mut text = String::new();
        pattern.write(moment, &mut text);
        Ok(Some(Cow::Owned(text)))
    };
    if input.arg_type(0).is_text() {
        // A text is first read by the standard pattern.
        let texts = input.args[0].texts();
        return text_rows(input.rows, |row| {
            let moment = texts.get(row).and_then(|text| standard.read(text));
            print(row, moment.map(|(moment, _)| moment))
        });
    }
    let read = moments(input, 0);
    text_rows(input.rows, |row| print(row, read(row)))
}

fn parse_rule(input: &RuleInput<'_>, result: SqlType) -> Ruled {
    input.count(1, 2)?;
    let args = super::text::texts(input, 0)?;
    let mut typed = input.typed(args, result);
    typed.result.nullable = true;
    Ok(typed)
}

fn to_date(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let standard = standard();
    let texts = input.args[0].texts();
    moment_rows(input.rows, &SqlType::Date, |row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        if patterns.is_none() {
            return Ok(parse_date(text).map(i64::from));
        }
        let Some(pattern) = patterns.get(row, &standard)? else { return Ok(None) };
        let moment = pattern.read(text).map(|(moment, _)| moment);
        Ok(moment.and_then(|moment| as_stored(moment, &SqlType::Date, input.zone)))
    })
}

/// The wall clock time of a text; where the pattern does not fit, the SQL form may.
pub(super) fn read_local(
    text: &str,
    pattern: Option<&TimePattern>,
) -> Option<(DateTime, Option<i64>)> {
    let Some(pattern) = pattern else {
        return parse_timestamp(text).map(|moment| (moment, None));
    };
    if pattern.has_week_year() {
        // Such a year alone makes no date, whatever the text.
        return None;
    }
    pattern.read(text).or_else(|| parse_timestamp(text.trim()).map(|moment| (moment, None)))
}

fn to_timestamp(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let standard = standard();
    let texts = input.args[0].texts();
    let ty = &input.result.sql;
    moment_rows(input.rows, ty, |row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let pattern = match patterns.get(row, &standard)? {
            Some(pattern) => (!patterns.is_none()).then_some(pattern),
            None => return Ok(None),
        };
        // As in Flink an offset in the text is read over: the type has no zone.
        let moment = read_local(text, pattern).map(|(moment, _)| moment);
        Ok(moment.and_then(|moment| as_stored(moment, ty, input.zone)))
    })
}

fn from_unixtime_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 2)?;
    let mut args = vec![input.bigint(0)?];
    if input.args.len() == 2 {
        args.push(input.text(1)?);
    }
    let mut typed = input.typed(args, SqlType::STRING);
    typed.result.nullable = true;
    Ok(typed)
}

fn from_unixtime(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let standard = standard();
    let seconds = input.args[0].primitives::<Int64Type>();
    // Beyond this no calendar has years that a person reads.
    const LIMIT: i64 = 1 << 50;
    text_rows(input.rows, |row| {
        let (Some(seconds), Some(pattern)) = (seconds.get(row), patterns.get(row, &standard)?)
        else {
            return Ok(None);
        };
        if pattern.has_zone() {
            return fail(ErrorKind::InvalidArgument, "the pattern asks for a zone");
        }
        if !(-LIMIT..=LIMIT).contains(&seconds) {
            return fail(ErrorKind::InvalidArgument, format!("{seconds} is no time in seconds"));
        }
        let mut text = String::new();
        pattern.write(DateTime { seconds, nanos: 0 }.to_local(input.zone), &mut text);
        Ok(Some(Cow::Owned(text)))
    })
}

fn unix_timestamp(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let standard = standard();
    let texts = input.args[0].texts();
    primitive_rows::<Int64Type>(input.rows, &SqlType::BigInt, |row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row, &standard)?) else {
            return Ok(None);
        };
        match pattern.read(text) {
            Some((moment, Some(offset))) => Ok(Some(moment.seconds - offset)),
            Some((moment, None)) => Ok(Some(moment.to_instant(input.zone).seconds)),
            // Flink's answer to a text that is no time.
            None => Ok(Some(i64::MIN)),
        }
    })
}
