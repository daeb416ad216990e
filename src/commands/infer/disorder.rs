//! How far rows come behind earlier ones, and which delay would forgive that.

/// At most this share of the rows may be behind their watermark.
const LATE_SHARE: f64 = 0.001;

/// How disordered a column is.
#[derive(Debug)]
pub(super) struct Disorder {
    /// How many rows have a value.
    pub(super) rows: u64,
    /// The largest distance behind an earlier row, in ms.
    pub(super) largest_ms: i64,
    /// For each row that came behind an earlier one by how much, ascending.
    behind_ms: Vec<i64>,
}

/// A delay in a unit of which it is a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    number: i64,
    unit: (&'static str, i64),
}

const UNITS: [(&str, i64); 5] = [
    ("DAY", 86_400_000),
    ("HOUR", 3_600_000),
    ("MINUTE", 60_000),
    ("SECOND", 1_000),
    ("MILLISECOND", 1),
];

impl Disorder {
    /// Of the times of each file, in the order of its records.
    pub(super) fn of(files: impl Iterator<Item = Vec<i64>>) -> Disorder {
        let mut disorder = Disorder { rows: 0, largest_ms: 0, behind_ms: Vec::new() };
        for times in files {
            let mut largest = i64::MIN;
            for time in times {
                disorder.rows += 1;
                if time < largest {
                    disorder.behind_ms.push(largest.saturating_sub(time));
                }
                largest = largest.max(time);
            }
        }
        disorder.behind_ms.sort_unstable();
        disorder.largest_ms = disorder.behind_ms.last().copied().unwrap_or(0);
        disorder
    }

    /// How many rows are at or behind their watermark with this delay.
    // spec: T-1
    pub(super) fn late_with(&self, delay_ms: i64) -> u64 {
        let first = self.behind_ms.partition_point(|behind| *behind < delay_ms);
        (self.behind_ms.len() - first) as u64
    }

    /// The smallest delay, rounded up to a whole unit, with which at most one row in
    /// a thousand is late.
    pub(super) fn delay(&self) -> Delay {
        let allowed = (self.rows as f64 * LATE_SHARE) as usize;
        let needed = match self.behind_ms.len().checked_sub(allowed + 1) {
            // One more than the first that must not be late.
            Some(place) => self.behind_ms[place] + 1,
            None => 0,
        };
        Delay::round_up(needed)
    }
}

impl Delay {
    /// Up to a whole number of the largest unit that fits, so that the number has one
    /// or two digits.
    fn round_up(ms: i64) -> Delay {
        let unit = UNITS.into_iter().find(|(_, unit_ms)| ms > *unit_ms).unwrap_or(UNITS[4]);
        Delay { number: (ms + unit.1 - 1) / unit.1, unit }
    }

    pub(super) fn ms(self) -> i64 {
        self.number * self.unit.1
    }

    /// ` - INTERVAL '7' HOUR`; nothing if there is no delay.
    pub(super) fn sql(self) -> String {
        match (self.number, self.unit.0) {
            (0, _) => String::new(),
            // SQL has no unit below the second.
            (number, "MILLISECOND") => {
                format!(" - INTERVAL '{}.{:03}' SECOND", number / 1_000, number % 1_000)
            }
            (number, unit) => format!(" - INTERVAL '{number}' {unit}"),
        }
    }

    /// `7 hours`.
    pub(super) fn words(self) -> String {
        let s = if self.number == 1 { "" } else { "s" };
        format!("{} {}{s}", self.number, self.unit.0.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_leaves_one_row_in_a_thousand() {
        let mut times: Vec<i64> = (0..2_000).map(|n| n * 1_000).collect();
        times.extend([1_000_000, 1_989_000, 1_998_000]);
        let disorder = Disorder::of(std::iter::once(times));
        assert_eq!(disorder.largest_ms, 999_000);
        assert_eq!(disorder.delay(), Delay { number: 2, unit: ("SECOND", 1_000) });
        assert_eq!(disorder.late_with(2_000), 2);
        assert_eq!(disorder.late_with(1_000), 3);
    }

    #[test]
    fn files_in_order_need_no_delay() {
        let disorder = Disorder::of([vec![1, 2, 2], vec![0, 5]].into_iter());
        assert_eq!(disorder.delay().sql(), "");
        assert_eq!(disorder.late_with(0), 0);
    }

    #[test]
    fn delays_are_round() {
        assert_eq!(Delay::round_up(6 * 3_600_000 + 1).sql(), " - INTERVAL '7' HOUR");
        assert_eq!(Delay::round_up(90_000).sql(), " - INTERVAL '2' MINUTE");
        assert_eq!(Delay::round_up(500).sql(), " - INTERVAL '0.500' SECOND");
    }
}
