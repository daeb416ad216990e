//! Which row that is there is which one that was expected.

use crate::oracle::epochs::Reach;
use crate::reference::{ExpectedRow, Stream};
use std::borrow::Cow;
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
    /// Whether the order counts.
    pub(super) ordered: bool,
    /// Whether a row may be there more often than expected.
    pub(super) repeats: bool,
}

/// Compares rows that are there with all rows that are expected of the sink, which are
/// sorted by epoch.
pub(super) fn compare(
    rows: &[ExpectedRow],
    seen: &[Seen<'_>],
    wanted: Wanted,
    reach: Reach,
) -> Option<Mismatch> {
    let mut matching = Matching::new(rows, wanted);
    matching.extend(seen);
    matching.mismatch(reach)
}

/// Rows that are there, each with the expected row that it is.
///
/// Readers look often and most rows are where they were, so the rows that are there may
/// change behind a place, and only what changes is matched again. The outcome is that of
/// matching all of them from the first one on.
pub(super) struct Matching<'a> {
    rows: &'a [ExpectedRow],
    texts: Texts<'a>,
    wanted: Wanted,
    /// What became of each row that is there.
    fates: Vec<Fate>,
    /// Which expected rows are there.
    taken: Vec<bool>,
    /// No expected row before it is missing.
    whole_before: usize,
    /// No expected row from it on is there.
    none_from: usize,
    /// Rows that nobody expected, by their places.
    wrong: Vec<usize>,
    /// Rows that are there too often, by their places, with the expected rows.
    doubled: Vec<(usize, usize)>,
    /// Rows out of order, by their places.
    disordered: Vec<(usize, Mismatch)>,
    /// The last row of each stream in each part.
    last: BTreeMap<(u32, Stream), usize>,
}

/// What became of a row that is there.
struct Fate {
    /// The expected row that it is.
    row: Option<usize>,
    /// The stream that it went on with, and the row of it before.
    follows: Option<((u32, Stream), Option<usize>)>,
}

impl<'a> Matching<'a> {
    /// Nothing is there.
    pub(super) fn new(rows: &'a [ExpectedRow], wanted: Wanted) -> Matching<'a> {
        Matching {
            rows,
            texts: Texts::of(rows),
            wanted,
            fates: Vec::new(),
            taken: vec![false; rows.len()],
            whole_before: 0,
            none_from: 0,
            wrong: Vec::new(),
            doubled: Vec::new(),
            disordered: Vec::new(),
            last: BTreeMap::new(),
        }
    }

    /// Only so many of the rows that are there stay.
    pub(super) fn truncate(&mut self, count: usize) {
        while self.fates.len() > count
            && let Some(fate) = self.fates.pop()
        {
            if let Some(row) = fate.row {
                self.taken[row] = false;
                self.whole_before = self.whole_before.min(row);
            }
            match fate.follows {
                Some((stream, Some(before))) => drop(self.last.insert(stream, before)),
                Some((stream, None)) => drop(self.last.remove(&stream)),
                None => {}
            }
        }
        let stays = |place: usize| place < count;
        self.wrong.retain(|place| stays(*place));
        self.doubled.retain(|(place, _)| stays(*place));
        self.disordered.retain(|(place, _)| stays(*place));
        while self.none_from > 0 && !self.taken[self.none_from - 1] {
            self.none_from -= 1;
        }
    }

    /// More rows are there.
    pub(super) fn extend(&mut self, seen: &[Seen<'_>]) {
        for row in seen {
            let place = self.fates.len();
            let candidates = self.texts.candidates(self.rows, row.text);
            let free = candidates.iter().copied().find(|candidate| !self.taken[*candidate]);
            match (free, candidates.last()) {
                (Some(free), _) => {
                    self.taken[free] = true;
                    self.none_from = self.none_from.max(free + 1);
                }
                (None, Some(last)) if !self.wanted.repeats => self.doubled.push((place, *last)),
                (None, Some(_)) => {}
                (None, None) => self.wrong.push(place),
            }
            let follows = if self.wanted.ordered { self.follow(place, row) } else { None };
            self.fates.push(Fate { row: free, follows });
        }
    }

    /// A row goes on with its stream, unless it should stand before the last one. Rows
    /// whose text is that of rows of several streams say nothing of any order.
    // spec: E-3
    fn follow(&mut self, place: usize, row: &Seen<'_>) -> Option<((u32, Stream), Option<usize>)> {
        let places = self.texts.exact.get(row.text)?;
        let stream = self.rows[places[0]].stream;
        if stream == Stream::Loose || places.iter().any(|row| self.rows[*row].stream != stream) {
            return None;
        }
        let key = (row.part, stream);
        let before = self.last.get(&key).copied();
        // Equal rows stand for each other: the next one that fits is the best.
        let next = places.iter().copied().find(|place| before.is_none_or(|it| it < *place));
        match (next, before) {
            (Some(next), _) => {
                self.last.insert(key, next);
                Some((key, before))
            }
            (None, Some(behind)) => {
                self.disordered.push((place, Mismatch::Disordered { row: places[0], behind }));
                None
            }
            (None, None) => unreachable!("without a row before, the first place fits"),
        }
    }

    /// The first thing that is not as it must be, if readers see so far.
    pub(super) fn mismatch(&mut self, reach: Reach) -> Option<Mismatch> {
        while self.taken.get(self.whole_before) == Some(&true) {
            self.whole_before += 1;
        }
        let due = self.rows.partition_point(|row| row.epoch <= reach.complete);
        let missing = (self.whole_before < due).then_some(self.whole_before);
        if let Some(seen) = self.wrong.first() {
            return Some(Mismatch::Wrong { seen: *seen, missing });
        }
        if let Some((seen, row)) = self.doubled.first() {
            return Some(Mismatch::Doubled { seen: *seen, row: *row });
        }
        if let Some(row) = missing {
            return Some(Mismatch::Lost { row });
        }
        let allowed = self.rows.partition_point(|row| row.epoch <= reach.begun);
        if let Some(row) = (allowed..self.none_from).find(|row| self.taken[*row]) {
            return Some(Mismatch::Early { row });
        }
        self.disordered.first().map(|(_, mismatch)| *mismatch)
    }
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
    fn candidates(&self, rows: &[ExpectedRow], text: &[u8]) -> Cow<'_, [usize]> {
        match self.exact.get(text) {
            Some(found) => Cow::Borrowed(found),
            None => {
                let fits = |row: &usize| rows[*row].value.matches(text);
                Cow::Owned(self.others.iter().copied().filter(fits).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Cell, encode};
    use crate::rng::Draws;
    use anabranch_engine::ids::Epoch;
    use anabranch_engine::plan::{FormatSpec, JsonOptions};
    use anabranch_engine::types::{Field, Schema, SqlType};

    fn text(number: u64) -> String {
        format!(r#"{{"n":{number}}}"#)
    }

    /// Rows of a few epochs and streams, some of them equal.
    fn rows(draws: &mut Draws) -> Vec<ExpectedRow> {
        let schema =
            Schema { fields: vec![Field { name: "n".into(), ty: SqlType::BigInt.nullable() }] };
        let json = FormatSpec::Json(JsonOptions::default());
        let row = |place: u64| {
            let cells = vec![Cell::Int(draws.below(9) as i64)];
            let stream = *draws.choose(&[Stream::Loose, Stream::Split(0), Stream::Split(1)]);
            ExpectedRow {
                epoch: Epoch(1 + place / 3),
                stream,
                key: None,
                value: encode(&json, &schema, &cells),
                cells,
                sources: [].into(),
            }
        };
        (0..10).map(row).collect()
    }

    #[test]
    fn rows_that_change_behind_a_place_are_matched_as_if_all_were_new() {
        let mut kinds = [0; 6];
        for seed in 0..2_000 {
            let draws = &mut Draws::new(seed, "matching", "test");
            let rows = rows(draws);
            let wanted = Wanted { ordered: draws.below(2) == 0, repeats: draws.below(2) == 0 };
            let mut growing = Matching::new(&rows, wanted);
            let mut texts: Vec<(u32, String)> = Vec::new();
            for _ in 0..6 {
                let kept = draws.below(texts.len() as u64 + 1) as usize;
                let kept = if draws.below(2) == 0 { texts.len() } else { kept };
                texts.truncate(kept);
                for _ in 0..draws.below(4) {
                    // Mostly the next row, so that much of it fits.
                    let at =
                        if draws.below(4) > 0 { texts.len() } else { draws.below(10) as usize };
                    let next = rows.get(at).and_then(|row| row.value.exact());
                    let next = next.map(|next| String::from_utf8_lossy(next).into_owned());
                    let other = text(draws.below(10));
                    let likely = next.filter(|_| draws.below(8) > 0);
                    texts.push((draws.below(2) as u32, likely.unwrap_or(other)));
                }
                let seen =
                    texts.iter().map(|(part, text)| Seen { part: *part, text: text.as_bytes() });
                let seen: Vec<Seen<'_>> = seen.collect();
                growing.truncate(kept);
                growing.extend(&seen[kept..]);
                let complete = Epoch(draws.below(5));
                let reach = match draws.below(2) {
                    0 => Reach { complete, begun: Epoch(complete.0 + draws.below(2)) },
                    _ => Reach { complete: Epoch(0), begun: Epoch(9) },
                };
                let anew = compare(&rows, &seen, wanted, reach);
                assert_eq!(growing.mismatch(reach), anew, "seed {seed}");
                kinds[match anew {
                    None => 0,
                    Some(Mismatch::Wrong { .. }) => 1,
                    Some(Mismatch::Doubled { .. }) => 2,
                    Some(Mismatch::Lost { .. }) => 3,
                    Some(Mismatch::Early { .. }) => 4,
                    Some(Mismatch::Disordered { .. }) => 5,
                }] += 1;
            }
        }
        assert!(kinds.iter().all(|count| *count > 50), "{kinds:?}");
    }
}
