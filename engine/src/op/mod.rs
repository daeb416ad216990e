//! Operators: the parts of a dataflow that keep state.
//!
//! An operator is a synchronous machine over rows of one epoch after the other. It
//! sees all rows of an epoch, in slice order, before the watermark that follows
//! them; so nothing that it gives depends on where epochs are cut.

mod event_time;
mod geometry;
mod session_assign;
mod window_aggregate;
mod window_assign;

pub use window_aggregate::WindowAggregateOp;
pub use window_assign::WindowAssignOp;

use crate::executor::Executor;
use crate::expr::ErrorKind;
use crate::ids::{Epoch, NodeId, SplitId, SplitName};
use crate::rows::Rows;
use crate::state::{Since, StateEntry};
use crate::time::{Tick, Watermark};

/// A record that came too late for some or all of an operator's windows.
// spec: T-4
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateRow {
    /// The operator.
    pub node: NodeId,
    /// The record's split.
    pub split: SplitId,
    /// The record's offset.
    pub offset: u64,
    /// The split's watermark before the record.
    pub watermark: Watermark,
    /// How many of its windows were closed.
    pub windows_missed: u32,
    /// How many windows it belongs to; equal to `windows_missed` if it counted
    /// nowhere. 1 for sessions.
    pub windows_total: u32,
}

/// A row that could not be computed.
// spec: F-1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    /// The node that could not compute it.
    pub node: NodeId,
    /// The split and offset of its record; `None` for a row that was derived from
    /// many.
    pub record: Option<(SplitId, u64)>,
    /// Why.
    pub kind: ErrorKind,
    /// The value and what was wrong with it.
    pub detail: String,
    /// The SQL text of the expression.
    pub expression: String,
    /// For a derived row its key and window, for a person.
    pub context: String,
}

/// What an operator sees of the epoch, and where it puts what it gives.
pub struct OperatorCx<'a> {
    /// The epoch that is computed.
    pub epoch: Epoch,
    /// The epoch's clock reading.
    pub tick: Tick,
    /// Runs independent pieces of work.
    pub executor: &'a dyn Executor,
    /// The names of the job's splits, by [`SplitId`]: rows are ordered by name, and
    /// never by the number, which depends on when a split was added.
    // spec: E-5
    pub split_names: &'a [SplitName],
    /// The rows that the operator gives, in order.
    pub output: Vec<Rows>,
    /// Records that came too late.
    pub late: Vec<LateRow>,
    /// Rows that could not be computed.
    pub dead: Vec<DeadRow>,
    /// How many windows fired.
    pub windows_fired: u64,
}

impl<'a> OperatorCx<'a> {
    /// A context without output yet.
    pub fn new(
        epoch: Epoch,
        tick: Tick,
        executor: &'a dyn Executor,
        split_names: &'a [SplitName],
    ) -> OperatorCx<'a> {
        OperatorCx {
            epoch,
            tick,
            executor,
            split_names,
            output: Vec::new(),
            late: Vec::new(),
            dead: Vec::new(),
            windows_fired: 0,
        }
    }
}

/// A stateful operator.
///
/// Called in this order in every epoch: `on_rows` for each port that has rows,
/// `on_watermark` if the watermark rose, `on_epoch_end`.
pub trait Operator: Send {
    /// Takes the epoch's rows of one port, in slice order.
    fn on_rows(&mut self, port: usize, rows: &[Rows], cx: &mut OperatorCx<'_>);

    /// Learns that the operator's watermark rose, and fires what is due, in (fire
    /// time, key, ordinal) order across key groups.
    // spec: E-3, T-5
    fn on_watermark(&mut self, watermark: Watermark, cx: &mut OperatorCx<'_>);

    /// A watermark for those downstream that lies below every row time that this
    /// operator may still give, if its own stands at `input`.
    // spec: T-5
    fn output_watermark(&self, input: Watermark) -> Watermark;

    /// Ends the epoch.
    fn on_epoch_end(&mut self, cx: &mut OperatorCx<'_>);

    /// Appends the entries of the state that `since` asks for, sorted by (key group,
    /// table, key), and says what it gave: `since`, or [`Since::Beginning`] if the
    /// changes since that epoch are not known any more and all entries were
    /// appended. Changes are known after [`Operator::keep_changes`].
    // spec: S-3
    fn save(&self, since: Since, out: &mut Vec<StateEntry>) -> Since;

    /// Says that from now on changes since an epoch at or after `since` may be asked
    /// for, and no longer those since an earlier one. `since` is the epoch just
    /// computed, loaded or an earlier `since` that was given here. Before the first
    /// call an operator remembers no entries that went, so that a job without
    /// incremental snapshots does not pay for them.
    // spec: S-3, F-5
    fn keep_changes(&mut self, since: Epoch);

    /// Takes entries that `save(Since::Beginning, ..)` of the same operator gave,
    /// at whatever parallelism; the operator is empty before.
    ///
    /// # Errors
    /// What is wrong with the first entry that cannot be read.
    fn load(&mut self, entries: &[StateEntry]) -> Result<(), String>;

    /// About how many bytes of memory the state takes. It may walk the whole state:
    /// for now and then, not for every epoch.
    fn state_bytes(&self) -> usize;

    /// The earliest event time at which a timer of this operator is due, if any.
    fn next_timer(&self) -> Option<Watermark>;
}
