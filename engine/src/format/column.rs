//! Columns under construction: one value at a time, from text or from anything else
//! that a format reads.

use super::{base64, number};
use crate::types::datetime::{self, ParsedTimestamp};
use crate::types::{DataType, Field, SqlType};
use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::types::{
    Date32Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalYearMonthType, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Decimal128Array, ListArray, NullArray,
    PrimitiveArray, StringArray, StructArray,
};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// The values of a column.
pub(super) enum Store {
    Null,
    Boolean(BooleanBufferBuilder),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    /// INT, DATE, TIME, INTERVAL YEAR TO MONTH.
    Int32(Vec<i32>),
    /// BIGINT, timestamps, INTERVAL DAY TO SECOND.
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal(Vec<i128>),
    Bytes(ByteStore),
    Row(Vec<Column>),
    List {
        offsets: Vec<i32>,
        items: Box<Column>,
    },
}

/// Texts or byte strings, one behind the other.
pub(super) struct ByteStore {
    /// Where each value ends; the first is 0.
    pub(super) offsets: Vec<i32>,
    /// The values. Those of a text column are put together from whole, valid texts.
    pub(super) values: Vec<u8>,
}

impl ByteStore {
    /// Ends the value whose bytes were appended to `values`.
    ///
    /// # Panics
    /// If the column holds more than 2 GiB; a block of records is at most that long,
    /// and no value is longer than its text.
    pub(super) fn end_value(&mut self) {
        self.offsets.push(offset(self.values.len()));
    }
}

/// A column under construction.
pub(super) struct Column {
    pub(super) store: Store,
    pub(super) nulls: NullBufferBuilder,
    pub(super) sql: SqlType,
    /// The field's name for messages; `a.b` inside of a ROW, `a[]` inside of an ARRAY.
    pub(super) path: String,
}

/// Why a value could not be read; empty if there is nothing to add.
pub(super) type Reason = &'static str;

/// No hint.
pub(super) const UNREADABLE: Reason = "";
/// A number beyond the type's range.
pub(super) const OUT_OF_RANGE: Reason = ": out of range";
/// A TIMESTAMP_LTZ without `Z`.
pub(super) const NEEDS_ZONE: Reason = ": an instant ends with 'Z'";
/// A TIMESTAMP with `Z`.
pub(super) const HAS_ZONE: Reason = ": it ends with 'Z', so the column should be TIMESTAMP_LTZ";

impl Column {
    /// An empty column with room for this many values.
    pub(super) fn new(field: &Field, capacity: usize) -> Column {
        Column::of(&field.ty, field.name.clone(), capacity)
    }

    fn of(ty: &DataType, path: String, capacity: usize) -> Column {
        let store = match &ty.sql {
            SqlType::Null => Store::Null,
            SqlType::Boolean => Store::Boolean(BooleanBufferBuilder::new(capacity)),
            SqlType::TinyInt => Store::Int8(Vec::with_capacity(capacity)),
            SqlType::SmallInt => Store::Int16(Vec::with_capacity(capacity)),
            SqlType::Int | SqlType::Date | SqlType::Time(_) | SqlType::IntervalYearMonth => {
                Store::Int32(Vec::with_capacity(capacity))
            }
            SqlType::BigInt
            | SqlType::Timestamp(_)
            | SqlType::TimestampLtz(_)
            | SqlType::IntervalDayTime => Store::Int64(Vec::with_capacity(capacity)),
            SqlType::Float => Store::Float32(Vec::with_capacity(capacity)),
            SqlType::Double => Store::Float64(Vec::with_capacity(capacity)),
            SqlType::Decimal { .. } => Store::Decimal(Vec::with_capacity(capacity)),
            SqlType::Char(_) | SqlType::VarChar(_) | SqlType::Binary(_) | SqlType::VarBinary(_) => {
                Store::Bytes(ByteStore {
                    offsets: offsets(capacity),
                    // A guess: eight bytes a value.
                    values: Vec::with_capacity(capacity * 8),
                })
            }
            SqlType::Row(fields) => {
                let inner = |f: &Field| Column::of(&f.ty, format!("{path}.{}", f.name), capacity);
                Store::Row(fields.iter().map(inner).collect())
            }
            SqlType::Array(element) => {
                let items = Box::new(Column::of(element, format!("{path}[]"), capacity));
                Store::List { offsets: offsets(capacity), items }
            }
        };
        Column { store, nulls: NullBufferBuilder::new(capacity), sql: ty.sql.clone(), path }
    }

    /// How many values it has.
    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Appends NULL.
    pub(super) fn push_null(&mut self) {
        match &mut self.store {
            Store::Null => {}
            Store::Boolean(values) => values.append(false),
            Store::Int8(values) => values.push(0),
            Store::Int16(values) => values.push(0),
            Store::Int32(values) => values.push(0),
            Store::Int64(values) => values.push(0),
            Store::Float32(values) => values.push(0.0),
            Store::Float64(values) => values.push(0.0),
            Store::Decimal(values) => values.push(0),
            Store::Bytes(bytes) => bytes.end_value(),
            Store::Row(children) => children.iter_mut().for_each(Column::push_null),
            Store::List { offsets, items } => offsets.push(offset(items.len())),
        }
        self.nulls.append_null();
    }

    /// Takes away all values but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        match &mut self.store {
            Store::Null => {}
            Store::Boolean(values) => values.truncate(len),
            Store::Int8(values) => values.truncate(len),
            Store::Int16(values) => values.truncate(len),
            Store::Int32(values) => values.truncate(len),
            Store::Int64(values) => values.truncate(len),
            Store::Float32(values) => values.truncate(len),
            Store::Float64(values) => values.truncate(len),
            Store::Decimal(values) => values.truncate(len),
            Store::Bytes(bytes) => {
                bytes.offsets.truncate(len + 1);
                bytes.values.truncate(bytes.offsets.last().map_or(0, |&end| end as usize));
            }
            Store::Row(children) => children.iter_mut().for_each(|child| child.truncate(len)),
            Store::List { offsets, items } => {
                offsets.truncate(len + 1);
                items.truncate(offsets.last().map_or(0, |&end| end as usize));
            }
        }
        self.nulls.truncate(len);
    }

    /// Appends the value that the text stands for, or gives the reason why it stands
    /// for none and appends nothing. ROW and ARRAY have no text.
    ///
    /// Integers, floats and booleans are read after trimming, as Flink's formats do; a
    /// DECIMAL that does not fit is NULL, as Flink's decimals do; digits of a second
    /// beyond the type's precision are cut off.
    pub(super) fn push_text(&mut self, text: &[u8]) -> Result<(), Reason> {
        match (&mut self.store, &self.sql) {
            (Store::Boolean(values), _) => values.append(boolean(text)?),
            (Store::Int8(values), _) => values.push(integer(text)?),
            (Store::Int16(values), _) => values.push(integer(text)?),
            (Store::Int32(values), SqlType::Date) => values.push(date(text)?),
            (Store::Int32(values), SqlType::Time(precision)) => {
                values.push(datetime::parse_time(text).ok_or(UNREADABLE)?.millis(*precision));
            }
            (Store::Int32(values), _) => values.push(integer(text)?),
            (Store::Int64(values), SqlType::Timestamp(_) | SqlType::TimestampLtz(_)) => {
                values.push(timestamp(text, &self.sql)?);
            }
            (Store::Int64(values), _) => values.push(integer(text)?),
            (Store::Float32(values), _) => {
                values.push(number::float(number::trim(text)).ok_or(UNREADABLE)?);
            }
            (Store::Float64(values), _) => {
                values.push(number::double(number::trim(text)).ok_or(UNREADABLE)?);
            }
            (Store::Decimal(values), SqlType::Decimal { precision, scale }) => {
                match number::decimal(number::trim(text), *precision, *scale) {
                    number::DecimalText::Value(value) => values.push(value),
                    number::DecimalText::Bad => return Err(UNREADABLE),
                    number::DecimalText::Overflow => {
                        self.push_null();
                        return Ok(());
                    }
                }
            }
            (Store::Bytes(bytes), SqlType::Binary(_) | SqlType::VarBinary(_)) => {
                let before = bytes.values.len();
                if base64::decode(text, &mut bytes.values).is_none() {
                    bytes.values.truncate(before);
                    return Err(": not Base64");
                }
                bytes.end_value();
            }
            (Store::Bytes(bytes), _) => {
                bytes.values.extend_from_slice(text);
                bytes.end_value();
            }
            (Store::Null, _) => {
                self.push_null();
                return Ok(());
            }
            (Store::Row(_) | Store::List { .. } | Store::Decimal(_), _) => return Err(UNREADABLE),
        }
        self.nulls.append_non_null();
        Ok(())
    }

    /// What to tell a person about a value that could not be read.
    #[cold]
    pub(super) fn complaint(&self, value: &[u8], reason: Reason) -> String {
        const SHOWN_CHARS: usize = 100;
        let value = String::from_utf8_lossy(value);
        let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        format!("field '{}': cannot read {shown} as {}{reason}", self.path, self.sql)
    }

    /// The finished Arrow array.
    pub(super) fn finish(mut self) -> ArrayRef {
        let len = self.len();
        let nulls = self.nulls.finish();
        let arrow = self.sql.arrow();
        match self.store {
            Store::Null => Arc::new(NullArray::new(len)),
            Store::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Store::Int8(values) => primitive::<Int8Type>(values, nulls),
            Store::Int16(values) => primitive::<Int16Type>(values, nulls),
            Store::Int32(values) => match arrow {
                ArrowType::Date32 => primitive::<Date32Type>(values, nulls),
                ArrowType::Time32(_) => primitive::<Time32MillisecondType>(values, nulls),
                ArrowType::Interval(_) => primitive::<IntervalYearMonthType>(values, nulls),
                _ => primitive::<Int32Type>(values, nulls),
            },
            Store::Int64(values) => finish_int64(values, nulls, &arrow),
            Store::Float32(values) => primitive::<Float32Type>(values, nulls),
            Store::Float64(values) => primitive::<Float64Type>(values, nulls),
            Store::Decimal(values) => {
                let array = Decimal128Array::new(values.into(), nulls).with_data_type(arrow);
                Arc::new(array)
            }
            Store::Bytes(bytes) => finish_bytes(bytes, nulls, &arrow),
            Store::Row(children) => finish_row(children, nulls, &arrow, len),
            Store::List { offsets, items } => {
                let ArrowType::List(field) = arrow else {
                    unreachable!("an ARRAY is an Arrow list")
                };
                Arc::new(ListArray::new(field, offset_buffer(offsets), items.finish(), nulls))
            }
        }
    }
}

fn boolean(text: &[u8]) -> Result<bool, Reason> {
    let text = number::trim(text);
    if text.eq_ignore_ascii_case(b"true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Ok(false)
    } else {
        Err(UNREADABLE)
    }
}

fn integer<T: TryFrom<i64>>(text: &[u8]) -> Result<T, Reason> {
    let text = number::trim(text);
    let Some(value) = number::integer(text) else {
        let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
        let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        return Err(if all_digits { OUT_OF_RANGE } else { UNREADABLE });
    };
    T::try_from(value).map_err(|_| OUT_OF_RANGE)
}

fn date(text: &[u8]) -> Result<i32, Reason> {
    let days = datetime::parse_date(text).ok_or(UNREADABLE)?;
    i32::try_from(days).map_err(|_| OUT_OF_RANGE)
}

/// A value of a TIMESTAMP or TIMESTAMP_LTZ in the unit of its precision.
#[inline]
pub(super) fn timestamp(text: &[u8], sql: &SqlType) -> Result<i64, Reason> {
    let ParsedTimestamp { at, utc } = datetime::parse_timestamp(text).ok_or(UNREADABLE)?;
    let precision = match sql {
        SqlType::TimestampLtz(_) if !utc => return Err(NEEDS_ZONE),
        SqlType::Timestamp(_) if utc => return Err(HAS_ZONE),
        SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision) => *precision,
        _ => return Err(UNREADABLE),
    };
    at.to_precision(precision).ok_or(OUT_OF_RANGE)
}

fn offset(len: usize) -> i32 {
    i32::try_from(len).expect("a block of records holds at most 2 GiB")
}

fn offsets(capacity: usize) -> Vec<i32> {
    let mut offsets = Vec::with_capacity(capacity + 1);
    offsets.push(0);
    offsets
}

fn offset_buffer(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.into(), nulls))
}

fn finish_int64(values: Vec<i64>, nulls: Option<NullBuffer>, arrow: &ArrowType) -> ArrayRef {
    let values = ScalarBuffer::from(values);
    match arrow {
        ArrowType::Timestamp(arrow_schema::TimeUnit::Microsecond, zone) => {
            let array = PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        ArrowType::Timestamp(arrow_schema::TimeUnit::Nanosecond, zone) => {
            let array = PrimitiveArray::<TimestampNanosecondType>::new(values, nulls);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        ArrowType::Timestamp(_, zone) => {
            let array = PrimitiveArray::<TimestampMillisecondType>::new(values, nulls);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        ArrowType::Duration(_) => {
            Arc::new(PrimitiveArray::<DurationMillisecondType>::new(values, nulls))
        }
        _ => Arc::new(PrimitiveArray::<Int64Type>::new(values, nulls)),
    }
}

fn finish_bytes(bytes: ByteStore, nulls: Option<NullBuffer>, arrow: &ArrowType) -> ArrayRef {
    let (offsets, values) = (offset_buffer(bytes.offsets), Buffer::from(bytes.values));
    if *arrow == ArrowType::Binary {
        Arc::new(BinaryArray::new(offsets, values, nulls))
    } else {
        // Its check of UTF-8 is wanted: it holds that only valid texts were put in.
        Arc::new(StringArray::new(offsets, values, nulls))
    }
}

fn finish_row(
    children: Vec<Column>,
    nulls: Option<NullBuffer>,
    arrow: &ArrowType,
    len: usize,
) -> ArrayRef {
    let ArrowType::Struct(fields) = arrow else { unreachable!("a ROW is an Arrow struct") };
    if fields.is_empty() {
        return Arc::new(StructArray::new_empty_fields(len, nulls));
    }
    let children = children.into_iter().map(Column::finish).collect();
    Arc::new(StructArray::new(fields.clone(), children, nulls))
}
