//! The kinds of window, and which windows a row belongs to.

use serde::{Deserialize, Serialize};

/// A window table function with its parameters, all in milliseconds.
///
/// Windows are `[start, end)`, aligned to 1970-01-01T00:00:00 plus the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Window {
    /// Windows that grow by `step_ms` up to `size_ms` and start again.
    Cumulate {
        /// The largest size; a multiple of the step.
        size_ms: i64,
        /// By how much the windows grow.
        step_ms: i64,
        /// Shifts the alignment.
        offset_ms: i64,
    },
    /// Windows of `size_ms` that start every `slide_ms`.
    Hop {
        /// A multiple of the slide.
        size_ms: i64,
        /// The distance between starts.
        slide_ms: i64,
        /// Shifts the alignment.
        offset_ms: i64,
    },
    /// Windows that end when no row of the key came for `gap_ms`. Rows exactly the
    /// gap apart are together.
    // spec: T-1
    Session {
        /// The gap.
        gap_ms: i64,
    },
    /// Windows of `size_ms` that do not overlap.
    Tumble {
        /// The size.
        size_ms: i64,
        /// Shifts the alignment.
        offset_ms: i64,
    },
}

impl Window {
    /// The length of the panes that windows are put together from: every window
    /// starts and ends at a pane's border. `None` for sessions.
    #[must_use]
    pub fn pane_ms(self) -> Option<i64> {
        match self {
            Window::Cumulate { step_ms, .. } => Some(step_ms),
            Window::Hop { slide_ms, .. } => Some(slide_ms),
            Window::Session { .. } => None,
            Window::Tumble { size_ms, .. } => Some(size_ms),
        }
    }

    /// The windows that a row of this time belongs to, as (start, end) in ms, in
    /// ascending order of their ends; none for sessions, whose windows depend on
    /// the other rows.
    pub fn windows_of(self, time_ms: i64) -> impl Iterator<Item = (i64, i64)> {
        let (first, step, count, fixed_start) = match self {
            Window::Tumble { size_ms, offset_ms } => {
                let start = floor_to(time_ms, size_ms, offset_ms);
                (start + size_ms, size_ms, 1, Some(start))
            }
            Window::Hop { size_ms, slide_ms, offset_ms } => {
                let last_start = floor_to(time_ms, slide_ms, offset_ms);
                let count = size_ms / slide_ms;
                (last_start + slide_ms, slide_ms, count, None)
            }
            Window::Cumulate { size_ms, step_ms, offset_ms } => {
                let start = floor_to(time_ms, size_ms, offset_ms);
                let first = floor_to(time_ms, step_ms, offset_ms) + step_ms;
                (first, step_ms, (start + size_ms - first) / step_ms + 1, Some(start))
            }
            Window::Session { .. } => (0, 0, 0, None),
        };
        let size = match self {
            Window::Hop { size_ms, .. } => size_ms,
            Window::Cumulate { .. } | Window::Session { .. } | Window::Tumble { .. } => 0,
        };
        (0..count).map(move |index| {
            let end = first + index * step;
            (fixed_start.unwrap_or(end - size), end)
        })
    }
}

/// The largest `offset + k * step` that is at most `time`, also before 1970.
fn floor_to(time: i64, step: i64, offset: i64) -> i64 {
    time - (time - offset).rem_euclid(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(window: Window, time: i64) -> Vec<(i64, i64)> {
        window.windows_of(time).collect()
    }

    #[test]
    fn a_row_belongs_to_one_tumbling_window_also_before_1970() {
        let window = Window::Tumble { size_ms: 10, offset_ms: 3 };
        assert_eq!(of(window, 3), [(3, 13)]);
        assert_eq!(of(window, 2), [(-7, 3)]);
    }

    #[test]
    fn a_row_belongs_to_size_by_slide_hopping_windows() {
        let window = Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 };
        assert_eq!(of(window, 2), [(-5, 5), (0, 10)]);
        assert_eq!(of(window, 7), [(0, 10), (5, 15)]);
    }

    #[test]
    fn a_row_belongs_to_the_cumulating_windows_that_end_after_it() {
        let window = Window::Cumulate { size_ms: 15, step_ms: 5, offset_ms: 0 };
        assert_eq!(of(window, 7), [(0, 10), (0, 15)]);
        assert_eq!(of(window, 14), [(0, 15)]);
    }
}
