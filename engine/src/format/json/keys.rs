//! Objects: which fields are wanted, and a guess of the next key.
//!
//! Records of one stream nearly always have the same keys in the same order, written
//! by the same program. So what stands between two values (`,"price":`, spaces and
//! all) is remembered, together with what followed it last time; one comparison of
//! sixteen bytes then does the work of reading a separator, a key and a colon and of
//! finding the column. A wrong guess costs that comparison and no more. The memory is
//! made anew for each block, so that decoding is a function of the block.
// spec: E-1

use super::scan::{Fault, Kind, Scanner, Span};
use super::unescape::unescape;

/// How many different gaps are remembered before all are forgotten: keys that are data
/// ("user17") must not fill the memory.
const GAPS_MAX: usize = 64;

/// The longest gap that is remembered.
const GAP_LEN_MAX: usize = 256;

/// The fields of an object that are wanted, by name.
pub(super) struct Fields {
    /// Names with the place of their column, sorted.
    by_name: Vec<(Box<[u8]>, usize)>,
}

impl Fields {
    /// The fields with these names; of equal names the first is meant.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Fields {
        let mut by_name: Vec<(Box<[u8]>, usize)> =
            names.enumerate().map(|(column, name)| (name.as_bytes().into(), column)).collect();
        by_name.sort();
        by_name.dedup_by(|later, first| later.0 == first.0);
        Fields { by_name }
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        let found = self.by_name.binary_search_by(|(known, _)| (**known).cmp(name));
        found.ok().map(|index| self.by_name[index].1)
    }
}

/// The number of a gap or a column that does not exist; no list is that long.
const NONE: usize = usize::MAX;

/// What stood between two values: as much as one line of the cache holds.
#[repr(align(64))]
struct Gap {
    /// Its first sixteen bytes, zeros behind its end.
    head: [u64; 2],
    mask: [u64; 2],
    len: u32,
    /// Whether it opens the object: such a gap must not pass for one between values.
    opens: bool,
    /// The column of the key in it, or [`NONE`].
    column: usize,
    /// The gap that came next, last time, or [`NONE`].
    next: usize,
}

impl Gap {
    #[inline(always)]
    fn is_at(&self, scanner: Scanner<'_>, at: usize, tails: &[Box<[u8]>], index: usize) -> bool {
        let [low, high] = scanner.two_words(at);
        let wrong = (low ^ self.head[0]) & self.mask[0] | (high ^ self.head[1]) & self.mask[1];
        wrong == 0 && (self.len <= 16 || has_tail(scanner, at, &tails[index]))
    }
}

/// Whether these bytes stand sixteen bytes behind `at`.
#[inline(never)]
fn has_tail(scanner: Scanner<'_>, at: usize, tail: &[u8]) -> bool {
    scanner.data.get(at + 16..at + 16 + tail.len()) == Some(tail)
}

/// The gaps seen so far in objects of one type.
pub(super) struct Guess {
    gaps: Vec<Gap>,
    /// For each gap its bytes behind the first sixteen.
    tails: Vec<Box<[u8]>>,
    /// The gap that opens the next object, or [`NONE`].
    first: usize,
    name: Vec<u8>,
}

impl Default for Guess {
    fn default() -> Guess {
        Guess { gaps: Vec::new(), tails: Vec::new(), first: NONE, name: Vec::new() }
    }
}

/// Where the object goes on behind a gap.
enum Step {
    /// A value is due, at this place, for this column, behind this gap ([`NONE`] if it
    /// is not remembered).
    Value { at: usize, column: usize, gap: usize },
    /// The object has ended before this place.
    End(usize),
}

impl Guess {
    /// Reads the object at `at` (white space may stand before it) up to its closing
    /// brace and gives the place behind it. `found(column, span)` is called for each
    /// wanted field, again for each repetition: the last one counts.
    // spec: F-1
    #[inline(always)]
    pub(super) fn object(
        &mut self,
        scanner: Scanner<'_>,
        fields: &Fields,
        at: usize,
        end: usize,
        mut found: impl FnMut(usize, Span),
    ) -> Result<usize, Fault> {
        let mut place = at;
        let mut last = NONE;
        let mut guess = self.first;
        loop {
            let column = match self.gaps.get(guess) {
                Some(gap) if gap.is_at(scanner, place, &self.tails, guess) => {
                    place += gap.len as usize;
                    last = guess;
                    guess = gap.next;
                    gap.column
                }
                _ => match self.unexpected(scanner, fields, place, place == at, last)? {
                    Step::End(place) => return Ok(place),
                    Step::Value { at, column, gap } => {
                        place = at;
                        last = gap;
                        guess = self.gaps.get(gap).map_or(NONE, |gap| gap.next);
                        column
                    }
                },
            };
            let (span, next) = scanner.value(place)?;
            if next > end {
                return Err(Fault { at: end, expected: "the end of the object" });
            }
            if column != NONE {
                found(column, span);
            }
            place = next;
            if scanner.byte(place) == b'}' {
                return Ok(place + 1);
            }
        }
    }

    /// Reads a gap that was not guessed: one of those remembered, in another order, or
    /// else a new one.
    #[inline(never)]
    fn unexpected(
        &mut self,
        scanner: Scanner<'_>,
        fields: &Fields,
        start: usize,
        opens: bool,
        last: usize,
    ) -> Result<Step, Fault> {
        for (index, gap) in self.gaps.iter().enumerate() {
            if gap.opens == opens && gap.is_at(scanner, start, &self.tails, index) {
                let (len, column) = (gap.len as usize, gap.column);
                self.expect_next(last, index);
                return Ok(Step::Value { at: start + len, column, gap: index });
            }
        }
        self.unknown(scanner, fields, start, opens, last)
    }

    /// From now on `index` is the guess behind `last`, or the guess for the start of an
    /// object if it opens one. A gap behind one that is not remembered is no guess.
    fn expect_next(&mut self, last: usize, index: usize) {
        if let Some(last) = self.gaps.get_mut(last) {
            last.next = index;
        } else if self.gaps[index].opens {
            self.first = index;
        }
    }

    /// Reads a gap that is not remembered, and remembers it.
    #[inline(never)]
    fn unknown(
        &mut self,
        scanner: Scanner<'_>,
        fields: &Fields,
        start: usize,
        opens: bool,
        last: usize,
    ) -> Result<Step, Fault> {
        let at = scanner.skip_space(start);
        let mut key_at = scanner.skip_space(at + 1);
        match (scanner.byte(at), opens) {
            (b'{', true) if scanner.byte(key_at) == b'}' => return Ok(Step::End(key_at + 1)),
            (b'{', true) | (b',', false) => {}
            (b'}', false) => return Ok(Step::End(at + 1)),
            // Jackson passes over a byte order mark, and so do we.
            (0xef, true) if scanner.sixteen(at).starts_with(b"\xef\xbb\xbf{") && at == start => {
                key_at = scanner.skip_space(at + 4);
                if scanner.byte(key_at) == b'}' {
                    return Ok(Step::End(key_at + 1));
                }
            }
            (_, true) => return Err(Fault { at, expected: "an object" }),
            (_, false) => return Err(Fault { at, expected: "',' or '}'" }),
        }
        let (key, value_at) = scanner.key(key_at)?;
        let raw = &scanner.data[key.start()..key.end()];
        let column = if key.is(Kind::Text) {
            fields.find(raw)
        } else {
            self.name.clear();
            unescape(raw, &mut self.name);
            fields.find(&self.name)
        };
        let column = column.unwrap_or(NONE);
        if value_at - start > GAP_LEN_MAX {
            return Ok(Step::Value { at: value_at, column, gap: NONE });
        }
        let gap = self.remember(scanner, start, value_at, column, opens);
        // If all older gaps have just been forgotten, the last one is among them.
        self.expect_next(if last < gap { last } else { NONE }, gap);
        Ok(Step::Value { at: value_at, column, gap })
    }

    /// Remembers a new gap and gives its place. If there are too many, all older ones
    /// are forgotten first.
    fn remember(
        &mut self,
        scanner: Scanner<'_>,
        start: usize,
        end: usize,
        column: usize,
        opens: bool,
    ) -> usize {
        if self.gaps.len() == GAPS_MAX {
            self.gaps.clear();
            self.tails.clear();
            self.first = NONE;
        }
        let len = end - start;
        let mask = [low_bytes(len), low_bytes(len.saturating_sub(8))];
        let [low, high] = scanner.two_words(start);
        let head = [low & mask[0], high & mask[1]];
        self.tails.push(scanner.data[start + len.min(16)..end].into());
        self.gaps.push(Gap { head, mask, len: len as u32, opens, column, next: NONE });
        self.gaps.len() - 1
    }
}

/// A mask of the first `count` bytes of a word; of all if there are more.
fn low_bytes(count: usize) -> u64 {
    if count >= 8 { u64::MAX } else { (1 << (8 * count)) - 1 }
}
