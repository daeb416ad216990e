//! The clocks of machines and processes.

use crate::time::{Span, VirtualTime};
use anabranch_engine::pipeline::Now;
use anabranch_engine::time::{Monotonic, WallClock};

/// When virtual time began, in ns since 1970.
pub const BEGIN_NS: i64 = 1_700_000_000_000 * 1_000_000;

/// The wall clock of a machine: wrong by some amount, which may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WallSkew {
    /// How far it is ahead of true time.
    pub(super) ahead: Span,
    /// How much faster than true time it and the monotonic clocks run.
    pub(super) drift_ppm: i32,
}

impl WallSkew {
    /// From a moment on the clock runs so much faster than true time. It does not jump.
    pub(super) fn runs_by(&mut self, at: VirtualTime, ppm: i32) {
        let gained = ProcessClock::stretched(at.0, self.drift_ppm);
        self.ahead.0 += gained - ProcessClock::stretched(at.0, ppm);
        self.drift_ppm = ppm;
    }
}

/// The clocks as one process sees them. The monotonic one starts with the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessClock {
    pub(super) born: VirtualTime,
    pub(super) drift_ppm: i32,
}

impl ProcessClock {
    fn stretched(ns: i64, ppm: i32) -> i64 {
        let more = i128::from(ns) * i128::from(ppm) / 1_000_000;
        ns.saturating_add(more as i64)
    }

    /// What the process reads at a moment.
    pub(super) fn now(self, at: VirtualTime, wall: WallSkew) -> Now {
        let wall_ns = BEGIN_NS + Self::stretched(at.0, wall.drift_ppm) + wall.ahead.0;
        let monotonic = Self::stretched((at - self.born).0, self.drift_ppm);
        Now { wall: WallClock(wall_ns), monotonic: Monotonic(monotonic) }
    }

    /// The first moment at which the process's monotonic clock is not before `reading`.
    pub(super) fn moment_of(self, reading: Monotonic) -> VirtualTime {
        let scale = 1_000_000 + i128::from(self.drift_ppm);
        let ns = (i128::from(reading.0) * 1_000_000).div_euclid(scale) as i64;
        let mut at = VirtualTime(self.born.0.saturating_add(ns));
        while Self::stretched((at - self.born).0, self.drift_ppm) < reading.0 {
            at = at + Span(1);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_is_never_early_by_the_clock_that_asked_for_it() {
        for drift_ppm in [-500, -1, 0, 1, 333, 20_000] {
            let clock = ProcessClock { born: VirtualTime(77), drift_ppm };
            for reading in [0, 1, 999, 1_000_000_007, 86_400_000_000_001] {
                let at = clock.moment_of(Monotonic(reading));
                let read = |at| clock.now(at, WallSkew::default()).monotonic.0;
                assert!(read(at) >= reading, "{drift_ppm} {reading}");
                assert!(read(VirtualTime(at.0 - 2)) < reading, "{drift_ppm} {reading}");
            }
        }
    }

    #[test]
    fn a_clock_that_begins_to_drift_does_not_jump() {
        let clock = ProcessClock { born: VirtualTime(0), drift_ppm: 0 };
        let at = VirtualTime(9_000_000_000);
        let mut wall = WallSkew { ahead: Span::ms(70), drift_ppm: -200 };
        let before = clock.now(at, wall);
        wall.runs_by(at, 1_000);
        assert_eq!(clock.now(at, wall), before);
        let later = clock.now(VirtualTime(10_000_000_000), wall);
        assert_eq!(later.wall.0 - before.wall.0, 1_001_000_000);
        assert_eq!(later.monotonic.0 - before.monotonic.0, 1_000_000_000);
    }

    #[test]
    fn a_jump_of_the_wall_clock_leaves_the_monotonic_one_alone() {
        let clock = ProcessClock { born: VirtualTime(0), drift_ppm: 0 };
        let at = VirtualTime(5);
        let before = clock.now(at, WallSkew::default());
        let jumped = clock.now(at, WallSkew { ahead: Span::ms(-1_000), drift_ppm: 0 });
        assert_eq!(jumped.monotonic, before.monotonic);
        assert_eq!(jumped.wall.0, before.wall.0 - 1_000_000_000);
    }
}
