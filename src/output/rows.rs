//! The rows of a SELECT: an aligned table, CSV, or JSON lines.

use crate::cli::RowFormat;
use anabranch_connectors::sink::{LineOutput, RowOutput};
use comfy_table::{CellAlignment, Table, presets};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::{self, Write};

/// A table is written when it has so many rows, so that memory does not grow with
/// the result.
// spec: F-5
const TABLE_ROWS_MAX: usize = 1_000;

/// Where rows of these columns go, in this format. A result without an end is written
/// as it comes.
pub(crate) fn output(
    format: RowFormat,
    columns: Vec<(String, bool)>,
    bounded: bool,
    out: Box<dyn Write + Send>,
) -> Box<dyn RowOutput> {
    // A table or a line comes in pieces; each piece alone would be a call.
    let out = Box::new(io::BufWriter::new(out));
    match format {
        RowFormat::Json => Box::new(LineOutput::new(out, "")),
        RowFormat::Csv => Box::new(CsvOutput { out, columns, begun: false }),
        RowFormat::Table => {
            Box::new(TableOutput { out, columns, bounded, rows: Vec::new(), written: false })
        }
    }
}

/// The cells of a row of JSON: texts without quotes, everything else as it stands;
/// `None` for NULL.
fn cells(line: &[u8]) -> io::Result<Vec<Option<String>>> {
    struct Cells;
    impl<'de> Visitor<'de> for Cells {
        type Value = Vec<Option<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a row")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut cells = Vec::new();
            // In the order of the text: two columns may have one name.
            while let Some((_, value)) = map.next_entry::<String, &RawValue>()? {
                cells.push(match value.get() {
                    "null" => None,
                    text if text.starts_with('"') => {
                        Some(serde_json::from_str(text).map_err(serde::de::Error::custom)?)
                    }
                    other => Some(other.to_owned()),
                });
            }
            Ok(cells)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    deserializer.deserialize_map(Cells).map_err(io::Error::from)
}

fn rows(lines: &[u8]) -> impl Iterator<Item = io::Result<Vec<Option<String>>>> + '_ {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(cells)
}

struct CsvOutput {
    out: Box<dyn Write + Send>,
    columns: Vec<(String, bool)>,
    begun: bool,
}

impl CsvOutput {
    fn write_header(&mut self) -> io::Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        let names = self.columns.iter().map(|(name, _)| Some(name.clone())).collect::<Vec<_>>();
        self.write_row(&names)
    }

    fn write_row(&mut self, cells: &[Option<String>]) -> io::Result<()> {
        let quoted = |cell: &Option<String>| match cell {
            None => String::new(),
            // An empty text is told apart from NULL.
            Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Some(text) => text.clone(),
        };
        let line: Vec<String> = cells.iter().map(quoted).collect();
        writeln!(self.out, "{}", line.join(","))
    }
}

impl RowOutput for CsvOutput {
    fn rows(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write_header()?;
        for row in rows(lines) {
            self.write_row(&row?)?;
        }
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_header()?;
        self.out.flush()
    }
}

struct TableOutput {
    out: Box<dyn Write + Send>,
    /// Each column's name, and whether its values are numbers.
    columns: Vec<(String, bool)>,
    bounded: bool,
    rows: Vec<Vec<Option<String>>>,
    written: bool,
}

impl TableOutput {
    fn write_table(&mut self) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        table.set_header(self.columns.iter().map(|(name, _)| name.as_str()));
        for (index, (_, is_number)) in self.columns.iter().enumerate() {
            if let (true, Some(column)) = (*is_number, table.column_mut(index)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for row in self.rows.drain(..) {
            table.add_row(row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())));
        }
        self.written = true;
        writeln!(self.out, "{table}")?;
        self.out.flush()
    }
}

impl RowOutput for TableOutput {
    fn rows(&mut self, lines: &[u8]) -> io::Result<()> {
        for row in rows(lines) {
            self.rows.push(row?);
            if self.rows.len() >= TABLE_ROWS_MAX {
                self.write_table()?;
            }
        }
        match self.bounded || self.rows.is_empty() {
            true => Ok(()),
            false => self.write_table(),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.written && self.rows.is_empty() {
            true => Ok(()),
            false => self.write_table(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_order_and_their_digits() {
        let row = cells(br#"{"a":1.10,"b":null,"a":"x\"y","d":[1,2]}"#).unwrap();
        let expected =
            [Some("1.10".to_owned()), None, Some("x\"y".to_owned()), Some("[1,2]".to_owned())];
        assert_eq!(row, expected);
    }
}
