//! The type of a column, out of its values.

use anabranch_engine::types::TimeUnit;
use anabranch_engine::types::datetime::sql::parse_timestamp_any;
use serde_json::Value;

/// What the values of a column can be read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// No value but NULL came.
    Nothing,
    Boolean,
    BigInt,
    Double,
    Timestamp,
    TimestampLtz,
    Text,
    Row(Vec<(String, Guess)>),
    Array(Box<Guess>),
}

impl Guess {
    /// The type of one value of JSON.
    pub(super) fn of_json(value: &Value) -> Guess {
        match value {
            Value::Null => Guess::Nothing,
            Value::Bool(_) => Guess::Boolean,
            Value::Number(number) if number.is_i64() => Guess::BigInt,
            Value::Number(_) => Guess::Double,
            Value::String(text) => timestamp(text).unwrap_or(Guess::Text),
            Value::Array(values) => Guess::Array(Box::new(
                values.iter().map(Guess::of_json).fold(Guess::Nothing, Guess::merge),
            )),
            Value::Object(fields) => Guess::Row(
                fields.iter().map(|(name, value)| (name.clone(), Guess::of_json(value))).collect(),
            ),
        }
    }

    /// The type of one field of CSV.
    pub(super) fn of_text(text: &str) -> Guess {
        if text.is_empty() {
            return Guess::Nothing;
        }
        if text.parse::<i64>().is_ok() {
            return Guess::BigInt;
        }
        if text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Guess::Double;
        }
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Guess::Boolean;
        }
        timestamp(text).unwrap_or(Guess::Text)
    }

    /// The type that takes the values of both.
    pub(super) fn merge(self, other: Guess) -> Guess {
        match (self, other) {
            (Guess::Nothing, one) | (one, Guess::Nothing) => one,
            (Guess::BigInt, Guess::Double) | (Guess::Double, Guess::BigInt) => Guess::Double,
            (Guess::Array(a), Guess::Array(b)) => Guess::Array(Box::new(a.merge(*b))),
            (Guess::Row(mut fields), Guess::Row(others)) => {
                for (name, guess) in others {
                    match fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = known.clone().merge(guess),
                        None => fields.push((name, guess)),
                    }
                }
                Guess::Row(fields)
            }
            (one, other) if one == other => one,
            _ => Guess::Text,
        }
    }

    /// The type as SQL writes it.
    pub(super) fn sql(&self) -> String {
        match self {
            Guess::Nothing | Guess::Text => "STRING".to_owned(),
            Guess::Boolean => "BOOLEAN".to_owned(),
            Guess::BigInt => "BIGINT".to_owned(),
            Guess::Double => "DOUBLE".to_owned(),
            Guess::Timestamp => "TIMESTAMP(3)".to_owned(),
            Guess::TimestampLtz => "TIMESTAMP_LTZ(3)".to_owned(),
            Guess::Array(element) => format!("ARRAY<{}>", element.sql()),
            Guess::Row(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, guess)| format!("{} {}", super::quoted(name), guess.sql()))
                    .collect();
                format!("ROW<{}>", fields.join(", "))
            }
        }
    }
}

/// A text with a date and a time of day is a timestamp; one with a zone an instant.
fn timestamp(text: &str) -> Option<Guess> {
    if !text.contains(':') || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (_, offset) = parse_timestamp_any(text)?;
    Some(if offset.is_some() { Guess::TimestampLtz } else { Guess::Timestamp })
}

/// The milliseconds of a timestamp's text.
pub(super) fn millis_of(text: &str) -> Option<i64> {
    let (moment, offset) = parse_timestamp_any(text)?;
    let ms = moment.to_unit(TimeUnit::Millisecond)?;
    ms.checked_sub(offset.unwrap_or(0).checked_mul(1_000)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> String {
        let guess = |text: &&str| Guess::of_json(&serde_json::from_str(text).unwrap());
        values.iter().map(guess).fold(Guess::Nothing, Guess::merge).sql()
    }

    #[test]
    fn values_agree_on_a_type() {
        assert_eq!(of(&["1", "null", "2"]), "BIGINT");
        assert_eq!(of(&["1", "2.5"]), "DOUBLE");
        assert_eq!(of(&["1", "\"a\""]), "STRING");
        assert_eq!(of(&["null"]), "STRING");
        assert_eq!(of(&["\"2013-01-01 05:17:00\"", "\"2013-01-01T05:17:00.5\""]), "TIMESTAMP(3)");
        assert_eq!(of(&["\"2013-01-01T05:17:00Z\""]), "TIMESTAMP_LTZ(3)");
        assert_eq!(of(&["\"2013-01-01\""]), "STRING");
        let nested = ["{\"a\":1,\"order\":[1]}", "{\"a\":1.5,\"order\":[null]}"];
        assert_eq!(of(&nested), "ROW<a DOUBLE, `order` ARRAY<BIGINT>>");
    }
}
