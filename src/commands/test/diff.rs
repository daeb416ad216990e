//! Which rows differ, and in which column first, for people.

use super::rows::Row;
use std::collections::BTreeMap;

/// So many differing places of one sink are shown.
const SHOWN_MAX: usize = 10;
/// Above this many pairs of rows no common sequence is looked for.
const PAIRS_MAX: usize = 4_000_000;

/// Something that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// The sink, if it is about one.
    pub(super) sink: Option<String>,
    /// What it is, in one line.
    pub(super) title: String,
    /// The rows, drawn.
    pub(super) lines: Vec<String>,
    /// Rows that are not there.
    pub(super) missing: Vec<String>,
    /// Rows that nobody expected.
    pub(super) unexpected: Vec<String>,
}

/// Rows of both sides that stand at one place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    /// Numbers of the rows that are missing, from 0.
    missing: Vec<usize>,
    /// Numbers of the rows that nobody expected, from 0.
    unexpected: Vec<usize>,
}

impl Difference {
    /// A difference that is no matter of rows.
    pub(super) fn words(title: &str) -> Difference {
        Difference { title: title.to_owned(), ..Difference::default() }
    }

    /// What differs between rows that are expected and those that came; none if they are
    /// the same.
    pub(super) fn of_any(
        sink: &str,
        title: &str,
        expected: &[Row],
        got: &[Row],
        is_set: bool,
    ) -> Option<Difference> {
        let difference = Difference::of(sink, title, expected, got, is_set);
        (!difference.lines.is_empty()).then_some(difference)
    }

    /// What differs between rows that are expected and those that came.
    pub(super) fn of(
        sink: &str,
        title: &str,
        expected: &[Row],
        got: &[Row],
        is_set: bool,
    ) -> Difference {
        let places = match is_set || expected.len().saturating_mul(got.len()) > PAIRS_MAX {
            true => vec![unequal(expected, got)],
            false => places(expected, got),
        };
        let line = |rows: &[Row], index: &usize| rows[*index].line.clone();
        let missing = places.iter().flat_map(|p| &p.missing).map(|i| line(expected, i)).collect();
        let unexpected = places.iter().flat_map(|p| &p.unexpected).map(|i| line(got, i)).collect();
        let lines = draw(&places, expected, got);
        let (sink, title) = (Some(sink.to_owned()), title.to_owned());
        Difference { sink, title, lines, missing, unexpected }
    }
}

/// The rows that are only on one side, each as often as it is there more often.
fn unequal(expected: &[Row], got: &[Row]) -> Place {
    let mut counts: BTreeMap<Vec<&(String, String)>, i64> = BTreeMap::new();
    for row in got {
        *counts.entry(row.key()).or_default() += 1;
    }
    let mut place = Place::default();
    for (index, row) in expected.iter().enumerate() {
        let count = counts.entry(row.key()).or_default();
        *count -= 1;
        if *count < 0 {
            place.missing.push(index);
        }
    }
    for (index, row) in got.iter().enumerate().rev() {
        let count = counts.entry(row.key()).or_default();
        if *count > 0 {
            *count -= 1;
            place.unexpected.push(index);
        }
    }
    place.unexpected.reverse();
    place
}

/// The places at which two sequences differ, by their longest common one.
fn places(expected: &[Row], got: &[Row]) -> Vec<Place> {
    let (a, b): (Vec<_>, Vec<_>) =
        (expected.iter().map(Row::key).collect(), got.iter().map(Row::key).collect());
    let width = b.len() + 1;
    // How many rows the rests of both have in common.
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = match a[i] == b[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut places = Vec::new();
    let mut open = Place::default();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            if open != Place::default() {
                places.push(std::mem::take(&mut open));
            }
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            open.missing.push(i);
            i += 1;
        } else {
            open.unexpected.push(j);
            j += 1;
        }
    }
    if open != Place::default() {
        places.push(open);
    }
    places
}

/// Rows below each other, and the first column in which two of them differ.
fn draw(places: &[Place], expected: &[Row], got: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, place) in places.iter().enumerate() {
        if number == SHOWN_MAX {
            lines.push(format!("… and {} more places", places.len() - SHOWN_MAX));
            break;
        }
        let mut unpaired: Vec<usize> = place.unexpected.clone();
        for (count, index) in place.missing.iter().enumerate() {
            if count == SHOWN_MAX {
                lines.push(format!("… and {} more rows", place.missing.len() - SHOWN_MAX));
                break;
            }
            let row = &expected[*index];
            let pair = nearest(row, unpaired.iter().map(|index| &got[*index]))
                .map(|at| unpaired.remove(at));
            lines.push(format!("row {}", index + 1));
            lines.push(format!("  - {}", row.line));
            match pair {
                Some(pair) => {
                    lines.push(format!("  + {}", got[pair].line));
                    lines.extend(first_difference(row, &got[pair]));
                }
                None => lines.push(match nearest(row, got.iter()) {
                    None => "    missing".to_owned(),
                    Some(at) if got[at].key() == row.key() => {
                        format!("    it came as row {}", at + 1)
                    }
                    Some(at) => format!("    missing; the nearest that came: {}", got[at].line),
                }),
            }
        }
        for (count, index) in unpaired.iter().enumerate() {
            if count == SHOWN_MAX {
                lines.push(format!("… and {} more rows", unpaired.len() - SHOWN_MAX));
                break;
            }
            lines.push(format!("row {} of those that came", index + 1));
            lines.push(format!("  + {}", got[*index].line));
            lines.push(match nearest(&got[*index], expected.iter()) {
                None => "    not expected".to_owned(),
                Some(at) if expected[at].key() == got[*index].key() => {
                    format!("    it is expected as row {}", at + 1)
                }
                Some(at) => {
                    format!("    not expected; the nearest that is: {}", expected[at].line)
                }
            });
        }
    }
    lines
}

/// The row that has most columns in common, if that is at least half of them.
fn nearest<'a>(row: &Row, others: impl Iterator<Item = &'a Row>) -> Option<usize> {
    let alike = |other: &Row| row.cells.iter().filter(|cell| other.cells.contains(cell)).count();
    let best = others.enumerate().map(|(index, other)| (alike(other), index));
    let (count, index) = best.max_by_key(|(count, index)| (*count, usize::MAX - index))?;
    (count > 0 && 2 * count >= row.cells.len()).then_some(index)
}

/// The first column, in the order of the expected row, whose values differ.
fn first_difference(expected: &Row, got: &Row) -> Option<String> {
    let value = |row: &Row, name: &str| {
        let found = row.cells.iter().find(|(known, _)| known == name);
        found.map_or("NULL".to_owned(), |(_, value)| value.clone())
    };
    let names = expected.cells.iter().chain(&got.cells).map(|(name, _)| name);
    let differing: Vec<&String> =
        names.filter(|name| value(expected, name) != value(got, name)).collect();
    let Some(first) = differing.first() else {
        return Some("    the same row at another place".to_owned());
    };
    let (expected, got) = (value(expected, first), value(got, first));
    Some(format!("    {first}: expected {expected}, got {got}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn rows(lines: &[&str]) -> Vec<Row> {
        Row::all_of_json(&lines.join("\n")).unwrap()
    }

    fn check(expected: &[&str], got: &[&str], is_set: bool, drawn: &Expect) {
        let difference = Difference::of("t", "t", &rows(expected), &rows(got), is_set);
        drawn.assert_eq(&difference.lines.join("\n"));
    }

    #[test]
    fn a_changed_row_names_its_first_column() {
        let expected = [r#"{"k":"a","n":1}"#, r#"{"k":"b","n":2,"x":5}"#, r#"{"k":"c","n":3}"#];
        let got = [r#"{"k":"a","n":1}"#, r#"{"k":"b","n":4,"x":5}"#, r#"{"k":"c","n":3}"#];
        check(
            &expected,
            &got,
            false,
            &expect![[r#"
                row 2
                  - {"k":"b","n":2,"x":5}
                  + {"k":"b","n":4,"x":5}
                    n: expected 2, got 4"#]],
        );
    }

    #[test]
    fn a_row_that_is_missing_does_not_move_the_others() {
        let expected = [r#"{"k":"a"}"#, r#"{"k":"b"}"#, r#"{"k":"c"}"#];
        check(
            &expected,
            &expected[1..],
            false,
            &expect![[r#"
                row 1
                  - {"k":"a"}
                    missing"#]],
        );
        check(
            &expected[..2],
            &expected,
            true,
            &expect![[r#"
                row 3 of those that came
                  + {"k":"c"}
                    not expected"#]],
        );
    }

    #[test]
    fn rows_in_another_order_differ_where_an_order_is_promised() {
        let (expected, got) = ([r#"{"k":"a"}"#, r#"{"k":"b"}"#], [r#"{"k":"b"}"#, r#"{"k":"a"}"#]);
        check(&expected, &got, true, &expect![""]);
        check(
            &expected,
            &got,
            false,
            &expect![[r#"
                row 1
                  - {"k":"a"}
                    it came as row 2
                row 2 of those that came
                  + {"k":"a"}
                    it is expected as row 1"#]],
        );
    }
}
