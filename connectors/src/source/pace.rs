//! Holding a table to its rows per second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long the rows of one fetch should take, as a part of a second: the smaller,
/// the smoother the flow.
const SLICE: f64 = 0.02;

/// When the next rows of a table may be given. All its splits share it.
#[derive(Debug)]
pub struct Pace {
    rows_per_second: f64,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most so many rows a second; more than none.
    #[must_use]
    pub fn new(rows_per_second: f64) -> Pace {
        Pace { rows_per_second: rows_per_second.max(0.001), next: Mutex::new(None) }
    }

    /// How many rows to take at once.
    #[must_use]
    pub fn rows_max(&self) -> u64 {
        (self.rows_per_second * SLICE).ceil().max(1.0) as u64
    }

    /// Books so many rows and gives the moment at which they may be given on.
    ///
    /// # Panics
    /// If another thread panicked while it booked.
    #[must_use]
    pub fn book(&self, rows: u64, now: Instant) -> Instant {
        let mut next = self.next.lock().expect("booking does not panic");
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + Duration::from_secs_f64(rows as f64 / self.rows_per_second));
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_spread_over_time() {
        let pace = Pace::new(100.0);
        let start = Instant::now();
        assert_eq!(pace.rows_max(), 2);
        assert_eq!(pace.book(50, start), start);
        assert_eq!(pace.book(50, start), start + Duration::from_millis(500));
        let later = start + Duration::from_secs(9);
        assert_eq!(pace.book(1, later), later);
    }
}
