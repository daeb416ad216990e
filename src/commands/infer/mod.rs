//! `infer FILE`: a CREATE TABLE out of the data.

mod disorder;
mod guess;
mod sample;

use crate::cli::InferArgs;
use crate::errors::JobError;
use crate::output::console::show_text;
use crate::output::text;
use disorder::Disorder;
use guess::Guess;
use sample::{Format, Sample};
use std::fmt::Write as _;
use std::time::Duration;

/// Prints the declaration of a table that reads the file.
///
/// # Errors
/// If the file cannot be read, or holds neither JSON objects nor CSV.
pub(super) fn run(args: &InferArgs) -> Result<(), JobError> {
    let sample = Sample::read(&args.path, args.sample)?;
    let name = args.name.clone().unwrap_or_else(|| {
        let stem = args.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        stem.unwrap_or_else(|| "input".to_owned())
    });
    show_text(&declaration(&sample, &name, args))?;
    for note in &sample.notes {
        tracing::info!("{note}");
    }
    Ok(())
}

/// The column that is the event time, and how disordered it is.
fn time_column<'a>(sample: &'a Sample, wanted: Option<&str>) -> Option<(&'a str, Disorder)> {
    let is_time = |guess: &Guess| matches!(guess, Guess::Timestamp | Guess::TimestampLtz);
    let index = sample.columns.iter().position(|(name, guess)| match wanted {
        Some(wanted) => name == wanted && is_time(guess),
        None => is_time(guess),
    })?;
    Some((&sample.columns[index].0, Disorder::of(sample.times(index))))
}

/// The statement, with what it rests on as comments.
fn declaration(sample: &Sample, name: &str, args: &InferArgs) -> String {
    let mut out = format!(
        "-- From {} of {}.\n",
        text::plural(sample.records as u64, "record"),
        args.path.display()
    );
    let time = time_column(sample, args.time.as_deref());
    // Writing to a text cannot fail.
    if let Some((column, disorder)) = &time {
        let shown = |ms: i64| text::duration(Duration::from_millis(ms.max(0) as u64));
        let _ = writeln!(
            out,
            "-- By {column}, rows come up to {} behind an earlier one of their file.",
            shown(disorder.largest_ms)
        );
        let delay = disorder.delay();
        let late = disorder.late_with(delay.ms());
        let share = late as f64 * 100.0 / disorder.rows.max(1) as f64;
        let _ = writeln!(
            out,
            "-- With a delay of {} {} of {} rows ({share:.2} %) are behind their watermark.",
            delay.words(),
            text::count(late),
            text::count(disorder.rows),
        );
    }
    let _ = writeln!(out, "CREATE TABLE {} (", quoted(name));
    let width = sample.columns.iter().map(|(name, _)| quoted(name).chars().count()).max();
    let width = width.unwrap_or(0);
    let mut lines: Vec<String> = sample
        .columns
        .iter()
        .map(|(name, guess)| format!("  {:width$} {}", quoted(name), guess.sql()))
        .collect();
    if let Some((column, disorder)) = &time {
        let column = quoted(column);
        let delay = disorder.delay().sql();
        lines.push(format!("  WATERMARK FOR {column} AS {column}{delay}"));
    }
    let _ = write!(out, "{}\n) WITH (\n", lines.join(",\n"));
    let format = match sample.format {
        Format::Csv => "csv",
        Format::Json => "json",
    };
    let path = args.path.display().to_string().replace('\'', "''");
    let _ = write!(
        out,
        "  'connector' = 'filesystem',\n  'path' = '{path}',\n  'format' = '{format}'\n);\n"
    );
    out
}

/// Words that cannot stand for a column without backticks.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "as",
    "at",
    "between",
    "by",
    "case",
    "cast",
    "count",
    "create",
    "cross",
    "current",
    "date",
    "day",
    "default",
    "delete",
    "distinct",
    "else",
    "end",
    "exists",
    "false",
    "for",
    "from",
    "full",
    "function",
    "grant",
    "group",
    "having",
    "hour",
    "in",
    "inner",
    "insert",
    "interval",
    "into",
    "is",
    "join",
    "language",
    "left",
    "like",
    "limit",
    "minute",
    "month",
    "natural",
    "not",
    "null",
    "of",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "primary",
    "range",
    "references",
    "right",
    "row",
    "rows",
    "second",
    "select",
    "set",
    "start",
    "table",
    "then",
    "time",
    "timestamp",
    "to",
    "true",
    "union",
    "unique",
    "update",
    "user",
    "using",
    "value",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
    "year",
];

/// A name, in backticks where it needs them.
fn quoted(name: &str) -> String {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&name.to_ascii_lowercase().as_str());
    if plain { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}
