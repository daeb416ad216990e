//! The `datagen` source: rows that are a function of the seed and their number.
//!
//! No clock takes part. A timestamp is the row's place on a time line that starts in
//! 2020 and moves on by `rows-per-second`, minus a random part of `max-past`.

use super::{FetchRequest, Fetched, Source, SourceError, number, rate};
use anabranch_engine::format::{RecordBlock, RecordRef};
use anabranch_engine::ids::Offset;
use anabranch_engine::pipeline::{FetchedData, FoundSplit, LogEnd};
use anabranch_engine::plan::connector::parse_duration_ms;
use anabranch_engine::plan::{ColumnKind, Table, TableColumn};
use anabranch_engine::types::SqlType;
use std::fmt::Write;
use std::time::Duration;

/// The only split.
const SPLIT: &str = "0";
/// 2020-01-01T00:00:00Z, where the rows' time line starts, in ms.
const TIME_START_MS: i64 = 1_577_836_800_000;
/// Flink's default.
const ROWS_PER_SECOND: f64 = 10_000.0;
/// Flink's default length of a text.
const TEXT_LENGTH: u64 = 100;

/// Rows out of nothing.
#[derive(Debug)]
pub struct DatagenSource {
    seed: u64,
    rows: Option<u64>,
    rows_per_second: f64,
    fields: Vec<FieldMaker>,
}

/// How the values of one column are made.
#[derive(Debug)]
struct FieldMaker {
    /// The name as the beginning of a JSON member.
    member: String,
    kind: FieldKind,
    null_rate: f64,
}

#[derive(Debug)]
enum FieldKind {
    Boolean,
    /// Days since 1970 and back.
    Date {
        max_past_ms: i64,
    },
    Decimal {
        min: f64,
        max: f64,
        scale: u8,
    },
    Double {
        min: f64,
        max: f64,
    },
    Integer {
        min: i64,
        max: i64,
    },
    /// From start on, one more each row; quoted if the column is a text.
    Sequence {
        start: i64,
        quoted: bool,
    },
    Text {
        length: u64,
    },
    Time,
    Timestamp {
        max_past_ms: i64,
        zone: &'static str,
    },
}

impl DatagenSource {
    /// The source of a table.
    ///
    /// # Errors
    /// If an option makes no sense.
    pub fn of(table: &Table) -> Result<DatagenSource, SourceError> {
        let mut rows: Option<u64> = number(table, "number-of-rows")?;
        let mut fields = Vec::new();
        for column in &table.columns {
            if matches!(column.kind, ColumnKind::Physical) {
                let (field, count) = field_of(table, column)?;
                rows = [rows, count].into_iter().flatten().min();
                fields.push(field);
            }
        }
        Ok(DatagenSource {
            seed: number(table, "seed")?.unwrap_or(0),
            rows,
            rows_per_second: rate(table, "rows-per-second")?.unwrap_or(ROWS_PER_SECOND),
            fields,
        })
    }

    /// Appends row `n` as a JSON object.
    fn write_row(&self, n: u64, out: &mut String) {
        out.push('{');
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&field.member);
            let mut draws = Draws::new(self.seed, index as u64, n);
            if field.null_rate > 0.0 && draws.unit() < field.null_rate {
                out.push_str("null");
                continue;
            }
            self.write_value(&field.kind, n, &mut draws, out);
        }
        out.push('}');
    }

    fn write_value(&self, kind: &FieldKind, n: u64, draws: &mut Draws, out: &mut String) {
        let since_start_ms = (n as f64 * 1_000.0 / self.rows_per_second) as i64;
        let time_ms = TIME_START_MS.saturating_add(since_start_ms);
        // Writing to a text cannot fail.
        let _ = match kind {
            FieldKind::Boolean => write!(out, "{}", draws.next() & 1 == 1),
            FieldKind::Date { max_past_ms } => {
                let (date, _) = date_and_time(time_ms - draws.up_to(*max_past_ms));
                write!(out, "\"{date}\"")
            }
            FieldKind::Decimal { min, max, scale } => {
                let value = min + draws.unit() * (max - min);
                write!(out, "{value:.*}", usize::from(*scale))
            }
            FieldKind::Double { min, max } => {
                write!(out, "{}", min + draws.unit() * (max - min))
            }
            FieldKind::Integer { min, max } => write!(out, "{}", draws.between(*min, *max)),
            FieldKind::Sequence { start, quoted } => {
                let value = start.wrapping_add(n as i64);
                if *quoted { write!(out, "\"{value}\"") } else { write!(out, "{value}") }
            }
            FieldKind::Text { length } => {
                out.push('"');
                for _ in 0..*length {
                    let digit = (draws.next() % 16) as u32;
                    out.push(char::from_digit(digit, 16).expect("below the radix"));
                }
                out.push('"');
                Ok(())
            }
            FieldKind::Time => {
                let (_, time) = date_and_time(draws.up_to(86_399_999));
                write!(out, "\"{time}\"")
            }
            FieldKind::Timestamp { max_past_ms, zone } => {
                let (date, time) = date_and_time(time_ms - draws.up_to(*max_past_ms));
                write!(out, "\"{date} {time}{zone}\"")
            }
        };
    }
}

/// The maker of a column, and after how many rows a sequence ends.
fn field_of(table: &Table, column: &TableColumn) -> Result<(FieldMaker, Option<u64>), SourceError> {
    let key = |option: &str| format!("fields.{}.{option}", column.name);
    let text = |option: &str| table.options.get(&key(option)).map(String::as_str);
    let duration_ms = |option| text(option).and_then(parse_duration_ms).unwrap_or(0);
    let refused = |what: String| SourceError::Options { table: table.name.clone(), what };
    let ty = &column.ty.sql;
    let member = serde_json::to_string(&column.name).unwrap_or_default() + ":";
    let null_rate = number(table, &key("null-rate"))?.unwrap_or(0.0);
    let maker = |kind| FieldMaker { member: member.clone(), kind, null_rate };
    if text("kind") == Some("sequence") {
        let start: i64 = number(table, &key("start"))?.unwrap_or(0);
        let end: Option<i64> = number(table, &key("end"))?;
        if !ty.is_numeric() && !ty.is_text() {
            return Err(refused(format!("a sequence cannot fill {} {ty}", column.name)));
        }
        let count = end.map(|end| end.saturating_sub(start).saturating_add(1).max(0) as u64);
        return Ok((maker(FieldKind::Sequence { start, quoted: ty.is_text() }), count));
    }
    let integers = |least: i64, most: i64| -> Result<FieldKind, SourceError> {
        let min = number(table, &key("min"))?.unwrap_or(least);
        let max = number(table, &key("max"))?.unwrap_or(most);
        match min <= max {
            true => Ok(FieldKind::Integer { min, max }),
            false => Err(refused(format!("{} is above {}", key("min"), key("max")))),
        }
    };
    let bounds = |least: f64, most: f64| -> Result<(f64, f64), SourceError> {
        let min = number(table, &key("min"))?.unwrap_or(least);
        Ok((min, number(table, &key("max"))?.unwrap_or(most)))
    };
    let kind = match ty {
        SqlType::Boolean => FieldKind::Boolean,
        SqlType::TinyInt => integers(i8::MIN.into(), i8::MAX.into())?,
        SqlType::SmallInt => integers(i16::MIN.into(), i16::MAX.into())?,
        SqlType::Int => integers(i32::MIN.into(), i32::MAX.into())?,
        SqlType::BigInt => integers(i64::MIN, i64::MAX)?,
        SqlType::Float | SqlType::Double => {
            let (min, max) = bounds(0.0, 1.0)?;
            FieldKind::Double { min, max }
        }
        SqlType::Decimal { precision, scale } => {
            let digits = i32::from((precision - scale).min(15));
            let (min, max) = bounds(0.0, 10_f64.powi(digits) - 1.0)?;
            FieldKind::Decimal { min, max, scale: *scale }
        }
        SqlType::Char(length) => FieldKind::Text { length: u64::from(*length) },
        SqlType::VarChar(most) => {
            let length = number(table, &key("length"))?.unwrap_or(TEXT_LENGTH);
            FieldKind::Text { length: length.min(u64::from(*most)) }
        }
        SqlType::Date => FieldKind::Date { max_past_ms: duration_ms("max-past") },
        SqlType::Time(_) => FieldKind::Time,
        SqlType::Timestamp(_) => {
            FieldKind::Timestamp { max_past_ms: duration_ms("max-past"), zone: "" }
        }
        SqlType::TimestampLtz(_) => {
            FieldKind::Timestamp { max_past_ms: duration_ms("max-past"), zone: "Z" }
        }
        other => return Err(refused(format!("datagen cannot fill {} {other}", column.name))),
    };
    Ok((maker(kind), None))
}

/// A moment as date and time of day, with milliseconds.
fn date_and_time(ms: i64) -> (String, String) {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days to a civil date by Howard Hinnant's algorithm, in years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}.{millis:03}"),
    )
}

/// Random numbers for one value: SplitMix64, from the seed, the column and the row.
struct Draws(u64);

impl Draws {
    fn new(seed: u64, column: u64, row: u64) -> Draws {
        let mut draws = Draws(seed);
        let salted = draws.next() ^ column;
        draws.0 = salted;
        let salted = draws.next() ^ row;
        Draws(salted)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to `most`.
    fn up_to(&mut self, most: i64) -> i64 {
        self.between(0, most.max(0))
    }

    fn between(&mut self, min: i64, max: i64) -> i64 {
        let width = max.wrapping_sub(min) as u64;
        let draw = self.next();
        let offset = if width == u64::MAX { draw } else { draw % (width + 1) };
        min.wrapping_add(offset as i64)
    }
}

impl Source for DatagenSource {
    fn splits(&self) -> Result<Vec<FoundSplit>, SourceError> {
        let identity = format!("datagen seed {}", self.seed);
        Ok(vec![FoundSplit { name: SPLIT.to_owned(), start: Offset(0), identity }])
    }

    fn fetch(&self, request: &FetchRequest) -> Result<Fetched, SourceError> {
        let last = self.rows.unwrap_or(u64::MAX);
        let until = request.until.map_or(last, |until| until.0.min(last));
        let most = match request.until {
            Some(_) => u64::MAX,
            None => request.rows_max.unwrap_or(u64::MAX),
        };
        let mut data = String::new();
        let mut records = Vec::new();
        let mut n = request.from.0;
        while n < until && (records.len() as u64) < most {
            if request.until.is_none() && data.len() >= request.bytes_max {
                break;
            }
            let start = data.len() as u32;
            self.write_row(n, &mut data);
            let end = data.len() as u32;
            records.push(RecordRef { offset: n, start, end, timestamp_ms: None });
            n += 1;
        }
        let end = if n >= last { LogEnd::Ended } else { LogEnd::More };
        let (rows, bytes) = (records.len() as u64, data.len() as u64);
        let block = RecordBlock { data: data.into(), records, end_offset: n };
        Ok(Fetched { data: FetchedData::Records(block), end, rows, bytes })
    }

    fn rows_per_second(&self) -> Option<f64> {
        Some(self.rows_per_second)
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::ids::TableId;
    use anabranch_engine::plan::{FormatSpec, OnError};

    fn table(columns: &[(&str, SqlType)], options: &[(&str, &str)]) -> Table {
        let column = |(name, ty): &(&str, SqlType)| TableColumn {
            name: (*name).to_owned(),
            ty: ty.clone().nullable(),
            kind: ColumnKind::Physical,
        };
        let option = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Table {
            id: TableId(0),
            name: "t".into(),
            columns: columns.iter().map(column).collect(),
            primary_key: None,
            watermark: None,
            connector: "datagen".into(),
            options: options.iter().map(option).collect(),
            format: FormatSpec::None,
            on_error: OnError::DeadLetter,
            bounded: true,
        }
    }

    fn rows(source: &DatagenSource, from: u64, until: Option<u64>) -> (Vec<String>, LogEnd) {
        let request = FetchRequest {
            split: SPLIT.into(),
            from: Offset(from),
            until: until.map(Offset),
            bytes_max: 1 << 20,
            rows_max: None,
        };
        let fetched = source.fetch(&request).unwrap();
        let FetchedData::Records(block) = fetched.data else { panic!("records are made") };
        let text = |record: &RecordRef| {
            let range = record.start as usize..record.end as usize;
            String::from_utf8(block.data[range].to_vec()).unwrap()
        };
        (block.records.iter().map(text).collect(), fetched.end)
    }

    #[test]
    fn a_row_depends_on_its_number_alone() {
        let columns = [
            ("id", SqlType::BigInt),
            ("x", SqlType::Double),
            ("s", SqlType::VarChar(4)),
            ("t", SqlType::Timestamp(3)),
        ];
        let options = [("number-of-rows", "50"), ("fields.id.kind", "sequence"), ("seed", "7")];
        let source = DatagenSource::of(&table(&columns, &options)).unwrap();
        let (all, end) = rows(&source, 0, None);
        assert_eq!((all.len(), end), (50, LogEnd::Ended));
        let (part, end) = rows(&source, 20, Some(30));
        assert_eq!((part.as_slice(), end), (&all[20..30], LogEnd::More));
        assert!(all[3].starts_with("{\"id\":3,\"x\":0."), "{}", all[3]);
        assert!(all[3].ends_with("\"t\":\"2020-01-01 00:00:00.000\"}"), "{}", all[3]);
    }

    #[test]
    fn a_sequence_ends_the_table() {
        let options =
            [("fields.id.kind", "sequence"), ("fields.id.start", "5"), ("fields.id.end", "6")];
        let source = DatagenSource::of(&table(&[("id", SqlType::Int)], &options)).unwrap();
        assert_eq!(rows(&source, 0, None).0, ["{\"id\":5}", "{\"id\":6}"]);
    }

    #[test]
    fn values_stay_within_their_bounds() {
        let options = [("number-of-rows", "500"), ("fields.n.min", "-2"), ("fields.n.max", "2")];
        let source = DatagenSource::of(&table(&[("n", SqlType::TinyInt)], &options)).unwrap();
        let mut seen: Vec<String> = rows(&source, 0, None).0;
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5, "{seen:?}");
        let wrong = [("fields.n.min", "3"), ("fields.n.max", "2")];
        assert!(DatagenSource::of(&table(&[("n", SqlType::Int)], &wrong)).is_err());
    }
}
