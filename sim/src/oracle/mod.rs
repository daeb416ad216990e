//! Oracles: pure functions over what the interpreter says, what readers of the sinks
//! saw, and what the world wrote down of a run. Each gives what is wrong, or nothing.
//!
//! None of them believes the journal: rows are judged by the world's logs. None asks a
//! sink for more atomicity than it promises: how far a reader must see is a [`Reach`],
//! which may leave a group open.

mod assert;
mod content;
mod durable;
mod epochs;
mod given_up;
mod history;
mod keyed;
mod liveness;
mod logs;
mod matching;
mod replay;
mod run;
mod time;

pub use assert::{AssertResult, Violation};
pub use content::{Guarantee, Shape, SinkOracle};
pub use durable::{durable_epochs, listed_snapshots, whole_starts};
pub use epochs::{Effect, Fall, MarkerSeen, Reach, generations, incarnations, markers, usage};
pub use liveness::{Liveness, Recovery, Stall, Zombie, liveness};
pub use logs::{logs_of, logs_shown};
pub use replay::{replay, restore, same_trace};
pub use run::{Judged, judge, judge_all, judge_without_journal, shape_of};
pub use time::{discords, fires_once, snapshot_times};

use std::fmt;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The oracle that found it, such as `S1`.
    pub oracle: &'static str,
    /// What kind of thing it is and where, without any number: two runs with one
    /// fingerprint have the same fault.
    pub fingerprint: String,
    /// What was expected, what was found, and which records it comes from.
    pub message: String,
}

impl Finding {
    /// A finding of this kind at this place.
    #[must_use]
    pub fn new(oracle: &'static str, kind: &str, place: &str, message: String) -> Finding {
        let fingerprint = match place {
            "" => format!("{oracle} {kind}"),
            place => format!("{oracle} {kind}: {place}"),
        };
        Finding { oracle, fingerprint, message }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.fingerprint, self.message)
    }
}
