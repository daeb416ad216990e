//! Made-up records: lines of JSON with disorder, ties, exact session gaps, extreme
//! numbers, and lines that cannot be used.

use crate::job::{Job, Source};
use crate::rng::Rng;
use crate::world::{split_name, timestamp};
use anabranch_engine::ids::SplitName;

/// One line of a split, with its line end.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// The value of its watermark expression.
    pub(crate) watermark: Option<i64>,
}

/// What stands in a split.
#[derive(Clone, Debug)]
pub(crate) struct SplitData {
    pub(crate) name: SplitName,
    pub(crate) lines: Vec<Line>,
}

/// Records for every source of a job: 1 to 8 splits in all.
pub(crate) fn records(rng: &mut Rng, job: &Job) -> Vec<SplitData> {
    let most = 8 / job.sources.len();
    let mut splits = Vec::new();
    for source in &job.sources {
        for index in 0..1 + rng.below(most) {
            let lines = lines(rng, source, job.gap);
            // Names do not sort as the splits are added.
            let name = format!("s{}", (index * 5 + 3) % 8);
            splits.push(SplitData { name: split_name(source.id.0, &name), lines });
        }
    }
    splits
}

fn lines(rng: &mut Rng, source: &Source, gap: i64) -> Vec<Line> {
    let mut now = rng.between(-20, 30);
    let mut last = now;
    let count = if rng.percent(10) { 0 } else { rng.below(30) };
    (0..count)
        .map(|_| {
            now += rng.between(0, 4);
            let time = match rng.below(10) {
                // Exactly a gap behind the row before, or at the same time.
                0 => last + gap,
                1 => last,
                // Late, a little or much.
                2 | 3 => now - rng.between(0, 14),
                4 => now - gap,
                _ => now,
            };
            last = time;
            line(rng, source, time)
        })
        .collect()
}

fn line(rng: &mut Rng, source: &Source, time: i64) -> Line {
    if rng.percent(2) {
        return Line { text: "\n".into(), watermark: None };
    }
    if rng.percent(3) {
        let bad = *rng.pick(&[r#"{"k":"a","ts":"1970-01-01 00:00:09","i":1"#, "[]", "{\"a\" 1}"]);
        return Line { text: format!("{bad}\n"), watermark: None };
    }
    let (ts, value) = match rng.below(40) {
        0 => ("null".to_owned(), None),
        1 => ("\"never\"".to_owned(), None),
        _ => (format!("\"{}\"", timestamp(time)), Some(time)),
    };
    let text = format!(
        "{{\"k\":{},\"ts\":{ts},\"i\":{},\"d\":{},\"m\":{},\"s\":{},\"f\":{}}}\n",
        one_of(rng, &["\"a\"", "\"b\"", "\"\"", "\"é\"", "null", "\"a\""]),
        integer(rng),
        double(rng),
        decimal(rng),
        one_of(rng, &["\"7\"", "\"12\"", "\"-3\"", "\"x\"", "\"\"", "null", "\"zz\""]),
        one_of(rng, &["true", "false", "null", "true"]),
    );
    let watermark = value.zip(source.delay).map(|(time, delay)| time - delay);
    Line { text, watermark }
}

fn one_of(rng: &mut Rng, choices: &[&str]) -> String {
    (*rng.pick(choices)).to_owned()
}

fn integer(rng: &mut Rng) -> String {
    match rng.below(40) {
        0 => i64::MAX.to_string(),
        1 => i64::MIN.to_string(),
        2 => "\"bad\"".into(),
        3 => "1e30".into(),
        4 | 5 => "null".into(),
        _ => rng.between(-4, 9).to_string(),
    }
}

fn double(rng: &mut Rng) -> String {
    let special = [
        "1e308",
        "1e308",
        "-1e308",
        "-1e308",
        "1e16",
        "-1e16",
        "1.0",
        "0.1",
        "-0.0",
        "0.0",
        "5e-324",
        "1e400",
        "\"Infinity\"",
        "\"-Infinity\"",
        "\"NaN\"",
        "null",
    ];
    if rng.percent(40) {
        return one_of(rng, &special);
    }
    let value = rng.between(-5000, 5000) as f64 / 100.0;
    format!("{value:?}")
}

fn decimal(rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => "9999999999999999.9999".into(),
        1 => "-9999999999999999.9999".into(),
        2 => "0.00005".into(),
        3 => "null".into(),
        _ => format!("{}.{:04}", rng.between(-99, 99), rng.between(0, 9999)),
    }
}
