//! How each type lies in Arrow memory.

use super::{DataType, Schema, SqlType, TimeUnit};
use arrow_schema as arrow;
use std::sync::Arc;

/// The zone that marks an Arrow timestamp as an instant.
const INSTANT_ZONE: &str = "UTC";

impl SqlType {
    /// The Arrow type that holds values of this type.
    ///
    /// Integers and floats are Arrow's own; DECIMAL is `Decimal128`; text is `Utf8`;
    /// bytes are `Binary`; DATE is `Date32`; TIME is `Time32(ms)`; timestamps are in
    /// the unit of their precision, with the zone `UTC` for the LTZ kind;
    /// `INTERVAL YEAR TO MONTH` is `Interval(YearMonth)` and `INTERVAL DAY TO SECOND`
    /// is `Duration(ms)`; ROW is `Struct`, ARRAY is `List`.
    #[must_use]
    pub fn arrow(&self) -> arrow::DataType {
        match self {
            SqlType::Null => arrow::DataType::Null,
            SqlType::Boolean => arrow::DataType::Boolean,
            SqlType::TinyInt => arrow::DataType::Int8,
            SqlType::SmallInt => arrow::DataType::Int16,
            SqlType::Int => arrow::DataType::Int32,
            SqlType::BigInt => arrow::DataType::Int64,
            SqlType::Float => arrow::DataType::Float32,
            SqlType::Double => arrow::DataType::Float64,
            SqlType::Decimal { precision, scale } => {
                arrow::DataType::Decimal128(*precision, *scale as i8)
            }
            SqlType::Char(_) | SqlType::VarChar(_) => arrow::DataType::Utf8,
            SqlType::Binary(_) | SqlType::VarBinary(_) => arrow::DataType::Binary,
            SqlType::Date => arrow::DataType::Date32,
            SqlType::Time(_) => arrow::DataType::Time32(arrow::TimeUnit::Millisecond),
            SqlType::Timestamp(p) => {
                arrow::DataType::Timestamp(TimeUnit::of_precision(*p).arrow(), None)
            }
            SqlType::TimestampLtz(p) => arrow::DataType::Timestamp(
                TimeUnit::of_precision(*p).arrow(),
                Some(INSTANT_ZONE.into()),
            ),
            SqlType::IntervalYearMonth => arrow::DataType::Interval(arrow::IntervalUnit::YearMonth),
            SqlType::IntervalDayTime => arrow::DataType::Duration(arrow::TimeUnit::Millisecond),
            SqlType::Row(fields) => arrow::DataType::Struct(
                fields.iter().map(|field| field.ty.arrow_field(&field.name)).collect(),
            ),
            SqlType::Array(element) => arrow::DataType::List(Arc::new(element.arrow_field("item"))),
        }
    }
}

impl DataType {
    /// An Arrow field of this type. All Arrow fields are nullable: a row whose
    /// expression failed holds NULL until it is taken out.
    #[must_use]
    pub fn arrow_field(&self, name: &str) -> arrow::Field {
        arrow::Field::new(name, self.sql.arrow(), true)
    }
}

impl Schema {
    /// The Arrow schema of rows with these columns.
    #[must_use]
    pub fn arrow(&self) -> arrow::SchemaRef {
        let fields: Vec<arrow::Field> =
            self.fields.iter().map(|field| field.ty.arrow_field(&field.name)).collect();
        Arc::new(arrow::Schema::new(fields))
    }
}

impl TimeUnit {
    /// Arrow's name for the unit.
    #[must_use]
    pub fn arrow(self) -> arrow::TimeUnit {
        match self {
            TimeUnit::Millisecond => arrow::TimeUnit::Millisecond,
            TimeUnit::Microsecond => arrow::TimeUnit::Microsecond,
            TimeUnit::Nanosecond => arrow::TimeUnit::Nanosecond,
        }
    }
}
