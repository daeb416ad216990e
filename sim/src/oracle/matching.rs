//! Which row that is there is which one that was expected.

use crate::oracle::epochs::Reach;
use crate::reference::{ExpectedRow, Stream};
use std::collections::BTreeMap;

/// A row that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    /// The part of the sink.
    pub(super) part: u32,
    /// Its text, without a line end.
    pub(super) text: &'a [u8],
}

/// The first thing that is not as expected; rows by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// A row that nobody expected, and perhaps one that is missing.
    Wrong { seen: usize, missing: Option<usize> },
    /// A row that is there more often than expected.
    Doubled { seen: usize, row: usize },
    /// A row that is not there.
    Lost { row: usize },
    /// A row of an epoch that is not to be seen yet.
    Early { row: usize },
    /// A row that stands behind one that should follow it.
    Disordered { row: usize, behind: usize },
}

/// What is asked of rows that are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Up to which epoch rows must and may be there.
    pub(super) reach: Reach,
    /// Whether the order counts.
    pub(super) ordered: bool,
    /// Whether a row may be there more often than expected.
    pub(super) repeats: bool,
}

/// Compares rows that are there with all rows that are expected of the sink, which are
/// sorted by epoch.
pub(super) fn compare(rows: &[ExpectedRow], seen: &[Seen<'_>], wanted: Wanted) -> Option<Mismatch> {
    let texts = Texts::of(rows);
    let mut taken = vec![false; rows.len()];
    let mut places: Vec<Option<usize>> = Vec::with_capacity(seen.len());
    let (mut wrong, mut doubled) = (None, None);
    for (index, row) in seen.iter().enumerate() {
        let candidates = texts.candidates(rows, row.text);
        let free = candidates.iter().copied().find(|candidate| !taken[*candidate]);
        match (free, candidates.last()) {
            (Some(free), _) => taken[free] = true,
            (None, Some(last)) if !wanted.repeats => {
                doubled = doubled.or(Some(Mismatch::Doubled { seen: index, row: *last }));
            }
            (None, Some(_)) => {}
            (None, None) => wrong = wrong.or(Some(index)),
        }
        places.push(free);
    }
    let due = rows.partition_point(|row| row.epoch <= wanted.reach.complete);
    let missing = (0..due).find(|row| !taken[*row]);
    let seen_wrong = wrong.map(|seen| Mismatch::Wrong { seen, missing });
    let lost = missing.map(|row| Mismatch::Lost { row });
    let allowed = rows.partition_point(|row| row.epoch <= wanted.reach.begun);
    let early = (allowed..rows.len()).find(|row| taken[*row]).map(|row| Mismatch::Early { row });
    let disordered = || match wanted.ordered {
        true => disorder(rows, seen, &texts),
        false => None,
    };
    seen_wrong.or(doubled).or(lost).or(early).or_else(disordered)
}

/// The expected rows by their texts.
struct Texts<'a> {
    exact: BTreeMap<&'a [u8], Vec<usize>>,
    /// Rows of which not all is known.
    others: Vec<usize>,
}

impl<'a> Texts<'a> {
    fn of(rows: &'a [ExpectedRow]) -> Texts<'a> {
        let mut texts = Texts { exact: BTreeMap::new(), others: Vec::new() };
        for (index, row) in rows.iter().enumerate() {
            match row.value.exact() {
                Some(text) => texts.exact.entry(text).or_default().push(index),
                None => texts.others.push(index),
            }
        }
        texts
    }

    /// The rows that a text may be, in order.
    fn candidates(&self, rows: &[ExpectedRow], text: &[u8]) -> Vec<usize> {
        match self.exact.get(text) {
            Some(found) => found.clone(),
            None => {
                let fits = |row: &usize| rows[*row].value.matches(text);
                self.others.iter().copied().filter(fits).collect()
            }
        }
    }
}

/// A row of a stream that stands in its part behind a later one of the stream. Rows
/// whose text is that of rows of several streams say nothing of any order.
// spec: E-3
fn disorder(rows: &[ExpectedRow], seen: &[Seen<'_>], texts: &Texts<'_>) -> Option<Mismatch> {
    let mut last: BTreeMap<(u32, Stream), usize> = BTreeMap::new();
    for row in seen {
        let Some(places) = texts.exact.get(row.text) else { continue };
        let stream = rows[places[0]].stream;
        if stream == Stream::Loose || places.iter().any(|place| rows[*place].stream != stream) {
            continue;
        }
        let before = last.get(&(row.part, stream)).copied();
        // Equal rows stand for each other: the next one that fits is the best.
        let next = places.iter().copied().find(|place| before.is_none_or(|it| it < *place));
        match (next, before) {
            (Some(next), _) => {
                last.insert((row.part, stream), next);
            }
            (None, Some(behind)) => return Some(Mismatch::Disordered { row: places[0], behind }),
            (None, None) => unreachable!("without a row before, the first place fits"),
        }
    }
    None
}
