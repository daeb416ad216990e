//! TO_TIMESTAMP_LTZ: instants from numbers and texts.

use super::kernel::{CallInput, RowResult, fail};
use super::registry::{Family, Function, PrepareInput, RuleInput};
use super::time_pattern::Dialect;
use super::time_text::{Patterns, prepare, read_local};
use super::typing::Ruled;
use super::unit::plus_nanos;
use crate::expr::cast_time::{moment_rows, stored};
use crate::expr::{ErrorKind, Evaluated};
use crate::types::datetime::DateTime;
use crate::types::{SqlType, decimal};
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use chrono_tz::Tz;

pub(super) const TABLE: &[Function] = &[Function::new(
    Family::DateTime,
    "TO_TIMESTAMP_LTZ",
    &["TO_TIMESTAMP_LTZ(NUMERIC[, INT])", "TO_TIMESTAMP_LTZ(STRING[, STRING[, STRING]])"],
    "The instant of a count since 1970 (milliseconds, or of so many digits), or of a text in UTC or a zone.",
    rule,
    |input| {
        if input.arg_type(0).is_text() {
            from_text(input, &Patterns::of(input, 1, Dialect::Formatter))
        } else {
            from_number(input)
        }
    },
)
.prepared(|input: &PrepareInput<'_>| {
    if input.arg_types[0].sql.is_text() {
        prepare(input, 1, Dialect::Formatter, from_text)
    } else {
        Ok(None)
    }
})];

fn rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 3)?;
    if input.sql(0).is_text() {
        let mut typed = input.typed(super::text::texts(input, 0)?, SqlType::TimestampLtz(3));
        typed.result.nullable = true;
        return Ok(typed);
    }
    input.count(1, 2)?;
    let number = match input.sql(0) {
        SqlType::Float | SqlType::Double => SqlType::Double,
        ty if ty.is_numeric() || *ty == SqlType::Null => SqlType::BigInt,
        _ => return Err(input.wrong(0, "a number or a text")),
    };
    let mut args = vec![number];
    let mut precision = 3;
    if input.args.len() == 2 {
        args.push(input.int(1)?);
        match input.literal_int(1) {
            Some(digits @ 0..=9) => precision = (digits as u8).max(3),
            Some(digits) => return Err(format!("the precision must be 0 to 9, not {digits}")),
            None => {}
        }
    }
    let mut typed = input.typed(args, SqlType::TimestampLtz(precision));
    typed.result.nullable = true;
    Ok(typed)
}

/// The first second of the year 10000, from which on Flink gives NULL.
const END: i64 = 253_402_300_800;
/// The first second of the year 0.
const START: i64 = -62_167_219_200;

fn from_number(input: &CallInput<'_>) -> Evaluated {
    let ty = &input.result.sql;
    let digits = input.args.get(1).map(|arg| arg.primitives::<Int32Type>());
    let precision = |row: usize| -> RowResult<u32> {
        match digits.as_ref().map_or(Some(3), |digits| digits.get(row)) {
            Some(digits @ 0..=9) => Ok(Some(digits as u32)),
            Some(digits) => {
                fail(ErrorKind::InvalidArgument, format!("the precision {digits} is not 0 to 9"))
            }
            None => Ok(None),
        }
    };
    let finish = |nanos: i128| {
        let moment = plus_nanos(DateTime { seconds: 0, nanos: 0 }, nanos)?;
        let known = (START..END).contains(&moment.seconds);
        if known { stored(moment, ty) } else { None }
    };
    if *input.arg_type(0) == SqlType::Double {
        let values = input.args[0].primitives::<Float64Type>();
        return moment_rows(input.rows, ty, |row| {
            let (Some(value), Some(digits)) = (values.get(row), precision(row)?) else {
                return Ok(None);
            };
            // Flink counts doubles in whole milliseconds.
            let millis = value * 1000.0 / decimal::power_of_ten(digits as u8) as f64;
            let known = millis.is_finite() && millis.abs() < 1e18;
            Ok(if known { finish(millis as i128 * 1_000_000) } else { None })
        });
    }
    let values = input.args[0].primitives::<Int64Type>();
    moment_rows(input.rows, ty, |row| {
        let (Some(value), Some(digits)) = (values.get(row), precision(row)?) else {
            return Ok(None);
        };
        Ok(finish(i128::from(value) * 10i128.pow(9 - digits)))
    })
}

fn from_text(input: &CallInput<'_>, patterns: &Patterns<'_>) -> Evaluated {
    let ty = &input.result.sql;
    let texts = input.args[0].texts();
    let zones = input.args.get(2).map(|arg| arg.texts());
    let standard = super::time_text::standard();
    moment_rows(input.rows, ty, |row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let pattern = match patterns.get(row, &standard)? {
            Some(pattern) => (!patterns.is_none()).then_some(pattern),
            None => return Ok(None),
        };
        let Some((moment, offset)) = read_local(text, pattern) else {
            if pattern.is_none() {
                return fail(ErrorKind::Cast, format!("'{text}' is no timestamp"));
            }
            return Ok(None);
        };
        let zone = match &zones {
            None => Some(Zone::Named(Tz::UTC)),
            Some(zones) => match zones.get(row) {
                Some(zone) => Zone::parse(zone),
                None => return Ok(None),
            },
        };
        // An offset that stands in the text says more than the zone. Flink reads over
        // it and gives another instant (a listed difference).
        let zone = offset.map(Zone::Offset).or(zone);
        Ok(zone.and_then(|zone| stored(zone.to_instant(moment), ty)))
    })
}

/// A zone by its name or its offset in seconds.
enum Zone {
    Named(Tz),
    Offset(i64),
}

impl Zone {
    fn parse(name: &str) -> Option<Zone> {
        if let Ok(zone) = name.parse::<Tz>() {
            return Some(Zone::Named(zone));
        }
        let probe = format!("2000-01-01 00:00:00{name}");
        let (_, offset) = crate::types::datetime::sql::parse_timestamp_any(&probe)?;
        offset.map(Zone::Offset)
    }

    fn to_instant(&self, moment: DateTime) -> DateTime {
        match self {
            Zone::Named(zone) => moment.to_instant(*zone),
            Zone::Offset(offset) => {
                DateTime { seconds: moment.seconds - offset, nanos: moment.nanos }
            }
        }
    }
}
