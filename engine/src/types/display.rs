//! Types as Flink prints them.

use super::{DataType, LENGTH_MAX, SqlType};
use std::fmt;

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Null => f.write_str("NULL"),
            SqlType::Boolean => f.write_str("BOOLEAN"),
            SqlType::TinyInt => f.write_str("TINYINT"),
            SqlType::SmallInt => f.write_str("SMALLINT"),
            SqlType::Int => f.write_str("INT"),
            SqlType::BigInt => f.write_str("BIGINT"),
            SqlType::Float => f.write_str("FLOAT"),
            SqlType::Double => f.write_str("DOUBLE"),
            SqlType::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            SqlType::Char(n) => write!(f, "CHAR({n})"),
            SqlType::VarChar(LENGTH_MAX) => f.write_str("STRING"),
            SqlType::VarChar(n) => write!(f, "VARCHAR({n})"),
            SqlType::Binary(n) => write!(f, "BINARY({n})"),
            SqlType::VarBinary(LENGTH_MAX) => f.write_str("BYTES"),
            SqlType::VarBinary(n) => write!(f, "VARBINARY({n})"),
            SqlType::Date => f.write_str("DATE"),
            SqlType::Time(p) => write!(f, "TIME({p})"),
            SqlType::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            SqlType::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            SqlType::IntervalYearMonth => f.write_str("INTERVAL YEAR TO MONTH"),
            SqlType::IntervalDayTime => f.write_str("INTERVAL DAY TO SECOND(3)"),
            SqlType::Row(fields) => {
                f.write_str("ROW<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}`{}` {}", field.name, field.ty)?;
                }
                f.write_str(">")
            }
            SqlType::Array(element) => write!(f, "ARRAY<{element}>"),
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sql, if self.nullable { "" } else { " NOT NULL" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Field;
    use super::*;

    #[test]
    fn types_print_as_flink_prints_them() {
        let row = SqlType::Row(vec![
            Field::new("a", SqlType::Int.not_null()),
            Field::new("b", SqlType::Array(Box::new(SqlType::STRING.nullable())).nullable()),
        ]);
        assert_eq!(row.to_string(), "ROW<`a` INT NOT NULL, `b` ARRAY<STRING>>");
        assert_eq!(SqlType::Decimal { precision: 38, scale: 6 }.to_string(), "DECIMAL(38, 6)");
        assert_eq!(SqlType::TimestampLtz(3).to_string(), "TIMESTAMP_LTZ(3)");
    }
}
