//! Virtual time.

use std::fmt;
use std::ops::{Add, Sub};

/// A moment of the simulated world, in ns since it began. No process sees it: each has a
/// clock of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualTime(pub i64);

/// A span of virtual time, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Span {
    /// So many ms.
    #[must_use]
    pub const fn ms(ms: i64) -> Span {
        Span(ms * 1_000_000)
    }

    /// So many µs.
    #[must_use]
    pub const fn us(us: i64) -> Span {
        Span(us * 1_000)
    }
}

impl Add<Span> for VirtualTime {
    type Output = VirtualTime;

    fn add(self, span: Span) -> VirtualTime {
        VirtualTime(self.0.saturating_add(span.0))
    }
}

impl Sub for VirtualTime {
    type Output = Span;

    fn sub(self, earlier: VirtualTime) -> Span {
        Span(self.0 - earlier.0)
    }
}

impl fmt::Display for VirtualTime {
    /// Seconds with µs, such as `12.000345`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}
