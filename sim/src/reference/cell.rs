//! The interpreter's own values.

use anabranch_engine::types::Value;
use std::cmp::Ordering;

/// A value of a row.
///
/// Equality and order are the canonical ones: NULL first, −0 is 0, there is one NaN,
/// and it is above +∞.
// spec: E-5, E-6
#[derive(Clone, Debug)]
pub enum Cell {
    /// The absent value.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// TINYINT to BIGINT.
    Int(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL, without its point.
    Decimal(i128),
    /// CHAR, VARCHAR, STRING.
    Text(String),
    /// BINARY, VARBINARY, BYTES.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds of the day.
    Time(i32),
    /// TIMESTAMP and TIMESTAMP_LTZ, in the unit of the type's precision.
    Timestamp(i64),
    /// INTERVAL YEAR TO MONTH.
    Months(i32),
    /// INTERVAL DAY TO SECOND, in ms.
    Millis(i64),
    /// ROW.
    Row(Vec<Cell>),
    /// ARRAY.
    Array(Vec<Cell>),
    /// A value that is no function of the input by any rule, such as the wording of a
    /// message. If it is a text it begins like this.
    Opaque(String),
}

impl Cell {
    /// The cell of a plan's constant, or of what came out of a kernel.
    #[must_use]
    pub fn of(value: &Value) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Boolean(v) => Cell::Boolean(*v),
            Value::Int(v) => Cell::Int(*v),
            Value::Float(v) => Cell::Float(*v),
            Value::Double(v) => Cell::Double(*v),
            Value::Decimal(v) => Cell::Decimal(*v),
            Value::Text(v) => Cell::Text(v.clone()),
            Value::Bytes(v) => Cell::Bytes(v.clone()),
            Value::Date(v) => Cell::Date(*v),
            Value::Time(v) => Cell::Time(*v),
            Value::Timestamp(v) => Cell::Timestamp(*v),
            Value::Months(v) => Cell::Months(*v),
            Value::Millis(v) => Cell::Millis(*v),
            Value::Row(cells) => Cell::Row(cells.iter().map(Cell::of).collect()),
            Value::Array(cells) => Cell::Array(cells.iter().map(Cell::of).collect()),
        }
    }

    /// The cell as an argument of a kernel; `None` if its value is not known.
    pub(super) fn to_value(&self) -> Option<Value> {
        let all = |cells: &[Cell]| cells.iter().map(Cell::to_value).collect::<Option<Vec<_>>>();
        Some(match self {
            Cell::Null => Value::Null,
            Cell::Boolean(v) => Value::Boolean(*v),
            Cell::Int(v) => Value::Int(*v),
            Cell::Float(v) => Value::Float(*v),
            Cell::Double(v) => Value::Double(*v),
            Cell::Decimal(v) => Value::Decimal(*v),
            Cell::Text(v) => Value::Text(v.clone()),
            Cell::Bytes(v) => Value::Bytes(v.clone()),
            Cell::Date(v) => Value::Date(*v),
            Cell::Time(v) => Value::Time(*v),
            Cell::Timestamp(v) => Value::Timestamp(*v),
            Cell::Months(v) => Value::Months(*v),
            Cell::Millis(v) => Value::Millis(*v),
            Cell::Row(cells) => Value::Row(all(cells)?),
            Cell::Array(cells) => Value::Array(all(cells)?),
            Cell::Opaque(_) => return None,
        })
    }

    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// Whether its value is not known.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        match self {
            Cell::Opaque(_) => true,
            Cell::Row(cells) | Cell::Array(cells) => cells.iter().any(Cell::is_opaque),
            _ => false,
        }
    }

    /// The value that stands for all equal ones: keys and picked values leave in it.
    // spec: E-6
    #[must_use]
    pub fn canonical(&self) -> Cell {
        match self {
            Cell::Float(v) if v.is_nan() => Cell::Float(f32::NAN),
            Cell::Float(v) => Cell::Float(v + 0.0),
            Cell::Double(v) if v.is_nan() => Cell::Double(f64::NAN),
            Cell::Double(v) => Cell::Double(v + 0.0),
            Cell::Row(cells) => Cell::Row(cells.iter().map(Cell::canonical).collect()),
            Cell::Array(cells) => Cell::Array(cells.iter().map(Cell::canonical).collect()),
            other => other.clone(),
        }
    }

    /// The time of a TIMESTAMP of at most ms precision.
    pub(super) fn time_ms(&self) -> Option<i64> {
        match self {
            Cell::Timestamp(ms) => Some(*ms),
            _ => None,
        }
    }

    /// Which kind it is, for comparisons between kinds, which only NULL has a part in.
    fn rank(&self) -> u8 {
        match self {
            Cell::Null => 0,
            Cell::Boolean(_) => 1,
            Cell::Int(_) => 2,
            Cell::Float(_) => 3,
            Cell::Double(_) => 4,
            Cell::Decimal(_) => 5,
            Cell::Text(_) => 6,
            Cell::Bytes(_) => 7,
            Cell::Date(_) => 8,
            Cell::Time(_) => 9,
            Cell::Timestamp(_) => 10,
            Cell::Months(_) => 11,
            Cell::Millis(_) => 12,
            Cell::Row(_) => 13,
            Cell::Array(_) => 14,
            Cell::Opaque(_) => 15,
        }
    }
}

/// The order of doubles in which NaN is last and −0 is 0.
fn order_of_doubles(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.partial_cmp(&b).expect("neither is NaN"),
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::Boolean(a), Cell::Boolean(b)) => a.cmp(b),
            (Cell::Int(a), Cell::Int(b))
            | (Cell::Timestamp(a), Cell::Timestamp(b))
            | (Cell::Millis(a), Cell::Millis(b)) => a.cmp(b),
            (Cell::Float(a), Cell::Float(b)) => order_of_doubles(f64::from(*a), f64::from(*b)),
            (Cell::Double(a), Cell::Double(b)) => order_of_doubles(*a, *b),
            (Cell::Decimal(a), Cell::Decimal(b)) => a.cmp(b),
            (Cell::Text(a), Cell::Text(b)) | (Cell::Opaque(a), Cell::Opaque(b)) => a.cmp(b),
            (Cell::Bytes(a), Cell::Bytes(b)) => a.cmp(b),
            (Cell::Date(a), Cell::Date(b))
            | (Cell::Time(a), Cell::Time(b))
            | (Cell::Months(a), Cell::Months(b)) => a.cmp(b),
            (Cell::Row(a), Cell::Row(b)) | (Cell::Array(a), Cell::Array(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Cell) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Cell) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cell {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_first_and_nan_is_last() {
        // spec: E-6
        let doubles = [f64::NEG_INFINITY, -1.0, 0.0, 1.5, f64::INFINITY, f64::NAN];
        let mut cells: Vec<Cell> = doubles.iter().rev().map(|v| Cell::Double(*v)).collect();
        cells.push(Cell::Null);
        cells.sort();
        assert!(cells[0].is_null());
        let sorted: Vec<f64> = cells[1..]
            .iter()
            .map(|cell| match cell {
                Cell::Double(v) => *v,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(sorted[..5], doubles[..5]);
        assert!(sorted[5].is_nan());
        assert_eq!(Cell::Double(-0.0), Cell::Double(0.0));
        let Cell::Double(zero) = Cell::Double(-0.0).canonical() else { panic!("a double") };
        assert!(zero.is_sign_positive());
    }
}
