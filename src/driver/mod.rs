//! The world around a pipeline: it carries out every output and brings every input.
//!
//! One thread takes the turns. Journal, snapshots and each sink have a thread of
//! their own, since they wait for disks; fetches wait on tokio's. All of them answer
//! through one bounded channel. The queues cannot grow without bound because the
//! pipeline holds its own limits: so many epochs in flight, one chunk a sink, one
//! fetch a split.
// spec: F-5

mod fetch;
mod journal;
mod sinks;
mod snapshots;
mod turn;

pub(crate) use fetch::Sources;
pub(crate) use journal::JournalStore;
pub(crate) use snapshots::SnapshotStore;
pub(crate) use turn::{Driver, Observer, end_on_panic, run};

use anabranch_engine::ids::RequestId;
use anabranch_engine::pipeline::Input;
use tokio::sync::mpsc;

/// How many answers may wait for the turn.
const EVENTS_MAX: usize = 256;

/// What reaches the thread that takes the turns.
#[derive(Debug)]
pub(crate) enum Event {
    /// The user asked for the end, once more or for the first time.
    Signal,
    /// An answer.
    Input(Input),
    /// One of the two stores that a trim asks has done its part, or says why not.
    Removed(RequestId, Result<(), String>),
}

/// The way to the thread that takes the turns.
#[derive(Clone, Debug)]
pub(crate) struct Answers(mpsc::Sender<Event>);

impl Answers {
    /// A new way, and its end.
    #[must_use]
    pub(crate) fn channel() -> (Answers, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        (Answers(sender), receiver)
    }

    /// Brings an event from a thread that may wait. That nobody listens any more
    /// means that the job has ended, and is no error.
    pub(crate) fn send(&self, event: Event) {
        let _ = self.0.blocking_send(event);
    }

    /// Brings an event from a task.
    pub(crate) async fn send_async(&self, event: Event) {
        let _ = self.0.send(event).await;
    }
}
