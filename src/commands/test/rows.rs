//! Rows of a sink, as they came and as they are expected, and what makes them equal.
//!
//! Equal are rows with equal values: the order of columns, blanks and trailing zeros of
//! a number do not matter, and a column that is left out is NULL. In which order rows
//! have to stand is what rule E-3 promises, and no more.
// spec: E-3

use super::diff::Difference;
use anabranch_engine::ids::{Epoch, NodeId};
use anabranch_engine::plan::{CsvOptions, FormatSpec, NodeKind, Plan, Table};
use anabranch_engine::rows::RowKind;
use anabranch_sim::lab::{RowOrigin, SinkRow};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its columns that are not NULL, each with its value in one spelling, in the order
    /// in which they stand.
    pub(super) cells: Vec<(String, String)>,
    /// As it is shown.
    pub(super) line: String,
}

/// The rows that a file expects of a sink.
#[derive(Debug)]
pub(super) struct Expected {
    /// Where they stand, for messages.
    pub(super) place: String,
    /// Whether they are CSV.
    pub(super) is_csv: bool,
    /// The rows.
    pub(super) rows: Vec<Row>,
}

/// What a sink came to hold.
#[derive(Debug)]
pub(super) struct SinkRows {
    name: String,
    table: Table,
    rows: Vec<SinkRow>,
    /// Whether rows of timers come from one operator, and so have an order.
    one_operator: bool,
}

impl Row {
    /// The values, by column.
    pub(super) fn key(&self) -> Vec<&(String, String)> {
        let mut key: Vec<_> = self.cells.iter().collect();
        key.sort();
        key
    }

    fn of_json(line: &str) -> Result<Row, String> {
        let cells = members(line).map_err(|error| error.to_string())?;
        let cells = cells.into_iter().filter(|(_, value)| value != "null");
        Ok(Row { cells: cells.collect(), line: line.trim().to_owned() })
    }

    /// The rows of a file of JSON lines.
    pub(super) fn all_of_json(text: &str) -> Result<Vec<Row>, String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(index, line)| {
                Row::of_json(line).map_err(|what| format!("line {}: {what}", index + 1))
            })
            .collect()
    }

    /// The rows of a file of CSV, as a table writes it.
    pub(super) fn all_of_csv(text: &str, table: &Table, options: &CsvOptions) -> Vec<Row> {
        let names: Vec<&str> = table.stored_columns().map(|column| column.name.as_str()).collect();
        let quote = options.quote_character;
        let mut rows = Vec::new();
        let mut record = String::new();
        for line in text.split_inclusive('\n') {
            record.push_str(line);
            let is_open = quote.is_some_and(|quote| record.matches(quote).count() % 2 == 1);
            if !is_open {
                rows.extend(Row::of_csv(record.trim_end_matches(['\n', '\r']), &names, options));
                record.clear();
            }
        }
        rows.extend(Row::of_csv(&record, &names, options));
        rows
    }

    fn of_csv(record: &str, names: &[&str], options: &CsvOptions) -> Option<Row> {
        if record.is_empty() {
            return None;
        }
        let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
        for character in record.chars() {
            if Some(character) == options.quote_character {
                is_quoted = !is_quoted;
            }
            match character == options.field_delimiter && !is_quoted {
                true => cells.push(std::mem::take(&mut cell)),
                false => cell.push(character),
            }
        }
        cells.push(cell);
        let name = |index: usize| {
            names.get(index).map_or_else(|| format!("column {}", index + 1), |name| (*name).into())
        };
        let cells = cells.into_iter().enumerate().map(|(index, cell)| (name(index), cell));
        Some(Row { cells: cells.collect(), line: record.to_owned() })
    }
}

/// The members of a JSON object in their order, each value in one spelling.
fn members(text: &str) -> Result<Vec<(String, String)>, serde_json::Error> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a row as a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut cells = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                cells.push((name, spelled(value.get()).map_err(serde::de::Error::custom)?));
            }
            Ok(cells)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let cells = deserializer.deserialize_map(Members)?;
    deserializer.end()?;
    Ok(cells)
}

/// A JSON value in one spelling; numbers keep all their digits.
fn spelled(value: &str) -> Result<String, serde_json::Error> {
    let value = value.trim();
    match value.as_bytes().first() {
        Some(b'{') => {
            let mut cells = members(value)?;
            cells.sort();
            let cells: Vec<String> =
                cells.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
            Ok(format!("{{{}}}", cells.join(",")))
        }
        Some(b'[') => {
            let parts: Vec<&RawValue> = serde_json::from_str(value)?;
            let parts: Result<Vec<String>, _> =
                parts.iter().map(|part| spelled(part.get())).collect();
            Ok(format!("[{}]", parts?.join(",")))
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(value)?;
            serde_json::to_string(&text)
        }
        Some(b'-' | b'0'..=b'9') => Ok(number(value)),
        _ => Ok(value.to_owned()),
    }
}

/// A number as its digits and the place of its point: `1.50` and `15e-1` are `15e-1`.
fn number(text: &str) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let Ok(exponent) = exponent.parse::<i64>() else { return text.to_owned() };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return "0".to_owned();
    }
    let exponent = exponent - fraction.len() as i64 + (digits.len() - kept.len()) as i64;
    if exponent == 0 { format!("{sign}{kept}") } else { format!("{sign}{kept}e{exponent}") }
}

impl SinkRows {
    /// The rows of a table. Where rows are taken back, what is left of them.
    pub(super) fn of(plan: &Plan, table: &Table, rows: Vec<SinkRow>) -> SinkRows {
        let rows = match rows.iter().all(|row| row.kind == RowKind::Insert) {
            true => rows,
            false => left_of(rows, table),
        };
        let name = super::folder::sink_name(table);
        SinkRows { name, table: table.clone(), rows, one_operator: operators(plan, table) <= 1 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows as lines of JSON, each with its epoch, in the order of the sink.
    pub(super) fn held(&self) -> impl Iterator<Item = (Epoch, &str)> {
        self.rows.iter().map(|row| (row.epoch, row.json.as_str()))
    }

    /// Whether the table writes CSV.
    pub(super) fn is_csv(&self) -> bool {
        matches!(self.table.format, FormatSpec::Csv(_))
    }

    /// The rows as a file that expects them.
    pub(super) fn text(&self, is_csv: bool) -> String {
        let in_order = self.in_order().into_iter();
        in_order
            .map(|row| if is_csv { row.stored.clone() } else { row.json.clone() + "\n" })
            .collect()
    }

    /// Whether nothing but the set of the rows is promised.
    fn is_set(&self) -> bool {
        self.rows.iter().any(|row| match &row.origin {
            RowOrigin::Nowhere => true,
            RowOrigin::Record(_) => row.kind != RowKind::Insert,
            RowOrigin::Timer => !self.one_operator || row.kind != RowKind::Insert,
        })
    }

    /// The rows by what decides their order.
    fn parts(&self) -> BTreeMap<&RowOrigin, Vec<&SinkRow>> {
        let mut parts: BTreeMap<&RowOrigin, Vec<&SinkRow>> = BTreeMap::new();
        for row in &self.rows {
            parts.entry(&row.origin).or_default().push(row);
        }
        for (origin, rows) in &mut parts {
            let ordered = match origin {
                RowOrigin::Nowhere => false,
                RowOrigin::Record(_) => true,
                RowOrigin::Timer => self.one_operator,
            };
            if !ordered || rows.iter().any(|row| row.kind != RowKind::Insert) {
                rows.sort_by(|a, b| a.json.cmp(&b.json));
            }
        }
        parts
    }

    /// The rows in the one order in which they are written down: without a place, by
    /// their text; of records, split by split; of timers.
    fn in_order(&self) -> Vec<&SinkRow> {
        match self.is_set() {
            true => {
                let mut all: Vec<&SinkRow> = self.rows.iter().collect();
                all.sort_by(|a, b| a.json.cmp(&b.json));
                all
            }
            false => self.parts().into_values().flatten().collect(),
        }
    }

    /// What differs from another run, byte for byte where an order is promised.
    pub(super) fn disagreement(
        &self,
        name: &str,
        other: &SinkRows,
        way: &str,
    ) -> Option<Difference> {
        let stored = |sink: &SinkRows| -> Vec<String> {
            sink.parts().into_values().flatten().map(|row| row.stored.clone()).collect()
        };
        let origins = |sink: &SinkRows| -> Vec<RowOrigin> {
            sink.parts().into_iter().flat_map(|(o, rows)| vec![o.clone(); rows.len()]).collect()
        };
        if stored(self) == stored(other) && origins(self) == origins(other) {
            return None;
        }
        let title = format!("{name}: the run \"{way}\" differs from the straight run");
        Some(Difference::of(name, &title, &self.shown(false), &other.shown(false), self.is_set()))
    }

    /// The rows in order, to compare.
    fn shown(&self, is_csv: bool) -> Vec<Row> {
        let rows = self.in_order();
        match (is_csv, &self.table.format) {
            (true, FormatSpec::Csv(options)) => {
                let text: String = rows.iter().map(|row| row.stored.as_str()).collect();
                Row::all_of_csv(&text, &self.table, options)
            }
            _ => {
                let row = |row: &SinkRow| Row::of_json(&row.json).expect("the encoder writes JSON");
                rows.into_iter().map(row).collect()
            }
        }
    }

    /// Whether the rows are those of the splits in some order that keeps each split's.
    fn is_interleaving(&self, expected: &Expected) -> bool {
        let parts = self.parts();
        if !parts.keys().all(|origin| matches!(origin, RowOrigin::Record(_))) {
            return false;
        }
        let mut left: Vec<Vec<Row>> = parts
            .into_values()
            .map(|rows| {
                let of_split = SinkRows {
                    name: self.name.clone(),
                    table: self.table.clone(),
                    rows: rows.into_iter().cloned().collect(),
                    one_operator: true,
                };
                let mut rows = of_split.shown(expected.is_csv);
                rows.reverse();
                rows
            })
            .collect();
        expected.rows.iter().all(|row| {
            let next =
                left.iter_mut().find(|rows| rows.last().is_some_and(|n| n.key() == row.key()));
            next.and_then(Vec::pop).is_some()
        }) && left.iter().all(Vec::is_empty)
    }
}

impl Expected {
    /// What a sink holds otherwise.
    pub(super) fn compare(&self, sink: &SinkRows) -> Option<Difference> {
        let got = sink.shown(self.is_csv);
        let title = format!("{}: not as in {}", sink.name, self.place);
        let is_equal = self.rows.iter().map(Row::key).eq(got.iter().map(Row::key));
        if is_equal || sink.is_interleaving(self) {
            return None;
        }
        Difference::of_any(&sink.name, &title, &self.rows, &got, sink.is_set())
    }
}

/// How many operators with timers feed a sink side by side.
fn operators(plan: &Plan, table: &Table) -> usize {
    fn count(plan: &Plan, node: NodeId) -> usize {
        let node = plan.node(node);
        match node.kind {
            NodeKind::WindowAggregate(_) => 1,
            _ => node.inputs.iter().map(|input| count(plan, *input)).sum(),
        }
    }
    let sinks = plan
        .nodes
        .iter()
        .filter(|node| matches!(&node.kind, NodeKind::Sink(sink) if sink.table == table.id));
    sinks.map(|node| count(plan, node.id)).sum()
}

/// What is left of rows some of which take others back: the last one of each key, or
/// without a key those that were not taken back.
fn left_of(rows: Vec<SinkRow>, table: &Table) -> Vec<SinkRow> {
    let names: Vec<&str> = match &table.primary_key {
        Some(key) => key.iter().map(|index| table.columns[*index].name.as_str()).collect(),
        None => Vec::new(),
    };
    let key_of = |row: &SinkRow| {
        let cells = members(&row.json).unwrap_or_default();
        let in_key = |name: &String| names.is_empty() || names.contains(&name.as_str());
        cells.into_iter().filter(|(name, _)| in_key(name)).collect::<Vec<_>>()
    };
    let mut left: BTreeMap<Vec<(String, String)>, Vec<SinkRow>> = BTreeMap::new();
    for row in rows {
        let of_key = left.entry(key_of(&row)).or_default();
        match row.kind {
            RowKind::Insert | RowKind::UpdateAfter => {
                if !names.is_empty() {
                    of_key.clear();
                }
                of_key.push(SinkRow { kind: RowKind::UpdateAfter, ..row });
            }
            RowKind::UpdateBefore | RowKind::Delete => drop(of_key.pop()),
        }
    }
    left.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: RowKind, json: &str) -> SinkRow {
        let (origin, json) = (RowOrigin::Nowhere, json.to_owned());
        SinkRow { epoch: Epoch(1), origin, kind, stored: json.clone(), json }
    }

    #[test]
    fn equal_values_are_equal_however_they_are_written() {
        let key = |line: &str| Row::of_json(line).map(|row| format!("{:?}", row.key()));
        let same = [
            r#"{"a":1.5,"b":"x","c":{"d":[1,2]},"e":null}"#,
            r#" { "b" : "\u0078", "a": 1.50, "c":{"d":[ 1, 2.0 ]} } "#,
            r#"{"c":{"d":[1,2]},"a":15e-1,"b":"x"}"#,
        ];
        for line in same {
            assert_eq!(key(line), key(same[0]), "{line}");
        }
        for line in [r#"{"a":1.5,"b":"x"}"#, r#"{"a":"1.5","b":"x","c":{"d":[1,2]}}"#] {
            assert_ne!(key(line), key(same[0]), "{line}");
        }
        // All digits count, also those that a double does not keep.
        assert_ne!(number("12345678901234567890.1"), number("12345678901234567890.2"));
        assert_eq!(number("-0.0"), "0");
        assert_eq!(number("100"), number("1E+2"));
        assert!(Row::of_json("[1]").is_err() && Row::of_json(r#"{"a":1} x"#).is_err());
    }

    /// A job with a sink that records drive and one that windows fill.
    fn plan() -> Plan {
        use anabranch_engine::plan::Window;
        use anabranch_engine::plan::builder::PlanBuilder;
        use anabranch_engine::types::SqlType;
        let mut plan = PlanBuilder::default();
        let columns = [("k", SqlType::STRING), ("ts", SqlType::Timestamp(3))];
        let events = plan.table("events", "filesystem", &columns, Some((1, 0)), true);
        let scan = plan.scan(events);
        plan.sink("rows", "filesystem", scan);
        let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
        let window = plan.window("w", scan, window, &[0], &[("COUNT", None, SqlType::BigInt)]);
        plan.sink("windows", "filesystem", window);
        plan.build()
    }

    fn sink_rows(plan: &Plan, name: &str, rows: &[(Option<&str>, &str)]) -> SinkRows {
        use anabranch_engine::ids::{SplitName, TableId};
        let table = plan.tables.iter().find(|table| table.name == name).unwrap();
        let row = |(split, json): &(Option<&str>, &str)| {
            let split = split.map(|name| SplitName { table: TableId(0), name: name.to_owned() });
            let origin = split.map_or(RowOrigin::Timer, RowOrigin::Record);
            SinkRow { origin, ..super::tests::row(RowKind::Insert, json) }
        };
        SinkRows::of(plan, table, rows.iter().map(row).collect())
    }

    #[test]
    fn runs_agree_as_far_as_an_order_is_promised_and_no_further() {
        // spec: E-3
        let plan = plan();
        let disagree =
            |name: &str, one: &[(Option<&str>, &str)], other: &[(Option<&str>, &str)]| {
                let (one, other) = (sink_rows(&plan, name, one), sink_rows(&plan, name, other));
                one.disagreement(name, &other, "other").is_some()
            };
        let (a, b, c) = ("{\"k\":\"a\"}", "{\"k\":\"b\"}", "{\"k\":\"c\"}");
        let split = |name, json| (Some(name), json);
        let first = [split("x", a), split("x", b), split("y", c)];
        assert!(!disagree("rows", &first, &[split("y", c), split("x", a), split("x", b)]));
        assert!(disagree("rows", &first, &[split("x", b), split("x", a), split("y", c)]));
        assert!(disagree("rows", &first, &[split("x", a), split("y", b), split("y", c)]));
        assert!(disagree("rows", &first, &first[..2]));
        assert!(disagree("rows", &first, &[first[0], first[1], first[2], first[2]]));
        assert!(!disagree("windows", &[(None, a), (None, b)], &[(None, a), (None, b)]));
        assert!(disagree("windows", &[(None, a), (None, b)], &[(None, b), (None, a)]));
    }

    #[test]
    fn of_rows_that_take_others_back_the_last_of_each_key_is_left() {
        use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
        use anabranch_engine::plan::builder::PlanBuilder;
        use anabranch_engine::types::SqlType;
        let mut plan = PlanBuilder::default();
        let columns = [("k", SqlType::STRING), ("n", SqlType::BigInt)];
        let id = plan.table("t", "filesystem", &columns, None, true);
        let mut table = plan.build().table(id).clone();
        let rows = || {
            vec![
                row(Insert, r#"{"k":"a","n":1}"#),
                row(Insert, r#"{"k":"b","n":1}"#),
                row(UpdateBefore, r#"{"k":"a","n":1}"#),
                row(UpdateAfter, r#"{"k":"a","n":2}"#),
                row(Delete, r#"{"k":"b","n":1}"#),
            ]
        };
        let left = |table: &Table| -> Vec<String> {
            left_of(rows(), table).into_iter().map(|row| row.json).collect()
        };
        assert_eq!(left(&table), [r#"{"k":"a","n":2}"#]);
        table.primary_key = Some(vec![0]);
        assert_eq!(left(&table), [r#"{"k":"a","n":2}"#]);
    }
}
