//! `docs/SQL.md`: made from the tables of the code, with every example compiled and
//! every result computed. UPDATE_EXPECT=1 writes it anew.

use crate::flink_rows::{answer, table};
use crate::function_examples::EXAMPLES;
use crate::refusals::REFUSED;
use crate::support::{TABLES, compiled};
use anabranch_engine::function::{self, Function};
use anabranch_engine::plan::connector::{
    Bounded, CONNECTORS, CSV_OPTIONS, ConnectorSpec, Guarantee, JSON_OPTIONS, OptionKind,
    OptionSpec, SIMULATED_ONLY, TABLE_OPTIONS,
};
use anabranch_engine::types::SqlType;
use anabranch_sql::reference::{
    AGGREGATES, ASSERT_TABLES, ASSERTS, CLAUSES, EXPRESSIONS, Form, LEXICAL, STATEMENTS, Special,
    WINDOWS, settings,
};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// The line of the page behind which everything is generated.
const BEFORE: &str = "## Statements\n";

/// A cell of a table: a bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Text as code; a backtick inside needs two around it.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let text = cell(text);
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn table_of(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
    out
}

/// Statements and clauses: each with its syntax and an example that compiles.
fn forms(out: &mut String, forms: &[Form]) {
    forms_behind(out, "", forms);
}

/// The same, with examples that need more tables.
fn forms_behind(out: &mut String, tables: &str, forms: &[Form]) {
    for Form { name, syntax, doc, example } in forms {
        let found = compiled(&format!("{tables}\n{example}"));
        assert!(found.diagnostics.is_empty(), "{example}: {:?}", found.diagnostics);
        let _ = write!(out, "### {name}\n\n{doc}\n\n```text\n{syntax}\n```\n\n");
        let _ = write!(out, "```sql\n{example}\n```\n\n");
    }
}

/// The value of an expression over constants, with its type.
fn result(expression: &str) -> String {
    match answer::of_expression(expression).0 {
        answer::Answer::Value { ty, text } => {
            let ty = ty.replace("VARCHAR(2147483647)", "STRING");
            let text = if text == "\\N" { "NULL" } else { text.as_str() };
            format!("{} {}", code(text), ty.trim_end_matches(" NOT NULL"))
        }
        other => panic!("the example {expression} gives {other:?}"),
    }
}

fn types() -> String {
    let of = |spelling: &str, range: &str, ty: &SqlType| {
        let text = format!("CREATE TABLE t (x {ty}) WITH ('connector' = 'print');");
        let found = compiled(&text);
        let interval = ty.to_string().starts_with("INTERVAL");
        assert_eq!(found.diagnostics.is_empty(), !interval, "{text} {:?}", found.diagnostics);
        let arrow = code(&format!("{:?}", ty.arrow()));
        vec![code(spelling), range.to_owned(), arrow]
    };
    let rows = vec![
        of("BOOLEAN", "TRUE, FALSE", &SqlType::Boolean),
        of("TINYINT", "-128 to 127", &SqlType::TinyInt),
        of("SMALLINT", "-32768 to 32767", &SqlType::SmallInt),
        of("INT, INTEGER", "32 bits", &SqlType::Int),
        of("BIGINT", "64 bits", &SqlType::BigInt),
        of("FLOAT", "IEEE 754, 32 bits", &SqlType::Float),
        of("DOUBLE", "IEEE 754, 64 bits", &SqlType::Double),
        of(
            "DECIMAL(p, s), NUMERIC(p, s)",
            "p digits, 1 to 38, of which s behind the point; alone (10, 0)",
            &SqlType::Decimal { precision: 10, scale: 0 },
        ),
        of("CHAR(n)", "n characters, filled up with blanks; alone 1", &SqlType::Char(1)),
        of("VARCHAR(n)", "up to n characters", &SqlType::VarChar(1)),
        of("STRING", "VARCHAR(2147483647)", &SqlType::STRING),
        of("BINARY(n)", "n bytes, filled up with zeros", &SqlType::Binary(1)),
        of("VARBINARY(n)", "up to n bytes", &SqlType::VarBinary(1)),
        of("BYTES", "VARBINARY(2147483647)", &SqlType::BYTES),
        of("DATE", "days of the Gregorian calendar", &SqlType::Date),
        of("TIME(p)", "a time of day; alone TIME(0)", &SqlType::Time(0)),
        of("TIMESTAMP(p), p up to 3", "date and time without a zone", &SqlType::Timestamp(3)),
        of("TIMESTAMP(p), p 4 to 6", "alone TIMESTAMP(6)", &SqlType::Timestamp(6)),
        of("TIMESTAMP(p), p 7 to 9", "the years 1677 to 2262", &SqlType::Timestamp(9)),
        of("TIMESTAMP_LTZ(p)", "an instant; units as above", &SqlType::TimestampLtz(3)),
        of("INTERVAL '…' YEAR TO MONTH", "constants only", &SqlType::IntervalYearMonth),
        of("INTERVAL '…' DAY TO SECOND", "constants only", &SqlType::IntervalDayTime),
        vec![code("ROW<name type, …>"), "fields of their own types".into(), code("Struct")],
        vec![code("ARRAY<type>"), "elements of one type".into(), code("List")],
    ];
    table_of(&["Type", "Values", "In memory (Arrow)"], rows)
}

fn functions(out: &mut String) {
    let mut families: Vec<_> = function::all().map(|row| row.family).collect();
    families.sort();
    families.dedup();
    for family in families {
        let _ = write!(out, "### {}\n\n", family.title());
        let rows = function::all().filter(|row| row.family == family).map(function_row);
        out.push_str(&table_of(&["Function", "Gives", "Version", "Example", "Result"], rows));
    }
}

fn function_row(row: &Function) -> Vec<String> {
    let example = EXAMPLES.iter().find(|(name, _)| *name == row.name);
    let (_, example) = example.unwrap_or_else(|| panic!("{} has no example", row.name));
    let mut calls: Vec<String> = row.signatures.iter().map(|it| code(it)).collect();
    if !row.aliases.is_empty() {
        calls.push(format!("also {}", row.aliases.join(", ")));
    }
    let version = row.version.to_string();
    vec![calls.join("; "), cell(row.doc), version, code(example), result(example)]
}

fn expressions() -> String {
    let rows = EXPRESSIONS.iter().map(|Special { syntax, doc, example }| {
        let value = if example.is_empty() { String::new() } else { result(example) };
        vec![code(syntax), cell(doc), code(example), value]
    });
    table_of(&["Expression", "Gives", "Example", "Result"], rows)
}

fn aggregates() -> String {
    let rows = AGGREGATES.iter().map(|Special { syntax, doc, example }| {
        let text = format!(
            "SELECT {example} FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))
             GROUP BY window_start, window_end;"
        );
        let found = compiled(&text);
        assert!(found.diagnostics.is_empty(), "{example}: {:?}", found.diagnostics);
        vec![code(syntax), cell(doc), code(example)]
    });
    table_of(&["Aggregate", "Gives", "Example"], rows)
}

fn options(options: &[OptionSpec]) -> String {
    let rows = options.iter().map(|option| {
        let takes = match option.kind {
            OptionKind::Boolean => "`true` or `false`".to_owned(),
            OptionKind::Character => "a character".to_owned(),
            OptionKind::Duration => "a time span, such as `10 s`".to_owned(),
            OptionKind::Enum(words) => {
                words.iter().map(|word| code(word)).collect::<Vec<_>>().join(" or ")
            }
            OptionKind::Number => "a number, not negative".to_owned(),
            OptionKind::Text => "a text".to_owned(),
            OptionKind::Unsigned => "a whole number, not negative".to_owned(),
        };
        let default = if option.required { "required".to_owned() } else { code(option.default) };
        vec![code(option.name), takes, default, cell(option.description)]
    });
    table_of(&["Option", "Takes", "Default", "Meaning"], rows)
}

fn connector(out: &mut String, spec: &ConnectorSpec) {
    let _ = write!(out, "### {}\n\n", spec.name);
    if spec.source {
        let bounded = match spec.bounded {
            Bounded::With { option, prefix, suffix } => {
                format!("ends if it has `{option}` or one of `{prefix}…{suffix}`")
            }
            Bounded::If { option, value } => format!("ends if `{option}` is `{value}`"),
            Bounded::Without(option) => format!("ends unless it has `{option}`"),
            Bounded::Never => "never ends".to_owned(),
        };
        let _ = writeln!(out, "- Can be read; the table {bounded}.");
    }
    if spec.sink.is_some() {
        let guarantee = match spec.guarantee {
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::ExactlyOnce => "exactly once",
        };
        let note = spec.guarantee_note;
        let _ = writeln!(out, "- Can be written, {guarantee}: {note}.");
    }
    if spec.format {
        out.push_str("- Needs a `'format'`.\n");
    }
    if SIMULATED_ONLY.contains(&spec.name) {
        out.push_str(
            "- Not connected in this version: such a job runs under `anabranch test` and `anabranch sim` only.\n",
        );
    }
    out.push('\n');
    if !spec.options.is_empty() {
        out.push_str(&options(spec.options));
    }
    if !spec.metadata.is_empty() {
        let rows = spec.metadata.iter().map(|metadata| {
            let ty = metadata.ty.sql_type().to_string();
            vec![code(metadata.key), ty, cell(metadata.description)]
        });
        out.push_str("Metadata columns:\n\n");
        out.push_str(&table_of(&["Key", "Type", "Meaning"], rows));
    }
}

fn connectors(out: &mut String) {
    for spec in CONNECTORS.iter().filter(|spec| !spec.internal) {
        connector(out, spec);
    }
    out.push_str("### Every table\n\n");
    out.push_str(&options(TABLE_OPTIONS));
    out.push_str("### Format csv\n\n");
    out.push_str(&options(CSV_OPTIONS));
    out.push_str("### Format json\n\n");
    out.push_str(&options(JSON_OPTIONS));
}

/// The columns of a side table that are not those of its source.
fn side_columns(suffix: &str) -> String {
    let text = format!("SELECT * FROM bids${suffix};");
    let found = compiled(&text);
    let plan = found.plan.unwrap_or_else(|| panic!("{text}: {:?}", found.diagnostics));
    let sink = plan.nodes.last().expect("a plan has nodes");
    let own = sink.schema.fields.iter().filter(|field| field.name.starts_with('_'));
    let names: Vec<String> =
        own.map(|field| format!("{} {}", code(&field.name), field.ty.sql)).collect();
    names.join(", ")
}

/// Asserts: what they are, and what only they can do.
fn asserts() -> String {
    let mut out = String::from(
        "## Asserts\n\nAn assert is a query that must give no row, over what the job's sinks hold. It stands in a comment, so that the file means the same to other engines, and is no part of the job's plan. `anabranch sim` judges it whenever a reader could look, `anabranch test` after every epoch ([SIMULATION.md](SIMULATION.md#what-must-hold-of-your-own-job)); `anabranch check` shows its errors, and `anabranch run` does not run it.\n\nIts tables are those that an INSERT of the job fills, each with the columns that are stored; computed and METADATA columns are not. A table whose connector keeps nothing, such as 'print', cannot be read, nor can sources and views. CSV does not tell an empty text from NULL unless `csv.null-literal` is set. A query that gives a row whatever the tables hold, such as `SELECT COUNT(*) FROM t` without HAVING, is refused; so are windows, watermarks and the clock, for rows in a sink have no time but their columns. A value that cannot be computed, such as a division by zero, does not hold.\n\nAll expressions, functions and aggregates of this page can be used, sub-queries in FROM, WITH, VALUES and UNION ALL as well. The examples use these tables:\n\n",
    );
    let _ = write!(out, "```sql\n{ASSERT_TABLES}\n```\n\n");
    for form in ASSERTS {
        let text = format!("{ASSERT_TABLES}\n{}", form.example);
        assert_eq!(compiled(&text).asserts.len(), 1, "{text}");
    }
    forms_behind(&mut out, ASSERT_TABLES, ASSERTS);
    out
}

fn refused() -> String {
    let rows = REFUSED.iter().map(|text| {
        let found = compiled(text);
        let first = found.diagnostics.first().unwrap_or_else(|| panic!("{text} is not refused"));
        let help = first.help.clone().unwrap_or_default();
        vec![code(text), format!("{}: {}", first.code, cell(&first.message)), cell(&help)]
    });
    table_of(&["Text", "Error", "Advice"], rows)
}

/// Everything behind [`BEFORE`].
fn generated() -> String {
    let mut out = String::from("\nThe examples use these tables:\n\n");
    let _ = write!(out, "```sql\n{}\n```\n\n", TABLES.trim());
    forms(&mut out, STATEMENTS);
    out.push_str("## Queries\n\n");
    forms(&mut out, CLAUSES);
    out.push_str("## Windows\n\nA window function adds `window_start`, `window_end` and `window_time`, its last millisecond and the event time from there on. Arguments can be named: `DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => …`. Without GROUP BY the rows pass on with their windows.\n\n");
    forms(&mut out, WINDOWS);
    out.push_str("## Types\n\n");
    out.push_str(&types());
    out.push_str("## Expressions\n\n");
    out.push_str(&expressions());
    out.push_str("## Functions and operators\n\nResults are of the time zone UTC.\n\n");
    functions(&mut out);
    out.push_str("## Aggregates\n\nNULLs are left out, and `FILTER (WHERE condition)` may follow. A group without values gives NULL, COUNT 0.\n\n");
    out.push_str(&aggregates());
    out.push_str("## Connectors and formats\n\n");
    connectors(&mut out);
    out.push_str("## Side tables\n\nEvery source has two more tables. Without a reader their rows are counted, and the first few are logged.\n\n");
    let rows = ["dead", "late"].map(|suffix| {
        let what = match suffix {
            "dead" => "records and rows that could not be read or computed",
            _ => "rows that came too late, with the columns of the source",
        };
        vec![code(&format!("table${suffix}")), what.to_owned(), side_columns(suffix)]
    });
    out.push_str(&table_of(&["Table", "Rows", "Own columns"], rows));
    out.push_str(&asserts());
    out.push_str("## Settings\n\n");
    let rows = settings().into_iter().map(|(key, takes)| vec![code(key), cell(takes)]);
    out.push_str(&table_of(&["Key", "Takes"], rows));
    out.push_str("## Words and constants\n\n");
    for rule in LEXICAL {
        let _ = writeln!(out, "- {rule}");
    }
    out.push_str("\n## What is refused\n\nEach is refused by name, with advice; [ERRORS.md](ERRORS.md) explains the codes.\n\n");
    out.push_str(&refused());
    out.push_str("## Differences from Flink\n\nEverything else is as in Flink 2.3: a test compares 15,000 rows that Flink computed.\n\n");
    out.push_str(&table::documentation());
    out
}

#[test]
fn the_page_of_sql_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/SQL.md");
    let page = std::fs::read_to_string(&path).expect("the page is in the repository");
    let (head, found) = page.split_once(BEFORE).expect("the page says where it begins");
    let expected = generated();
    if found == expected {
        return;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{head}{BEFORE}{expected}")).expect("the page is a file");
        return;
    }
    panic!("docs/SQL.md is not up to date: UPDATE_EXPECT=1 writes it anew");
}

#[test]
fn every_example_is_of_a_function() {
    let names: BTreeSet<&str> = function::all().map(|row| row.name).collect();
    let examples: BTreeSet<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, examples);
}
