//! Times moved by spans, and the spans between times.

use super::datetime::{as_stored, constant_unit, is_temporal, literal_unit, no_unit};
use super::kernel::{CallInput, RowResult, fail, primitive_rows};
use super::registry::{Family, Function, RuleInput};
use super::typing::{Ruled, common_pair};
use super::unit::{self, Unit};
use crate::expr::cast_time::{moment_rows, reader};
use crate::expr::{ErrorKind, Evaluated};
use crate::types::SqlType;
use crate::types::datetime::DateTime;
use crate::types::datetime::sql::write_timestamp;
use arrow_array::types::{DurationMillisecondType, Int32Type, Int64Type, IntervalYearMonthType};
use chrono_tz::Tz;

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::DateTime,
        "TIMESTAMPADD",
        &["TIMESTAMPADD(unit, BIGINT, DATE | TIME | TIMESTAMP | TIMESTAMP_LTZ)"],
        "The time so many units later.",
        add_rule,
        timestamp_add,
    ),
    Function::new(
        Family::DateTime,
        "TIMESTAMPDIFF",
        &["TIMESTAMPDIFF(unit, TIMESTAMP, TIMESTAMP)"],
        "How many whole units lie between the first time and the second.",
        difference_rule,
        difference,
    ),
];

/// The moments of an argument without regard to zones: spans move instants along
/// the UTC line, as in Flink.
fn moments<'a>(
    input: &CallInput<'a>,
    index: usize,
) -> impl Fn(usize) -> Option<DateTime> + use<'a> {
    let arg = &input.args[index];
    let read = reader(&arg.array, input.arg_type(index));
    move |row| read(if arg.constant { 0 } else { row })
}

fn out_of_range<T>(moment: DateTime, what: &str) -> RowResult<T> {
    let mut text = String::new();
    write_timestamp(moment, 3, &mut text);
    fail(ErrorKind::Overflow, format!("{text} {what} is out of range"))
}

fn add_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(3, 3)?;
    let unit = literal_unit(input, 0)?;
    if unit.nanos().is_none() && unit.months().is_none() || unit < Unit::Millisecond {
        return Err(format!("{unit:?} is no unit to add"));
    }
    let small = unit < Unit::Day;
    let ty = match input.sql(2) {
        SqlType::Null => SqlType::Timestamp(3),
        SqlType::Date | SqlType::Time(_) if unit == Unit::Millisecond => {
            return Err(format!("a {} has no milliseconds", input.sql(2)));
        }
        ty if is_temporal(ty) => ty.clone(),
        _ => return Err(input.wrong(2, "a date or time")),
    };
    let result = match &ty {
        SqlType::Date if small => SqlType::Timestamp(6),
        SqlType::Timestamp(p) if unit == Unit::Millisecond => SqlType::Timestamp((*p).max(3)),
        SqlType::TimestampLtz(p) if unit == Unit::Millisecond => SqlType::TimestampLtz((*p).max(3)),
        other => other.clone(),
    };
    Ok(input.typed(vec![input.sql(0).clone(), input.bigint(1)?, ty], result))
}

fn timestamp_add(input: &CallInput<'_>) -> Evaluated {
    let Some(unit) = constant_unit(input, 0) else { return no_unit(input) };
    let counts = input.args[1].primitives::<Int64Type>();
    let read = moments(input, 2);
    let ty = &input.result.sql;
    moment_rows(input.rows, ty, |row| {
        let (Some(count), Some(moment)) = (counts.get(row), read(row)) else { return Ok(None) };
        let moved = match (unit.months(), unit.nanos()) {
            (Some(months), _) => {
                count.checked_mul(months).and_then(|months| plus_months(moment, months, ty))
            }
            (_, Some(nanos)) => unit::plus_nanos(moment, i128::from(count) * i128::from(nanos)),
            _ => None,
        };
        match moved.and_then(|moved| as_stored(moved, ty, Tz::UTC)) {
            Some(stored) => Ok(Some(stored)),
            None => out_of_range(moment, &format!("+ {count} {unit:?}")),
        }
    })
}

/// Months later; a time of day has no months.
fn plus_months(moment: DateTime, months: i64, ty: &SqlType) -> Option<DateTime> {
    if matches!(ty, SqlType::Time(_)) { Some(moment) } else { unit::plus_months(moment, months) }
}

fn difference_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(3, 3)?;
    let unit = literal_unit(input, 0)?;
    if unit.nanos().is_none() && unit.months().is_none() {
        return Err(format!("{unit:?} is no unit to count in"));
    }
    let known = |index: usize| match input.sql(index) {
        SqlType::Null => Ok(SqlType::Timestamp(3)),
        ty if is_temporal(ty) => Ok(ty.clone()),
        _ => Err(input.wrong(index, "a date or time")),
    };
    let (from, to) = (known(1)?, known(2)?);
    let common = match (&from, &to) {
        (SqlType::Date, SqlType::Date) => SqlType::Date,
        (SqlType::Date, other) | (other, SqlType::Date) if other.is_timestamp() => other.clone(),
        _ => common_pair(&from, &to)
            .ok_or_else(|| format!("there is no span from {from} to {to}"))?,
    };
    Ok(input.typed(vec![input.sql(0).clone(), common.clone(), common], SqlType::Int))
}

fn difference(input: &CallInput<'_>) -> Evaluated {
    let Some(unit) = constant_unit(input, 0) else { return no_unit(input) };
    let (from, to) = (moments(input, 1), moments(input, 2));
    primitive_rows::<Int32Type>(input.rows, &SqlType::Int, |row| {
        let (Some(from), Some(to)) = (from(row), to(row)) else { return Ok(None) };
        let count = match (unit.months(), unit.nanos()) {
            (Some(months), _) => i128::from(unit::months_between(from, to) / months),
            (_, Some(nanos)) => {
                let total = |moment: DateTime| {
                    i128::from(moment.seconds) * 1_000_000_000 + i128::from(moment.nanos)
                };
                (total(to) - total(from)) / i128::from(nanos)
            }
            _ => 0,
        };
        match i32::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => fail(ErrorKind::Overflow, format!("{count} {unit:?} are no INT")),
        }
    })
}

/// The types of `+` and `-` where a span takes part; `None` where none does.
pub(super) fn span_rule(input: &RuleInput<'_>, minus: bool) -> Option<Ruled> {
    use SqlType::{IntervalDayTime, IntervalYearMonth};
    let is_span = |ty: &SqlType| matches!(ty, IntervalDayTime | IntervalYearMonth);
    let (left, right) = (input.sql(0), input.sql(1));
    let result = match (left, right) {
        (a, b) if is_span(a) && is_span(b) => {
            if a != b {
                return Some(Err("spans of months and of days do not add up".into()));
            }
            a.clone()
        }
        (time, span) if is_temporal(time) && is_span(span) => time.clone(),
        (span, time) if is_temporal(time) && is_span(span) && !minus => time.clone(),
        _ => return None,
    };
    Some(Ok(input.typed(vec![left.clone(), right.clone()], result)))
}

/// `+` and `-` where a span takes part.
pub(super) fn plus_span(input: &CallInput<'_>, minus: bool) -> Evaluated {
    let ty = &input.result.sql;
    let is_span = |index: usize| {
        matches!(input.arg_type(index), SqlType::IntervalDayTime | SqlType::IntervalYearMonth)
    };
    if is_span(0) && is_span(1) {
        return add_spans(input, minus);
    }
    let (time, span) = if is_span(1) { (0, 1) } else { (1, 0) };
    let read = moments(input, time);
    let sign = if minus { -1 } else { 1 };
    if *input.arg_type(span) == SqlType::IntervalYearMonth {
        let months = input.args[span].primitives::<IntervalYearMonthType>();
        return moment_rows(input.rows, ty, |row| {
            let (Some(moment), Some(months)) = (read(row), months.get(row)) else {
                return Ok(None);
            };
            let moved = plus_months(moment, i64::from(months) * sign, ty);
            match moved.and_then(|moved| as_stored(moved, ty, Tz::UTC)) {
                Some(stored) => Ok(Some(stored)),
                None => out_of_range(moment, &format!("{:+} months", i64::from(months) * sign)),
            }
        });
    }
    let millis = input.args[span].primitives::<DurationMillisecondType>();
    moment_rows(input.rows, ty, |row| {
        let (Some(moment), Some(millis)) = (read(row), millis.get(row)) else { return Ok(None) };
        let millis = i128::from(millis) * i128::from(sign);
        let moved = unit::plus_nanos(moment, millis * 1_000_000);
        match moved.and_then(|moved| as_stored(moved, ty, Tz::UTC)) {
            Some(stored) => Ok(Some(stored)),
            None => out_of_range(moment, &format!("{millis:+} ms")),
        }
    })
}

/// The types of `*` where a span takes part; `None` where none does.
pub(super) fn multiple_rule(input: &RuleInput<'_>) -> Option<Ruled> {
    use SqlType::{IntervalDayTime, IntervalYearMonth};
    let (left, right) = (input.sql(0), input.sql(1));
    match (left, right) {
        (span @ (IntervalDayTime | IntervalYearMonth), count) if count.is_integer() => {
            Some(Ok(input.typed(vec![span.clone(), SqlType::BigInt], span.clone())))
        }
        (count, span @ (IntervalDayTime | IntervalYearMonth)) if count.is_integer() => {
            Some(Ok(input.typed(vec![SqlType::BigInt, span.clone()], span.clone())))
        }
        _ => None,
    }
}

/// A span times a number.
pub(super) fn multiply_span(input: &CallInput<'_>) -> Evaluated {
    let (span, count) = if *input.arg_type(0) == SqlType::BigInt { (1, 0) } else { (0, 1) };
    let counts = input.args[count].primitives::<Int64Type>();
    let ty = &input.result.sql;
    if *ty == SqlType::IntervalYearMonth {
        let months = input.args[span].primitives::<IntervalYearMonthType>();
        return primitive_rows::<IntervalYearMonthType>(input.rows, ty, |row| {
            let (Some(months), Some(count)) = (months.get(row), counts.get(row)) else {
                return Ok(None);
            };
            match i64::from(months).checked_mul(count).and_then(|all| i32::try_from(all).ok()) {
                Some(all) => Ok(Some(all)),
                None => fail(ErrorKind::Overflow, format!("{count} times {months} months")),
            }
        });
    }
    let millis = input.args[span].primitives::<DurationMillisecondType>();
    primitive_rows::<DurationMillisecondType>(input.rows, ty, |row| {
        let (Some(millis), Some(count)) = (millis.get(row), counts.get(row)) else {
            return Ok(None);
        };
        match millis.checked_mul(count) {
            Some(all) => Ok(Some(all)),
            None => fail(ErrorKind::Overflow, format!("{count} times {millis} ms")),
        }
    })
}

fn add_spans(input: &CallInput<'_>, minus: bool) -> Evaluated {
    if input.result.sql == SqlType::IntervalYearMonth {
        let left = input.args[0].primitives::<IntervalYearMonthType>();
        let right = input.args[1].primitives::<IntervalYearMonthType>();
        return primitive_rows::<IntervalYearMonthType>(input.rows, &input.result.sql, |row| {
            let (Some(a), Some(b)) = (left.get(row), right.get(row)) else { return Ok(None) };
            match if minus { a.checked_sub(b) } else { a.checked_add(b) } {
                Some(sum) => Ok(Some(sum)),
                None => fail(ErrorKind::Overflow, format!("{a} and {b} months")),
            }
        });
    }
    let left = input.args[0].primitives::<DurationMillisecondType>();
    let right = input.args[1].primitives::<DurationMillisecondType>();
    primitive_rows::<DurationMillisecondType>(input.rows, &input.result.sql, |row| {
        let (Some(a), Some(b)) = (left.get(row), right.get(row)) else { return Ok(None) };
        match if minus { a.checked_sub(b) } else { a.checked_add(b) } {
            Some(sum) => Ok(Some(sum)),
            None => fail(ErrorKind::Overflow, format!("{a} and {b} ms")),
        }
    })
}
