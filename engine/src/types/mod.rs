//! Flink's types, which Arrow's cannot tell apart: Arrow loses the length of a
//! CHAR and the precision of a TIMESTAMP. The Arrow type of each is a function of
//! it ([`SqlType::arrow`]), never the other way round.

mod arrow;
pub mod datetime;
pub mod decimal;
mod display;
pub mod float;
mod value;

pub use value::Value;

use serde::{Deserialize, Serialize};

/// The length of a `STRING`, which is `VARCHAR(2147483647)`.
pub const LENGTH_MAX: u32 = i32::MAX as u32;

/// The largest precision of a DECIMAL.
pub const DECIMAL_PRECISION_MAX: u8 = 38;

/// A type without its nullability.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    /// Only NULL has this type; it casts into every other.
    Null,
    /// TRUE or FALSE.
    Boolean,
    /// 8 bits.
    TinyInt,
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Int,
    /// 64 bits.
    BigInt,
    /// IEEE 754 single precision.
    Float,
    /// IEEE 754 double precision.
    Double,
    /// Exact, `precision` digits of which `scale` behind the point.
    Decimal {
        /// 1 to 38.
        precision: u8,
        /// 0 to `precision`.
        scale: u8,
    },
    /// Text of exactly this many characters, padded with spaces.
    Char(u32),
    /// Text of at most this many characters.
    VarChar(u32),
    /// Exactly this many bytes.
    Binary(u32),
    /// At most this many bytes; `BYTES` is `VARBINARY(2147483647)`.
    VarBinary(u32),
    /// Days since 1970-01-01.
    Date,
    /// Time of day of 0 to 9 digits, held in milliseconds as in Flink.
    Time(u8),
    /// Date and time of day without a zone; the unit it is stored in follows from
    /// the precision: see [`TimeUnit::of_precision`].
    Timestamp(u8),
    /// An instant.
    TimestampLtz(u8),
    /// Months.
    IntervalYearMonth,
    /// Milliseconds.
    IntervalDayTime,
    /// Named fields.
    Row(Vec<Field>),
    /// Elements of one type.
    Array(Box<DataType>),
}

/// A type with its nullability.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DataType {
    /// What the values are.
    pub sql: SqlType,
    /// Whether NULL is among them.
    pub nullable: bool,
}

/// A named column or a named field of a ROW.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// The name, case-sensitive.
    pub name: String,
    /// Its type.
    pub ty: DataType,
}

/// The columns of a row, in order. Names may repeat in derived rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schema {
    /// The columns.
    pub fields: Vec<Field>,
}

/// The unit in which a TIMESTAMP is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeUnit {
    /// Precision 0 to 3.
    Millisecond,
    /// Precision 4 to 6.
    Microsecond,
    /// Precision 7 to 9.
    Nanosecond,
}

impl TimeUnit {
    /// The unit for a precision of 0 to 9 digits.
    #[must_use]
    pub fn of_precision(precision: u8) -> TimeUnit {
        match precision {
            0..=3 => TimeUnit::Millisecond,
            4..=6 => TimeUnit::Microsecond,
            _ => TimeUnit::Nanosecond,
        }
    }

    /// How many of the unit make a second.
    #[must_use]
    pub fn per_second(self) -> i64 {
        match self {
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        }
    }
}

impl SqlType {
    /// `STRING`.
    pub const STRING: SqlType = SqlType::VarChar(LENGTH_MAX);
    /// `BYTES`.
    pub const BYTES: SqlType = SqlType::VarBinary(LENGTH_MAX);

    /// The type that may be NULL.
    #[must_use]
    pub fn nullable(self) -> DataType {
        DataType { sql: self, nullable: true }
    }

    /// The type that is never NULL.
    #[must_use]
    pub fn not_null(self) -> DataType {
        DataType { sql: self, nullable: false }
    }

    /// TINYINT, SMALLINT, INT or BIGINT.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt)
    }

    /// FLOAT or DOUBLE.
    #[must_use]
    pub fn is_approximate(&self) -> bool {
        matches!(self, SqlType::Float | SqlType::Double)
    }

    /// An integer, DECIMAL, FLOAT or DOUBLE.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_approximate() || matches!(self, SqlType::Decimal { .. })
    }

    /// CHAR, VARCHAR or STRING.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, SqlType::Char(_) | SqlType::VarChar(_))
    }

    /// BINARY, VARBINARY or BYTES.
    #[must_use]
    pub fn is_bytes(&self) -> bool {
        matches!(self, SqlType::Binary(_) | SqlType::VarBinary(_))
    }

    /// TIMESTAMP or TIMESTAMP_LTZ.
    #[must_use]
    pub fn is_timestamp(&self) -> bool {
        matches!(self, SqlType::Timestamp(_) | SqlType::TimestampLtz(_))
    }

    /// Whether a column of this type may be a rowtime attribute: a timestamp of at
    /// most millisecond precision.
    #[must_use]
    pub fn can_be_rowtime(&self) -> bool {
        matches!(self, SqlType::Timestamp(p) | SqlType::TimestampLtz(p) if *p <= 3)
    }
}

impl Field {
    /// A column of this name and type.
    pub fn new(name: impl Into<String>, ty: DataType) -> Field {
        Field { name: name.into(), ty }
    }
}

impl Schema {
    /// The columns in this order.
    #[must_use]
    pub fn new(fields: Vec<Field>) -> Schema {
        Schema { fields }
    }

    /// How many columns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The place of the first column of this name, compared exactly.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}
