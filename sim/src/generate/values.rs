//! Values of each type, as they stand in a record.

use crate::rng::Draws;
use anabranch_engine::plan::TimestampFormat;
use anabranch_engine::types::datetime::civil_from_days;
use anabranch_engine::types::{DataType, SqlType};
use std::fmt::Write as _;

/// How values of a column are drawn.
pub(super) struct Taste {
    /// How many different keys there are.
    pub(super) keys: u64,
    /// Of a million values, how many are NULL where that is allowed.
    pub(super) nulls: u32,
    pub(super) timestamps: TimestampFormat,
}

/// A value as text: JSON, or one CSV field.
pub(super) struct Written {
    pub(super) text: String,
    /// Whether JSON puts it into quotes.
    pub(super) quoted: bool,
}

fn plain(text: String) -> Written {
    Written { text, quoted: false }
}

fn quoted(text: String) -> Written {
    Written { text, quoted: true }
}

/// A value of a type; `None` is NULL.
pub(super) fn value(ty: &DataType, taste: &Taste, draws: &mut Draws) -> Option<Written> {
    // Both are drawn in any case, so that one value says nothing of the next.
    let (is_null, draw) = (draws.happens(taste.nulls), draws.number());
    if is_null && ty.nullable {
        return None;
    }
    let below = |limit: u64| draw % limit;
    Some(match &ty.sql {
        SqlType::Null => return None,
        SqlType::Boolean => plain(if below(2) == 0 { "true" } else { "false" }.to_owned()),
        SqlType::TinyInt => plain((below(200) as i64 - 100).to_string()),
        SqlType::SmallInt | SqlType::Int => plain((below(2_000) as i64 - 500).to_string()),
        SqlType::BigInt => plain((below(10_000) as i64 - 1_000).to_string()),
        SqlType::Float | SqlType::Double => {
            plain(format!("{}.{:02}", below(1_000) as i64 - 200, draw >> 40 & 63))
        }
        SqlType::Decimal { precision, scale } => {
            let digits = u32::from(precision - scale).min(6);
            let whole = below(10_u64.pow(digits).max(1));
            match scale {
                0 => plain(whole.to_string()),
                scale => {
                    let places = usize::from(*scale).min(6);
                    let part = (draw >> 32) % 10_u64.pow(places as u32);
                    plain(format!("{whole}.{part:0places$}"))
                }
            }
        }
        SqlType::Char(length) | SqlType::VarChar(length) => {
            // The product of two draws: a few keys are frequent, most are rare.
            let (first, second) = (below(taste.keys), (draw >> 32) % taste.keys);
            let mut text = format!("k{}", first * second / taste.keys.max(1));
            text.truncate((*length).max(1) as usize);
            quoted(text)
        }
        SqlType::Binary(_) | SqlType::VarBinary(_) => {
            quoted(["AAAA", "AQID", "/+8=", "YQ=="][below(4) as usize].to_owned())
        }
        SqlType::Date => quoted(date(19_000 + below(400) as i64)),
        SqlType::Time(_) => {
            quoted(format!("{:02}:{:02}:{:02}", below(24), draw >> 20 & 31, draw >> 30 & 31))
        }
        SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => {
            let ms = 1_700_000_000_000 + below(86_400_000) as i64;
            return Some(timestamp(&ty.sql, ms, taste));
        }
        SqlType::IntervalDayTime | SqlType::IntervalYearMonth => plain(below(1_000).to_string()),
        SqlType::Array(element) => {
            let items = (0..below(3)).map(|_| json(value(element, taste, draws)));
            plain(format!("[{}]", items.collect::<Vec<_>>().join(",")))
        }
        SqlType::Row(fields) => {
            let fields = fields.iter().map(|field| {
                format!("\"{}\":{}", field.name, json(value(&field.ty, taste, draws)))
            });
            plain(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
        }
    })
}

/// A moment in event time as a value of the column that it stands in.
pub(super) fn timestamp(ty: &SqlType, ms: i64, taste: &Taste) -> Written {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (second, milli) = (of_day / 1_000, of_day % 1_000);
    let separator = match taste.timestamps {
        TimestampFormat::Sql => ' ',
        TimestampFormat::Iso8601 => 'T',
    };
    let mut text = date(days);
    let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
    write!(text, "{separator}{h:02}:{m:02}:{s:02}.{milli:03}").expect("a string takes all");
    match ty {
        SqlType::TimestampLtz(_) => quoted(text + "Z"),
        SqlType::Timestamp(_) => quoted(text),
        // A number that an expression makes a time of: ms since 1970.
        SqlType::BigInt | SqlType::Decimal { .. } | SqlType::Double => plain(ms.to_string()),
        SqlType::Int => plain((ms / 1_000).to_string()),
        _ => quoted(text),
    }
}

fn date(days: i64) -> String {
    let day = civil_from_days(days);
    format!("{:04}-{:02}-{:02}", day.year, day.month, day.day)
}

/// A value as JSON.
pub(super) fn json(value: Option<Written>) -> String {
    match value {
        None => "null".to_owned(),
        Some(Written { text, quoted: true }) => format!("\"{text}\""),
        Some(Written { text, quoted: false }) => text,
    }
}
