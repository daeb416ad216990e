//! Where aligned windows lie: TUMBLE, HOP and CUMULATE as one arithmetic.
//!
//! A window is known by its end. The ends that a row belongs to are an arithmetic
//! sequence, from the first end after the row to the last one of the row's *base*
//! (the start of its pane for HOP, of its largest window for TUMBLE and CUMULATE).

use crate::plan::Window;
use crate::planted;
use crate::time::Watermark;

/// Event times beyond this many ms from 1970 (some 36 million years) are refused, so
/// that no arithmetic on windows can overflow.
pub(super) const TIME_LIMIT_MS: i64 = 1 << 60;

/// The largest window size, gap, offset or lateness, in ms.
pub(super) const SPAN_LIMIT_MS: i64 = 1 << 52;

/// TUMBLE, HOP or CUMULATE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// The largest size of a window.
    size: i64,
    /// The distance between the ends of windows.
    step: i64,
    /// The distance between bases.
    base_step: i64,
    /// Shifts the alignment.
    offset: i64,
    /// Whether windows grow from their base instead of all having the same size.
    cumulate: bool,
}

/// The windows of one row that are still open for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// The row's base.
    pub(super) base: i64,
    /// The end of the first open window; beyond the last end if all are closed.
    pub(super) first_open: i64,
    /// How many of the row's windows are closed.
    pub(super) missed: i64,
    /// How many windows the row belongs to.
    pub(super) total: i64,
}

fn floor(time: i64, step: i64, offset: i64) -> i64 {
    time - (time - offset).rem_euclid(step)
}

impl Geometry {
    /// The geometry of this window; `None` for sessions.
    ///
    /// # Errors
    /// If a size is not positive, is too large, or does not divide as it must.
    pub(super) fn new(window: Window) -> Result<Option<Geometry>, String> {
        let (size, step, base_step, offset, cumulate) = match window {
            Window::Tumble { size_ms, offset_ms } => (size_ms, size_ms, size_ms, offset_ms, false),
            Window::Hop { size_ms, slide_ms, offset_ms } => {
                (size_ms, slide_ms, slide_ms, offset_ms, false)
            }
            Window::Cumulate { size_ms, step_ms, offset_ms } => {
                (size_ms, step_ms, size_ms, offset_ms, true)
            }
            Window::Session { .. } => return Ok(None),
        };
        if step <= 0 || size < step || size % step != 0 || size > SPAN_LIMIT_MS {
            return Err(format!("a window of {size} ms cannot advance by {step} ms"));
        }
        if offset.unsigned_abs() > SPAN_LIMIT_MS as u64 {
            return Err(format!("a window offset of {offset} ms is too large"));
        }
        Ok(Some(Geometry { size, step, base_step, offset, cumulate }))
    }

    /// The end of the first window that holds this time.
    pub(super) fn first_end(&self, time: i64) -> i64 {
        floor(time, self.step, self.offset) + self.step
    }

    /// The base of this time.
    pub(super) fn base(&self, time: i64) -> i64 {
        floor(time, self.base_step, self.offset)
    }

    /// The end of the last window that holds the times of this base.
    pub(super) fn last_end(&self, base: i64) -> i64 {
        base + self.size
    }

    /// The start of the window with this end.
    pub(super) fn start(&self, end: i64) -> i64 {
        if self.cumulate { floor(end - 1, self.size, self.offset) } else { end - self.size }
    }

    /// Whether this is a base and the end of one of its windows.
    pub(super) fn is_cell(&self, base: i64, end: i64) -> bool {
        base.unsigned_abs() <= 2 * TIME_LIMIT_MS as u64
            && self.base(base) == base
            && base < end
            && end <= self.last_end(base)
            && self.first_end(end - 1) == end
    }

    /// The distance between the ends of windows.
    pub(super) fn step(&self) -> i64 {
        self.step
    }

    /// The first end at or after `end`, which is one, that is larger than `after`.
    pub(super) fn end_after(&self, end: i64, after: i64) -> i64 {
        if end > after {
            return end;
        }
        let distance = i128::from(after) - i128::from(end);
        let steps = distance / i128::from(self.step) + 1;
        let next = i128::from(end) + steps * i128::from(self.step);
        i64::try_from(next).unwrap_or(i64::MAX)
    }

    /// Which windows of a row are open for it: those whose end minus 1 plus the
    /// lateness lies above the watermark of the row's own split before the row.
    // spec: T-2
    pub(super) fn open(&self, time: i64, watermark: Watermark, lateness: i64) -> Open {
        let base = self.base(time);
        let first = self.first_end(time);
        let last = self.last_end(base);
        let closed = closed_up_to(watermark, lateness);
        let closed = if planted!(W5) { closed.saturating_sub(1) } else { closed };
        let first_open = self.end_after(first, closed);
        let total = (last - first) / self.step + 1;
        let missed = ((first_open.min(last + self.step) - first) / self.step).min(total);
        Open { base, first_open, missed, total }
    }
}

/// The largest end of an aligned window that is closed at this watermark.
// spec: T-1, T-2
pub(super) fn closed_up_to(watermark: Watermark, lateness: i64) -> i64 {
    watermark.0.saturating_sub(lateness).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(window: Window) -> Geometry {
        Geometry::new(window).expect("valid").expect("aligned")
    }

    #[test]
    fn a_row_misses_only_the_windows_that_are_closed_at_its_own_watermark() {
        // spec: T-2
        let hop = geometry(Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 });
        let open = hop.open(2, Watermark(5), 0);
        assert_eq!(open, Open { base: 0, first_open: 10, missed: 1, total: 2 });
        assert_eq!(hop.open(2, Watermark(3), 0).missed, 0);
        assert_eq!(hop.open(2, Watermark(4), 0).missed, 1);
        assert_eq!(hop.open(2, Watermark(4), 1).missed, 0);
        assert_eq!(hop.open(2, Watermark(9), 0).missed, 2);
        assert_eq!(hop.open(2, Watermark::NONE, 0).missed, 0);
        assert_eq!(hop.open(2, Watermark::END, 0).missed, 2);
    }

    #[test]
    fn every_window_agrees_with_the_plan_s_own_list() {
        let windows = [
            Window::Tumble { size_ms: 7, offset_ms: 3 },
            Window::Hop { size_ms: 12, slide_ms: 4, offset_ms: -1 },
            Window::Cumulate { size_ms: 12, step_ms: 3, offset_ms: 2 },
        ];
        for window in windows {
            let geometry = geometry(window);
            for time in -40..40 {
                let listed: Vec<(i64, i64)> = window.windows_of(time).collect();
                let open = geometry.open(time, Watermark::NONE, 0);
                let ends = (0..open.total).map(|index| open.first_open + index * geometry.step());
                let computed: Vec<(i64, i64)> =
                    ends.map(|end| (geometry.start(end), end)).collect();
                assert_eq!(computed, listed, "{window:?} at {time}");
                let last = listed.last().expect("a row has a window").1;
                assert_eq!(geometry.last_end(open.base), last);
            }
        }
    }
}
