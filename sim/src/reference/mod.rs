//! A naive interpreter of the plan: row at a time, by the text of the rules, over the
//! world's logs.
//!
//! It shares the plan, plain data types and the function table with the engine, and no
//! code of its operators, aggregates, expressions, dataflow, state or pipeline. It is
//! not fast and keeps everything: all rows of all windows, until the end.
//!
//! Of the journal it takes only the *cuts* (which offsets each epoch reached) and the
//! *marks* of control records. Rows come from the logs; slices must tile these; a mark
//! must have been admissible when it was taken, and carries the value that rule T-3
//! gives, which is worked out here. What the journal says otherwise is a [`Discord`].
//!
//! What a job gives is worked out for the whole content at once, without regard to
//! epochs: rows carry the watermark of their own split before them, windows their fire
//! time. Only then is each row given the epoch in which it becomes visible: the first
//! at whose end its operator's watermark has reached the fire time.
// spec: E-2, E-3, E-5, T-1, T-2, T-3, T-4, T-5

mod aggregate;
mod bounded;
mod calendar;
mod cell;
mod clock;
mod decode;
mod encode;
mod eval;
mod exact;
mod expected;
mod flow;
mod log;
mod row;
mod side;
mod times;
mod window;

pub use bounded::{Answer, HeldRow, answer};
pub use cell::Cell;
pub use encode::{Pattern, encode, encode_row};
pub use expected::{
    Discord, EpochCounts, EpochTimes, Expected, ExpectedRow, ExpectedSink, Source, Stream,
};
pub use log::{LogRecord, SplitLog};
pub use times::{Reading, readings};

use anabranch_engine::ids::{Epoch, SplitName};
use anabranch_engine::journal::EpochRecord;
use anabranch_engine::plan::Plan;
use std::collections::BTreeMap;

/// What the interpreter is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The job.
    pub plan: &'a Plan,
    /// The world's logs, each as far as it was ever written.
    pub logs: &'a [SplitLog],
    /// The journal's records from the first epoch on, without a gap.
    pub epochs: &'a [EpochRecord],
    /// For an epoch with a mark of a split: where the split's log really ended when its
    /// source last told the reader so before the epoch was closed. A mark that is not
    /// among them is held against what was fetched only.
    pub log_ends: &'a BTreeMap<(Epoch, SplitName), u64>,
}

/// What must come of a case.
#[must_use]
pub fn expect(case: Case<'_>) -> Expected {
    let read = clock::read(case);
    flow::run(case, read)
}
