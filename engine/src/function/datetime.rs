//! Fields of dates and times, and times cut to units.

use super::kernel::{Argument, CallInput, primitive_rows};
use super::registry::{Family, Function, RuleInput};
use super::rounding::{self, Rounding};
use super::typing::Ruled;
use super::unit::{self, Unit};
use crate::expr::cast_time::{moment_rows, reader};
use crate::expr::{ErrorKind, Evaluated};
use crate::types::datetime::{DateTime, SECONDS_PER_DAY};
use crate::types::{SqlType, TimeUnit};
use arrow_array::Array;
use arrow_array::types::Int64Type;

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::DateTime,
        "EXTRACT",
        &["EXTRACT(unit FROM DATE | TIME | TIMESTAMP | TIMESTAMP_LTZ)"],
        "A field of the date or time; weeks are ISO weeks, DOW counts from Sunday as 1.",
        extract_rule,
        |input| match constant_unit(input, 0) {
            Some(unit) => field(input, 1, unit),
            None => no_unit(input),
        },
    ),
    field_function("YEAR", &["YEAR(TIMESTAMP)"], "The year.", date_rule, |input| {
        field(input, 0, Unit::Year)
    }),
    field_function(
        "QUARTER",
        &["QUARTER(TIMESTAMP)"],
        "The quarter, 1 to 4.",
        date_rule,
        |input| field(input, 0, Unit::Quarter),
    ),
    field_function("MONTH", &["MONTH(TIMESTAMP)"], "The month, 1 to 12.", date_rule, |input| {
        field(input, 0, Unit::Month)
    }),
    field_function("WEEK", &["WEEK(TIMESTAMP)"], "The ISO week.", date_rule, |input| {
        field(input, 0, Unit::Week)
    }),
    field_function(
        "DAYOFYEAR",
        &["DAYOFYEAR(TIMESTAMP)"],
        "The day of the year, from 1.",
        date_rule,
        |input| field(input, 0, Unit::DayOfYear),
    ),
    field_function(
        "DAYOFMONTH",
        &["DAYOFMONTH(TIMESTAMP)"],
        "The day of the month.",
        date_rule,
        |input| field(input, 0, Unit::Day),
    ),
    field_function(
        "DAYOFWEEK",
        &["DAYOFWEEK(TIMESTAMP)"],
        "The day of the week; Sunday is 1.",
        date_rule,
        |input| field(input, 0, Unit::DayOfWeek),
    ),
    field_function(
        "HOUR",
        &["HOUR(TIMESTAMP | TIME)"],
        "The hour, 0 to 23.",
        clock_rule,
        |input| field(input, 0, Unit::Hour),
    ),
    field_function(
        "MINUTE",
        &["MINUTE(TIMESTAMP | TIME)"],
        "The minute, 0 to 59.",
        clock_rule,
        |input| field(input, 0, Unit::Minute),
    ),
    field_function(
        "SECOND",
        &["SECOND(TIMESTAMP | TIME)"],
        "The second, 0 to 59.",
        clock_rule,
        |input| field(input, 0, Unit::Second),
    ),
    Function::new(
        Family::DateTime,
        "FLOOR",
        &["FLOOR(NUMERIC)", "FLOOR(DATE | TIME | TIMESTAMP | TIMESTAMP_LTZ TO unit)"],
        "The greatest whole number, or start of a unit, that is not above; weeks start on Sunday.",
        cut_rule,
        |input| cut(input, Rounding::Floor),
    ),
    Function::new(
        Family::DateTime,
        "CEIL",
        &["CEIL(NUMERIC)", "CEIL(DATE | TIME | TIMESTAMP | TIMESTAMP_LTZ TO unit)"],
        "The least whole number, or start of a unit, that is not below; weeks start on Sunday.",
        cut_rule,
        |input| cut(input, Rounding::Ceil),
    )
    .also(&["CEILING"]),
];

const fn field_function(
    name: &'static str,
    signatures: &'static [&'static str],
    doc: &'static str,
    rule: super::registry::TypeRule,
    kernel: super::KernelFn,
) -> Function {
    Function::new(Family::DateTime, name, signatures, doc, rule, kernel)
}

/// Whether the type has a calendar date, a time of day or both.
pub(super) fn is_temporal(ty: &SqlType) -> bool {
    ty.is_timestamp() || matches!(ty, SqlType::Date | SqlType::Time(_))
}

/// The moments of an argument; instants as the wall clock of the zone shows them.
pub(super) fn moments<'a>(
    input: &CallInput<'a>,
    index: usize,
) -> impl Fn(usize) -> Option<DateTime> + use<'a> {
    let ty = input.arg_type(index);
    let arg: &'a Argument = &input.args[index];
    let read = reader(&arg.array, ty);
    let local = matches!(ty, SqlType::TimestampLtz(_)).then_some(input.zone);
    move |row| {
        let moment = read(if arg.constant { 0 } else { row })?;
        Some(local.map_or(moment, |zone| moment.to_local(zone)))
    }
}

/// The unit that stands literally as an argument.
pub(super) fn literal_unit(input: &RuleInput<'_>, index: usize) -> Result<Unit, String> {
    let Some(text) = input.literal_text(index) else {
        return Err("the unit must be written as a word, such as DAY".into());
    };
    Unit::parse(text).ok_or_else(|| format!("there is no unit {text}"))
}

/// The unit of a call. The type rule has seen it; a plan made by hand may lack it.
pub(super) fn constant_unit(input: &CallInput<'_>, index: usize) -> Option<Unit> {
    let arg = &input.args[index];
    if !arg.constant && arg.array.is_empty() {
        return None;
    }
    Unit::parse(arg.texts().get(0)?)
}

/// The answer to a call without a unit.
pub(super) fn no_unit(input: &CallInput<'_>) -> Evaluated {
    let array = arrow_array::new_null_array(&input.result.sql.arrow(), input.rows);
    let mut found = Evaluated::ok(array);
    for row in 0..input.rows {
        found.errors.push(row, ErrorKind::InvalidArgument, "there is no such unit of time");
    }
    found
}

fn extract_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 2)?;
    let unit = literal_unit(input, 0)?;
    let ty = field_type(input, 1, unit)?;
    let mut typed = input.typed(vec![input.sql(0).clone(), ty], SqlType::BigInt);
    typed.result.nullable = input.args[1].nullable;
    Ok(typed)
}

/// The rule of fields of a date.
fn date_rule(input: &RuleInput<'_>) -> Ruled {
    field_rule(input, Unit::Day)
}

/// The rule of fields that a time of day has too.
fn clock_rule(input: &RuleInput<'_>) -> Ruled {
    field_rule(input, Unit::Hour)
}

fn field_rule(input: &RuleInput<'_>, unit: Unit) -> Ruled {
    input.count(1, 1)?;
    let ty = field_type(input, 0, unit)?;
    Ok(input.typed(vec![ty], SqlType::BigInt))
}

fn field_type(input: &RuleInput<'_>, index: usize, unit: Unit) -> Result<SqlType, String> {
    match input.sql(index) {
        SqlType::Null => Ok(SqlType::Timestamp(3)),
        SqlType::Time(_) if !(Unit::Millisecond..=Unit::Hour).contains(&unit) => {
            Err(format!("a TIME has no {unit:?}"))
        }
        SqlType::Date if unit < Unit::Millisecond => Err(format!("a DATE has no {unit:?}")),
        ty if is_temporal(ty) => Ok(ty.clone()),
        _ => Err(input.wrong(index, "a date or time")),
    }
}

fn field(input: &CallInput<'_>, index: usize, unit: Unit) -> Evaluated {
    // Seconds since 1970 are those of the instant, not of the wall clock.
    let utc = CallInput { zone: chrono_tz::Tz::UTC, ..*input };
    let read = moments(if unit == Unit::Epoch { &utc } else { input }, index);
    primitive_rows::<Int64Type>(input.rows, &SqlType::BigInt, |row| {
        Ok(read(row).map(|moment| unit::field(moment, unit)))
    })
}

fn cut_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 2)?;
    if input.args.len() == 1 {
        return rounding::whole_rule(input);
    }
    let unit = literal_unit(input, 1)?;
    if unit < Unit::Millisecond || unit > Unit::Millennium {
        return Err(format!("{unit:?} is no unit to cut to"));
    }
    let ty = match input.sql(0) {
        SqlType::Null => SqlType::Timestamp(3),
        SqlType::Time(_) if unit > Unit::Hour => {
            return Err(format!("a TIME has no {unit:?}"));
        }
        ty if is_temporal(ty) => ty.clone(),
        _ => return Err(input.wrong(0, "a date or time")),
    };
    let mut typed = input.typed(vec![ty.clone(), input.sql(1).clone()], ty);
    typed.result.nullable = input.args[0].nullable;
    Ok(typed)
}

fn cut(input: &CallInput<'_>, rounding: Rounding) -> Evaluated {
    if input.args.len() == 1 {
        return rounding::whole(input, rounding);
    }
    let Some(unit) = constant_unit(input, 1) else { return no_unit(input) };
    let read = moments(input, 0);
    let ty = &input.result.sql;
    moment_rows(input.rows, ty, |row| {
        Ok(read(row).and_then(|moment| {
            let found = if rounding == Rounding::Floor {
                unit::floor(moment, unit)
            } else {
                unit::ceil(moment, unit)
            };
            as_stored(found, ty, input.zone)
        }))
    })
}

/// A wall clock moment as the type stores it. A time of day wraps at midnight.
pub(super) fn as_stored(moment: DateTime, ty: &SqlType, zone: chrono_tz::Tz) -> Option<i64> {
    match ty {
        SqlType::Date => i32::try_from(moment.days()).ok().map(i64::from),
        SqlType::Time(_) => Some(moment.milli_of_day() % (SECONDS_PER_DAY * 1000)),
        SqlType::Timestamp(p) => moment.to_unit(TimeUnit::of_precision(*p)),
        SqlType::TimestampLtz(p) => moment.to_instant(zone).to_unit(TimeUnit::of_precision(*p)),
        _ => None,
    }
}
