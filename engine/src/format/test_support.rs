//! What the tests of the formats share.

use super::{RecordBlock, RecordRef};
use crate::expr::RowErrors;
use crate::types::{DataType, Field, SqlType, Value};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef};
use proptest::prelude::*;

/// A nullable field.
pub(super) fn field(name: &str, sql: SqlType) -> Field {
    Field::new(name, sql.nullable())
}

/// A block of these records with the separator behind each.
pub(super) fn block(records: &[impl AsRef<[u8]>], separator: &[u8]) -> RecordBlock {
    let mut data = Vec::new();
    let mut refs = Vec::new();
    for record in records {
        let start = data.len() as u32;
        data.extend_from_slice(record.as_ref());
        let end = data.len() as u32;
        refs.push(RecordRef { offset: u64::from(start), start, end, timestamp_ms: None });
        data.extend_from_slice(separator);
    }
    let end_offset = data.len() as u64;
    RecordBlock { data: data.into(), records: refs, end_offset }
}

/// The value of one row.
pub(super) fn value_at(array: &ArrayRef, ty: &DataType, row: usize) -> Value {
    if array.is_null(row) || ty.sql == SqlType::Null {
        return Value::Null;
    }
    match &ty.sql {
        SqlType::Null => Value::Null,
        SqlType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        SqlType::TinyInt => Value::Int(array.as_primitive::<Int8Type>().value(row).into()),
        SqlType::SmallInt => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        SqlType::Int => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        SqlType::BigInt => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        SqlType::Float => Value::Float(array.as_primitive::<Float32Type>().value(row)),
        SqlType::Double => Value::Double(array.as_primitive::<Float64Type>().value(row)),
        SqlType::Decimal { .. } => {
            Value::Decimal(array.as_primitive::<Decimal128Type>().value(row))
        }
        SqlType::Char(_) | SqlType::VarChar(_) => {
            Value::Text(array.as_string::<i32>().value(row).to_owned())
        }
        SqlType::Binary(_) | SqlType::VarBinary(_) => {
            Value::Bytes(array.as_binary::<i32>().value(row).to_owned())
        }
        SqlType::Date => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        SqlType::Time(_) => Value::Time(array.as_primitive::<Time32MillisecondType>().value(row)),
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => Value::Timestamp(match p {
            0..=3 => array.as_primitive::<TimestampMillisecondType>().value(row),
            4..=6 => array.as_primitive::<TimestampMicrosecondType>().value(row),
            _ => array.as_primitive::<TimestampNanosecondType>().value(row),
        }),
        SqlType::IntervalYearMonth => {
            Value::Months(array.as_primitive::<IntervalYearMonthType>().value(row))
        }
        SqlType::IntervalDayTime => {
            Value::Millis(array.as_primitive::<DurationMillisecondType>().value(row))
        }
        SqlType::Row(fields) => {
            let children = fields.iter().zip(array.as_struct().columns());
            Value::Row(children.map(|(field, array)| value_at(array, &field.ty, row)).collect())
        }
        SqlType::Array(element) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|item| value_at(&items, element, item)).collect())
        }
    }
}

/// The rows that have an error.
pub(super) fn error_rows(errors: &RowErrors) -> Vec<u32> {
    errors.as_slice().iter().map(|error| error.row).collect()
}

/// Every type without fields or elements.
pub(super) fn scalar_type() -> impl Strategy<Value = SqlType> {
    let decimal = (1_u8..=38).prop_flat_map(|precision| {
        (0..=precision).prop_map(move |scale| SqlType::Decimal { precision, scale })
    });
    prop_oneof![
        Just(SqlType::Boolean),
        Just(SqlType::TinyInt),
        Just(SqlType::SmallInt),
        Just(SqlType::Int),
        Just(SqlType::BigInt),
        Just(SqlType::Float),
        Just(SqlType::Double),
        decimal,
        Just(SqlType::STRING),
        Just(SqlType::BYTES),
        Just(SqlType::Date),
        (0_u8..=3).prop_map(SqlType::Time),
        (0_u8..=9).prop_map(SqlType::Timestamp),
        (0_u8..=9).prop_map(SqlType::TimestampLtz),
        Just(SqlType::IntervalYearMonth),
        Just(SqlType::IntervalDayTime),
        Just(SqlType::Null),
    ]
}

/// A few names, among them one that is longer than sixteen bytes, one that needs
/// escapes, and one that is not ASCII.
pub(super) const NAMES: [&str; 6] =
    ["a", "b", "price", "a_name_of_more_than_sixteen_bytes", "q\"\\", "é"];

/// Every type, ROW and ARRAY included.
pub(super) fn any_type() -> impl Strategy<Value = SqlType> {
    scalar_type().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|types| {
                SqlType::Row(
                    types.into_iter().zip(NAMES).map(|(ty, name)| field(name, ty)).collect(),
                )
            }),
            inner.prop_map(|ty| SqlType::Array(Box::new(ty.nullable()))),
        ]
    })
}
