//! Dates and times among each other.
//!
//! Digits that are lost are cut off downwards, also before 1970, where Flink cuts
//! towards 1970 (a listed difference).

use super::Cast;
use crate::expr::Evaluated;
use crate::function::RowResult;
use crate::function::kernel::primitive_rows;
use crate::types::datetime::{DateTime, MILLIS_PER_DAY};
use crate::types::{SqlType, TimeUnit};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef};
use chrono_tz::Tz;

/// Whether there is a cast between two temporal types.
pub(super) fn castable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Date, Time, Timestamp, TimestampLtz};
    matches!(
        (from, to),
        (Date | Time(_) | Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_))
            | (Timestamp(_) | TimestampLtz(_), Date | Time(_))
            | (Time(_), Time(_))
    )
}

/// A temporal value to another temporal type.
pub(super) fn convert(cast: &Cast, array: &ArrayRef, zone: Tz) -> Evaluated {
    let instant = |ty: &SqlType| matches!(ty, SqlType::TimestampLtz(_));
    let (to_local, to_instant) = (instant(&cast.from), instant(&cast.to));
    let moved = move |moment: DateTime| match (to_local, to_instant) {
        (true, false) => moment.to_local(zone),
        (false, true) => moment.to_instant(zone),
        _ => moment,
    };
    let read = reader(array, &cast.from);
    write_moments(cast, array.len(), |row| read(row).map(moved))
}

/// Reads the cells of a temporal array as moments.
pub(crate) fn reader<'a>(
    array: &'a ArrayRef,
    ty: &SqlType,
) -> Box<dyn Fn(usize) -> Option<DateTime> + 'a> {
    match ty {
        SqlType::Date => {
            let days = array.as_primitive::<Date32Type>();
            Box::new(move |row| {
                days.is_valid(row).then(|| DateTime::midnight(days.value(row).into()))
            })
        }
        SqlType::Time(_) => {
            let times = array.as_primitive::<Time32MillisecondType>();
            Box::new(move |row| {
                let millis = || i64::from(times.value(row));
                times.is_valid(row).then(|| DateTime::from_unit(millis(), TimeUnit::Millisecond))
            })
        }
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => match TimeUnit::of_precision(*p) {
            TimeUnit::Millisecond => stamps::<TimestampMillisecondType>(array, *p),
            TimeUnit::Microsecond => stamps::<TimestampMicrosecondType>(array, *p),
            TimeUnit::Nanosecond => stamps::<TimestampNanosecondType>(array, *p),
        },
        _ => unreachable!("the type is temporal"),
    }
}

fn stamps<'a, T: ArrowPrimitiveType<Native = i64>>(
    array: &'a ArrayRef,
    precision: u8,
) -> Box<dyn Fn(usize) -> Option<DateTime> + 'a> {
    let values = array.as_primitive::<T>();
    let unit = TimeUnit::of_precision(precision);
    Box::new(move |row| values.is_valid(row).then(|| DateTime::from_unit(values.value(row), unit)))
}

/// Moments, in the zone's wall clock where the type has none, as the cast's type.
pub(super) fn write_moments(
    cast: &Cast,
    rows: usize,
    moment: impl Fn(usize) -> Option<DateTime>,
) -> Evaluated {
    moment_rows(rows, &cast.to, |row| match moment(row) {
        None => Ok(None),
        Some(found) => match stored(found, &cast.to) {
            Some(value) => Ok(Some(value)),
            None => {
                let mut text = String::new();
                crate::types::datetime::sql::write_timestamp(found, 9, &mut text);
                cast.refuse(text)
            }
        },
    })
}

/// The moment as the type stores it; `None` if it is out of range.
pub(crate) fn stored(moment: DateTime, ty: &SqlType) -> Option<i64> {
    match ty {
        SqlType::Date => Some(moment.days()).filter(|day| i32::try_from(*day).is_ok()),
        SqlType::Time(p) => {
            let millis = moment.truncated(*p).milli_of_day();
            Some(millis % MILLIS_PER_DAY)
        }
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => {
            moment.truncated(*p).to_unit(TimeUnit::of_precision(*p))
        }
        _ => None,
    }
}

/// Values of a temporal type, as it stores them, row by row.
pub(crate) fn moment_rows(
    rows: usize,
    ty: &SqlType,
    mut value: impl FnMut(usize) -> RowResult<i64>,
) -> Evaluated {
    // `stored` has checked that the smaller types hold the value.
    let mut small = |row: usize| Ok(value(row)?.map(|found| found as i32));
    match ty {
        SqlType::Date => primitive_rows::<Date32Type>(rows, ty, small),
        SqlType::Time(_) => primitive_rows::<Time32MillisecondType>(rows, ty, &mut small),
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => match TimeUnit::of_precision(*p) {
            TimeUnit::Millisecond => primitive_rows::<TimestampMillisecondType>(rows, ty, value),
            TimeUnit::Microsecond => primitive_rows::<TimestampMicrosecondType>(rows, ty, value),
            TimeUnit::Nanosecond => primitive_rows::<TimestampNanosecondType>(rows, ty, value),
        },
        _ => unreachable!("the type is temporal"),
    }
}
